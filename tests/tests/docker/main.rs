//! The promises in containers of a real engine, whose image `POD_TEST_IMAGE` names: `tests/run` makes one.

#[path = "../recovery/client.rs"]
#[allow(dead_code, reason = "these tests need a part of it")]
mod client;
mod counting;
mod engine;
mod examples;
mod fleet;
mod full_disk;
mod hardened;
mod isolated;
mod kinds;
mod limits;
mod lost_answers;
mod metadata;
mod mistakes;
mod other_backend;
mod proxy;
mod pull;
mod recovery;
mod registry;
mod remote;
mod restarted;
mod run;
mod sizing;
mod twice;
mod wrong_engines;
