//! Workers on this machine, in this process and in processes of their own, against the suite, and what only they do.

#![cfg(all(feature = "local", target_os = "linux"))]

use std::{path::Path, process::Command};

use pod_backends::{
    data_dir::{DataDirError, DataDirLock},
    local::{InProcessWorkers, WorkerProcesses, end_worker_processes, run_local_worker},
};
use pod_core::{
    domain::WorkerId,
    provisioner::Backend,
    testing::provisioner_suite::{Harness, dies, is_alive},
};
use tokio_util::sync::CancellationToken;

/// This program is the worker of the directory that it is started in.
fn worker_command(_: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the path of this test"));
    command.args(["--exact", "be_a_worker", "--ignored", "--nocapture"]);
    command
}

#[tokio::test]
#[ignore = "not a test: the worker process that tests here start"]
async fn be_a_worker() {
    let here = std::env::current_dir().expect("a directory");
    if here.join("worker.json").exists() {
        run_local_worker(&here, CancellationToken::new()).await;
    }
}

fn processes(dir: &Path) -> Box<dyn Backend> {
    Box::new(WorkerProcesses::new(dir, worker_command))
}

mod in_process {
    use super::*;

    fn local(dir: &Path) -> Box<dyn Backend> {
        Box::new(InProcessWorkers::new(dir))
    }
    pod_core::provisioner_suite!(local);
}

mod own_processes {
    use super::*;

    pod_core::provisioner_suite!(processes);
}

/// The process that is worker 1.
fn process_of_worker_1(rig: &Harness) -> u32 {
    let lock = std::fs::read_to_string(rig.path().join("workers/1/worker.lock")).expect("a lock file");
    lock.trim().parse().expect("a process id")
}

#[tokio::test(flavor = "multi_thread")]
async fn executions_outlive_the_manager() {
    let mut rig = Harness::start(processes).await;
    rig.create(1).await;
    let mut connected = rig.connected_worker().await;
    let pid = connected.runs_something().await;
    let worker = process_of_worker_1(&rig);
    drop(connected);
    rig.restart().await;
    let mut connected = rig.connected_worker().await;
    assert_eq!(connected.hello.attempts.len(), 1);
    assert!(connected.hello.attempts[0].started_at.is_some());
    assert!(is_alive(pid));
    assert_eq!(process_of_worker_1(&rig), worker, "it is the same process");
    rig.destroy(1).await;
    connected.leaves().await;
    assert!(!is_alive(pid) && !is_alive(worker));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_worker_process_is_news_at_once_and_so_is_that_of_an_adopted_one() {
    let mut rig = Harness::start(processes).await;
    rig.create(1).await;
    let pid = rig.connected_worker().await.runs_something().await;
    kill(process_of_worker_1(&rig));
    assert_eq!(rig.gone().await, WorkerId(1));
    dies(pid).await;

    rig.restart().await;
    rig.connected_worker().await;
    rig.restart().await;
    rig.connected_worker().await;
    kill(process_of_worker_1(&rig));
    assert_eq!(rig.gone().await, WorkerId(1));
    rig.clean_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_data_directory_was_wiped_ends_with_what_it_runs() {
    let mut rig = Harness::start(processes).await;
    rig.create(1).await;
    let mut connected = rig.connected_worker().await;
    let pid = connected.runs_something().await;
    let worker = process_of_worker_1(&rig);
    std::fs::remove_dir_all(rig.path()).expect("the directory is wiped");
    // The manager dies, and the worker looks for the next one.
    drop(connected);
    dies(pid).await;
    dies(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_process_inherits_nothing_of_its_manager() {
    let mut rig = Harness::start(processes).await;
    rig.create(1).await;
    rig.connected_worker().await;
    let worker = process_of_worker_1(&rig);
    let environment = std::fs::read_to_string(format!("/proc/{worker}/environ")).expect("its environment");
    assert!(environment.split('\0').all(|variable| !variable.starts_with("CARGO") && !variable.starts_with("NEXTEST")));
    assert_eq!(std::fs::read_link(format!("/proc/{worker}/fd/0")).expect("its input"), Path::new("/dev/null"));
    let log = std::fs::read_link(format!("/proc/{worker}/fd/2")).expect("its log");
    assert!(log.ends_with("workers/1/worker.log"), "{log:?}");
    let stat = std::fs::read_to_string(format!("/proc/{worker}/stat")).expect("its status");
    let session = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(3)).expect("its session");
    assert_eq!(session, worker.to_string(), "it is a session of its own");
    rig.clean_up().await;
}

#[test]
fn the_second_manager_of_a_data_directory_is_told_who_holds_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("deep/data");
    let mut lock = DataDirLock::acquire(&data).expect("nobody holds it");
    let me = std::process::id();
    let refused = DataDirLock::acquire(&data).expect_err("it is held");
    assert_eq!(refused, DataDirError::Held { dir: data.clone(), pid: me, address: None });
    lock.set_address("http://127.0.0.1:8080").expect("it is written");
    let refused = DataDirLock::acquire(&data).expect_err("it is held").to_string();
    assert!(refused.contains(&format!("process id {me}, which listens on http://127.0.0.1:8080")), "{refused}");
    drop(lock);
    DataDirLock::acquire(&data).expect("it was let go");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&data).expect("it is there").permissions());
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn what_is_no_directory_cannot_be_a_data_directory() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("file");
    std::fs::write(&file, "").expect("a file");
    for path in [file.clone(), file.join("below")] {
        let refused = DataDirLock::acquire(&path).expect_err("it is not usable").to_string();
        assert!(refused.contains("is not a directory") && refused.contains("--data-dir"), "{refused}");
    }
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("a process id")).expect("a process id");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_of_a_single_run_leaves_no_process_and_keeps_what_is_installed() {
    let mut rig = Harness::start(processes).await;
    rig.create(1).await;
    let pid = rig.connected_worker().await.runs_something().await;
    let worker = process_of_worker_1(&rig);
    end_worker_processes(&rig.path()).await;
    assert!(!is_alive(worker) && !is_alive(pid));
    rig.restart().await;
    assert_eq!(rig.connected_worker().await.hello.installed.len(), 1);
    rig.clean_up().await;
}
