//! The command line, as people use it: the real binary, real processes, pipes and signals.

mod classic;
mod looking;
mod map;
mod mistakes;
pub(crate) mod private;
mod run;
mod safe;
mod shared;
mod slow_clients;
