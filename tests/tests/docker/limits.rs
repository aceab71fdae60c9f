//! Limits hold, and what meets them ends with a reason while its neighbours live on.

use serde_json::json;

use crate::{
    client,
    engine::{Contained, Left, docker},
};

#[test]
fn who_uses_up_the_memory_is_told_and_neighbour_and_worker_live_on() {
    let pod = Contained::new();
    let server = pod.manager(&["--slots", "2", "--docker-memory", "96MiB"]);
    let url = server.url();
    client::register(url, "neighbour", "until [ -e /tmp/go ]; do sleep 0.05; done; echo lived on", json!({}));
    client::register(
        url,
        "hog",
        "exec awk 'BEGIN { while (1) x = x \"0123456789abcdef0123456789abcdef\" x }'",
        json!({}),
    );
    client::register(url, "quiet-hog", "awk 'BEGIN { while (1) x = x \"0123456789abcdef\" x }'", json!({}));
    client::register(url, "go", "touch /tmp/go", json!({}));
    let neighbour = client::start(url, "neighbour", "");
    for name in ["hog", "quiet-hog"] {
        let ended = client::ended(url, client::start(url, name, ""));
        assert_eq!((&ended["status"], &ended["signal"], &ended["attempt"]), (&json!("failed"), &json!(9), &json!(1)));
        assert!(ended["reason"].as_str().is_some_and(|reason| reason.contains("ran out of memory")), "{ended}");
    }
    client::ended(url, client::start(url, "go", ""));
    let ended = client::ended(url, neighbour);
    assert_eq!((&ended["status"], &ended["worker"]), (&json!("finished"), &json!(1)), "{ended}");
    assert_eq!(client::stdout(url, neighbour).body, b"lived on\n");
    // What was killed there has nothing to do with how the worker ends.
    let container = Left::of(pod.stores().first().expect("a store")).containers.remove(0);
    docker(&["kill", &container]).expect("the engine does it");
    let reason = lost_because(url, 1);
    assert!(reason.contains("was killed") && !reason.contains("memory"), "{reason}");
    client::ended(url, client::start(url, "go", ""));
}

/// Why a worker was lost, once it is.
fn lost_because(url: &str, worker: u32) -> String {
    let mut reason = String::new();
    client::until("the worker is lost", || {
        let worker = client::get(url, &format!("/api/v1/workers/{worker}")).json();
        reason = worker["reason"].as_str().unwrap_or_default().to_owned();
        worker["status"] == "lost"
    });
    reason
}

#[test]
fn a_worker_that_is_killed_for_want_of_memory_says_so() {
    let pod = Contained::new();
    let server = pod.manager(&["--docker-memory", "64MiB"]);
    let url = server.url();
    client::register(url, "hello", "echo hello", json!({}));
    let container = Left::of(pod.stores().first().expect("a store")).containers.remove(0);
    // It is to be killed before whoever takes the memory.
    let hog = "for worker in $(awk '$4 == 1 { print $1 }' /proc/[0-9]*/stat); do echo 1000 > /proc/$worker/oom_score_adj; done\n\
               exec awk 'BEGIN { while (1) x = x \"0123456789abcdef0123456789abcdef\" x }'";
    let _ = docker(&["exec", &container, "sh", "-c", hog]);
    let reason = lost_because(url, 1);
    assert!(reason.contains("its memory was used up"), "{reason}");
    client::ended(url, client::start(url, "hello", ""));
}

#[test]
fn a_program_that_is_killed_otherwise_is_not_said_to_lack_memory() {
    let pod = Contained::new();
    let server = pod.manager(&["--docker-memory", "96MiB"]);
    client::register(server.url(), "killed", "kill -9 $$", json!({}));
    let ended = client::ended(server.url(), client::start(server.url(), "killed", ""));
    assert_eq!((&ended["signal"], ended.get("reason")), (&json!(9), None), "{ended}");
}

#[test]
fn a_fork_bomb_stops_at_the_limit_and_ends_with_its_time() {
    let pod = Contained::new();
    let server = pod.manager(&["--slots", "2", "--docker-pids", "100"]);
    let url = server.url();
    client::register(url, "bomb", "bomb() { bomb | bomb & }; bomb; exec sleep 1000", json!({ "timeoutSeconds": 2 }));
    client::register(url, "hello", "echo hello; ps | wc -l", json!({}));
    let ended = client::ended(url, client::start(url, "bomb", ""));
    assert_eq!(ended["status"], "timedOut", "{ended}");
    let after = client::start(url, "hello", "");
    let ended = client::ended(url, after);
    assert_eq!((&ended["status"], &ended["worker"]), (&json!("finished"), &json!(1)), "{ended}");
    let printed = String::from_utf8(client::stdout(url, after).body).expect("text");
    let processes: u32 = printed.lines().nth(1).and_then(|line| line.trim().parse().ok()).expect("a number");
    assert!(processes < 15, "nothing of the bomb is left: {processes} lines of processes");
}

#[test]
fn terminate_ends_the_whole_tree_and_no_zombie_stays() {
    let pod = Contained::new();
    let server = pod.manager(&["--slots", "2"]);
    let url = server.url();
    let escaping = "(setsid sleep 5000 &) ; (setsid sh -c 'trap \"\" TERM; while :; do sleep 5000; done' &)\n\
                    (true &) ; echo ready; sleep 5000";
    client::register(url, "escaping", escaping, json!({}));
    client::register(url, "look", "ps -o stat,args", json!({}));
    let id = client::start(url, "escaping", "");
    client::until("it runs", || client::stdout(url, id).body == b"ready\n");
    client::post(url, &format!("/api/v1/executions/{id}/terminate"), &json!({}));
    assert_eq!(client::ended(url, id)["status"], "terminated");
    let look = client::start(url, "look", "");
    client::ended(url, look);
    let seen = String::from_utf8(client::stdout(url, look).body).expect("text");
    assert!(seen.contains("pod-spawner"), "the container's processes are seen: {seen}");
    assert!(!seen.contains("5000") && !seen.lines().any(|line| line.starts_with('Z')), "{seen}");
}

#[test]
fn a_container_can_be_shut_in_altogether() {
    let pod = Contained::new();
    let shared = pod.path("shared");
    std::fs::create_dir(&shared).expect("a directory");
    std::fs::write(shared.join("file"), "from outside\n").expect("a file");
    let mount = format!("{}:/shared:ro", shared.display());
    let server = pod.manager(&[
        "--docker-read-only",
        "--docker-user",
        "1234:1234",
        "--docker-network",
        "none",
        "--docker-cpus",
        "0.5",
        "--docker-mount",
        &mount,
        "--docker-env",
        "COLOUR=deep blue",
    ]);
    let url = server.url();
    let look = "id -u; cat /shared/file; echo $COLOUR; touch /tmp/x && echo tmp; touch /bin/x 2>/dev/null || echo fixed\n\
                touch /shared/x 2>/dev/null || echo read-only; ip -o link | wc -l; env | grep -c POD_WORKER_TOKEN";
    client::register(url, "look", look, json!({}));
    let id = client::start(url, "look", "");
    client::ended(url, id);
    let seen = String::from_utf8(client::stdout(url, id).body).expect("text");
    assert_eq!(seen, "1234\nfrom outside\ndeep blue\ntmp\nfixed\nread-only\n1\n0\n");
}
