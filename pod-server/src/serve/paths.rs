//! The path prefixes that the manager itself serves.

/// The first segments of all paths; a `--base-path` cannot begin with one.
pub(crate) const RESERVED_PATH_PREFIXES: &[&str] = &[
    "POD",
    "activities",
    "api",
    "assets",
    "events",
    "executions",
    "healthz",
    "help",
    "login",
    "logout",
    "metrics",
    "overview",
    "policies",
    "readyz",
    "stream",
    "theme",
    "workers",
];
