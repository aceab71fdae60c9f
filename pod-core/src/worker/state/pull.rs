//! A payload that is pulled from the manager, piece by piece, by offset.

use bytes::{Bytes, BytesMut};

use crate::{
    domain::{ActivityId, Payload, RevisionNo},
    link::{FromWorker, MAX_ENCODED_PAYLOAD, decode_payload},
};

/// How many pieces are on their way at a time, so that a link that takes long is kept busy.
const PIECES_AHEAD: u64 = 4;

/// What has arrived of a payload.
#[derive(Clone, Debug)]
pub(super) struct Pull {
    activity: ActivityId,
    revision: RevisionNo,
    /// Tells it from every other payload of these numbers.
    version: String,
    arrived: BytesMut,
    /// Up to where pieces were asked for over the present link.
    asked: u64,
    /// How long pieces are, as far as those of the present link tell.
    piece_len: Option<u64>,
    total: Option<u64>,
}

/// What a piece has led to.
#[derive(Debug)]
pub(super) enum Pulled {
    /// More is to come.
    Some,
    /// It is complete.
    All(Payload),
    /// What came is not a payload: why, as a sentence.
    Nonsense(String),
}

impl Pull {
    pub(super) fn new((activity, revision): (ActivityId, RevisionNo), version: String) -> Self {
        Self { activity, revision, version, arrived: BytesMut::new(), asked: 0, piece_len: None, total: None }
    }

    pub(super) fn is_of(&self, version: &str) -> bool {
        self.version == version
    }

    /// The link ended, and what was on its way is lost.
    pub(super) fn link_ended(&mut self) {
        self.asked = self.arrived.len() as u64;
        self.piece_len = None;
    }

    /// The next piece to ask for; nothing while enough are on their way.
    pub(super) fn next_want(&mut self) -> Option<FromWorker> {
        let arrived = self.arrived.len() as u64;
        let offset = self.asked.max(arrived);
        let may_ask = match (self.piece_len, self.total) {
            (Some(len), Some(total)) => offset < total && offset < arrived + len * PIECES_AHEAD,
            // The first piece of a link tells how long they are.
            _ => self.asked == arrived,
        };
        if !may_ask {
            return None;
        }
        self.asked = offset + self.piece_len.unwrap_or(1);
        Some(FromWorker::Want { activity: self.activity, revision: self.revision, offset })
    }

    /// Takes a piece; one that does not follow what is there, because it came twice, is left out.
    pub(super) fn take(&mut self, offset: u64, total: u64, bytes: &Bytes) -> Pulled {
        let arrived = self.arrived.len() as u64;
        if offset != arrived || self.total.is_some_and(|known| known != total) {
            return Pulled::Some;
        }
        let end = offset + bytes.len() as u64;
        if bytes.is_empty() || end > total || total > MAX_ENCODED_PAYLOAD {
            return Pulled::Nonsense(format!("the manager sent bytes {offset} to {end} of {total} of what to install"));
        }
        self.total = Some(total);
        let (len, usual) = (bytes.len() as u64, self.piece_len.unwrap_or(0));
        self.piece_len = Some(len.max(usual));
        // After one that is shorter or longer than the others, those that are on their way do not follow.
        self.asked = if len == usual { self.asked.max(end) } else { end };
        self.arrived.extend_from_slice(bytes);
        if end < total {
            return Pulled::Some;
        }
        match decode_payload(&std::mem::take(&mut self.arrived)) {
            Ok(payload) => Pulled::All(payload),
            Err(error) => Pulled::Nonsense(format!("what the manager sent to install cannot be read: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::link::{PayloadFrames, ToWorker, decode};

    const KEY: (ActivityId, RevisionNo) = (ActivityId(1), RevisionNo(2));

    /// A worker that pulls, and what it has asked for.
    struct Puller {
        pull: Pull,
        on_its_way: VecDeque<u64>,
        asked: Vec<u64>,
    }

    impl Puller {
        fn new() -> Self {
            Self { pull: Pull::new(KEY, "1".to_owned()), on_its_way: VecDeque::new(), asked: Vec::new() }
        }

        fn ask(&mut self) {
            while let Some(FromWorker::Want { offset, .. }) = self.pull.next_want() {
                self.asked.push(offset);
                self.on_its_way.push_back(offset);
            }
            // After a piece of another length, what does not follow is still on its way.
            assert!(self.on_its_way.len() <= 2 * PIECES_AHEAD as usize);
        }

        /// Takes the next piece, twice, as everything may arrive.
        fn step(&mut self, frames: &PayloadFrames) -> Option<Payload> {
            self.ask();
            let offset = self.on_its_way.pop_front().expect("it asks until it has all");
            let frame = decode::<ToWorker>(&frames.at(offset).unwrap().unwrap()).unwrap();
            let [ToWorker::Piece { offset, total, bytes, .. }] = &frame[..] else { panic!("{frame:?}") };
            match self.pull.take(*offset, *total, bytes) {
                Pulled::All(payload) => return Some(payload),
                Pulled::Some => assert!(matches!(self.pull.take(*offset, *total, bytes), Pulled::Some)),
                Pulled::Nonsense(why) => panic!("{why}"),
            }
            None
        }

        fn lose_link(&mut self) {
            self.on_its_way.clear();
            self.pull.link_ended();
        }

        fn finish(&mut self, frames: &PayloadFrames) -> Payload {
            loop {
                if let Some(payload) = self.step(frames) {
                    return payload;
                }
            }
        }
    }

    fn cut(payload: &Payload, piece_len: usize) -> PayloadFrames {
        PayloadFrames::new(KEY.0, KEY.1, payload, piece_len).unwrap()
    }

    #[test]
    fn a_payload_arrives_whole_in_pieces_of_any_length() {
        for len in [0, 1, 6, 7, 8, 100, 1000] {
            let payload = Payload::Archive((0..len).map(|n| n as u8).collect::<Vec<_>>().into());
            for piece_len in [1, 7, 64, 4096] {
                let pulled = Puller::new().finish(&cut(&payload, piece_len));
                assert_eq!(pulled, payload, "{len} bytes in pieces of {piece_len}");
            }
        }
    }

    #[test]
    fn what_has_arrived_is_not_asked_for_again_after_a_lost_link() {
        let payload = Payload::Script(vec![7; 1000].into());
        let (frames, mut puller) = (cut(&payload, 100), Puller::new());
        assert_eq!(puller.step(&frames), None);
        puller.ask();
        puller.lose_link();
        assert_eq!(puller.finish(&frames), payload);
        assert_eq!(puller.asked.iter().filter(|offset| **offset == 0).count(), 1, "{:?}", puller.asked);
    }

    #[test]
    fn a_manager_that_cuts_otherwise_is_gone_on_with() {
        let payload = Payload::Script((0..250).collect::<Vec<u8>>().into());
        for (before, after) in (1..60).flat_map(|before| (1..130).map(move |after| (before * 4, after * 2))) {
            let mut puller = Puller::new();
            assert_eq!(puller.step(&cut(&payload, before)), None);
            puller.lose_link();
            assert_eq!(puller.finish(&cut(&payload, after)), payload, "{before}, then {after}");
        }
    }

    #[test]
    fn what_is_no_payload_is_told() {
        let take =
            |bytes: &'static [u8], total| Pull::new(KEY, String::new()).take(0, total, &Bytes::from_static(bytes));
        assert!(matches!(take(&[9, 9, 9], 3), Pulled::Nonsense(_)));
        assert!(matches!(take(&[], 3), Pulled::Nonsense(_)));
        assert!(matches!(take(&[0; 8], 3), Pulled::Nonsense(_)));
        assert!(matches!(take(&[0; 8], MAX_ENCODED_PAYLOAD + 1), Pulled::Nonsense(_)));
    }
}
