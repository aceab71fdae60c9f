//! The settings of the containers of Docker workers: `--docker-…`, or the table `[docker]` of the file.

use pod_backends::docker::DockerSettings;
use pod_core::domain::Isolation;

use super::{error::ConfigError, setting::Layers};

/// The minimum that container engines allow.
const MIN_MEMORY: u64 = 6 << 20;
/// The worker and its spawner alone have about a dozen processes and threads.
const MIN_PIDS: u32 = 32;

/// The flags that say how containers are made. Values stay text here, as those of `pod serve` do.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct DockerArgs {
    /// The image; it needs bash and nothing else
    /// [env: POD_DOCKER_IMAGE] [default: debian:bookworm-slim]
    #[arg(long, value_name = "IMAGE")]
    pub docker_image: Option<String>,
    /// What has a container of its own: a worker, whose executions are processes in it, or each execution
    /// [env: POD_DOCKER_ISOLATION] [default: worker]
    #[arg(long, value_name = "worker|execution")]
    pub docker_isolation: Option<String>,
    /// How much memory each container may use, such as 512MiB; without swap
    /// [env: POD_DOCKER_MEMORY] [default: no limit]
    #[arg(long, value_name = "SIZE")]
    pub docker_memory: Option<String>,
    /// How many CPUs each container may use, such as 1.5
    /// [env: POD_DOCKER_CPUS] [default: no limit]
    #[arg(long, value_name = "N")]
    pub docker_cpus: Option<String>,
    /// How many processes and threads each container may have, about a dozen of POD's own included
    /// [env: POD_DOCKER_PIDS] [default: the engine's]
    #[arg(long, value_name = "N")]
    pub docker_pids: Option<String>,
    /// The network of the containers, as docker network ls names it; none for no network
    /// [env: POD_DOCKER_NETWORK] [default: the engine's]
    #[arg(long, value_name = "NETWORK")]
    pub docker_network: Option<String>,
    /// Whether the container of an execution reaches the metadata addresses of clouds, which say what the machine may do
    /// [env: POD_DOCKER_METADATA] [default: unreachable]
    #[arg(long, value_name = "unreachable|reachable")]
    pub docker_metadata: Option<String>,
    /// A path or volume of the engine's machine that containers see; may be given several times
    /// [env: POD_DOCKER_MOUNT, one a line]
    #[arg(long, value_name = "SOURCE:TARGET[:ro]")]
    pub docker_mount: Vec<String>,
    /// The user that programs in the containers run as: a name that the image knows, or numbers
    /// [env: POD_DOCKER_USER] [default: the user of the image]
    #[arg(long, value_name = "USER[:GROUP]")]
    pub docker_user: Option<String>,
    /// Let nothing write to the image of the containers; /tmp stays writable
    /// [env: POD_DOCKER_READ_ONLY] [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub docker_read_only: Option<String>,
    /// A capability that containers have besides the few that installing needs, such as NET_RAW; may be given several
    /// times or split by commas
    /// [env: POD_DOCKER_CAP_ADD] [default: none]
    #[arg(long, value_name = "CAPABILITY")]
    pub docker_cap_add: Vec<String>,
    /// Added to the environment of programs in the containers; may be given several times
    /// [env: POD_DOCKER_ENV, one a line]
    #[arg(long, value_name = "NAME=VALUE")]
    pub docker_env: Vec<String>,
}

impl DockerArgs {
    pub(super) fn flag_values(&self) -> impl Iterator<Item = (&'static str, String)> + use<> {
        let lines = |given: &[String]| (!given.is_empty()).then(|| given.join("\n"));
        [
            ("docker-image", self.docker_image.clone()),
            ("docker-isolation", self.docker_isolation.clone()),
            ("docker-memory", self.docker_memory.clone()),
            ("docker-cpus", self.docker_cpus.clone()),
            ("docker-pids", self.docker_pids.clone()),
            ("docker-network", self.docker_network.clone()),
            ("docker-metadata", self.docker_metadata.clone()),
            ("docker-mount", lines(&self.docker_mount)),
            ("docker-user", self.docker_user.clone()),
            ("docker-read-only", self.docker_read_only.clone()),
            ("docker-cap-add", lines(&self.docker_cap_add)),
            ("docker-env", lines(&self.docker_env)),
        ]
        .into_iter()
        .filter_map(|(flag, text)| Some((flag, text?)))
    }
}

/// Reads what was given.
pub(super) fn apply(settings: &mut DockerSettings, layers: &Layers<'_>) -> Result<(), ConfigError> {
    if let Some(written) = layers.find("docker-image") {
        let text = written.text.trim();
        if text.is_empty() || text.contains(char::is_whitespace) {
            return Err(written.wrong("must be the name of an image, such as debian:bookworm-slim"));
        }
        settings.image = text.to_owned();
    }
    if let Some(written) = layers.find("docker-memory") {
        let bytes = written.size()?;
        if bytes < MIN_MEMORY {
            return Err(written.wrong("must be at least 6MiB, the least that container engines allow"));
        }
        settings.memory = Some(bytes);
    }
    if let Some(written) = layers.find("docker-cpus") {
        let cpus = written.text.trim().parse::<f64>().ok().filter(|cpus| (0.01..=1024.0).contains(cpus));
        settings.cpus = Some(cpus.ok_or_else(|| {
            written.wrong(format!("must be a number of CPUs such as 1.5, at least 0.01, not {:?}", written.text))
        })?);
    }
    if let Some(written) = layers.find("docker-pids") {
        settings.pids = Some(written.number(MIN_PIDS, 4_000_000)?);
    }
    if let Some(written) = layers.find("docker-isolation") {
        settings.isolation = match written.text.as_str() {
            "worker" => Isolation::Worker,
            "execution" => Isolation::Execution,
            other => return Err(written.wrong(format!("must be worker or execution, not {other:?}"))),
        };
    }
    settings.network = layers.find("docker-network").map(|written| written.text);
    if let Some(written) = layers.find("docker-metadata") {
        settings.metadata = match written.text.as_str() {
            "unreachable" => false,
            "reachable" => true,
            other => return Err(written.wrong(format!("must be unreachable or reachable, not {other:?}"))),
        };
    }
    settings.user = layers.find("docker-user").map(|written| written.text);
    if let Some(written) = layers.find("docker-read-only") {
        settings.read_only = written.switch()?;
    }
    if let Some(written) = layers.find("docker-cap-add") {
        let names = written.text.split([',', '\n']).map(str::trim).filter(|name| !name.is_empty());
        for name in names.map(str::to_ascii_uppercase) {
            let name = name.strip_prefix("CAP_").unwrap_or(&name);
            if !name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') {
                return Err(written.wrong(format!("must be the name of a capability such as NET_RAW, not {name:?}")));
            }
            settings.capabilities.push(name.to_owned());
        }
    }
    if let Some(written) = layers.find("docker-mount") {
        let mounts = written.lines().map(|line| line.parse().map_err(|problem: String| written.wrong(problem)));
        settings.mounts = mounts.collect::<Result<_, _>>()?;
    }
    if let Some(written) = layers.find("docker-env") {
        for line in written.lines() {
            match line.split_once('=') {
                Some((name, value)) if !name.is_empty() && !name.contains(char::is_whitespace) => {
                    settings.env.insert(name.to_owned(), value.to_owned());
                }
                _ => return Err(written.wrong(format!("must be NAME=VALUE, not {line:?}"))),
            }
        }
    }
    if let Some(written) = layers.find("docker-manager") {
        crate::worker_link::dial::link_url(&written.text)
            .map_err(|problem| written.wrong(format!("is wrong: {problem}")))?;
        settings.manager = Some(written.text);
    }
    Ok(())
}

/// The settings as lines; the values of the environment may be secrets.
pub(super) fn lines(settings: &DockerSettings) -> [(&'static str, String); 13] {
    let DockerSettings {
        isolation,
        image,
        memory,
        cpus,
        pids,
        network,
        metadata,
        mounts,
        user,
        read_only,
        capabilities,
        env,
        manager,
    } = settings;
    let or_none = |value: Option<String>| value.unwrap_or_else(|| "(none)".to_owned());
    let names: Vec<&str> = env.keys().map(String::as_str).collect();
    [
        ("docker-cap-add", capabilities.join(",")),
        ("docker-cpus", or_none(cpus.map(|cpus| cpus.to_string()))),
        ("docker-env", names.join(",")),
        ("docker-image", image.clone()),
        ("docker-isolation", isolation.as_str().to_owned()),
        ("docker-manager", or_none(manager.clone())),
        ("docker-memory", or_none(memory.map(|bytes| bytes.to_string()))),
        ("docker-metadata", if *metadata { "reachable" } else { "unreachable" }.to_owned()),
        ("docker-mount", mounts.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")),
        ("docker-network", or_none(network.clone())),
        ("docker-pids", or_none(pids.map(|pids| pids.to_string()))),
        ("docker-read-only", read_only.to_string()),
        ("docker-user", or_none(user.clone())),
    ]
}
