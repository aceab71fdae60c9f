//! The measures, in the order in which they run.

mod dashboards;
mod docker;
mod flood;
mod followers;
mod idle;
mod output;
mod pages;
mod pairs;
mod planner;
mod throughput;
mod waiting;
mod workdir;

use std::path::Path;

use anyhow::{Result, ensure};

use crate::{floor::Floor, options::Options, server, table::Table};

/// What can be asked for by name.
pub(crate) const NAMES: [&str; 13] = [
    "planner",
    "bulk",
    "single",
    "busy",
    "idle",
    "waiting",
    "output",
    "flood",
    "followers",
    "pages",
    "dashboards",
    "docker",
    "workdir",
];

/// Runs what was asked for; what could not be measured is an error at the end.
pub(crate) async fn run(options: &Options, pod: &Path, table: &mut Table) -> Result<()> {
    let directory = server::directory()?;
    let floor = Floor::new(directory.path(), options.scaled(5000))?;
    let bench = Bench { options, pod, floor: &floor };
    // The first round of anything pays for cold caches; it must not be the floor's alone.
    floor.rate().await?;
    let mut failed = Vec::new();
    for name in NAMES {
        if !options.wants(name) {
            continue;
        }
        let outcome = match &options.against {
            None => measure(name, &bench, table).await,
            Some(before) => pairs::measure(name, &bench, &Bench { pod: before, ..bench }, table).await,
        };
        // One that fails must not hide what the others say.
        if let Err(error) = outcome {
            println!("{name} FAILED: {error:#}");
            failed.push(name);
        }
    }
    ensure!(failed.is_empty(), "these could not be measured: {}", failed.join(", "));
    Ok(())
}

async fn measure(name: &str, bench: &Bench<'_>, table: &mut Table) -> Result<()> {
    match name {
        "planner" => planner::measure(bench, table),
        "bulk" => throughput::bulk(bench, table).await,
        "single" => throughput::single(bench, table).await,
        "busy" => throughput::busy(bench, table).await,
        "idle" => idle::measure(bench, table).await,
        "waiting" => waiting::measure(bench, table).await,
        "output" => output::measure(bench, table).await,
        "flood" => flood::measure(bench, table).await,
        "pages" => pages::measure(bench, table).await,
        "dashboards" => dashboards::measure(bench, table).await,
        "docker" => docker::measure(bench, table).await,
        "workdir" => workdir::measure(bench, table).await,
        _ => followers::measure(bench, table).await,
    }
}

/// What every measure needs.
#[derive(Clone, Copy, Debug)]
struct Bench<'a> {
    options: &'a Options,
    pod: &'a Path,
    floor: &'a Floor,
}
