//! A recorded session: what users did, and the frames that went over the links of one worker.

use std::{fmt, str::FromStr};

use crate::{
    Pod,
    domain::{ActivityStatus, ExecutionId, ExecutionStatus, NewActivity, NewExecution, WorkerId},
    testing::in_process::Call,
};

/// One line of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A user does something.
    Act(Act),
    /// The worker dials.
    Dialled,
    /// A frame from the worker.
    Up(Vec<u8>),
    /// A frame to the worker.
    Down(Vec<u8>),
}

/// What users do, in the order of [`Session::ACTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Registers an activity.
    Register,
    /// Runs something short.
    RunShort,
    /// Runs something that prints much, on both streams.
    RunLong,
    /// Runs something that waits.
    RunWaiting,
    /// The link breaks.
    Cut,
    /// Ends what waits.
    Terminate,
    /// Deletes the activity.
    Delete,
    /// Lets the worker go.
    Drain,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) lines: Vec<Line>,
}

impl Session {
    /// What is recorded.
    pub(super) const ACTS: [Act; 8] = [
        Act::Register,
        Act::RunShort,
        Act::RunLong,
        Act::RunWaiting,
        Act::Cut,
        Act::Terminate,
        Act::Delete,
        Act::Drain,
    ];
}

/// So much is printed by what prints much: more than travels with an end.
pub(super) const MUCH: usize = 17_000;

/// What the activity does.
pub(super) async fn program(call: Call) -> i32 {
    match call.input.as_deref() {
        Some("long") => {
            call.print(vec![b'x'; MUCH]).await;
            call.print_error("and a word on stderr\n").await;
            3
        }
        Some("waiting") => std::future::pending().await,
        _ => {
            call.print("hello\n").await;
            0
        }
    }
}

impl Act {
    /// Does it.
    pub(super) async fn perform(self, pod: &Pod, cut: impl FnOnce()) {
        let start = async |input: &str| {
            pod.start(NewExecution::new("a").input(input)).await.unwrap();
        };
        match self {
            Self::Register => {
                drop(pod.create_activity(NewActivity::script("a", "cp /bin/true main.sh")).await.unwrap())
            }
            Self::RunShort => start("short").await,
            Self::RunLong => start("long").await,
            Self::RunWaiting => start("waiting").await,
            Self::Cut => cut(),
            Self::Terminate => drop(pod.request_termination(ExecutionId(3)).await.unwrap()),
            Self::Delete => drop(pod.delete_activity("a").await.unwrap()),
            Self::Drain => drop(pod.drain_worker(WorkerId(1)).await.unwrap()),
        }
    }

    /// Waits until it shows.
    pub(super) async fn seen(self, pod: &Pod, welcomed_again: impl Fn() -> bool) {
        let ended = async |id| drop(pod.wait(ExecutionId(id)).await.unwrap());
        match self {
            Self::RunShort => ended(1).await,
            Self::RunLong => ended(2).await,
            Self::Terminate => ended(3).await,
            other => {
                while !other.shows(pod, &welcomed_again).await {
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
            }
        }
    }

    async fn shows(self, pod: &Pod, welcomed_again: &impl Fn() -> bool) -> bool {
        match self {
            Self::Register => pod.activity("a").await.unwrap().activity.status == ActivityStatus::Approved,
            Self::RunWaiting => pod.execution(ExecutionId(3)).await.unwrap().status == ExecutionStatus::Running,
            Self::Cut => welcomed_again(),
            Self::Delete => pod.activity("a").await.is_err(),
            Self::Drain => {
                let mut workers = pod.workers().await.unwrap().into_iter();
                !workers.any(|view| view.worker.id == WorkerId(1) && !view.worker.status.is_terminal())
            }
            _ => true,
        }
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        for line in &self.lines {
            match line {
                Line::Act(act) => writeln!(f, "{act:?}")?,
                Line::Dialled => writeln!(f, "-")?,
                Line::Up(frame) => writeln!(f, "> {}", hex(frame))?,
                Line::Down(frame) => writeln!(f, "< {}", hex(frame))?,
            }
        }
        Ok(())
    }
}

impl FromStr for Session {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = |hex: &str| {
            let pairs = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16));
            pairs.collect::<Result<Vec<u8>, _>>().map_err(|error| error.to_string())
        };
        let line = |line: &str| {
            if line == "-" {
                return Ok(Line::Dialled);
            }
            if let Some(hex) = line.strip_prefix("> ") {
                return bytes(hex).map(Line::Up);
            }
            if let Some(hex) = line.strip_prefix("< ") {
                return bytes(hex).map(Line::Down);
            }
            let act = Self::ACTS.into_iter().find(|act| format!("{act:?}") == line);
            act.map(Line::Act).ok_or_else(|| format!("nothing is called {line}"))
        };
        Ok(Self { lines: text.lines().map(line).collect::<Result<_, _>>()? })
    }
}
