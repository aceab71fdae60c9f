//! The flags of `pod serve`. Values stay text here, so that all places are checked by the same code.

use std::collections::BTreeMap;

use super::docker::DockerArgs;

/// Only the settings that were given on the command line.
pub(super) type FlagValues = BTreeMap<&'static str, String>;

/// Above what says how containers are made.
const CONTAINERS: &str = "Containers, with --backend docker or swarm";

/// Runs the manager: HTTP API, scheduler, and workers by its backend.
///
/// Each setting is also an environment variable (`--data-dir` is `POD_DATA_DIR`) and a key of the TOML file named by
/// `--config` (`data-dir = "…"`). A flag beats the environment, which beats the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct ServeArgs {
    /// Where to listen; port 0 takes a free one. Beyond loopback a token is needed
    /// [env: POD_LISTEN] [default: 127.0.0.1:8080]
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// Where everything is kept
    /// [env: POD_DATA_DIR] [default: $XDG_DATA_HOME/pod, else ~/.local/share/pod]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// Where records are kept: sqlite (in the data directory)
    /// [env: POD_STORE] [default: sqlite]
    #[arg(long, value_name = "STORE")]
    pub store: Option<String>,
    /// Where executions run: local (worker processes on this machine), docker (containers), swarm (tasks of a Docker
    /// Swarm)
    /// [env: POD_BACKEND] [default: local]
    #[arg(long, value_name = "BACKEND")]
    pub backend: Option<String>,
    /// As which user of this machine programs run; for a manager that root starts. They reach nothing of POD's own then
    /// [env: POD_RUN_AS] [default: the user of the manager]
    #[arg(long, value_name = "USER")]
    pub run_as: Option<String>,
    /// How many executions one worker runs at a time
    /// [env: POD_SLOTS] [default: the machine's cores]
    #[arg(long, value_name = "N")]
    pub slots: Option<String>,
    /// What every request has to show as a Bearer token; better given by the environment, where ps does not show it
    /// [env: POD_TOKEN] [default: none]
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<String>,
    /// What workers that dial in have to show
    /// [env: POD_WORKER_TOKEN] [default: the token]
    #[arg(long, value_name = "TOKEN")]
    pub worker_token: Option<String>,
    /// How long ended executions are kept
    /// [env: POD_RETENTION] [default: 7d]
    #[arg(long, value_name = "DURATION")]
    pub retention: Option<String>,
    /// Silent for so long, a worker is lost and its work is given out again
    /// [env: POD_LOST_AFTER] [default: 30s]
    #[arg(long, value_name = "DURATION")]
    pub lost_after: Option<String>,
    /// Fetch installation scripts from file: locations too
    /// [env: POD_ALLOW_FILE_URLS] [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub allow_file_urls: Option<String>,
    /// Answer to this host name too; may be given several times or split by commas
    /// [env: POD_ALLOW_HOST]
    #[arg(long, value_name = "NAME")]
    pub allow_host: Vec<String>,
    /// What a proxy puts before every path, for example /pod
    /// [env: POD_BASE_PATH] [default: none]
    #[arg(long, value_name = "PATH")]
    pub base_path: Option<String>,
    /// How long an installation script may run
    /// [env: POD_INSTALL_TIMEOUT] [default: 30m]
    #[arg(long, value_name = "DURATION")]
    pub install_timeout: Option<String>,
    /// How long fetching an installation script may take
    /// [env: POD_FETCH_TIMEOUT] [default: 1m]
    #[arg(long, value_name = "DURATION")]
    pub fetch_timeout: Option<String>,
    /// How long an execution may take to end after TERM, before KILL
    /// [env: POD_GRACE] [default: 10s]
    #[arg(long, value_name = "DURATION")]
    pub grace: Option<String>,
    /// How much output of one attempt is kept; beyond it the middle is left out
    /// [env: POD_OUTPUT_CAP] [default: 64MiB]
    #[arg(long, value_name = "SIZE")]
    pub output_cap: Option<String>,
    /// A TOML file with settings
    /// [env: POD_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<String>,
    /// How the containers are made.
    #[command(flatten, next_help_heading = CONTAINERS)]
    pub docker: DockerArgs,
    /// Where containers of an engine on another machine, or tasks of a swarm, reach this manager
    /// [env: POD_DOCKER_MANAGER] [default: none; a socket in the data directory]
    #[arg(long, value_name = "URL", help_heading = CONTAINERS)]
    pub docker_manager: Option<String>,
}

impl ServeArgs {
    pub(super) fn flag_values(&self) -> FlagValues {
        let allow_host = (!self.allow_host.is_empty()).then(|| self.allow_host.join(","));
        [
            ("listen", &self.listen),
            ("data-dir", &self.data_dir),
            ("store", &self.store),
            ("backend", &self.backend),
            ("run-as", &self.run_as),
            ("slots", &self.slots),
            ("token", &self.token),
            ("worker-token", &self.worker_token),
            ("retention", &self.retention),
            ("lost-after", &self.lost_after),
            ("docker-manager", &self.docker_manager),
            ("allow-file-urls", &self.allow_file_urls),
            ("allow-host", &allow_host),
            ("base-path", &self.base_path),
            ("install-timeout", &self.install_timeout),
            ("fetch-timeout", &self.fetch_timeout),
            ("grace", &self.grace),
            ("output-cap", &self.output_cap),
        ]
        .into_iter()
        .filter_map(|(flag, text)| Some((flag, text.clone()?)))
        .chain(self.docker.flag_values())
        .collect()
    }
}
