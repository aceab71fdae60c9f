//! Lists of activities, workers and policies.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use pod_server::client::{Activity, Policy, Worker};
use serde::Serialize;

use super::{
    connection::ManagerOptions,
    failure::{Exit, Failure},
    listing::{Format, Listing, Row},
    suggestions, times,
};

/// Prints a list page by page.
macro_rules! print_pages {
    ($options:expr, $request:ident, $row:ident) => {{
        let client = $options.manager.client().await?;
        let mut listing = Listing::on_stdout($options.format);
        let mut cursor: Option<String> = None;
        loop {
            let page = client.$request(cursor.as_deref()).await?;
            let rows: Vec<$row> = page.items.into_iter().map($row).collect();
            listing.add(&rows)?;
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        listing.end()?;
        Ok(Exit::DONE)
    }};
}

/// What every list is asked with.
#[derive(Args, Debug)]
pub(crate) struct ListOptions {
    #[command(flatten)]
    format: Format,

    #[command(flatten)]
    manager: ManagerOptions,
}

/// Lists activities
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  pod activities
  pod activities -o json")]
pub(crate) struct Activities {
    #[command(flatten)]
    options: ListOptions,
}

impl Activities {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        print_pages!(self.options, activities, ActivityRow)
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct ActivityRow(Activity);

impl Row for ActivityRow {
    const HEADINGS: &'static [&'static str] =
        &["NAME", "STATUS", "REVISION", "WAITING", "RUNNING", "FINISHED", "FAILED", "PROBLEM"];

    fn cells(&self) -> Vec<String> {
        let activity = &self.0;
        let counts = activity.executions.unwrap_or_default();
        vec![
            activity.name.clone(),
            activity.status.clone(),
            activity.revision.to_string(),
            counts.waiting.to_string(),
            counts.running.to_string(),
            counts.finished.to_string(),
            (counts.failed + counts.timed_out).to_string(),
            activity.error_description.clone().unwrap_or_default(),
        ]
    }
}

/// Lists workers
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  pod workers
  pod workers -o ndjson | jq 'select(.status == \"working\")'")]
pub(crate) struct Workers {
    #[command(flatten)]
    options: ListOptions,
}

impl Workers {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        print_pages!(self.options, workers, WorkerRow)
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct WorkerRow(Worker);

impl Row for WorkerRow {
    const HEADINGS: &'static [&'static str] = &["ID", "STATUS", "BUSY", "SLOTS", "HOST", "SEEN", "REASON"];

    fn cells(&self) -> Vec<String> {
        let worker = &self.0;
        let now = Timestamp::now();
        vec![
            worker.id.to_string(),
            worker.status.clone(),
            worker.attempts.len().min(usize::try_from(worker.slots).unwrap_or(usize::MAX)).to_string(),
            worker.slots.to_string(),
            worker.host.clone().unwrap_or_default(),
            worker.last_seen_at.map(|seen| times::ago(seen, now)).unwrap_or_default(),
            worker.reason.clone().unwrap_or_default(),
        ]
    }
}

/// Shows and changes how the fleet of workers grows and shrinks
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  pod policy list
  pod policy new busy minWorkers=1,maxWorkers=8
  pod policy apply busy
  pod policy apply default
  pod policy delete busy")]
pub(crate) struct PolicyCommand {
    #[command(subcommand)]
    action: PolicyAction,
}

#[derive(Subcommand, Debug)]
enum PolicyAction {
    /// Lists policies
    List(ListOptions),
    /// Makes a policy
    New {
        /// Its name
        name: String,
        /// Its rules: minWorkers, maxWorkers, fixedWorkers, maxWait and terminationTime (ms)
        #[arg(value_name = "RULE=VALUE,…", value_parser = rules)]
        rules: BTreeMap<String, String>,
        #[command(flatten)]
        manager: ManagerOptions,
    },
    /// Makes a policy the active one
    Apply {
        /// Its name; `default` is the built-in one
        name: String,
        #[command(flatten)]
        manager: ManagerOptions,
    },
    /// Deletes a policy; the default one takes over if it was active
    Delete {
        /// Its name
        name: String,
        #[command(flatten)]
        manager: ManagerOptions,
    },
}

fn rules(text: &str) -> Result<BTreeMap<String, String>, String> {
    text.split(',')
        .map(|rule| match rule.split_once('=') {
            Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
            None => Err(format!("{rule:?} does not have the form rule=value")),
        })
        .collect()
}

impl PolicyCommand {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        match self.action {
            PolicyAction::List(options) => return print_pages!(options, policies, PolicyRow),
            PolicyAction::New { name, rules, manager } => {
                manager.client().await?.create_policy(&name, &rules).await?;
            }
            PolicyAction::Apply { name, manager } => {
                let client = manager.client().await?;
                if let Err(error) = client.apply_policy(&name).await {
                    return Err(suggestions::policy_failure(&client, &name, error).await);
                }
            }
            PolicyAction::Delete { name, manager } => manager.client().await?.delete_policy(&name).await?,
        }
        Ok(Exit::DONE)
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct PolicyRow(Policy);

impl Row for PolicyRow {
    const HEADINGS: &'static [&'static str] = &["NAME", "ACTIVE", "RULES"];

    fn cells(&self) -> Vec<String> {
        let policy = &self.0;
        let rules: Vec<String> = policy.rules.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let active = if policy.active { "yes" } else { "" };
        vec![policy.name.clone(), active.to_owned(), rules.join(",")]
    }
}
