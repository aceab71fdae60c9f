//! Who holds the store, and for how long.

use std::{sync::Arc, time::Duration};

use super::{
    harness::{StoreHarness, TTL, acquire},
    rows::{insert, waiting},
};
use crate::{
    domain::{Epoch, ExecutionId, Millis, Timestamp},
    store::{Acquisition, Batch, HeldLease, Holder, Lease, Store, StoreError},
};

/// Long enough to be noticed, and short enough to be waited for.
const SHORT: Millis = Millis(300);

async fn held(store: &dyn Store, name: &str) -> HeldLease {
    match store.acquire(&Holder::new(name), TTL).await.expect("an answer") {
        Acquisition::HeldBy(held) => held,
        Acquisition::Acquired(lease) => panic!("{name} acquired what another one holds: {lease:?}"),
    }
}

/// Asks until the lease is to be had.
async fn wait_for(store: &dyn Store, name: &str) -> Lease {
    for _ in 0..1000 {
        match store.acquire(&Holder::new(name), TTL).await.expect("an answer") {
            Acquisition::Acquired(lease) => return lease,
            Acquisition::HeldBy(held) => {
                tokio::time::sleep(held.expires_in.min(Millis(10)).as_duration()).await;
            }
        }
    }
    panic!("a lease of {SHORT} has not expired after ten seconds")
}

async fn commit(store: &dyn Store, epoch: Epoch, id: u64) -> Result<(), StoreError> {
    let changes = vec![insert(waiting(id, 1))];
    store.commit(Arc::new(Batch { seq: id, epoch, at: Timestamp(1), changes, ..Batch::default() })).await
}

fn is_fenced(outcome: Result<(), StoreError>) {
    assert!(matches!(outcome, Err(StoreError::Fenced)), "{outcome:?}");
}

/// With its address. Nothing changes for the holder.
pub async fn another_holder_is_told_who_holds_it(rig: &mut StoreHarness) {
    let store = rig.store();
    let there = Holder::new("suite").at("http://here:8080");
    let lease = store.acquire(&there, TTL).await.unwrap().acquired().unwrap();
    assert_eq!(lease.expires_in, TTL);
    let held = held(&*rig.other().await, "another").await;
    assert_eq!(held.holder, there);
    assert!(held.expires_in > Millis(0) && held.expires_in <= TTL, "{held}");
    commit(&*store, lease.epoch, 1).await.expect("the holder goes on");
    store.renew(lease.epoch, TTL).await.expect("its lease is renewed");
}

/// The manager was killed and started again: it does not wait for itself.
pub async fn the_holder_come_back_acquires_at_once(rig: &mut StoreHarness) {
    let (store, old) = (rig.store(), rig.epoch());
    commit(&*store, old, 1).await.unwrap();
    let lease = acquire(&*rig.other().await, "suite", TTL).await;
    assert!(lease.epoch > old);
    is_fenced(commit(&*store, old, 2).await);
    is_fenced(store.renew(old, TTL).await);
    let changes = vec![insert(waiting(3, 1))];
    let first = Batch { seq: 1, epoch: lease.epoch, at: Timestamp(1), changes, ..Batch::default() };
    store.commit(Arc::new(first)).await.expect("an answer");
    assert!(store.execution(ExecutionId(3)).await.unwrap().is_some(), "its batches are counted anew");
}

/// Its holder is fenced by who acquires it.
pub async fn an_expired_lease_is_anyone_s(rig: &mut StoreHarness) {
    let store = rig.store();
    let first = acquire(&*store, "suite", SHORT).await;
    let second = wait_for(&*rig.other().await, "another").await;
    assert!(second.epoch > first.epoch);
    is_fenced(commit(&*store, first.epoch, 1).await);
    is_fenced(store.renew(first.epoch, TTL).await);
    assert_eq!(&*held(&*store, "suite").await.holder.name, "another");
}

/// Beyond the time for which it was acquired.
pub async fn a_renewed_lease_lasts(rig: &mut StoreHarness) {
    let store = rig.store();
    let lease = acquire(&*store, "suite", SHORT).await;
    store.renew(lease.epoch, TTL).await.unwrap();
    tokio::time::sleep(SHORT.as_duration() + Duration::from_millis(50)).await;
    assert!(held(&*store, "another").await.expires_in > SHORT);
    store.renew(lease.epoch, SHORT).await.unwrap();
    wait_for(&*store, "another").await;
}

/// A holder that was away while nobody else came: its epoch is still the newest.
pub async fn a_renewal_revives_what_nobody_took(rig: &mut StoreHarness) {
    let store = rig.store();
    let lease = acquire(&*store, "suite", Millis(1)).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    commit(&*store, lease.epoch, 1).await.expect("nobody else writes");
    store.renew(lease.epoch, TTL).await.expect("nobody else acquired it");
    held(&*store, "another").await;
}

/// Nobody waits for who has gone; and who has gone does not come back by a late renewal.
pub async fn a_released_lease_is_anyone_s(rig: &mut StoreHarness) {
    let store = rig.store();
    let lease = acquire(&*store, "suite", TTL).await;
    store.release(lease.epoch).await.unwrap();
    is_fenced(store.renew(lease.epoch, TTL).await);
    let other = acquire(&*rig.other().await, "another", TTL).await;
    assert!(other.epoch > lease.epoch);
    is_fenced(commit(&*store, lease.epoch, 1).await);
}

/// Who was fenced takes nothing from who holds the store now.
pub async fn only_the_newest_epoch_is_renewed_and_released(rig: &mut StoreHarness) {
    let store = rig.store();
    let first = acquire(&*store, "suite", TTL).await;
    let second = acquire(&*store, "suite", TTL).await;
    store.release(first.epoch).await.expect("nothing is released");
    is_fenced(store.renew(first.epoch, SHORT).await);
    assert!(held(&*store, "another").await.expires_in > SHORT);
    store.renew(second.epoch, TTL).await.unwrap();
}

/// Who holds it is written down, and so is the epoch of who gave it back.
pub async fn a_lease_outlives_the_process(rig: &mut StoreHarness) {
    let before = rig.epoch();
    rig.reopen_without_lease().await;
    assert_eq!(&*held(&*rig.store(), "another").await.holder.name, "suite");
    rig.store().release(before).await.unwrap();
    rig.reopen_without_lease().await;
    assert!(acquire(&*rig.store(), "another", TTL).await.epoch > before);
}

/// An epoch commits until there is a newer one, however late its renewal is.
pub async fn commits_do_not_ask_for_time(rig: &mut StoreHarness) {
    let store = rig.store();
    let lease = acquire(&*store, "suite", Millis(1)).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    commit(&*store, lease.epoch, 1).await.unwrap();
}
