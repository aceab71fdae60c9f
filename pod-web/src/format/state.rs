//! The presentation of states, the same everywhere: a small shape and a word, never colour alone.

use pod_core::domain::{ActivityStatus, Execution, ExecutionStatus, InstallationStatus, RevisionStatus, WorkerStatus};

/// The shape and colour of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StatusStyle {
    /// The symbol in the sprite, which also names the colour.
    pub(crate) shape: &'static str,
    /// The word.
    pub(crate) word: &'static str,
}

/// A value with a state that pages show.
pub(crate) trait HasStatus {
    /// The style of the current state.
    fn style(&self) -> StatusStyle;
}

impl<T: HasStatus> HasStatus for &T {
    fn style(&self) -> StatusStyle {
        (**self).style()
    }
}

const fn style(shape: &'static str, word: &'static str) -> StatusStyle {
    StatusStyle { shape, word }
}

impl HasStatus for Execution {
    fn style(&self) -> StatusStyle {
        self.public_status().style()
    }
}

impl HasStatus for ExecutionStatus {
    fn style(&self) -> StatusStyle {
        match self {
            Self::Waiting => style("waiting", "waiting"),
            Self::Running => style("running", "running"),
            Self::Finished => style("finished", "finished"),
            Self::Failed => style("failed", "failed"),
            Self::Terminated => style("terminated", "terminated"),
            Self::TimedOut => style("timed-out", "timed out"),
        }
    }
}

impl HasStatus for WorkerStatus {
    fn style(&self) -> StatusStyle {
        match self {
            Self::Launching => style("waiting", "launching"),
            Self::Pending => style("waiting", "starting"),
            Self::Ready => style("finished", "ready"),
            Self::Working => style("running", "working"),
            Self::Unreachable => style("timed-out", "unreachable"),
            Self::Lost => style("failed", "lost"),
            Self::Draining => style("terminated", "draining"),
            Self::Terminated => style("terminated", "let go"),
            Self::Failed => style("failed", "failed"),
        }
    }
}

impl HasStatus for ActivityStatus {
    fn style(&self) -> StatusStyle {
        match self {
            Self::Verifying => style("running", "verifying"),
            Self::Approved => style("finished", "approved"),
            Self::Rejected => style("failed", "rejected"),
            Self::Uninstalling => style("terminated", "being removed"),
        }
    }
}

impl HasStatus for RevisionStatus {
    fn style(&self) -> StatusStyle {
        match self {
            Self::Verifying => style("running", "verifying"),
            Self::Approved => style("finished", "approved"),
            Self::Rejected => style("failed", "rejected"),
            Self::Uninstalling => style("terminated", "being removed"),
        }
    }
}

impl HasStatus for InstallationStatus {
    fn style(&self) -> StatusStyle {
        match self {
            Self::Pending => style("waiting", "wanted"),
            Self::Installing => style("running", "installing"),
            Self::Installed => style("finished", "installed"),
            Self::Failed => style("failed", "failed"),
            Self::Removing => style("terminated", "being removed"),
        }
    }
}
