//! Durable storage.

pub mod sqlite;
