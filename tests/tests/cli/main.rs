//! The command line, as people use it: the real binary, real processes, pipes and signals.

mod classic;
mod leaving;
mod looking;
mod map;
mod mistakes;
pub(crate) mod private;
mod revisions;
mod run;
mod safe;
mod shared;
mod slow_clients;
mod workdir;
