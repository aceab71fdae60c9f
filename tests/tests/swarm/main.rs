//! The promises on a real swarm of one node, whose engine `POD_TEST_SWARM` names, and on one of two nodes: `tests/run` starts both.

#[path = "../recovery/client.rs"]
#[allow(dead_code, reason = "these tests need a part of it")]
mod client;
#[path = "../docker/counting.rs"]
mod counting;
mod fleet;
mod mistakes;
mod nodes;
mod recovery;
#[path = "../docker/sizing.rs"]
mod sizing;
mod swarm;
