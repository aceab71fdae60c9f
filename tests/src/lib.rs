//! What the end-to-end tests of POD share: the real binary, run in a directory of its own, which leaves nothing behind.

mod binary;
pub mod fuzz;
mod held_answer;
mod leftovers;
mod live;
mod nginx;
mod own_engine;
mod server;
mod small_disk;

pub use binary::{Pod, Ran, after};
pub use held_answer::HeldAnswer;
pub use leftovers::{end_all, processes_of, wait_until_gone};
pub use live::Live;
pub use nginx::{Nginx, Tls};
pub use own_engine::{OwnEngine, docker};
pub use server::{Server, signal, until, wait};

/// The guide's program is compiled, so that it stays true.
#[cfg(doctest)]
#[doc = include_str!("../../docs/embedding.md")]
struct EmbeddingGuide;
