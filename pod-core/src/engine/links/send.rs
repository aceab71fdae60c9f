//! The sending side of one link: orders in as few frames as it takes, and pieces of payloads when there are none.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::super::{payloads::Offered, shared::Shared};
use crate::{
    link::{self, FIRST_VERSION, FrameError, FrameWriter, Offer, ToWorker},
    store::Store,
};

/// How many messages go into one frame at most.
const FRAME_MESSAGES: usize = 512;
/// A frame is sent when it has got so long.
const FRAME_BYTES: usize = 1 << 20;

/// Sends orders, and pieces that were asked for, until nobody can put more into the outbox.
pub(super) struct Sender {
    pub(super) shared: Arc<Shared>,
    pub(super) writer: Box<dyn FrameWriter>,
    pub(super) orders: mpsc::Receiver<ToWorker>,
    /// Frames with pieces of payloads.
    pub(super) pieces: mpsc::Receiver<Bytes>,
    pub(super) offered: Arc<Offered>,
    pub(super) cancel: CancellationToken,
}

impl Sender {
    pub(super) async fn run(mut self) {
        let cancel = self.cancel.clone();
        let outcome = tokio::select! {
            biased;
            () = cancel.cancelled() => Ok(()),
            outcome = self.send() => outcome,
        };
        if let Err(error) = outcome {
            tracing::debug!("a link could not be written: {error}");
            cancel.cancel();
        }
    }

    async fn send(&mut self) -> Result<(), FrameError> {
        let mut messages = Vec::new();
        let mut version = FIRST_VERSION;
        loop {
            // Orders first: an installation holds up nobody's execution.
            let piece = tokio::select! {
                biased;
                count = self.orders.recv_many(&mut messages, FRAME_MESSAGES) => {
                    if count == 0 {
                        return Ok(());
                    }
                    None
                }
                Some(piece) = self.pieces.recv() => Some(piece),
            };
            if let Some(piece) = piece {
                self.writer.write(piece).await?;
                continue;
            }
            for message in &mut messages {
                match message {
                    ToWorker::Welcome(welcome) => version = welcome.version,
                    ToWorker::Offer(offer) if version == FIRST_VERSION => {
                        *message = whole(&*self.shared.store, offer).await?;
                    }
                    ToWorker::Offer(offer) => self.offered.insert((offer.activity, offer.revision)),
                    _ => {}
                }
            }
            for frame in frames(&messages) {
                self.writer.write(link::encode(frame)?).await?;
            }
            messages.clear();
            // However many orders there are, a piece goes between them.
            if let Ok(piece) = self.pieces.try_recv() {
                self.writer.write(piece).await?;
            }
        }
    }
}

/// The order to install for a worker that takes payloads only as a whole. One that was deleted meanwhile is to be
/// removed: that order follows.
pub(crate) async fn whole(store: &dyn Store, offer: &Offer) -> Result<ToWorker, FrameError> {
    let (activity, revision) = (offer.activity, offer.revision);
    let payload = store.payload(activity, revision).await;
    Ok(match payload.map_err(|error| FrameError::Io(std::io::Error::other(error)))? {
        Some(payload) => {
            let (env, timeout) = (offer.env.clone(), offer.timeout);
            ToWorker::Install { activity, revision, payload, env, timeout }
        }
        None => ToWorker::Remove { activity, revision },
    })
}

/// Cuts messages into frames that are not too long. The answer to a hello is the only one of its frame.
fn frames(messages: &[ToWorker]) -> impl Iterator<Item = &[ToWorker]> {
    let mut rest = messages;
    std::iter::from_fn(move || {
        let (mut bytes, mut count) = (0, 0);
        for message in rest {
            bytes += size(message);
            if count > 0 && (bytes > FRAME_BYTES || answers_hello(message)) {
                break;
            }
            count += 1;
            if answers_hello(message) {
                break;
            }
        }
        let (frame, others) = rest.split_at(count);
        rest = others;
        (count > 0).then_some(frame)
    })
}

const fn answers_hello(message: &ToWorker) -> bool {
    matches!(message, ToWorker::Welcome(_) | ToWorker::Refused(_))
}

/// About how many bytes a message takes.
fn size(message: &ToWorker) -> usize {
    128 + match message {
        ToWorker::Install { payload, .. } => payload.bytes().len(),
        ToWorker::Start(order) => order.input.as_ref().map_or(0, |input| input.len()),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ActivityId, Millis, Payload, RevisionNo};

    fn install(bytes: usize) -> ToWorker {
        ToWorker::Install {
            activity: ActivityId(1),
            revision: RevisionNo(1),
            payload: Payload::Script(Bytes::from(vec![b'#'; bytes])),
            env: Default::default(),
            timeout: Millis(1),
        }
    }

    #[test]
    fn long_messages_go_into_frames_of_their_own_and_keep_their_order() {
        let messages = [install(10), install(20), install(2 << 20), install(3 << 20), install(30)];
        let cut: Vec<&[ToWorker]> = frames(&messages).collect();
        assert_eq!(cut.iter().map(|frame| frame.len()).collect::<Vec<_>>(), [2, 1, 1, 1]);
        assert_eq!(cut.concat(), messages);
    }
}
