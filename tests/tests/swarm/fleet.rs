//! The fleet of tasks grows, shrinks and goes, and a busy worker is never let go.

use serde_json::json;

use crate::{
    client,
    sizing::size_fleet,
    swarm::{Left, Swarmed},
};

#[test]
fn a_policy_sizes_the_fleet_and_the_busy_worker_stays() {
    let pod = Swarmed::new();
    let server = pod.manager(&["--slots", "1"]);
    let url = server.url();
    client::register(url, "wait", "while [ ! -e /tmp/stop ]; do sleep 0.1; done; echo stopped", json!({}));
    client::register(url, "stop", "touch /tmp/stop", json!({}));
    let apply = |count: usize| {
        size_fleet(url, count);
        let store = pod.store();
        client::until(&format!("there are {count} tasks"), || Left::of(&store).count() == [count; 4]);
    };
    let store = pod.store();
    apply(3);
    let id = client::start(url, "wait", "");
    let of_execution = || client::get(url, &format!("/api/v1/executions/{id}")).json();
    client::until("it runs", || of_execution()["status"] == "running");
    let worker = of_execution()["worker"].clone();
    apply(1);
    assert_eq!(of_execution()["attempt"], 1);
    let name = format!("pod-{}-{worker}", &store.replace('-', "")[..12]);
    assert_eq!(Left::of(&store).services, [name.as_str()], "the one that works stays");
    // Its only slot is taken: the swarm's engine ends what it waits for.
    let container = Left::of(&store).containers.remove(0);
    crate::swarm::docker(&["exec", &container, "touch", "/tmp/stop"]).expect("the engine does it");
    let ended = client::ended(url, id);
    assert_eq!((&ended["status"], &ended["attempt"]), (&json!("finished"), &json!(1)), "{ended}");
    apply(0);
    assert_eq!(Left::of(&store).count(), [0; 4]);
}
