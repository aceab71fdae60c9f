//! The floor: what it costs to run the script and keep its output, without a queue, durability or anything else.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use anyhow::{Result, ensure};
use tokio::{process::Command, sync::Semaphore};

use crate::script;

/// How many run at a time.
const PERMITS: usize = 2;

/// Measures the floor again and again, beside what is compared with it.
#[derive(Debug)]
pub(crate) struct Floor {
    script: PathBuf,
    count: usize,
}

impl Floor {
    pub(crate) fn new(directory: &Path, count: usize) -> Result<Self> {
        let path = directory.join("floor.sh");
        script::write(&path, script::HELLO)?;
        Ok(Self { script: path, count })
    }

    /// Executions per second: `Command::output()` of tokio, two at a time.
    pub(crate) async fn rate(&self) -> Result<f64> {
        let permits = Arc::new(Semaphore::new(PERMITS));
        let begin = Instant::now();
        let mut running = tokio::task::JoinSet::new();
        for number in 0..self.count {
            let permit = Arc::clone(&permits).acquire_owned().await?;
            let mut command = Command::new(&self.script);
            command.arg(number.to_string());
            running.spawn(async move {
                let output = command.output().await?;
                drop(permit);
                ensure!(output.status.success() && output.stdout == format!("hello {number}\n").as_bytes());
                Ok(())
            });
        }
        while let Some(outcome) = running.join_next().await {
            outcome??;
        }
        Ok(self.count as f64 / begin.elapsed().as_secs_f64())
    }

    /// Measures something between two floors, which cancels the drift of the machine: the rate, and its ratio to the
    /// mean of both.
    pub(crate) async fn around(&self, measured: impl Future<Output = Result<f64>>) -> Result<Compared> {
        let before = self.rate().await?;
        let rate = measured.await?;
        let after = self.rate().await?;
        Ok(Compared { rate, floor: (before + after) / 2.0 })
    }
}

/// A rate beside the floor of the same minute.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compared {
    pub(crate) rate: f64,
    pub(crate) floor: f64,
}

impl Compared {
    pub(crate) fn ratio(self) -> f64 {
        self.rate / self.floor
    }
}
