//! The engine, asked directly, and a `pod` whose workers are its containers.

use std::{collections::BTreeSet, fs, ops::Deref};

use pod_backends::sqlite::SqliteStore;
use pod_core::store::Store;
pub(crate) use pod_tests::docker;
use pod_tests::{Pod, Server};
use serde_json::Value;

/// A `pod` with containers. Dropping it removes what a failed test has left.
#[derive(Debug)]
pub(crate) struct Contained(Pod);

impl Deref for Contained {
    type Target = Pod;

    fn deref(&self) -> &Pod {
        &self.0
    }
}

impl Contained {
    pub(crate) fn new() -> Self {
        Self(Pod::new())
    }

    /// A manager with these settings beside.
    pub(crate) fn manager(&self, arguments: &[&str]) -> Server {
        let image = image();
        self.serve(&[&["--backend", "docker", "--docker-image", &image], arguments].concat())
    }

    /// The store of the data directory, whose manager has ended.
    pub(crate) fn store(&self) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(SqliteStore::open(self.data())).expect("there was a manager").id().to_string()
    }

    /// The stores that have, or had, workers in this data directory.
    pub(crate) fn stores(&self) -> BTreeSet<String> {
        let kinds = ["docker", "isolated"].map(|kind| fs::read_dir(self.data().join(kind)).into_iter());
        let workers = kinds.into_iter().flatten().flatten().flatten();
        let certificates = workers.filter_map(|worker| fs::read(worker.path().join("worker.json")).ok());
        let stores = certificates.filter_map(|text| serde_json::from_slice::<Value>(&text).ok());
        stores.filter_map(|certificate| Some(certificate["store"].as_str()?.to_owned())).collect()
    }
}

impl Drop for Contained {
    fn drop(&mut self) {
        for store in self.stores() {
            let left = Left::of(&store);
            left.containers.iter().for_each(|name| drop(docker(&["rm", "-f", "-v", name])));
            let filter = format!("label=pod.store={store}");
            lines(&["images", "-q", "--filter", &filter]).iter().for_each(|id| drop(docker(&["rmi", "-f", id])));
            left.volumes.iter().for_each(|name| drop(docker(&["volume", "rm", "-f", name])));
        }
    }
}

/// What an engine holds for a store.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) containers: Vec<String>,
    pub(crate) volumes: Vec<String>,
}

impl Left {
    pub(crate) fn of(store: &str) -> Self {
        let filter = format!("label=pod.store={store}");
        Self {
            containers: lines(&["ps", "-a", "--format", "{{.Names}}", "--filter", &filter]),
            volumes: lines(&["volume", "ls", "-q", "--filter", &filter]),
        }
    }

    /// How many containers and volumes there are.
    pub(crate) fn count(&self) -> (usize, usize) {
        (self.containers.len(), self.volumes.len())
    }
}

pub(crate) fn image() -> String {
    std::env::var("POD_TEST_IMAGE").expect("POD_TEST_IMAGE names an image of the engine; tests/run makes one")
}

fn lines(arguments: &[&str]) -> Vec<String> {
    docker(arguments).expect("the engine answers").lines().map(str::to_owned).collect()
}
