//! What is wrong is said in a sentence, and nothing storms.

use serde_json::Value;

use crate::{
    client,
    engine::{Contained, Left, image},
};

#[test]
fn a_run_whose_manager_is_its_own_ends_with_what_will_not_pass_by_itself() {
    let (without, foreign) = (format!("{}-without", image()), format!("{}-foreign", image()));
    let cases = [
        (("POD_DOCKER_IMAGE", &*without), "has no bash"),
        (("POD_DOCKER_IMAGE", &*foreign), "choose one for that"),
        (("POD_DOCKER_CPUS", "900"), "Range of CPUs"),
        (("POD_DOCKER_NETWORK", "nowhere"), "network nowhere not found; set --docker-network"),
        (
            ("POD_DOCKER_USER", "nobody-here"),
            "unable to find user nobody-here: no matching entries in passwd file; set",
        ),
        (("POD_DOCKER_USER", "0:nobody-here"), "set --docker-user to one that the image has"),
        (("POD_DOCKER_MOUNT", "/nowhere:/x"), "bind source path does not exist: /nowhere; make it"),
        (("POD_DOCKER_MOUNT", "/etc/hostname:/tmp"), "a directory goes over a directory"),
        (("POD_DOCKER_MOUNT", "/tmp:/proc"), "; change --docker-mount"),
        (("POD_DOCKER_MOUNT", "/proc:/bin"), "with what is mounted over it, has no bash"),
    ];
    for isolation in ["worker", "execution"] {
        for (setting, expected) in cases {
            let pod = Contained::new();
            let program = pod.program("hello", "echo hello\n");
            let image = image();
            let environment = [("POD_DOCKER_IMAGE", &*image), ("POD_DOCKER_ISOLATION", isolation), setting];
            let ran = pod.spawn(&["run", "--backend", "docker", &program], &environment).finish();
            assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{isolation}, {expected}: {}", ran.stderr);
            assert!(ran.stderr.starts_with("pod: no worker can be launched: "), "{}", ran.stderr);
            assert!(ran.stderr.contains(expected) && ran.stderr.lines().count() == 1, "{isolation}: {}", ran.stderr);
            assert_eq!(Left::of(&pod.store()).count(), (0, 0), "{isolation}, {expected}");
        }
    }
}

#[test]
fn an_interpreter_that_the_image_does_not_have_is_named() {
    let pod = Contained::new();
    let program = pod.program("old", "#!/usr/bin/python1\nprint 'hello'\n");
    let image = image();
    for isolation in ["worker", "execution"] {
        let ran =
            pod.run(&["run", "--backend", "docker", "--docker-image", &image, "--isolation", isolation, &program]);
        let expected = "main.sh could not be started: its first line names the interpreter /usr/bin/python1, ";
        assert!(ran.code == Some(1) && ran.stderr.contains(expected), "{isolation}: {}", ran.stderr);
        assert!(ran.stderr.contains("correct the line, or let the installation script install it"), "{}", ran.stderr);
    }
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
fn what_cannot_work_is_told_in_the_workers_state_without_a_storm() {
    let pod = Contained::new();
    let [without, foreign, absent] = ["-without", "-foreign", "-absent"].map(|suffix| format!("{}{suffix}", image()));
    for (number, (setting, isolation, expected)) in [
        (["--docker-image", &without], "worker", "has no bash"),
        (["--docker-image", &foreign], "worker", "choose one for that"),
        (["--docker-image", &absent], "worker", "cannot be pulled"),
        (["--docker-user", "nobody-here"], "worker", "set --docker-user"),
        (["--docker-user", "nobody-here"], "execution", "set --docker-user"),
    ]
    .into_iter()
    .enumerate()
    {
        let data = pod.path(&format!("data-{number}")).display().to_string();
        let image = image();
        let mut arguments = vec!["--backend", "docker", "--docker-isolation", isolation, "--data-dir", &data];
        if setting[0] != "--docker-image" {
            arguments.extend(["--docker-image", &image]);
        }
        let server = pod.serve(&[&arguments[..], &setting].concat());
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
            assert!(reason.contains(expected), "{setting:?}: {worker}");
        }
        // The third one waits ten seconds.
        std::thread::sleep(std::time::Duration::from_secs(2));
        assert_eq!(workers().len(), 2, "{setting:?}");
        let store = client::get(server.url(), "/api/v1/overview").json()["store"].clone();
        assert_eq!(Left::of(store.as_str().expect("a store")).count(), (0, 0), "{setting:?}");
    }
}
