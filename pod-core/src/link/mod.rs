//! The link between manager and worker: what is said, and how it is framed.
//!
//! The worker dials, says [`FromWorker::Hello`], and is welcomed or refused. After that both send frames; a frame is a
//! short list of messages. Nothing is acknowledged frame by frame: after a lost link, the next `Hello` tells what the
//! worker runs and up to where output was taken, and both sides go on from there. Every message may therefore arrive
//! twice, and none is relied on to arrive.
//!
//! Both sides agree on a version by hello and welcome, and speak the one before the newest, too.

pub(crate) mod bounded;
mod codec;
mod message;
mod payload;
#[cfg(test)]
mod tests;
mod transport;
mod version;

#[cfg(any(test, feature = "testing"))]
pub use codec::decode;
pub use codec::{FrameError, MAX_FIRST_FRAME, MAX_FRAME, MAX_MESSAGES, Messages, encode};
pub use message::{
    AttemptReport, EndReport, FromWorker, Hello, InstallOutcome, Offer, Rejection, StartCommand, ToWorker, Welcome,
};
pub use payload::{MAX_ENCODED_PAYLOAD, PIECE_LEN, PayloadFrames, decode_payload};
pub use transport::{FrameReader, FrameWriter, Transport, in_process, over_stream};
pub use version::{FIRST_VERSION, NEWEST_VERSION, OLDEST_VERSION, agreed_version};
