//! What must hold when things die: real managers, workers and spawners, ended by `kill -9`, and programs that do what
//! they can to survive their end.

mod client;
mod clocks;
mod damaged;
mod descendants;
mod escaped;
mod flood;
mod full_disk;
mod inherited;
mod manager_down;
mod neighbours;
mod open_files;
mod run_as;
mod seed;
mod slow_readers;
mod sudden_ends;
mod upgrades;
