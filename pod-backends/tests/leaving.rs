//! An application that shuts its POD down in an orderly way: what ran gets time, TERM and its grace time, and runs again
//! at the next start without a loss.

#![cfg(all(feature = "local", target_os = "linux"))]

use std::{fs, path::PathBuf, time::Duration};

use pod_backends::local::InProcessWorkers;
use pod_core::{
    Limits, Pod,
    domain::{
        ActivitySettings, AttemptNo, AttemptOutcome, Execution, ExecutionId, ExecutionStatus, Millis, NewActivity,
        NewExecution, OnLost, Outcome, Stream,
    },
    store::{MemoryStore, Store as _},
};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

const TIMEOUT: Duration = Duration::from_secs(60);
/// Nothing here takes so long unless it was waited for.
const LONG: Duration = Duration::from_secs(3600);

/// The records and the directory of an application that is started again and again.
struct Site {
    dir: TempDir,
    store: MemoryStore,
    grace: Millis,
}

impl Site {
    fn new() -> Self {
        Self { dir: TempDir::new().unwrap(), store: MemoryStore::new(), grace: Millis::from_secs(30) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    async fn start(&self) -> Pod {
        let limits = Limits { slots: 1, grace_period: self.grace, ..Limits::default() };
        let backend = InProcessWorkers::new(self.path("data"));
        let starting = Pod::builder().store(self.store.clone()).backend(backend).limits(limits).start();
        in_time("a POD", starting).await.unwrap()
    }

    /// Registers a program that notes down its start, its end, and its clean-up, and goes on until it may end.
    async fn register(&self, pod: &Pod, settings: ActivitySettings) {
        let (out, go) = (self.path("out"), self.path("go"));
        let (out, go) = (out.display(), go.display());
        let main = format!(
            "trap 'echo cleaned; echo cleaned >> {out}; exit 3' TERM\necho began >> {out}\n\
             until [ -e {go} ]; do sleep 0.01; done\necho ended >> {out}"
        );
        let script = format!("cat > main.sh <<'END'\n{main}\nEND\n");
        pod.put_activity(NewActivity::script("waits", script).settings(settings)).await.unwrap();
    }

    async fn run(&self, pod: &Pod) -> ExecutionId {
        pod.start(NewExecution::new("waits")).await.unwrap()
    }

    fn noted(&self, word: &str) -> usize {
        fs::read_to_string(self.path("out")).unwrap_or_default().lines().filter(|line| *line == word).count()
    }

    /// Waits until a program has noted something so often.
    async fn notes(&self, word: &str, times: usize) {
        in_time(word, async {
            while self.noted(word) < times {
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    fn go(&self) {
        fs::write(self.path("go"), "").unwrap();
    }
}

async fn in_time<T>(what: &str, wait: impl Future<Output = T>) -> T {
    timeout(TIMEOUT, wait).await.unwrap_or_else(|_| panic!("in time: {what}"))
}

async fn ended(pod: &Pod, id: ExecutionId) -> Execution {
    in_time("the end of the execution", pod.wait(id)).await.unwrap()
}

fn once() -> ActivitySettings {
    ActivitySettings { on_lost: OnLost::Fail, ..ActivitySettings::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn graceful_restarts_are_no_losses_however_many_there_are() {
    let site = Site::new();
    let mut pod = site.start().await;
    site.register(&pod, ActivitySettings::default()).await;
    let id = site.run(&pod).await;
    for restarts in 1..=3 {
        site.notes("began", restarts).await;
        in_time("the shutdown", pod.shutdown()).await;
        assert_eq!(site.noted("cleaned"), restarts, "each was asked to end, and cleaned up");
        let left = pod.attempts(id).await.unwrap().pop().unwrap();
        assert_eq!(left.end, Some(AttemptOutcome::WorkerLeft));
        drop(pod);
        pod = site.start().await;
    }
    site.notes("began", 4).await;
    let runs = pod.execution(id).await.unwrap();
    assert_eq!((runs.status, runs.attempt, runs.lost_attempts), (ExecutionStatus::Running, AttemptNo(4), 0));
    site.go();
    assert_eq!(ended(&pod, id).await.outcome, Some(Outcome::Exited(0)));
    pod.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_program_prints_while_it_cleans_up_is_kept() {
    let site = Site::new();
    let pod = site.start().await;
    site.register(&pod, ActivitySettings::default()).await;
    let id = site.run(&pod).await;
    site.notes("began", 1).await;
    pod.shutdown().await;
    let printed = pod.read_output(id, AttemptNo(1), Stream::Stdout, 0, 100).await.unwrap();
    assert_eq!(&printed.bytes[..], b"cleaned\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_may_end_within_the_time_that_a_shutdown_gives() {
    let site = Site::new();
    let pod = site.start().await;
    site.register(&pod, once()).await;
    let id = site.run(&pod).await;
    site.notes("began", 1).await;
    // One that waits for the slot is not begun any more.
    let next = site.run(&pod).await;
    let shutdown = tokio::spawn({
        let pod = pod.clone();
        async move { pod.shutdown_within(LONG).await }
    });
    // Requests are taken meanwhile.
    let late = site.run(&pod).await;
    site.go();
    in_time("the shutdown", shutdown).await.unwrap();
    let done = pod.execution(id).await.unwrap();
    assert_eq!((done.outcome, done.attempt), (Some(Outcome::Exited(0)), AttemptNo(1)));
    assert_eq!((site.noted("began"), site.noted("cleaned")), (1, 0));

    let pod = site.start().await;
    for id in [next, late] {
        let done = ended(&pod, id).await;
        assert_eq!((done.outcome, done.attempt, done.lost_attempts), (Some(Outcome::Exited(0)), AttemptNo(1), 0));
    }
    pod.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_run_again_fails_with_its_worker_only_if_it_has_not_ended_in_time() {
    let site = Site::new();
    let pod = site.start().await;
    site.register(&pod, once()).await;
    let id = site.run(&pod).await;
    site.notes("began", 1).await;
    let waits = site.run(&pod).await;
    in_time("the shutdown", pod.shutdown_within(Duration::from_millis(50))).await;
    let failed = pod.execution(id).await.unwrap();
    assert!(matches!(failed.outcome, Some(Outcome::WorkerLeft { .. })), "{failed:?}");
    assert_eq!((failed.status, failed.lost_attempts, site.noted("cleaned")), (ExecutionStatus::Failed, 0, 1));
    // It had not begun: it runs at the next start.
    site.go();
    let pod = site.start().await;
    assert_eq!(ended(&pod, waits).await.outcome, Some(Outcome::Exited(0)));
    assert_eq!(site.noted("began"), 2);
    pod.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_without_time_hurries_one_that_gives_much() {
    let site = Site::new();
    let pod = site.start().await;
    site.register(&pod, ActivitySettings::default()).await;
    site.run(&pod).await;
    site.notes("began", 1).await;
    let slow = tokio::spawn({
        let pod = pod.clone();
        async move { pod.shutdown_within(LONG).await }
    });
    in_time("the shutdown", pod.shutdown()).await;
    in_time("the first shutdown", slow).await.unwrap();
    assert_eq!(site.noted("cleaned"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_ignores_its_term_is_killed_after_its_grace_time() {
    let mut site = Site::new();
    site.grace = Millis(200);
    let pod = site.start().await;
    let main = format!("trap '' TERM; echo began >> {}; while :; do sleep 0.05; done", site.path("out").display());
    pod.put_activity(NewActivity::script("stubborn", format!("cat > main.sh <<'END'\n{main}\nEND\n"))).await.unwrap();
    let id = pod.start(NewExecution::new("stubborn")).await.unwrap();
    site.notes("began", 1).await;
    let asked = Instant::now();
    in_time("the shutdown", pod.shutdown()).await;
    assert!(asked.elapsed() >= site.grace.as_duration());
    let waits = pod.execution(id).await.unwrap();
    assert_eq!((waits.status, waits.lost_attempts), (ExecutionStatus::Waiting, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_someone_terminates_while_the_pod_shuts_down_is_terminated() {
    let site = Site::new();
    let pod = site.start().await;
    site.register(&pod, ActivitySettings::default()).await;
    let id = site.run(&pod).await;
    site.notes("began", 1).await;
    let shutdown = tokio::spawn({
        let pod = pod.clone();
        async move { pod.shutdown_within(LONG).await }
    });
    pod.request_termination(id).await.unwrap();
    in_time("the shutdown", shutdown).await.unwrap();
    assert_eq!(pod.execution(id).await.unwrap().outcome, Some(Outcome::Terminated));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_is_only_dropped_ends_what_it_runs_in_the_same_way() {
    let site = Site::new();
    let pod = site.start().await;
    site.register(&pod, ActivitySettings::default()).await;
    let id = site.run(&pod).await;
    site.notes("began", 1).await;
    drop(pod);
    // The next one would take its records over before it has written this down.
    in_time("the execution to wait", async {
        while site.store.execution(id).await.unwrap().unwrap().status != ExecutionStatus::Waiting {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!(site.noted("cleaned"), 1);
    let pod = site.start().await;
    site.notes("began", 2).await;
    assert_eq!(pod.execution(id).await.unwrap().lost_attempts, 0);
    site.go();
    assert_eq!(ended(&pod, id).await.attempt, AttemptNo(2));
    pod.shutdown().await;
}
