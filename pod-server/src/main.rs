//! The `pod` binary: manager, worker and client.

mod cli;

use clap::Parser;
use tokio::runtime::Builder;

use cli::{Cli, Exit, Failure};

fn main() -> ! {
    // Before anything secret is read: programs of the same user see neither the environment nor the memory of manager,
    // worker and client. What these start is another program, of which this does not hold.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    pod_backends::inherited::keep();
    let cli = parse();
    let exit = match start(cli) {
        Ok(exit) => exit,
        Err(failure) => {
            failure.message.iter().for_each(cli::note);
            failure.exit
        }
    };
    std::process::exit(exit.0.into())
}

/// Parses the command line, or ends with a usage error.
fn parse() -> Cli {
    Cli::try_parse().unwrap_or_else(|error| {
        // The error quotes the command line, which may hold file names with control characters.
        let shown = std::env::args_os().map(|argument| cli::printable::printable(&argument.to_string_lossy()));
        Cli::try_parse_from(shown).err().unwrap_or(error).exit()
    })
}

fn start(cli: Cli) -> Result<Exit, Failure> {
    // The one place that chooses a provider; an error would mean that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // A worker moves messages between slots and link: one thread does that without waking another for each.
    let mut runtime = if cli.is_worker() { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    if cli.is_worker() {
        // Where programs have used up the processes that there may be, no thread could be made again.
        runtime.thread_keep_alive(std::time::Duration::MAX);
    }
    let runtime = runtime
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("the runtime could not be started: {error}")))?;
    let outcome = runtime.block_on(cli::run(cli));
    // A thread that reads stdin may be blocked for ever.
    runtime.shutdown_background();
    outcome
}
