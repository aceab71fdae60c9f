//! One program: what it will do is drawn when it is started.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    domain::{AttemptOutcome, Millis, Stream},
    executor::StartRequest,
    testing::simulator::{luck::Luck, options::Fault},
};

/// The argument of a program that runs until it is stopped.
pub(in crate::testing::simulator) const SERVE: &str = "serve";

/// How much comes out of a pipe at once.
const MAX_CHUNK_LEN: u64 = 64 << 10;

/// How it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    Runs,
    Fails,
    /// Its installation is found damaged.
    InstallationLost,
    /// The executor loses it before it runs.
    Vanishes,
}

/// A program that the executor was given and that has not ended.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) request: StartRequest,
    pub(super) beginning: Beginning,
    /// Between having a slot and running.
    pub(super) start_delay: i64,
    pub(super) has_slot: bool,
    pub(super) begun: bool,
    /// For how long it runs by itself; none for ever.
    pub(super) run_time: Option<i64>,
    /// How it ends by itself; none when the executor loses it.
    pub(super) end: Option<AttemptOutcome>,
    /// What it is going to print, so long after its beginning.
    pub(super) writes: VecDeque<(i64, Stream, u64)>,
    /// How long it takes to heed TERM; none where it does not.
    pub(super) heeds_term: Option<i64>,
    /// It is on its way out: nothing else begins or changes that but KILL.
    pub(super) ending: Option<AttemptOutcome>,
}

impl Program {
    pub(super) fn draw(request: StartRequest, luck: &mut Luck) -> Self {
        let faulty = (luck.has(Fault::Program), luck.has(Fault::Install));
        let may_vanish = faulty.0 && luck.worker_faults;
        let short = *luck.short_activity == *request.activity_name;
        let random = &mut luck.programs;
        let beginning = match random.between(0, 200) {
            0 | 1 if faulty.0 => Beginning::Fails,
            2 | 3 if faulty.1 => Beginning::InstallationLost,
            4 if may_vanish => Beginning::Vanishes,
            _ => Beginning::Runs,
        };
        let run_time = match random.between(0, 10) {
            _ if short && !random.per_mille(50) => random.between(0, 20),
            0 => random.between(1000, 60_000),
            _ => random.between(1, 2000),
        };
        let end = match random.between(0, 200) {
            0..30 => Some(AttemptOutcome::Exited(1)),
            30 => Some(AttemptOutcome::Signalled(11)),
            31 => Some(AttemptOutcome::OutOfMemory),
            32 if may_vanish => None,
            _ => Some(AttemptOutcome::Exited(0)),
        };
        let sizes = [total(luck), total(luck)];
        let random = &mut luck.programs;
        let mut writes = Vec::new();
        for (stream, mut left) in Stream::BOTH.into_iter().zip(sizes) {
            // A few moments, and at each as many pieces as it takes.
            let moments = random.between(1, 6);
            let share = left.div_ceil(moments).max(1);
            while left > 0 {
                let moment = random.between(0, run_time).cast_signed();
                let mut now = share.min(left);
                left -= now;
                while now > 0 {
                    let piece = MAX_CHUNK_LEN.min(now);
                    writes.push((moment, stream, piece));
                    now -= piece;
                }
            }
        }
        writes.sort_by_key(|(moment, ..)| *moment);
        let serves = request.input.as_deref() == Some(SERVE);
        Self {
            beginning,
            start_delay: random.between(0, if short { 3 } else { 30 }).cast_signed(),
            has_slot: false,
            begun: false,
            run_time: (!serves).then_some(run_time.cast_signed()),
            end,
            writes: writes.into(),
            heeds_term: (!random.per_mille(100)).then(|| random.between(0, 3000).cast_signed()),
            ending: None,
            request,
        }
    }

    pub(super) fn grace(&self) -> i64 {
        self.request.grace.0.cast_signed()
    }

    pub(super) fn timeout(&self) -> Option<Millis> {
        self.request.timeout
    }

    pub(super) fn activity(&self) -> Arc<str> {
        self.request.activity_name.clone()
    }
}

/// How much is printed on one stream: mostly little, now and then more than travels with an end, is committed in the row
/// of the result, is kept in memory by a worker, or keeps its place.
fn total(luck: &mut Luck) -> u64 {
    let (cap, random) = (luck.output_cap, &mut luck.programs);
    match random.between(0, 1000) {
        0..500 => 0,
        500..850 => random.between(1, 400),
        850..930 => random.between(1000, 50_000),
        930..985 => random.between(1, 2 * cap.min(200 << 10)),
        985..995 => random.between(cap / 2, cap + (cap / 2)),
        // More than the end that is kept, so that something is left out.
        _ => cap + random.between(1 << 20, 3 << 20),
    }
}
