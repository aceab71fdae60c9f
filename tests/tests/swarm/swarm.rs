//! The swarm, asked directly, and a `pod` whose workers are its tasks.

use std::{collections::BTreeSet, fs, net::TcpListener, ops::Deref};

use pod_tests::{Pod, Server};
use serde_json::{Value, json};

use crate::client::{self, Answer};

/// A `pod` with tasks. Dropping it removes what a failed test has left.
#[derive(Debug)]
pub(crate) struct Swarmed {
    pod: Pod,
    /// Of the swarm.
    engine: String,
    address: String,
}

impl Deref for Swarmed {
    type Target = Pod;

    fn deref(&self) -> &Pod {
        &self.pod
    }
}

impl Swarmed {
    pub(crate) fn new() -> Self {
        Self::of(host(), "127.0.0.1")
    }

    /// The same on another swarm, whose nodes reach the manager there.
    pub(crate) fn of(engine: String, address: &str) -> Self {
        // Free at the moment: tasks must find the next manager where the first one was.
        let listener = TcpListener::bind((address, 0)).expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        Self { pod: Pod::new(), engine, address }
    }

    /// A manager whose tasks are on the network of this machine, with these settings beside.
    pub(crate) fn manager(&self, arguments: &[&str]) -> Server {
        let (image, url) = (image(), format!("http://{}", self.address));
        let usual = [["--docker-network", "host"], ["--docker-image", &image], ["--docker-manager", &url]];
        let usual = usual.into_iter().filter(|[flag, _]| !arguments.contains(flag)).flatten();
        let arguments: Vec<&str> =
            ["--backend", "swarm"].into_iter().chain(usual).chain(arguments.iter().copied()).collect();
        self.serve_after(&format!("export DOCKER_HOST={}", self.engine), &self.address, &arguments)
    }

    /// The store that has, or had, workers in this data directory.
    pub(crate) fn store(&self) -> String {
        self.stores().pop_first().expect("a store")
    }

    fn stores(&self) -> BTreeSet<String> {
        let workers = fs::read_dir(self.data().join("swarm")).into_iter().flatten().flatten();
        let certificates = workers.filter_map(|worker| fs::read(worker.path().join("worker.json")).ok());
        let stores = certificates.filter_map(|text| serde_json::from_slice::<Value>(&text).ok());
        stores.filter_map(|certificate| Some(certificate["store"].as_str()?.to_owned())).collect()
    }
}

impl Drop for Swarmed {
    fn drop(&mut self) {
        for store in self.stores() {
            let left = Left::at(&self.engine, &store);
            let docker = |arguments: &[&str]| docker_of(&self.engine, arguments);
            left.services.iter().for_each(|name| drop(docker(&["service", "rm", name])));
            left.containers.iter().for_each(|name| drop(docker(&["rm", "-f", "-v", name])));
            left.secrets.iter().for_each(|name| drop(docker(&["secret", "rm", name])));
            left.volumes.iter().for_each(|name| drop(docker(&["volume", "rm", "-f", name])));
        }
    }
}

/// What a swarm and its engine hold for a store.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) services: Vec<String>,
    pub(crate) secrets: Vec<String>,
    pub(crate) containers: Vec<String>,
    pub(crate) volumes: Vec<String>,
}

impl Left {
    pub(crate) fn of(store: &str) -> Self {
        Self::at(&host(), store)
    }

    /// The same of another swarm.
    pub(crate) fn at(engine: &str, store: &str) -> Self {
        let filter = format!("label=pod.store={store}");
        let list = |what: &[&str]| {
            let listed = docker_of(engine, &[what, &["--filter", &filter]].concat()).expect("the engine answers");
            listed.lines().map(str::to_owned).collect()
        };
        Self {
            services: list(&["service", "ls", "--format", "{{.Name}}"]),
            secrets: list(&["secret", "ls", "--format", "{{.Name}}"]),
            containers: list(&["ps", "-a", "--format", "{{.Names}}"]),
            volumes: list(&["volume", "ls", "-q"]),
        }
    }

    /// How many of each there are: services, secrets, containers, volumes.
    pub(crate) fn count(&self) -> [usize; 4] {
        [&self.services, &self.secrets, &self.containers, &self.volumes].map(Vec::len)
    }
}

pub(crate) fn image() -> String {
    std::env::var("POD_TEST_IMAGE").expect("POD_TEST_IMAGE names an image of the engine; tests/run makes one")
}

pub(crate) fn host() -> String {
    std::env::var("POD_TEST_SWARM").expect("POD_TEST_SWARM names an engine that manages a swarm; tests/run starts one")
}

/// What the only node of the swarm is called.
pub(crate) fn node() -> String {
    docker(&["node", "inspect", "self", "--format", "{{.Description.Hostname}}"]).expect("a node").trim().to_owned()
}

/// Asks the engine by its own client; what that printed, or its error.
pub(crate) fn docker(arguments: &[&str]) -> Result<String, String> {
    docker_of(&host(), arguments)
}

/// The same of another engine.
pub(crate) fn docker_of(engine: &str, arguments: &[&str]) -> Result<String, String> {
    pod_tests::docker(&[&["-H", engine], arguments].concat())
}

/// The token of a manager that asks for one.
pub(crate) const TOKEN: &str = "s3cret";

/// Asks such a manager; a GET has no body.
pub(crate) fn ask(server: &Server, method: &str, path: &str, token: &str, body: &Value) -> Answer {
    let token = format!("Authorization: Bearer {token}\r\n");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    client::ask(server.url(), method, path, &token, &body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

/// Has such a manager keep so many workers.
pub(crate) fn apply(server: &Server, count: u32) {
    let policy = json!({ "name": format!("fixed-{count}"), "rules": { "fixedWorkers": count } });
    assert_eq!(ask(server, "POST", "/api/v1/policies", TOKEN, &policy).status, 201);
    let applied = ask(server, "POST", &format!("/api/v1/policies/fixed-{count}/apply"), TOKEN, &json!({}));
    assert_eq!(applied.status, 200);
}
