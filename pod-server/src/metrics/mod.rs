//! The metrics of `/metrics`: events are counted where they happen, gauges are read at each scrape.
//!
//! Labels are bounded: the first [`MAX_LABELLED_ACTIVITIES`](activities::MAX_LABELLED_ACTIVITIES) active activities have
//! labels of their own, all others share one; routes are those of the router.

use std::path::PathBuf;

use pod_core::{Overview, Pod, domain::ExecutionStatus};
use prometheus::{
    Encoder, Error, Gauge, Histogram, HistogramVec, IntCounter, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

mod activities;
mod factory;
mod observer;
mod process;
pub(crate) mod requests;

use activities::Activities;
use factory::{MetricFactory, signed};
use process::Process;

/// For latencies that a client waits for.
const LATENCY_SECONDS_BUCKETS: [f64; 9] = [0.001, 0.005, 0.025, 0.1, 0.25, 1.0, 5.0, 15.0, 60.0];
/// For rows of a commit.
const BATCH_ROWS_BUCKETS: [f64; 8] = [1.0, 3.0, 10.0, 30.0, 100.0, 1000.0, 10_000.0, 100_000.0];

/// All metrics of the manager.
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
    now: ScrapeGauges,
    /// Where the store keeps its files.
    store: PathBuf,
}

/// Gauges that a scrape reads from the manager's current state.
#[derive(Debug)]
struct ScrapeGauges {
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
        let factory = MetricFactory::default();
        let build = Opts::new("pod_build_info", "The version and the commit of the manager.")
            .const_label("version", env!("CARGO_PKG_VERSION"))
            .const_label("commit", option_env!("POD_COMMIT").unwrap_or("unknown"));
        factory.add(IntGauge::with_opts(build))?.set(1);
        let now = ScrapeGauges {
            executions: factory.gauges("pod_executions", "Executions that are kept, by status.", "status")?,
            workers: factory.gauges("pod_workers", "Workers that are remembered, by status.", "status")?,
            slots: factory.gauge("pod_slots", "Slots of connected workers.")?,
            busy_slots: factory.gauge("pod_busy_slots", "Slots that run an execution.")?,
            wanted_min: factory.gauge("pod_workers_wanted_min", "Workers wanted at least.")?,
            wanted_max: factory.gauge("pod_workers_wanted_max", "Workers wanted at most.")?,
            oldest_wait: factory.add(Gauge::new("pod_oldest_wait_seconds", "How long the oldest waits."))?,
            events: factory.counter("pod_events_total", "Events so far, through every restart.")?,
            troubled: factory.gauge("pod_troubled_activities", "Activities rejected or failing to install.")?,
            refusing: factory.gauge("pod_refusing", "1 while new executions are refused.")?,
            followers: factory.gauge("pod_followers", "Who follows output or events at this moment.")?,
            store_bytes: factory.gauge("pod_store_bytes", "Size of the database on disk, its log included.")?,
        };
        Ok(Self {
            activities: Activities::new(&factory)?,
            launches: factory.counter("pod_worker_launches_total", "Workers that were asked for.")?,
            refusals: factory.counter(
                "pod_worker_launch_refusals_total",
                "Workers that could not be had, or ended before they said hello.",
            )?,
            commit_seconds: factory.histogram(
                "pod_commit_seconds",
                "How long commits to the store took.",
                &LATENCY_SECONDS_BUCKETS,
            )?,
            commit_rows: factory.histogram("pod_commit_rows", "Rows and events of a commit.", &BATCH_ROWS_BUCKETS)?,
            output_bytes: factory.counter("pod_output_bytes_total", "Bytes of output that were stored.")?,
            request_seconds: factory.histograms(
                "pod_http_request_seconds",
                "How long answers to requests took, to the beginning of their body.",
                &["method", "route", "status"],
                &LATENCY_SECONDS_BUCKETS,
            )?,
            process: Process::new(&factory)?,
            now,
            registry: factory.registry,
            store,
        })
    }

    /// All of it in the text format of Prometheus.
    pub(crate) fn text(&self, pod: &Pod, overview: &Overview) -> Result<Vec<u8>, Error> {
        self.refresh_gauges(pod, overview);
        let mut text = Vec::with_capacity(16 << 10);
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }

    /// Reads the current values.
    fn refresh_gauges(&self, pod: &Pod, overview: &Overview) {
        self.process.refresh();
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
        // Counted by the store, so that it survives a restart.
        now.events.inc_by(pod.newest_event().saturating_sub(now.events.get()));
        now.troubled.set(signed(overview.failing_activities.len() as u64));
        now.refusing.set(i64::from(overview.degraded_reason.is_some()));
        now.followers.set(signed(pod.followers() as u64));
        let files = ["pod.db", "pod.db-wal"].map(|file| self.store.join(file).metadata().map_or(0, |file| file.len()));
        now.store_bytes.set(signed(files.iter().sum()));
    }
}
