//! Frames of the link, in both directions.

use bytes::Bytes;
use pod_core::link::{FromWorker, MAX_MESSAGES, Messages, ToWorker, encode};
use serde::{Serialize, de::DeserializeOwned};

pub(super) fn from_worker(data: &[u8]) {
    frame::<FromWorker>(data);
}

pub(super) fn to_worker(data: &[u8]) {
    frame::<ToWorker>(data);
}

fn frame<M: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(data: &[u8]) {
    let Ok(mut messages) = Messages::<M>::of(Bytes::copy_from_slice(data)) else { return };
    let mut count = 0;
    while !messages.is_empty() {
        let Ok(some) = messages.some(4 << 10) else { return };
        count += some.len();
        // What was understood is said in the same way, and understood again.
        let said = encode(&some).expect("what was read can be written");
        let again: Result<Vec<M>, _> = Messages::of(said).expect("a frame").collect();
        assert_eq!(again.expect("messages"), some);
    }
    assert!(count <= MAX_MESSAGES.min(data.len()));
}
