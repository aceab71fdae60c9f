//! The overview: the flow of work, what is stuck, and the fleet.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use pod_core::{
    ActivityView, Overview,
    domain::{Execution, ExecutionStatus, ScalingDecision},
    store::ExecutionQuery,
};

use crate::{
    failure::Failure,
    format::filters,
    layout::Frame,
    pages::{activities, chart::HourChart},
    web::Web,
};

/// Rows of failures and of changes of the fleet.
const MAX_SHOWN_ROWS: usize = 8;

/// An activity whose runs fail.
#[derive(Debug)]
struct FailingActivity {
    name: String,
    failed: u64,
    success: String,
}

/// The kept executions that failed or timed out, by activity.
fn failing(views: &[ActivityView]) -> Vec<FailingActivity> {
    let failed = |view: &ActivityView| {
        view.counts[ExecutionStatus::Failed as usize] + view.counts[ExecutionStatus::TimedOut as usize]
    };
    let mut views: Vec<&ActivityView> = views.iter().filter(|view| failed(view) > 0).collect();
    views.sort_by_key(|view| std::cmp::Reverse(failed(view)));
    let row = |view: &ActivityView| FailingActivity {
        name: view.activity.name.to_string(),
        failed: failed(view),
        success: activities::success(view).unwrap_or_default(),
    };
    views.into_iter().take(MAX_SHOWN_ROWS).map(row).collect()
}

#[derive(Debug, Template)]
#[template(path = "overview.html")]
struct OverviewPage<'a> {
    frame: &'a Frame,
    overview: Overview,
    chart: HourChart,
    policy: String,
    failures: Vec<(Execution, Arc<str>)>,
    decisions: Vec<ScalingDecision>,
    troubled: Vec<Arc<str>>,
    /// Activities whose runs fail, those with the most failures first.
    failing: Vec<FailingActivity>,
    no_activity: bool,
}

impl OverviewPage<'_> {
    fn failed_in_a_day(&self) -> u64 {
        let [_, failed, _, timed_out] = self.overview.ended_last_24h;
        failed + timed_out
    }

    /// How much of what ran to an end did so well, as a percentage; nothing where nothing did.
    #[expect(clippy::cast_precision_loss, reason = "a percentage has a digit behind the point")]
    fn success(&self) -> Option<String> {
        let finished = self.overview.ended_last_24h[0];
        let all = finished + self.failed_in_a_day();
        // What is not all is never rounded up to all.
        (all > 0).then(|| format!("{:.1}", (finished as f64 / all as f64 * 1000.0).floor() / 10.0))
    }

    fn any_failed(&self) -> bool {
        self.overview.ended_last_24h[1] > 0
    }

    fn any_timed_out(&self) -> bool {
        self.overview.ended_last_24h[3] > 0
    }

    fn workers_there(&self) -> u32 {
        self.overview.fleet.ready + self.overview.fleet.working
    }

    /// What is not simply ready or working, in words.
    fn other_workers(&self) -> Vec<String> {
        let fleet = self.overview.fleet;
        [
            (fleet.launching + fleet.pending, "starting"),
            (fleet.draining, "draining"),
            (fleet.unreachable, "unreachable"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect()
    }

    fn wanted(&self) -> String {
        match self.overview.desired {
            (least, most) if least == most => format!("{least} wanted"),
            (least, most) => format!("{least} to {most} wanted"),
        }
    }
}

/// `GET /overview`.
pub(crate) async fn show(State(web): State<Arc<Web>>, frame: Frame) -> Result<Response, Failure> {
    page(&web, &frame).await
}

/// The page, also at `/`.
pub(crate) async fn page(web: &Web, frame: &Frame) -> Result<Response, Failure> {
    let overview = web.pod.overview().await?;
    let names = web.pod.activity_names().await?;
    let name = |execution: &Execution| names.get(&execution.activity).cloned().unwrap_or_else(|| "".into());
    let mut failures = Vec::new();
    for status in [ExecutionStatus::Failed, ExecutionStatus::TimedOut] {
        let query = ExecutionQuery { status: Some(status), limit: MAX_SHOWN_ROWS, ..ExecutionQuery::default() };
        failures.extend(web.pod.executions(query).await?);
    }
    failures.sort_by_key(|execution| std::cmp::Reverse(execution.finished_at));
    failures.truncate(MAX_SHOWN_ROWS);
    let (policies, active) = web.pod.policies().await?;
    let policy = policies.iter().find(|policy| policy.id == active).map(|policy| policy.name.to_string());
    let activities = web.pod.activities().await?;
    let chart = HourChart::of(&overview.minutes, web.pod.now(), overview.counts[0]);
    Ok(frame.page(&OverviewPage {
        frame,
        chart,
        policy: policy.unwrap_or_default(),
        failures: failures.into_iter().map(|execution| (execution.clone(), name(&execution))).collect(),
        decisions: web.pod.scaling_decisions(MAX_SHOWN_ROWS).await?,
        troubled: overview.failing_activities.iter().filter_map(|id| names.get(id).cloned()).collect(),
        failing: failing(&activities),
        no_activity: activities.is_empty(),
        overview,
    }))
}
