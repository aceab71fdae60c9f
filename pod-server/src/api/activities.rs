//! `/activities`: register, replace, show, delete; and the output of installations.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use pod_core::{
    ActivityView,
    api::Registration,
    domain::{ActivitySettings, Isolation, Millis, Network, NewActivity, OnLost, RevisionNo, Workdir, WorkerId},
    store::InstallLog,
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{
    body::{json, read_body, read_json},
    bounded,
    changing::{Change, Content, JsonContent, Nothing, Versioned, etag},
    env::{self, EnvValue, GivenEnv},
    objects::ActivityObject,
    openapi::{
        bodies::Binary,
        enums::{IsolationWord, NetworkWord, OnLostWord, WorkdirWord},
    },
    output::raw_headers,
    page::{self, Page},
    problem::{Problem, ProblemKind},
    request::{Segment, StrictQuery, unknown_activity},
    seconds::Seconds,
};
use crate::serve::app::App;

/// An activity to be registered: `scriptUrl` or `script`, and what applies to its executions.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewActivity, examples(json!({
    "name": "thumbs", "script": "echo 'convert \"$1\" thumb.png' > main.sh", "timeoutSeconds": 600, "retries": 2
})))]
pub(crate) struct ActivityBody {
    /// 1 to 100 letters, digits, `.`, `_`, `-`, not starting with `.` or `-`. Not needed where the path names it.
    name: Option<String>,
    /// Where the installation script is fetched from, once.
    script_url: Option<String>,
    /// The installation script itself. It runs with bash and leaves main.sh.
    script: Option<String>,
    /// How long one attempt may run; no limit when absent.
    #[schema(value_type = Option<f64>, minimum = 0.001, maximum = 31_622_400)]
    timeout_seconds: Option<Seconds>,
    /// How often a failed execution is tried again.
    #[serde(default)]
    #[schema(maximum = 1000)]
    retries: u32,
    /// What becomes of an execution whose worker was lost: `requeue` or `fail`.
    #[serde(default)]
    #[schema(value_type = OnLostWord)]
    on_lost: OnLost,
    /// Added to the environment of its executions and its installation. A value is a text, or `{"masked": true}`, as
    /// answers show it, for the one that is there.
    #[serde(default, deserialize_with = "bounded::map")]
    #[schema(value_type = GivenEnv)]
    env: BTreeMap<String, EnvValue>,
    /// At most so many of its executions run at a time.
    #[schema(minimum = 1)]
    max_concurrency: Option<u32>,
    /// What has a container of its own: a `worker` or each `execution`; what the manager's setting says when absent.
    #[schema(value_type = Option<IsolationWord>)]
    isolation: Option<Isolation>,
    /// Where its executions run: in a directory of their own with links to what was installed (`private`) or a copy of it
    /// (`copy`), or in the directory of the installation (`shared`); `private` when absent.
    #[serde(default)]
    #[schema(value_type = WorkdirWord)]
    workdir: Workdir,
    /// What its executions reach over the network: what the manager's setting says (`default`), or nothing (`none`, which
    /// takes `isolation` `execution`); `default` when absent.
    #[serde(default)]
    #[schema(value_type = NetworkWord)]
    network: Network,
}

impl ActivityBody {
    /// The activity, named by the path where that names one. What is masked is that of the activity that is changed.
    async fn understood(self, app: &App, path_name: Option<&str>) -> Result<NewActivity, Problem> {
        match path_name {
            Some(name) => {
                let before = env::before(app, name, &self.env).await?;
                self.after(before.as_ref(), path_name)
            }
            None => self.after(None, None),
        }
    }

    /// The new activity, given the present one, if there is one.
    pub(super) fn after(self, before: Option<&ActivityView>, path_name: Option<&str>) -> Result<NewActivity, Problem> {
        let name = match (self.name, path_name) {
            (Some(name), Some(path)) if name != path => {
                return Err(Problem::invalid(format!("The body names the activity {name:?} and the path {path:?}")));
            }
            (_, Some(path)) => path.to_owned(),
            (Some(name), None) => name,
            (None, None) => return Err(Problem::invalid("The member name is missing")),
        };
        let new = match (self.script_url, self.script) {
            (Some(url), None) => NewActivity::url(name, url),
            (None, Some(script)) => NewActivity::script(name, script),
            (None, None) => return Err(Problem::invalid("Give either scriptUrl or script; both are missing")),
            (Some(_), Some(_)) => return Err(Problem::invalid("Give either scriptUrl or script, not both")),
        };
        let env = env::filled(self.env, before)?;
        check_env(&env)?;
        Ok(new.settings(ActivitySettings {
            timeout: self.timeout_seconds.map(|Seconds(millis)| millis),
            retries: self.retries,
            on_lost: self.on_lost,
            env,
            max_concurrency: self.max_concurrency,
            isolation: self.isolation,
            workdir: self.workdir,
            network: self.network,
        }))
    }
}

/// What else is not allowed in settings is refused by the engine.
fn check_env(env: &BTreeMap<String, String>) -> Result<(), Problem> {
    let size: usize = env.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > 64 << 10 {
        return Err(Problem::invalid(format!("env has {size} bytes and at most 65536 are allowed")));
    }
    Ok(())
}

/// Registers an activity. It is verified on one worker; executions are accepted meanwhile.
#[utoipa::path(post, path = "/activities", operation_id = "createActivity", tag = "activities", request_body = ActivityBody, responses(
    (status = 201, body = ActivityObject),
    (status = 409, body = super::problem::ProblemBody, content_type = "application/problem+json"),
    (status = 422, body = super::problem::ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn create(State(app): State<Arc<App>>, change: Change<ActivityBody>) -> Result<Response, Problem> {
    let pod = change.on(&app.pod);
    let new = change.body.understood(&app, None).await?;
    let (view, _) = pod.register(new, Registration::Create).await?;
    Ok(created(&view))
}

fn created(view: &ActivityView) -> Response {
    let mut response = answered(StatusCode::CREATED, view);
    // Names of letters outside ASCII are percent-encoded there.
    let segment: String = url::form_urlencoded::byte_serialize(view.activity.name.as_str().as_bytes()).collect();
    if let Ok(location) = HeaderValue::from_str(&format!("/api/v1/activities/{segment}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// An activity with its `ETag`.
fn answered(status: StatusCode, view: &ActivityView) -> Response {
    tagged(json(status, &ActivityObject::from(view)), &view.version())
}

/// An answer with the `ETag` of what it shows.
pub(super) fn tagged(mut response: Response, version: &str) -> Response {
    if let Ok(tag) = HeaderValue::from_str(&etag(version)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

pub(super) const ENV_HEADER: &str = "Pod-Env";

/// Query of a replacement by archive: what the JSON body holds otherwise.
#[derive(Debug, Default, PartialEq, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ArchiveQuery {
    /// As in the JSON body; with an archive only.
    #[param(minimum = 0.001, maximum = 31_622_400)]
    timeout_seconds: Option<f64>,
    /// As in the JSON body; with an archive only.
    #[param(maximum = 1000)]
    retries: Option<u32>,
    /// As in the JSON body; with an archive only.
    #[param(value_type = Option<OnLostWord>)]
    on_lost: Option<OnLost>,
    /// As in the JSON body; with an archive only.
    #[param(minimum = 1)]
    max_concurrency: Option<u32>,
    /// As in the JSON body; with an archive only.
    #[param(value_type = Option<IsolationWord>)]
    isolation: Option<Isolation>,
    /// As in the JSON body; with an archive only.
    #[param(value_type = Option<WorkdirWord>)]
    workdir: Option<Workdir>,
    /// As in the JSON body; with an archive only.
    #[param(value_type = Option<NetworkWord>)]
    network: Option<Network>,
}

/// Registers an activity, or a new revision of one: JSON as for POST, or a tar.gz of a directory
/// (`application/gzip`) with main.sh or an install.sh that leaves it. The same content again changes nothing.
#[utoipa::path(put, path = "/activities/{name}", operation_id = "putActivity", tag = "activities",
    params(("name" = String, Path, description = "The name of the activity"), ArchiveQuery,
        ("Pod-Env" = Option<String>, Header, description = "With an archive only: what env is in the JSON body, \
            form-urlencoded (`NAME=value&OTHER=value`)")),
    request_body(content((ActivityBody = "application/json"), (Binary = "application/gzip"))),
    responses(
    (status = 200, body = ActivityObject, description = "A revision of an activity that was there"),
    (status = 201, body = ActivityObject, description = "The first revision"),
    (status = 422, body = super::problem::ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn put(
    State(app): State<Arc<App>>,
    name: Segment,
    change: Change<Upload, ArchiveQuery, Versioned>,
) -> Result<Response, Problem> {
    let pod = change.on(&app.pod);
    let new = change.body.understood(&app, &name.0, change.query).await?;
    let (view, _) = pod.register(new, Registration::Put).await?;
    if view.activity.latest == RevisionNo(1) {
        return Ok(created(&view));
    }
    Ok(answered(StatusCode::OK, &view))
}

/// What is registered under a name: JSON, or an archive with the rest in the query and a header.
#[derive(Debug)]
pub(super) enum Upload {
    Json(ActivityBody),
    Archive { bytes: Bytes, env: BTreeMap<String, String> },
}

impl JsonContent for ActivityBody {
    fn limit(app: &App) -> usize {
        app.max_script_body()
    }
}

impl Content for Upload {
    const HEADERS: &'static [&'static str] = &[ENV_HEADER];

    async fn read(app: &App, request: Request) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let is_archive = matches!(
            kind.split(';').next().unwrap_or_default().trim(),
            "application/gzip" | "application/x-gzip" | "application/x-tar+gzip"
        );
        if is_archive {
            let env = archive_env(request.headers())?;
            return Ok(Self::Archive { bytes: read_body(request, app.limits.max_payload).await?, env });
        }
        if request.headers().contains_key(ENV_HEADER) {
            return Err(Problem::invalid(format!(
                "The header {ENV_HEADER} goes with an archive; send env in the JSON body"
            )));
        }
        Ok(Self::Json(read_json(request, ActivityBody::limit(app)).await?))
    }
}

impl Upload {
    pub(super) async fn understood(self, app: &App, name: &str, query: ArchiveQuery) -> Result<NewActivity, Problem> {
        match self {
            Self::Archive { bytes, env } => {
                Ok(NewActivity::archive(name, bytes).settings(ActivitySettings { env, ..query.settings()? }))
            }
            Self::Json(_) if query != ArchiveQuery::default() => Err(Problem::invalid(
                "The parameters of the query go with an archive; send them as members of the JSON body",
            )),
            Self::Json(body) => body.understood(app, Some(name)).await,
        }
    }
}

/// What `env` is in the JSON body. Not in the query: addresses end up in logs.
pub(super) fn archive_env(headers: &HeaderMap) -> Result<BTreeMap<String, String>, Problem> {
    let pairs = headers.get(ENV_HEADER).map(HeaderValue::as_bytes).unwrap_or_default();
    let env = url::form_urlencoded::parse(pairs).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    check_env(&env)?;
    Ok(env)
}

impl ArchiveQuery {
    pub(super) fn settings(self) -> Result<ActivitySettings, Problem> {
        let timeout = match self.timeout_seconds {
            Some(seconds) if !(0.001..=366.0 * 86_400.0).contains(&seconds) => {
                return Err(Problem::invalid(format!(
                    "timeoutSeconds must be above 0 and up to a year, not {seconds}"
                )));
            }
            timeout => timeout.map(|seconds| Millis::from(std::time::Duration::from_secs_f64(seconds))),
        };
        Ok(ActivitySettings {
            timeout,
            retries: self.retries.unwrap_or_default(),
            on_lost: self.on_lost.unwrap_or_default(),
            env: BTreeMap::new(),
            max_concurrency: self.max_concurrency,
            isolation: self.isolation,
            workdir: self.workdir.unwrap_or_default(),
            network: self.network.unwrap_or_default(),
        })
    }
}

/// Which page of a list by name.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// How many items, 1 to 1000; 100 unless given.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub(super) limit: Option<usize>,
    /// The `next` of an earlier page.
    pub(super) cursor: Option<String>,
}

/// All activities, by name.
#[utoipa::path(get, path = "/activities", operation_id = "listActivities", tag = "activities", params(ListQuery), responses(
    (status = 200, body = super::page::ActivityPage)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    StrictQuery(query): StrictQuery<ListQuery>,
) -> Result<Response, Problem> {
    let limit = page::limit(query.limit)?;
    let after = page::ACTIVITIES.after::<String>(query.cursor.as_deref())?.unwrap_or_default();
    let mut views = app.pod.activities().await?;
    views.retain(|view| view.activity.name.as_str() > after.as_str());
    views.truncate(limit + 1);
    let page = Page::of(page::ACTIVITIES, views, limit, |view| view.activity.name.clone());
    Ok(json(StatusCode::OK, &page.map(|view| ActivityObject::from(&view))))
}

/// One activity with its installations.
#[utoipa::path(get, path = "/activities/{name}", operation_id = "getActivity", tag = "activities",
    params(("name" = String, Path, description = "The name of the activity")), responses(
    (status = 200, body = ActivityObject),
    (status = 404, body = super::problem::ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    name: Segment,
    _: StrictQuery<Nothing>,
) -> Result<Response, Problem> {
    let view = app.pod.activity(&name.0).await.map_err(unknown_activity)?;
    Ok(answered(StatusCode::OK, &view))
}

/// Begins to remove an activity: its queue ends as failed, what runs ends first.
#[utoipa::path(delete, path = "/activities/{name}", operation_id = "deleteActivity", tag = "activities",
    params(("name" = String, Path, description = "The name of the activity")), responses(
    (status = 202, body = ActivityObject),
    (status = 404, body = super::problem::ProblemBody, content_type = "application/problem+json"),
    (status = 409, body = super::problem::ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    name: Segment,
    change: Change<Nothing, Nothing, Versioned>,
) -> Result<Response, Problem> {
    let view = change.on(&app.pod).delete_activity(&name.0).await.map_err(unknown_activity)?;
    Ok(answered(StatusCode::ACCEPTED, &view))
}

/// Which revision's installation.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LogQuery {
    /// The revision; the newest one unless given.
    #[param(minimum = 1)]
    revision: Option<u32>,
}

/// What the installation script printed on a worker: both streams in the order they came.
#[utoipa::path(get, path = "/activities/{name}/installations/{worker}/log", operation_id = "getInstallationLog", tag = "activities",
    params(("name" = String, Path, description = "The name of the activity"),
        ("worker" = u64, Path, description = "The id of the worker"), LogQuery), responses(
    (status = 200, body = Binary, content_type = "application/octet-stream"),
    (status = 404, body = super::problem::ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn install_log(
    State(app): State<Arc<App>>,
    Path((name, worker)): Path<(String, String)>,
    StrictQuery(query): StrictQuery<LogQuery>,
) -> Result<Response, Problem> {
    let worker: WorkerId = Segment(worker).id(ProblemKind::NoSuchWorker, "Worker")?;
    let view = app.pod.activity(&name).await.map_err(unknown_activity)?;
    let revision = query.revision.map_or(view.activity.latest, RevisionNo);
    if !view.installations.iter().any(|there| there.worker == worker && there.revision == revision) {
        return Err(Problem::new(
            ProblemKind::NoSuchInstallation,
            format!("Revision {revision} of {name} is not installed on worker {worker}"),
        ));
    }
    let log = app.pod.install_log(InstallLog { worker, activity: view.activity.id, revision }).await?;
    let mut response = log.into_response();
    raw_headers(response.headers_mut());
    Ok(response)
}
