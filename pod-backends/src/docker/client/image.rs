//! The image of the workers: pulled where it is missing, and looked at before the first worker is made of it.

use std::{collections::BTreeMap, fmt, time::Duration};

use bollard::{
    models::{CreateImageInfo, ImageInspect},
    query_parameters::CreateImageOptionsBuilder,
};
use futures::StreamExt;
use pod_core::{
    domain::WorkerId,
    provisioner::{ProvisionError, ProvisionErrorKind, WorkerGateway},
};
use tokio::time::{Instant, timeout_at};

use super::engine::{Engine, architecture, is_missing};

/// So often one sees how far a pull has come.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// An image that is there.
#[derive(Debug)]
pub(crate) struct Image {
    /// The id of its content.
    pub(crate) id: String,
    /// Where programs are looked for in it.
    pub(crate) path: String,
    /// Whom its programs are run as, as it says.
    pub(crate) user: String,
}

const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Who is told how far a pull has come, if anybody is.
pub(crate) type Told<'a> = Option<(&'a dyn WorkerGateway, WorkerId)>;

/// Has the image on the engine; a sentence when it cannot be had, or cannot work there.
pub(crate) async fn ensure(engine: &Engine, name: &str, told: Told<'_>) -> Result<Image, ProvisionError> {
    let docker = &engine.docker;
    let found = match docker.inspect_image(name).await {
        Err(error) if is_missing(&error) => {
            pull(engine, name, told).await?;
            docker.inspect_image(name).await
        }
        other => other,
    };
    let found = found.map_err(|error| engine.failed(format_args!("the image {name} cannot be used"), &error))?;
    fit(name, &found)?;
    let config = found.config.unwrap_or_default();
    let (env, user) = (config.env.unwrap_or_default(), config.user.unwrap_or_default());
    let path = env.iter().find_map(|variable| variable.strip_prefix("PATH=")).unwrap_or(USUAL_PATH);
    Ok(Image { id: found.id.unwrap_or_default(), path: path.to_owned(), user })
}

fn fit(name: &str, image: &ImageInspect) -> Result<(), ProvisionError> {
    let refused = |message: String| Err(ProvisionError::permanent(message).of_kind(ProvisionErrorKind::Invalid));
    let (os, theirs) = (image.os.as_deref().unwrap_or("linux"), image.architecture.as_deref().unwrap_or_default());
    if os != "linux" {
        return refused(format!("the image {name} is one for {os}; choose one for linux"));
    }
    if !theirs.is_empty() && theirs != architecture() {
        return refused(format!(
            "the image {name} is one for {theirs}, and the engine's machine is {}; choose one for that",
            architecture()
        ));
    }
    Ok(())
}

async fn pull(engine: &Engine, name: &str, told: Told<'_>) -> Result<(), ProvisionError> {
    let (repository, tag) = split(name);
    let mut options = CreateImageOptionsBuilder::default().from_image(repository);
    if let Some(tag) = tag {
        options = options.tag(tag);
    }
    tracing::info!(image = name, "pulling");
    let what = format!("the image {name} is not on the engine and cannot be pulled");
    let mut said = format!("the image {name} is pulled");
    tell(told, said.clone()).await;
    let (mut last, mut layers) = (Instant::now(), Layers::default());
    let mut pulling = engine.docker.create_image(Some(options.build()), None, None);
    loop {
        let step = match timeout_at(last + TELL_EVERY, pulling.next()).await {
            Ok(Some(step)) => step.map_err(|error| judged(engine.failed(&what, &error)))?,
            Ok(None) => return Ok(()),
            Err(_) => {
                last = Instant::now();
                let now = format!("the image {name} is pulled{layers}");
                if now != said {
                    tell(told, now.clone()).await;
                    said = now;
                }
                continue;
            }
        };
        layers.note(&step);
        if let Some(reason) = step.error_detail.and_then(|detail| detail.message) {
            return Err(judged(ProvisionError::new(format!("{what}: {reason}"))));
        }
    }
}

/// What registries answer that know better than a second question: the engine has no other sign of it than the text.
const ANSWERS: [&str; 5] = ["manifest unknown", "not found", "denied", "unauthorized", "does not exist"];

fn judged(error: ProvisionError) -> ProvisionError {
    let lasting = error.permanent || ANSWERS.iter().any(|answer| error.message.contains(answer));
    error.that_lasts(lasting)
}

/// How much of each layer has come.
#[derive(Debug, Default)]
struct Layers(BTreeMap<String, Layer>);

#[derive(Debug, Default)]
struct Layer {
    arrived: i64,
    size: i64,
}

impl Layers {
    fn note(&mut self, step: &CreateImageInfo) {
        let (Some(id), Some(status)) = (&step.id, step.status.as_deref()) else { return };
        let detail = step.progress_detail.as_ref();
        match (status, detail.and_then(|detail| Some((detail.current?, detail.total?)))) {
            ("Downloading", Some((arrived, size))) => _ = self.0.insert(id.clone(), Layer { arrived, size }),
            ("Download complete" | "Pull complete" | "Extracting", _) => {
                self.0.entry(id.clone()).and_modify(|layer| layer.arrived = layer.size);
            }
            _ => {}
        }
    }
}

/// What follows "is pulled": nothing before the size of any layer is known.
impl fmt::Display for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = |of: fn(&Layer) -> i64| self.0.values().map(of).sum::<i64>();
        let (arrived, size) = (sum(|layer| layer.arrived), sum(|layer| layer.size));
        match size {
            0 => Ok(()),
            size if arrived >= size => write!(f, ": {} MB, being unpacked", megabytes(size)),
            size => write!(f, ": {} of {} MB", megabytes(arrived), megabytes(size)),
        }
    }
}

fn megabytes(bytes: i64) -> String {
    format!("{}.{}", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
}

async fn tell(told: Told<'_>, note: String) {
    if let Some((links, worker)) = told {
        links.report_progress(worker, note).await;
    }
}

/// The repository and the tag of a name. One without a tag means `latest`, not every tag that there is.
fn split(name: &str) -> (&str, Option<&str>) {
    if name.contains('@') {
        return (name, None);
    }
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (name, Some("latest")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_tag_means_the_latest() {
        assert_eq!(split("debian"), ("debian", Some("latest")));
        assert_eq!(split("debian:bookworm-slim"), ("debian", Some("bookworm-slim")));
        assert_eq!(split("host:5000/team/image"), ("host:5000/team/image", Some("latest")));
        assert_eq!(split("host:5000/team/image:1"), ("host:5000/team/image", Some("1")));
        assert_eq!(split("debian@sha256:0f"), ("debian@sha256:0f", None));
    }
}
