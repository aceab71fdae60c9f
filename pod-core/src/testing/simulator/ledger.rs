//! What programs really did, whatever anybody was told: which ran where, and how much each printed in which order.

use std::{collections::BTreeMap, sync::Arc};

use crate::domain::{AttemptKey, ExecutionId, RevisionNo, Stream, WorkerId};

/// A worker process: which machine, and the how many-th of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) worker: WorkerId,
    pub(super) incarnation: u64,
}

/// A program that was started.
#[derive(Clone, Debug)]
pub(super) struct Run {
    place: Place,
    /// How much its worker was told of each stream.
    pub(super) printed: [u64; 2],
    /// The same in order, pieces of one stream that follow each other joined.
    pub(super) pieces: Vec<(Stream, u64)>,
    /// The disk of its machine may have been too small to keep all of it.
    pub(super) small_disk: bool,
    live: bool,
}

/// All programs of a run of the simulator.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    runs: BTreeMap<AttemptKey, Run>,
    /// Those that run at the moment.
    live: BTreeMap<AttemptKey, Place>,
    /// Starts that nobody has looked at, with the names of their activities and their revisions.
    starts: Vec<(AttemptKey, (Arc<str>, RevisionNo))>,
    /// How many bytes were printed by all.
    pub(super) bytes: u64,
}

impl Ledger {
    /// A program begins.
    pub(super) fn begin(
        &mut self,
        key: AttemptKey,
        what: (Arc<str>, RevisionNo),
        place: Place,
        small_disk: bool,
    ) -> Result<(), String> {
        let run = Run { place, printed: [0; 2], pieces: Vec::new(), small_disk, live: true };
        if let Some(earlier) = self.runs.insert(key, run) {
            return Err(format!("attempt {key} ran on {:?}, and now on {place:?}", earlier.place));
        }
        self.live.insert(key, place);
        self.starts.push((key, what));
        Ok(())
    }

    /// A program printed something, and its worker took it. Gives the offset of it.
    pub(super) fn print(&mut self, key: AttemptKey, stream: Stream, len: u64) -> u64 {
        let Some(run) = self.runs.get_mut(&key) else { return 0 };
        self.bytes += len;
        match run.pieces.last_mut() {
            Some((last, joined)) if *last == stream => *joined += len,
            _ => run.pieces.push((stream, len)),
        }
        let printed = &mut run.printed[stream as usize];
        *printed += len;
        *printed - len
    }

    /// Nothing of a program runs any more.
    pub(super) fn end(&mut self, key: AttemptKey) {
        self.live.remove(&key);
        if let Some(run) = self.runs.get_mut(&key) {
            run.live = false;
        }
    }

    /// A program that was started.
    pub(super) fn run(&self, key: AttemptKey) -> Option<&Run> {
        self.runs.get(&key)
    }

    /// What was started since the last call.
    pub(super) fn take_starts(&mut self) -> Vec<(AttemptKey, (Arc<str>, RevisionNo))> {
        std::mem::take(&mut self.starts)
    }

    /// Another attempt of the same execution that runs at this moment.
    pub(super) fn runs_elsewhere(&self, key: AttemptKey) -> Option<AttemptKey> {
        let of = |execution: ExecutionId, attempt| AttemptKey { execution, attempt };
        let all =
            of(key.execution, crate::domain::AttemptNo(0))..=of(key.execution, crate::domain::AttemptNo(u32::MAX));
        self.live.range(all).map(|(other, _)| *other).find(|other| *other != key)
    }

    /// What runs at the moment.
    pub(super) fn live(&self) -> impl Iterator<Item = (AttemptKey, Place)> {
        self.live.iter().map(|(key, place)| (*key, *place))
    }
}
