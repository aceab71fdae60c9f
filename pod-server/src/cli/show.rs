//! `pod show` and `pod status`: all details of one execution, or the status of several.

use clap::Args;
use pod_server::client::{Execution, Explanation};
use serde_json::Value;

use super::{
    connection::ManagerOptions,
    console::{print_json, print_line},
    failure::{Exit, Failure},
    ids::execution_id,
    printable::{padded, printable, width},
    times,
};

/// Shows all that is known of one execution
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  pod show 17
  pod show 17 --json | jq .exitCode")]
pub(crate) struct Show {
    /// The id of the execution
    #[arg(value_name = "ID", value_parser = execution_id)]
    id: u64,

    /// Print the execution as JSON, as the API answers with it
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    manager: ManagerOptions,
}

impl Show {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let client = self.manager.client().await?;
        let execution = client.execution(self.id).await?;
        if self.json {
            let text = serde_json::to_string_pretty(&execution).map_err(std::io::Error::from)?;
            print_json(text)?;
            return Ok(Exit::DONE);
        }
        let explanation = client.explain(self.id).await?;
        let facts = facts(&execution, &explanation);
        let columns = facts.iter().map(|(name, _)| width(name)).max().unwrap_or_default();
        for (name, fact) in &facts {
            print_line(format!("{}  {}", padded(name, columns), printable(fact)))?;
        }
        Ok(Exit::DONE)
    }
}

/// Name and value of everything that is known.
fn facts(execution: &Execution, explanation: &Explanation) -> Vec<(&'static str, String)> {
    let number = |member: &str| execution.more.get(member).and_then(Value::as_u64);
    let time = |at: Option<jiff::Timestamp>| at.map(|at| at.to_string());
    let took = |execution: &Execution| Some(times::span(execution.started_at?, execution.finished_at?));
    let activity = match number("revision") {
        Some(revision) => format!("{}, revision {revision}", execution.activity),
        None => execution.activity.clone(),
    };
    let some = |count: Option<u64>| count.filter(|count| *count > 0).map(|count| count.to_string());
    let mut facts = vec![
        ("id", Some(execution.id.to_string())),
        ("activity", Some(activity)),
        ("status", Some(execution.status.as_str().to_owned())),
        ("exit code", execution.exit_code.map(|code| code.to_string())),
        ("signal", execution.signal.map(|signal| signal.to_string())),
        ("reason", execution.reason.clone()),
        ("input", execution.input.clone()),
        ("submitted", time(Some(execution.submitted_at))),
        ("started", time(execution.started_at)),
        ("finished", time(execution.finished_at)),
        ("took", took(execution)),
        ("attempt", some(Some(execution.attempt.into()))),
        ("worker", execution.worker.map(|worker| worker.to_string())),
        ("failures", some(number("failures"))),
        ("losses", some(number("losses"))),
        ("retry of", some(number("retryOf"))),
    ];
    facts.extend(explanation.sentences.iter().map(|sentence| ("", Some(sentence.clone()))));
    if let Some(first) = facts.iter_mut().find(|(name, _)| name.is_empty()) {
        first.0 = "explanation";
    }
    facts.into_iter().filter_map(|(name, fact)| Some((name, fact?))).collect()
}

/// Prints how executions are, a word for each: waiting, running, finished, failed, terminated or timedOut
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  pod status 17
  pod status 17 18 19")]
pub(crate) struct Status {
    /// The ids of the executions
    #[arg(value_name = "ID", required = true, value_parser = execution_id)]
    ids: Vec<u64>,

    #[command(flatten)]
    manager: ManagerOptions,
}

impl Status {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let client = self.manager.client().await?;
        for id in self.ids {
            print_line(client.execution(id).await?.status.as_str())?;
        }
        Ok(Exit::DONE)
    }
}
