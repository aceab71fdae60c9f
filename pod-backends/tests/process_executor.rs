//! The process executor against the suite of all executors.
#![cfg(all(feature = "local", target_os = "linux"))]

use std::{path::PathBuf, sync::Arc};

use pod_backends::executor::process::ProcessExecutor;
use pod_core::executor::Executor;

async fn open(dir: PathBuf, slots: u32) -> Arc<dyn Executor> {
    Arc::new(ProcessExecutor::open(&dir, slots).await.expect("the directory can be used"))
}

pod_core::executor_suite!(open);
