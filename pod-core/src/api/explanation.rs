//! Why an execution is where it is, as values. Each is displayed as a sentence that is true at the moment it is said.

use std::{fmt, sync::Arc};

use super::error::gone;
use crate::domain::{Execution, Isolation, Millis, Outcome, RevisionNo, Timestamp, WorkerId};

/// Why an execution is where it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The execution.
    pub execution: Execution,
    /// The name of its activity.
    pub activity_name: Arc<str>,
    /// That its activity was deleted, as a sentence without its stop: its name leads nowhere, or to another one.
    pub activity_gone: Option<String>,
    /// What is, and why, the most telling first.
    pub reasons: Vec<StatusReason>,
    /// How many executions of its activity are before it in the queue, while it waits and as far as that is known.
    pub queue_position: Option<u64>,
    /// How long until it is expected to finish.
    pub eta: Option<Millis>,
}

/// One thing to know about an execution, or about an activity that is being verified. Displayed as a sentence.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum StatusReason {
    /// It has ended.
    Ended(Outcome),
    /// Somebody asked for its end.
    TerminationAsked,
    /// It runs another revision than the current one.
    OtherRevision {
        /// Its revision.
        bound: RevisionNo,
        /// The current one.
        current: RevisionNo,
    },
    /// Its activity was deleted.
    ActivityGone {
        /// Its number.
        id: crate::domain::ActivityId,
        /// Its name.
        name: Arc<str>,
        /// Another one has the name now.
        taken: bool,
    },
    /// Attempts failed by themselves.
    Failures {
        /// So many.
        count: u32,
    },
    /// Attempts were lost with their worker.
    Losses {
        /// So many.
        count: u32,
    },
    /// It runs.
    Running {
        /// On this worker, for so long, since this moment; as far as it is known.
        on: Option<(WorkerId, Millis, Timestamp)>,
    },
    /// It was given to a worker whose slots are busy.
    GivenAhead {
        /// The worker.
        worker: WorkerId,
    },
    /// It was given to a worker that has not told yet that it started.
    Given {
        /// The worker.
        worker: WorkerId,
    },
    /// Nothing is heard of its worker.
    WorkerSilent {
        /// The worker.
        worker: WorkerId,
        /// For so long.
        silent: Millis,
        /// It is given up after so long.
        limit: Millis,
    },
    /// What it runs is gone, and it is about to end.
    NothingToRun,
    /// Its activity is being removed.
    ActivityLeaves,
    /// Its activity was rejected.
    ActivityRejected,
    /// It waits for a moment.
    NotBefore {
        /// The moment.
        at: Timestamp,
        /// In so long.
        wait: Millis,
        /// After so many failures.
        failures: u32,
    },
    /// As many executions of its activity run as it allows.
    ConcurrencyLimit {
        /// So many.
        limit: u32,
    },
    /// All slots are busy.
    SlotsBusy {
        /// So many there are.
        slots: u64,
    },
    /// Its activity is on no worker that has an idle slot.
    NotInstalled,
    /// Others are before it.
    Queued {
        /// So many of its activity.
        ahead: u64,
    },
    /// Nothing is in its way.
    AboutToStart,
    /// The script of the activity is being fetched.
    Fetching,
    /// The activity is installed on one worker first.
    Verifying,
    /// A worker installs another activity first.
    InstalledAfter {
        /// The worker.
        worker: WorkerId,
        /// The activity that comes first.
        activity: Arc<str>,
        /// For so long so far.
        since: Millis,
    },
    /// Its activity is being installed.
    Installing {
        /// On this worker.
        worker: WorkerId,
    },
    /// Its activity could not be installed.
    InstallFailed {
        /// On this worker.
        worker: WorkerId,
        /// So many times.
        tries: u32,
        /// Why.
        error: Arc<str>,
        /// Tried again in so long.
        again: Option<Millis>,
    },
    /// The backend makes no workers of the kind that it wants.
    WrongBackend {
        /// The kind.
        wanted: Isolation,
    },
    /// There is no worker for it.
    NoWorker {
        /// Its kind, where there are workers of another.
        kind: Option<Isolation>,
        /// And why.
        why: NoWorker,
    },
}

/// Why there is no worker.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum NoWorker {
    /// Some are being launched.
    Launching {
        /// So many.
        count: usize,
        /// How far that has come.
        progress: Option<Arc<str>>,
        /// Why a launch before failed.
        refusal: Option<Arc<str>>,
    },
    /// None of them can be reached.
    Unreachable {
        /// So many.
        count: usize,
    },
    /// The active policy allows none.
    NotAllowed,
    /// Launching one failed.
    LaunchRefused {
        /// Tried again in so long.
        again: Millis,
        /// Why it failed.
        refusal: Option<Arc<str>>,
    },
    /// Workers of another kind are as many as the active policy allows.
    OthersInTheWay {
        /// So many.
        max: u32,
    },
    /// One is about to be launched.
    AboutToLaunch,
}

impl StatusReason {
    /// A word for programs, which stays the same.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Ended(_) => "ended",
            Self::TerminationAsked => "terminationAsked",
            Self::OtherRevision { .. } => "otherRevision",
            Self::ActivityGone { .. } => "activityGone",
            Self::Failures { .. } => "failures",
            Self::Losses { .. } => "losses",
            Self::Running { .. } => "running",
            Self::GivenAhead { .. } => "givenAhead",
            Self::Given { .. } => "given",
            Self::WorkerSilent { .. } => "workerSilent",
            Self::NothingToRun => "nothingToRun",
            Self::ActivityLeaves => "activityLeaves",
            Self::ActivityRejected => "activityRejected",
            Self::NotBefore { .. } => "notBefore",
            Self::ConcurrencyLimit { .. } => "concurrencyLimit",
            Self::SlotsBusy { .. } => "slotsBusy",
            Self::NotInstalled => "notInstalled",
            Self::Queued { .. } => "queued",
            Self::AboutToStart => "aboutToStart",
            Self::Fetching => "fetching",
            Self::Verifying => "verifying",
            Self::InstalledAfter { .. } => "installedAfter",
            Self::Installing { .. } => "installing",
            Self::InstallFailed { .. } => "installFailed",
            Self::WrongBackend { .. } => "wrongBackend",
            Self::NoWorker { why, .. } => match why {
                NoWorker::Launching { .. } => "workerLaunching",
                NoWorker::Unreachable { .. } => "workersUnreachable",
                NoWorker::NotAllowed => "noWorkerAllowed",
                NoWorker::LaunchRefused { .. } => "launchRefused",
                NoWorker::OthersInTheWay { .. } => "othersInTheWay",
                NoWorker::AboutToLaunch => "aboutToLaunch",
            },
        }
    }
}

impl fmt::Display for StatusReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(ending) => ended(ending, f),
            Self::TerminationAsked => {
                f.write_str("Its termination was asked for; it ends as soon as its processes are gone.")
            }
            Self::OtherRevision { bound, current } => {
                write!(f, "It is bound to revision {bound} of its activity; revision {current} is current.")
            }
            Self::ActivityGone { id, name, taken } => write!(f, "{}.", gone(*id, name, *taken)),
            Self::Failures { count } => write!(f, "It has failed {}.", times(*count)),
            Self::Losses { count } => write!(f, "It has lost its worker {}.", times(*count)),
            Self::Running { on: None } => f.write_str("It is running."),
            Self::Running { on: Some((worker, time, since)) } => {
                write!(f, "It has been running on worker {worker} for {time}, since {since}.")
            }
            Self::GivenAhead { worker } => {
                write!(f, "It was given to worker {worker} ahead of time and starts there as soon as a slot is free.")
            }
            Self::Given { worker } => {
                write!(f, "It was given to worker {worker}, which has not reported its start yet.")
            }
            Self::WorkerSilent { worker, silent, limit } => {
                write!(f, "Nothing was heard of worker {worker} for {silent}; after {limit} it is given up.")
            }
            Self::NothingToRun => f.write_str("Its activity is gone; it is about to be ended."),
            Self::ActivityLeaves => f.write_str("Its activity is being removed; it is about to be ended for that."),
            Self::ActivityRejected => f.write_str("Its activity was rejected; it is about to be ended for that."),
            Self::NotBefore { at, wait, failures: 0 } => {
                write!(f, "It is given to a worker at {at} at the earliest, in {wait}.")
            }
            Self::NotBefore { at, wait, failures } => {
                write!(f, "It is tried again at {at}, in {wait}, after failure {failures}.")
            }
            Self::ConcurrencyLimit { limit: 1 } => {
                f.write_str("Its activity allows 1 execution at a time, and one is running.")
            }
            Self::ConcurrencyLimit { limit } => {
                write!(f, "Its activity allows {limit} executions at a time, and as many are running.")
            }
            Self::SlotsBusy { slots: 1 } => f.write_str("The only slot of the workers is busy."),
            Self::SlotsBusy { slots } => write!(f, "All {slots} slots of the workers are busy."),
            Self::NotInstalled => f.write_str("Its activity is not installed yet on a worker with an idle slot."),
            Self::Queued { ahead: 1 } => f.write_str("1 execution of its activity is before it."),
            Self::Queued { ahead } => write!(f, "{ahead} executions of its activity are before it."),
            Self::AboutToStart => f.write_str("It is about to be given to a worker."),
            Self::Fetching => f.write_str("Its activity is still being verified: its script is being fetched."),
            Self::Verifying => {
                f.write_str("Its activity is still being verified: it is installed on one worker first.")
            }
            Self::InstalledAfter { worker, activity, since } => {
                write!(f, "Worker {worker} installs {activity} before it, for {since} so far.")
            }
            Self::Installing { worker } => write!(f, "Its activity is being installed on worker {worker}."),
            Self::InstallFailed { worker, tries, error, again } => {
                let (tries, error) = (times(*tries), error.trim_end_matches('.'));
                write!(f, "Installing its activity failed {tries} on worker {worker}: {error}")?;
                match again {
                    Some(again) => write!(f, "; tried again in {again}."),
                    None => f.write_str("."),
                }
            }
            Self::WrongBackend { wanted: Isolation::Execution } => f.write_str(
                "Its activity wants a container for each execution, and workers of this manager's backend run \
                 executions beside each other; register it without that, or use a backend that makes containers.",
            ),
            Self::WrongBackend { wanted: Isolation::Worker } => f.write_str(
                "Its activity wants executions beside each other in one container, and workers of this manager's \
                 backend run each in a container of its own; register it without that, or give workers in containers \
                 an address to dial.",
            ),
            Self::NoWorker { kind, why } => no_worker(*kind, why, f),
        }
    }
}

fn no_worker(kind: Option<Isolation>, why: &NoWorker, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let worker = kind.map_or_else(|| "worker".to_owned(), |kind| format!("worker that {}", kind.does()));
    match why {
        NoWorker::Launching { count, progress, refusal } => {
            let verb = if *count == 1 { "is" } else { "are" };
            write!(f, "No {worker} is there yet; {count} {verb} being launched")?;
            match (progress, refusal) {
                (Some(progress), _) => write!(f, ": {progress}."),
                (None, Some(refusal)) => write!(f, ", after one could not be: {refusal}."),
                (None, None) => f.write_str("."),
            }
        }
        NoWorker::Unreachable { count: 1 } => write!(f, "The only {worker} cannot be reached."),
        NoWorker::Unreachable { count } if kind.is_none() => {
            write!(f, "None of the {count} workers can be reached.")
        }
        NoWorker::Unreachable { count } => write!(f, "No {worker} can be reached; there are {count}."),
        NoWorker::NotAllowed => write!(f, "No {worker} is there, and the active policy allows none."),
        NoWorker::LaunchRefused { again, refusal } => {
            write!(f, "No {worker} is there: launching one failed, and it is tried again in {again}")?;
            match refusal {
                Some(refusal) => write!(f, ": {refusal}."),
                None => f.write_str("."),
            }
        }
        NoWorker::OthersInTheWay { max } => write!(
            f,
            "No {worker} is there, and the active policy allows no more than {max}; one of the others makes room."
        ),
        NoWorker::AboutToLaunch => write!(f, "No {worker} is there; one is about to be launched."),
    }
}

fn ended(ending: &Outcome, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match ending {
        Outcome::Exited(0) => f.write_str("It ran to its end with exit code 0."),
        Outcome::Exited(code) => write!(f, "It ended because main.sh exited with code {code}."),
        Outcome::Signalled(signal) => {
            write!(f, "It ended because main.sh was ended by signal {signal}, which POD did not send.")
        }
        Outcome::OutOfMemory => {
            f.write_str("It ran out of memory: the system killed it because the memory of its worker was used up.")
        }
        Outcome::Terminated => f.write_str("It was terminated because someone asked for it."),
        Outcome::TimedOut => f.write_str("It was ended because its time limit passed."),
        Outcome::Aborted(_) | Outcome::WorkerLeft { .. } => {
            let reason = ending.reason().unwrap_or_default();
            write!(f, "It was given up: {}.", reason.trim_end_matches('.'))
        }
    }
}

fn times(count: u32) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}
