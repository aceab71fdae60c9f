//! What manager and workers say to each other.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{bounded, codec::MAX_FIRST_FRAME, version};
use crate::domain::{
    ActivityId, AttemptKey, AttemptOutcome, Epoch, Millis, Network, OutputFile, Payload, RevisionNo, SessionId,
    StoreId, Stream, Timestamp, Workdir, WorkerId,
};

/// What stands before the first message of a frame, generously.
const ENVELOPE: usize = 64;

/// From a worker to its manager. A new version adds at the end, and changes nothing of what was there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromWorker {
    /// The first message on every link, alone in its frame.
    Hello(Box<Hello>),
    /// Still here. Any frame counts as one.
    Heartbeat,
    /// `main.sh` was started. Left out when the end follows at once: `Ended` tells it too.
    Running {
        /// The attempt.
        key: AttemptKey,
        /// When, by the worker's clock.
        at: Timestamp,
    },
    /// A piece of the log of the order in which the output came: [`crate::domain::OutputSegment`]s. Sent before the output that it
    /// is of.
    Interleaving {
        /// The attempt.
        key: AttemptKey,
        /// The offset of its first byte in the log.
        offset: u64,
        /// The bytes of the log.
        bytes: Bytes,
    },
    /// A piece of output, in order per stream. Sent only within the window of `OutputAck`s.
    Output {
        /// The attempt.
        key: AttemptKey,
        /// Which stream.
        stream: Stream,
        /// The offset of its first byte, as the program counts.
        offset: u64,
        /// The bytes.
        bytes: Bytes,
    },
    /// The tail of a stream that the cap cut; sent before `Ended`. What lies between is the gap.
    Tail {
        /// The attempt.
        key: AttemptKey,
        /// Which stream.
        stream: Stream,
        /// The offset of its first byte.
        offset: u64,
        /// The bytes.
        bytes: Bytes,
    },
    /// The process tree of an attempt is gone. Sent again after every `Hello` until `EndAck`.
    Ended(Box<EndReport>),
    /// The attempt was not started and will not be.
    Recalled {
        /// The attempt.
        key: AttemptKey,
    },
    /// A piece of the output of an installation.
    InstallOutput {
        /// The activity.
        activity: ActivityId,
        /// The revision.
        revision: RevisionNo,
        /// The first piece of this try.
        restart: bool,
        /// The bytes, both streams in the order they came.
        bytes: Bytes,
    },
    /// An installation finished or failed.
    InstallEnded {
        /// The activity.
        activity: ActivityId,
        /// The revision.
        revision: RevisionNo,
        /// How.
        outcome: InstallOutcome,
    },
    /// An installation is gone: removed as was asked for, or found damaged.
    Removed {
        /// The activity.
        activity: ActivityId,
        /// The revision.
        revision: RevisionNo,
    },
    /// The worker ends by its own will (it was asked to from its machine) and runs nothing.
    Goodbye {
        /// Why.
        #[serde(deserialize_with = "bounded::text")]
        reason: String,
    },
    /// The worker was asked to end on its machine and is going to: it begins nothing more, gives back what has not begun,
    /// and says `Goodbye` when what it runs has ended. Said again after every `Hello`.
    Leaving {
        /// Why.
        reason: String,
    },
    /// Asks for a piece of the payload of a revision that was offered on this link; [`ToWorker::Piece`] answers, or
    /// nothing where the revision was deleted meanwhile. Since version 4.
    Want {
        /// The activity.
        activity: ActivityId,
        /// The revision.
        revision: RevisionNo,
        /// Where the piece begins.
        offset: u64,
    },
    /// A stream is long, and its worker can reach the files of a manager on its machine: answered with
    /// [`ToWorker::OutputFile`], or not at all. Since version 4.
    AskOutputFile {
        /// The attempt.
        key: AttemptKey,
        /// Which stream.
        stream: Stream,
    },
    /// Output that the worker wrote into the file of [`ToWorker::OutputFile`], in order per stream, instead of its bytes.
    /// Sent after the log of the order that it is of; no window bounds it. Since
    /// version 4.
    Wrote {
        /// The attempt.
        key: AttemptKey,
        /// Which stream.
        stream: Stream,
        /// The offset of its first byte, as the program counts.
        from: u64,
        /// The offset behind its last byte.
        to: u64,
    },
}

/// Who a worker is and what it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The oldest version of the link that it speaks.
    pub protocol: u32,
    /// The store it was made for; absent in the first hello of a worker that dialled in by itself.
    pub store: Option<StoreId>,
    /// Who it is; absent in the first hello of a worker that dialled in by itself.
    pub worker: Option<WorkerId>,
    /// The newest epoch it has met.
    pub epoch: Option<Epoch>,
    /// Chosen anew by each worker process: another one under the same id holds nothing of what was running.
    pub incarnation: u64,
    /// What the link asks for as proof, where it asks.
    pub token: Option<String>,
    /// How many executions it runs at a time.
    pub slots: u32,
    /// Its host name.
    pub host: Option<String>,
    /// The attempts it holds: waiting in it, running, or ended with an end that was not acknowledged.
    #[serde(deserialize_with = "bounded::list::<{ bounded::ATTEMPTS }, _, _>")]
    pub attempts: Vec<AttemptReport>,
    /// What is completely installed, as far as it fits into a first frame.
    #[serde(deserialize_with = "bounded::list::<{ bounded::INSTALLATIONS }, _, _>")]
    pub installed: Vec<(ActivityId, RevisionNo)>,
    /// What it is installing at the moment. None and one are the same bytes as in versions that made one at a time.
    #[serde(deserialize_with = "bounded::list::<{ bounded::INSTALLATIONS }, _, _>")]
    pub installing: Vec<(ActivityId, RevisionNo)>,
    /// The newest version of the link that it speaks. Not there in version 3, and 0 then: see [`Self::newest_version`].
    #[serde(deserialize_with = "version::or_nothing")]
    pub newest: u32,
}

impl FromWorker {
    /// Whether a side of the first version knows it.
    #[must_use]
    pub const fn is_of_first_version(&self) -> bool {
        !matches!(self, Self::Want { .. } | Self::AskOutputFile { .. } | Self::Wrote { .. })
    }
}

impl Hello {
    /// The first hello of a worker that holds nothing, and that nobody created.
    #[must_use]
    pub const fn new(incarnation: u64, slots: u32) -> Self {
        Self {
            protocol: version::OLDEST_VERSION,
            store: None,
            worker: None,
            epoch: None,
            incarnation,
            token: None,
            slots,
            host: None,
            attempts: Vec::new(),
            installed: Vec::new(),
            installing: Vec::new(),
            newest: version::NEWEST_VERSION,
        }
    }

    /// The newest version that this worker speaks.
    #[must_use]
    pub const fn newest_version(&self) -> u32 {
        if self.newest == 0 { self.protocol } else { self.newest }
    }

    /// Whether its version is one that this side understands at all.
    #[must_use]
    pub const fn is_understood(&self) -> bool {
        self.newest_version() >= version::FIRST_VERSION && self.protocol <= version::NEWEST_VERSION
    }

    /// The same, short enough for a first frame. Of what is not told to be installed, the manager asks for it again, and is
    /// answered at once.
    #[must_use]
    pub(crate) fn fitting(mut self) -> Self {
        let fits = |hello: &Self| {
            let length = postcard::experimental::serialized_size(hello);
            length.is_ok_and(|length| length + ENVELOPE <= MAX_FIRST_FRAME)
        };
        while !self.installed.is_empty() && !fits(&self) {
            self.installed.truncate(self.installed.len() / 2);
        }
        self
    }
}

/// An attempt that a worker holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptReport {
    /// The attempt.
    pub key: AttemptKey,
    /// When it was started; absent while it waits in the worker.
    pub started_at: Option<Timestamp>,
    /// Whether it has ended: its end follows.
    pub ended: bool,
}

/// How an attempt ended, on the worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndReport {
    /// The attempt.
    pub key: AttemptKey,
    /// When `main.sh` was started, if it was.
    pub started_at: Option<Timestamp>,
    /// When the last process of it was gone.
    pub ended_at: Timestamp,
    /// How.
    pub end: AttemptOutcome,
    /// The whole of stdout where it was not sent before, which saves small outputs a message: starts at
    /// `stdout_from`, continuing what was sent.
    pub stdout: Bytes,
    /// The offset of the first byte of `stdout`.
    pub stdout_from: u64,
    /// The rest of stderr in the same way.
    pub stderr: Bytes,
    /// The offset of the first byte of `stderr`.
    pub stderr_from: u64,
    /// The rest of the log of the order in which both came, in the same way.
    pub order: Bytes,
    /// The offset of the first byte of `order`.
    pub order_from: u64,
}

/// How an installation ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InstallOutcome {
    /// It is complete.
    Installed,
    /// It is not, and left nothing.
    Failed {
        /// Why, as a sentence.
        #[serde(deserialize_with = "bounded::text")]
        message: String,
        /// Whether the script itself is at fault, so that another worker would do no better.
        permanent: bool,
    },
}

/// From a manager to a worker. A new version adds at the end, and changes nothing of what was there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToWorker {
    /// The answer to a hello that is taken, alone in its frame.
    Welcome(Box<Welcome>),
    /// The answer to one that is not; the link ends.
    Refused(Rejection),
    /// The answer to a worker's [`FromWorker::Heartbeat`]: a worker that was answered once on a link takes a long
    /// silence on it for its end.
    Heartbeat,
    /// Install a revision. Repeated, or already installed: answered with its outcome. From version 4 on a manager says
    /// [`Self::Offer`] instead.
    Install {
        /// The activity.
        activity: ActivityId,
        /// The revision.
        revision: RevisionNo,
        /// What to install.
        payload: Payload,
        /// Added to the environment of the script.
        #[serde(deserialize_with = "bounded::environment")]
        env: BTreeMap<String, String>,
        /// How long the script may run.
        timeout: Millis,
    },
    /// Delete an installation, after what runs of it. Unknown: answered with `Removed`.
    Remove {
        /// The activity.
        activity: ActivityId,
        /// The revision.
        revision: RevisionNo,
    },
    /// Run an execution as soon as a slot is free. Repeated: ignored.
    Start(Box<StartCommand>),
    /// End the process tree of an attempt; `Ended` follows. Unknown to the worker: it answers with
    /// `Ended { end: Lost }`, since it does not hold it.
    Stop {
        /// The attempt.
        key: AttemptKey,
        /// Between TERM and KILL; zero kills at once.
        grace: Millis,
    },
    /// Give back an attempt that was not started; answered with `Recalled`, or not at all when it was.
    Recall {
        /// The attempt.
        key: AttemptKey,
    },
    /// Output up to these offsets is durable: the worker may forget it, and send on.
    OutputAck {
        /// The attempt.
        key: AttemptKey,
        /// Of stdout.
        stdout: u64,
        /// Of stderr.
        stderr: u64,
        /// Of the log of their order.
        order: u64,
    },
    /// The end of this attempt is durable (or is not wanted: it was superseded): the worker forgets the attempt.
    EndAck {
        /// The attempt.
        key: AttemptKey,
    },
    /// Stop everything at once and exit. Used when the worker was drained or is not needed.
    Shutdown {
        /// Why, as a sentence for its log.
        #[serde(deserialize_with = "bounded::text")]
        reason: String,
    },
    /// Install a revision: the worker asks for its payload with [`FromWorker::Want`], piece by piece, when its turn has
    /// come. Repeated, or already installed: answered with its outcome. Since version 4.
    Offer(Box<Offer>),
    /// A piece of a payload in its encoding ([`PayloadFrames`](super::PayloadFrames)). Since version 4.
    Piece {
        /// The activity.
        activity: ActivityId,
        /// The revision.
        revision: RevisionNo,
        /// Where it begins.
        offset: u64,
        /// How long the whole is.
        total: u64,
        /// The bytes. The manager chooses how many.
        bytes: Bytes,
    },
    /// Where the worker may write a stream itself, by the program's own offsets, from what is not acknowledged on. What
    /// it has written it tells with [`FromWorker::Wrote`]. Holds until the link ends. Since version 4.
    OutputFile {
        /// The attempt.
        key: AttemptKey,
        /// Which stream.
        stream: Stream,
        /// The file.
        file: OutputFile,
    },
}

/// A revision to install.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The activity.
    pub activity: ActivityId,
    /// The revision.
    pub revision: RevisionNo,
    /// Tells the payload from every other one that has had these numbers, so that one which was received in part over an
    /// earlier link is gone on with only where it is the same.
    #[serde(deserialize_with = "bounded::text")]
    pub version: String,
    /// Added to the environment of the script.
    #[serde(deserialize_with = "bounded::environment")]
    pub env: BTreeMap<String, String>,
    /// How long the script may run.
    pub timeout: Millis,
}

/// What a welcomed worker needs to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The store that it serves from now on.
    pub store: StoreId,
    /// The manager's epoch.
    pub epoch: Epoch,
    /// Who it is.
    pub worker: WorkerId,
    /// This connection.
    pub session: SessionId,
    /// How often to send something.
    pub heartbeat: Millis,
    /// How long to go on without a manager while running nothing and having nothing to deliver.
    pub orphan_timeout: Millis,
    /// How many bytes of output of one attempt keep their place (head); then only a tail is kept.
    pub output_cap: u64,
    /// Attempts of the hello that are not the manager's any more: stop them, forget them, report nothing.
    #[serde(deserialize_with = "bounded::list::<{ bounded::ATTEMPTS }, _, _>")]
    pub discard: Vec<AttemptKey>,
    /// Installations of the hello that are not wanted: remove them.
    #[serde(deserialize_with = "bounded::list::<{ bounded::INSTALLATIONS }, _, _>")]
    pub remove: Vec<(ActivityId, RevisionNo)>,
    /// The version that is spoken on this link. Not there in version 3.
    #[serde(deserialize_with = "version::or_first")]
    pub version: u32,
}

/// Why a hello was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rejection {
    /// Another store, an older epoch, or a worker that was given up: stop everything, exit.
    Permanent(#[serde(deserialize_with = "bounded::text")] String),
    /// A reason that may pass: keep running, dial again.
    Transient(#[serde(deserialize_with = "bounded::text")] String),
}

/// An execution to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartCommand {
    /// The attempt.
    pub key: AttemptKey,
    /// The activity.
    pub activity: ActivityId,
    /// Its name.
    pub activity_name: Arc<str>,
    /// The revision, which the worker has installed.
    pub revision: RevisionNo,
    /// The argument.
    pub input: Option<Arc<str>>,
    /// Added to the environment.
    #[serde(deserialize_with = "bounded::environment")]
    pub env: Arc<BTreeMap<String, String>>,
    /// How long it may run.
    pub timeout: Option<Millis>,
    /// Between TERM and KILL when the time is up.
    pub grace: Millis,
    /// Where it runs.
    pub workdir: Workdir,
    /// What it reaches over the network.
    pub network: Network,
}
