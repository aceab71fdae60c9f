//! The filter of executions, shared by the list and the bulk actions.

use pod_core::{
    Pod, PodError,
    domain::{ActivityId, ExecutionId, ExecutionStatus, Timestamp},
    store::ExecutionQuery,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{openapi::enums::ExecutionStatusWord, page, problem::Problem};

/// Which executions, and how many of them at a time.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct FilterQuery {
    /// Of this activity only.
    activity: Option<String>,
    /// Of the activity with this id only: also of one that was deleted, and whose name another one has now.
    activity_id: Option<u64>,
    /// With this status only.
    #[param(value_type = Option<ExecutionStatusWord>)]
    status: Option<String>,
    /// Submitted at this moment or later: an RFC 3339 time.
    #[param(format = DateTime)]
    submitted_after: Option<String>,
    /// Submitted before this moment: an RFC 3339 time.
    #[param(format = DateTime)]
    submitted_before: Option<String>,
    /// How many items, 1 to 1000; 100 unless given.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// The `next` of an earlier page.
    cursor: Option<String>,
}

/// Of an empty value as of one that was not sent.
fn non_blank(value: Option<&String>) -> Option<&str> {
    value.map(String::as_str).filter(|value| !value.is_empty())
}

impl FilterQuery {
    /// Whether anything is left out at all.
    pub(super) fn filters(&self) -> bool {
        [&self.activity, &self.status, &self.submitted_after, &self.submitted_before]
            .into_iter()
            .any(|value| non_blank(value.as_ref()).is_some())
            || self.activity_id.is_some()
    }

    /// Where the page begins.
    pub(super) fn before(&self) -> Result<Option<ExecutionId>, Problem> {
        page::EXECUTIONS.after(self.cursor.as_deref())
    }

    /// Which executions, and how many at a time, in words that are equal for equal filters; not where a page begins.
    pub(super) fn words(&self) -> String {
        let Self { activity, activity_id, status, submitted_after, submitted_before, limit, cursor: _ } = self;
        format!("{activity:?} {activity_id:?} {status:?} {submitted_after:?} {submitted_before:?} {limit:?}")
    }

    /// How many items a page is to hold.
    pub(super) fn limit(&self) -> Result<usize, Problem> {
        page::limit(self.limit)
    }

    /// Between which moments.
    pub(super) fn times(&self) -> Result<(Option<Timestamp>, Option<Timestamp>), Problem> {
        let from = moment("submittedAfter", self.submitted_after.as_ref())?;
        let until = moment("submittedBefore", self.submitted_before.as_ref())?;
        Ok((from, until))
    }

    /// The query to run, with `limit` as the size of the page.
    pub(super) async fn understood(&self, pod: &Pod, limit: usize) -> Result<ExecutionQuery, Problem> {
        let activity = match (self.activity_id.map(ActivityId), non_blank(self.activity.as_ref())) {
            (None, None) => None,
            (Some(id), name) => {
                let names = pod.activity_names().await?;
                let of_id = names.get(&id).ok_or_else(|| PodError::NoSuchActivity(format!("#{id}")))?;
                if name.is_some_and(|name| *name != **of_id) {
                    let wrong = format!("activityId {id} is of an activity named {of_id}; leave out one of both");
                    return Err(Problem::invalid(wrong));
                }
                Some(id)
            }
            (None, Some(name)) => {
                let found = pod.resolve_name(name).await?;
                Some(found.ok_or_else(|| PodError::NoSuchActivity(name.to_owned()))?)
            }
        };
        let status = match non_blank(self.status.as_ref()) {
            None => None,
            Some(word) => Some(ExecutionStatus::from_word(word).ok_or_else(|| {
                let words: Vec<&str> = ExecutionStatus::ALL.iter().map(|status| status.as_str()).collect();
                Problem::invalid(format!("status must be one of {}, not {word:?}", words.join(", ")))
            })?),
        };
        let (from, until) = self.times()?;
        let before = self.before()?;
        let mut query = ExecutionQuery { activity, status, before, limit, ..ExecutionQuery::default() };
        pod.submitted_between(&mut query, from, until).await?;
        Ok(query)
    }
}

fn moment(parameter: &str, text: Option<&String>) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = non_blank(text) else { return Ok(None) };
    // A plus that was not encoded arrives as a blank.
    let moment = text.replace(' ', "+").parse::<jiff::Timestamp>().map_err(|_| {
        let shown: String = text.chars().take(40).collect();
        Problem::invalid(format!("{parameter} must be an RFC 3339 time such as 2026-11-24T14:05:00Z, not {shown:?}"))
    })?;
    Ok(Some(Timestamp(moment.as_millisecond())))
}
