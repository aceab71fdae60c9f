//! What is asked of a container engine, by whoever has containers: the provisioner, the executor, the tasks of a swarm.
//!
//! | module | what it does |
//! |---|---|
//! | `engine` | the connection to the engine, and its errors as sentences |
//! | `identity` | which engine it is, so that it is known again |
//! | `refusal` | what it refuses because of a setting, and what to do about that |
//! | `image` | pulls an image that is not there, and refuses one that cannot work |
//! | `container` | what containers, volumes and snapshots have in common: names, labels, limits; lists and removes them |

pub(crate) mod container;
pub(crate) mod engine;
pub(crate) mod identity;
pub(crate) mod image;
mod refusal;
