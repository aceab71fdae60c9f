//! The trait of durable storage, and the in-memory reference that every other store is held against.
//!
//! The queue of record is in the store. It decides nothing: what is written comes as a [`Batch`] from the planner.

mod batch;
mod interface;
mod memory;
mod note;

pub use batch::{
    ActivityRecord, ActivityTally, Batch, Change, ClockMark, ExecutionUpdate, HighWater, RevisionTally, Snapshot,
};
pub use interface::{
    Claimed, DurableOffsets, ExecutionQuery, ExpiredExecution, INLINE_OUTPUT, INSTALL_LOG_LIMIT, IdempotencyRecord,
    InstallLog, KEPT_DECISIONS, KEPT_EVENTS, KEPT_MINUTES, KEPT_REVISIONS, Lease, Order, OutputSlice, QueueKey, Store,
    StoreError,
};
pub(crate) use memory::MemoryFile;
pub use memory::MemoryStore;
pub use note::{KEPT_NOTES, Note};
