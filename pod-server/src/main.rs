//! The `pod` binary: manager, worker and client.

mod cli;

use clap::Parser;

use cli::{Cli, Exit, Failure};

fn main() -> ! {
    let cli = Cli::parse();
    let exit = match start(cli) {
        Ok(exit) => exit,
        Err(failure) => {
            if let Some(message) = failure.message {
                use std::io::Write;
                let _ = writeln!(std::io::stderr(), "pod: {message}");
            }
            failure.exit
        }
    };
    std::process::exit(exit.0.into())
}

fn start(cli: Cli) -> Result<Exit, Failure> {
    // The one place that chooses a provider; an error would mean that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Failure::new(format!("the runtime could not be started: {error}")))?;
    let outcome = runtime.block_on(cli::run(cli));
    // A thread that reads stdin may be blocked for ever.
    runtime.shutdown_background();
    outcome
}
