//! Output that is written into the files of the manager's store, by the worker or by its executor.

use super::{effect::Effect, held::Phase, input::Now, machine::WorkerState};
use crate::domain::{AttemptKey, OutputFile, OutputSegment, Stream};

impl WorkerState {
    /// The manager keeps a stream in that file.
    pub(super) fn write_to(&mut self, key: AttemptKey, stream: Stream, file: &OutputFile, effects: &mut Vec<Effect>) {
        let Some(held) = self.attempts.held.get_mut(&key) else { return };
        held.spool.write_to(stream, file, &*self.disk);
        if matches!(held.phase, Phase::Live)
            && let Some(sink) = held.spool.sink(stream)
        {
            effects.push(Effect::WriteTo(key, stream, sink));
        }
        if held.spool.has_sendable() {
            self.outgoing.ready(key, held);
        }
    }

    /// The executor waits to be told how far it may write a stream.
    pub(super) fn holds(&mut self, key: AttemptKey, stream: Stream, effects: &mut Vec<Effect>) {
        let Some(held) = self.attempts.held.get_mut(&key) else { return };
        effects.push(Effect::WriteTo(key, stream, held.spool.held(stream)));
    }

    /// The executor wrote what a program printed.
    pub(super) fn wrote(&mut self, key: AttemptKey, stream: Stream, len: u64, now: Now, effects: &mut Vec<Effect>) {
        let Some(held) = self.attempts.held.get_mut(&key) else { return };
        if !matches!(held.phase, Phase::Live) {
            return;
        }
        let began = *held.began.get_or_insert(now.uptime);
        let run = OutputSegment { stream, len, since: now.uptime.saturating_sub(began).into() };
        if let Some(sink) = held.spool.wrote(run, &*self.disk) {
            effects.push(Effect::WriteTo(key, stream, sink));
        }
        self.outgoing.hold(key, held, now);
    }
}
