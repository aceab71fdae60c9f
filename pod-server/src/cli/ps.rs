//! `pod ps`: executions, newest first.

use clap::Args;
use jiff::Timestamp;
use pod_core::domain::ExecutionStatus;
use pod_server::client::{Client, Execution, ExecutionFilter};

use super::{
    connection::ManagerOptions,
    exit_code,
    failure::{Exit, Failure},
    filter::Filter,
    listing::{Format, Listing, Row},
    printable::{fitting, printable},
    suggestions, times,
};

const EXAMPLES: &str = "\
Examples:
  pod ps                               What waits and runs
  pod ps -a --activity thumbs          All that are kept of an activity
  pod ps --status failed -n 20         The last 20 that failed
  pod ps -a --since 2h --until 1h      All of the hour before the last
  pod ps -a -o ndjson | jq .exitCode   A line of JSON per execution";

/// Executions per request.
const PAGE_SIZE: usize = 500;

/// Lists executions, newest first: those that wait or run, unless asked otherwise
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Ps {
    /// Also those that have ended
    #[arg(short, long)]
    all: bool,

    #[command(flatten)]
    filter: Filter,

    /// At most so many
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<usize>,

    #[command(flatten)]
    format: Format,

    #[command(flatten)]
    manager: ManagerOptions,
}

impl Ps {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let client = self.manager.client().await?;
        let statuses = match (self.all, self.filter.status) {
            (_, Some(status)) => vec![Some(status)],
            (true, None) => vec![None],
            // Waiting ones are newer than running ones, nearly always.
            (false, None) => vec![Some(ExecutionStatus::Waiting), Some(ExecutionStatus::Running)],
        };
        let mut listing = Listing::on_stdout(self.format);
        let mut left = self.limit.unwrap_or(usize::MAX);
        let mut shown = 0;
        for status in statuses {
            let mut filter = Filter { status, ..self.filter.clone() }.to_query();
            while left > 0 {
                filter.limit = Some(left.min(PAGE_SIZE));
                let Some(rows) = next_page(&client, &mut filter).await? else { break };
                left -= rows.len().min(left);
                shown += rows.len();
                listing.add(&rows)?;
                if filter.cursor.is_none() {
                    break;
                }
            }
        }
        if shown == 0 {
            listing.add::<ExecutionRow>(&[])?;
        }
        listing.end()?;
        Ok(Exit::DONE)
    }
}

async fn next_page(client: &Client, filter: &mut ExecutionFilter) -> Result<Option<Vec<ExecutionRow>>, Failure> {
    let page = match (client.executions(filter).await, &filter.activity) {
        (Err(error), Some(name)) => return Err(suggestions::activity_failure(client, name, error).await),
        (page, _) => page?,
    };
    filter.cursor = page.next;
    let rows: Vec<ExecutionRow> = page.items.into_iter().map(ExecutionRow).collect();
    Ok((!rows.is_empty()).then_some(rows))
}

/// An execution in a list.
#[derive(Debug, serde::Serialize)]
#[serde(transparent)]
pub(crate) struct ExecutionRow(pub(crate) Execution);

/// Columns of an input in a table.
const MAX_INPUT_COLUMNS: usize = 40;

impl Row for ExecutionRow {
    const HEADINGS: &'static [&'static str] = &["ID", "ACTIVITY", "STATUS", "CODE", "SUBMITTED", "TOOK", "INPUT"];

    fn cells(&self) -> Vec<String> {
        let execution = &self.0;
        let now = Timestamp::now();
        let took = execution
            .started_at
            .map(|started| times::span(started, execution.finished_at.unwrap_or(now)))
            .unwrap_or_default();
        vec![
            execution.id.to_string(),
            execution.activity.clone(),
            execution.status.as_str().to_owned(),
            exit_code::code_text(execution),
            times::ago(execution.submitted_at, now),
            took,
            fitting(&printable(execution.input.as_deref().unwrap_or_default()), MAX_INPUT_COLUMNS),
        ]
    }
}
