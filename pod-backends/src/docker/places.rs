//! Where things of POD lie in a container, and in a data directory.

/// As the command line, and the rows of its workers, call this backend.
pub(crate) const NAME: &str = "docker";
/// The part of a data directory with the workers that are containers.
pub(crate) const CONTAINERS: &str = "docker";
/// With those each of whose executions is a container.
pub(crate) const ISOLATED: &str = "isolated";

/// Where everything of POD is in a container.
pub const HOME: &str = "/.pod";
/// Where the manager's socket is seen, if it is on the same machine.
pub(crate) const LINK: &str = "/.pod/link";
/// Where the activity is, if each execution has a container.
pub(crate) const ACTIVITY: &str = "/activity";
/// How the manager is dialled over the network, in the worker's own directory; deleted as soon as it is read.
pub(crate) const MANAGER: &str = "manager.json";
