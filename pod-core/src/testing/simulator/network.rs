//! The network between managers and machines: links with two directions, each of which keeps its order and breaks alone.

use std::collections::BTreeMap;

use serde::{Serialize, de::DeserializeOwned};

use super::luck::Luck;
use crate::{domain::WorkerId, link};

/// A connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LinkId(pub(super) u64);

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// From the worker to its manager.
    Up,
    /// From a manager to its worker.
    Down,
}

/// One way of a link.
#[derive(Debug, Default)]
struct Direction {
    /// When the last frame arrives: none overtakes another.
    last: i64,
    /// Nothing arrives any more, not even the end of the link.
    dead: bool,
    /// How many more frames the sender's buffers take although nothing arrives.
    buffers: u64,
}

#[derive(Debug)]
struct Link {
    worker: WorkerId,
    up: Direction,
    down: Direction,
}

/// All links.
#[derive(Debug, Default)]
pub(super) struct Network {
    links: BTreeMap<LinkId, Link>,
    opened: u64,
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// When it arrives, if it does.
    pub(super) arrives: Option<i64>,
    /// When the next one may be sent, if ever.
    pub(super) written: Option<i64>,
}

impl Network {
    pub(super) fn open(&mut self, worker: WorkerId, now: i64) -> LinkId {
        self.opened += 1;
        let direction = || Direction { last: now, ..Direction::default() };
        self.links.insert(LinkId(self.opened), Link { worker, up: direction(), down: direction() });
        LinkId(self.opened)
    }

    /// Whose link it is.
    pub(super) fn worker(&self, link: LinkId) -> Option<WorkerId> {
        self.links.get(&link).map(|link| link.worker)
    }

    /// The links of a machine, oldest first.
    pub(super) fn of(&self, worker: WorkerId) -> Vec<LinkId> {
        self.links.iter().filter(|(_, link)| link.worker == worker).map(|(id, _)| *id).collect()
    }

    fn direction(&mut self, link: LinkId, way: Way) -> Option<&mut Direction> {
        let link = self.links.get_mut(&link)?;
        Some(match way {
            Way::Up => &mut link.up,
            Way::Down => &mut link.down,
        })
    }

    /// Sends a frame, or the end of a link.
    pub(super) fn send(&mut self, link: LinkId, way: Way, now: i64, luck: &mut Luck) -> Sent {
        let delay = luck.network.between(0, 20).cast_signed();
        let slow = luck.network.per_mille(100).then(|| luck.network.between(0, 50).cast_signed());
        let Some(direction) = self.direction(link, way) else { return Sent { arrives: None, written: None } };
        if direction.dead {
            let taken = direction.buffers > 0;
            direction.buffers = direction.buffers.saturating_sub(1);
            return Sent { arrives: None, written: taken.then_some(now) };
        }
        direction.last = direction.last.max(now + delay);
        Sent { arrives: Some(direction.last), written: Some(now + slow.unwrap_or(0)) }
    }

    /// Whether what was sent that way still arrives.
    pub(super) fn carries(&mut self, link: LinkId, way: Way) -> bool {
        self.direction(link, way).is_some_and(|direction| !direction.dead)
    }

    /// Nothing arrives any more, and nobody is told.
    pub(super) fn silence(&mut self, link: LinkId, way: Way, luck: &mut Luck) {
        let buffers = luck.network.between(0, 8);
        if let Some(direction) = self.direction(link, way) {
            (direction.dead, direction.buffers) = (true, buffers);
        }
    }

    /// What is sent, or under way, arrives then or later.
    pub(super) fn stall(&mut self, link: LinkId, way: Way, until: i64) -> bool {
        self.direction(link, way).is_some_and(|direction| {
            direction.last = direction.last.max(until);
            !direction.dead
        })
    }
}

/// What arrives of a frame: now and then it goes through the bytes that really travel.
pub(super) fn over_the_wire<M>(messages: Vec<M>, luck: &mut Luck) -> Result<Vec<M>, String>
where
    M: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    if !luck.network.per_mille(125) {
        return Ok(messages);
    }
    let bytes = link::encode(&messages).map_err(|error| format!("a frame could not be made: {error}"))?;
    let decoded = link::decode(&bytes).map_err(|error| format!("a frame could not be read: {error}"))?;
    if decoded != messages {
        return Err(format!("a frame of {} messages is another one when it is read", messages.len()));
    }
    Ok(decoded)
}
