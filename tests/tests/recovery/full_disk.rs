//! A disk without room: what is refused, what still ends, and that all goes on when there is room.

use std::fs;

use pod_tests::Pod;
use serde_json::json;

use crate::client::{self, Answer};

fn submit(url: &str, activity: &str) -> Answer {
    let body = json!({ "activity": activity }).to_string();
    client::ask(url, "POST", "/api/v1/executions", "", &body).expect("it answers")
}

/// Waits for a file, and prints then.
fn waiting_for(file: &str, then: &str) -> String {
    format!("echo begin\nwhile [ ! -e '{file}' ]; do sleep 0.05; done\n{then}\necho end")
}

#[test]
fn a_full_disk_refuses_what_can_wait_and_everything_goes_on_when_there_is_room() {
    let pod = Pod::new();
    if !pod.may_mount() {
        return;
    }
    let server = pod.serve_on_small_disk(48, &["--slots", "3"]);
    let url = server.url();
    let [flood, go] = ["flood", "go"].map(|name| pod.path(name).to_str().expect("text").to_owned());
    client::register(url, "flooding", &waiting_for(&flood, "seq 1 1000000"), json!({}));
    client::register(url, "quiet", &waiting_for(&go, ":"), json!({}));
    let (flooding, quiet) = (client::start(url, "flooding", ""), client::start(url, "quiet", ""));
    client::until("both run", || [flooding, quiet].iter().all(|id| client::stdout(url, *id).body == b"begin\n"));

    let ballast = pod.path_on_disk_of(&server, "ballast");
    fs::write(&ballast, vec![7; 64 << 20]).expect_err("the ballast is more than the disk has room for");
    fs::write(&flood, "").expect("there is room elsewhere");
    client::until("it is seen that the disk is full", || {
        client::ask(url, "GET", "/readyz", "", "").is_ok_and(|answer| answer.status == 507)
    });
    let refused = submit(url, "quiet");
    assert_eq!((refused.status, &refused.json()["type"]), (507, &json!("urn:pod:problem:store-full")));
    assert!(refused.json()["detail"].as_str().is_some_and(|detail| detail.contains("free some")), "{}", refused.json());
    let refused = client::ask(url, "GET", "/POD/?action=newExecution&name=quiet", "", "").expect("it answers");
    assert_eq!(refused.status, 503);
    assert!(refused.json()["error"].as_str().is_some_and(|error| error.contains("no space is left")));
    let metrics = String::from_utf8(client::get(url, "/metrics").body).expect("text");
    assert!(metrics.contains("\npod_refusing 1\n"), "{metrics}");

    // It shares its link with the flood, which nothing takes at the moment.
    fs::write(&go, "").expect("there is room elsewhere");
    let ended = client::ended(url, quiet);
    assert_eq!((&ended["status"], &ended["exitCode"]), (&json!("finished"), &json!(0)), "{ended}");
    assert_eq!(client::stdout(url, quiet).body, b"begin\nend\n");
    assert_eq!(client::get(url, &format!("/api/v1/executions/{flooding}")).json()["status"], "running");

    fs::remove_file(&ballast).expect("what fills the disk can be deleted");
    let ended = client::ended(url, flooding);
    assert_eq!((&ended["status"], &ended["attempt"]), (&json!("finished"), &json!(1)), "{ended}");
    let whole = (1..=1_000_000).map(|number| format!("{number}\n")).collect::<String>();
    let whole = format!("begin\n{whole}end\n");
    let kept = client::stdout(url, flooding);
    // The disk was that of its worker, too, which kept what it had room for.
    let (head, tail) = match (kept.number("pod-output-gap-start"), kept.number("pod-output-gap-end")) {
        (Some(start), Some(end)) => (start as usize, end as usize),
        _ => (whole.len(), whole.len()),
    };
    assert!(kept.body == [&whole.as_bytes()[..head], &whole.as_bytes()[tail..]].concat(), "head or tail is not exact");
    assert!(whole.len() - tail >= 1 << 20 || tail == whole.len(), "the tail is kept");
    client::until("submits are taken again", || submit(url, "quiet").status == 201);
    assert_eq!(client::get(url, "/readyz").body, b"ready\n");
    let last = client::start(url, "quiet", "");
    assert_eq!(client::ended(url, last)["status"], "finished");
    assert!(server.stop().success());
}

#[test]
fn a_command_on_a_full_disk_says_so() {
    let pod = Pod::new();
    if !pod.may_mount() {
        return;
    }
    let hello = pod.program("hello", "echo hello\n");
    let ran = pod.run_on_small_disk(16, 100, &["run", &hello]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    assert!(ran.stderr.contains("full disk; make room"), "{}", ran.stderr);
    let ran = pod.run_on_small_disk(16, 100, &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("full disk; make room"), "{}", ran.stderr);
    // Little room is enough for little.
    let ran = pod.run_on_small_disk(16, 10, &["run", &hello]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "hello\n"), "{}", ran.stderr);
}

#[test]
fn a_run_that_waits_for_room_says_so_and_an_installation_without_room_is_named() {
    let pod = Pod::new();
    if !pod.may_mount() {
        return;
    }
    let server = pod.serve_on_small_disk(24, &["--slots", "1"]);
    let filling = pod.program("filling", "echo hello\n");
    let install = pod.path("filling").join("install.sh");
    fs::write(install, "head -c 100m /dev/zero > big || { rm -rf big; exit 1; }\n").expect("a file can be written");
    let mut run = pod.command(&["run", "--server", server.url(), &filling]);
    let mut run = run.stderr(std::process::Stdio::piped()).spawn().expect("the pod binary runs");
    let mut said = std::io::BufRead::lines(std::io::BufReader::new(run.stderr.take().expect("a pipe")));
    let sentence = said.find_map(|line| line.ok().filter(|line| line.contains("could not be installed")));
    assert!(sentence.is_some_and(|line| line.contains("tried again: the disk of the worker is full")));
    run.kill().expect("it runs");
    run.wait().expect("it was started");
    assert!(server.stop().success());
}
