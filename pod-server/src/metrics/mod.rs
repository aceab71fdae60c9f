//! What `/metrics` answers: counted where it happens, by the `prometheus` crate, and read off when it is asked for.
//!
//! Labels are bounded: the first [`ACTIVITIES`](activities::ACTIVITIES) activities that do something are told apart, all others are counted
//! together; routes are those of the router.

use std::path::PathBuf;

use pod_core::{Overview, Pod, domain::ExecutionStatus};
use prometheus::{
    Encoder, Error, Gauge, Histogram, HistogramVec, IntCounter, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

mod activities;
mod maker;
mod observer;
mod process;
pub(crate) mod requests;

use activities::Activities;
use maker::{Maker, signed};
use process::Process;

/// Times of what somebody waits for, in seconds.
const SHORT: [f64; 9] = [0.001, 0.005, 0.025, 0.1, 0.25, 1.0, 5.0, 15.0, 60.0];
/// Sizes of batches.
const ROWS: [f64; 8] = [1.0, 3.0, 10.0, 30.0, 100.0, 1000.0, 10_000.0, 100_000.0];

/// Everything that is counted.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    activities: Activities,
    launches: IntCounter,
    refusals: IntCounter,
    commit_seconds: Histogram,
    commit_rows: Histogram,
    output_bytes: IntCounter,
    request_seconds: HistogramVec,
    process: Process,
    now: Now,
    /// Where the store keeps its files.
    store: PathBuf,
}

/// What is so at the moment of a scrape.
#[derive(Debug)]
struct Now {
    executions: IntGaugeVec,
    workers: IntGaugeVec,
    slots: IntGauge,
    busy_slots: IntGauge,
    wanted_min: IntGauge,
    wanted_max: IntGauge,
    oldest_wait: Gauge,
    events: IntCounter,
    troubled: IntGauge,
    refusing: IntGauge,
    followers: IntGauge,
    store_bytes: IntGauge,
}

impl Metrics {
    /// Nothing counted yet. `store` is where the store keeps its files.
    pub(crate) fn new(store: PathBuf) -> Self {
        Self::made(store).unwrap_or_else(|error| unreachable!("the names of metrics are allowed: {error}"))
    }

    fn made(store: PathBuf) -> Result<Self, Error> {
        let make = Maker::default();
        let build = Opts::new("pod_build_info", "The version and the commit of the manager.")
            .const_label("version", env!("CARGO_PKG_VERSION"))
            .const_label("commit", option_env!("POD_COMMIT").unwrap_or("unknown"));
        make.add(IntGauge::with_opts(build))?.set(1);
        let now = Now {
            executions: make.gauges("pod_executions", "Executions that are kept, by status.", "status")?,
            workers: make.gauges("pod_workers", "Workers that are remembered, by status.", "status")?,
            slots: make.gauge("pod_slots", "Slots of connected workers.")?,
            busy_slots: make.gauge("pod_busy_slots", "Slots that run an execution.")?,
            wanted_min: make.gauge("pod_workers_wanted_min", "Workers wanted at least.")?,
            wanted_max: make.gauge("pod_workers_wanted_max", "Workers wanted at most.")?,
            oldest_wait: make.add(Gauge::new("pod_oldest_wait_seconds", "How long the oldest waits."))?,
            events: make.counter("pod_events_total", "Events so far, through every restart.")?,
            troubled: make.gauge("pod_troubled_activities", "Activities rejected or failing to install.")?,
            refusing: make.gauge("pod_refusing", "1 while new executions are refused.")?,
            followers: make.gauge("pod_followers", "Who follows output or events at this moment.")?,
            store_bytes: make.gauge("pod_store_bytes", "Size of the database on disk, its log included.")?,
        };
        Ok(Self {
            activities: Activities::new(&make)?,
            launches: make.counter("pod_worker_launches_total", "Workers that were asked for.")?,
            refusals: make.counter(
                "pod_worker_launch_refusals_total",
                "Workers that could not be had, or ended before they said hello.",
            )?,
            commit_seconds: make.histogram("pod_commit_seconds", "How long commits to the store took.", &SHORT)?,
            commit_rows: make.histogram("pod_commit_rows", "Rows and events of a commit.", &ROWS)?,
            output_bytes: make.counter("pod_output_bytes_total", "Bytes of output that were stored.")?,
            request_seconds: make.histograms(
                "pod_http_request_seconds",
                "How long answers to requests took, to the beginning of their body.",
                &["method", "route", "status"],
                &SHORT,
            )?,
            process: Process::new(&make)?,
            now,
            registry: make.registry,
            store,
        })
    }

    /// All of it in the text format of Prometheus.
    pub(crate) fn text(&self, pod: &Pod, overview: &Overview) -> Result<Vec<u8>, Error> {
        self.look(pod, overview);
        let mut text = Vec::with_capacity(16 << 10);
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }

    /// Reads off what is so now.
    fn look(&self, pod: &Pod, overview: &Overview) {
        self.process.look();
        let now = &self.now;
        for (status, count) in ExecutionStatus::ALL.iter().zip(overview.counts) {
            now.executions.with_label_values(&[status.as_str()]).set(signed(count));
        }
        let fleet = &overview.fleet;
        for (status, count) in [
            ("launching", fleet.launching),
            ("pending", fleet.pending),
            ("ready", fleet.ready),
            ("working", fleet.working),
            ("unreachable", fleet.unreachable),
            ("draining", fleet.draining),
            ("failed", fleet.failed),
            ("terminated", fleet.terminated),
        ] {
            now.workers.with_label_values(&[status]).set(count.into());
        }
        now.slots.set(fleet.slots.into());
        now.busy_slots.set(fleet.busy_slots.into());
        now.wanted_min.set(overview.desired.0.into());
        now.wanted_max.set(overview.desired.1.into());
        let waited = overview.oldest_waiting.map_or(0, |at| pod.now().since(at).0);
        now.oldest_wait.set(waited as f64 / 1000.0);
        // Counted by the store: it goes on where it was after a restart.
        now.events.inc_by(pod.newest_event().saturating_sub(now.events.get()));
        now.troubled.set(signed(overview.failing_activities.len() as u64));
        now.refusing.set(i64::from(overview.degraded_reason.is_some()));
        now.followers.set(signed(pod.followers() as u64));
        let files = ["pod.db", "pod.db-wal"].map(|file| self.store.join(file).metadata().map_or(0, |file| file.len()));
        now.store_bytes.set(signed(files.iter().sum()));
    }
}
