//! The pages of the workers: what each one runs, and a form to drain it.

use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};
use pod_core::{
    PodError, WorkerView,
    domain::{ActivityId, Isolation, WorkerId, WorkerStatus},
};

use crate::{
    failure::Failure, flash::Flash, form::FormData, format::filters, layout::Frame, pages::confirm::Confirm,
    sentence::sentence, web::Web,
};

/// Terminated and lost workers in the list.
const MAX_GONE_WORKERS: usize = 50;

#[derive(Debug, Template)]
#[template(path = "workers.html")]
struct WorkersPage<'a> {
    frame: &'a Frame,
    present: Vec<WorkerView>,
    gone: Vec<WorkerView>,
    more_gone: usize,
    wanted: (u32, u32),
    slots: (u32, u32),
}

/// How many slots are busy. A worker may hold more than it has slots, to go on without a pause.
fn busy(view: &WorkerView) -> usize {
    view.attempts.len().min(view.worker.slots as usize)
}

impl WorkersPage<'_> {
    fn busy(&self, view: &WorkerView) -> usize {
        busy(view)
    }
}

/// `GET /workers`.
pub(crate) async fn list(State(web): State<Arc<Web>>, frame: Frame) -> Result<Response, Failure> {
    let (mut gone, present): (Vec<_>, Vec<_>) =
        web.pod.workers().await?.into_iter().partition(|view| view.worker.status.is_terminal());
    let overview = web.pod.overview().await?;
    gone.sort_by_key(|view| std::cmp::Reverse(view.worker.ended_at));
    let more_gone = gone.len().saturating_sub(MAX_GONE_WORKERS);
    gone.truncate(MAX_GONE_WORKERS);
    let slots = (overview.fleet.busy_slots, overview.fleet.slots);
    Ok(frame.page(&WorkersPage { frame: &frame, present, gone, more_gone, wanted: overview.desired, slots }))
}

#[derive(Debug, Template)]
#[template(path = "worker.html")]
struct WorkerPage<'a> {
    frame: &'a Frame,
    view: WorkerView,
    names: Arc<BTreeMap<ActivityId, Arc<str>>>,
}

impl WorkerPage<'_> {
    fn name(&self, id: &ActivityId) -> &str {
        self.names.get(id).map_or("", |name| name)
    }

    fn busy(&self) -> usize {
        busy(&self.view)
    }

    fn is_gone(&self) -> bool {
        self.view.worker.status.is_terminal()
    }
}

/// `GET /workers/{id}`.
pub(crate) async fn show(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    frame: Frame,
) -> Result<Response, Failure> {
    let view = find(&web, &id).await?;
    let names = web.pod.activity_names().await?;
    Ok(frame.page(&WorkerPage { frame: &frame, view, names }))
}

async fn find(web: &Web, id: &str) -> Result<WorkerView, Failure> {
    let wanted = id.parse::<WorkerId>().map_err(|_| {
        Failure::missing("A worker is named by its number. The list of workers shows those that there are.")
    })?;
    let found = web.pod.workers().await?.into_iter().find(|view| view.worker.id == wanted);
    found
        .ok_or_else(|| Failure::missing(format!("There is no worker {wanted}. Gone workers are remembered for a day.")))
}

/// `GET /workers/{id}/drain`: the question.
pub(crate) async fn ask_drain(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    frame: Frame,
) -> Result<Response, Failure> {
    let view = find(&web, &id).await?;
    let id = view.worker.id;
    let first = match view.attempts.len() {
        0 => "It runs nothing, and goes at once.".to_owned(),
        1 => "1 running execution finishes first. It takes no new work.".to_owned(),
        count => format!("{count} running executions finish first. It takes no new work."),
    };
    let then = "Where the policy wants more workers than are left, another one is launched.".to_owned();
    Ok(Confirm {
        frame: &frame,
        title: format!("Let worker {id} go?"),
        sentences: vec![first, then],
        action: format!("/workers/{id}/drain"),
        fields: vec![("back".to_owned(), "/workers".to_owned())],
        verb: "Let it go",
        back: format!("/workers/{id}"),
    }
    .ask())
}

/// `POST /workers/{id}/drain`.
pub(crate) async fn drain(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    form_data: FormData,
) -> Result<Response, Failure> {
    let id = find(&web, &id).await?.worker.id;
    let back = form_data.back("/workers");
    match form_data.on(&web.pod).drain_worker(id).await {
        Ok(view) if view.attempts.is_empty() => Ok(Flash::done(format!("Worker {id} is let go.")).at(back)),
        Ok(_) => Ok(Flash::done(format!("Worker {id} is let go when what it runs has ended.")).at(back)),
        Err(error @ PodError::WorkerGone(_)) => Ok(Flash::refused(sentence(&error)).at(back)),
        Err(error) => Err(error.into()),
    }
}
