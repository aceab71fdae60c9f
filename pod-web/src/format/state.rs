//! States look the same everywhere: a small shape and a word, never colour alone.

use pod_core::domain::{ActivityStatus, Execution, ExecutionStatus, InstallationStatus, RevisionStatus, WorkerStatus};

/// The shape and colour of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// The symbol in the sprite, which also names the colour.
    pub(crate) shape: &'static str,
    /// The word.
    pub(crate) word: &'static str,
}

/// Something with a state that is shown.
pub(crate) trait Stated {
    /// How it looks.
    fn look(&self) -> Look;
}

impl<T: Stated> Stated for &T {
    fn look(&self) -> Look {
        (**self).look()
    }
}

const fn look(shape: &'static str, word: &'static str) -> Look {
    Look { shape, word }
}

impl Stated for Execution {
    fn look(&self) -> Look {
        self.public_status().look()
    }
}

impl Stated for ExecutionStatus {
    fn look(&self) -> Look {
        match self {
            Self::Waiting => look("waiting", "waiting"),
            Self::Running => look("running", "running"),
            Self::Finished => look("finished", "finished"),
            Self::Failed => look("failed", "failed"),
            Self::Terminated => look("terminated", "terminated"),
            Self::TimedOut => look("timed-out", "timed out"),
        }
    }
}

impl Stated for WorkerStatus {
    fn look(&self) -> Look {
        match self {
            Self::Launching => look("waiting", "launching"),
            Self::Pending => look("waiting", "starting"),
            Self::Ready => look("finished", "ready"),
            Self::Working => look("running", "working"),
            Self::Unreachable => look("timed-out", "unreachable"),
            Self::Lost => look("failed", "lost"),
            Self::Draining => look("terminated", "draining"),
            Self::Terminated => look("terminated", "let go"),
            Self::Failed => look("failed", "failed"),
        }
    }
}

impl Stated for ActivityStatus {
    fn look(&self) -> Look {
        match self {
            Self::Verifying => look("running", "verifying"),
            Self::Approved => look("finished", "approved"),
            Self::Rejected => look("failed", "rejected"),
            Self::Uninstalling => look("terminated", "being removed"),
        }
    }
}

impl Stated for RevisionStatus {
    fn look(&self) -> Look {
        match self {
            Self::Verifying => look("running", "verifying"),
            Self::Approved => look("finished", "approved"),
            Self::Rejected => look("failed", "rejected"),
            Self::Uninstalling => look("terminated", "being removed"),
        }
    }
}

impl Stated for InstallationStatus {
    fn look(&self) -> Look {
        match self {
            Self::Pending => look("waiting", "wanted"),
            Self::Installing => look("running", "installing"),
            Self::Installed => look("finished", "installed"),
            Self::Failed => look("failed", "failed"),
            Self::Removing => look("terminated", "being removed"),
        }
    }
}
