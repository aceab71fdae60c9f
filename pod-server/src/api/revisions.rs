//! The revisions of an activity: list, show, and register one without making it current.

use std::{borrow::Cow, fmt, sync::Arc};

use axum::{
    extract::{Path, Request, State},
    http::StatusCode,
    response::Response,
};
use pod_core::{
    ActivityView,
    domain::{RetryRevision, Revision, RevisionChoice, RevisionNo},
};
use serde::{Deserialize, Deserializer, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, OneOfBuilder, RefOr, Schema, Type},
};

use super::{
    activities::{ArchiveQuery, Upload},
    body::{json, read_body, read_json},
    changing::{Change, Content, Nothing},
    objects::{InstallationObject, ReasonObject, RevisionObject},
    openapi::bodies::Binary,
    page::{self, Page},
    problem::{Problem, ProblemKind},
    request::{Segment, StrictQuery, unknown_activity},
    rules::whole,
};
use crate::serve::app::App;

/// The member `revision` of a request: a number, or `"latest"` for the one that is current then.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RevisionMember(pub(super) RevisionChoice);

/// The shape of [`RevisionMember`].
#[derive(Debug)]
pub(super) struct RevisionNumberOrLatest;

impl PartialSchema for RevisionNumberOrLatest {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(u32::MAX));
        let description = "The number of a revision, or `latest` for the one that is current then.";
        OneOfBuilder::new().description(Some(description)).item(number).item(LatestWord::schema()).into()
    }
}

impl ToSchema for RevisionNumberOrLatest {
    fn name() -> Cow<'static, str> {
        "RevisionChoice".into()
    }
}

impl<'de> Deserialize<'de> for RevisionMember {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = RevisionMember;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the number of a revision or \"latest\"")
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<RevisionMember, E> {
                match u32::try_from(number) {
                    Ok(no @ 1..) => Ok(RevisionMember(RevisionChoice::No(RevisionNo(no)))),
                    _ => Err(E::invalid_value(de::Unexpected::Unsigned(number), &self)),
                }
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<RevisionMember, E> {
                match whole(number) {
                    Some(number) => self.visit_u64(number),
                    None => Err(E::invalid_value(de::Unexpected::Float(number), &self)),
                }
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<RevisionMember, E> {
                match word {
                    "latest" => Ok(RevisionMember(RevisionChoice::Current)),
                    _ => Err(E::invalid_value(de::Unexpected::Str(word), &self)),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// How an execution is run again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Retry, examples(json!({ "revision": "latest" })))]
pub(crate) struct RetryBody {
    /// `latest` runs the current revision instead of the one that the execution ran.
    revision: Option<LatestWord>,
}

/// The only word for another revision than that of the execution.
#[derive(Clone, Copy, Debug, ToSchema)]
#[schema(as = Latest)]
enum LatestWord {
    #[schema(rename = "latest")]
    Latest,
}

impl<'de> Deserialize<'de> for LatestWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match RevisionMember::deserialize(deserializer)? {
            RevisionMember(RevisionChoice::Current) => Ok(Self::Latest),
            RevisionMember(RevisionChoice::No(no)) => Err(de::Error::custom(format_args!(
                "an execution is retried with its own revision, or with the \"latest\" one, not with {no}; submit a new \
                 one where another revision is to run"
            ))),
        }
    }
}

impl Content for RetryBody {
    /// It may be left out.
    async fn read(_: &App, request: Request) -> Result<Self, Problem> {
        const MAX_BODY_SIZE: usize = 64 << 10;
        let (parts, body) = request.into_parts();
        let bytes = read_body(Request::from_parts(parts.clone(), body), MAX_BODY_SIZE).await?;
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        read_json(Request::from_parts(parts, bytes.into()), MAX_BODY_SIZE).await
    }
}

impl RetryBody {
    pub(super) fn revision(&self) -> RetryRevision {
        self.revision.map_or(RetryRevision::Same, |LatestWord::Latest| RetryRevision::Latest)
    }
}

fn object(view: &ActivityView, revision: &Revision) -> RevisionObject {
    let mut object = RevisionObject::of(&view.activity, revision);
    let reasons = || view.verifying.get(&revision.no).into_iter().flatten();
    object.waits_for = reasons().map(ToString::to_string).collect();
    object.waits_for_reasons = reasons().map(ReasonObject::from).collect();
    let own = view.installations.iter().filter(|installation| installation.revision == revision.no);
    object.installations = own.map(InstallationObject::from).collect();
    object
}

/// Registers a revision for executions of one's own: the activity itself where the name is free. It becomes current
/// only where the activity was registered in this way from the start; one that was made otherwise stays as it is. The
/// same content and settings again are the same revision. Name it when an execution is started.
#[utoipa::path(post, path = "/activities/{name}/revisions", operation_id = "registerRevision", tag = "activities",
    params(("name" = String, Path, description = "The name of the activity"), ArchiveQuery,
        ("Pod-Env" = Option<String>, Header, description = "With an archive only: what env is in the JSON body, \
            form-urlencoded (`NAME=value&OTHER=value`)")),
    request_body(content((super::activities::ActivityBody = "application/json"), (Binary = "application/gzip"))),
    responses(
    (status = 200, body = RevisionObject, description = "A revision that was there"),
    (status = 201, body = RevisionObject, description = "A new one"),
    (status = 409, body = super::problem::ProblemBody, content_type = "application/problem+json"),
    (status = 422, body = super::problem::ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn register(
    State(app): State<Arc<App>>,
    name: Segment,
    change: Change<Upload, ArchiveQuery>,
) -> Result<Response, Problem> {
    let pod = change.on(&app.pod);
    let new = change.body.understood(&app, &name.0, change.query).await?;
    let newest_before = app.pod.activity(&name.0).await.ok().map(|view| view.newest_revision());
    let (view, no) = pod.register_for_runs(new).await?;
    let revision = found(&view, no)?;
    let status = if newest_before.is_some_and(|newest| no <= newest) { StatusCode::OK } else { StatusCode::CREATED };
    Ok(json(status, &object(&view, revision)))
}

fn found(view: &ActivityView, no: RevisionNo) -> Result<&Revision, Problem> {
    view.revisions.iter().find(|revision| revision.no == no).ok_or_else(|| {
        let name = &view.activity.name;
        Problem::new(
            ProblemKind::NoSuchRevision,
            format!("Activity {name} has no revision {no}, or it is not kept any more"),
        )
    })
}

/// The revisions of an activity, the newest first: the last 200, and those that serve.
#[utoipa::path(get, path = "/activities/{name}/revisions", operation_id = "listRevisions", tag = "activities",
    params(("name" = String, Path, description = "The name of the activity")), responses(
    (status = 200, body = super::page::RevisionPage),
    (status = 404, body = super::problem::ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    name: Segment,
    _: StrictQuery<Nothing>,
) -> Result<Response, Problem> {
    let view = app.pod.activity(&name.0).await.map_err(unknown_activity)?;
    let revisions: Vec<&Revision> = view.revisions.iter().rev().collect();
    let limit = revisions.len();
    Ok(json(
        StatusCode::OK,
        &Page::of(page::REVISIONS, revisions, limit, |revision| revision.no).map(|one| object(&view, one)),
    ))
}

/// One revision of an activity.
#[utoipa::path(get, path = "/activities/{name}/revisions/{revision}", operation_id = "getRevision", tag = "activities",
    params(("name" = String, Path, description = "The name of the activity"),
        ("revision" = u32, Path, description = "The number of the revision")), responses(
    (status = 200, body = RevisionObject),
    (status = 404, body = super::problem::ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path((name, no)): Path<(String, String)>,
    _: StrictQuery<Nothing>,
) -> Result<Response, Problem> {
    let no: RevisionNo = Segment(no).id(ProblemKind::NoSuchRevision, "Revision")?;
    let view = app.pod.activity(&name).await.map_err(unknown_activity)?;
    Ok(json(StatusCode::OK, &object(&view, found(&view, no)?)))
}
