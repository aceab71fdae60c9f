//! How fast one execution may print, all of it kept and durable at its end.

use std::{fs, io::Write as _, path::Path, time::Instant};

use anyhow::{Result, ensure};
use serde_json::json;

use super::Bench;
use crate::{
    process,
    server::{self, Server},
    table::{Table, Target},
};

const MEGABYTE: f64 = 1e6;

/// Prints a file at full speed, beside `cat` of the same file into another one.
pub(super) async fn measure(bench: &Bench<'_>, table: &mut Table) -> Result<()> {
    let directory = server::directory()?;
    let size = bench.options.scaled(1_000_000_000);
    let source = directory.path().join("printed");
    fill(&source, size)?;
    let data = directory.path().join("data");
    let server = Server::start(bench.pod, &data, &["--slots", "2", "--output-cap", "2GiB"]).await?;
    server.activity("print", "#!/bin/sh\nexec cat \"$1\"\n", json!({})).await?;
    let mut connection = server.connect().await?;

    let before = cat(&source, directory.path())?;
    let begin = Instant::now();
    let id = connection.submit("print", &source.to_string_lossy()).await?;
    let execution = loop {
        let execution = connection.get(&format!("/api/v1/executions/{id}?wait=60")).await?;
        if execution["finishedAt"].is_string() {
            break execution;
        }
    };
    let rate = size as f64 / begin.elapsed().as_secs_f64() / MEGABYTE;
    let after = cat(&source, directory.path())?;
    ensure!(execution["status"] == "finished", "printing failed: {execution}");
    let kept = connection.ask("GET", &format!("/api/v1/executions/{id}/output?stream=stdout"), b"").await?;
    ensure!(kept == fs::read(&source)?, "what was kept is not what was printed");

    let ratio = rate / ((before + after) / 2.0);
    // Either is enough: 300 MB/s, or half of what this disk can do.
    let (absolute, relative) =
        if rate >= 300.0 { (Target::AtLeast(300.0), Target::None) } else { (Target::None, Target::AtLeast(0.5)) };
    table.value("output of one execution, kept and synced", rate, "MB/s", absolute);
    table.ratio("  beside cat into a file, synced", (rate / ratio, "MB/s"), ratio, relative);
    let manager = process::most_resident(server.pid()) as f64 / MEGABYTE;
    table.value("  the manager's memory at most", manager, "MB", Target::None);
    table.value("  a worker's memory at most", server.most_resident_worker() as f64 / MEGABYTE, "MB", Target::None);
    server.stop().await
}

/// Bytes that do not compress and do not repeat, the same at every run.
fn fill(path: &Path, size: usize) -> Result<()> {
    let mut file = std::io::BufWriter::with_capacity(1 << 20, fs::File::create(path)?);
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for _ in 0..size / 8 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        file.write_all(&state.to_le_bytes())?;
    }
    file.flush()?;
    Ok(())
}

/// `cat` of the same file into a file, synced as POD syncs; in MB/s.
fn cat(source: &Path, directory: &Path) -> Result<f64> {
    let target = directory.join("copied");
    let file = fs::File::create(&target)?;
    let begin = Instant::now();
    let status = std::process::Command::new("cat").arg(source).stdout(file.try_clone()?).status()?;
    ensure!(status.success(), "cat failed");
    file.sync_all()?;
    let took = begin.elapsed().as_secs_f64();
    fs::remove_file(&target)?;
    Ok(fs::metadata(source)?.len() as f64 / took / MEGABYTE)
}
