//! The same work in containers, beside the worker processes of this machine and the floor, all in the same run.

use std::{process::Stdio, time::Instant};

use anyhow::{Result, ensure};
use pod_backends::docker::end_containers;
use serde_json::json;
use tokio::process::Command;

use super::Bench;
use crate::{
    floor::Compared,
    script,
    server::{self, Server},
    table::{Table, Target},
};

/// An image of this machine's own shells, so that containers run what the floor runs.
const MAKE_IMAGE: &str = "tar chf - /bin/sh /bin/bash /bin/cat $(ldd /bin/sh /bin/bash /bin/cat | grep -o '/[^ )]*' | \
                          grep -v ':$' | sort -u) 2>/dev/null | docker import - \"$0\"";

/// Measures, where an engine is.
pub(super) async fn measure(bench: &Bench<'_>, table: &mut Table) -> Result<()> {
    if !quiet("docker version").await {
        println!("docker: left out, because no container engine answers (docker version tells why)");
        return Ok(());
    }
    let image = format!("pod-bench:{}", std::process::id());
    let made = Command::new("sh").args(["-c", MAKE_IMAGE, &image]).stdout(Stdio::null()).status().await?;
    ensure!(made.success(), "the image could not be made");
    let outcome = compare(bench, &image, table).await;
    quiet(&format!("docker rmi {image}")).await;
    outcome
}

async fn compare(bench: &Bench<'_>, image: &str, table: &mut Table) -> Result<()> {
    let docker = ["--backend", "docker", "--docker-image", image];
    let local = bulk(bench, &["--slots", "2"], 1).await?;
    let one = bulk(bench, &[&docker[..], &["--slots", "2"]].concat(), 1).await?;
    let two = bulk(bench, &[&docker[..], &["--slots", "1"]].concat(), 2).await?;
    let mut row = |name, compared: Compared, target| {
        table.ratio(name, (compared.rate, "/s"), compared.ratio(), target);
    };
    row("docker: bulk on the local backend", local, Target::None);
    row("docker: bulk in a container of 2 slots", one, Target::AtLeast(0.8));
    row("docker: bulk in 2 containers of 1 slot", two, Target::AtLeast(0.8));
    Ok(())
}

async fn bulk(bench: &Bench<'_>, arguments: &[&str], workers: usize) -> Result<Compared> {
    let directory = server::directory()?;
    let server = Server::start(bench.pod, directory.path(), arguments).await?;
    let measured = on(bench, &server, workers).await;
    let stopped = server.stop().await;
    end_containers(directory.path()).await;
    stopped?;
    measured
}

async fn on(bench: &Bench<'_>, server: &Server, workers: usize) -> Result<Compared> {
    let mut connection = server.connect().await?;
    let rules = json!({ "name": "fixed", "rules": { "fixedWorkers": workers } });
    connection.post("/api/v1/policies", &rules).await?;
    connection.post("/api/v1/policies/fixed/apply", &json!({})).await?;
    server.activity("hello", script::HELLO, json!({})).await?;
    // All workers are there, and have it installed.
    let warm = 200;
    connection.submit_many("hello", 0..warm).await?;
    server.finished(&mut connection, warm).await?;
    let count = bench.options.scaled(5000);
    bench
        .floor
        .around(async {
            let begin = Instant::now();
            connection.submit_many("hello", 0..count).await?;
            server.finished(&mut connection, warm + count).await?;
            Ok(count as f64 / begin.elapsed().as_secs_f64())
        })
        .await
}

async fn quiet(command: &str) -> bool {
    let mut command_line = command.split(' ');
    let Some(program) = command_line.next() else { return false };
    let status = Command::new(program).args(command_line).stdout(Stdio::null()).stderr(Stdio::null()).status().await;
    status.is_ok_and(|status| status.success())
}
