//! One link, from its hello to its end.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    super::{message::Message, payloads::Offered, shared::Shared},
    acks::Acks,
    inbound::{CloseReason, Inbound, Peer, Pulls},
    send::Sender,
};
use crate::{
    domain::MAX_SLOTS,
    engine::message::{Admitted, LinkHandle},
    link::{
        FrameReader, FromWorker, Hello, MAX_FIRST_FRAME, MAX_FRAME, Messages, NEWEST_VERSION, OLDEST_VERSION,
        Rejection, ToWorker, Transport,
    },
    plan::{Input, MAX_AHEAD},
    provisioner::Admission,
};

/// How long a link may take to say hello, and to take its refusal.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How many messages wait for a worker at most.
const OUTBOX: usize = 4096;
// After a lost link, the orders for all that a worker holds go out at once, and each may be followed by its stop.
const _: () = assert!(OUTBOX >= 2 * (MAX_SLOTS + MAX_AHEAD) as usize);
/// How many pieces of payloads wait for a worker at most: more than one asks for that installs as much as it may.
const PIECES: usize = 64;

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
    let (pieces, asked_for) = mpsc::channel(PIECES);
    let offered = Arc::new(Offered::default());
    let sender = Sender {
        shared: shared.clone(),
        writer,
        orders,
        pieces: asked_for,
        offered: offered.clone(),
        cancel: cancel.clone(),
    };
    let mut sending = shared.tasks.spawn(sender.run());
    match enter(&inbox, &mut *reader, &outbox, &cancel, admission).await {
        Ok(admitted) => {
            let acks = Arc::new(Acks::default());
            shared.spawn(acks.clone().run(shared.store.clone(), outbox.clone(), cancel.clone()));
            let pulls = Pulls { offered, pieces };
            let whose = Peer { admitted, is_here: admission == Admission::Known };
            let inbound = Inbound::new(shared.clone(), inbox.clone(), whose, acks, outbox, pulls, cancel.clone());
            let reason = listen(&mut *reader, inbound, &cancel).await;
            tracing::debug!(%peer, worker = %admitted.worker, "a link ended: {reason}");
            cancel.cancel();
            let Admitted { worker, session } = admitted;
            let _ = inbox.send(Message::Happened(Input::LinkLost { worker, session })).await;
        }
        Err(reason) => {
            tracing::info!(%peer, "a link was not let in: {reason}");
            // What is in the outbox is still sent: the refusal.
            drop(outbox);
            let _ = timeout(HANDSHAKE_TIMEOUT, &mut sending).await;
        }
    }
    cancel.cancel();
}

/// Takes the hello and asks the engine.
async fn enter(
    inbox: &mpsc::Sender<Message>,
    reader: &mut dyn FrameReader,
    outbox: &mpsc::Sender<ToWorker>,
    cancel: &CancellationToken,
    admission: Admission,
) -> Result<Admitted, CloseReason> {
    let first = tokio::select! {
        () = cancel.cancelled() => return Err("the manager ends".to_owned()),
        first = timeout(HANDSHAKE_TIMEOUT, reader.read(MAX_FIRST_FRAME)) => first,
    };
    let frame = first.map_err(|_| "it did not say hello".to_owned())?.map_err(|error| error.to_string())?;
    let mut messages = Messages::of(frame).map_err(|error| error.to_string())?;
    let Some(FromWorker::Hello(hello)) = messages.next().transpose().map_err(|error| error.to_string())? else {
        return Err("its first message was not a hello".to_owned());
    };
    if !messages.is_empty() {
        return Err("its hello was not alone in its frame".to_owned());
    }
    if let Some(mismatch) = mismatch(&hello) {
        let _ = outbox.try_send(ToWorker::Refused(mismatch));
        return Err(format!("it speaks version {} of the link", hello.newest_version()));
    }
    if let Admission::Only(worker) = admission
        && hello.worker != Some(worker)
    {
        let refusal = format!("this is the way in of worker {worker}, and of no other");
        let _ = outbox.try_send(ToWorker::Refused(Rejection::Permanent(refusal.clone())));
        return Err(refusal);
    }
    let (admitted, answer) = oneshot::channel();
    let link = LinkHandle { outbox: outbox.clone(), admitted: Some(admitted), cancel: cancel.clone() };
    let message = Message::Hello { hello, admission, link };
    inbox.send(message).await.map_err(|_| "the manager has ended".to_owned())?;
    tokio::select! {
        answer = answer => answer.map_err(|_| "the manager refused it".to_owned()),
        () = cancel.cancelled() => Err("the manager gave it up".to_owned()),
    }
}

/// The refusal of a worker that cannot be understood. It keeps what it runs: a manager may come that does.
fn mismatch(hello: &Hello) -> Option<Rejection> {
    let (oldest, newest) = (hello.protocol, hello.newest_version());
    (!hello.is_understood()).then(|| {
        Rejection::Transient(format!(
            "the worker speaks versions {oldest} to {newest} of the link and the manager versions {OLDEST_VERSION} to \
             {NEWEST_VERSION}; run neighbouring releases of POD on both"
        ))
    })
}

/// Takes frames until the link ends.
async fn listen(reader: &mut dyn FrameReader, mut inbound: Inbound, cancel: &CancellationToken) -> CloseReason {
    loop {
        let frame = tokio::select! {
            biased;
            () = cancel.cancelled() => return "the manager gave it up".to_owned(),
            frame = reader.read(MAX_FRAME) => frame,
            reason = inbound.room_again() => return reason,
        };
        let taken = match frame.and_then(Messages::of) {
            Ok(messages) => inbound.take(messages).await,
            Err(error) => return error.to_string(),
        };
        if let Err(reason) = taken {
            return reason;
        }
    }
}
