//! The process of a manager: the real manager, and what the tasks around it hold.

use std::collections::{BTreeMap, VecDeque};

use super::network::LinkId;
use crate::{
    domain::{AttemptKey, WorkerId},
    link::Hello,
    manager::{Input, Manager},
};

/// A manager that runs.
pub(super) struct ManagerProcess {
    pub(super) manager: Manager,
    /// Which one it is of the run: what was asked by an earlier one is answered to nobody.
    pub(super) number: u64,
    /// What has reached it and was not handed in.
    pub(super) inbox: VecDeque<News>,
    /// The store has not answered yet.
    pub(super) waits: bool,
    /// It gets no processor until then.
    pub(super) paused_until: i64,
    /// The open attempts, as they were published to the tasks of links.
    pub(super) open: BTreeMap<AttemptKey, WorkerId>,
    /// What the provisioner was asked and has not answered.
    pub(super) calls: BTreeMap<WorkerId, Call>,
    /// Something was performed since the invariants were last checked.
    pub(super) changed: bool,
}

/// Something for the manager.
#[derive(Debug)]
pub(super) enum News {
    Input(Input),
    /// A link said hello, and has no number yet.
    Hello(LinkId, Box<Hello>),
}

/// A call of the provisioner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Create,
    /// It is being given up.
    Abandon,
    Destroy,
}
