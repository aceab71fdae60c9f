//! Which engine, or which swarm, the workers of a data directory are on.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use bollard::models::SystemInfo;
use pod_core::provisioner::ProvisionError;
use serde::{Deserialize, Serialize};

use super::engine::Engine;
use crate::{failure::failed, private};

/// An engine, or a swarm.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EngineIdentity {
    /// How it was reached.
    host: String,
    /// What tells it from any other, however it is reached.
    id: String,
}

impl EngineIdentity {
    /// That of an engine. Engines of one machine may have the same identity, and not the same directory.
    pub(crate) async fn of_engine(engine: &Engine) -> Result<Self, ProvisionError> {
        let info = info(engine).await?;
        let id = info.id.map(|id| format!("{id} {}", info.docker_root_dir.unwrap_or_default()));
        Ok(Self { host: engine.host().to_owned(), id: id.unwrap_or_default() })
    }

    /// That of the swarm which an engine is in.
    pub(crate) async fn of_swarm(engine: &Engine) -> Result<Self, ProvisionError> {
        let id = info(engine).await?.swarm.and_then(|swarm| swarm.cluster).and_then(|cluster| cluster.id);
        Ok(Self { host: engine.host().to_owned(), id: id.unwrap_or_default() })
    }

    /// The one that a backend of that name wrote down last.
    pub(crate) fn read(data: &Path, backend: &str) -> Option<Self> {
        serde_json::from_slice(&fs::read(path(data, backend)).ok()?).ok()
    }

    /// Writes down that the workers of the backend of that name are made here from now on.
    pub(crate) fn write(&self, data: &Path, backend: &str) -> Result<(), ProvisionError> {
        let path = path(data, backend);
        let written = serde_json::to_vec(self)
            .map_err(io::Error::from)
            .and_then(|text| private::file().create(true).truncate(true).write(true).open(&path)?.write_all(&text));
        written.map_err(|error| failed(format_args!("{} cannot be written", path.display()), error))
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Whether both are the same, however they are reached.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.id == other.id
    }

    /// Connects to the engine that was written down, or the one that has taken its place; where none was, to the usual one.
    pub(crate) async fn connect(known: Option<&Self>) -> Result<Engine, ProvisionError> {
        match known {
            Some(known) => Engine::connect_to(known.host.clone()).await,
            None => Engine::connect().await,
        }
    }
}

async fn info(engine: &Engine) -> Result<SystemInfo, ProvisionError> {
    engine.docker.info().await.map_err(|error| engine.failed("it cannot be asked who it is", &error))
}

fn path(data: &Path, backend: &str) -> PathBuf {
    data.join(format!("{backend}.engine"))
}
