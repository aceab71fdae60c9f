//! What is done to single executions: wait, terminate, retry, explain.

use std::time::Duration;

use clap::Args;

use super::{
    connection::ManagerOptions,
    console::{self, print_line},
    failure::{Exit, Failure},
    ids::execution_id,
    relay::wait_for_end,
    times::parse_duration,
    verdict::verdict,
};

/// Waits until executions have ended
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  pod wait 17                   Returns when it has ended; prints its status
  pod wait 17 --exit-status     Exits with the exit code of the program
  pod wait 17 18 --timeout 5m   Waits for both; exits with 1 if it takes longer")]
pub(crate) struct Wait {
    /// The ids of the executions
    #[arg(value_name = "ID", required = true, value_parser = execution_id)]
    ids: Vec<u64>,

    /// Exit with the exit code of the program (128+N for signal N); of several, with the first that is not 0
    #[arg(long)]
    exit_status: bool,

    /// Wait no longer than this, and exit with 1 then: 30s, 5m, 1h30m
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,

    #[command(flatten)]
    manager: ManagerOptions,
}

impl Wait {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let client = self.manager.client()?;
        let waiting = async {
            let mut exit = Exit::DONE;
            for id in &self.ids {
                let execution = wait_for_end(&client, *id).await?;
                let (code, sentence) = verdict(&execution);
                print_line(execution.status.as_str())?;
                if self.exit_status && exit == Exit::DONE {
                    exit = code;
                    sentence.into_iter().for_each(console::note);
                }
            }
            Ok(exit)
        };
        match self.timeout {
            None => waiting.await,
            Some(limit) => tokio::time::timeout(limit, waiting).await.unwrap_or_else(|_| {
                Err(Failure::new("the time is up and not all of the executions have ended; see `pod ps`"))
            }),
        }
    }
}

/// Terminates executions, and returns when all their processes are gone
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  pod terminate 17
  pod ps --activity thumbs -o ndjson | jq .id | xargs pod terminate")]
pub(crate) struct Terminate {
    /// The ids of the executions
    #[arg(value_name = "ID", required = true, value_parser = execution_id)]
    ids: Vec<u64>,

    #[command(flatten)]
    manager: ManagerOptions,
}

impl Terminate {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let client = self.manager.client()?;
        let mut outcome = Ok(Exit::DONE);
        let mut asked = Vec::new();
        // All are asked to end before any is waited for: their grace times run side by side.
        for id in self.ids {
            match client.terminate(id).await {
                Ok(()) => asked.push(id),
                // It may have ended since its id was read from a list: what was wanted is so.
                Err(error) if error.is_conflict() => console::note(format!("execution {id} has already ended")),
                Err(error) => outcome = keep_going(outcome, error.into()),
            }
        }
        for id in asked {
            wait_for_end(&client, id).await?;
        }
        outcome
    }
}

/// Runs ended executions again, as new ones, and prints their ids
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  pod retry 17
  pod logs -f $(pod retry 17)")]
pub(crate) struct Retry {
    /// The ids of the executions
    #[arg(value_name = "ID", required = true, value_parser = execution_id)]
    ids: Vec<u64>,

    #[command(flatten)]
    manager: ManagerOptions,
}

impl Retry {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let client = self.manager.client()?;
        let mut outcome = Ok(Exit::DONE);
        for id in self.ids {
            match client.retry(id).await {
                Ok(execution) => print_line(execution.id.to_string())?,
                Err(error) => outcome = keep_going(outcome, error.into()),
            }
        }
        outcome
    }
}

/// Says why an execution waits, or what became of it
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  pod explain 17")]
pub(crate) struct Explain {
    /// The id of the execution
    #[arg(value_name = "ID", value_parser = execution_id)]
    id: u64,

    /// Print all that is known as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    manager: ManagerOptions,
}

impl Explain {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let explanation = self.manager.client()?.explain(self.id).await?;
        if self.json {
            let text = serde_json::to_string_pretty(&explanation).map_err(std::io::Error::from)?;
            print_line(text)?;
        } else {
            for sentence in &explanation.sentences {
                print_line(sentence)?;
            }
        }
        Ok(Exit::DONE)
    }
}

/// Of several ids, one that fails does not keep the others from their turn: earlier failures are said, the last is
/// returned.
fn keep_going(outcome: Result<Exit, Failure>, failure: Failure) -> Result<Exit, Failure> {
    if let Err(Failure { message: Some(earlier), .. }) = outcome {
        console::note(earlier);
    }
    Err(failure)
}
