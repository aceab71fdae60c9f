//! The API document, held against what is made of it: linters, generated clients, requests made up from it; and the
//! metrics, held against the checker of their own format. `tests/run` installs the tools.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use pod_tests::{Pod, Server};

const TOKEN: &str = "a-token-of-these-tests";

/// What tests/run installs the tools into.
fn tools() -> PathBuf {
    let tools = root().join("target/client-checks");
    assert!(tools.join("node_modules").is_dir(), "{} is missing; tests/run installs it", tools.display());
    tools
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are in a directory of the repository")
}

/// One of our files beside the tools.
fn ours(name: &str) -> PathBuf {
    root().join("tests/clients").join(name)
}

/// Runs a tool to its end, which is to be a good one.
fn run(command: &mut Command) -> String {
    let ran = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{command:?} ended with {}\n{out}\n{err}", ran.status);
    out.into_owned()
}

/// A tool of npm.
fn node(program: &str) -> Command {
    let mut command = Command::new(tools().join("node_modules/.bin").join(program));
    command.env("REDOCLY_TELEMETRY", "off").env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true");
    command
}

/// A tool of pip.
fn python(program: &str) -> Command {
    Command::new(tools().join("venv/bin").join(program))
}

/// A manager with a token, and its document in a file.
fn manager(pod: &Pod) -> (Server, PathBuf) {
    let server = pod.serve_in(&[("POD_TOKEN", TOKEN)], &[]);
    let path = pod.path("openapi.json");
    fs::write(&path, get(&server, "/api/v1/openapi.json")).expect("the document can be written");
    (server, path)
}

fn get(server: &Server, path: &str) -> String {
    let header = format!("Authorization: Bearer {TOKEN}");
    run(Command::new("curl").args(["-sSf", "-H", &header]).arg(format!("{}{path}", server.url())))
}

#[test]
fn two_linters_find_nothing_wrong_with_the_document() {
    let pod = Pod::new();
    let (_server, document) = manager(&pod);
    run(node("redocly").arg("lint").arg("--config").arg(ours("redocly.yaml")).arg(&document));
    run(node("spectral").args(["lint", "--fail-severity=warn", "--ruleset"]).arg(ours("spectral.yaml")).arg(&document));
}

#[test]
fn a_client_generated_for_python_runs_follows_and_terminates() {
    let pod = Pod::new();
    let (server, document) = manager(&pod);
    let directory = pod.path("python");
    fs::create_dir(&directory).expect("a directory");
    let generated = run(python("openapi-python-client")
        .args(["generate", "--meta=none", "--fail-on-warning", "--config"])
        .arg(ours("python-client.yaml"))
        .arg("--path")
        .arg(&document)
        .arg("--output-path")
        .arg(directory.join("pod_client")));
    assert!(!generated.contains("WARNING"), "{generated}");
    let program = directory.join("follow.py");
    fs::copy(ours("follow.py"), &program).expect("our program");
    run(python("mypy").args(["--strict", "--follow-imports=silent", "follow.py"]).current_dir(&directory));
    run(python("python").arg(&program).args([server.url(), TOKEN]).current_dir(&directory));
}

#[test]
fn types_generated_for_typescript_run_follow_and_terminate() {
    let pod = Pod::new();
    let (server, document) = manager(&pod);
    let directory = pod.path("typescript");
    fs::create_dir(&directory).expect("a directory");
    // Where what is imported is looked for.
    std::os::unix::fs::symlink(tools().join("node_modules"), directory.join("node_modules")).expect("a link");
    run(node("openapi-typescript").arg(&document).arg("-o").arg(directory.join("api.d.ts")));
    fs::copy(ours("follow.ts"), directory.join("follow.ts")).expect("our program");
    run(node("tsc").current_dir(&directory).args([
        "--strict",
        "--noUncheckedIndexedAccess",
        "--skipLibCheck",
        "--target",
        "es2022",
        "--module",
        "commonjs",
        "--moduleResolution",
        "node",
        "--esModuleInterop",
        "follow.ts",
    ]));
    run(Command::new("node").arg("follow.js").args([server.url(), TOKEN]).current_dir(&directory));
}

/// Requests made up from the document, so many for each operation, are answered as it says.
fn made_up(examples: u32, seed: &str) {
    let pod = Pod::new();
    let (server, _) = manager(&pod);
    run(python("schemathesis")
        .current_dir(pod.path(""))
        .arg("--config-file")
        .arg(ours("schemathesis.toml"))
        .args(["run", "--checks=all", "--phases=examples,coverage,fuzzing", "--generation-database=none"])
        .args(["--request-timeout=20", "--no-color", "--header", &format!("Authorization: Bearer {TOKEN}")])
        .args(["--seed", seed, "--max-examples", &examples.to_string()])
        .arg(format!("{}/api/v1/openapi.json", server.url())));
}

#[test]
fn requests_made_up_from_the_document_are_answered_as_it_says() {
    made_up(3, "1");
}

/// For minutes: `tests/run --all`.
#[test]
fn slow_many_requests_made_up_from_the_document_are_answered_as_it_says() {
    if std::env::var_os("POD_TEST_ALL").is_some() {
        made_up(100, &std::env::var("POD_TEST_SEED").unwrap_or_else(|_| "2".to_owned()));
    }
}

#[test]
fn the_metrics_pass_the_checker_of_prometheus() {
    let pod = Pod::new();
    let (server, _) = manager(&pod);
    let program = pod.program("some", "echo hello");
    assert_eq!(
        run(pod.command(&["run", &program]).args(["--server", server.url()]).env("POD_TOKEN", TOKEN)),
        "hello\n"
    );
    let metrics = get(&server, "/metrics");
    let path = pod.path("metrics");
    fs::write(&path, &metrics).expect("the metrics can be written");
    let mut check = Command::new("promtool");
    run(check.args(["check", "metrics"]).stdin(fs::File::open(&path).expect("the metrics")));
    for family in [
        "pod_executions_submitted_total{activity=\"some\"} 1",
        "pod_executions_ended_total{activity=\"some\",status=\"finished\"} 1",
        "pod_execution_wait_seconds_count{activity=\"some\"} 1",
        "pod_attempt_run_seconds_count{activity=\"some\"} 1",
        "pod_attempts_retried_total{activity=\"some\"} 0",
        "pod_attempts_lost_total{activity=\"some\"} 0",
        "pod_executions{status=\"finished\"} 1",
        "pod_output_bytes_total 6",
        "pod_worker_launches_total 1",
        "pod_worker_launch_refusals_total 0",
        "pod_refusing 0",
    ] {
        assert!(metrics.lines().any(|line| line == family), "{family} in\n{metrics}");
    }
    for family in
        ["pod_commit_seconds_count", "pod_commit_rows_sum", "pod_store_bytes", "process_resident_memory_bytes"]
    {
        assert!(metrics.contains(&format!("\n{family} ")), "{family} in\n{metrics}");
    }
    let route = "pod_http_request_seconds_count{method=\"GET\",route=\"/api/v1/openapi.json\",status=\"200\"} 1";
    assert!(metrics.contains(route), "{route} in\n{metrics}");
}

/// What spreads requests over managers asks without a token, and learns no more than yes or no.
#[test]
fn whether_work_is_taken_is_told_without_a_token() {
    let pod = Pod::new();
    let (server, _) = manager(&pod);
    let said = run(Command::new("curl").args(["-sSf"]).arg(format!("{}/readyz", server.url())));
    assert_eq!(said, "ready\n");
}
