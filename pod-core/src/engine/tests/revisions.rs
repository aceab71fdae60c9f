//! What is kept of an activity's revisions.

use super::{Stage, StageWorker, within};
use crate::{
    domain::{ActivityStatus, NewActivity, Payload, RevisionNo},
    link::{FromWorker, ToWorker},
    store::{KEPT_REVISIONS, MemoryStore},
};

fn script(no: u32) -> String {
    format!("cp /bin/true main.sh # {no}\n")
}

/// So many stay on a worker after others took their place.
const LINGERING: u32 = 8;

/// Makes a revision, and takes the one from the worker that has lingered for the longest time.
async fn revise(stage: &Stage, worker: &mut StageWorker, no: u32) {
    let made = stage.pod.put_activity(NewActivity::script("a", script(no))).await.unwrap();
    assert_eq!(made.latest, RevisionNo(no));
    worker.install().await;
    if no <= LINGERING + 1 {
        return;
    }
    loop {
        if let ToWorker::Remove { activity, revision } = within(worker.next()).await {
            return worker.say([FromWorker::Removed { activity, revision }]).await;
        }
    }
}

async fn kept(stage: &Stage) -> Vec<u32> {
    stage.pod.activity("a").await.unwrap().revisions.iter().map(|revision| revision.no.0).collect()
}

#[tokio::test]
async fn the_last_revisions_are_kept_with_their_scripts() {
    let store = MemoryStore::new();
    let (stage, mut worker) = Stage::over(store.clone()).await.ready().await;
    let last = KEPT_REVISIONS as u32 + LINGERING + 4;
    for no in 2..=last {
        revise(&stage, &mut worker, no).await;
    }
    let wanted: Vec<u32> = (last - KEPT_REVISIONS as u32 - LINGERING..=last).collect();
    within(async {
        while kept(&stage).await != wanted {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let view = stage.pod.activity("a").await.unwrap();
    assert_eq!((view.activity.revision.0, view.activity.status), (last, ActivityStatus::Approved));
    for (no, there) in [(3, false), (4, true), (last - 1, true), (last, true)] {
        let payload = stage.pod.payload(view.activity.id, RevisionNo(no)).await.unwrap();
        assert_eq!(payload, there.then(|| Payload::Script(script(no).into())), "revision {no}");
    }
    stage.pod.shutdown().await;
    let stage = Stage::over(store).await;
    assert_eq!(kept(&stage).await, wanted, "also after a restart");
    stage.start().await.unwrap();
    let view = stage.pod.activity("a").await.unwrap();
    assert_eq!((view.activity.revision.0, view.installations.len()), (last, 9), "none of the old ones comes back");
}
