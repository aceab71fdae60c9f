//! Makes, watches and removes the workers of a container engine.
//!
//! | module | what it does |
//! |---|---|
//! | `containers` | workers that are containers |
//! | `shared` | what these hold while the backend runs |
//! | `launch` | makes the container and the volume of a worker |
//! | `link` | the socket of each worker, where the engine is on this machine |
//! | `watch` | news of containers that end behind our back |
//! | `worker` | what runs inside |
//! | `isolated` | the other kind: workers that run each execution in a container of its own |
//! | `trial` | the first container of those, which does nothing |
//! | `kinds` | both kinds beside each other |

pub(crate) mod containers;
pub(crate) mod isolated;
mod launch;
mod link;
pub(crate) mod mixed;
mod preflight;
mod shared;
mod watch;
pub(crate) mod worker;
