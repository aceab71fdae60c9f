//! Workers as containers of a Docker engine.
//!
//! A worker is a container of the user's image. Its first process is the spawner as its init, whose child is the worker
//! itself: the same code as a worker process of this machine, and so an execution costs a process, not a container.
//! The program is the manager's own, uploaded with the loader and the libraries that it is linked with, so that the
//! image needs none of them (`resident`); it goes into a volume, which is there for a read-only root as well.
//!
//! | module | what it does |
//! |---|---|
//! | `settings` | what a user says about the containers |
//! | `resident` | the program that is uploaded |
//! | `places` | where things of POD lie in a container and in a data directory |
//! | `client` | what is asked of the engine: images, containers, volumes, and its errors as sentences |
//! | `executor` | the other kind of worker: each execution in a container of its own |
//! | `left_behind` | its workers, as another backend finds them |
//! | `provisioner` | makes, watches and removes workers of either kind |
//!
//! What a data directory holds:
//!
//! ```text
//! docker/12/worker.json     whose worker 12 is; read by the next manager
//! docker/12/link/link.sock  where it dials, or
//! docker/12/join-token      by what it is known where it dials over the network
//! ```

pub(crate) mod client;
pub(crate) mod executor;
pub(crate) mod left_behind;
pub(crate) mod places;
pub(crate) mod provisioner;
pub(crate) mod settings;
pub(crate) mod worker_binary;

pub use self::{
    executor::ContainerExecutor,
    places::HOME,
    provisioner::{
        containers::{Docker, end_containers},
        isolated::{IsolatedDocker, end_isolated_workers, run_isolated_worker},
        mixed::AllDocker,
        worker::run_container_worker,
    },
    settings::{DockerSettings, INSTALLING, ManagerAddress, Mount, MountSource},
    worker_binary::WorkerBinary,
};
