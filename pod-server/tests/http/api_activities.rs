//! `/api/v1/activities`.

use flate2::{Compression, write::GzEncoder};
use serde_json::json;

use crate::server::Server;

fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

#[tokio::test]
async fn an_activity_from_an_inline_script() {
    let server = Server::start().await;
    let body = json!({
        "name": "a", "script": "echo installing; printf 'echo $GREETING\\n' > main.sh",
        "timeoutSeconds": 2.5, "retries": 2, "onLost": "fail", "env": { "GREETING": "hi" }, "maxConcurrency": 3,
        "workdir": "copy"
    });
    let answer = server.request("POST", "/api/v1/activities").json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.headers()["location"], "/api/v1/activities/a");
    let made: serde_json::Value = answer.json().await.unwrap();
    for (member, value) in [
        ("name", json!("a")),
        ("status", json!("verifying")),
        ("revision", json!(1)),
        ("source", json!("inline")),
        ("timeoutSeconds", json!(2.5)),
        ("retries", json!(2)),
        ("onLost", json!("fail")),
        ("env", json!({ "GREETING": { "masked": true } })),
        ("maxConcurrency", json!(3)),
        ("workdir", json!("copy")),
    ] {
        assert_eq!(made[member], value, "{made}");
    }
    let shown = server.status_becomes("a", "approved").await;
    let installation = &shown["installations"][0];
    assert_eq!(installation["status"], "installed");
    let worker = installation["workerId"].as_u64().unwrap();
    let log = server.get(&format!("/api/v1/activities/a/installations/{worker}/log")).await;
    assert_eq!(log.headers()["content-type"], "application/octet-stream");
    assert_eq!(log.text().await.unwrap(), "installing\n");
    let id = server.submitted("a", None).await;
    server.ended(id).await;
    assert_eq!(server.get(&format!("/api/v1/executions/{id}/output")).await.text().await.unwrap(), "hi\n");
    let shown = server.status_becomes("a", "approved").await;
    assert_eq!(shown["executions"]["finished"], 1);
}

#[tokio::test]
async fn what_is_no_whole_archive_is_refused_at_once() {
    let server = Server::start().await;
    let good = archive(&[("main.sh", "echo one")]);
    let cut = good[..good.len() / 2].to_vec();
    for body in [Vec::new(), b"echo one\n".to_vec(), cut] {
        let request = server.request("PUT", "/api/v1/activities/d").header("content-type", "application/gzip");
        let answer = request.body(body).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 422);
        let problem: serde_json::Value = answer.json().await.unwrap();
        assert!(problem["detail"].as_str().unwrap().contains("not a whole tar.gz"), "{problem}");
    }
    assert_eq!(server.get("/api/v1/activities/d").await.status().as_u16(), 404, "nothing was registered");
}

#[tokio::test]
async fn a_directory_is_put_and_replaced_by_a_new_revision() {
    let server = Server::start().await;
    let put = async |files: &[(&str, &str)]| {
        let request = server.request("PUT", "/api/v1/activities/d").header("content-type", "application/gzip");
        let answer = request.body(archive(files)).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<serde_json::Value>().await.unwrap())
    };
    let run = async || {
        let id = server.submitted("d", None).await;
        server.ended(id).await;
        server.get(&format!("/api/v1/executions/{id}/output")).await.text().await.unwrap()
    };
    let (status, made) = put(&[("main.sh", "echo one")]).await;
    assert_eq!((status, &made["latestRevision"], &made["source"]), (201, &json!(1), &json!("directory")), "{made}");
    server.status_becomes("d", "approved").await;
    assert_eq!(run().await, "one\n");

    let (status, made) = put(&[("main.sh", "echo one")]).await;
    assert_eq!((status, &made["latestRevision"]), (201, &json!(1)), "the same content changes nothing: {made}");
    assert_eq!(made["workdir"], "private", "unless something else is asked for");

    let (status, made) = put(&[("install.sh", "cp other.sh main.sh"), ("other.sh", "echo two")]).await;
    assert_eq!((status, &made["latestRevision"], &made["status"]), (200, &json!(2), &json!("approved")), "{made}");
    server.eventually(async || (server.api("GET", "/activities/d", None).await.1["revision"] == 2).then_some(())).await;
    assert_eq!(run().await, "two\n");

    put(&[("readme", "no main.sh here")]).await;
    server
        .eventually(async || {
            let shown = server.api("GET", "/activities/d", None).await.1;
            shown["errorDescription"].as_str().map(|error| assert!(error.contains("main.sh"), "{error}"))
        })
        .await;
    assert_eq!(run().await, "two\n", "the old revision serves on");
}

#[tokio::test]
async fn activities_are_listed_by_name_in_pages() {
    let server = Server::start().await;
    for name in ["c", "a", "b"] {
        server.api("PUT", &format!("/activities/{name}"), Some(json!({ "script": "echo x > main.sh" }))).await;
    }
    let (_, first) = server.api("GET", "/activities?limit=2", None).await;
    let names: Vec<_> = first["items"].as_array().unwrap().iter().map(|item| item["name"].clone()).collect();
    assert_eq!(names, ["a", "b"]);
    let next = first["next"].as_str().unwrap();
    let (_, second) = server.api("GET", &format!("/activities?limit=2&cursor={next}"), None).await;
    assert_eq!((second["items"][0]["name"].as_str(), second.get("next")), (Some("c"), None));
    server.status_becomes("a", "approved").await;
    let (status, gone) = server.api("DELETE", "/activities/a", None).await;
    assert_eq!((status, gone["status"].as_str()), (202, Some("uninstalling")));
    server.eventually(async || (server.api("GET", "/activities/a", None).await.0 == 404).then_some(())).await;
}

#[tokio::test]
async fn a_working_directory_is_a_setting_of_a_revision() {
    let server = Server::start().await;
    let count = "echo x >> list; wc -l < list\n";
    let run = async || {
        let id = server.submitted("d", None).await;
        server.ended(id).await;
        let text = server.get(&format!("/api/v1/executions/{id}/output")).await.text().await.unwrap();
        text.trim().to_owned()
    };
    for (revision, query, expected) in
        [(1, "", ["1", "1"]), (2, "?workdir=shared", ["1", "2"]), (3, "?workdir=copy", ["1", "1"])]
    {
        let request = server.request("PUT", &format!("/api/v1/activities/d{query}"));
        let request = request.header("content-type", "application/gzip").body(archive(&[("main.sh", count)]));
        let made: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(made["latestRevision"], revision, "another setting is another revision: {made}");
        let is_current = async || {
            let shown = server.api("GET", "/activities/d", None).await.1;
            (shown["status"] == "approved" && shown["revision"] == revision).then_some(())
        };
        server.eventually(is_current).await;
        assert_eq!([run().await, run().await], expected, "{query}");
    }
    let request = server.request("PUT", "/api/v1/activities/d?workdir=mine").header("content-type", "application/gzip");
    assert_eq!(request.body(archive(&[("main.sh", count)])).send().await.unwrap().status().as_u16(), 422);
}
