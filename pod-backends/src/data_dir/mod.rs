//! The data directory of a manager, as far as all backends of this machine use it: who holds it, and the directories of
//! the workers in it.

pub(crate) mod directory;
pub(crate) mod lock;

pub use self::lock::{DataDirError, DataDirLock, Holder, Holding};
