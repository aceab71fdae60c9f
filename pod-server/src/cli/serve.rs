//! `pod serve`: the manager.

use std::io::{self, Write};

use clap::Args;
use pod_server::{
    config::{Config, ServeArgs},
    serve::install_log,
};

use super::{
    console::Interrupts,
    failure::{Exit, Failure},
    host::{self, Hosting, Workers},
};

const EXAMPLES: &str = "\
Examples:
  pod serve                                        On http://127.0.0.1:8080, for this machine only
  POD_TOKEN=$(openssl rand -hex 32) pod serve --listen 0.0.0.0:8080
                                                   For others, who need the token
  pod serve --listen 127.0.0.1:0 --data-dir /tmp/x Any free port; the line `listening on …` names it";

/// Runs the manager: HTTP API, scheduler, and workers by its backend
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Serve {
    #[command(flatten)]
    settings: ServeArgs,
}

impl Serve {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let config = Config::resolve(&self.settings, &|name| std::env::var(name).ok())
            .map_err(|error| Failure::new(error.to_string()))?;
        let mut interrupts = Interrupts::listen()?;
        let starting = host::start(&config);
        let hosted = tokio::select! {
            hosting = starting => match hosting? {
                Hosting::Here(hosted) => hosted,
                Hosting::Held(error) => return Err(Failure::new(error.to_string())),
            },
            _ = interrupts.next() => return Ok(Exit::DONE),
        };
        // Not without a log where none can be written: a full disk must not keep the manager from emptying it.
        let _ = install_log(&config.data_dir);
        // One write, so that whoever waits for the line gets all of it.
        let _ = io::stderr().write_all(format!("listening on {}\n", hosted.address()).as_bytes());
        tokio::select! {
            _ = interrupts.next() => {
                hosted.stop(Workers::Stay).await;
                Ok(Exit::DONE)
            }
            error = hosted.ended() => Err(Failure::new(error.to_string())),
        }
    }
}
