//! The settings of `pod serve`: flag, else environment variable, else TOML file, else default.
//!
//! Every wrong value is refused with a sentence that names the setting, where the value came from, and what is allowed.

use std::{fmt, net::SocketAddr, path::PathBuf};

use pod_backends::docker::DockerSettings;
use pod_core::{
    Amount, Bound, Limits,
    domain::{MAX_SLOTS, Millis},
};
use pod_web::BasePath;
use sha2::{Digest, Sha256};

mod args;
mod docker;
mod duration;
mod error;
mod file;
mod hosts;
pub(crate) mod secret;
mod setting;

pub use args::ServeArgs;
pub use docker::DockerArgs;
pub use error::ConfigError;
pub use secret::Secret;

use crate::guard::hosts::Hosts;
use duration::show_duration;
use setting::{Layers, SettingValue};

/// The shortest `--fetch-timeout`.
const MIN_FETCH_TIMEOUT: Millis = Millis(100);
/// Settings as text, for the fuzz targets.
#[cfg(feature = "fuzzing")]
pub(crate) fn fuzz(text: &str) {
    if let Ok(duration) = duration::parse_duration(text) {
        assert_eq!(duration::parse_duration(&show_duration(duration)), Ok(duration));
    }
    let _ = duration::parse_size(text);
    let _ = file::parse(std::path::Path::new("file"), text);
}

/// The settings of a manager, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where it listens: `HOST:PORT`; port 0 takes a free one.
    pub listen: String,
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Where records are kept.
    pub store: StoreChoice,
    /// Where executions run.
    pub backend: BackendChoice,
    /// As which user of this machine programs run; as the manager's own when absent.
    pub run_as: Option<String>,
    /// How many executions one worker runs at a time.
    pub slots: u32,
    /// What every request has to show.
    pub token: Option<Secret>,
    /// What workers that dial in have to show; `token` when absent.
    pub worker_token: Option<Secret>,
    /// How long ended executions are kept.
    pub retention: Millis,
    /// Silent for so long: a worker is lost.
    pub lost_after: Millis,
    /// The containers of Docker workers.
    pub docker: DockerSettings,
    /// Whether `file:` locations are fetched.
    pub allow_file_urls: bool,
    /// Names in `Host` that are answered, beside loopback and the address listened on.
    pub allow_hosts: Vec<String>,
    /// What a proxy puts before every path.
    pub base_path: BasePath,
    /// How long an installation script may run.
    pub install_timeout: Millis,
    /// How long fetching an installation script may take.
    pub fetch_timeout: Millis,
    /// Between TERM and KILL.
    pub grace: Millis,
    /// How many bytes of output of one attempt are kept.
    pub output_cap: u64,
}

/// Where records are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreChoice {
    /// A database file in the data directory.
    Sqlite,
}

/// Where executions run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendChoice {
    /// Worker processes on this machine.
    Local,
    /// Containers of a Docker engine.
    Docker,
    /// Tasks of a Docker Swarm.
    Swarm,
}

impl Config {
    /// The defaults, with everything kept in `data_dir`: what an embedded manager and tests start from.
    #[must_use]
    pub fn in_directory(data_dir: impl Into<PathBuf>) -> Self {
        let limits = Limits::default();
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            data_dir: data_dir.into(),
            store: StoreChoice::Sqlite,
            backend: BackendChoice::Local,
            run_as: None,
            slots: limits.slots,
            token: None,
            worker_token: None,
            retention: limits.retention,
            lost_after: limits.worker_timeout,
            docker: DockerSettings::of_image("debian:bookworm-slim"),
            allow_file_urls: false,
            allow_hosts: Vec::new(),
            base_path: BasePath::default(),
            install_timeout: limits.install_timeout,
            fetch_timeout: Millis::from_secs(60),
            grace: limits.grace_period,
            output_cap: limits.output_cap,
        }
    }

    /// Puts the layers together. `environment` looks a variable up.
    pub fn resolve(args: &ServeArgs, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let config_file = args.config.clone().or_else(|| environment("POD_CONFIG").filter(|path| !path.is_empty()));
        let file = match config_file.map(PathBuf::from) {
            Some(path) => Some((path.clone(), file::read(&path)?)),
            None => None,
        };
        let layers = Layers { flags: args.flag_values(), environment, file };
        let data_dir = match layers.find("data-dir") {
            Some(written) if written.text.is_empty() => return Err(written.wrong("must name a directory")),
            Some(written) => PathBuf::from(written.text),
            None => default_data_dir(environment)?,
        };
        let mut config = Self::in_directory(data_dir);
        config.apply(&layers)?;
        Ok(config)
    }

    fn apply(&mut self, layers: &Layers<'_>) -> Result<(), ConfigError> {
        if let Some(written) = layers.find("listen") {
            self.listen = hosts::listen_address(&written)?;
        }
        if let Some(written) = layers.find("store") {
            self.store = store_choice(&written)?;
        }
        if let Some(written) = layers.find("backend") {
            self.backend = backend_choice(&written)?;
        }
        if let Some(written) = layers.find("run-as") {
            if self.backend != BackendChoice::Local {
                return Err(written.wrong(format!(
                    "is for programs that run on this machine itself, and --backend {} runs them in containers; leave it \
                     out, and name a user there by --docker-user",
                    self.backend
                )));
            }
            self.run_as = Some(written.text);
        }
        if let Some(written) = layers.find("slots") {
            self.slots = written.number(1, MAX_SLOTS)?;
        }
        self.token = layers.find("token").map(|written| secret(&written)).transpose()?;
        self.worker_token = layers.find("worker-token").map(|written| secret(&written)).transpose()?;
        for (flag, duration) in [
            ("retention", &mut self.retention),
            ("lost-after", &mut self.lost_after),
            ("install-timeout", &mut self.install_timeout),
            ("fetch-timeout", &mut self.fetch_timeout),
            ("grace", &mut self.grace),
        ] {
            if let Some(written) = layers.find(flag) {
                *duration = written.duration()?;
            }
        }
        if let Some(written) = layers.find("fetch-timeout").filter(|_| self.fetch_timeout < MIN_FETCH_TIMEOUT) {
            return Err(written.wrong(format!("must be at least {}", show_duration(MIN_FETCH_TIMEOUT))));
        }
        docker::apply(&mut self.docker, layers)?;
        if let Some(written) = layers.find("allow-file-urls") {
            self.allow_file_urls = written.switch()?;
        }
        if let Some(written) = layers.find("allow-host") {
            self.allow_hosts = hosts::names(&written)?;
        }
        if let Some(written) = layers.find("base-path") {
            self.base_path = hosts::base_path(&written)?;
        }
        if let Some(written) = layers.find("output-cap") {
            self.output_cap = written.size()?;
        }
        self.limits().check().map_err(|wrong| {
            let flags = ["install-timeout", "output-cap", "retention", "slots"];
            let flag = match wrong.member {
                "worker_timeout" => Some("lost-after"),
                "grace_period" => Some("grace"),
                other => flags.into_iter().find(|flag| flag.replace('-', "_") == other),
            };
            match flag.and_then(|flag| layers.find(flag)) {
                Some(written) => written.wrong(format!("must be {}", as_text(&wrong.bound))),
                None => ConfigError(wrong.to_string()),
            }
        })
    }

    /// Refuses to be reachable by others without a token, also by a name that is not one of loopback: to pages of such
    /// a name browsers do not say who made a request.
    pub fn check_reach(&self, addresses: &[SocketAddr]) -> Result<(), ConfigError> {
        let loopback = Hosts::of_loopback();
        if let Some(name) = self.allow_hosts.iter().find(|name| self.token.is_none() && !loopback.answers(name)) {
            return Err(ConfigError(format!(
                "refusing to answer to the host name {name} (--allow-host) without a token: pages of other sites could run \
                 programs here; set POD_TOKEN to a long random text, or leave --allow-host out"
            )));
        }
        match addresses.iter().find(|address| !address.ip().is_loopback()) {
            Some(address) if self.token.is_none() => Err(ConfigError(format!(
                "refusing to listen on {address} without a token: anyone who reaches it could run programs here; \
                 set POD_TOKEN to a long random text, or listen on 127.0.0.1"
            ))),
            _ => Ok(()),
        }
    }

    /// The times, counts and sizes for the engine.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let defaults = Limits::default();
        // A worker counts as unreachable half-way to being lost, and speaks three times before that.
        let unreachable_after = Millis((self.lost_after.0 / 2).max(1));
        Limits {
            slots: self.slots,
            install_timeout: self.install_timeout,
            grace_period: self.grace,
            output_cap: self.output_cap,
            heartbeat_interval: Millis((unreachable_after.0 / 3).clamp(1, defaults.heartbeat_interval.0)),
            unreachable_after,
            worker_timeout: self.lost_after,
            retention: self.retention,
            ..defaults
        }
    }

    /// A fingerprint of how containers are made, where executions run in some.
    #[must_use]
    pub fn containers(&self) -> Option<String> {
        let digest = || Sha256::digest(format!("{:?}", self.docker));
        let digits = |digest: &[u8]| digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        (self.backend != BackendChoice::Local).then(|| digits(&digest()))
    }

    /// The effective configuration, a line per setting, secrets masked.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let masked = |secret: &Option<Secret>| match secret {
            Some(_) => "(set, not shown)",
            None => "(none)",
        };
        let mut all = vec![
            ("allow-file-urls", self.allow_file_urls.to_string()),
            ("allow-host", self.allow_hosts.join(",")),
            ("backend", self.backend.to_string()),
            ("base-path", self.base_path.to_string()),
            ("data-dir", self.data_dir.display().to_string()),
            ("fetch-timeout", show_duration(self.fetch_timeout)),
            ("grace", show_duration(self.grace)),
            ("install-timeout", show_duration(self.install_timeout)),
            ("listen", self.listen.clone()),
            ("lost-after", show_duration(self.lost_after)),
            ("output-cap", self.output_cap.to_string()),
            ("retention", show_duration(self.retention)),
            ("run-as", self.run_as.clone().unwrap_or_else(|| "(the user of the manager)".to_owned())),
            ("slots", self.slots.to_string()),
            ("store", self.store.to_string()),
            ("token", masked(&self.token).to_owned()),
            ("worker-token", masked(&self.worker_token).to_owned()),
        ];
        all.extend(docker::lines(&self.docker));
        all.sort_unstable();
        all.into_iter().map(|(name, value)| format!("{name} = {value}")).collect()
    }
}

impl fmt::Display for StoreChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sqlite")
    }
}

impl fmt::Display for BackendChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "local",
            Self::Docker => "docker",
            Self::Swarm => "swarm",
        })
    }
}

/// `$XDG_DATA_HOME/pod`, else `~/.local/share/pod`. A relative `XDG_DATA_HOME` is ignored, as its specification demands.
pub fn default_data_dir(environment: &dyn Fn(&str) -> Option<String>) -> Result<PathBuf, ConfigError> {
    let absolute = |name: &str| environment(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(data_home) = absolute("XDG_DATA_HOME") {
        return Ok(data_home.join("pod"));
    }
    match absolute("HOME") {
        Some(home) => Ok(home.join(".local/share/pod")),
        None => Err(ConfigError(
            "there is no home directory to keep data in; name a directory with --data-dir or POD_DATA_DIR".to_owned(),
        )),
    }
}

/// A bound in the notation of settings.
fn as_text(bound: &Bound) -> String {
    match bound {
        Bound::Least(Amount::Time(least)) => format!("at least {}", show_duration(*least)),
        Bound::Most(Amount::Time(most)) => format!("at most {}", show_duration(*most)),
        Bound::Least(Amount::Bytes(least)) => format!("at least {}KiB", least >> 10),
        other => other.to_string(),
    }
}

fn secret(written: &SettingValue) -> Result<Secret, ConfigError> {
    if written.text.is_empty() || !written.text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(written.wrong("must be one or more printable ASCII characters without spaces"));
    }
    Ok(Secret::new(written.text.clone()))
}

fn store_choice(written: &SettingValue) -> Result<StoreChoice, ConfigError> {
    match written.text.as_str() {
        "sqlite" => Ok(StoreChoice::Sqlite),
        // The address holds a password: it is not repeated.
        text if text.starts_with("postgres://") || text.starts_with("postgresql://") => {
            Err(written.wrong("names PostgreSQL, which this version does not support yet; use sqlite"))
        }
        text => Err(written.wrong(format!("must be sqlite, not {text:?}"))),
    }
}

fn backend_choice(written: &SettingValue) -> Result<BackendChoice, ConfigError> {
    match written.text.as_str() {
        "local" => Ok(BackendChoice::Local),
        "docker" => Ok(BackendChoice::Docker),
        "swarm" => Ok(BackendChoice::Swarm),
        text @ ("ec2" | "external") => {
            Err(written
                .wrong(format!("is {text}, which this version does not support yet; use local, docker or swarm")))
        }
        text => Err(written.wrong(format!("must be local, docker or swarm, not {text:?}"))),
    }
}

#[cfg(test)]
mod tests;
