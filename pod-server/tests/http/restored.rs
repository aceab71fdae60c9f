//! A store that is put back from a copy: who followed it is told where to go on.

use std::{fs, path::Path};

use crate::server::{Server, SseEvent, sse_events};

/// Follows events behind one, until one of that name.
async fn behind(server: &Server, after: u64, last: &str) -> Vec<SseEvent> {
    sse_events(server.request("GET", &format!("/api/v1/events?after={after}")), |event| event.name == last).await
}

fn copied(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap();
}

fn number(event: &SseEvent) -> u64 {
    event.id.parse().unwrap()
}

#[tokio::test]
async fn who_followed_events_before_a_restoration_is_told_so_and_no_number_comes_twice() {
    let server = Server::start().await;
    server.approved("echo", "echo 'echo $1' > main.sh").await;
    let first = server.submitted("echo", None).await;
    server.ended(first).await;
    let copy = server.directory().join("copy.db");
    let known = number(behind(&server, 0, "executionEnded").await.last().unwrap());
    let server = server.again_with(|config| copied(&config.data_dir.join("pod.db"), &copy)).await;
    let lost = server.submitted("echo", None).await;
    server.ended(lost).await;
    let told = behind(&server, known, "executionEnded").await;
    assert!(told.iter().all(|event| event.name != "gap"), "nothing is missing: {told:?}");
    let newest = number(told.last().unwrap());

    let server = server.again_with(|config| copied(&copy, &config.data_dir.join("pod.db"))).await;
    assert_eq!(server.api("GET", &format!("/executions/{lost}"), None).await.0, 404);
    // What the copy knows of is gone on with as ever, and what comes has numbers that nobody has heard of.
    let again = server.submitted("echo", None).await;
    assert_eq!(again, lost, "numbers of executions are those of the copy");
    server.ended(again).await;
    let goes_on = behind(&server, known, "executionEnded").await;
    assert!(goes_on.iter().all(|event| event.name != "gap"), "{goes_on:?}");
    assert!(goes_on.iter().filter(|event| event.name.starts_with("execution")).all(|event| number(event) > newest));
    // What it does not know of is answered at once, with where to go on.
    for (asked, says) in [(newest, "restored from a copy"), (1 << 50, "is not of this store")] {
        let gap = behind(&server, asked, "gap").await;
        let [gap] = &gap[..] else { panic!("{gap:?}") };
        assert_eq!(gap.data["asked"], asked);
        assert!(gap.data["message"].as_str().unwrap().contains(says), "{gap:?}");
        let on = number(gap);
        assert_eq!(gap.data["after"], on);
        assert!(on == newest || on == gap.data["newest"].as_u64().unwrap(), "{gap:?}");
    }
    let caught_up = behind(&server, newest, "executionEnded").await;
    assert_eq!(caught_up[0].name, "gap");
    assert!(caught_up.iter().any(|event| event.data["execution"] == again), "what follows is told: {caught_up:?}");
}
