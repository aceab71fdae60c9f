//! Execution metrics by activity.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use pod_core::{
    domain::{ActivityId, ExecutionStatus},
    observe::Measure,
};
use prometheus::{Error, Histogram, HistogramVec, IntCounter, IntCounterVec, Opts};

use super::factory::MetricFactory;

/// Activities that have labels of their own.
pub(crate) const MAX_LABELLED_ACTIVITIES: usize = 50;
/// From ten milliseconds to a day.
const EXECUTION_SECONDS_BUCKETS: [f64; 14] =
    [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0, 86_400.0];

/// The label of all further activities. No activity has this name.
const OTHERS_LABEL: &str = "(others)";

#[derive(Debug)]
pub(super) struct Activities {
    submitted: IntCounterVec,
    ended: IntCounterVec,
    retried: IntCounterVec,
    lost: IntCounterVec,
    requeued: IntCounterVec,
    waits: HistogramVec,
    runs: HistogramVec,
    labelled: Mutex<LabelledCounts>,
}

/// The counters of activities by id and by label.
#[derive(Debug, Default)]
struct LabelledCounts {
    by_id: HashMap<ActivityId, Arc<Counts>>,
    /// Successive activities of one name share a label.
    by_name: HashMap<Arc<str>, Arc<Counts>>,
}

/// The counters of one activity.
#[derive(Debug)]
pub(super) struct Counts {
    submitted: IntCounter,
    /// By final status, in their order.
    ended: Vec<(ExecutionStatus, IntCounter)>,
    retried: IntCounter,
    lost: IntCounter,
    requeued: IntCounter,
    waits: Histogram,
    runs: Histogram,
}

impl Activities {
    pub(super) fn new(factory: &MetricFactory) -> Result<Self, Error> {
        let counters =
            |name: &str, help: &str, labels: &[&str]| factory.add(IntCounterVec::new(Opts::new(name, help), labels));
        let activity = ["activity"];
        Ok(Self {
            submitted: counters("pod_executions_submitted_total", "Executions that were accepted.", &activity)?,
            ended: counters("pod_executions_ended_total", "Executions that concluded.", &["activity", "status"])?,
            retried: counters("pod_attempts_retried_total", "Attempts that failed and were tried again.", &activity)?,
            lost: counters("pod_attempts_lost_total", "Attempts that were lost with their worker.", &activity)?,
            requeued: counters(
                "pod_executions_requeued_total",
                "Executions that went back to their queue.",
                &activity,
            )?,
            waits: factory.histograms(
                "pod_execution_wait_seconds",
                "How long executions waited until they ran for the first time.",
                &activity,
                &EXECUTION_SECONDS_BUCKETS,
            )?,
            runs: factory.histograms(
                "pod_attempt_run_seconds",
                "How long attempts ran.",
                &activity,
                &EXECUTION_SECONDS_BUCKETS,
            )?,
            labelled: Mutex::default(),
        })
    }

    fn counts(&self, label: &str) -> Counts {
        let ended = ExecutionStatus::ALL.into_iter().filter(|status| status.is_terminal());
        let ended = ended.map(|status| (status, self.ended.with_label_values(&[label, status.as_str()])));
        Counts {
            submitted: self.submitted.with_label_values(&[label]),
            ended: ended.collect(),
            retried: self.retried.with_label_values(&[label]),
            lost: self.lost.with_label_values(&[label]),
            requeued: self.requeued.with_label_values(&[label]),
            waits: self.waits.with_label_values(&[label]),
            runs: self.runs.with_label_values(&[label]),
        }
    }

    pub(super) fn of(&self, id: ActivityId, name_of: &dyn Fn(ActivityId) -> Option<Arc<str>>) -> Arc<Counts> {
        let mut labelled = self.labelled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counts) = labelled.by_id.get(&id) {
            return counts.clone();
        }
        let name = name_of(id)
            .filter(|name| labelled.by_name.contains_key(name) || labelled.by_name.len() < MAX_LABELLED_ACTIVITIES);
        let name = name.unwrap_or_else(|| OTHERS_LABEL.into());
        let counts = labelled.by_name.entry(name.clone()).or_insert_with(|| Arc::new(self.counts(&name))).clone();
        // The map stays bounded when many activities come and go.
        if labelled.by_id.len() >= 100 * MAX_LABELLED_ACTIVITIES {
            labelled.by_id.clear();
        }
        labelled.by_id.insert(id, counts.clone());
        counts
    }
}

impl Counts {
    pub(super) fn count(&self, measure: Measure) {
        let seconds = |millis: pod_core::domain::Millis| millis.as_duration().as_secs_f64();
        match measure {
            Measure::Submitted(_) => self.submitted.inc(),
            Measure::Waited(_, wait) => self.waits.observe(seconds(wait)),
            Measure::Ran(_, run) => self.runs.observe(seconds(run)),
            Measure::Retried(_) => self.retried.inc(),
            Measure::Lost(_) => self.lost.inc(),
            Measure::Requeued(_) => self.requeued.inc(),
            Measure::Ended(_, status) => {
                if let Some((_, counter)) = self.ended.iter().find(|(ended, _)| *ended == status) {
                    counter.inc();
                }
            }
            Measure::Launched | Measure::LaunchRefused => {}
        }
    }
}
