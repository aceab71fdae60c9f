//! What one execution that floods costs those who submit beside it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use serde_json::json;
use tokio::task::JoinSet;

use super::Bench;
use crate::{
    process, script,
    server::{self, Server},
    table::{Table, Target, quantile},
};

/// How many clients submit at a time.
const CLIENTS: usize = 16;
/// Each submits so often: at full speed they would measure each other.
const BEAT: Duration = Duration::from_millis(40);
/// What one flood prints.
const FLOOD: usize = 1_000_000_000;

/// The submits of 16 clients, quiet, and beside floods of 1 GB, one after the other, in the same run.
pub(super) async fn measure(bench: &Bench<'_>, table: &mut Table) -> Result<()> {
    let directory = server::directory()?;
    let server = Server::start(bench.pod, directory.path(), &["--slots", "2"]).await?;
    server.activity("hello", script::HELLO, json!({})).await?;
    server.activity("flood", &format!("#!/bin/sh\nexec head -c {FLOOD} /dev/zero\n"), json!({})).await?;
    let each = bench.options.scaled(4000) / CLIENTS;
    submits(&server, each / 4).await?; // caches, and the programs' pages
    let mut quiet = submits(&server, each).await?;

    let stop = Arc::new(AtomicBool::new(false));
    let mut connection = server.connect().await?;
    let first = connection.submit("flood", "").await?;
    connection.first_byte(first).await?;
    let mut flooding = server.connect().await?;
    let enough = stop.clone();
    let floods = tokio::spawn(async move {
        let (mut id, mut count) = (first, 0);
        loop {
            let execution = flooding.get(&format!("/api/v1/executions/{id}?wait=60")).await?;
            if execution["finishedAt"].is_string() {
                ensure!(execution["status"] == "finished", "a flood did not finish: {execution}");
                count += 1;
                if enough.load(Ordering::Relaxed) {
                    return Ok(count);
                }
                id = flooding.submit("flood", "").await?;
            }
        }
    });
    let mut flooded = submits(&server, each).await?;
    stop.store(true, Ordering::Relaxed);
    let floods: u32 = floods.await??;

    let (quiet, flooded) = (quantile(&mut quiet, 0.99), quantile(&mut flooded, 0.99));
    table.value("submits of 16 clients, nothing else going on, p99", quiet, "ms", Target::None);
    table.ratio("submits of 16 clients beside a flood, p99", (flooded, "ms"), flooded / quiet, Target::Below(3.0));
    table.value("  floods of 1 GB meanwhile", f64::from(floods), "", Target::None);
    let manager = process::most_resident(server.pid()) as f64 / 1e6;
    table.value("  the manager's memory at most", manager, "MB", Target::None);
    server.stop().await
}

/// What every client waited for each of its submits, in milliseconds.
async fn submits(server: &Server, each: usize) -> Result<Vec<f64>> {
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let mut client = server.connect().await?;
        clients.spawn(async move {
            // Spread over the beat.
            tokio::time::sleep(BEAT * number as u32 / CLIENTS as u32).await;
            let mut beat = tokio::time::interval(BEAT);
            let mut took = Vec::with_capacity(each);
            for input in 0..each {
                beat.tick().await;
                let begin = Instant::now();
                client.submit("hello", &input.to_string()).await?;
                took.push(begin.elapsed().as_secs_f64() * 1e3);
            }
            Ok::<_, anyhow::Error>(took)
        });
    }
    let mut all = Vec::new();
    while let Some(took) = clients.join_next().await {
        all.extend(took??);
    }
    Ok(all)
}
