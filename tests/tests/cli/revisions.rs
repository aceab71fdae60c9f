//! The program that was asked for: an execution runs the revision that it was submitted with, whatever becomes of the
//! name meanwhile.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use pod_tests::{Pod, Server};
use serde_json::{Value, json};

use crate::run::GATE;

/// A request to `/api/v1`, with a JSON body where there is one.
fn ask(server: &Server, method: &str, path: &str, body: Option<&Value>) -> Value {
    let mut curl = Command::new("curl");
    curl.args(["-s", "-X", method, &format!("{}/api/v1{path}", server.url())]);
    if let Some(body) = body {
        curl.args(["-H", "content-type: application/json", "-d", &body.to_string()]);
    }
    let answer = curl.output().expect("curl runs").stdout;
    serde_json::from_slice(&answer).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&answer)))
}

fn start(pod: &Pod, arguments: &[&str]) -> Child {
    let mut command = pod.command(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the pod binary runs")
}

/// What it printed, with what it said where it failed.
fn printed(child: Child) -> String {
    let output = child.wait_with_output().expect("it ends");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { stdout.into_owned() } else { format!("{stdout}{stderr}") }
}

fn write(directory: &Path, main: &str) {
    std::fs::create_dir_all(directory).expect("a directory can be made");
    std::fs::write(directory.join("main.sh"), main).expect("a file can be written");
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn runs_at_the_same_time_have_their_own_settings() {
    let pod = Pod::new();
    let _server = pod.serve(&[]);
    let program = pod.program("job", "echo \"want $1 got $LEVEL\"\n");
    for _ in 0..3 {
        let levels = ["1", "2", "3", "4"];
        let runs = levels.map(|level| start(&pod, &["run", &program, level, "-e", &format!("LEVEL={level}")]));
        for (level, run) in levels.iter().zip(runs) {
            assert_eq!(printed(run), format!("want {level} got {level}\n"));
        }
    }
}

#[test]
fn a_time_limit_is_that_of_the_run_that_set_it() {
    let pod = Pod::new();
    let _server = pod.serve(&["--slots", "2"]);
    let gate = pod.path("gate");
    let program = pod.program("job", &format!("echo \"$1\"\n{GATE}"));
    let unlimited = start(&pod, &["run", &program, gate.to_str().unwrap()]);
    let limited = start(&pod, &["run", &program, "/nowhere", "--timeout", "300ms"]);
    assert!(printed(limited).contains("time limit passed"));
    std::fs::write(&gate, "").unwrap();
    assert_eq!(printed(unlimited), format!("{}\n", gate.display()));
}

#[test]
fn two_directories_of_one_name_are_two_programs() {
    let pod = Pod::new();
    let _server = pod.serve(&[]);
    let whose = ["alice", "bob"];
    let directories = whose.map(|name| pod.path(name).join("job"));
    for (name, directory) in whose.iter().zip(&directories) {
        write(directory, &format!("#!/bin/sh\necho \"I am {name} $1\"\n"));
    }
    for round in 0..6 {
        let input = round.to_string();
        let runs = directories.each_ref().map(|directory| start(&pod, &["run", directory.to_str().unwrap(), &input]));
        for (name, run) in whose.iter().zip(runs) {
            assert_eq!(printed(run), format!("I am {name} {round}\n"));
        }
    }
}

#[test]
fn an_edit_during_a_map_changes_no_line_of_it() {
    let pod = Pod::new();
    let _server = pod.serve(&["--slots", "1"]);
    let gate = pod.path("gate");
    let lines: String = (1..=8).map(|line| format!("{line}\n")).collect();
    std::fs::write(pod.path("lines"), lines).unwrap();
    let directory = pod.path("job");
    let waits = format!("set -- {}\n{GATE}", gate.display());
    write(&directory, &format!("n=$1\necho \"old $n\"\n{waits}"));
    let (job, file) = (directory.to_str().unwrap(), pod.path("lines"));
    let map = start(&pod, &["map", job, file.to_str().unwrap()]);
    wait_until("a line runs", || pod.run(&["ps", "-o", "json"]).stdout.contains("running"));
    write(&directory, "echo \"new $1\"\n");
    let edited = start(&pod, &["run", job, "X"]);
    std::fs::write(&gate, "").unwrap();
    assert_eq!(printed(edited), "new X\n");
    let expected: String = (1..=8).map(|line| format!("old {line}\n")).collect();
    assert_eq!(printed(map), expected);
}

#[test]
fn what_is_tried_again_is_what_failed() {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    let (directory, marker) = (pod.path("job"), pod.path("failed-once"));
    let fails =
        format!("echo \"v1 $POD_ATTEMPT\"\n[ \"$POD_ATTEMPT\" = 2 ] || {{ : > {}; exit 3; }}\n", marker.display());
    write(&directory, &fails);
    let job = directory.to_str().unwrap();
    let run = start(&pod, &["run", job, "--retries", "2"]);
    wait_until("the first attempt has failed", || marker.exists());
    write(&directory, "echo v2\nexit 1\n");
    assert!(printed(start(&pod, &["run", job])).starts_with("v2\n"));
    assert_eq!(printed(run), "v1 1\nv1 2\n");

    // The last one, which failed, once more; meanwhile there is a third program of that name.
    let failed = ask(&server, "GET", "/executions?limit=1", None)["items"][0].clone();
    assert_eq!((&failed["status"], &failed["revision"]), (&json!("failed"), &json!(2)));
    write(&directory, "echo v3\n");
    assert_eq!(printed(start(&pod, &["run", job])), "v3\n");
    let id = failed["id"].to_string();
    let output = |id: &str| pod.run(&["logs", "-f", id]).stdout;
    let again = pod.run(&["retry", &id]).stdout.trim().to_owned();
    assert_eq!(output(&again), "v2\n");
    let latest = pod.run(&["retry", "--latest", &id]).stdout.trim().to_owned();
    assert_eq!(output(&latest), "v3\n");
    for (id, revision) in [(&again, 2), (&latest, 3)] {
        assert_eq!(ask(&server, "GET", &format!("/executions/{id}"), None)["revision"], revision);
        let explained = ask(&server, "GET", &format!("/executions/{id}/explain"), None);
        assert_eq!(explained["execution"]["revision"], revision);
    }
}

#[test]
fn a_run_does_not_change_what_others_run() {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    let script = "printf 'echo \"theirs $1\"' > main.sh";
    ask(&server, "POST", "/activities", Some(&json!({ "name": "shared", "script": script })));
    let directory = pod.path("shared");
    write(&directory, "echo \"mine $1\"\n");
    assert_eq!(printed(start(&pod, &["run", directory.to_str().unwrap(), "1"])), "mine 1\n");
    assert_eq!(printed(start(&pod, &["run", "activity:shared", "2"])), "theirs 2\n");
    let activity = ask(&server, "GET", "/activities/shared", None);
    assert_eq!(
        (&activity["revision"], &activity["latestRevision"], &activity["source"]),
        (&json!(1), &json!(1), &json!("inline"))
    );
    let revisions = ask(&server, "GET", "/activities/shared/revisions", None);
    let told: Vec<_> =
        revisions["items"].as_array().unwrap().iter().map(|one| (&one["revision"], &one["current"])).collect();
    assert_eq!(told, [(&json!(2), &json!(false)), (&json!(1), &json!(true))]);
}

/// A thousand executions of each of two revisions, submitted in turns: each runs its own, and each worker installs each
/// revision once.
#[test]
fn two_revisions_are_installed_once_each_however_they_are_mixed() {
    let pod = Pod::new();
    let server = pod.serve(&["--slots", "2"]);
    let (installed, revisions) = (pod.path("installed"), [1, 2]);
    for revision in revisions {
        let script = format!(
            "echo {revision} >> {}\nprintf 'echo \"{revision} $POD_REVISION $1\"' > main.sh",
            installed.display()
        );
        let made = ask(&server, "PUT", "/activities/twice", Some(&json!({ "script": script })));
        assert_eq!(made["latestRevision"], revision);
        wait_until("it is approved", || {
            let activity = ask(&server, "GET", "/activities/twice", None);
            activity["revision"] == revision && activity["status"] == "approved"
        });
    }
    for round in 0..20 {
        for revision in revisions {
            let inputs: Vec<String> = (0..50).map(|number| format!("{round}-{number}")).collect();
            let batch = json!({ "activity": "twice", "revision": revision, "inputs": inputs });
            assert_eq!(ask(&server, "POST", "/executions/batch", Some(&batch))["ids"].as_array().unwrap().len(), 50);
        }
    }
    let waiting = || ask(&server, "GET", "/executions?status=finished&limit=1000", None);
    wait_until("all have finished", || {
        let activity = ask(&server, "GET", "/activities/twice", None);
        activity["executions"]["finished"] == 2000
    });
    for execution in waiting()["items"].as_array().unwrap() {
        let (id, revision, input) = (&execution["id"], &execution["revision"], execution["input"].as_str().unwrap());
        let output = Command::new("curl")
            .args(["-s", &format!("{}/api/v1/executions/{id}/output?stream=stdout", server.url())])
            .output()
            .expect("curl runs");
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{revision} {revision} {input}\n"));
    }
    assert_eq!(std::fs::read_to_string(installed).unwrap(), "1\n2\n");
}

#[test]
fn an_installation_that_hangs_holds_nobody_up_and_ends_when_its_run_is_interrupted() {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    let (hang, fine) = (pod.path("hang"), pod.path("fine"));
    let marker = pod.path("installing");
    std::fs::create_dir_all(&hang).unwrap();
    std::fs::write(hang.join("install.sh"), format!(": > {}\nsleep 47114711\n", marker.display())).unwrap();
    write(&fine, "echo fine\n");
    std::fs::write(fine.join("install.sh"), "true\n").unwrap();
    let mut run = start(&pod, &["run", hang.to_str().unwrap()]);
    wait_until("it is being installed", || marker.exists());
    assert_eq!(printed(start(&pod, &["run", fine.to_str().unwrap()])), "fine\n");
    pod_tests::signal(run.id(), rustix::process::Signal::INT);
    assert_eq!(run.wait().expect("it ends").code(), Some(130));
    let left = pod_tests::wait_until_gone("47114711", Duration::from_secs(20));
    assert_eq!(left, [0_u32; 0], "its script ends");
    let activity = ask(&server, "GET", "/activities/hang", None);
    assert_eq!(activity["status"], "rejected");
    assert!(activity["errorDescription"].as_str().unwrap().contains("withdrawn"), "{activity}");
}
