//! Who holds the store, in a whole POD.

use std::time::Duration;

use super::{
    faults::{Fault, FaultyStore},
    stage::Stage,
    within,
};
use crate::{
    Limits, Pod, PodBuilder, PodError,
    domain::{Millis, NewActivity},
    store::{Acquisition, Holder, MemoryStore, Store},
};

const TTL: Millis = Millis(1000);

fn pod(store: impl Store, name: &str) -> PodBuilder {
    let limits = Limits { lease_ttl: TTL, ..Limits::default() };
    Pod::builder().store(store).limits(limits).holder(Holder::new(name).at(format!("http://{name}")))
}

#[tokio::test]
async fn a_store_that_another_manager_holds_is_refused_with_its_name_and_address() {
    let store = MemoryStore::new();
    let first = Stage::with(pod(store.clone(), "first")).await;
    let refused = Stage::try_with(pod(store.clone(), "second")).await.unwrap_err();
    let PodError::StoreHeld(held) = &refused else { panic!("{refused}") };
    assert_eq!(&*held.holder.name, "first");
    assert!(refused.to_string().contains("first at http://first"), "{refused}");
    first.pod.create_activity(NewActivity::script("a", "true")).await.expect("the first one goes on");
    // Whoever ends gives it back.
    first.pod.shutdown().await;
    Stage::with(pod(store, "second")).await;
}

#[tokio::test]
async fn a_start_that_fails_gives_the_lease_back() {
    let store = MemoryStore::new();
    let limits = Limits { slots: 0, ..Limits::default() };
    Stage::try_with(Pod::builder().store(store.clone()).limits(limits)).await.unwrap_err();
    Stage::with(pod(store, "second")).await;
}

#[tokio::test]
async fn a_lease_is_renewed_while_the_store_takes_long_for_a_commit() {
    let store = FaultyStore::default();
    let stage = Stage::with(pod(store.clone(), "first")).await;
    let before = store.renewals();
    store.fail([Fault::Slow(Duration::from_millis(2500))]);
    within(stage.pod.create_activity(NewActivity::script("a", "true"))).await.unwrap();
    assert!(store.renewals() >= before + 4, "renewed {} times", store.renewals() - before);
    let looked = store.acquire(&Holder::new("second"), TTL).await.unwrap();
    assert!(matches!(looked, Acquisition::HeldBy(_)), "{looked:?}");
}
