//! The tasks that serve the links of workers. Output goes from here into the store, past the engine's task; everything
//! else goes to the engine, one message per frame. A link that misbehaves ends alone.

mod acks;
mod inbound;
mod parts;
mod send;
mod serve;

#[cfg(feature = "testing")]
pub(crate) use parts::{DeferredOutput, Part, Piece, Stored, has_room, parts};
#[cfg(feature = "testing")]
pub(crate) use send::whole;
pub(in crate::engine) use serve::serve;
