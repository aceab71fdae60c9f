//! Counts what the engine reports.

use std::{sync::Arc, time::Duration};

use pod_core::{
    domain::ActivityId,
    observe::{Measure, Observer},
};

use super::Metrics;

impl Observer for Metrics {
    fn measured(&self, measures: &[Measure], name_of: &dyn Fn(ActivityId) -> Option<Arc<str>>) {
        for measure in measures {
            match (measure, measure.activity()) {
                (_, Some(id)) => self.activities.of(id, name_of).count(*measure),
                (Measure::Launched, _) => self.launches.inc(),
                (_, None) => self.refusals.inc(),
            }
        }
    }

    fn committed(&self, rows: usize, took: Duration) {
        self.commit_seconds.observe(took.as_secs_f64());
        self.commit_rows.observe(rows as f64);
    }

    fn output(&self, bytes: usize) {
        self.output_bytes.inc_by(bytes as u64);
    }
}
