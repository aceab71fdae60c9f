//! The list of activities, and the form that makes a new one or a new revision.

use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
    response::Response,
};
use pod_core::{
    ActivityView, PodError,
    domain::{
        ActivitySettings, ActivityStatus, ExecutionStatus, InstallationStatus, Isolation, Millis, Network, NewActivity,
        OnLost, Payload, ScriptSource, UnknownWorkdir, Workdir,
    },
};
use serde::Deserialize;

use crate::{
    failure::Failure,
    flash::Flash,
    form::{FormData, VERSION},
    format::{activity_address, filters},
    layout::Frame,
    pages::conflict::{Conflict, as_text},
    sentence::sentence,
    web::Web,
};

/// How many rows a page has.
const PAGE_SIZE: usize = 100;

/// What stands for the value of a variable, which may be a secret.
pub(crate) const MASK: &str = "••••••••";

/// The query of the page.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ActivitiesQuery {
    q: String,
    after: String,
}

#[derive(Debug, Template)]
#[template(path = "activities.html")]
struct ActivitiesPage<'a> {
    frame: &'a Frame,
    q: &'a str,
    views: Vec<ActivityView>,
    total: usize,
    older: Option<String>,
}

/// How much of what ran to an end did so well.
pub(crate) fn success(view: &ActivityView) -> Option<String> {
    let count = |status: ExecutionStatus| view.counts[status as usize];
    let finished = count(ExecutionStatus::Finished);
    let all = finished + count(ExecutionStatus::Failed) + count(ExecutionStatus::TimedOut);
    let tenths = (finished * 1000).checked_div(all)?;
    Some(if tenths == 1000 { "100%".to_owned() } else { format!("{}.{}%", tenths / 10, tenths % 10) })
}

/// On how many workers the serving revision is installed.
pub(crate) fn installed(view: &ActivityView) -> usize {
    let serving = |installation: &&pod_core::domain::Installation| {
        installation.revision == view.activity.revision && installation.status == InstallationStatus::Installed
    };
    view.installations.iter().filter(serving).count()
}

impl ActivitiesPage<'_> {
    fn success(&self, view: &ActivityView) -> String {
        success(view).unwrap_or_default()
    }

    fn installed(&self, view: &ActivityView) -> usize {
        installed(view)
    }
}

/// `GET /activities`.
pub(crate) async fn list(
    State(web): State<Arc<Web>>,
    frame: Frame,
    Query(params): Query<ActivitiesQuery>,
) -> Result<Response, Failure> {
    let mut views = web.pod.activities().await?;
    let total = views.len();
    let wanted = params.q.to_lowercase();
    views.retain(|view| view.activity.name.as_str().to_lowercase().contains(&wanted));
    views.retain(|view| view.activity.name.as_str() > params.after.as_str());
    let more = views.len() > PAGE_SIZE;
    views.truncate(PAGE_SIZE);
    let older = views.last().filter(|_| more).map(|last| {
        let mut query = url::form_urlencoded::Serializer::for_suffix("/activities?".to_owned(), "/activities?".len());
        query.append_pair("q", &params.q).append_pair("after", last.activity.name.as_str());
        query.finish()
    });
    Ok(frame.page(&ActivitiesPage { frame: &frame, q: &params.q, views, total, older }))
}

/// What was typed into the form, kept when something of it is refused.
#[derive(Debug, Default)]
struct FormValues {
    name: String,
    from_url: bool,
    url: String,
    script: String,
    timeout: String,
    retries: String,
    on_lost_fail: bool,
    max_concurrency: String,
    /// `worker`, `execution`, or nothing for what the manager says.
    isolation: String,
    workdir: String,
    network: String,
    env: String,
}

#[derive(Debug, Template)]
#[template(path = "activity_form.html")]
struct FormPage<'a> {
    frame: &'a Frame,
    /// The activity that is edited; a new one where there is none.
    editing: Option<&'a str>,
    /// What the form was made from; nothing where it makes an activity.
    version: String,
    typed: FormValues,
    /// The field that is wrong, and what to do.
    error: Option<(&'static str, String)>,
    /// What somebody else saved meanwhile.
    conflict: Option<Conflict>,
    /// What is edited came as a directory, which a page cannot show.
    was_directory: bool,
}

impl<'a> FormPage<'a> {
    fn of(frame: &'a Frame, editing: Option<&'a str>, typed: FormValues) -> Self {
        let (version, error, conflict) = (String::new(), None, None);
        Self { frame, editing, version, typed, error, conflict, was_directory: false }
    }
}

impl FormPage<'_> {
    fn error(&self, field: &str) -> Option<&str> {
        self.error.as_ref().filter(|(wrong, _)| *wrong == field).map(|(_, sentence)| sentence.as_str())
    }

    fn address(&self) -> String {
        self.editing.map_or_else(|| "/activities/new".to_owned(), |name| format!("{}/edit", activity_address(name)))
    }
}

impl FormValues {
    fn of(form_data: &FormData) -> Self {
        let field = |name: &str| form_data.get(name).trim().to_owned();
        Self {
            name: field("name"),
            from_url: form_data.get("source") == "url",
            url: field("url"),
            script: form_data.get("script").to_owned(),
            timeout: field("timeout"),
            retries: field("retries"),
            on_lost_fail: form_data.get("onlost") == "fail",
            max_concurrency: field("concurrency"),
            isolation: field("isolation"),
            workdir: field("workdir"),
            network: field("network"),
            env: form_data.get("env").to_owned(),
        }
    }

    fn text(&self) -> String {
        let on_lost = if self.on_lost_fail { "let it fail" } else { "" };
        let url = if self.from_url { self.url.as_str() } else { "" };
        let mut text = as_text(&[
            ("Fetched from", url),
            ("Time limit in seconds", &self.timeout),
            ("Retries", &self.retries),
            ("At most at a time", &self.max_concurrency),
            ("When a worker is lost", on_lost),
            ("A container of its own", &self.isolation),
            ("Working directory", &self.workdir),
        ]);
        let variables = self.env.lines().map(str::trim).filter(|line| !line.is_empty());
        text.extend(variables.map(|line| format!("Environment: {line}\n")));
        if !self.from_url {
            text.push_str(&format!("Installation script:\n{}\n", self.script.trim_end()));
        }
        text
    }

    fn runs_privately(&self) -> bool {
        matches!(self.workdir.as_str(), "" | "private")
    }

    /// What is masked is that of the activity of before.
    fn understood(&self, before: Option<&ActivityView>) -> Result<NewActivity, (&'static str, String)> {
        let settings = self.settings(before)?;
        let new = if self.from_url {
            if self.url.is_empty() {
                return Err(("url", "Give the address of the installation script.".to_owned()));
            }
            NewActivity::url(&self.name, &self.url)
        } else {
            if self.script.trim().is_empty() {
                return Err(("script", "Give the installation script: it leaves a main.sh.".to_owned()));
            }
            let end = if self.script.ends_with('\n') { "" } else { "\n" };
            NewActivity::script(&self.name, format!("{}{end}", self.script))
        };
        Ok(new.settings(settings))
    }

    fn settings(&self, before: Option<&ActivityView>) -> Result<ActivitySettings, (&'static str, String)> {
        let timeout = match self.timeout.as_str() {
            "" => None,
            text => match text.parse::<f64>() {
                Ok(seconds) if (0.001..=366.0 * 86_400.0).contains(&seconds) => {
                    Some(Millis::from(std::time::Duration::from_secs_f64(seconds)))
                }
                _ => {
                    return Err((
                        "timeout",
                        "Give a number of seconds above 0 and up to a year, or nothing.".to_owned(),
                    ));
                }
            },
        };
        let retries = match self.retries.as_str() {
            "" => 0,
            text => text.parse().map_err(|_| ("retries", "Give a whole number, 0 or more.".to_owned()))?,
        };
        let max_concurrency = match self.max_concurrency.as_str() {
            "" => None,
            text => match text.parse::<u32>() {
                Ok(most) if most > 0 => Some(most),
                _ => return Err(("concurrency", "Give a whole number from 1 on, or nothing.".to_owned())),
            },
        };
        let mut env = BTreeMap::new();
        for line in self.env.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let Some((name, value)) = line.split_once('=').filter(|(name, _)| !name.trim().is_empty()) else {
                return Err(("env", format!("The line {line:?} is not NAME=VALUE.")));
            };
            let (name, value) = (name.trim(), if value == MASK { before_value(before, name)? } else { value });
            env.insert(name.to_owned(), value.to_owned());
        }
        let on_lost = if self.on_lost_fail { OnLost::Fail } else { OnLost::Requeue };
        let isolation = match self.isolation.as_str() {
            "" => None,
            "worker" => Some(Isolation::Worker),
            "execution" => Some(Isolation::Execution),
            other => return Err(("isolation", format!("{other:?} is neither worker nor execution."))),
        };
        let workdir = match self.workdir.as_str() {
            "" => Workdir::default(),
            word => word.parse().map_err(|error: UnknownWorkdir| ("workdir", format!("{error}.")))?,
        };
        let network = match self.network.as_str() {
            "" | "default" => Network::Default,
            "none" => Network::None,
            other => return Err(("network", format!("{other:?} is neither default nor none."))),
        };
        Ok(ActivitySettings { timeout, retries, on_lost, env, max_concurrency, isolation, workdir, network })
    }

    fn of_view(view: &ActivityView, script: Option<Payload>) -> Self {
        let activity = &view.activity;
        // What a change is made from is the newest, whether it serves yet or not.
        let newest = view.revisions.iter().find(|revision| revision.no == activity.latest);
        let settings = newest.map_or(&activity.settings, |newest| &newest.settings);
        let url = match newest.map_or(&activity.source, |newest| &newest.source) {
            ScriptSource::Url(url) => url.to_string(),
            _ => String::new(),
        };
        let script = match script {
            Some(Payload::Script(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
            _ => String::new(),
        };
        #[expect(clippy::cast_precision_loss, reason = "seconds are typed with few digits")]
        let seconds = |timeout: Millis| (timeout.0 as f64 / 1000.0).to_string();
        Self {
            name: activity.name.to_string(),
            from_url: !url.is_empty(),
            url,
            script,
            timeout: settings.timeout.map(seconds).unwrap_or_default(),
            retries: Some(settings.retries).filter(|retries| *retries > 0).map(|n| n.to_string()).unwrap_or_default(),
            on_lost_fail: settings.on_lost == OnLost::Fail,
            max_concurrency: settings.max_concurrency.map(|most| most.to_string()).unwrap_or_default(),
            isolation: settings.isolation.map(|isolation| isolation.as_str().to_owned()).unwrap_or_default(),
            workdir: settings.workdir.as_str().to_owned(),
            network: settings.network.as_str().to_owned(),
            env: settings.env.keys().map(|name| format!("{name}={MASK}\n")).collect(),
        }
    }
}

/// The value that a variable has, which a page does not show.
fn before_value<'a>(before: Option<&'a ActivityView>, name: &str) -> Result<&'a str, (&'static str, String)> {
    before
        .and_then(|before| before.env_value(name))
        .ok_or_else(|| ("env", format!("{name} has no value that could be kept. Give the value itself.")))
}

/// The field that a refusal of the pod is about.
fn field_of(error: &PodError, from_url: bool) -> &'static str {
    match error {
        PodError::InvalidName(_) | PodError::ActivityExists(_) => "name",
        PodError::Invalid(sentence) if sentence.starts_with("isolation") => "isolation",
        PodError::Invalid(sentence) if sentence.starts_with("network") => "network",
        PodError::Invalid(_) if from_url => "url",
        PodError::Invalid(sentence) if sentence.contains("environment") => "env",
        PodError::Invalid(_) => "script",
        _ => "form",
    }
}

/// `GET /activities/new`.
pub(crate) async fn new(frame: Frame) -> Response {
    let typed = FormValues::default();
    frame.page(&FormPage::of(&frame, None, typed))
}

/// `POST /activities/new`.
pub(crate) async fn create(
    State(web): State<Arc<Web>>,
    frame: Frame,
    form_data: FormData,
) -> Result<Response, Failure> {
    let typed = FormValues::of(&form_data);
    let error = match typed.understood(None) {
        Err(error) => error,
        Ok(new) => match form_data.on(&web.pod).create_activity(new).await {
            Ok(activity) => {
                let said = format!("{} was registered and is installed on one worker first.", activity.name);
                return Ok(Flash::done(said).at(&activity_address(activity.name.as_str())));
            }
            Err(error) => refused(error, typed.from_url)?,
        },
    };
    let page = FormPage { error: Some(error), ..FormPage::of(&frame, None, typed) };
    Ok(frame.page_with(StatusCode::UNPROCESSABLE_ENTITY, &page))
}

/// What the form can help with is shown in it; the rest is a page of its own.
fn refused(error: PodError, from_url: bool) -> Result<(&'static str, String), Failure> {
    match field_of(&error, from_url) {
        "form" => Err(error.into()),
        field => Ok((field, sentence(&error))),
    }
}

/// `GET /activities/{name}/edit`.
pub(crate) async fn edit(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    frame: Frame,
) -> Result<Response, Failure> {
    let view = web.pod.activity(&name).await?;
    let script = web.pod.payload(view.activity.id, view.activity.latest).await?;
    let was_directory = matches!(script, Some(Payload::Archive(_)));
    let typed = FormValues::of_view(&view, script);
    let version = view.version();
    Ok(frame.page(&FormPage { version, was_directory, ..FormPage::of(&frame, Some(&name), typed) }))
}

/// `POST /activities/{name}/edit`.
pub(crate) async fn save(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    frame: Frame,
    form_data: FormData,
) -> Result<Response, Failure> {
    let before = web.pod.activity(&name).await?;
    if before.activity.status == ActivityStatus::Uninstalling {
        return Ok(Flash::refused(format!("{name} is being removed and cannot be changed.")).at("/activities"));
    }
    let typed = FormValues { name: name.clone(), ..FormValues::of(&form_data) };
    let error = match typed.understood(Some(&before)) {
        Err(error) => error,
        Ok(new) => match form_data.on_version(&web.pod).put_activity(new).await {
            Ok(activity) => {
                let said = if activity.latest == before.activity.latest {
                    format!("Nothing was changed: this is what revision {} of {name} is.", activity.latest)
                } else {
                    format!(
                        "Revision {} of {name} is installed on one worker first; revision {} serves until then.",
                        activity.latest, before.activity.revision
                    )
                };
                return Ok(Flash::done(said).at(&activity_address(&name)));
            }
            Err(PodError::NotAsExpected { .. }) => {
                let now = web.pod.activity(&name).await?;
                let script = web.pod.payload(now.activity.id, now.activity.latest).await?;
                let theirs = FormValues::of_view(&now, script).text();
                let conflict = Some(Conflict::of(&name, theirs, &typed.text()));
                let page = FormPage { version: now.version(), conflict, ..FormPage::of(&frame, Some(&name), typed) };
                return Ok(frame.page_with(StatusCode::PRECONDITION_FAILED, &page));
            }
            Err(error) => refused(error, typed.from_url)?,
        },
    };
    let version = form_data.get(VERSION).to_owned();
    let page = FormPage { version, error: Some(error), ..FormPage::of(&frame, Some(&name), typed) };
    Ok(frame.page_with(StatusCode::UNPROCESSABLE_ENTITY, &page))
}
