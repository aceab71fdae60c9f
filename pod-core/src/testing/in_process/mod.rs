//! Programs that are functions of this process, for the tests of applications that embed POD, and for examples.
//!
//! Nothing is started, and nothing touches the disk: a POD with a [`MemoryStore`](crate::store::MemoryStore) is there
//! in a millisecond and leaves nothing behind. What is not imitated: a stop drops the function where it waits, so there
//! is no clean-up and no grace time; and whatever it started by itself goes on.

mod backend;
mod executor;

pub use backend::InProcess;
pub use executor::Call;
