//! A system's clock that is wrong for a while: ahead, behind, and set right, under a real manager.

use std::{fs, path::Path};

use pod_tests::{Pod, Server};
use serde_json::{Value, json};

use crate::client;

const DAYS: i64 = 86_400_000;

/// A manager whose clock reads a file that says how far it is off.
fn serve(pod: &Pod, arguments: &[&str]) -> Server {
    let file = clock(pod);
    // Where Debian's package `faketime` has it.
    let library = format!("/usr/lib/{}-linux-gnu/faketime/libfaketime.so.1", std::env::consts::ARCH);
    assert!(Path::new(&library).exists(), "{library} is missing; install faketime");
    let environment = [
        ("LD_PRELOAD", library.as_str()),
        ("FAKETIME_TIMESTAMP_FILE", file.to_str().expect("a path of text")),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    pod.serve_in(&environment, arguments)
}

fn clock(pod: &Pod) -> std::path::PathBuf {
    pod.path("clock")
}

/// Sets the clock, and waits until the manager has noticed.
fn set(pod: &Pod, server: &Server, offset: &str) {
    let count = || {
        let page = client::get(server.url(), "/events?about=workers").body;
        String::from_utf8_lossy(&page).matches("clock was set").count()
    };
    let before = count();
    fs::write(clock(pod), offset).expect("writable");
    client::until("the clock is noticed", || count() > before);
}

fn moment(execution: &Value, member: &str) -> i64 {
    let text = execution[member].as_str().unwrap_or_else(|| panic!("no {member}: {execution}"));
    text.parse::<jiff::Timestamp>().expect("a time").as_millisecond()
}

fn ids(server: &Server, query: &str) -> Vec<u64> {
    let list = client::get(server.url(), &format!("/api/v1/executions?{query}")).json();
    list["items"].as_array().expect("a list").iter().map(|item| item["id"].as_u64().expect("an id")).collect()
}

fn run(server: &Server) -> Value {
    client::ended(server.url(), client::start(server.url(), "a", "x"))
}

#[test]
fn a_clock_that_is_ahead_for_a_moment_deletes_nothing_and_leaves_nothing_wrong() {
    let pod = Pod::new();
    fs::write(clock(&pod), "+0").expect("writable");
    let server = serve(&pod, &["--slots", "2"]);
    client::register(server.url(), "a", "exit 0", json!({}));
    let first = run(&server);
    set(&pod, &server, "+10d");
    let ahead = run(&server);
    assert!(moment(&ahead, "submittedAt") - moment(&first, "submittedAt") > 9 * DAYS, "{ahead}");
    set(&pod, &server, "+0");
    let after = run(&server);
    let passed = moment(&after, "finishedAt") - moment(&first, "submittedAt");
    assert!((0..DAYS).contains(&passed), "right as soon as the clock is: {after}");

    let check = |server: &Server, all: &[u64]| {
        let between = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(48)).to_string();
        assert_eq!(ids(server, &format!("submittedAfter={between}")), [2], "by their own times");
        let others: Vec<u64> = all.iter().copied().filter(|id| *id != 2).collect();
        assert_eq!(ids(server, &format!("submittedBefore={between}")), others);
        assert_eq!(ids(server, ""), all, "nothing was deleted");
    };
    check(&server, &[3, 2, 1]);
    let told = client::get(server.url(), "/api/v1/overview").json();
    let by = told["clock"]["byMillis"].as_f64().map(|by| (by / DAYS as f64).round());
    assert_eq!(by, Some(-10.0), "{told}");

    assert!(server.stop().success());
    let server = serve(&pod, &["--slots", "2"]);
    let restarted = run(&server);
    assert!((0..DAYS).contains(&(moment(&restarted, "submittedAt") - moment(&first, "submittedAt"))), "{restarted}");
    check(&server, &[4, 3, 2, 1]);
}

#[test]
fn what_ran_on_a_machine_that_booted_in_the_past_stays_when_its_clock_is_set_right() {
    let pod = Pod::new();
    fs::write(clock(&pod), "-3000d").expect("writable");
    let server = serve(&pod, &["--slots", "2"]);
    client::register(server.url(), "a", "exit 0", json!({}));
    client::register(server.url(), "again", "[ $POD_ATTEMPT -gt 1 ]", json!({ "retries": 1 }));
    let (first, retried) = (run(&server), client::start(server.url(), "again", "x"));
    client::until("it has failed once", || {
        client::get(server.url(), &format!("/api/v1/executions/{retried}")).json()["failures"] == 1
    });
    set(&pod, &server, "+0");
    let now = jiff::Timestamp::now().as_millisecond();
    assert_eq!(client::ended(server.url(), retried)["status"], "finished", "tried again after its delay");
    let second = run(&server);
    assert!((now - moment(&second, "submittedAt")).abs() < DAYS, "{second}");
    assert!(now - moment(&first, "submittedAt") > 2999 * DAYS, "{first}");
    // The retention is looked after at each of these ends.
    assert_eq!(ids(&server, ""), [3, 2, 1]);
}
