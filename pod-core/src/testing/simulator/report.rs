//! What a run amounted to.

/// What a run amounted to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Executions that were acknowledged.
    pub acknowledged: u64,
    /// Executions that concluded.
    pub concluded: u64,
    /// How often the manager crashed.
    pub crashes: u64,
    /// How often that lost output which was not durable.
    pub output_losses: u64,
    /// How many batches the store refused.
    pub refusals: u64,
    /// How often a manager was asked to end, and did.
    pub orderly_ends: u64,
    /// How often a manager got no processor for a while.
    pub manager_pauses: u64,
    /// How often another one took its lease meanwhile.
    pub fenced: u64,
    /// How often that was one that had waited until the lease expired.
    pub expired: u64,
    /// How often a batch was committed and the answer lost.
    pub lost_answers: u64,
    /// How many creations of workers were given up.
    pub abandoned: u64,
    /// How often an operator put an older copy of the store into its place.
    pub restorations: u64,
    /// How many workers of before that dialled in after it.
    pub outdated: u64,
    /// How many requests were answered.
    pub replies: u64,
    /// How many workers died.
    pub deaths: u64,
    /// How often somebody set the clock of the manager.
    pub clock_changes: u64,
    /// How many executions the retention deleted.
    pub deleted: u64,
    /// How many links were cut so that both ends knew.
    pub cuts: u64,
    /// How many fell silent both ways.
    pub silent_cuts: u64,
    /// How many fell silent one way.
    pub half_open_cuts: u64,
    /// How often what was sent arrived much later.
    pub stalls: u64,
    /// How often a worker process got no processor for a while.
    pub pauses: u64,
    /// How often a machine slept.
    pub sleeps: u64,
    /// How often a machine was asked to leave by its owner.
    pub leaves: u64,
    /// How many links workers had.
    pub links: u64,
    /// How many frames arrived.
    pub frames: u64,
    /// How many pieces of payloads were pulled.
    pub pieces: u64,
    /// How many programs ran.
    pub programs: u64,
    /// How many attempts were ended by a stop.
    pub stopped: u64,
    /// How many executions ended because their time was up.
    pub timed_out: u64,
    /// How many installations hung.
    pub install_timeouts: u64,
    /// How many bytes programs printed.
    pub output: u64,
    /// How many streams were compared byte by byte.
    pub streams: u64,
    /// How many of them have a gap.
    pub gaps: u64,
    /// How often output was acknowledged before the end of its attempt.
    pub acknowledgements: u64,
    /// How often a worker told that it had written output into the store itself.
    pub wrote: u64,
    /// How often a full store did not take output.
    pub left_out: u64,
    /// How many steps were made.
    pub steps: u64,
    /// How long it took, in virtual milliseconds.
    pub virtual_time: i64,
}

impl Report {
    /// The sum of two runs.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            acknowledged: self.acknowledged + other.acknowledged,
            concluded: self.concluded + other.concluded,
            crashes: self.crashes + other.crashes,
            output_losses: self.output_losses + other.output_losses,
            refusals: self.refusals + other.refusals,
            orderly_ends: self.orderly_ends + other.orderly_ends,
            manager_pauses: self.manager_pauses + other.manager_pauses,
            fenced: self.fenced + other.fenced,
            expired: self.expired + other.expired,
            lost_answers: self.lost_answers + other.lost_answers,
            abandoned: self.abandoned + other.abandoned,
            restorations: self.restorations + other.restorations,
            outdated: self.outdated + other.outdated,
            replies: self.replies + other.replies,
            deaths: self.deaths + other.deaths,
            clock_changes: self.clock_changes + other.clock_changes,
            deleted: self.deleted + other.deleted,
            cuts: self.cuts + other.cuts,
            silent_cuts: self.silent_cuts + other.silent_cuts,
            half_open_cuts: self.half_open_cuts + other.half_open_cuts,
            stalls: self.stalls + other.stalls,
            pauses: self.pauses + other.pauses,
            sleeps: self.sleeps + other.sleeps,
            leaves: self.leaves + other.leaves,
            links: self.links + other.links,
            frames: self.frames + other.frames,
            pieces: self.pieces + other.pieces,
            programs: self.programs + other.programs,
            stopped: self.stopped + other.stopped,
            timed_out: self.timed_out + other.timed_out,
            install_timeouts: self.install_timeouts + other.install_timeouts,
            output: self.output + other.output,
            streams: self.streams + other.streams,
            gaps: self.gaps + other.gaps,
            acknowledgements: self.acknowledgements + other.acknowledgements,
            wrote: self.wrote + other.wrote,
            left_out: self.left_out + other.left_out,
            steps: self.steps + other.steps,
            virtual_time: self.virtual_time + other.virtual_time,
        }
    }
}
