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
fn a_run_whose_manager_is_its_own_ends_with_what_will_not_pass_by_itself() {
    let pod = Contained::new();
    let program = pod.program("hello", "echo hello\n");
    let (good, without, foreign) = (image(), format!("{}-without", image()), format!("{}-foreign", image()));
    type Environment<'a> = [(&'a str, &'a str)];
    let cases: [(&str, &Environment<'_>, &str); 5] = [
        (&without, &[], "has no bash"),
        (&foreign, &[], "choose one for that"),
        (&good, &[("POD_DOCKER_CPUS", "900")], "the container engine says: Range of CPUs"),
        (&good, &[("POD_DOCKER_NETWORK", "nowhere")], "network nowhere not found"),
        (&good, &[("POD_DOCKER_ISOLATION", "execution"), ("POD_DOCKER_IMAGE", &foreign)], "choose one for that"),
    ];
    for (image, environment, expected) in cases {
        let mut arguments = vec!["run", "--backend", "docker", &program];
        if !environment.iter().any(|(name, _)| *name == "POD_DOCKER_IMAGE") {
            arguments.extend(["--docker-image", image]);
        }
        let ran = pod.spawn(&arguments, environment).finish();
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{expected}: {}", ran.stderr);
        assert!(ran.stderr.starts_with("pod: no worker can be launched: "), "{}", ran.stderr);
        assert!(ran.stderr.contains(expected) && ran.stderr.lines().count() == 1, "{}", ran.stderr);
    }
    assert!(pod.stores().iter().all(|store| Left::of(store).count() == (0, 0)));
}

#[test]
fn a_run_says_what_may_pass_by_itself_and_waits_for_that() {
    let pod = Contained::new();
    let program = pod.program("hello", "echo hello\n");
    // Nothing answers there: tomorrow something may.
    let arguments = ["run", "--backend", "docker", "--docker-image", "127.0.0.1:9/absent:1", &program];
    let mut command = pod.command(&arguments);
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().expect("the binary runs");
    let stderr = std::io::BufReader::new(child.stderr.take().expect("a pipe"));
    let line = std::io::BufRead::lines(stderr).map_while(Result::ok).find(|line| line.contains("cannot be pulled"));
    child.kill().expect("it runs still");
    child.wait().expect("it ends");
    let line = line.expect("it says why nothing happens");
    assert!(line.starts_with("pod: installing hello: No worker is there"), "{line}");
    assert!(line.contains("the image 127.0.0.1:9/absent:1 is not on the engine and cannot be pulled"), "{line}");
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
