//! A manager that is away for a while, and one that comes back to nothing.

use std::{fs, net::TcpListener};

use pod_tests::{Pod, processes_of};
use serde_json::json;

use crate::client;

/// Prints numbers without end, until a file tells it to stop; tells by another file how far it is.
fn counting(stop: &str, progress: &str) -> String {
    format!(
        "i=0\nwhile [ ! -e '{stop}' ]; do\n  seq $i $((i + 99))\n  i=$((i + 100))\n  echo $i > '{progress}.new'\n  \
         mv '{progress}.new' '{progress}'\n  sleep 0.01\ndone\necho \"end $i\""
    )
}

fn number_in(path: &str) -> u64 {
    fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

#[test]
fn a_run_prints_on_while_its_manager_is_down_and_no_byte_is_missing() {
    let pod = Pod::new();
    let directory = pod.data().parent().expect("it lies in a directory").to_string_lossy().into_owned();
    // Longer than a Unix socket's address may be.
    let data = format!("{directory}/{}", "d".repeat(149_usize.saturating_sub(directory.len()).max(1)));
    assert!(data.len() >= 150, "{data}");
    let (stop, progress) = (format!("{directory}/stop"), format!("{directory}/progress"));

    let server = pod.serve(&["--data-dir", &data]);
    client::register(server.url(), "counting", &counting(&stop, &progress), json!({}));
    let id = client::start(server.url(), "counting", "");
    client::until("some output has arrived", || client::stdout(server.url(), id).body.len() > 10_000);
    let address = server.url().trim_start_matches("http://").to_owned();
    server.kill();

    let at_the_kill = number_in(&progress);
    client::until("it has printed much meanwhile", || number_in(&progress) > at_the_kill + 10_000);
    let _elsewhere = TcpListener::bind(&address).expect("the port of a killed manager is free");
    let server = pod.serve(&["--data-dir", &data]);
    let at_the_return = number_in(&progress);
    client::until("it prints on", || number_in(&progress) > at_the_return + 1_000);
    fs::write(&stop, "").expect("the directory takes a file");

    let ended = client::ended(server.url(), id);
    assert_eq!((&ended["status"], &ended["attempt"]), (&json!("finished"), &json!(1)), "{ended}");
    let printed = String::from_utf8(client::stdout(server.url(), id).body).expect("it prints text");
    let count = printed.lines().last().and_then(|line| line.strip_prefix("end ")?.parse::<u64>().ok());
    let count = count.expect("the last line is the last line");
    let expected = (0..count).map(|number| format!("{number}\n")).collect::<String>() + &format!("end {count}\n");
    let differs = printed.bytes().zip(expected.bytes()).position(|(printed, expected)| printed != expected);
    assert_eq!((printed.len(), differs), (expected.len(), None), "the length, and where it first differs");
    assert!(server.stop().success());
}

/// What prints much writes the store's file itself, with or without a manager.
#[test]
fn a_flood_goes_on_into_its_file_while_its_manager_is_down() {
    let pod = Pod::new();
    let [go, done] = ["go", "done"].map(|name| pod.path(name).to_str().expect("text").to_owned());
    let server = pod.serve(&["--output-cap", "1GiB"]);
    let main = format!(
        "seq 1 1000000\nseq 1 10 >&2\nwhile [ ! -e '{go}' ]; do sleep 0.05; done\nseq 1000001 4000000\nseq 11 20 >&2\n\
         touch '{done}'\nwhile [ ! -e '{done}2' ]; do sleep 0.05; done\nseq 4000001 5000000"
    );
    client::register(server.url(), "flooding", &main, json!({}));
    let id = client::start(server.url(), "flooding", "");
    let first = (1..=1_000_000).map(|number| format!("{number}\n")).collect::<String>();
    client::until("the first part has arrived", || client::stdout(server.url(), id).body.len() == first.len());
    server.kill();

    let file = pod.data().join(format!("output/0/{id}.1.stdout"));
    let len = || fs::metadata(&file).expect("long output has a file").len();
    assert_eq!(len(), first.len() as u64);
    fs::write(&go, "").expect("the directory takes a file");
    client::until("it has printed much meanwhile", || fs::exists(&done).unwrap_or(false));
    let expected = (1..=5_000_000).map(|number| format!("{number}\n")).collect::<String>();
    let until_then = expected.find("\n4000001\n").expect("it is in it") as u64 + 1;
    client::until("all of that is in the file", || len() == until_then);

    let server = pod.serve(&["--output-cap", "1GiB"]);
    client::until("it is all shown", || client::stdout(server.url(), id).body.len() as u64 == until_then);
    fs::write(format!("{done}2"), "").expect("the directory takes a file");
    let ended = client::ended(server.url(), id);
    assert_eq!((&ended["status"], &ended["attempt"]), (&json!("finished"), &json!(1)), "{ended}");
    assert!(client::stdout(server.url(), id).body == expected.as_bytes(), "other bytes than were printed");
    let both = client::get(server.url(), &format!("/api/v1/executions/{id}/output?stream=stderr")).body;
    assert_eq!(
        String::from_utf8(both).expect("text"),
        (1..=20).map(|number| format!("{number}\n")).collect::<String>()
    );
    assert!(server.stop().success());
}

#[test]
fn workers_of_a_wiped_data_directory_stop_and_bring_nothing_along() {
    let pod = Pod::new();
    let data = pod.data().to_string_lossy().into_owned();
    let server = pod.serve(&[]);
    client::register(server.url(), "old", "trap '' TERM\necho up\nwhile :; do sleep 0.1; done", json!({}));
    let old = client::start(server.url(), "old", "");
    client::until("it runs", || client::stdout(server.url(), old).body == b"up\n");
    server.kill();
    let left: Vec<u32> = processes_of(&data);
    assert!(left.len() >= 3, "the worker, its spawners and the program live on: {left:?}");
    // What still runs may write while it is wiped.
    client::until("the directory is wiped", || {
        let _ = fs::remove_dir_all(&data);
        !fs::exists(&data).unwrap_or(true)
    });

    let server = pod.serve(&[]);
    client::until("what ran for the wiped directory is gone", || {
        let now = processes_of(&data);
        left.iter().all(|pid| !now.contains(pid))
    });
    let executions = client::get(server.url(), "/api/v1/executions").json();
    assert_eq!(executions, json!({ "items": [] }), "nothing of the old runs was taken over");
    client::register(server.url(), "new", "echo \"new $1\"", json!({}));
    let new = client::start(server.url(), "new", "x");
    assert_eq!(client::ended(server.url(), new)["status"], "finished");
    assert_eq!(client::stdout(server.url(), new).body, b"new x\n");
    let workers = client::get(server.url(), "/api/v1/workers").json();
    assert_eq!(workers["items"].as_array().map(Vec::len), Some(1), "its own worker and no other: {workers}");
    assert!(server.stop().success());
}
