//! The filters of the list of executions, which are the query of its address.

use pod_core::{
    Pod, PodError,
    domain::{ExecutionId, ExecutionStatus, Millis, Timestamp, WorkerId},
    store::ExecutionQuery,
};
use serde::Deserialize;

/// The time spans of the filter: value, label, hours.
pub(super) const SPANS: [(&str, &str, u64); 4] =
    [("1h", "last hour", 1), ("24h", "last 24 hours", 24), ("7d", "last 7 days", 168), ("30d", "last 30 days", 720)];

/// The query of the list. Everything is text, so that a mistake becomes a sentence and not an empty page.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ListFilter {
    pub(super) status: String,
    pub(super) activity: String,
    pub(super) worker: String,
    pub(super) since: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) q: String,
    pub(super) before: String,
    pub(super) after: String,
}

/// Why a filter has no result.
pub(super) enum FilterError {
    /// This field is wrong, for this reason.
    Invalid(&'static str, String),
    Pod(PodError),
}

impl From<PodError> for FilterError {
    fn from(error: PodError) -> Self {
        Self::Pod(error)
    }
}

impl ListFilter {
    fn set_fields(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let filters = [
            ("status", &self.status),
            ("activity", &self.activity),
            ("worker", &self.worker),
            ("since", &self.since),
            ("from", &self.from),
            ("to", &self.to),
            ("q", &self.q),
        ];
        filters.into_iter().filter(|(_, value)| !value.is_empty())
    }

    /// The address of this list with another cursor.
    pub(super) fn at(&self, cursor: Option<(&str, ExecutionId)>) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.set_fields());
        if let Some((name, id)) = cursor {
            query.append_pair(name, &id.to_string());
        }
        let query = query.finish();
        if query.is_empty() { "/executions".to_owned() } else { format!("/executions?{query}") }
    }

    pub(super) fn is_filtered(&self) -> bool {
        self.set_fields().next().is_some()
    }

    /// Whether it has filters that no index serves.
    pub(super) fn searches(&self) -> bool {
        !self.worker.is_empty() || !self.q.is_empty()
    }

    /// The filters in words; nothing where there are none.
    pub(super) fn in_words(&self) -> String {
        let word = |name: &'static str, value: &str| match name {
            "status" => format!("state {value}"),
            "activity" => format!("activity {value}"),
            "worker" => format!("worker {value}"),
            "since" => {
                format!("submitted in the {}", SPANS.iter().find(|span| span.0 == value).map_or("", |span| span.1))
            }
            "from" => {
                format!("submitted from {} on", moment(value).map_or_else(|| value.to_owned(), crate::format::exact))
            }
            "to" => {
                format!("submitted before {}", moment(value).map_or_else(|| value.to_owned(), crate::format::exact))
            }
            _ => format!("holding \u{201c}{}\u{201d}", crate::format::beginning(value, 80)),
        };
        self.set_fields().map(|(name, value)| word(name, value)).collect::<Vec<_>>().join(", ")
    }

    /// The value of a time field in UTC; empty if it is no time.
    pub(super) fn field_value(&self, field: &str) -> String {
        let text = if field == "from" { &self.from } else { &self.to };
        let exact = moment(text).map(|at| at.to_rfc3339());
        exact.and_then(|exact| exact.get(..16).map(str::to_owned)).unwrap_or_default()
    }

    /// The same moment exactly, for the script that puts it into the reader's zone.
    pub(super) fn exact(&self, field: &str) -> String {
        let text = if field == "from" { &self.from } else { &self.to };
        moment(text).map(|at| at.to_rfc3339()).unwrap_or_default()
    }

    /// The store's query, without the lower cursor.
    pub(super) async fn to_query(&self, pod: &Pod) -> Result<ExecutionQuery, FilterError> {
        let mut query = ExecutionQuery::default();
        if !self.status.is_empty() {
            let status = ExecutionStatus::from_word(&self.status);
            let words = || ExecutionStatus::ALL.map(ExecutionStatus::as_str).join(", ");
            query.status = Some(status.ok_or_else(|| {
                FilterError::Invalid(
                    "status",
                    format!("There is no state {:?}. The states are {}.", self.status, words()),
                )
            })?);
        }
        if !self.activity.is_empty() {
            let found = pod.resolve_name(&self.activity).await?;
            let refused = || FilterError::Invalid("activity", format!("There is no activity {:?}.", self.activity));
            query.activity = Some(found.ok_or_else(refused)?);
        }
        if !self.worker.is_empty() {
            let worker = self.worker.trim().trim_start_matches('#').parse::<WorkerId>();
            let worker = worker.ok().filter(|worker| worker.0 < i64::MAX as u64);
            query.worker = Some(worker.ok_or_else(|| {
                let shown = "A worker is named by its number, as the list of workers shows it";
                FilterError::Invalid("worker", format!("{shown}, not {:?}.", self.worker))
            })?);
        }
        if !self.before.is_empty() {
            query.before = Some(id_of("before", &self.before)?);
        }
        query.containing = Some(self.q.clone()).filter(|text| !text.is_empty());
        let until = self.moment_of("to")?;
        let from = self.moment_of("from")?.max(self.beginning(pod.now())?);
        pod.submitted_between(&mut query, from, until).await?;
        Ok(query)
    }

    /// The beginning of the span that was chosen from the list.
    fn beginning(&self, now: Timestamp) -> Result<Option<Timestamp>, FilterError> {
        if self.since.is_empty() {
            return Ok(None);
        }
        let hours = SPANS.iter().find_map(|(word, _, hours)| (*word == self.since).then_some(*hours));
        let hours = hours.ok_or_else(|| {
            let wrong = format!("{:?} is not a span that can be chosen; choose one from the list.", self.since);
            FilterError::Invalid("since", wrong)
        })?;
        Ok(Some(now - Millis::from_secs(hours * 3600)))
    }

    fn moment_of(&self, field: &'static str) -> Result<Option<Timestamp>, FilterError> {
        let text = if field == "from" { &self.from } else { &self.to };
        if text.is_empty() {
            return Ok(None);
        }
        moment(text).map(Some).ok_or_else(|| {
            let wrong =
                format!("{text:?} is not a time. Write it like 2026-11-24T14:05, which is UTC, or with its zone.");
            FilterError::Invalid(field, wrong)
        })
    }
}

/// A moment: with its zone, or in UTC; a day begins at midnight.
fn moment(text: &str) -> Option<Timestamp> {
    // A plus that was not encoded arrives as a blank, where a date has none.
    let exact = text.parse().or_else(|_| text.replace(' ', "+").parse::<jiff::Timestamp>());
    let exact = exact.or_else(|_| {
        let local = text.parse::<jiff::civil::DateTime>()?;
        local.to_zoned(jiff::tz::TimeZone::UTC).map(|zoned| zoned.timestamp())
    });
    exact.ok().map(|moment| Timestamp(moment.as_millisecond()))
}

pub(super) fn id_of(name: &'static str, text: &str) -> Result<ExecutionId, FilterError> {
    let id = text.parse().ok().filter(|id: &ExecutionId| id.0 < i64::MAX as u64);
    id.ok_or_else(|| {
        FilterError::Invalid(name, format!("{name} in the address must be the number of an execution, not {text:?}."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_exact_or_in_utc() {
        let five_past_two = Some(Timestamp(1_795_529_100_000));
        for text in [
            "2026-11-24T14:05",
            "2026-11-24T14:05:00",
            "2026-11-24 14:05",
            "2026-11-24T14:05Z",
            "2026-11-24T14:05:00.000Z",
            "2026-11-24T15:05+01:00",
            "2026-11-24T15:05 01:00",
        ] {
            assert_eq!(moment(text), five_past_two, "{text}");
        }
        assert_eq!(moment("1970-01-01"), Some(Timestamp(0)));
        for text in ["", "yesterday", "2026-13-24T14:05", "14:05", "24.11.2026", "2026-11-24T14:05X"] {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    #[test]
    fn the_address_is_the_state() {
        let filter = ListFilter { from: "2026-11-24T14:05Z".into(), q: "a&b".into(), ..ListFilter::default() };
        assert_eq!(filter.at(None), "/executions?from=2026-11-24T14%3A05Z&q=a%26b");
        assert_eq!(
            filter.at(Some(("before", ExecutionId(7)))),
            "/executions?from=2026-11-24T14%3A05Z&q=a%26b&before=7"
        );
        assert_eq!((filter.field_value("from").as_str(), filter.field_value("to").as_str()), ("2026-11-24T14:05", ""));
        assert_eq!(filter.exact("from"), "2026-11-24T14:05:00.000Z");
        assert_eq!(filter.in_words(), "submitted from 2026-11-24 14:05:00.000 UTC on, holding \u{201c}a&b\u{201d}");
        assert_eq!(ListFilter::default().at(None), "/executions");
    }
}
