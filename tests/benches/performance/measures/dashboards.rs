//! What open pages cost while nothing happens.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::Bench;
use crate::{
    process, script,
    server::{self, Server},
    table::{Table, Target},
};

/// What the pages that are left open listen to.
const STREAMS: [&str; 4] = [
    "/stream?of=executions%20workers%20activities%20policies",
    "/stream?of=executions",
    "/stream?of=workers",
    "/executions/1/output/live?view=merged",
];

/// The manager's part of a core with 200 pages open, beside none.
pub(super) async fn measure(bench: &Bench<'_>, table: &mut Table) -> Result<()> {
    let directory = server::directory()?;
    let server = Server::start(bench.pod, directory.path(), &["--slots", "2"]).await?;
    server.activity("quiet", "#!/bin/sh\necho begun\nsleep 1000\n", json!({})).await?;
    server.activity("hello", script::HELLO, json!({})).await?;
    let mut connection = server.connect().await?;
    let id = connection.submit("quiet", "").await?;
    let took = Duration::from_secs(if bench.options.quick { 5 } else { 30 });
    let alone = part_of_a_core(server.pid(), took).await;
    let mut pages = Vec::new();
    for number in 0..200 {
        let mut page = server.connect().await?;
        page.listen(&STREAMS[number % STREAMS.len()].replace("/1/", &format!("/{id}/"))).await?;
        pages.push(page);
    }
    // What opening them costs is not meant.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let watched = part_of_a_core(server.pid(), took).await;
    table.value("idle: part of a core", alone * 100.0, "%", Target::None);
    table.value("idle, 200 open dashboards: part of a core", watched * 100.0, "%", Target::Below(10.0));
    drop(pages);
    connection.post(&format!("/api/v1/executions/{id}/terminate"), &json!({})).await?;
    server.stop().await
}

async fn part_of_a_core(pid: u32, took: Duration) -> f64 {
    let before = process::cpu_seconds(pid);
    tokio::time::sleep(took).await;
    (process::cpu_seconds(pid) - before) / took.as_secs_f64()
}
