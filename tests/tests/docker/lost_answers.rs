//! An engine that does what it is asked for, and whose answer does not arrive.

use std::{fs, sync::atomic::Ordering};

use pod_tests::Pod;
use serde_json::json;

use crate::{
    client,
    engine::{Contained, image},
    proxy::losing_engine_port,
};

fn shared(pod: &Pod) -> String {
    let shared = pod.path("shared");
    fs::create_dir(&shared).expect("a directory can be made");
    format!("{}:/shared", shared.display())
}

#[test]
fn a_program_whose_start_is_not_told_does_not_start_again() {
    let pod = Contained::new();
    let (port, lose) = losing_engine_port("/start HTTP/1.1");
    let (host, image, mount) = (format!("tcp://127.0.0.1:{port}"), image(), shared(&pod));
    let server = pod.serve_in(
        &[("DOCKER_HOST", &host)],
        &[
            ["--backend", "docker", "--docker-image", &image, "--docker-isolation", "execution"],
            ["--slots", "1", "--docker-network", "none", "--docker-mount", &mount],
        ]
        .concat(),
    );
    let url = server.url();
    client::register(url, "pay", "echo $1 >>/shared/paid; sleep 1; echo paid; exit 3", json!({ "onLost": "fail" }));
    let ended = client::ended(url, client::start(url, "pay", "first"));
    assert_eq!(ended["exitCode"], 3, "{ended}");
    lose.store(true, Ordering::SeqCst);
    let id = client::start(url, "pay", "second");
    let ended = client::ended(url, id);
    assert!(!lose.load(Ordering::SeqCst), "an answer was lost");
    assert_eq!(fs::read_to_string(pod.path("shared/paid")).expect("it ran"), "first\nsecond\n");
    assert_eq!((&ended["exitCode"], &ended["attempt"]), (&json!(3), &json!(1)), "{ended}");
    assert_eq!(client::stdout(url, id).body, b"paid\n");
}
