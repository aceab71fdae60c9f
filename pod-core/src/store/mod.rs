//! The traits of durable storage, and the in-memory reference that every other store is held against.
//!
//! The queue of record is in the store. It decides nothing: what is written comes as a [`Batch`] from the planner.

mod batch;
mod error;
mod interface;
mod lease;
mod memory;
mod note;
mod output;

pub use batch::{
    ActivityCounters, ActivityRecord, Batch, Change, ClockMark, ExecutionUpdate, IdSequences, RevisionCounters,
    Snapshot,
};
pub use error::StoreError;
pub use interface::{
    ExecutionQuery, ExpiredExecution, IdempotencyRecord, KEPT_DECISIONS, KEPT_EVENTS, KEPT_MINUTES, KEPT_REVISIONS,
    QueueCursor, QueuePage, SortOrder, Store,
};
pub use lease::{Acquisition, HeldLease, Holder, Lease};
#[cfg(feature = "testing")]
pub(crate) use memory::MemoryCopy;
pub(crate) use memory::MemoryFile;
pub use memory::MemoryStore;
pub use note::{KEPT_NOTES, Note};
pub use output::{DurableOffsets, INLINE_OUTPUT, INSTALL_LOG_LIMIT, InstallLog, OutputSlice, OutputStore};
