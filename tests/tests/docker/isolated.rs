//! Executions in containers of their own.

use serde_json::json;

use crate::{
    client,
    engine::{Contained, Left, docker, image},
    proxy::engine_port,
    sizing::size_fleet,
    twice::TWICE,
};

const ISOLATED: [&str; 2] = ["--docker-isolation", "execution"];

fn text(url: &str, id: u64) -> String {
    String::from_utf8(client::stdout(url, id).body).expect("text")
}

#[test]
fn a_run_leaves_neither_container_nor_snapshot() {
    let pod = Contained::new();
    let program = pod.program("both", "cat blob; cat blob >&2; exit $1\n");
    let blob: Vec<u8> = (0..3_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(pod.path("both/blob"), &blob).expect("a file");
    let image = image();
    let mut command = pod.command(&["run", "--backend", "docker", "--docker-image", &image, &program, "7"]);
    let output = command.env("POD_DOCKER_ISOLATION", "execution").output().expect("the binary runs");
    assert_eq!(
        output.status.code(),
        Some(7),
        "{}",
        String::from_utf8_lossy(&output.stderr[..200.min(output.stderr.len())])
    );
    assert!(output.stdout == blob && output.stderr == blob, "every byte of both streams");
    assert_eq!(pod.stores().len(), 1);
    for store in pod.stores() {
        assert_eq!((Left::of(&store).count(), snapshots(&store)), ((0, 0), 0));
    }
}

fn snapshots(store: &str) -> usize {
    let filter = format!("label=pod.store={store}");
    docker(&["images", "-q", "--filter", &filter]).expect("the engine answers").lines().count()
}

#[test]
fn executions_see_nothing_of_each_other_and_end_as_they_do_elsewhere() {
    let pod = Contained::new();
    let server = pod.manager(&[&ISOLATED[..], &["--slots", "2"]].concat());
    let url = server.url();
    client::register(url, "look", "echo $HOSTNAME; ls /tmp; touch /tmp/$1 ./$1; ls", json!({}));
    let seen = [(); 2].map(|()| {
        let id = client::start(url, "look", "trace");
        client::ended(url, id);
        text(url, id)
    });
    let seen = seen.each_ref().map(|text| text.split_once('\n').expect("a host and what it sees"));
    assert_ne!(seen[0].0, seen[1].0);
    assert_eq!(seen.map(|(_, rest)| rest), ["main.sh\ntrace\n"; 2], "what the other one did is not there");
    client::register(url, "signal", "kill -15 $$", json!({}));
    assert_eq!(client::ended(url, client::start(url, "signal", ""))["signal"], 15);
    client::post(url, "/api/v1/activities", &json!({ "name": "odd", "script": "printf '#!/no/such/sh\\n' > main.sh" }));
    let reason = client::ended(url, client::start(url, "odd", ""))["reason"].clone();
    assert!(reason.as_str().is_some_and(|reason| reason.contains("names the interpreter /no/such/sh")), "{reason}");
    client::register(url, "code", "(sleep 1000 &); exit 143", json!({}));
    assert_eq!(client::ended(url, client::start(url, "code", ""))["exitCode"], 143);
    client::register(
        url,
        "cleans",
        "trap 'echo cleaned; exit 1' TERM; echo ready; while :; do sleep 0.05; done",
        json!({ "timeoutSeconds": 2 }),
    );
    let id = client::start(url, "cleans", "");
    assert_eq!(client::ended(url, id)["status"], "timedOut");
    assert_eq!(text(url, id), "ready\ncleaned\n");
    client::register(url, "long", "wc -c < $POD_INPUT_FILE", json!({}));
    let id = client::start(url, "long", &"x".repeat(300_000));
    client::ended(url, id);
    assert_eq!(text(url, id), "300000\n");
    client::register(
        url,
        "stubborn",
        "trap '' TERM; (setsid sleep 5000 &); echo ready; while :; do sleep 1; done",
        json!({}),
    );
    let id = client::start(url, "stubborn", "");
    client::until("it runs", || text(url, id) == "ready\n");
    let store = pod.stores().first().expect("a store").clone();
    assert_eq!(Left::of(&store).count(), (1, 0), "its own container is the only one");
    client::post(url, &format!("/api/v1/executions/{id}/terminate"), &json!({}));
    assert_eq!(client::ended(url, id)["status"], "terminated");
    client::until("its container is gone", || Left::of(&store).count() == (0, 0));
}

#[test]
fn who_uses_up_its_memory_takes_nobody_along() {
    let pod = Contained::new();
    let server = pod.manager(&[&ISOLATED[..], &["--slots", "2", "--docker-memory", "32MiB"]].concat());
    let url = server.url();
    client::register(url, "hog", "awk 'BEGIN { while (1) x = x \"0123456789abcdef0123456789abcdef\" x }'", json!({}));
    client::register(url, "neighbour", "sleep 2; echo lived on", json!({}));
    let neighbour = client::start(url, "neighbour", "");
    let ended = client::ended(url, client::start(url, "hog", ""));
    assert!(ended["reason"].as_str().is_some_and(|reason| reason.contains("ran out of memory")), "{ended}");
    assert_eq!(client::ended(url, neighbour)["status"], "finished");
}

#[test]
fn who_uses_up_its_memory_is_told_also_where_the_engine_knows_it_too_late() {
    let pod = Contained::new();
    let (host, image) = (format!("tcp://127.0.0.1:{}", engine_port(forget_who_lacked_memory)), image());
    let limits = ["--docker-isolation", "execution", "--docker-memory", "32MiB"];
    let hog = "awk 'BEGIN { while (1) x = x \"0123456789abcdef0123456789abcdef\" x }'";
    for (name, main, lacks) in [
        ("hog", format!("exec {hog}\n"), true),
        ("child", format!("{hog} || exit 3\n"), true),
        ("recovers", format!("{hog}; echo done\n"), false),
        ("killed", "kill -9 $$\n".to_owned(), false),
    ] {
        let program = pod.program(name, &main);
        let arguments = [&["run", "--backend", "docker", "--docker-image", &image], &limits[..], &[&program]].concat();
        let ran = pod.spawn(&arguments, &[("DOCKER_HOST", &host)]).finish();
        let code = if name == "recovers" { 0 } else { 137 };
        assert_eq!((ran.code, ran.stderr.contains("ran out of memory")), (Some(code), lacks), "{name}: {}", ran.stderr);
    }
}

/// As an engine answers whose control groups are of version 2, now and then. Of the same length as the true answer.
fn forget_who_lacked_memory(answer: &mut [u8]) {
    let known = b"\"OOMKilled\":true";
    let at: Vec<usize> =
        answer.windows(known.len()).enumerate().filter(|(_, found)| found == known).map(|at| at.0).collect();
    for start in at {
        answer[start + known.len() - 4..][..4].copy_from_slice(b"null");
    }
}

#[test]
fn executions_are_adopted_and_nothing_is_left_in_the_end() {
    let pod = Contained::new();
    let arguments = [&ISOLATED[..], &["--slots", "2"]].concat();
    let server = pod.manager(&arguments);
    let main = "i=0; while [ $i -lt 300 ]; do i=$((i + 1)); echo $i; sleep 0.01; done";
    client::register(server.url(), "counting", main, json!({}));
    let id = client::start(server.url(), "counting", "");
    client::until("it prints", || !text(server.url(), id).is_empty());
    server.kill();
    let server = pod.manager(&arguments);
    let url = server.url();
    let ended = client::ended(url, id);
    assert_eq!((&ended["status"], &ended["attempt"]), (&json!("finished"), &json!(1)), "{ended}");
    assert_eq!(text(url, id), (1..=300).map(|number| format!("{number}\n")).collect::<String>());
    let store = pod.stores().first().expect("a store").clone();
    assert_eq!(snapshots(&store), 1, "what is installed");
    size_fleet(url, 0);
    client::until("nothing is left", || (Left::of(&store).count(), snapshots(&store)) == ((0, 0), 0));
}

#[test]
fn an_installation_that_fails_tells_why() {
    let pod = Contained::new();
    let server = pod.manager(&ISOLATED);
    for (name, script, expected) in [
        (
            "fails",
            "echo the disk of my mind is full >&2; exit 3",
            "failed with exit code 3; the end of what it printed:\nthe disk",
        ),
        ("empty", "true", "left no main.sh"),
        ("dir", "mkdir main.sh", "is not a regular file but a directory"),
        ("out", "ln -s /bin/sh main.sh", "a link to a file outside of the activity"),
    ] {
        client::post(server.url(), "/api/v1/activities", &json!({ "name": name, "script": script }));
        client::until("it is rejected", || {
            let activity = client::get(server.url(), &format!("/api/v1/activities/{name}")).json();
            assert_ne!(activity["status"], "approved", "{activity}");
            let rejected = activity["status"] == "rejected";
            let reason = activity["errorDescription"].as_str().unwrap_or_default();
            assert!(!rejected || reason.contains(expected), "{activity}");
            rejected
        });
    }
}

#[test]
fn a_container_that_is_removed_behind_the_worker_runs_again() {
    let pod = Contained::new();
    let server = pod.manager(&ISOLATED);
    let url = server.url();
    client::register(url, "once", "if [ $POD_ATTEMPT = 1 ]; then echo ready; sleep 1000; fi; echo done", json!({}));
    let id = client::start(url, "once", "");
    client::until("it runs", || text(url, id) == "ready\n");
    let container = Left::of(pod.stores().first().expect("a store")).containers.remove(0);
    docker(&["rm", "-f", &container]).expect("the engine does it");
    let ended = client::ended(url, id);
    assert_eq!((&ended["status"], &ended["attempt"]), (&json!("finished"), &json!(2)), "{ended}");
}

#[test]
fn a_snapshot_that_is_removed_behind_the_worker_is_made_again() {
    let pod = Contained::new();
    let server = pod.manager(&ISOLATED);
    let url = server.url();
    client::register(url, "hello", "echo hello", json!({}));
    client::ended(url, client::start(url, "hello", ""));
    let filter = format!("label=pod.store={}", pod.stores().first().expect("a store"));
    let images = docker(&["images", "-q", "--filter", &filter]).expect("the engine answers");
    docker(&["rmi", "-f", images.trim()]).expect("the engine does it");
    let ended = client::ended(url, client::start(url, "hello", ""));
    assert_eq!((&ended["status"], &ended["attempt"]), (&json!("finished"), &json!(1)), "{ended}");
}

#[test]
fn a_network_that_is_removed_behind_the_worker_is_told() {
    let pod = Contained::new();
    let network = format!("pod-gone-{}", std::process::id());
    docker(&["network", "create", &network]).expect("the engine does it");
    let server = pod.manager(&[&ISOLATED[..], &["--docker-network", &network]].concat());
    let url = server.url();
    client::register(url, "hello", "echo hello", json!({}));
    client::ended(url, client::start(url, "hello", ""));
    client::until("nobody is in it", || docker(&["network", "rm", &network]).is_ok());
    let ended = client::ended(url, client::start(url, "hello", ""));
    assert!(ended["reason"].as_str().is_some_and(|reason| reason.contains("set --docker-network")), "{ended}");
}

#[test]
fn what_a_killed_worker_ran_has_ended_before_it_runs_again() {
    let pod = Contained::new();
    let shared = pod.path("shared");
    std::fs::create_dir(&shared).expect("a directory");
    let mount = format!("{}:/shared", shared.display());
    let server = pod.manager(&[&ISOLATED[..], &["--slots", "1", "--docker-mount", &mount]].concat());
    let url = server.url();
    size_fleet(url, 2);
    // The other worker is there and has it installed: nothing but the removal holds the second attempt up.
    let main = format!("[ \"$1\" != quick ] || exit 0; {}", TWICE);
    client::register(url, "once", &main, json!({}));
    let ids: Vec<u64> = (0..10).map(|_| client::start(url, "once", "quick")).collect();
    ids.into_iter().for_each(|id| drop(client::ended(url, id)));
    client::until("it is installed on both", || {
        let activity = client::get(url, "/api/v1/activities/once").json();
        let installations = activity["installations"].as_array().cloned().unwrap_or_default();
        installations.iter().filter(|one| one["status"] == "installed").count() == 2
    });
    let id = client::start(url, "once", "");
    client::until("it runs", || shared.join("count").exists());
    let worker = client::get(url, &format!("/api/v1/executions/{id}")).json()["worker"].clone();
    let directory = pod.data().join("isolated").join(worker.to_string());
    let process = pod_tests::processes_of(&directory.to_string_lossy());
    process.into_iter().for_each(|pid| pod_tests::signal(pid, rustix::process::Signal::KILL));
    let ended = client::ended(url, id);
    assert_eq!((&ended["status"], &ended["attempt"]), (&json!("finished"), &json!(2)), "{ended}");
    assert_eq!(text(url, id), "done\n", "the first attempt was over before the second one began");
}

#[test]
fn its_container_can_be_shut_in_altogether() {
    let pod = Contained::new();
    let limits = "--docker-read-only --docker-user 1234:1234 --docker-network none --docker-pids 40 --docker-cpus 0.5";
    let server = pod.manager(&[&ISOLATED[..], &limits.split(' ').collect::<Vec<_>>()].concat());
    let url = server.url();
    let look = "id -u; touch /tmp/x && echo tmp; touch ./x && echo own; touch /x 2>/dev/null || echo fixed; ip -o link | wc -l";
    client::register(url, "look", look, json!({}));
    let id = client::start(url, "look", "");
    client::ended(url, id);
    assert_eq!(text(url, id), "1234\ntmp\nown\nfixed\n1\n");
    // As it is whatever the input is.
    let long = "wc -c < $POD_INPUT_FILE; touch /x $POD_INPUT_FILE.2 2>/dev/null || echo fixed";
    client::register(url, "long", long, json!({}));
    let id = client::start(url, "long", &"x".repeat(300_000));
    client::ended(url, id);
    assert_eq!(text(url, id), "300000\nfixed\n");
    client::register(url, "bomb", "bomb() { bomb | bomb & }; bomb; exec sleep 1000", json!({ "timeoutSeconds": 1 }));
    let bomb = client::start(url, "bomb", "");
    let neighbour = client::start(url, "look", "");
    assert_eq!(client::ended(url, neighbour)["status"], "finished", "the bomb is shut in");
    assert_eq!(client::ended(url, bomb)["status"], "timedOut");
    let store = pod.stores().first().expect("a store").clone();
    client::until("nothing of it is left", || Left::of(&store).count() == (0, 0));
}
