//! The filter options of commands on executions that are not named by id.

use clap::Args;
use jiff::Timestamp;
use pod_core::domain::ExecutionStatus;
use pod_server::{api::blank::is_blank, client::ExecutionFilter};

use super::times::parse_moment;

/// Filters, as `GET /api/v1/executions` takes them.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Filter {
    /// Only those of this activity
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub(crate) activity: Option<String>,

    /// Only those with this status: waiting, running, finished, failed, terminated or timedOut
    #[arg(long, value_name = "STATUS", value_parser = status)]
    pub(crate) status: Option<ExecutionStatus>,

    /// Only those submitted since then: so long ago (2h), or a time (2026-11-24T14:05, of this machine unless it says)
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    pub(crate) since: Option<Timestamp>,

    /// Only those submitted before then
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    pub(crate) until: Option<Timestamp>,
}

/// A name that is blank, as of a variable that is not set, must not come to mean every activity.
fn name(given: &str) -> Result<String, String> {
    if is_blank(given) { Err("give the name of an activity".to_owned()) } else { Ok(given.to_owned()) }
}

fn status(word: &str) -> Result<ExecutionStatus, String> {
    ExecutionStatus::from_word(word)
        .ok_or_else(|| format!("it is one of {}", ExecutionStatus::ALL.map(ExecutionStatus::as_str).join(", ")))
}

impl Filter {
    /// The names of the options, for commands that need one of them or ids.
    pub(crate) const OPTIONS: [&str; 4] = ["activity", "status", "since", "until"];

    /// The same for a request.
    pub(crate) fn to_query(&self) -> ExecutionFilter {
        ExecutionFilter {
            activity: self.activity.clone(),
            status: self.status.map(|status| status.as_str().to_owned()),
            submitted_after: self.since.map(|since| since.to_string()),
            submitted_before: self.until.map(|until| until.to_string()),
            ..ExecutionFilter::default()
        }
    }
}
