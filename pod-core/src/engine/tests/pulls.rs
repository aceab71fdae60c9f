//! Payloads that workers pull in pieces.

use super::{Stage, StageWorker, within};
use crate::{
    domain::{ActivityId, NewActivity, RevisionNo},
    link::{FromWorker, InstallOutcome, Offer, PIECE_LEN, ToWorker, decode, decode_payload},
};

const WHAT: (ActivityId, RevisionNo) = (ActivityId(1), RevisionNo(1));

const fn want(offset: u64) -> FromWorker {
    FromWorker::Want { activity: WHAT.0, revision: WHAT.1, offset }
}

/// A script that needs several pieces.
fn script() -> String {
    let comment = "# one of many lines of a long script\n";
    format!("cp /bin/true main.sh\n{}", comment.repeat(3 * PIECE_LEN / comment.len()))
}

async fn offered(worker: &mut StageWorker) -> Offer {
    loop {
        if let ToWorker::Offer(offer) = worker.next().await {
            return *offer;
        }
    }
}

#[tokio::test]
async fn a_payload_is_encoded_once_and_the_same_bytes_go_to_every_worker() {
    let stage = Stage::new().await;
    stage.pod.create_activity(NewActivity::script("a", script())).await.unwrap();
    let mut first = StageWorker::dial(&stage.links, StageWorker::stranger()).await;
    let offer = offered(&mut first).await;
    assert_eq!((offer.activity, offer.revision), WHAT);
    let mut frames = Vec::new();
    let (mut arrived, mut total) = (Vec::new(), u64::MAX);
    while (arrived.len() as u64) < total {
        first.say([want(arrived.len() as u64)]).await;
        let frame = first.next_frame().await;
        let messages: Vec<ToWorker> = decode(&frame).unwrap();
        let [ToWorker::Piece { offset, total: all, bytes, .. }] = &messages[..] else { panic!("{messages:?}") };
        assert_eq!(*offset, arrived.len() as u64);
        total = *all;
        arrived.extend_from_slice(bytes);
        frames.push(frame);
    }
    assert_eq!(decode_payload(&arrived).unwrap().bytes(), script().as_bytes());
    assert!(frames.len() >= 3, "it came in pieces");
    // It is approved, and another worker installs it, too.
    let (activity, revision, outcome) = (WHAT.0, WHAT.1, InstallOutcome::Installed);
    first.say([FromWorker::InstallEnded { activity, revision, outcome }]).await;
    let mut hello = StageWorker::stranger();
    hello.incarnation += 1;
    let mut second = StageWorker::dial(&stage.links, hello).await;
    for _ in 0..8 {
        stage.start().await.unwrap();
    }
    offered(&mut second).await;
    second.say([want(0)]).await;
    let again = second.next_frame().await;
    assert_eq!(again.as_ptr(), frames[0].as_ptr(), "it is the same memory");
}

#[tokio::test]
async fn a_worker_gets_no_payload_that_it_was_not_offered() {
    let (stage, _worker) = Stage::new().await.ready().await;
    let mut hello = StageWorker::stranger();
    (hello.incarnation, hello.installed) = (8, vec![WHAT]);
    let mut nosy = StageWorker::dial(&stage.links, hello).await;
    nosy.say([want(0), FromWorker::Heartbeat]).await;
    loop {
        match nosy.next().await {
            ToWorker::Piece { .. } => panic!("it was never offered"),
            ToWorker::Heartbeat => break,
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_worker_that_asks_for_more_pieces_than_it_takes_loses_its_link() {
    let stage = Stage::new().await;
    stage.pod.create_activity(NewActivity::script("a", script())).await.unwrap();
    let mut greedy = StageWorker::dial(&stage.links, StageWorker::stranger()).await;
    offered(&mut greedy).await;
    greedy.say((0..10_000).map(|_| want(0))).await;
    within(async { while greedy.try_next().await.is_ok() {} }).await;
}
