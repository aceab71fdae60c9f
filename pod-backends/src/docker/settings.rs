//! What a user says about the containers of workers.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use pod_core::domain::Isolation;

use super::places::{ACTIVITY, HOME};

/// What root may do in a container in which something is installed: what package managers need, and no more. Where each
/// execution has a container, that of an execution has none of them.
pub const INSTALLING: [&str; 8] = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETFCAP", "SETGID", "SETUID"];

/// How many processes and threads the container of an execution may have, unless the settings say.
pub(crate) const PIDS_OF_AN_EXECUTION: u32 = 4096;

/// How the containers are made.
#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct DockerSettings {
    /// What has a container of its own, where an activity does not say.
    pub isolation: Isolation,
    /// The image. It needs `bash`, and nothing else.
    pub image: String,
    /// How many bytes of memory each may use, without swap; as many as there are when absent.
    pub memory: Option<u64>,
    /// How many CPUs each may use.
    pub cpus: Option<f64>,
    /// How many processes and threads each may have, those of the worker (about a dozen) included.
    pub pids: Option<u32>,
    /// The network; the engine's default when absent, `none` for no network at all.
    pub network: Option<String>,
    /// Whether programs of a container for each execution reach the metadata addresses of clouds, and so what the machine
    /// itself may do there.
    #[serde(default)]
    pub metadata: bool,
    /// What is seen of the engine's machine.
    pub mounts: Vec<Mount>,
    /// As whom programs run; whom the image says when absent.
    pub user: Option<String>,
    /// Whether the image cannot be written to. `/tmp` can, and what POD itself needs.
    pub read_only: bool,
    /// Capabilities that containers have besides [`INSTALLING`], such as `NET_RAW`.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Added to the environment of the image.
    pub env: BTreeMap<String, String>,
    /// Where workers dial over the network, for example `http://10.0.0.7:8080`. They dial a socket in the data directory when absent, which an engine on
    /// this machine can reach.
    #[serde(skip)]
    pub manager: Option<String>,
}

/// Without the values of the environment, which may be secrets.
impl std::fmt::Debug for DockerSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DockerSettings")
            .field("image", &self.image)
            .field("env", &self.env.keys())
            .finish_non_exhaustive()
    }
}

impl DockerSettings {
    /// Containers of that image, without limits.
    #[must_use]
    pub fn of_image(image: impl Into<String>) -> Self {
        Self {
            isolation: Isolation::Worker,
            image: image.into(),
            memory: None,
            cpus: None,
            pids: None,
            network: None,
            metadata: false,
            mounts: Vec::new(),
            user: None,
            read_only: false,
            capabilities: Vec::new(),
            env: BTreeMap::new(),
            manager: None,
        }
    }
}

/// A manager as a worker dials it over the network.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ManagerAddress {
    /// For example `http://10.0.0.7:8080`.
    pub url: String,
    /// The token that the worker shows.
    pub token: Option<String>,
}

impl std::fmt::Debug for ManagerAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ManagerAddress").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Something that is seen in the containers.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Mount {
    /// What.
    pub source: MountSource,
    /// Where.
    pub target: PathBuf,
    /// Whether it cannot be written to.
    pub read_only: bool,
}

/// Where something lies that is seen in the containers.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum MountSource {
    /// A directory or file of the engine's machine.
    Path(PathBuf),
    /// A volume of the engine.
    Volume(String),
}

impl std::fmt::Display for Mount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.source {
            MountSource::Path(path) => write!(f, "{}", path.display())?,
            MountSource::Volume(name) => f.write_str(name)?,
        }
        write!(f, ":{}{}", self.target.display(), if self.read_only { ":ro" } else { "" })
    }
}

/// What POD itself has in containers.
const OURS: [&str; 2] = [HOME, ACTIVITY];

impl std::str::FromStr for Mount {
    type Err = String;

    /// `SOURCE:TARGET` or `SOURCE:TARGET:ro`, as `docker run -v` has it.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "must be SOURCE:TARGET or SOURCE:TARGET:ro, where SOURCE is an absolute path or the name of a volume \
                 and TARGET an absolute path in the container, not {text:?}"
            )
        };
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, read_only) = match parts[..] {
            [source, target] | [source, target, "rw"] => (source, target, false),
            [source, target, "ro"] => (source, target, true),
            _ => return Err(wrong()),
        };
        let source = match source {
            _ if source.starts_with('/') => MountSource::Path(source.into()),
            _ if !source.is_empty() && !source.contains('/') => MountSource::Volume(source.to_owned()),
            _ => return Err(wrong()),
        };
        let target = PathBuf::from(target);
        if !target.is_absolute() {
            return Err(wrong());
        }
        if OURS.iter().any(|ours| target.starts_with(ours)) || target == Path::new("/") {
            return Err(format!("cannot be at {}, which POD itself needs; choose another TARGET", target.display()));
        }
        Ok(Self { source, target, read_only })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_written_as_for_docker_run() {
        let read = |text: &str| text.parse::<Mount>();
        let data = Mount { source: MountSource::Path("/srv".into()), target: "/data".into(), read_only: true };
        assert_eq!(read("/srv:/data:ro"), Ok(data));
        let cache = Mount { source: MountSource::Volume("cache".into()), target: "/c".into(), read_only: false };
        assert_eq!(read("cache:/c"), Ok(cache));
        for wrong in ["", "/srv", "/srv:data", "./srv:/data", ":/data", "/srv:/data:xx"] {
            assert!(read(wrong).expect_err(wrong).contains("SOURCE:TARGET"), "{wrong}");
        }
        for ours in ["/srv:/", "/srv:/.pod:ro", "cache:/.pod/link", "/srv:/activity"] {
            assert!(read(ours).expect_err(ours).contains("POD itself needs"), "{ours}");
        }
        assert!(read("/srv:/activities").is_ok());
    }
}
