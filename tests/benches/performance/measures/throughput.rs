//! How many executions a second, and how long a submit takes meanwhile.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;
use tokio::task::JoinSet;

use super::Bench;
use crate::{
    client::Connection,
    script,
    server::{self, Server},
    table::{Table, Target, quantile},
};

/// How many clients submit at a time.
const CONNECTIONS: usize = 16;

/// One request for all; every submit and every result durable.
pub(super) async fn bulk(bench: &Bench<'_>, table: &mut Table) -> Result<()> {
    let directory = server::directory()?;
    let server = Server::start(bench.pod, directory.path(), &["--slots", "2"]).await?;
    server.activity("hello", script::HELLO, json!({})).await?;
    let count = bench.options.scaled(10_000);
    let compared = bench
        .floor
        .around(async {
            let mut connection = server.connect().await?;
            let begin = Instant::now();
            let ids = connection.submit_many("hello", 0..count).await?;
            server.finished(&mut connection, count).await?;
            let rate = count as f64 / begin.elapsed().as_secs_f64();
            check(&mut connection, &ids).await?;
            Ok(rate)
        })
        .await?;
    table.value("floor: tokio output(), 2 at a time", compared.floor, "/s", Target::None);
    table.ratio("bulk: one request for all", (compared.rate, "/s"), compared.ratio(), Target::AtLeast(1.0));
    server.stop().await
}

/// One request for each, over kept connections.
pub(super) async fn single(bench: &Bench<'_>, table: &mut Table) -> Result<()> {
    let directory = server::directory()?;
    let server = Server::start(bench.pod, directory.path(), &["--slots", "2"]).await?;
    server.activity("hello", script::HELLO, json!({})).await?;
    let each = bench.options.scaled(10_000) / CONNECTIONS;
    let mut latencies = Vec::new();
    let compared = bench
        .floor
        .around(async {
            let mut clients = Vec::new();
            for _ in 0..CONNECTIONS {
                clients.push(server.connect().await?);
            }
            let mut watcher = server.connect().await?;
            let begin = Instant::now();
            let mut submitting = JoinSet::new();
            for (number, client) in clients.into_iter().enumerate() {
                submitting.spawn(submit_one_by_one(client, number * each, each));
            }
            let mut ids = Vec::new();
            while let Some(submitted) = submitting.join_next().await {
                let (given, took) = submitted??;
                ids.extend(given);
                latencies.extend(took);
            }
            server.finished(&mut watcher, each * CONNECTIONS).await?;
            Ok((each * CONNECTIONS) as f64 / begin.elapsed().as_secs_f64())
        })
        .await?;
    table.ratio(
        "single: a request each, 16 connections",
        (compared.rate, "/s"),
        compared.ratio(),
        Target::AtLeast(0.8),
    );
    table.value("  its submits, p50 (all 16 at full speed)", quantile(&mut latencies, 0.5), "ms", Target::None);
    table.value("  its submits, p99 (all 16 at full speed)", quantile(&mut latencies, 0.99), "ms", Target::None);
    server.stop().await
}

async fn submit_one_by_one(mut client: Connection, first: usize, count: usize) -> Result<(Vec<u64>, Vec<f64>)> {
    let (mut ids, mut took) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for number in first..first + count {
        let begin = Instant::now();
        ids.push(client.submit("hello", &number.to_string()).await?);
        took.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    Ok((ids, took))
}

/// How long a submit takes while both slots are busy and a queue waits.
pub(super) async fn busy(bench: &Bench<'_>, table: &mut Table) -> Result<()> {
    let directory = server::directory()?;
    let server = Server::start(bench.pod, directory.path(), &["--slots", "2"]).await?;
    server.activity("hello", script::HELLO, json!({})).await?;
    let mut client = server.connect().await?;
    client.submit_many("hello", 0..bench.options.scaled(30_000)).await?;
    let mut latencies = Vec::new();
    let mut beat = tokio::time::interval(Duration::from_millis(5));
    for number in 0..bench.options.scaled(1500) {
        beat.tick().await;
        let begin = Instant::now();
        client.submit("hello", &number.to_string()).await?;
        latencies.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    let overview = client.get("/api/v1/overview").await?;
    ensure!(overview["executions"]["waiting"].as_u64() > Some(0), "the queue ran empty while submits were measured");
    table.value("submit while busy, p50", quantile(&mut latencies, 0.5), "ms", Target::Below(1.0));
    table.value("submit while busy, p99", quantile(&mut latencies, 0.99), "ms", Target::Below(5.0));
    server.stop().await
}

/// A sample of what was kept: a fast answer that is wrong is worth nothing.
async fn check(connection: &mut Connection, ids: &[u64]) -> Result<()> {
    for (number, id) in ids.iter().enumerate().step_by((ids.len() / 50).max(1)) {
        let output = connection.ask("GET", &format!("/api/v1/executions/{id}/output?stream=stdout"), b"").await?;
        ensure!(output == format!("hello {number}\n").as_bytes(), "execution {id} has the output of another one");
    }
    Ok(())
}
