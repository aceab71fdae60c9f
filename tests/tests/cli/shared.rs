//! Several processes on one data directory: runs beside a manager, beside each other, and beside crashes.

use pod_tests::Pod;

use crate::run::GATE;

fn attempts(pod: &Pod) -> Vec<(String, u64)> {
    let listed = pod.run(&["ps", "-a", "-o", "json"]);
    let executions: Vec<serde_json::Value> = serde_json::from_str(&listed.stdout).expect(&listed.stderr);
    let of = |execution: &serde_json::Value| {
        (execution["status"].as_str().unwrap_or_default().to_owned(), execution["attempt"].as_u64().unwrap_or(0))
    };
    executions.iter().map(of).collect()
}

#[test]
fn a_run_uses_the_manager_that_is_there() {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    let program = pod.program("hello", "echo hello\n");
    assert_eq!(pod.run(&["run", &program]).stdout, "hello\n");
    assert_eq!(attempts(&pod), [("finished".to_owned(), 1)]);
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn a_run_outlasts_a_manager_that_is_killed() {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    let program = pod.program("steady", &format!("echo first\n{GATE}echo second\n"));
    let gate = pod.path("gate");
    let mut live = pod.spawn(&["run", &program, gate.to_str().unwrap()], &[]);
    assert_eq!(live.line(), "first");
    server.kill();
    // What is printed while nobody is there is not lost. The run itself becomes the manager.
    std::fs::write(gate, "").unwrap();
    let ran = live.finish();
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "second\n"), "{}", ran.stderr);
    let _server = pod.serve(&[]);
    assert_eq!(attempts(&pod), [("finished".to_owned(), 1)]);
}

#[test]
fn two_runs_share_a_manager_whichever_ends_first() {
    let pod = Pod::new();
    let program = pod.program("gated", &format!("echo up\n{GATE}echo done\n"));
    let (first_gate, second_gate) = (pod.path("gate-1"), pod.path("gate-2"));
    let slots = [("POD_SLOTS", "2")];
    let mut first = pod.spawn(&["run", &program, first_gate.to_str().unwrap()], &slots);
    assert_eq!(first.line(), "up");
    let mut second = pod.spawn(&["run", &program, second_gate.to_str().unwrap()], &slots);
    assert_eq!(second.line(), "up");
    std::fs::write(first_gate, "").unwrap();
    let ran = first.finish();
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "done\n"), "{}", ran.stderr);
    std::fs::write(second_gate, "").unwrap();
    let ran = second.finish();
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "done\n"), "{}", ran.stderr);
    let left = pod_tests::wait_until_gone(pod.data().to_str().unwrap(), std::time::Duration::from_secs(20));
    assert_eq!(left, [0_u32; 0]);
    let _server = pod.serve(&[]);
    assert_eq!(attempts(&pod), [("finished".to_owned(), 1), ("finished".to_owned(), 1)]);
}

#[test]
fn a_serve_that_is_started_gets_the_directory_from_the_run_that_hosts_its_manager() {
    let pod = Pod::new();
    let program = pod.program("gated", &format!("echo up\n{GATE}echo done\n"));
    let gate = pod.path("gate");
    let mut live = pod.spawn(&["run", &program, gate.to_str().unwrap()], &[]);
    assert_eq!(live.line(), "up");
    let server = pod.serve(&[]);
    assert_eq!(attempts(&pod), [("running".to_owned(), 1)]);
    let hello = pod.program("hello", "echo hello\n");
    assert_eq!(pod.run(&["run", &hello]).stdout, "hello\n");
    std::fs::write(gate, "").unwrap();
    let ran = live.finish();
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "done\n"), "{}", ran.stderr);
    assert!(ran.stderr.contains("a pod serve was started here"), "{}", ran.stderr);
    assert!(attempts(&pod).iter().all(|attempt| *attempt == ("finished".to_owned(), 1)));
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn a_service_that_is_restarted_is_there_again_though_a_run_took_its_place() {
    let pod = Pod::new();
    let program = pod.program("gated", &format!("echo up\n{GATE}echo done\n"));
    let gate = pod.path("gate");
    let server = pod.serve(&[]);
    let mut live = pod.spawn(&["run", &program, gate.to_str().unwrap()], &[]);
    assert_eq!(live.line(), "up");
    assert_eq!(server.stop().code(), Some(0));
    // By now the run is the manager.
    assert_eq!(attempts(&pod), [("running".to_owned(), 1)]);
    let server = pod.serve(&[]);
    assert_eq!(attempts(&pod), [("running".to_owned(), 1)]);
    // One that stays refuses another, as ever.
    let refused = pod.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(refused.code != Some(0) && refused.stderr.contains("is in use by the manager"), "{}", refused.stderr);
    std::fs::write(gate, "").unwrap();
    let ran = live.finish();
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "done\n"), "{}", ran.stderr);
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn an_unchanged_directory_is_the_same_revision_whoever_packs_it() {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    let program = pod.program("hello", "echo hello\n");
    std::fs::create_dir(pod.path("hello").join("lib")).expect("a directory can be made");
    std::fs::write(pod.path("hello").join("lib/data"), "data").expect("a file can be written");
    let put = |more: &str| {
        let url = server.url();
        let line = format!(
            "tar cz {more} -C '{program}' . | curl -sT - -H 'content-type: application/gzip' {url}/api/v1/activities/hello"
        );
        let answer = std::process::Command::new("bash").args(["-c", &line]).output().expect("bash runs").stdout;
        let activity: serde_json::Value = serde_json::from_slice(&answer).expect("JSON");
        activity["latestRevision"].as_u64()
    };
    assert_eq!(put(""), Some(1));
    assert_eq!(put("--mtime=2001-01-01 --owner=1 --sort=name"), Some(1));
    assert_eq!(pod.run(&["run", &program]).stdout, "hello\n");
    assert_eq!(put("--sort=name"), Some(1), "what `pod run` registered is the same");
    std::fs::write(pod.path("hello").join("lib/data"), "other").expect("a file can be written");
    assert_eq!(put(""), Some(2));
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn any_number_of_runs_at_the_same_moment_find_or_host_a_manager() {
    let pod = Pod::new();
    let program = pod.program("hello", "echo \"hello $1\"\n");
    for round in 0..6 {
        // Nobody looks after the ones that end first: whoever hosted may be a zombie while others still run.
        let runs: Vec<_> = (0..6)
            .map(|number| {
                let input = format!("{round}.{number}");
                (pod.spawn(&["run", &program, &input], &[]), format!("hello {input}\n"))
            })
            .collect();
        for (run, expected) in runs {
            let ran = run.finish();
            assert_eq!((ran.code, ran.stdout, ran.stderr.as_str()), (Some(0), expected, ""));
        }
    }
}
