//! The command line, as people use it: the real binary, real processes, pipes and signals.

mod away;
mod classic;
mod leaving;
mod looking;
mod map;
mod mistakes;
mod packing;
pub(crate) mod private;
mod results;
mod revisions;
mod run;
mod safe;
mod shared;
mod signals;
mod slow_clients;
mod terminals;
mod words;
mod workdir;
mod workflows;
