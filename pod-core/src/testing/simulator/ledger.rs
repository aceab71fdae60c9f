//! What programs really did, whatever anybody was told: which ran where, and how much each printed in which order.

use std::{collections::BTreeMap, sync::Arc};

use super::content::Source;
use crate::domain::{AttemptKey, ExecutionId, RevisionNo, Stream, WorkerId};

/// A worker process: which machine, the how many-th of all, and of which history of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) worker: WorkerId,
    pub(super) incarnation: u64,
    /// How often the store had been restored from a copy when its machine was made.
    pub(super) history: u32,
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
    runs: BTreeMap<Source, Run>,
    /// Of which history the attempts are that the store knows, as far as they have run.
    pub(super) known: BTreeMap<AttemptKey, u32>,
    /// The history that goes on.
    pub(super) history: u32,
    /// Those that run at the moment.
    live: BTreeMap<Source, Place>,
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
        let source = (place.history, key);
        let earlier = self.runs.insert(source, run).map(|earlier| earlier.place);
        let is_known = place.history == self.history;
        let other = is_known.then(|| self.known.insert(key, place.history)).flatten();
        if let Some(earlier) = earlier.or_else(|| Some(self.runs.get(&(other?, key))?.place)) {
            return Err(format!("attempt {key} ran on {earlier:?}, and now on {place:?}"));
        }
        self.live.insert(source, place);
        // What a worker of an earlier history begins before it hears of that is nobody's any more.
        if is_known {
            self.starts.push((key, what));
        }
        Ok(())
    }

    /// A program printed something, and its worker took it. Gives the offset of it.
    pub(super) fn print(&mut self, source: Source, stream: Stream, len: u64) -> u64 {
        let Some(run) = self.runs.get_mut(&source) else { return 0 };
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
    pub(super) fn end(&mut self, source: Source) {
        self.live.remove(&source);
        if let Some(run) = self.runs.get_mut(&source) {
            run.live = false;
        }
    }

    /// Whose output that of an attempt is which the store knows.
    pub(super) fn source(&self, key: AttemptKey) -> Option<Source> {
        Some((*self.known.get(&key)?, key))
    }

    /// The program of an attempt that the store knows.
    pub(super) fn run(&self, key: AttemptKey) -> Option<&Run> {
        self.runs.get(&self.source(key)?)
    }

    /// How much a program has printed.
    pub(super) fn printed(&self, source: Source, stream: Stream) -> u64 {
        self.runs.get(&source).map_or(0, |run| run.printed[stream as usize])
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
        let (first, last) = all.into_inner();
        let all = (self.history, first)..=(self.history, last);
        self.live.range(all).map(|((_, other), _)| *other).find(|other| *other != key)
    }

    /// What runs at the moment.
    pub(super) fn live(&self) -> impl Iterator<Item = (AttemptKey, Place)> {
        self.live.iter().map(|((_, key), place)| (*key, *place))
    }
}
