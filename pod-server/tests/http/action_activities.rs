//! `newActivity`, `getActivityStatus`, `deleteActivity`.

use serde_json::json;

use crate::server::{Server, encoded};

#[tokio::test]
async fn an_activity_is_verified_used_and_removed() {
    let server = Server::with(|config| config.allow_file_urls = true).await;
    let script = server.directory().join("install.sh");
    std::fs::write(&script, "printf '#!/bin/sh\\r\\necho it runs\\r\\n' > main.sh\r\n").unwrap();
    let location = format!("file://{}", script.display());
    let made =
        server.action(&format!("action=newActivity&name=a&installationScriptLocation={}", encoded(&location))).await;
    let id = made["activity"]["id"].as_u64().unwrap_or_else(|| panic!("{made}"));
    assert_eq!(
        made,
        json!({
            "activity": { "id": id, "name": "a", "installationScriptLocation": location, "status": "verifying" },
            "status": "installing"
        })
    );
    let shown = server
        .eventually(async || {
            let shown = server.action("action=getActivityStatus&name=a").await;
            (shown["activity"]["status"] == "approved").then_some(shown)
        })
        .await;
    let worker = shown["activity"]["installations"][0]["workerId"].as_u64().unwrap();
    assert_eq!(shown["activity"]["installations"], json!([{ "workerId": worker, "status": "installed" }]));

    let known = server.api("GET", "/activities/a", None).await.1;
    assert_eq!(known["workdir"], "shared", "its executions may leave each other something");

    let run = server.submitted("a", None).await;
    server.ended(run).await;
    let deleted = server.action("action=deleteActivity&name=a").await;
    assert_eq!(deleted["status"], "uninstalling");
    assert_eq!(deleted["activity"]["status"], "uninstalling");
    server
        .eventually(async || {
            let shown = server.action("action=getActivityStatus&name=a").await;
            (shown["error"] == "The requested activity doesn't exist").then_some(())
        })
        .await;
    // Its executions stay, and its name is free again.
    let kept = server.action(&format!("action=getExecutionStatus&executionId={run}")).await;
    assert_eq!((&kept["execution"]["stdout"], &kept["execution"]["activityName"]), (&"it runs\n".into(), &"a".into()));
    let again =
        server.action(&format!("action=newActivity&name=a&installationScriptLocation={}", encoded(&location))).await;
    assert!(again["activity"]["id"].as_u64().unwrap() > id, "no id is used again: {again}");
}

#[tokio::test]
async fn a_script_that_cannot_be_fetched_or_fails_is_a_reason_on_the_installation() {
    let server = Server::with(|config| config.allow_file_urls = true).await;
    let failing = server.directory().join("failing.sh");
    std::fs::write(&failing, "echo the compiler is missing >&2; exit 7").unwrap();
    let nothing = server.directory().join("nothing.sh");
    std::fs::write(&nothing, "").unwrap();
    for (name, location, part) in [
        ("missing", "file:///does/not/exist".to_owned(), "No such file"),
        ("failing", format!("file://{}", failing.display()), "the compiler is missing"),
        ("nothing", format!("file://{}", nothing.display()), "main.sh"),
    ] {
        server
            .action(&format!("action=newActivity&name={name}&installationScriptLocation={}", encoded(&location)))
            .await;
        let shown = server
            .eventually(async || {
                let shown = server.action(&format!("action=getActivityStatus&name={name}")).await;
                (shown["activity"]["status"] == "rejected").then_some(shown)
            })
            .await;
        let installation = &shown["activity"]["installations"][0];
        assert_eq!(installation["status"], "error", "{shown}");
        assert!(installation["errorDescription"].as_str().unwrap().contains(part), "{shown}");
        let refused = server.action(&format!("action=newExecution&name={name}")).await;
        let sentence = "The requested activity isn't approved for executions. Its current status is rejected";
        assert_eq!(refused["error"], sentence);
        let deleted = server.action(&format!("action=deleteActivity&name={name}")).await;
        assert_eq!(deleted["status"], "uninstalling", "a rejected activity can be deleted: {deleted}");
    }
}

#[tokio::test]
async fn one_that_verifies_takes_executions_and_cannot_be_deleted_yet() {
    let server = Server::start().await;
    let (status, _) = server.api("POST", "/activities", Some(json!({ "name": "slow", "script": "sleep 1000" }))).await;
    assert_eq!(status, 201);
    let shown = server.action("action=getActivityStatus&name=slow").await;
    assert_eq!(shown["activity"]["status"], "verifying");
    assert_eq!(shown["activity"]["installationScriptLocation"], "", "an inline script has no location");
    let waiting = server.action("action=newExecution&name=slow").await;
    assert_eq!(waiting["execution"]["status"], "waiting");
    let refused = server.action("action=deleteActivity&name=slow").await;
    assert_eq!(refused["error"], "The requested activity isn't available for uninstalling yet");
    let id = waiting["execution"]["id"].as_u64().unwrap();
    let ended = server.action(&format!("action=terminateExecution&executionId={id}")).await;
    assert_eq!(ended["execution"]["status"], "terminated", "one that waits leaves the queue at once");
}
