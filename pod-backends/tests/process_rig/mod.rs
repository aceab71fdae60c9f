//! What tests of the process executor begin with.

use std::{collections::BTreeMap, path::Path, time::Duration};

use pod_backends::process::ProcessExecutor;
use pod_core::{
    domain::{ActivityId, AttemptKey, AttemptNo, AttemptOutcome, ExecutionId, Millis, Payload, RevisionNo, Workdir},
    executor::{ExecutionHandle, Executor, InstallRequest, RunEvent, StartRequest},
};
use tokio::time::timeout;

/// How long to wait for what must come.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// Opens an executor with two slots on a directory.
pub(crate) async fn open(dir: &Path) -> ProcessExecutor {
    ProcessExecutor::open(dir, 2).await.expect("the directory can be used")
}

/// Installs that `main.sh`.
pub(crate) async fn install(executor: &dyn Executor, activity: u64, main: &str) {
    let (sink, _output) = tokio::sync::mpsc::channel(64);
    let script = format!("cat > main.sh <<'END OF MAIN'\n{main}\nEND OF MAIN\n");
    let request = InstallRequest {
        activity: ActivityId(activity),
        revision: RevisionNo(1),
        payload: Payload::Script(script.into()),
        env: BTreeMap::new(),
        timeout: Millis::from_secs(60),
    };
    executor.install(request, sink).await.expect("it is a good one");
}

/// An execution of the activity, with its number as its input.
pub(crate) fn request(activity: u64, execution: u64) -> StartRequest {
    StartRequest {
        network: pod_core::domain::Network::Default,
        key: AttemptKey { execution: ExecutionId(execution), attempt: AttemptNo(1) },
        activity: ActivityId(activity),
        activity_name: "an-activity".into(),
        revision: RevisionNo(1),
        input: Some(execution.to_string().into()),
        env: BTreeMap::new(),
        timeout: None,
        grace: Millis::from_secs(60),
        workdir: Workdir::Private,
    }
}

/// Waits for its end: all that it printed, and how it ended.
pub(crate) async fn finish(run: &mut dyn ExecutionHandle) -> (String, AttemptOutcome) {
    let mut text = Vec::new();
    loop {
        match timeout(TIMEOUT, run.next()).await.expect("it does not hang").expect("an end comes") {
            RunEvent::Started { .. } | RunEvent::InstallationLost | RunEvent::Wrote { .. } | RunEvent::Holds { .. } => {
            }
            RunEvent::Output { bytes, .. } => text.extend_from_slice(&bytes),
            RunEvent::Ended { end, .. } => return (String::from_utf8(text).expect("text"), end),
        }
    }
}
