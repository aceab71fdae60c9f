//! Images that are not on the engine.

use std::process::Command;

use serde_json::{Value, json};

use crate::{
    client,
    engine::{Contained, docker},
    registry::{Registry, Serves},
};

fn workers(url: &str) -> Vec<Value> {
    client::get(url, "/api/v1/workers").json()["items"].as_array().cloned().unwrap_or_default()
}

#[test]
fn how_far_a_pull_has_come_is_seen_everywhere() {
    let pod = Contained::new();
    let registry = Registry::start(&pod.path("registry"), Serves::Slowly);
    let image = registry.image("1");
    let server = pod.serve(&["--backend", "docker", "--docker-image", &image]);
    let url = server.url();
    let new = json!({ "name": "hello", "script": "printf 'echo hello' > main.sh" });
    client::post(url, "/api/v1/activities", &new);
    let id = client::start(url, "hello", "");
    let part = |text: &str| text.contains(&format!("the image {image} is pulled: ")) && text.contains(" MB");
    client::until("the worker tells how far its image has come", || {
        workers(url).iter().any(|worker| worker["reason"].as_str().is_some_and(part))
    });
    let listed = pod.run(&["workers", "--server", url]).stdout;
    assert!(part(&listed), "{listed}");
    let page = String::from_utf8(client::get(url, "/workers/1").body).expect("text");
    assert!(part(&page), "{page}");
    let explained = pod.run(&["explain", "--server", url, &id.to_string()]).stdout;
    assert!(part(&explained), "{explained}");
    registry.go_on();
    assert_eq!(client::ended(url, id)["status"], "finished");
    assert_eq!(client::stdout(url, id).body, b"hello\n");
}

#[test]
fn who_runs_something_watches_the_pull() {
    let pod = Contained::new();
    let registry = Registry::start(&pod.path("registry"), Serves::Slowly);
    let program = pod.program("hello", "echo hello\n");
    let image = registry.image("1");
    let command = format!(
        "stty cols 200 rows 50; {} run --backend docker --docker-image {image} {program}",
        pod.command(&[]).get_program().display()
    );
    let data = pod.data().display().to_string();
    // With a terminal of its own. What is shown there is looked at while the pull waits, which then goes on.
    let shown = pod.path("shown").display().to_string();
    let mut script = Command::new("script");
    script.args(["-qefc", &command, &shown]).env("POD_DATA_DIR", &data).env("TERM", "xterm").env("COLUMNS", "200");
    let mut running = script
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("script is installed");
    let text = || std::fs::read(&shown).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    client::until("it is shown how far the pull has come", || text().contains("is pulled: "));
    registry.go_on();
    let ended = running.wait().expect("it ends");
    assert!(ended.success(), "{}", text());
    assert!(text().contains("hello\r\n"), "{}", text());
}

#[test]
fn a_pull_that_is_refused_is_told_with_the_engine_s_reason_and_does_not_storm() {
    let pod = Contained::new();
    let registry = Registry::start(&pod.path("registry"), Serves::NoLayers);
    let image = registry.image("1");
    let server = pod.serve(&["--backend", "docker", "--docker-image", &image]);
    let url = server.url();
    client::post(url, "/api/v1/activities", &json!({ "name": "hello", "script": "echo > main.sh" }));
    client::until("the second try has failed, too", || {
        workers(url).iter().filter(|worker| worker["status"] == "failed").count() == 2
    });
    for worker in workers(url) {
        let reason = worker["reason"].as_str().unwrap_or_default();
        assert!(reason.contains(&format!("the image {image} is not on the engine and cannot be pulled")), "{reason}");
        assert!(reason.contains("this layer is not for you"), "{reason}");
    }
    let asked = registry.layers_asked_for();
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!((registry.layers_asked_for(), workers(url).len()), (asked, 2));
    let refusal = client::get(url, "/api/v1/overview").json()["launchRefusal"].clone();
    assert!(refusal["reason"].as_str().is_some_and(|reason| reason.contains("not for you")), "{refusal}");
}

#[test]
fn a_pull_whose_manager_is_killed_goes_on_with_the_next_one() {
    let pod = Contained::new();
    let registry = Registry::start(&pod.path("registry"), Serves::Slowly);
    let image = registry.image("1");
    let arguments = ["--backend", "docker", "--docker-image", &image];
    let server = pod.serve(&arguments);
    client::post(
        server.url(),
        "/api/v1/activities",
        &json!({ "name": "hello", "script": "printf 'echo hello' > main.sh" }),
    );
    let id = client::start(server.url(), "hello", "");
    client::until("a layer is under way", || registry.layers_asked_for() == 1);
    server.kill();
    let server = pod.serve(&arguments);
    registry.go_on();
    assert_eq!(client::ended(server.url(), id)["status"], "finished");
    assert!(docker(&["image", "inspect", &image]).is_ok());
}

#[test]
fn an_image_that_no_registry_has_ends_a_run_with_the_reason() {
    let pod = Contained::new();
    let registry = Registry::start(&pod.path("registry"), Serves::Slowly);
    let program = pod.program("hello", "echo hello\n");
    let image = registry.image("absent");
    for command in ["run", "map"] {
        let ran = pod.run(&[command, "--backend", "docker", "--docker-image", &image, &program]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{}", ran.stderr);
        let expected =
            format!("pod: no worker can be launched: the image {image} is not on the engine and cannot be pulled");
        assert!(ran.stderr.starts_with(&expected) && ran.stderr.contains("manifest unknown"), "{}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    }
}
