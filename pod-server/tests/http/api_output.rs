//! Output over `/api/v1`: byte-exact, by offset, live, resumable.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;

use crate::server::{Server, SseEvent, problem, sse_events, within};

/// The bytes of one stream in a row of events.
fn bytes_of(events: &[SseEvent], stream: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for event in events.iter().filter(|event| event.name == "output" && event.data["stream"] == stream) {
        assert_eq!(event.data["offset"], bytes.len(), "no gap, no repeat");
        match event.data["text"].as_str() {
            Some(text) => bytes.extend_from_slice(text.as_bytes()),
            None => bytes.extend(BASE64_STANDARD.decode(event.data["base64"].as_str().unwrap()).unwrap()),
        }
    }
    bytes
}

#[tokio::test]
async fn the_bytes_themselves_by_stream_and_offset() {
    let server = Server::start().await;
    server.approved("both", "printf '#!/bin/sh\\nprintf \"0123456789\\\\377\"; printf err >&2\\n' > main.sh").await;
    let id = server.submitted("both", None).await;
    server.ended(id).await;
    for (query, expected) in [
        ("", &b"0123456789\xff"[..]),
        ("?stream=stdout", b"0123456789\xff"),
        ("?stream=stderr", b"err"),
        ("?offset=8", b"89\xff"),
        ("?offset=11", b""),
        ("?offset=99", b""),
        ("?stream=stderr&offset=1&attempt=1", b"rr"),
        ("?follow=true", b"0123456789\xff"),
        ("?follow=true&offset=10", b"\xff"),
    ] {
        let answer = server.get(&format!("/api/v1/executions/{id}/output{query}")).await;
        assert_eq!(answer.status(), 200, "{query}");
        for (name, value) in [
            ("content-type", "application/octet-stream"),
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "sandbox; default-src 'none'; frame-ancestors 'none'"),
            ("pod-output-attempt", "1"),
        ] {
            assert_eq!(answer.headers()[name], value, "{query}");
        }
        assert!(!answer.headers().contains_key("pod-output-gap-start"), "{query}");
        assert_eq!(answer.bytes().await.unwrap().as_ref(), expected, "{query}");
    }
    for (query, status, kind) in [
        ("?stream=stdin", 422, "invalid-request"),
        ("?offset=-1", 422, "invalid-request"),
        ("?attempt=2", 404, "no-such-attempt"),
        ("?attempt=0", 404, "no-such-attempt"),
        ("?follow=maybe", 422, "invalid-request"),
    ] {
        let said = problem(server.get(&format!("/api/v1/executions/{id}/output{query}")).await, query).await;
        assert_eq!((said.status, said.kind.as_str()), (status, kind), "{query}");
    }
}

#[tokio::test]
async fn an_execution_that_waits_has_no_output_yet() {
    let server = Server::start().await;
    server.api("POST", "/activities", Some(json!({ "name": "slow", "script": "sleep 1000" }))).await;
    let id = server.submitted("slow", None).await;
    let answer = server.get(&format!("/api/v1/executions/{id}/output?stream=stdout")).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.bytes().await.unwrap().is_empty());
}

#[tokio::test]
async fn output_is_followed_while_it_is_printed_and_until_the_end() {
    let server = Server::start().await;
    let gate = server.directory().join("gate");
    let script = format!(
        "printf '#!/bin/sh\\necho first; echo e1 >&2; until [ -e {gate} ]; do sleep 0.02; done; echo second; echo e2 >&2\\n' > main.sh",
        gate = gate.display()
    );
    server.approved("gated", &script).await;
    // Followed from before its first attempt.
    let id = server.submitted("gated", None).await;
    let mut raw = server.get(&format!("/api/v1/executions/{id}/output?stream=stdout&follow=true")).await;
    let mut got = Vec::new();
    while got != b"first\n" {
        got.extend_from_slice(&raw.chunk().await.unwrap().expect("it goes on"));
    }
    // What was there is told to who comes later, in any number.
    let events =
        || server.request("GET", &format!("/api/v1/executions/{id}/output")).header("accept", "text/event-stream");
    let early = sse_events(events(), |event| event.data["stream"] == "stdout").await;
    std::fs::write(&gate, "").unwrap();
    while let Some(chunk) = raw.chunk().await.unwrap() {
        got.extend_from_slice(&chunk);
    }
    assert_eq!(got, b"first\nsecond\n");

    let all = sse_events(events(), |event| event.name == "end").await;
    assert_eq!(
        (bytes_of(&all, "stdout"), bytes_of(&all, "stderr")),
        (b"first\nsecond\n".to_vec(), b"e1\ne2\n".to_vec())
    );
    let end = all.last().unwrap();
    assert_eq!((&end.data["status"], &end.data["exitCode"]), (&json!("finished"), &json!(0)));

    // Resumed after any event, nothing is missing and nothing comes twice.
    let seen = early.last().unwrap();
    let rest = sse_events(events().header("last-event-id", &seen.id), |event| event.name == "end").await;
    let resumed: Vec<SseEvent> = early.iter().chain(&rest).cloned().collect();
    assert_eq!(bytes_of(&resumed, "stdout"), b"first\nsecond\n");
    assert_eq!(bytes_of(&resumed, "stderr"), b"e1\ne2\n");
    let over = events().header("last-event-id", &end.id).send().await.unwrap();
    assert_eq!(over.status(), 204, "an EventSource is told to stay away");
    for wrong in ["x", "1:2", "9:0:0"] {
        let answer = events().header("last-event-id", wrong).send().await.unwrap();
        assert_eq!(answer.status(), 422, "{wrong}");
    }
    let only = server.request("GET", &format!("/api/v1/executions/{id}/output?stream=stderr"));
    let only = sse_events(only.header("accept", "text/event-stream"), |event| event.name == "end").await;
    assert_eq!((bytes_of(&only, "stdout"), bytes_of(&only, "stderr")), (vec![], b"e1\ne2\n".to_vec()));
}

#[tokio::test]
async fn events_of_both_streams_are_in_the_order_they_came_with_their_times() {
    let server = Server::start().await;
    // Each line is printed when the one before has been seen, however slow the machine is.
    let seen = "n=$((n + 1)); until [ -e $1/$n ]; do sleep 0.02; done";
    let main = format!("n=0; for i in 1 2 3; do echo o$i; {seen}; echo e$i >&2; {seen}; done");
    server.approved("turns", &format!("printf '#!/bin/sh\\n{main}\\n' > main.sh")).await;
    let lines = tempfile::tempdir().unwrap();
    let id = server.submitted("turns", lines.path().to_str()).await;
    let events = |query: &str| {
        server.request("GET", &format!("/api/v1/executions/{id}/output{query}")).header("accept", "text/event-stream")
    };
    let mut line = 0;
    let live = sse_events(events(""), |event| {
        if event.name == "output" {
            line += 1;
            std::fs::write(lines.path().join(line.to_string()), "").unwrap();
        }
        event.name == "end"
    })
    .await;
    server.ended(id).await;
    let after = sse_events(events(""), |event| event.name == "end").await;
    let printed = |events: &[SseEvent]| -> String {
        events.iter().filter_map(|event| event.data["text"].as_str()).collect::<String>()
    };
    for events in [&live, &after] {
        assert_eq!(printed(events), "o1\ne1\no2\ne2\no3\ne3\n");
        let times: Vec<&str> = events.iter().filter_map(|event| event.data["at"].as_str()).collect();
        assert!(times.len() >= 6 && times.is_sorted(), "{times:?}");
    }
    // On from any event in the same order.
    for (at, event) in after.iter().enumerate().filter(|(_, event)| event.name == "output") {
        let rest = sse_events(events("").header("last-event-id", &event.id), |event| event.name == "end").await;
        assert_eq!(printed(&rest), printed(&after[at + 1..]), "after {}", event.id);
    }
    let so_far = sse_events(events("?follow=false&stream=stderr"), |event| event.name == "now").await;
    assert_eq!((printed(&so_far).as_str(), &so_far.last().unwrap().data["attempt"]), ("e1\ne2\ne3\n", &json!(1)));
}

#[tokio::test]
async fn what_there_is_of_an_execution_that_goes_on_is_not_followed() {
    let server = Server::start().await;
    server.approved("long", "printf '#!/bin/sh\\necho begun; sleep 1000\\n' > main.sh").await;
    let id = server.submitted("long", None).await;
    let so_far = async || {
        let request = server.request("GET", &format!("/api/v1/executions/{id}/output?follow=false"));
        sse_events(request.header("accept", "text/event-stream"), |event| event.name == "now").await
    };
    let printed = server.eventually(async || Some(bytes_of(&so_far().await, "stdout")).filter(|b| !b.is_empty())).await;
    assert_eq!(printed, b"begun\n");
    server.api("POST", &format!("/executions/{id}/terminate"), None).await;
}

#[tokio::test]
async fn what_the_cap_cut_out_is_named() {
    let server = Server::with(|config| config.output_cap = 64 << 10).await;
    // 4 MB in lines of 8 bytes: any offset tells which line must be there.
    server.approved("flood", "printf 'seq -f %%07.0f 500000\\n' > main.sh").await;
    let id = server.submitted("flood", None).await;
    let ended = server.ended(id).await;
    assert_eq!(ended["exitCode"], 0, "the program is not stopped by it");
    let expected: Vec<u8> = (1..=500_000).flat_map(|line| format!("{line:07}\n").into_bytes()).collect();
    let answer = server.get(&format!("/api/v1/executions/{id}/output?stream=stdout")).await;
    let gap = |name: &str| -> usize { answer.headers()[name].to_str().unwrap().parse().unwrap() };
    let (start, end) = (gap("pod-output-gap-start"), gap("pod-output-gap-end"));
    assert!(start >= 64 << 10 && start < end && end < expected.len(), "{start}..{end}");
    let body = answer.bytes().await.unwrap();
    assert_eq!(body.len(), start + expected.len() - end);
    assert!(body[..start] == expected[..start] && body[start..] == expected[end..], "head and tail are exact");

    let tail = server.get(&format!("/api/v1/executions/{id}/output?stream=stdout&offset={end}")).await;
    assert!(!tail.headers().contains_key("pod-output-gap-start"), "behind the gap there is none");
    assert!(tail.bytes().await.unwrap() == expected[end..]);

    let request = server.request("GET", &format!("/api/v1/executions/{id}/output"));
    let events = sse_events(request.header("accept", "text/event-stream"), |event| event.name == "end").await;
    let gap = events.iter().find(|event| event.name == "gap").unwrap();
    assert_eq!(
        (&gap.data["start"], &gap.data["end"], &gap.data["stream"]),
        (&json!(start), &json!(end), &json!("stdout"))
    );
    let shown = server.action(&format!("action=getExecutionStatus&executionId={id}")).await;
    assert_eq!(shown["execution"]["stdoutGap"], json!({ "start": start, "end": end }));
    assert_eq!(shown["execution"]["stdout"].as_str().unwrap().as_bytes(), body);
}

#[tokio::test]
async fn an_attempt_is_followed_to_its_own_end_and_an_offset_holds_for_one_to_come() {
    let server = Server::with(|config| config.slots = 1).await;
    let gate = |name: &str| server.directory().join(name);
    // Prints, waits for the file of its argument, and fails.
    let main =
        format!("echo begun; until [ -e {}/$1 ]; do sleep 0.02; done; echo over; exit 1", server.directory().display());
    let script = format!("cat > main.sh <<'END'\n{main}\nEND\n");
    let body = json!({ "name": "again", "script": script, "retries": 1 });
    assert_eq!(server.api("POST", "/activities", Some(body)).await.0, 201);
    server.status_becomes("again", "approved").await;

    let id = server.submitted("again", Some("first")).await;
    let path = format!("/api/v1/executions/{id}/output?follow=true&attempt=1");
    server
        .eventually(async || {
            server.get(&path.replace("follow=true&", "")).await.bytes().await.ok().filter(|b| !b.is_empty())
        })
        .await;
    let following = server.get(&path).await;
    // Takes the only slot when the first attempt ends, so that there is no second one yet.
    let other = server.submitted("again", Some("second")).await;
    std::fs::write(gate("first"), "").unwrap();
    let body = within(following.bytes()).await.unwrap();
    assert_eq!(body.as_ref(), b"begun\nover\n");
    assert_eq!(within(server.get(&path)).await.bytes().await.unwrap().as_ref(), b"begun\nover\n", "also afterwards");
    let (_, execution) = server.api("GET", &format!("/executions/{id}"), None).await;
    assert_eq!((&execution["status"], &execution["attempt"]), (&json!("waiting"), &json!(1)));

    let late = server.submitted("again", Some("first")).await;
    let following = server.get(&format!("/api/v1/executions/{late}/output?follow=true&offset=6")).await;
    let (_, execution) = server.api("GET", &format!("/executions/{late}"), None).await;
    assert_eq!(execution["status"], "waiting", "followed from before it began");
    std::fs::write(gate("second"), "").unwrap();
    assert_eq!(within(following.bytes()).await.unwrap().as_ref(), b"over\n");
    server.ended(other).await;
}
