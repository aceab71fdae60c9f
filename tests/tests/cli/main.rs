//! The command line, as people use it: the real binary, real processes, pipes and signals.

mod away;
mod classic;
mod looking;
mod map;
mod mistakes;
mod packing;
pub(crate) mod private;
mod results;
mod run;
mod shared;
mod signals;
mod terminals;
mod words;
