//! Whether a long queue costs anything but disk: one activity waits by the thousand, another one runs.

use std::time::Instant;

use anyhow::Result;
use serde_json::json;

use super::Bench;
use crate::{
    process, script,
    server::{self, Server},
    table::{Table, Target},
};

const MEGABYTE: f64 = 1e6;

/// The rate of one activity and the memory of the manager behind 1,000, 100,000 and a million executions of another.
pub(super) async fn measure(bench: &Bench<'_>, table: &mut Table) -> Result<()> {
    let directory = server::directory()?;
    // One slot is taken by the execution that the queue waits for; two are left to run.
    let arguments = ["--slots", "3"];
    let server = Server::start(bench.pod, directory.path(), &arguments).await?;
    server.activity("blocked", "#!/bin/sh\nexec sleep 86400\n", json!({"maxConcurrency": 1})).await?;
    server.activity("hello", script::HELLO, json!({})).await?;
    let mut connection = server.connect().await?;
    connection.submit("blocked", "first").await?;

    let levels: &[(usize, &str, Target)] =
        &[(1_000, "1k", Target::None), (100_000, "100k", Target::Below(60.0)), (1_000_000, "1M", Target::Below(120.0))];
    let levels = if bench.options.quick { &levels[..2] } else { levels };
    let (mut waiting, mut run, mut first_ratio) = (0, 0, None);
    for (level, name, memory) in levels {
        let begin = Instant::now();
        connection.submit_many("blocked", waiting..*level).await?;
        if *level > 1_000 {
            let rate = (level - waiting) as f64 / begin.elapsed().as_secs_f64();
            table.value(&format!("accepted in batches up to {name}"), rate, "/s", Target::None);
        }
        waiting = *level;
        let count = bench.options.scaled(5_000);
        let compared = bench
            .floor
            .around(async {
                let begin = Instant::now();
                connection.submit_many("hello", 0..count).await?;
                server.finished(&mut connection, run + count).await?;
                Ok(count as f64 / begin.elapsed().as_secs_f64())
            })
            .await?;
        run += count;
        let first = *first_ratio.get_or_insert(compared.ratio());
        let label = format!("{name} of another wait: {:.2} of the floor, beside 1k", compared.ratio());
        let target = if *level > 1_000 { Target::AtLeast(0.9) } else { Target::None };
        table.ratio(&label, (compared.rate, "/s"), compared.ratio() / first, target);
        let resident = process::resident(server.pid()) as f64 / MEGABYTE;
        table.value(&format!("{name} of another wait: memory of the manager"), resident, "MB", *memory);
    }

    server.kill().await?;
    let again = Server::start(bench.pod, directory.path(), &arguments).await?;
    let name = levels[levels.len() - 1].1;
    let started = again.started_in.as_secs_f64();
    table.value(&format!("start after kill -9 with {name} waiting"), started, "s", Target::Below(2.0));
    again.stop().await
}
