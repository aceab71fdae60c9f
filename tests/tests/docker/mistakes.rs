//! What is wrong is said in a sentence, and nothing storms.

use serde_json::Value;

use crate::{
    client,
    engine::{Contained, Left, image},
};

#[test]
fn without_an_engine_the_command_line_says_what_to_do() {
    let pod = Contained::new();
    let program = pod.program("hello", "echo hello\n");
    for (host, expected) in [
        ("unix:///nowhere/docker.sock", "no container engine answers at unix:///nowhere/docker.sock; start it"),
        ("tcp://127.0.0.1:9", "no container engine answers at tcp://127.0.0.1:9"),
        ("ftp://x", "DOCKER_HOST is ftp://x, which is not unix://PATH"),
    ] {
        let ran = pod.spawn(&["run", "--backend", "docker", &program], &[("DOCKER_HOST", host)]).finish();
        assert_eq!(ran.code, Some(1));
        assert!(ran.stderr.contains(expected) && ran.stderr.lines().count() == 1, "{}", ran.stderr);
    }
}

#[test]
fn an_image_that_cannot_work_is_told_in_the_workers_state_without_a_storm() {
    let pod = Contained::new();
    for (suffix, expected) in
        [("-without", "has no bash"), ("-foreign", "choose one for that"), ("-absent", "cannot be pulled")]
    {
        let data = pod.path(suffix).display().to_string();
        let image = format!("{}{suffix}", image());
        let server = pod.serve(&["--backend", "docker", "--docker-image", &image, "--data-dir", &data]);
        let workers =
            || client::get(server.url(), "/api/v1/workers").json()["items"].as_array().cloned().unwrap_or_default();
        let failed = |worker: &Value| worker["status"] == "failed";
        client::post(
            server.url(),
            "/api/v1/activities",
            &serde_json::json!({ "name": "a", "script": "echo > main.sh" }),
        );
        client::until("the second try has failed, too", || {
            workers().iter().filter(|worker| failed(worker)).count() == 2
        });
        for worker in workers() {
            let reason = worker["reason"].as_str().unwrap_or_default();
            assert!(reason.contains(expected), "{suffix}: {worker}");
        }
        // The third one waits ten seconds.
        std::thread::sleep(std::time::Duration::from_secs(2));
        assert_eq!(workers().len(), 2, "{suffix}");
        assert!(pod.stores().iter().all(|store| Left::of(store).count() == (0, 0)));
    }
}
