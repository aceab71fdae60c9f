//! How long one waits for the first byte when nothing else is going on.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;

use super::Bench;
use crate::{
    script,
    server::{self, Server},
    table::{Table, Target, quantile},
};

/// From the first byte of the submit to the first byte of output at a follower.
pub(super) async fn measure(bench: &Bench<'_>, table: &mut Table) -> Result<()> {
    let directory = server::directory()?;
    let server = Server::start(bench.pod, directory.path(), &["--slots", "2"]).await?;
    server.activity("hello", script::HELLO, json!({})).await?;
    let (mut submitter, mut follower) = (server.connect().await?, server.connect().await?);
    let (mut submits, mut firsts) = (Vec::new(), Vec::new());
    for number in 0..bench.options.scaled(300) {
        // Idle means idle: whatever the last one left to do is done.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let begin = Instant::now();
        let id = submitter.submit("hello", &number.to_string()).await?;
        submits.push(begin.elapsed().as_secs_f64() * 1e3);
        follower.first_byte(id).await?;
        firsts.push(begin.elapsed().as_secs_f64() * 1e3);
        follower.rest().await?;
    }
    table.value("submit when idle, p50", quantile(&mut submits, 0.5), "ms", Target::None);
    table.value("idle: submit → first output byte, p50", quantile(&mut firsts, 0.5), "ms", Target::Below(5.0));
    table.value("idle: submit → first output byte, p99", quantile(&mut firsts, 0.99), "ms", Target::None);
    server.stop().await
}
