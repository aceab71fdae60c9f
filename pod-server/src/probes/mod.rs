//! What monitoring asks for: `/healthz` (the process answers), `/readyz` (it takes work), `/metrics` (Prometheus).

use std::{fmt::Write, sync::Arc};

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use pod_core::{Overview, domain::ExecutionStatus};

use crate::{
    api::problem::{Problem, ProblemKind},
    serve::App,
};

/// Needs no token, and tells nothing but that the process answers.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether new executions are taken.
pub(crate) async fn readyz(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    if app.shutdown.is_cancelled() {
        return Err(Problem::new(ProblemKind::Stopping, "The manager is shutting down"));
    }
    match app.pod.overview().await?.trouble {
        None => Ok("ready\n"),
        Some(trouble) => Err(Problem::new(ProblemKind::StoreFull, trouble.to_string())),
    }
}

/// Numbers in the text format of Prometheus.
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let overview = app.pod.overview().await?;
    let waited = overview.oldest_waiting.map_or(0, |at| app.pod.now().since(at).0);
    let text = exposition(&overview, waited, app.pod.newest_event());
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

fn exposition(overview: &Overview, oldest_wait_millis: u64, events: u64) -> String {
    let fleet = &overview.fleet;
    let executions = ExecutionStatus::ALL.iter().map(|status| status.as_str()).zip(overview.counts);
    let workers = [
        ("launching", fleet.launching),
        ("pending", fleet.pending),
        ("ready", fleet.ready),
        ("working", fleet.working),
        ("unreachable", fleet.unreachable),
        ("draining", fleet.draining),
        ("failed", fleet.failed),
        ("terminated", fleet.terminated),
    ];
    let mut text = String::with_capacity(2048);
    let mut metric = |name: &str, kind: &str, help: &str, samples: &mut dyn Iterator<Item = (String, String)>| {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    };
    let one = |value: String| std::iter::once((String::new(), value));
    metric(
        "pod_executions",
        "gauge",
        "Executions that are kept, by status.",
        &mut executions.map(|(status, count)| (format!("{{status=\"{status}\"}}"), count.to_string())),
    );
    metric(
        "pod_workers",
        "gauge",
        "Workers that are remembered, by status.",
        &mut workers.into_iter().map(|(status, count)| (format!("{{status=\"{status}\"}}"), count.to_string())),
    );
    metric("pod_slots", "gauge", "Slots of connected workers.", &mut one(fleet.slots.to_string()));
    metric("pod_busy_slots", "gauge", "Slots that run an execution.", &mut one(fleet.busy_slots.to_string()));
    metric("pod_workers_wanted_min", "gauge", "Workers wanted at least.", &mut one(overview.wanted.0.to_string()));
    metric("pod_workers_wanted_max", "gauge", "Workers wanted at most.", &mut one(overview.wanted.1.to_string()));
    let seconds = oldest_wait_millis as f64 / 1000.0;
    metric("pod_oldest_wait_seconds", "gauge", "How long the oldest waits.", &mut one(seconds.to_string()));
    metric("pod_events_total", "counter", "Events so far.", &mut one(events.to_string()));
    metric(
        "pod_troubled_activities",
        "gauge",
        "Activities rejected or failing to install.",
        &mut one(overview.troubled.len().to_string()),
    );
    metric(
        "pod_refusing",
        "gauge",
        "1 while new executions are refused.",
        &mut one(u8::from(overview.trouble.is_some()).to_string()),
    );
    metric(
        "pod_build_info",
        "gauge",
        "The version of the manager.",
        &mut std::iter::once((format!("{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), "1".to_owned())),
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use pod_core::{FleetCount, domain::PolicyId};

    #[test]
    fn every_line_is_a_comment_or_a_sample() {
        let overview = Overview {
            counts: [1, 2, 3, 4, 5, 6],
            oldest_waiting: None,
            fleet: FleetCount { working: 7, ..FleetCount::default() },
            wanted: (1, 4),
            policy: PolicyId(0),
            troubled: Vec::new(),
            trouble: Some("disk full".into()),
            minutes: Vec::new(),
            ended_in_a_day: [0; 4],
            waits: Default::default(),
            launch_refusal: None,
            clock: None,
        };
        let text = exposition(&overview, 1500, 9);
        for sample in [
            "pod_executions{status=\"timedOut\"} 6",
            "pod_workers{status=\"working\"} 7",
            "pod_oldest_wait_seconds 1.5",
            "pod_events_total 9",
            "pod_refusing 1",
        ] {
            assert!(text.lines().any(|line| line == sample), "{sample} in\n{text}");
        }
        for line in text.lines().filter(|line| !line.starts_with("# ")) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(name.starts_with("pod_") && value.parse::<f64>().is_ok(), "{line}");
        }
    }
}
