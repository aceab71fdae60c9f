//! One link, from its hello to its end.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    super::{message::Message, shared::Shared},
    acks::Acks,
    intake::{Farewell, Intake},
};
use crate::{
    domain::MAX_SLOTS,
    engine::message::{Admitted, LinkHandle},
    link::{
        self, FrameReader, FrameWriter, FromWorker, Hello, MAX_FIRST_FRAME, MAX_FRAME, Messages, PROTOCOL_VERSION,
        Refusal, ToWorker, Transport,
    },
    plan::{Input, MAX_AHEAD},
    provisioner::Admission,
};

/// How long a link may take to say hello, and to take its refusal.
const MANNERS: Duration = Duration::from_secs(10);
/// How many messages wait for a worker at most.
const OUTBOX: usize = 4096;
// After a lost link, the orders for all that a worker holds go out at once, and each may be followed by its stop.
const _: () = assert!(OUTBOX >= 2 * (MAX_SLOTS + MAX_AHEAD) as usize);
/// How many messages go into one frame at most.
const FRAME_MESSAGES: usize = 512;
/// A frame is sent when it has got so long.
const FRAME_BYTES: usize = 1 << 20;

/// Serves a link until it ends.
pub(in crate::engine) async fn serve(
    shared: Arc<Shared>,
    inbox: mpsc::Sender<Message>,
    transport: Transport,
    admission: Admission,
) {
    let Transport { mut reader, writer, peer } = transport;
    let cancel = shared.stop_token();
    let (outbox, orders) = mpsc::channel(OUTBOX);
    let mut sending = shared.tasks.spawn(send(writer, orders, cancel.clone()));
    match enter(&inbox, &mut *reader, &outbox, &cancel, admission).await {
        Ok((admitted, rest)) => {
            let acks = Arc::new(Acks::default());
            shared.spawn(acks.clone().run(shared.store.clone(), outbox.clone(), cancel.clone()));
            let is_here = admission == Admission::Known;
            let intake = Intake::new(shared.clone(), inbox.clone(), admitted, acks, outbox, cancel.clone(), is_here);
            let farewell = listen(&mut *reader, intake, rest, &cancel).await;
            tracing::debug!(%peer, worker = %admitted.worker, "a link ended: {farewell}");
            cancel.cancel();
            let Admitted { worker, session } = admitted;
            let _ = inbox.send(Message::Happened(Input::LinkLost { worker, session })).await;
        }
        Err(farewell) => {
            tracing::info!(%peer, "a link was not let in: {farewell}");
            // What is in the outbox is still sent: the refusal.
            drop(outbox);
            let _ = timeout(MANNERS, &mut sending).await;
        }
    }
    cancel.cancel();
}

/// Takes the hello and asks the engine. Gives what else came in the first frame.
async fn enter(
    inbox: &mpsc::Sender<Message>,
    reader: &mut dyn FrameReader,
    outbox: &mpsc::Sender<ToWorker>,
    cancel: &CancellationToken,
    admission: Admission,
) -> Result<(Admitted, Messages<FromWorker>), Farewell> {
    let first = tokio::select! {
        () = cancel.cancelled() => return Err("the manager ends".to_owned()),
        first = timeout(MANNERS, reader.read(MAX_FIRST_FRAME)) => first,
    };
    let frame = first.map_err(|_| "it did not say hello".to_owned())?.map_err(|error| error.to_string())?;
    let mut messages = Messages::of(frame).map_err(|error| error.to_string())?;
    let Some(FromWorker::Hello(hello)) = messages.next().transpose().map_err(|error| error.to_string())? else {
        return Err("its first message was not a hello".to_owned());
    };
    if let Some(mismatch) = mismatch(&hello) {
        let _ = outbox.try_send(ToWorker::Refused(Refusal::Stop(mismatch.clone())));
        return Err(mismatch);
    }
    if let Admission::Only(worker) = admission
        && hello.worker != Some(worker)
    {
        let refusal = format!("this is the way in of worker {worker}, and of no other");
        let _ = outbox.try_send(ToWorker::Refused(Refusal::Stop(refusal.clone())));
        return Err(refusal);
    }
    let (admitted, answer) = oneshot::channel();
    let link = LinkHandle { outbox: outbox.clone(), admitted: Some(admitted), cancel: cancel.clone() };
    let message = Message::Hello { hello, admission, link };
    inbox.send(message).await.map_err(|_| "the manager has ended".to_owned())?;
    tokio::select! {
        answer = answer => match answer {
            Ok(admitted) => Ok((admitted, messages)),
            Err(_) => Err("the manager refused it".to_owned()),
        },
        () = cancel.cancelled() => Err("the manager gave it up".to_owned()),
    }
}

fn mismatch(hello: &Hello) -> Option<String> {
    let protocol = hello.protocol;
    (protocol != PROTOCOL_VERSION).then(|| {
        format!(
            "the worker speaks version {protocol} of the link and the manager version {PROTOCOL_VERSION}; \
             run the same release of POD on both"
        )
    })
}

/// Takes frames until the link ends.
async fn listen(
    reader: &mut dyn FrameReader,
    mut intake: Intake,
    rest: Messages<FromWorker>,
    cancel: &CancellationToken,
) -> Farewell {
    let mut messages = rest;
    loop {
        if let Err(farewell) = intake.take(messages).await {
            return farewell;
        }
        let frame = tokio::select! {
            biased;
            () = cancel.cancelled() => return "the manager gave it up".to_owned(),
            frame = reader.read(MAX_FRAME) => frame,
            farewell = intake.room_again() => return farewell,
        };
        messages = match frame.and_then(Messages::of) {
            Ok(messages) => messages,
            Err(error) => return error.to_string(),
        };
    }
}

/// Sends what is in the outbox, as few frames as it takes, until nobody can put more into it.
async fn send(mut writer: Box<dyn FrameWriter>, mut orders: mpsc::Receiver<ToWorker>, cancel: CancellationToken) {
    let mut messages = Vec::new();
    let sending = async {
        while orders.recv_many(&mut messages, FRAME_MESSAGES).await > 0 {
            for frame in frames(&messages) {
                writer.write(link::encode(frame)?).await?;
            }
            messages.clear();
        }
        Ok::<_, link::FrameError>(())
    };
    let outcome = tokio::select! {
        biased;
        () = cancel.cancelled() => Ok(()),
        outcome = sending => outcome,
    };
    if let Err(error) = outcome {
        tracing::debug!("a link could not be written: {error}");
        cancel.cancel();
    }
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
    use bytes::Bytes;

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
