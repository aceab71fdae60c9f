//! Workers as tasks of a real swarm, against the suite of provisioners, and what only they do. Run where an engine is
//! that manages a swarm and has an image: `POD_TEST_SWARM` and `POD_TEST_IMAGE` name them, and `tests/run` makes both.

mod manager;

use std::{
    path::Path,
    process::{Command, Output},
};

use pod_backends::{
    docker::{DockerSettings, ManagerAddress, run_container_worker},
    swarm::{self, Swarm},
};
use pod_core::{
    domain::WorkerId,
    provisioner::Backend,
    testing::provisioner_suite::{Harness, dies, is_alive},
    worker::Dialer,
};
use pod_server::{config::Secret, worker_link::WebSocketDialer};
use tokio_util::sync::CancellationToken;

use manager::{image, listening, program, settings, swarm_host};

/// Runs in every task that is made here.
#[tokio::test]
#[ignore = "not a test: the worker that runs in tasks"]
async fn be_a_worker() {
    let home = Path::new(swarm::HOME);
    if home.join("work/worker.json").exists() {
        let over_network = |manager: ManagerAddress| {
            let dial = WebSocketDialer::new(&manager.url, manager.token.map(Secret::new));
            dial.map(|dial| Box::new(dial) as Box<dyn Dialer>).map_err(|error| error.to_string())
        };
        run_container_worker(home, over_network, CancellationToken::new()).await;
    }
}

fn tasks(dir: &Path) -> Box<dyn Backend> {
    listening(dir, settings())
}

mod suite {
    use super::tasks;

    pod_core::provisioner_suite!(tasks);
}

/// Every way to shut a task in, at once.
fn confined(dir: &Path) -> Box<dyn Backend> {
    let settings = DockerSettings {
        memory: Some(256 << 20),
        cpus: Some(0.5),
        pids: Some(200),
        user: Some("1000:1000".to_owned()),
        read_only: true,
        ..settings()
    };
    listening(dir, settings)
}

mod confined_suite {
    use super::confined;

    pod_core::provisioner_suite!(confined);
}

fn docker(arguments: &[&str]) -> Output {
    let mut command = Command::new("docker");
    command.args(["-H", &swarm_host()]).args(arguments).output().expect("the client of the engine is installed")
}

/// What the engine lists, a line each.
fn listed(arguments: &[&str]) -> Vec<String> {
    let output = docker(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// Everything that a swarm and its engine hold for the store of a rig: services, secrets, containers, volumes.
fn left(rig: &Harness) -> [Vec<String>; 4] {
    let filter = format!("label=pod.store={}", rig.store());
    [&["service", "ls", "-q"][..], &["secret", "ls", "-q"], &["ps", "-aq"], &["volume", "ls", "-q"]]
        .map(|list| listed(&[list, &["--filter", &filter]].concat()))
}

const NOTHING: [Vec<String>; 4] = [const { Vec::new() }; 4];

#[tokio::test(flavor = "multi_thread")]
async fn executions_outlive_the_manager_and_nothing_is_left_in_the_end() {
    let mut rig = Harness::start(tasks).await;
    rig.create(1).await;
    rig.create(2).await;
    let mut connected = rig.connected_worker().await;
    let pid = connected.runs_something().await;
    let worker = connected.hello.worker;
    assert_eq!(left(&rig).map(|kind| kind.len()), [2; 4]);
    drop(connected);
    rig.restart().await;
    let mut connected = rig.connected_worker().await;
    while connected.hello.worker != worker {
        connected = rig.connected_worker().await;
    }
    assert_eq!(connected.hello.attempts.len(), 1);
    assert!(is_alive(pid));
    rig.clean_up().await;
    assert!(!is_alive(pid));
    assert_eq!(left(&rig), NOTHING);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_ended_by_somebody_else_is_news() {
    let mut rig = Harness::start(tasks).await;
    for how in [&["kill"][..], &["rm", "-f"], &["service", "rm"], &["service", "scale", "-d"]] {
        rig.create(1).await;
        let pid = rig.connected_worker().await.runs_something().await;
        let [services, _, containers, _] = left(&rig);
        let what = match how {
            ["service", "scale", ..] => format!("{}=0", services[0]),
            ["service", ..] => services[0].clone(),
            _ => containers[0].clone(),
        };
        let asked = docker(&[how, &[&what]].concat());
        assert!(asked.status.success(), "{how:?}: {}", String::from_utf8_lossy(&asked.stderr));
        assert_eq!(rig.gone().await, WorkerId(1), "{how:?}");
        dies(pid).await;
        // As the engine of POD does when it hears that.
        rig.destroy(1).await;
        assert_eq!(left(&rig), NOTHING, "{how:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_ended_while_no_manager_was_there_is_news_to_the_next_one() {
    let mut rig = Harness::start(tasks).await;
    rig.create(1).await;
    rig.connected_worker().await;
    let [_, _, containers, _] = left(&rig);
    rig.stop().await;
    assert!(docker(&["kill", &containers[0]]).status.success());
    rig.restart().await;
    assert_eq!(rig.gone().await, WorkerId(1));
    rig.clean_up().await;
    assert_eq!(left(&rig), NOTHING);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_broken_off_creation_has_left_is_listed_and_goes() {
    let rig = Harness::start(tasks).await;
    let label = format!("pod.store={}", rig.store());
    let name = format!("pod-{}-7", &rig.store().to_string().replace('-', "")[..12]);
    let made = docker(&["secret", "create", "--label", &label, "--label", "pod.worker=7", &name, "/etc/hostname"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert_eq!(rig.list().await, [7]);
    rig.destroy(7).await;
    assert_eq!((rig.list().await, left(&rig)), (vec![], NOTHING));
}

#[tokio::test(flavor = "multi_thread")]
async fn services_of_others_are_not_touched() {
    let image = image();
    let labels = ["--label", "pod.worker=1", "--label", "pod.store=another"];
    let arguments = [&["service", "create", "-q", "-d", "--replicas", "0"], &labels[..], &[&image, "bash"]].concat();
    let other = listed(&arguments).pop().expect("a service of somebody else");
    let mut rig = Harness::start(tasks).await;
    rig.create(1).await;
    rig.connected_worker().await;
    rig.restart_with_another_store().await;
    rig.create(1).await;
    rig.connected_worker().await;
    rig.clean_up().await;
    assert!(docker(&["service", "rm", &other]).status.success(), "it is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_join_token_is_not_to_be_seen_from_outside() {
    let mut rig = Harness::start(tasks).await;
    rig.create(1).await;
    rig.connected_worker().await;
    let token = std::fs::read_to_string(rig.path().join("swarm/1/join-token")).expect("the manager remembers it");
    let [services, secrets, containers, _] = left(&rig);
    for what in [
        ["service", "inspect", &services[0]],
        ["secret", "inspect", &secrets[0]],
        ["container", "inspect", &containers[0]],
    ] {
        let shown = listed(&what).join("\n");
        assert!(shown.contains("pod.store") && !shown.contains(&token), "{what:?}");
    }
    rig.clean_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_made_is_refused_with_a_sentence_and_leaves_nothing() {
    type Make = fn(&Path) -> Box<dyn Backend>;
    let cases: [(Make, &str); 5] = [
        (
            |dir| listening(dir, DockerSettings { image: "pod-test/absent:1".into(), ..settings() }),
            "its task was rejected by its node",
        ),
        (|dir| listening(dir, DockerSettings { image: format!("{}-without", image()), ..settings() }), "has no bash"),
        (
            |dir| {
                listening(dir, DockerSettings { network: Some("nowhere".into()), manager: elsewhere(), ..settings() })
            },
            "nowhere not found",
        ),
        (|dir| listening(dir, DockerSettings { user: Some("nobody-knows".into()), ..settings() }), "nobody-knows"),
        (|dir| listening(dir, DockerSettings { memory: Some(1 << 20), ..settings() }), "the container engine says"),
    ];
    for (make, expected) in cases {
        let rig = Harness::start(make).await;
        let refused = rig.try_to_create(1).await.expect_err(expected).message;
        assert!(refused.contains(expected), "{refused}");
        assert_eq!((rig.list().await, left(&rig)), (vec![], NOTHING), "{expected}");
    }
}

/// An address that is not this machine alone: a network for tasks needs one.
fn elsewhere() -> Option<String> {
    Some("http://192.0.2.1:8080".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_destroyed_while_it_is_created_is_gone() {
    let rig = Harness::start(tasks).await;
    let creating = rig.try_to_create(1);
    let destroying = async {
        while rig.list().await.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        rig.destroy(1).await;
    };
    let (created, ()) = tokio::join!(creating, destroying);
    // One of both was faster.
    if let Err(error) = created {
        assert!(error.message.contains("it was destroyed before its task ran"), "{error}");
    }
    assert_eq!((rig.list().await, left(&rig)), (vec![], NOTHING));
}

#[test]
fn settings_that_no_task_can_have_are_refused() {
    for (settings, expected) in [
        (DockerSettings { manager: None, ..settings() }, "set it with --docker-manager"),
        (DockerSettings { network: None, ..settings() }, "in a task is the task itself"),
        (DockerSettings { network: Some("none".into()), ..settings() }, "choose another"),
        (
            DockerSettings { isolation: pod_core::domain::Isolation::Execution, ..settings() },
            "use --docker-isolation worker",
        ),
        (DockerSettings { mounts: vec!["/srv:/tmp".parse().expect("a mount")], ..settings() }, "mount something else"),
    ] {
        let refused = Swarm::new("/nowhere", settings, program()).expect_err(expected).message;
        assert!(refused.contains(expected), "{refused}");
    }
}
