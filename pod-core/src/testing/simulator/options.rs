//! What a run is made of.

/// What a run is made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many executions are submitted.
    pub executions: u32,
    /// Until when faults happen, in virtual milliseconds; after that everything must end.
    pub faults_until: i64,
    /// Whether workers die; without that, nothing may run twice.
    pub worker_faults: bool,
    /// Whether somebody sets the system's clock, and machines are started anew between two managers.
    pub clock_faults: bool,
    /// What is looked at.
    pub mode: Mode,
    /// Kinds of faults that do not happen, beside those that the seed leaves out.
    pub without: Vec<Fault>,
    /// A defect built in on purpose, which the invariants must notice.
    pub mutant: Option<Mutant>,
    /// How many of the last things that happened a violation tells.
    pub history: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            executions: 40,
            faults_until: 120_000,
            worker_faults: true,
            clock_faults: true,
            mode: Mode::Liveness,
            without: Vec::new(),
            mutant: None,
            history: 80,
        }
    }
}

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Faults end, and then everything that was acknowledged ends too, and the fleet returns to what it is without work.
    Liveness,
    /// Faults never end and nothing need finish; no invariant may break.
    Safety,
}

/// A defect built in on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Effects are performed before their batch is committed.
    ActBeforeCommit,
    /// The end of an attempt is acknowledged, and never committed.
    ForgetEnds,
    /// A hello that lacks an attempt is taken for one that holds it.
    TrustEveryHello,
    /// Reports of another link are taken.
    SkipTheFence,
    /// What a refused batch would have made true is kept in memory.
    KeepWhatWasRefused,
    /// What is due goes by the system's clock.
    LiveByTheWall,
    /// Output is acknowledged to its worker before it is durable.
    AcknowledgeTooEarly,
    /// A worker tells each end once, and not again over the next link.
    TellEndsOnce,
    /// A worker sends output again, and gives it another place.
    ResendFromElsewhere,
    /// A worker does not stop what it is to stop.
    IgnoreStops,
    /// The ends of attempts are never acknowledged to their workers.
    NeverAcknowledgeEnds,
    /// A machine that is to be destroyed stays, and is said to be gone.
    ForgetToDestroy,
    /// A key that makes a submission repeatable is not looked at.
    IgnoreKeys,
    /// A worker is told to run another revision than that which was asked for.
    RunAnotherRevision,
    /// A worker gives back what has begun.
    GiveBackWhatRuns,
    /// A store that was restored from a copy takes itself for what it was.
    OverlookRestorations,
}

/// A kind of fault that a run has or has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Managers crash.
    Manager,
    /// Links break, are silent, or stall.
    Network,
    /// Worker processes and machines die.
    Death,
    /// Worker processes are stopped for a while, and machines sleep.
    Pause,
    /// Machines are asked to leave by their owners.
    Leave,
    /// Programs cannot be started, or are lost.
    Program,
    /// Installations hang, fail, or are found damaged.
    Install,
    /// The store is full.
    Full,
    /// The store answers nobody for a while.
    Away,
    /// An operator puts an older copy of the store into its place.
    Restore,
}

impl Fault {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::Manager,
        Self::Network,
        Self::Death,
        Self::Pause,
        Self::Leave,
        Self::Program,
        Self::Install,
        Self::Full,
        Self::Away,
        Self::Restore,
    ];
}
