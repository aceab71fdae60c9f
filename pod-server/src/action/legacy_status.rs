//! The status words of the action API, unchanged since POD's first version.

use pod_core::domain::{ActivityStatus, Execution, ExecutionStatus, InstallationStatus, Outcome, WorkerStatus};

pub(super) const fn activity(status: ActivityStatus) -> &'static str {
    match status {
        ActivityStatus::Verifying => "verifying",
        ActivityStatus::Approved => "approved",
        ActivityStatus::Rejected => "rejected",
        ActivityStatus::Uninstalling => "uninstalling",
    }
}

pub(super) const fn installation(status: InstallationStatus) -> &'static str {
    match status {
        InstallationStatus::Pending | InstallationStatus::Installing => "notifyingInstallation",
        InstallationStatus::Installed => "installed",
        InstallationStatus::Failed => "error",
        InstallationStatus::Removing => "uninstalled",
    }
}

/// `finished` means that main.sh ran to its end, whatever its exit code; `error` that POD could not run it.
pub(super) const fn execution(execution: &Execution) -> &'static str {
    match (execution.status, &execution.outcome) {
        (ExecutionStatus::Waiting, _) => "waiting",
        (ExecutionStatus::Running, _) => "in progress",
        (ExecutionStatus::Finished, _) => "finished",
        (ExecutionStatus::Failed, Some(Outcome::Exited(_) | Outcome::Signalled(_) | Outcome::OutOfMemory)) => {
            "finished"
        }
        (ExecutionStatus::Failed, _) => "error",
        (ExecutionStatus::Terminated | ExecutionStatus::TimedOut, _) => "terminated",
    }
}

pub(super) const fn worker(status: WorkerStatus) -> &'static str {
    match status {
        WorkerStatus::Launching => "launching",
        WorkerStatus::Pending => "pending",
        WorkerStatus::Ready => "ready",
        WorkerStatus::Working | WorkerStatus::Draining => "working",
        WorkerStatus::Unreachable | WorkerStatus::Lost | WorkerStatus::Failed => "error",
        WorkerStatus::Terminated => "terminated",
    }
}

/// Workers by the words of this API. `totalWorkers` leaves out those that are terminated or in error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WorkerCount {
    ready: u32,
    pending: u32,
    launching: u32,
    working: u32,
    /// POD never stops a machine to start it again, so none is.
    stopped: u32,
    terminated: u32,
    total_workers: u32,
}

impl FromIterator<WorkerStatus> for WorkerCount {
    fn from_iter<I: IntoIterator<Item = WorkerStatus>>(statuses: I) -> Self {
        let mut count = Self::default();
        for status in statuses {
            let member = match worker(status) {
                "ready" => &mut count.ready,
                "pending" => &mut count.pending,
                "launching" => &mut count.launching,
                "working" => &mut count.working,
                "terminated" => {
                    count.terminated += 1;
                    continue;
                }
                // In error: neither counted as anything nor in the total.
                _ => continue,
            };
            *member += 1;
            count.total_workers += 1;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pod_core::domain::{ActivityId, ExecutionId, RevisionNo, Timestamp};

    #[test]
    fn executions_are_called_what_they_always_were() {
        for (status, ending, word) in [
            (ExecutionStatus::Waiting, None, "waiting"),
            (ExecutionStatus::Running, None, "in progress"),
            (ExecutionStatus::Finished, Some(Outcome::Exited(0)), "finished"),
            (ExecutionStatus::Failed, Some(Outcome::Exited(3)), "finished"),
            (ExecutionStatus::Failed, Some(Outcome::Signalled(9)), "finished"),
            (ExecutionStatus::Failed, Some(Outcome::Aborted("lost".into())), "error"),
            (ExecutionStatus::Terminated, Some(Outcome::Terminated), "terminated"),
            (ExecutionStatus::TimedOut, Some(Outcome::TimedOut), "terminated"),
        ] {
            let given = Execution {
                status,
                outcome: ending,
                started_at: (status != ExecutionStatus::Waiting).then_some(Timestamp(0)),
                ..Execution::waiting(ExecutionId(1), ActivityId(1), RevisionNo(1), None, Timestamp(0))
            };
            assert_eq!(execution(&given), word, "{given:?}");
        }
    }

    #[test]
    fn workers_are_called_and_counted_as_ever() {
        for (status, word) in [
            (WorkerStatus::Draining, "working"),
            (WorkerStatus::Unreachable, "error"),
            (WorkerStatus::Lost, "error"),
            (WorkerStatus::Failed, "error"),
            (WorkerStatus::Terminated, "terminated"),
        ] {
            assert_eq!(worker(status), word);
        }
        use WorkerStatus::{Draining, Failed, Launching, Lost, Pending, Ready, Terminated, Unreachable, Working};
        let count: WorkerCount =
            [Launching, Pending, Ready, Working, Working, Draining, Unreachable, Lost, Failed, Terminated, Terminated]
                .into_iter()
                .collect();
        assert_eq!((count.working, count.total_workers, count.terminated), (3, 6, 2));
    }
}
