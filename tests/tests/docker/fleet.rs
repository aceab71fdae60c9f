//! The fleet of containers grows, shrinks and goes.

use serde_json::json;

use crate::{
    client,
    engine::{Contained, Left, docker, image},
    sizing::size_fleet,
};

#[test]
fn a_policy_sizes_the_fleet_and_nothing_is_left_when_it_goes() {
    let pod = Contained::new();
    let other = docker(&["create", "--label", "pod.store=another", "--label", "pod.worker=1", &image(), "bash"]);
    let other = other.expect("a container of somebody else");
    let server = pod.manager(&["--slots", "1"]);
    let url = server.url();
    client::register(url, "where", "echo $HOSTNAME; sleep 0.2", json!({}));
    let store = pod.stores().first().expect("a store").clone();
    for count in [3, 1, 2, 0] {
        size_fleet(url, count);
        client::until(&format!("there are {count} containers"), || Left::of(&store).count() == (count, count));
        if count == 3 {
            let ids: Vec<u64> = (0..12).map(|_| client::start(url, "where", "")).collect();
            let mut hosts: Vec<Vec<u8>> = ids
                .iter()
                .map(|&id| {
                    client::ended(url, id);
                    client::stdout(url, id).body
                })
                .collect();
            hosts.sort();
            hosts.dedup();
            assert!(hosts.len() > 1, "several containers ran them");
        }
    }
    assert_eq!(Left::of(&store).count(), (0, 0));
    assert!(docker(&["rm", other.trim()]).is_ok(), "the container of somebody else is still there");
}

#[test]
fn a_new_worker_installs_what_the_manager_has_without_a_second_download() {
    let pod = Contained::new();
    let script = pod.path("install.sh");
    std::fs::write(&script, "printf 'echo $HOSTNAME; sleep 0.2' > main.sh").expect("a file");
    let server = pod.manager(&["--slots", "1", "--allow-file-urls"]);
    let url = server.url();
    client::post(
        url,
        "/api/v1/activities",
        &json!({ "name": "where", "scriptUrl": format!("file://{}", script.display()) }),
    );
    let first = client::start(url, "where", "");
    client::ended(url, first);
    std::fs::remove_file(script).expect("it was read once");
    size_fleet(url, 3);
    // More than one worker could do alone.
    let ids: Vec<u64> = (0..30).map(|_| client::start(url, "where", "")).collect();
    for id in ids {
        assert_eq!(client::ended(url, id)["status"], "finished");
    }
    client::until("it is installed on all three", || {
        let installations = client::get(url, "/api/v1/activities/where").json()["installations"].clone();
        let installations = installations.as_array().cloned().unwrap_or_default();
        installations.iter().filter(|one| one["status"] == "installed").count() == 3
    });
}
