//! How fast POD is, measured against the floor of the same minutes: a program that starts the same script itself.
//!
//! `cargo bench -p pod-tests` runs everything, `-- --quick` a shorter version, `-- bulk idle` only those.
//! Absolute figures differ between machines and hours; ratios to the floor hold. docs/performance.md tells what each is.
#![allow(clippy::print_stdout, reason = "its output is the table")]

mod client;
mod floor;
mod measures;
mod options;
mod process;
mod script;
mod server;
mod table;

use anyhow::Result;

use crate::{options::Options, table::Table};

fn main() -> Result<()> {
    let Some(options) = Options::from_arguments(std::env::args().skip(1))? else { return Ok(()) };
    let pod = server::build(&options)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut table = Table::default();
    let outcome = runtime.block_on(measures::run(&options, &pod, &mut table));
    println!("\n{table}");
    outcome
}
