//! The engine as a whole: over the in-memory store, with a worker that speaks the link.
