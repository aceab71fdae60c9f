//! What is drawn: one generator per concern, and which faults a run has at all.

use super::{
    options::{Fault, Options},
    random::Random,
};

/// In how many ways something goes wrong by itself.
const MISCHIEFS: u64 = 15;

/// All generators of a run.
#[derive(Debug)]
pub(super) struct Luck {
    /// What programs do and print.
    pub(super) programs: Random,
    /// What installations do.
    pub(super) installs: Random,
    /// Delays of the network.
    pub(super) network: Random,
    /// What machines are like, and what befalls them.
    pub(super) machines: Random,
    /// What the manager's side of links meets: disks that sync late.
    pub(super) intake: Random,
    /// How long the store takes to answer its manager.
    pub(super) store: Random,
    /// The faults that this run has not.
    without: u64,
    /// What goes wrong most often in this run: two things that meet need more than the chance of both.
    favourites: [u64; 2],
    /// How many installations were drawn that hang.
    pub(super) hangs: u64,
    /// No fault happens any more.
    pub(super) quiet: bool,
    /// Workers die, so that what they ran may run again.
    pub(super) worker_faults: bool,
    /// How much output of an attempt keeps its place.
    pub(super) output_cap: u64,
    /// Whether workers of both kinds are made.
    pub(super) both_kinds: bool,
    /// The activity, if any, whose programs are so short that they are prefetched.
    pub(super) short_activity: String,
}

impl Luck {
    pub(super) fn of(seed: u64, options: &Options) -> Self {
        let mut swarm = Random::of(seed, 10);
        // Every run is without a third of the faults, another one each: rare combinations get their turn.
        // Hardly any store is ever restored: what was acknowledged is forgotten by that, and less of the rest is seen.
        let rare = |fault| if fault == Fault::Restore { 850 } else { 300 };
        let drawn: Vec<Fault> = Fault::ALL.into_iter().filter(|fault| swarm.per_mille(rare(*fault))).collect();
        let without = drawn.iter().chain(&options.without).fold(0, |without, kind| without | 1 << *kind as u64);
        let output_cap = match swarm.between(0, 10) {
            0 => 3 << 20,
            1 | 2 => 512 << 10,
            _ => 64 << 10,
        };
        Self {
            programs: Random::of(seed, 2),
            installs: Random::of(seed, 5),
            network: Random::of(seed, 6),
            machines: Random::of(seed, 7),
            intake: Random::of(seed, 8),
            store: Random::of(seed, 9),
            without,
            favourites: [swarm.between(0, MISCHIEFS), swarm.between(0, MISCHIEFS)],
            hangs: 0,
            quiet: false,
            worker_faults: options.worker_faults,
            output_cap,
            both_kinds: swarm.per_mille(400),
            short_activity: format!("activity-{}", swarm.between(0, 4)),
        }
    }

    /// Whether this run has such faults, and is not over them.
    pub(super) const fn has(&self, fault: Fault) -> bool {
        let allowed = self.worker_faults || !matches!(fault, Fault::Death | Fault::Leave | Fault::Restore);
        !self.quiet && allowed && self.without & (1 << fault as u64) == 0
    }

    /// Which thing goes wrong next.
    pub(super) fn mischief(&self, random: &mut Random) -> u64 {
        let favourite = random.per_mille(400).then(|| self.favourites[usize::from(random.per_mille(500))]);
        favourite.unwrap_or_else(|| random.between(0, MISCHIEFS))
    }
}
