//! A thousand that follow one execution.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tokio::task::JoinSet;

use super::Bench;
use crate::{
    server::{self, Server},
    table::{Table, Target},
};

/// Prints so many lines, with a pause after every hundredth.
const TALKER: &str = "#!/bin/sh\ni=0\nwhile [ $i -lt $1 ]; do echo \"line $i of a program that talks\"; i=$((i+1));\n\
                      [ $((i % 100)) -eq 0 ] && sleep 0.05; done\n";

/// Whether each sees every byte, and whether the execution is slower for it.
pub(super) async fn measure(bench: &Bench<'_>, table: &mut Table) -> Result<()> {
    let directory = server::directory()?;
    let server = Server::start(bench.pod, directory.path(), &["--slots", "2"]).await?;
    server.activity("talk", TALKER, json!({})).await?;
    let lines = 4_000;
    let alone = run(&server, lines, 0).await?;
    let count = bench.options.scaled(1_000);
    let watched = run(&server, lines, count).await?;
    let label = format!("{count} followers of one execution: its time beside none");
    table.ratio(&label, (watched, "s"), watched / alone, Target::Below(1.5));
    server.stop().await
}

/// How long an execution runs, in seconds by its own times, while so many follow it.
async fn run(server: &Server, lines: usize, followers: usize) -> Result<f64> {
    let expected: usize = (0..lines).map(|line| format!("line {line} of a program that talks\n").len()).sum();
    let mut connection = server.connect().await?;
    let mut connections = Vec::new();
    for _ in 0..followers {
        connections.push(server.connect().await?);
    }
    let begin = Instant::now();
    let id = connection.submit("talk", &lines.to_string()).await?;
    let mut following = JoinSet::new();
    for mut follower in connections {
        following.spawn(async move { follower.follow(id).await });
    }
    let execution = connection.get(&format!("/api/v1/executions/{id}?wait=300")).await?;
    let took = begin.elapsed().as_secs_f64();
    ensure!(execution["status"] == "finished", "it did not finish: {execution}");
    while let Some(seen) = following.join_next().await {
        let seen = seen?.context("a follower was cut off")?;
        ensure!(seen == expected, "a follower saw {seen} of {expected} bytes");
    }
    Ok(took)
}
