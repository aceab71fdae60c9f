//! Why workers are launched, let go and lost, as values. They are stored and sent as such; a sentence is made of one
//! where somebody reads it, and its code is for programs.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize};

use super::{activity::Isolation, time::Millis};

/// Why the size of the fleet changes. Displayed as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum ScaleReason {
    /// More workers are wanted.
    Grown {
        /// So many are launched.
        launched: u32,
        /// So many that were draining stay.
        kept: u32,
        /// What they are wanted for.
        need: Need,
    },
    /// There are more than the policy allows.
    OverMaximum {
        /// So many are let go.
        released: u32,
        /// So many are allowed.
        max: u32,
        /// So many there were.
        present: u64,
    },
    /// Some have had nothing to do for as long as the policy keeps such workers.
    Idle {
        /// So many are let go.
        released: u32,
        /// After so long.
        after: Millis,
    },
    /// Some make room for another kind of worker.
    MakesRoom {
        /// So many are let go.
        released: u32,
        /// The kind that they make room for.
        wanted: Isolation,
        /// So many tasks wait for that.
        waiting: u64,
        /// So many workers are allowed.
        max: u32,
    },
    /// What a scheduler of somebody else's says, or an earlier version of POD said.
    Said {
        /// The sentence.
        sentence: Arc<str>,
    },
}

/// What more workers are wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Need {
    /// There are fewer than the policy wants at least.
    BelowMinimum {
        /// So many it wants.
        min: u32,
        /// So many there are.
        present: u64,
    },
    /// Work waits, and there is no worker.
    NoWorker {
        /// So many tasks wait.
        waiting: u64,
        /// So much work they are.
        work: Millis,
    },
    /// The workers would take too long.
    TooSlow {
        /// So many tasks wait.
        waiting: u64,
        /// So much work they are.
        work: Millis,
        /// So many workers there are, or are being launched.
        workers: u64,
        /// So long they would take.
        time: Millis,
    },
    /// Work waits, and every launch so far hangs.
    LaunchesHang {
        /// So many tasks wait.
        waiting: u64,
        /// So much work they are.
        work: Millis,
    },
    /// Somebody waits for longer than the policy wants.
    WaitsTooLong {
        /// So many tasks wait.
        waiting: u64,
        /// The oldest for so long.
        oldest: Millis,
        /// So long may it be.
        max_wait: Millis,
    },
}

impl ScaleReason {
    /// A word for programs, which stays the same.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Grown { need, .. } => need.code(),
            Self::OverMaximum { .. } => "overMaximum",
            Self::Idle { .. } => "idle",
            Self::MakesRoom { .. } => "makesRoom",
            Self::Said { .. } => "other",
        }
    }
}

impl Need {
    /// A word for programs, which stays the same.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::BelowMinimum { .. } => "belowMinimum",
            Self::NoWorker { .. } => "noWorker",
            Self::TooSlow { .. } => "tooSlow",
            Self::LaunchesHang { .. } => "launchesHang",
            Self::WaitsTooLong { .. } => "waitsTooLong",
        }
    }
}

impl fmt::Display for ScaleReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let workers = |n: u32| workers(u64::from(n));
        match self {
            Self::Grown { launched: 0, kept, need } => {
                write!(f, "Kept {} that should have gone: {need}.", workers(*kept))
            }
            Self::Grown { launched, kept: 0, need } => write!(f, "Launched {}: {need}.", workers(*launched)),
            Self::Grown { launched, kept, need } => {
                let (launched, kept) = (workers(*launched), workers(*kept));
                write!(f, "Launched {launched} and kept {kept} that should have gone: {need}.")
            }
            Self::OverMaximum { released, max, present } => {
                let gone = workers(*released);
                write!(f, "Let {gone} go: the policy allows at most {max} and there were {present}.")
            }
            Self::Idle { released, after } => write!(f, "Let {} go after {after} without work.", workers(*released)),
            Self::MakesRoom { released, wanted, waiting, max } => {
                let (gone, waiting, does) = (workers(*released), tasks(*waiting), wanted.does());
                write!(f, "Let {gone} go: {waiting} for one that {does}, and the policy allows at most {max}.")
            }
            Self::Said { sentence } => f.write_str(sentence),
        }
    }
}

impl fmt::Display for Need {
    /// The end of a sentence, without its stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::BelowMinimum { min, present } => {
                let verb = if present == 1 { "is" } else { "are" };
                write!(f, "the policy wants at least {} and there {verb} {present}", workers(min.into()))
            }
            Self::NoWorker { waiting, work } => {
                write!(f, "{}, about {work} of work, and no worker is there", tasks(waiting))
            }
            Self::TooSlow { waiting, work, workers: fleet, time } => {
                let (waiting, fleet) = (tasks(waiting), workers(fleet));
                write!(f, "{waiting}, about {work} of work, and {fleet} would take {time}")
            }
            Self::LaunchesHang { waiting, work } => {
                write!(f, "{}, about {work} of work, and every launch so far hangs", tasks(waiting))
            }
            Self::WaitsTooLong { waiting, oldest, max_wait } => {
                let waiting = tasks(waiting);
                write!(
                    f,
                    "{waiting}, the oldest for {oldest}, and the policy wants none to wait longer than {max_wait}"
                )
            }
        }
    }
}

fn workers(n: u64) -> String {
    if n == 1 { "1 worker".to_owned() } else { format!("{n} workers") }
}

fn tasks(waiting: u64) -> String {
    if waiting == 1 { "1 task waits".to_owned() } else { format!("{waiting} tasks wait") }
}

/// Why a worker was launched, let go or lost. Displayed as a sentence, with or without its stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum WorkerReason {
    /// The size of the fleet changed: it was launched, or is let go.
    Scaled {
        /// Why.
        why: ScaleReason,
    },
    /// It dialled in by itself.
    DialledIn,
    /// It is being launched, and this far that has come.
    Launching {
        /// What the backend says.
        progress: Arc<str>,
    },
    /// The backend could not launch it.
    LaunchFailed {
        /// What the backend says.
        error: Arc<str>,
    },
    /// It was launched, and did not dial in.
    NeverDialledIn {
        /// Within so long.
        within: Millis,
        /// How far its launch had come, as far as it was told.
        progress: Option<Arc<str>>,
    },
    /// It was not needed any more before it had dialled in.
    NotNeeded,
    /// Nothing was heard of it.
    Silent {
        /// For so long.
        since: Millis,
    },
    /// Somebody asked to drain it.
    AskedToDrain,
    /// It is of a release of POD that is too old to be given work.
    TooOld {
        /// The newest version of the link that it speaks.
        speaks: u32,
        /// The oldest one that its manager gives work in.
        oldest: u32,
    },
    /// The store was restored from a copy: what this worker was told since is not known.
    Restored,
    /// It said that it leaves.
    Leaves {
        /// Why, in its words.
        why: Arc<str>,
    },
    /// It is dead.
    Died {
        /// How, in the words of the worker or of the backend.
        how: Arc<str>,
    },
    /// What an earlier version of POD said.
    Said {
        /// The sentence.
        sentence: Arc<str>,
    },
}

impl WorkerReason {
    /// A word for programs, which stays the same.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Scaled { why } => why.code(),
            Self::DialledIn => "dialledIn",
            Self::Launching { .. } => "launching",
            Self::LaunchFailed { .. } => "launchFailed",
            Self::NeverDialledIn { .. } => "neverDialledIn",
            Self::NotNeeded => "notNeeded",
            Self::Silent { .. } => "silent",
            Self::AskedToDrain => "askedToDrain",
            Self::TooOld { .. } => "tooOld",
            Self::Restored => "restored",
            Self::Leaves { .. } => "leaves",
            Self::Died { .. } => "died",
            Self::Said { .. } => "other",
        }
    }
}

impl fmt::Display for WorkerReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scaled { why } => why.fmt(f),
            Self::DialledIn => f.write_str("dialled in by itself"),
            Self::LaunchFailed { error } => write!(f, "could not be launched: {error}"),
            Self::NeverDialledIn { within, progress: None } => write!(f, "it did not dial in within {within}"),
            Self::NeverDialledIn { within, progress: Some(progress) } => {
                write!(f, "it did not dial in within {within}: {progress}")
            }
            Self::NotNeeded => f.write_str("it was not needed any more"),
            Self::Silent { since } => write!(f, "nothing was heard of it for {since}"),
            Self::AskedToDrain => f.write_str("it was asked to drain"),
            Self::TooOld { speaks, oldest } => write!(
                f,
                "its release of POD is too old: it speaks version {speaks} of the link, and is to speak {oldest}; it ends \
                 what it runs"
            ),
            Self::Restored => {
                f.write_str("the store was restored from a copy, and what this worker was told since is not known")
            }
            Self::Launching { progress: said }
            | Self::Leaves { why: said }
            | Self::Died { how: said }
            | Self::Said { sentence: said } => f.write_str(said),
        }
    }
}

impl From<Arc<str>> for ScaleReason {
    fn from(sentence: Arc<str>) -> Self {
        Self::Said { sentence }
    }
}

impl From<Arc<str>> for WorkerReason {
    fn from(sentence: Arc<str>) -> Self {
        Self::Said { sentence }
    }
}

/// A reason, or the sentence that versions before had in its place.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stored<R> {
    Sentence(Arc<str>),
    Reason(R),
}

impl<R: From<Arc<str>>> Stored<R> {
    fn reason(self) -> R {
        match self {
            Self::Sentence(sentence) => sentence.into(),
            Self::Reason(reason) => reason,
        }
    }
}

/// Reads a reason that may be the sentence of a version before.
pub(super) fn stored<'de, D: Deserializer<'de>, R: Deserialize<'de> + From<Arc<str>>>(from: D) -> Result<R, D::Error> {
    Stored::deserialize(from).map(Stored::reason)
}

/// As [`stored`], where there may be none.
pub(super) fn stored_or_none<'de, D, R>(from: D) -> Result<Option<R>, D::Error>
where
    D: Deserializer<'de>,
    R: Deserialize<'de> + From<Arc<str>>,
{
    Ok(Option::<Stored<R>>::deserialize(from)?.map(Stored::reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ScalingDecision, Timestamp, Worker, WorkerId};

    #[test]
    fn rows_of_a_version_that_had_sentences_are_read() {
        let decision = r#"{"at":1,"launch":2,"drain":[],"reason":"Launched 2 workers."}"#;
        let decision: ScalingDecision = serde_json::from_str(decision).expect("it is read");
        assert_eq!((decision.reason.to_string().as_str(), decision.reason.code()), ("Launched 2 workers.", "other"));
        for (reason, sentence) in [("null", None), (r#""it was killed""#, Some("it was killed"))] {
            let worker = format!(
                r#"{{"id":1,"status":"lost","slots":1,"draining":false,"created_at":1,"ready_at":null,"last_seen":null,
                "last_worked":null,"ended_at":null,"reason":{reason},"host":null,"external":false,"incarnation":null}}"#
            );
            let worker: Worker = serde_json::from_str(&worker).expect("it is read");
            assert_eq!(worker.reason.map(|reason| reason.to_string()).as_deref(), sentence);
        }
    }

    #[test]
    fn reasons_are_read_as_they_were_written() {
        let need = Need::TooSlow { waiting: 3, work: Millis(9000), workers: 1, time: Millis(9000) };
        let grown = ScaleReason::Grown { launched: 1, kept: 0, need };
        let decision = ScalingDecision { at: Timestamp(1), launch: 1, drain: vec![WorkerId(2)], reason: grown.clone() };
        let text = serde_json::to_string(&decision).expect("it is written");
        assert_eq!(serde_json::from_str::<ScalingDecision>(&text).expect("it is read"), decision, "{text}");
        for reason in [
            WorkerReason::Scaled { why: grown },
            WorkerReason::Scaled { why: ScaleReason::Idle { released: 1, after: Millis(1) } },
            WorkerReason::DialledIn,
            WorkerReason::NeverDialledIn { within: Millis(5), progress: Some("it boots".into()) },
            WorkerReason::Died { how: "killed".into() },
        ] {
            let text = serde_json::to_string(&reason).expect("it is written");
            assert_eq!(serde_json::from_str::<WorkerReason>(&text).expect("it is read"), reason, "{text}");
        }
    }
}
