//! A whole POD with workers on this machine, over the ends of its managers and of its workers.
//!
//! The worker program is this test itself: [`be_a_worker`] runs the worker of the directory that it is started in.

#![cfg(all(feature = "local", target_os = "linux"))]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use pod_backends::local::{InProcessWorkers, WorkerProcesses, run_local_worker};
use pod_core::{
    Pod,
    domain::{Execution, ExecutionId, ExecutionStatus, NewActivity, NewExecution},
    provisioner::Backend,
    store::MemoryStore,
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

const TIMEOUT: Duration = Duration::from_secs(60);

#[tokio::test]
#[ignore = "not a test: the worker process that tests here start"]
async fn be_a_worker() {
    let here = std::env::current_dir().unwrap();
    if here.join("worker.json").exists() {
        run_local_worker(&here, CancellationToken::new()).await;
    }
}

/// A data directory and the records of the managers that have it one after the other.
struct Site {
    dir: TempDir,
    store: MemoryStore,
}

impl Site {
    fn new() -> Self {
        Self { dir: TempDir::new().unwrap(), store: MemoryStore::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn data_dir(&self) -> PathBuf {
        self.path("data")
    }

    /// A manager whose workers are processes of their own.
    async fn manager(&self) -> Pod {
        let program = |_: &Path| {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--exact", "be_a_worker", "--ignored", "--nocapture"]);
            command
        };
        self.start(|dir| WorkerProcesses::new(dir, program)).await
    }

    /// A manager whose workers are in this process.
    async fn application(&self) -> Pod {
        self.start(InProcessWorkers::new).await
    }

    async fn start<B: Backend>(&self, backend: impl Fn(PathBuf) -> B) -> Pod {
        // An earlier manager of this process lets its directory go in the moments after its end.
        in_time("a manager", async {
            loop {
                match Pod::builder().store(self.store.clone()).backend(backend(self.data_dir())).start().await {
                    Ok(pod) => return pod,
                    Err(error) => assert!(error.to_string().contains("in use"), "{error}"),
                }
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }

    /// Starts an execution that leaves word, and goes on until a file is there.
    async fn start_waiting(&self, pod: &Pod) -> ExecutionId {
        let (out, go) = (self.path("out"), self.path("go"));
        let main = format!("echo >> {}; until [ -e {} ]; do sleep 0.01; done; echo done", out.display(), go.display());
        let script = format!("cat > main.sh <<'END'\n{main}\nEND\n");
        pod.put_activity(NewActivity::script("waits", script)).await.unwrap();
        let run = pod.start(NewExecution::new("waits")).await.unwrap();
        // Not only opened: the word of one that is killed in between would be missing.
        eventually("the execution to run", || (self.starts() == 1).then_some(())).await;
        run
    }

    /// Lets it end.
    fn go(&self) {
        fs::write(self.path("go"), "").unwrap();
    }

    /// How often it was started.
    fn starts(&self) -> usize {
        fs::read_to_string(self.path("out")).unwrap_or_default().lines().count()
    }

    fn homes(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.data_dir().join("workers")).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    }

    /// The process of the one worker there is.
    fn worker_pid(&self) -> u32 {
        let homes = self.homes();
        assert_eq!(homes.len(), 1, "{homes:?}");
        fs::read_to_string(homes[0].join("worker.lock")).unwrap().trim().parse().unwrap()
    }
}

impl Drop for Site {
    /// Workers live on without their manager: these ones are not to.
    fn drop(&mut self) {
        for home in self.homes() {
            let pid = fs::read_to_string(home.join("worker.lock")).ok().and_then(|text| text.trim().parse().ok());
            if let Some(pid) = pid.filter(|&pid| is_alive(pid)) {
                kill(pid);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_survives_its_manager() {
    let site = Site::new();
    let first = site.manager().await;
    let run = site.start_waiting(&first).await;
    let pid = site.worker_pid();
    first.shutdown().await;
    drop(first);
    assert!(is_alive(pid));

    let second = site.manager().await;
    site.go();
    let done = ended(&second, run).await;
    assert_eq!((done.status, done.attempt.0), (ExecutionStatus::Finished, 1));
    assert_eq!((site.worker_pid(), site.starts()), (pid, 1));
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_worker_ran_runs_again() {
    let site = Site::new();
    let pod = site.manager().await;
    let run = site.start_waiting(&pod).await;
    kill(site.worker_pid());
    eventually("the second attempt", || (site.starts() == 2).then_some(())).await;
    site.go();
    let done = ended(&pod, run).await;
    assert_eq!((done.status, done.attempt.0), (ExecutionStatus::Finished, 2));
    pod.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_worker_ran_that_died_without_a_manager_runs_again() {
    let site = Site::new();
    let first = site.manager().await;
    let run = site.start_waiting(&first).await;
    let pid = site.worker_pid();
    first.shutdown().await;
    drop(first);
    kill(pid);
    eventually("its end", || (!is_alive(pid)).then_some(())).await;
    let second = site.manager().await;
    eventually("the second attempt", || (site.starts() == 2).then_some(())).await;
    site.go();
    let done = ended(&second, run).await;
    assert_eq!((done.status, done.attempt.0), (ExecutionStatus::Finished, 2));
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_of_deleted_records_ends_and_another_takes_its_place() {
    let mut site = Site::new();
    let first = site.manager().await;
    site.start_waiting(&first).await;
    let pid = site.worker_pid();
    first.shutdown().await;
    drop(first);
    site.store = MemoryStore::new();
    let second = site.manager().await;
    eventually("the end of the worker", || (!is_alive(pid)).then_some(())).await;
    // The policy wants a worker, and it gets the same number.
    let own = format!("\"store\":\"{}\"", second.store_id());
    let worker = site.data_dir().join("workers/1");
    eventually("a worker of the new records", || {
        fs::read_to_string(worker.join("worker.json")).is_ok_and(|text| text.contains(&own)).then_some(())
    })
    .await;
    in_time("the worker to be ready", async {
        while second.workers().await.unwrap().iter().all(|view| view.worker.ready_at.is_none()) {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_starts_its_pod_again_runs_again_what_ran() {
    let site = Site::new();
    let first = site.application().await;
    let run = site.start_waiting(&first).await;
    first.shutdown().await;
    drop(first);
    let second = site.application().await;
    eventually("the second attempt", || (site.starts() == 2).then_some(())).await;
    site.go();
    let done = ended(&second, run).await;
    assert_eq!((done.status, done.attempt.0), (ExecutionStatus::Finished, 2));
    second.shutdown().await;
}

/// Waits until an execution has ended.
async fn ended(pod: &Pod, run: ExecutionId) -> Execution {
    in_time("the end of the execution", pod.wait(run)).await.unwrap()
}

async fn in_time<T>(what: &str, wait: impl Future<Output = T>) -> T {
    match timeout(TIMEOUT, wait).await {
        Ok(done) => done,
        Err(_) => panic!("{what} did not come in {TIMEOUT:?}"),
    }
}

/// Looks until there is something.
async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    in_time(what, async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

fn kill(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

/// Whether a process is there and has not ended.
fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}
