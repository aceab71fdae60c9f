//! One transition table per entity. The code checks against them, the documentation is printed from them, and a
//! property test walks them.

use std::fmt::Debug;

use super::{
    activity::{InstallationStatus, RevisionStatus},
    execution::{AttemptStatus, ExecutionStatus},
    worker::WorkerStatus,
};

/// A status that changes along a fixed table.
pub trait Transitions: Copy + Eq + Debug + 'static {
    /// Every allowed change. Staying as it is is always allowed.
    const TABLE: &'static [(Self, Self)];

    /// Whether this status may become `next`.
    fn can_become(self, next: Self) -> bool {
        self == next || Self::TABLE.contains(&(self, next))
    }

    /// Changes to `next`; the only way in which a status changes. False where the table forbids it, and then nothing has
    /// changed: that is a defect in POD, which ends a test or a simulation with a panic and is an error in the log of a
    /// manager.
    fn move_to(&mut self, next: Self) -> bool {
        let allowed = self.can_become(next);
        if allowed {
            *self = next;
        } else {
            report(&InvalidTransition { from: format!("{self:?}"), to: format!("{next:?}") });
        }
        allowed
    }
}

/// Panics where nobody's executions are at stake.
fn report(invalid: &InvalidTransition) {
    #[cfg(any(test, debug_assertions, feature = "testing"))]
    panic!("{invalid}");
    #[cfg(not(any(test, debug_assertions, feature = "testing")))]
    tracing::error!("a defect in POD, and nothing was changed: {invalid}");
}

/// A change that the table of its entity does not hold: a defect in POD.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{from} may not become {to}")]
pub struct InvalidTransition {
    /// What it was.
    pub from: String,
    /// What it should have become.
    pub to: String,
}

impl Transitions for RevisionStatus {
    const TABLE: &'static [(Self, Self)] = {
        use RevisionStatus::{Approved, Rejected, Uninstalling, Verifying};
        &[(Verifying, Approved), (Verifying, Rejected), (Approved, Uninstalling), (Rejected, Uninstalling)]
    };
}

impl Transitions for InstallationStatus {
    const TABLE: &'static [(Self, Self)] = {
        use InstallationStatus::{Failed, Installed, Installing, Pending, Removing};
        &[
            (Pending, Installing),
            (Installing, Installed),
            (Installing, Failed),
            (Failed, Installing),
            (Installing, Pending),
            (Pending, Removing),
            (Installing, Removing),
            (Failed, Removing),
            (Installed, Removing),
            (Installed, Pending), // its files were damaged, or its worker does not have it any more
        ]
    };
}

impl Transitions for ExecutionStatus {
    const TABLE: &'static [(Self, Self)] = {
        use ExecutionStatus::{Failed, Finished, Running, Terminated, TimedOut, Waiting};
        &[
            (Waiting, Running),
            (Waiting, Terminated),
            (Waiting, Failed),
            (Running, Waiting),
            (Running, Finished),
            (Running, Failed),
            (Running, Terminated),
            (Running, TimedOut),
        ]
    };
}

impl Transitions for AttemptStatus {
    const TABLE: &'static [(Self, Self)] = {
        use AttemptStatus::{Assigned, Ended, Running};
        &[(Assigned, Running), (Assigned, Ended), (Running, Ended)]
    };
}

impl Transitions for WorkerStatus {
    const TABLE: &'static [(Self, Self)] = {
        use WorkerStatus::{Draining, Failed, Launching, Lost, Pending, Ready, Terminated, Unreachable, Working};
        &[
            (Launching, Pending),
            (Launching, Ready), // it may say hello before the provisioner's answer arrives
            (Launching, Failed),
            (Launching, Terminated), // let go before it was there
            (Pending, Ready),
            (Pending, Working), // it dials in with work that survived its manager
            (Pending, Failed),
            (Pending, Terminated),
            (Ready, Working),
            (Working, Ready),
            (Ready, Unreachable),
            (Working, Unreachable),
            (Unreachable, Ready),
            (Unreachable, Working),
            (Unreachable, Draining),
            (Ready, Draining),
            (Working, Draining),
            (Draining, Ready),
            (Draining, Working),
            (Draining, Unreachable),
            (Draining, Terminated),
            (Unreachable, Lost),
            (Ready, Lost), // known to be dead at once: the pidfd of a local worker, a terminated machine
            (Working, Lost),
            (Draining, Lost),
        ]
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_execution_never_changes() {
        for from in ExecutionStatus::ALL.into_iter().filter(|status| status.is_terminal()) {
            for to in ExecutionStatus::ALL {
                assert_eq!(from.can_become(to), from == to, "{from:?} → {to:?}");
            }
        }
    }

    #[test]
    fn a_gone_worker_never_comes_back() {
        assert!(WorkerStatus::TABLE.iter().all(|(from, _)| !from.is_terminal()));
    }

    #[test]
    #[should_panic(expected = "Finished may not become Waiting")]
    fn a_forbidden_change_is_a_defect_that_a_test_finds() {
        let mut status = ExecutionStatus::Finished;
        status.move_to(ExecutionStatus::Waiting);
    }

    #[test]
    fn an_allowed_change_is_made_and_staying_is_allowed() {
        let mut status = WorkerStatus::Ready;
        assert!(status.move_to(WorkerStatus::Working) && status.move_to(WorkerStatus::Working));
        assert_eq!(status, WorkerStatus::Working);
    }
}
