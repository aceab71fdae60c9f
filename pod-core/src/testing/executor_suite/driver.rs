//! What an implementer says about an executor, so that the suite can use it.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;

use crate::{domain::Payload, executor::Executor};

/// Opens executors for the suite, and says what its programs look like there.
#[async_trait]
pub trait ExecutorDriver: Send + Sync + 'static {
    /// Opens an executor with so many slots. The directory is for it alone, and need not be used.
    async fn open(&self, dir: PathBuf, slots: u32) -> Arc<dyn Executor>;

    /// What is installed where an activity does this.
    fn payload(&self, program: TestProgram) -> Payload;
}

/// The programs of the suite. The input of each is the text that its execution gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestProgram {
    /// Prints `hello`, a blank, its input and a line end to the standard output, and ends with code 0.
    Greet,
    /// Prints nothing, and ends with the code that its input says.
    Exit,
    /// Prints `0`, `1` and so on, each in a line of its own on the standard output, as many as its input says; ends with code 0.
    Count,
    /// Prints `waiting` in a line, and goes on until it is asked to stop; then it ends.
    Wait,
    /// Cannot be installed, here or elsewhere.
    Unfit,
}
