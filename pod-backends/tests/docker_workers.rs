//! Workers in containers of a real engine, against the suite, and what only they do. Run where an engine is, with an
//! image in `POD_TEST_IMAGE`; see `tests/run`.

#![cfg(all(feature = "docker", target_os = "linux"))]

use std::{
    path::Path,
    process::{Command, Output},
};

use pod_backends::docker::{Docker, DockerSettings, HOME, WorkerBinary, run_container_worker};
use pod_core::{
    domain::WorkerId,
    provisioner::Backend,
    testing::provisioner_suite::{Harness, dies, is_alive},
};
use tokio_util::sync::CancellationToken;

/// Runs in every container that is made here.
#[tokio::test]
#[ignore = "not a test: the worker that runs in containers"]
async fn be_a_worker() {
    if Path::new("/.pod/work/worker.json").exists() {
        let over_network = |_| Err("no network is used here".to_owned());
        run_container_worker(Path::new(HOME), over_network, CancellationToken::new()).await;
    }
}

fn image() -> String {
    std::env::var("POD_TEST_IMAGE").expect("POD_TEST_IMAGE names an image of the engine; tests/run makes one")
}

fn with(dir: &Path, settings: DockerSettings) -> Box<dyn Backend> {
    let arguments = ["--exact", "be_a_worker", "--ignored", "--nocapture"];
    let program = WorkerBinary::of_this_process(&arguments).expect("this program's own file");
    Box::new(Docker::new(dir, settings, program))
}

fn containers(dir: &Path) -> Box<dyn Backend> {
    with(dir, DockerSettings::of_image(image()))
}

mod suite {
    use super::containers;

    pod_core::provisioner_suite!(containers);
}

/// Every way to shut a container in, at once.
fn confined(dir: &Path) -> Box<dyn Backend> {
    let settings = DockerSettings {
        memory: Some(256 << 20),
        cpus: Some(0.5),
        pids: Some(200),
        network: Some("none".to_owned()),
        user: Some("1000:1000".to_owned()),
        read_only: true,
        ..DockerSettings::of_image(image())
    };
    with(dir, settings)
}

mod confined_suite {
    use super::confined;

    pod_core::provisioner_suite!(confined);
}

fn docker(arguments: &[&str]) -> Output {
    Command::new("docker").args(arguments).output().expect("the client of the engine is installed")
}

/// What the engine lists, a line each.
fn listed(arguments: &[&str]) -> Vec<String> {
    let output = docker(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// The containers and the volumes of the store of a rig.
fn left(rig: &Harness) -> (Vec<String>, Vec<String>) {
    let filter = format!("label=pod.store={}", rig.store());
    (listed(&["ps", "-aq", "--filter", &filter]), listed(&["volume", "ls", "-q", "--filter", &filter]))
}

#[tokio::test(flavor = "multi_thread")]
async fn executions_outlive_the_manager_and_nothing_is_left_in_the_end() {
    let mut rig = Harness::start(containers).await;
    rig.create(1).await;
    rig.create(2).await;
    let mut pending = rig.connected_worker().await;
    let pid = pending.runs_something().await;
    let worker = pending.hello.worker;
    assert_eq!((left(&rig).0.len(), left(&rig).1.len()), (2, 2));
    drop(pending);
    rig.restart().await;
    let mut pending = rig.connected_worker().await;
    while pending.hello.worker != worker {
        pending = rig.connected_worker().await;
    }
    assert_eq!(pending.hello.attempts.len(), 1);
    assert!(is_alive(pid));
    rig.clean_up().await;
    assert!(!is_alive(pid));
    assert_eq!(left(&rig), (Vec::new(), Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_is_killed_or_removed_is_news_at_once() {
    let mut rig = Harness::start(containers).await;
    for how in [&["kill"][..], &["rm", "-f"], &["stop"]] {
        rig.create(1).await;
        let pid = rig.connected_worker().await.runs_something().await;
        let container = left(&rig).0.remove(0);
        let asked = docker(&[how, &[&container]].concat());
        assert!(asked.status.success(), "{how:?}: {}", String::from_utf8_lossy(&asked.stderr));
        assert_eq!(rig.gone().await, WorkerId(1), "{how:?}");
        dies(pid).await;
        // As the engine of POD does when it hears that.
        rig.destroy(1).await;
        assert_eq!(left(&rig), (Vec::new(), Vec::new()), "{how:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_died_while_no_manager_was_there_is_news_to_the_next_one() {
    let mut rig = Harness::start(containers).await;
    rig.create(1).await;
    rig.connected_worker().await;
    let container = left(&rig).0.remove(0);
    rig.stop().await;
    assert!(docker(&["kill", &container]).status.success());
    rig.restart().await;
    assert_eq!(rig.gone().await, WorkerId(1));
    rig.clean_up().await;
    assert_eq!(left(&rig), (Vec::new(), Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_of_others_are_not_touched() {
    let others = listed(&["create", "--label", "pod.worker=1", "--label", "pod.store=another", &image(), "bash"]);
    let mut rig = Harness::start(containers).await;
    rig.create(1).await;
    rig.connected_worker().await;
    rig.restart_with_another_store().await;
    rig.create(1).await;
    rig.connected_worker().await;
    rig.clean_up().await;
    assert!(listed(&["ps", "-aq", "--no-trunc"]).contains(&others[0]));
    assert!(docker(&["rm", &others[0]]).status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_made_is_refused_with_a_sentence_and_leaves_nothing() {
    type Make = fn(&Path) -> Box<dyn Backend>;
    let cases: [(Make, &str); 6] = [
        (|dir| with(dir, DockerSettings::of_image("pod-test/absent:1")), "cannot be pulled: the container engine says"),
        (|dir| with(dir, DockerSettings::of_image(format!("{}-without", image()))), "has no bash"),
        (|dir| with(dir, DockerSettings::of_image(format!("{}-foreign", image()))), "choose one for that"),
        (
            |dir| with(dir, DockerSettings { network: Some("nowhere".into()), ..DockerSettings::of_image(image()) }),
            "network nowhere not found",
        ),
        (
            |dir| with(dir, DockerSettings { cpus: Some(900.0), ..DockerSettings::of_image(image()) }),
            "the container engine says: Range of CPUs",
        ),
        (
            |dir| with(dir, DockerSettings { user: Some("nobody-knows".into()), ..DockerSettings::of_image(image()) }),
            "nobody-knows",
        ),
    ];
    for (make, expected) in cases {
        let rig = Harness::start(make).await;
        let refused = rig.try_to_create(1).await.expect_err(expected).message;
        assert!(refused.contains(expected), "{refused}");
        assert!(rig.list().await.is_empty());
        assert_eq!(left(&rig), (Vec::new(), Vec::new()), "{expected}");
    }
}
