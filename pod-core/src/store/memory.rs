//! The in-memory store.

/// Everything in memory: the executable specification.
#[derive(Debug, Default)]
pub struct MemoryStore {}
