//! `pod wait`, `pod terminate`, `pod retry` and `pod explain`.

use std::time::Duration;

use clap::Args;
use pod_core::domain::RetryRevision;
use pod_server::client::{BulkOutcome, Client, ClientError, ExecutionFilter};

use super::{
    connection::ManagerOptions,
    console::{self, print_json, print_line},
    exit_code::describe_end,
    failure::{Exit, Failure},
    filter::Filter,
    ids::execution_id,
    reconnect,
    relay::wait_for_end,
    suggestions,
    times::parse_duration,
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
        let client = reconnect::for_wait(&self.manager.client().await?);
        let waiting = async {
            let mut exit = Exit::DONE;
            for id in &self.ids {
                let execution = wait_for_end(&client, *id).await?;
                let (code, sentence) = describe_end(&execution);
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
///
/// With a filter instead of ids: all that match and wait or run. It returns when all of them have been asked to end.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  pod terminate 17
  pod terminate 17 --no-wait   Returns when it has been asked to end
  pod terminate --activity thumbs --status waiting")]
pub(crate) struct Terminate {
    /// The ids of the executions
    #[arg(value_name = "ID", value_parser = execution_id, required_unless_present_any = Filter::OPTIONS,
        conflicts_with_all = Filter::OPTIONS)]
    ids: Vec<u64>,

    /// Return as soon as they have been asked to end: that may take as long as their grace time
    #[arg(long)]
    no_wait: bool,

    #[command(flatten)]
    filter: Filter,

    #[command(flatten)]
    manager: ManagerOptions,
}

impl Terminate {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let client = self.manager.client().await?;
        if self.ids.is_empty() {
            let mut bulk = BulkRun::of(&self.filter);
            let mut count = 0;
            while let Some(filter) = bulk.filter() {
                let portion = client.terminate_matching(filter).await;
                count += bulk.took(&client, portion).await?.len();
            }
            print_line(bulk.summary(count, "being terminated"))?;
            return Ok(Exit::DONE);
        }
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
        if self.no_wait {
            return outcome;
        }
        let client = reconnect::for_wait(&client);
        for id in asked {
            wait_for_end(&client, id).await?;
        }
        outcome
    }
}

/// Runs ended executions again, as new ones, and prints their ids
///
/// Each runs the revision of its activity that it ran before, unless --latest says otherwise.
///
/// With a filter instead of ids: all that match and have ended.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  pod retry 17
  pod logs -f $(pod retry 17)
  pod retry --activity thumbs --status failed --since 1h
  pod retry --latest 17              With the program as it is now")]
pub(crate) struct Retry {
    /// The ids of the executions
    #[arg(value_name = "ID", value_parser = execution_id, required_unless_present_any = Filter::OPTIONS,
        conflicts_with_all = Filter::OPTIONS)]
    ids: Vec<u64>,

    /// Run the current revision of the activity, instead of the one that was run
    #[arg(long)]
    latest: bool,

    #[command(flatten)]
    filter: Filter,

    #[command(flatten)]
    manager: ManagerOptions,
}

impl Retry {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let client = self.manager.client().await?;
        let revision = if self.latest { RetryRevision::Latest } else { RetryRevision::Same };
        if self.ids.is_empty() {
            let mut bulk = BulkRun::of(&self.filter);
            let key = uuid::Uuid::new_v4().to_string();
            while let Some(filter) = bulk.filter() {
                let portion = client.retry_matching(filter, revision, &key).await;
                for id in bulk.took(&client, portion).await? {
                    print_line(id.to_string())?;
                }
            }
            bulk.refused.into_iter().for_each(console::note);
            return Ok(Exit::DONE);
        }
        let mut outcome = Ok(Exit::DONE);
        for id in self.ids {
            match client.retry(id, revision, &uuid::Uuid::new_v4().to_string()).await {
                Ok(execution) => print_line(execution.id.to_string())?,
                Err(error) => outcome = keep_going(outcome, error.into()),
            }
        }
        outcome
    }
}

/// A bulk action on all executions that match a filter, one page per request.
struct BulkRun {
    filter: ExecutionFilter,
    over: bool,
    /// How many were refused, and why the first was, as a sentence.
    refused: Option<String>,
    count: u64,
}

impl BulkRun {
    /// Executions per request.
    const BULK_PAGE_SIZE: usize = 1000;

    fn of(filter: &Filter) -> Self {
        let filter = ExecutionFilter { limit: Some(Self::BULK_PAGE_SIZE), ..filter.to_query() };
        Self { filter, over: false, refused: None, count: 0 }
    }

    fn filter(&self) -> Option<&ExecutionFilter> {
        (!self.over).then_some(&self.filter)
    }

    async fn took(&mut self, client: &Client, portion: Result<BulkOutcome, ClientError>) -> Result<Vec<u64>, Failure> {
        let portion = match (portion, &self.filter.activity) {
            (Err(error), Some(name)) => return Err(suggestions::activity_failure(client, name, error).await),
            (portion, _) => portion?,
        };
        self.over = portion.next.is_none();
        self.filter.cursor = portion.next;
        self.count += portion.refused;
        if let Some(reason) = portion.reason {
            self.refused = Some(format!("{} could not: {reason}", self.count));
        }
        Ok(portion.ids)
    }

    fn summary(&self, done: usize, what: &str) -> String {
        let done = if done == 1 { format!("1 execution is {what}") } else { format!("{done} executions are {what}") };
        match self.count {
            0 => done,
            ended => format!("{done}; {ended} had already ended"),
        }
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
        let explanation = self.manager.client().await?.explain(self.id).await?;
        if self.json {
            let text = serde_json::to_string_pretty(&explanation).map_err(std::io::Error::from)?;
            print_json(text)?;
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
