//! The connection to the container engine, and its errors as sentences.

use std::{io, time::Duration};

use bollard::{Docker, errors::Error};
use pod_core::provisioner::{ProvisionError, ProvisionErrorKind};

use super::refusal::remedy;

/// Where the engine is when nobody says so.
const USUAL: &str = "unix:///var/run/docker.sock";
/// An engine that does not say within this time who it is, is not there for us.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);
/// The oldest API that has all that is needed: that of Docker 20.10.
const OLDEST_API: (u64, u64) = (1, 41);

/// An engine that answers.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) docker: Docker,
    host: String,
}

impl Engine {
    /// Connects to the engine that `DOCKER_HOST` names, else to that of this machine.
    pub(crate) async fn connect() -> Result<Self, ProvisionError> {
        let host = std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty()).unwrap_or_else(|| USUAL.into());
        Self::connect_to(host).await
    }

    /// Connects to that engine.
    pub(crate) async fn connect_to(host: String) -> Result<Self, ProvisionError> {
        let refused = |error: &Error| ProvisionError::new(explain(&host, error)).of_kind(kind(error));
        let mut docker = Docker::connect_with_host(&host).map_err(|error| refused(&error))?;
        let usual_timeout = docker.timeout();
        docker.set_timeout(ANSWERS_WITHIN);
        // Without the negotiation that bollard offers: that hides why an engine does not answer.
        let version = docker.version().await.map_err(|error| match error {
            Error::JsonDataError { .. } | Error::DockerResponseServerError { status_code: 404, .. } => {
                ProvisionError::new(format!(
                    "what answers at {host} is not a container engine; name one with DOCKER_HOST"
                ))
            }
            error => refused(&error),
        })?;
        let api = version.api_version.unwrap_or_default();
        if parse_api(&api).is_none_or(|api| api < OLDEST_API) {
            let (major, minor) = OLDEST_API;
            let message = format!(
                "the container engine at {host} is too old: it speaks version {api} of its API and {major}.{minor} is \
                 needed, that of Docker 20.10; upgrade it"
            );
            return Err(ProvisionError::permanent(message).of_kind(ProvisionErrorKind::Invalid));
        }
        let docker = docker.negotiate_version().await.map_err(|error| refused(&error))?.with_timeout(usual_timeout);
        let theirs = version.arch.unwrap_or_default();
        if theirs != architecture() {
            let message = format!(
                "the container engine at {host} is one of {theirs}, and this program one of {}; run a manager of the \
                 engine's architecture",
                architecture()
            );
            return Err(ProvisionError::permanent(message).of_kind(ProvisionErrorKind::Invalid));
        }
        Ok(Self { docker, host })
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Whether its containers can see files of this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.host.starts_with("unix://")
    }

    /// An error while doing something, which goes on as "… cannot be …".
    pub(crate) fn failed(&self, what: impl std::fmt::Display, error: &Error) -> ProvisionError {
        let message = format!("{what}: {}", explain(&self.host, error));
        ProvisionError::new(message).of_kind(kind(error)).that_lasts(is_refusal(error))
    }
}

/// The name that engines have for this machine's architecture.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Whether the engine answered that something is not there.
pub(crate) fn is_missing(error: &Error) -> bool {
    has_status(error, 404)
}

/// Whether the engine answered that the image of a container is not there, and not that something else is not.
pub(crate) fn is_without_image(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code: 404, message } if message.contains("o such image"))
}

/// What is in the way, by the status that the engine answered with.
const fn kind(error: &Error) -> ProvisionErrorKind {
    match error {
        Error::DockerResponseServerError { status_code: 401 | 403, .. } => ProvisionErrorKind::Credentials,
        Error::DockerResponseServerError { status_code: 429, .. } => ProvisionErrorKind::Throttled,
        Error::DockerResponseServerError { status_code: 400 | 404, .. } => ProvisionErrorKind::Invalid,
        error if is_silence(error) => ProvisionErrorKind::Unreachable,
        _ => ProvisionErrorKind::Other,
    }
}

/// Whether the engine refused what it was asked for: it does so every time. Where it failed, the next time may be
/// another matter, unless a setting is known to be the cause; so it is with a conflict, which is between two requests.
fn is_refusal(error: &Error) -> bool {
    match error {
        Error::DockerResponseServerError { status_code: 409, .. } => false,
        Error::DockerResponseServerError { status_code: 400..=499, .. } => true,
        Error::DockerResponseServerError { message, .. } => remedy(message).is_some(),
        _ => false,
    }
}

/// Whether there was no answer: the engine does not run, or does not any more.
pub(crate) const fn is_silence(error: &Error) -> bool {
    !matches!(
        error,
        Error::DockerResponseServerError { .. } | Error::DockerStreamError { .. } | Error::JsonDataError { .. }
    )
}

/// Whether the engine answered with that status.
pub(crate) fn has_status(error: &Error, status: u16) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code, .. } if *status_code == status)
}

fn parse_api(text: &str) -> Option<(u64, u64)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn explain(host: &str, error: &Error) -> String {
    let absent = || {
        let how = if host.starts_with("unix://") { "start it (systemctl start docker)" } else { "start it there" };
        format!("no container engine answers at {host}; {how}, or name another with DOCKER_HOST")
    };
    match error {
        Error::DockerResponseServerError { message, .. } => {
            let remedy = remedy(message).map(|remedy| format!("; {remedy}")).unwrap_or_default();
            format!("the container engine says: {}{remedy}", message.trim())
        }
        Error::DockerStreamError { error } => format!("the container engine says: {}", error.trim()),
        Error::RequestTimeoutError => format!(
            "the container engine at {host} does not answer; see whether it does to docker version, or name another \
             with DOCKER_HOST"
        ),
        Error::SocketNotFoundError(_) => absent(),
        Error::UnsupportedURISchemeError { .. } | Error::URLParseError { .. } | Error::InvalidURIError { .. } => {
            format!("DOCKER_HOST is {host}, which is not unix://PATH, tcp://HOST:PORT or https://HOST:PORT")
        }
        Error::CertPathError { path } => format!(
            "the certificate {} for the container engine at {host} cannot be read; set DOCKER_CERT_PATH to the directory \
             of ca.pem, cert.pem and key.pem",
            path.display()
        ),
        other => match io_kind(other) {
            Some(io::ErrorKind::PermissionDenied) => format!(
                "this user may not use the container engine at {host}; add the user to the group docker, or run the \
                 manager as root"
            ),
            Some(io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset) => {
                absent()
            }
            _ => format!("the container engine at {host} cannot be used: {}", cause(other)),
        },
    }
}

/// The system's error that is at the bottom of one.
fn io_kind(error: &Error) -> Option<io::ErrorKind> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut found = None;
    while let Some(error) = next {
        found = error.downcast_ref::<io::Error>().map(io::Error::kind).or(found);
        next = error.source();
    }
    found
}

/// What is at the bottom of an error.
fn cause(error: &Error) -> String {
    let mut last: &(dyn std::error::Error + 'static) = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}
