//! The parts of this application keep the promises that POD relies on, and make a whole one.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use embedding::{
    counted::Counted,
    functions::{Function, Functions},
    strict::Strict,
    tasks::Tasks,
};
use pod_backends::sqlite::SqliteStore;
use pod_core::{
    OutputChunk, Pod, PodError,
    domain::{ExecutionStatus, NewActivity, NewExecution, Outcome},
    scheduler::Scheduler,
    store::{MemoryStore, Store},
    testing::store_suite::passes_through,
};

mod store {
    use super::*;

    async fn open(dir: PathBuf) -> Arc<dyn Store> {
        Arc::new(Counted::new(Arc::new(SqliteStore::open(dir).await.expect("a store"))))
    }

    pod_core::store_suite!(open);
}

mod scheduler {
    use super::*;

    fn strict() -> Box<dyn Scheduler> {
        let strict = Strict::default();
        strict.rank(2.into(), 0);
        strict.rank(1.into(), 1);
        Box::new(strict)
    }

    pod_core::scheduler_suite!(strict);
}

mod programs;

mod executor {
    use super::programs::FunctionDriver;

    pod_core::executor_suite!(FunctionDriver);
}

mod provisioner {
    use std::path::Path;

    use pod_core::provisioner::Backend;

    use super::{
        Arc, Tasks,
        programs::{WaitingFunctions, functions},
    };

    fn tasks(_: &Path) -> Box<dyn Backend> {
        Box::new(Tasks::new(functions()))
    }

    pod_core::provisioner_suite!(tasks, work = Arc::new(WaitingFunctions), workers = temporary);
}

/// Also what goes through the handle that the engine gets: the mistake that is easily made.
#[tokio::test]
async fn what_the_engine_commits_is_counted() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Counted::new(Arc::new(SqliteStore::open(dir.path()).await.expect("a store")));
    let commits = store.commits();
    assert!(passes_through(Arc::new(store), || commits.load(Ordering::Relaxed)).await);
}

const FUNCTIONS: [(&str, Function); 3] = [
    ("shout", |input, printer, _| {
        printer.line(&input.as_deref().unwrap_or_default().to_uppercase());
        0
    }),
    ("wait", |_, printer, stop| {
        printer.line("waiting");
        while !stop.is_cancelled() {
            std::thread::sleep(Duration::from_millis(2));
        }
        printer.line("asked to stop");
        0
    }),
    ("panic", |_, _, _| panic!("as it should")),
];

async fn pod() -> (Pod, Arc<std::sync::atomic::AtomicU64>) {
    let store = Counted::new(Arc::new(MemoryStore::new()));
    let commits = store.commits();
    let builder = Pod::builder().store(store).scheduler(Strict::default());
    let pod = builder.backend(Tasks::new(Functions::new(FUNCTIONS))).start().await.expect("a POD");
    for (name, _) in FUNCTIONS {
        pod.put_activity(NewActivity::script(name, format!("fn:{name}"))).await.expect("an activity");
    }
    (pod, commits)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_pod_of_own_parts_runs_functions() {
    let (pod, commits) = pod().await;
    let run = pod.start(NewExecution::new("shout").input("quietly")).await.expect("an execution");
    let mut output = pod.follow(run).await.expect("a follower");
    let mut text = Vec::new();
    while let Some(chunk) = output.next().await.expect("a chunk") {
        if let OutputChunk::Bytes { bytes, .. } = chunk {
            text.extend_from_slice(&bytes);
        }
    }
    assert_eq!(text, b"QUIETLY\n");
    assert_eq!(pod.wait(run).await.expect("an end").status, ExecutionStatus::Finished);
    let run = pod.start(NewExecution::new("panic")).await.expect("an execution");
    assert_eq!(pod.wait(run).await.expect("an end").outcome, Some(Outcome::Signalled(6)));
    assert!(commits.load(Ordering::Relaxed) > 0, "the engine's commits pass through the wrapper");
    pod.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_is_asked_to_stop() {
    let (pod, _) = pod().await;
    let run = pod.start(NewExecution::new("wait")).await.expect("an execution");
    let mut output = pod.follow(run).await.expect("a follower");
    let first = output.next().await.expect("a chunk");
    assert!(matches!(first, Some(OutputChunk::Bytes { .. })), "{first:?}");
    let done = pod.terminate(run).await.expect("an end");
    assert_eq!(done.status, ExecutionStatus::Terminated);
    pod.shutdown_within(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activity_that_names_no_function_is_rejected() {
    let (pod, _) = pod().await;
    pod.put_activity(NewActivity::script("none", "fn:none")).await.expect("an activity");
    // Accepted while that is not known yet, and refused afterwards.
    match pod.start(NewExecution::new("none")).await {
        Ok(run) => {
            let done = pod.wait(run).await.expect("an end");
            assert!(matches!(done.outcome, Some(Outcome::Aborted(_))), "{done:?}");
        }
        Err(error) => assert!(matches!(error, PodError::NotOpen { .. }), "{error}"),
    }
    pod.shutdown().await;
}
