//! One revision of an activity: its script or its files, and what it changes against another one that is kept.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use pod_core::domain::{Payload, Revision, RevisionNo, RevisionStatus, ScriptSource};
use serde::Deserialize;

use super::{
    archive::{Directory, File},
    script_diff::{DiffLine, diff, diff_directories},
};
use crate::{failure::Failure, format::filters, layout::Frame, web::Web};

/// How much of a script is shown.
const MAX_SCRIPT_LEN: usize = 256 << 10;

/// What a revision is made of, ready to be shown.
#[derive(Debug)]
enum Content {
    Script(String),
    Directory(Directory),
    /// It is not fetched yet, or could not be.
    Nothing,
}

impl Content {
    fn of(payload: Option<Payload>) -> Self {
        match payload {
            Some(Payload::Script(bytes)) => Self::Script(String::from_utf8_lossy(&bytes).into_owned()),
            Some(Payload::Archive(bytes)) => Self::Directory(Directory::of(&bytes)),
            None => Self::Nothing,
        }
    }

    fn against(&self, old: &Self) -> Comparison {
        let lines = match (old, self) {
            (Self::Script(old), Self::Script(new)) => {
                if old == new {
                    return Comparison::Same;
                }
                diff(old, new)
            }
            (Self::Directory(old), Self::Directory(new)) => {
                if old.files == new.files {
                    return Comparison::Same;
                }
                diff_directories(old, new)
            }
            _ => Vec::new(),
        };
        if lines.is_empty() { Comparison::Apart } else { Comparison::Lines(lines) }
    }
}

/// How two revisions differ.
#[derive(Debug)]
enum Comparison {
    /// The content is the same; settings may differ.
    Same,
    /// A script and a directory, or scripts too long to compare.
    Apart,
    Lines(Vec<DiffLine>),
}

/// The query of the page.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RevisionQuery {
    against: String,
}

#[derive(Debug, Template)]
#[template(path = "revision.html")]
struct RevisionPage<'a> {
    frame: &'a Frame,
    name: &'a str,
    revision: Revision,
    serving: bool,
    /// The others that are kept, newest first.
    others: Vec<RevisionNo>,
    against: Option<RevisionNo>,
    comparison: Option<Comparison>,
    content: Content,
}

impl RevisionPage<'_> {
    /// The script as far as it is shown, and whether that is not all.
    fn script(&self) -> Option<(&str, bool)> {
        let Content::Script(script) = &self.content else { return None };
        let end = script.floor_char_boundary(MAX_SCRIPT_LEN);
        Some((&script[..end], end < script.len()))
    }

    fn directory(&self) -> Option<&Directory> {
        match &self.content {
            Content::Directory(directory) => Some(directory),
            _ => None,
        }
    }

    /// The files that say what it does.
    fn scripts(&self) -> impl Iterator<Item = (&str, &str)> {
        let files = self.directory().map_or(&[][..], |directory| &directory.files);
        let named = |file: &&File| ["main.sh", "install.sh"].contains(&file.path.as_str());
        files.iter().filter(named).filter_map(|file| Some((file.path.as_str(), file.text.as_deref()?)))
    }
}

/// `GET /activities/{name}/revisions/{no}`.
pub(crate) async fn show(
    State(web): State<Arc<Web>>,
    Path((name, no)): Path<(String, String)>,
    Query(query): Query<RevisionQuery>,
    frame: Frame,
) -> Result<Response, Failure> {
    let view = web.pod.activity(&name).await?;
    let numbered = |text: &str| {
        let no = text.parse::<RevisionNo>().ok()?;
        view.revisions.iter().find(|revision| revision.no == no)
    };
    let kept = || {
        let numbers: Vec<String> = view.revisions.iter().map(|revision| revision.no.to_string()).collect();
        format!("Those of {name} that are kept are {}.", numbers.join(", "))
    };
    let missing = |text: &str| {
        let shown: String = text.chars().take(20).collect();
        Failure::missing(format!("There is no revision {shown:?}, or it is not kept any more. {}", kept()))
    };
    let revision = numbered(&no).ok_or_else(|| missing(&no))?.clone();
    let against = match query.against.as_str() {
        "" => view.revisions.iter().rev().map(|other| other.no).find(|other| *other < revision.no),
        text => Some(numbered(text).ok_or_else(|| missing(text))?.no),
    };
    let activity = view.activity.id;
    let payload = web.pod.payload(activity, revision.no).await?;
    let old = match against {
        Some(against) => Some(web.pod.payload(activity, against).await?),
        None => None,
    };
    let reading = tokio::task::spawn_blocking(move || {
        let content = Content::of(payload);
        let comparison = old.map(|old| content.against(&Content::of(old)));
        (content, comparison)
    });
    let Ok((content, comparison)) = reading.await else {
        return Err(Failure::new(
            axum::http::StatusCode::INTERNAL_SERVER_ERROR,
            "The content of this revision could not be read. The log of the manager says why.",
        ));
    };
    let others = view.revisions.iter().rev().map(|other| other.no).filter(|other| *other != revision.no).collect();
    let serving = revision.no == view.activity.revision && revision.status == RevisionStatus::Approved;
    let page = RevisionPage { frame: &frame, name: &name, serving, others, against, comparison, content, revision };
    Ok(frame.page(&page))
}
