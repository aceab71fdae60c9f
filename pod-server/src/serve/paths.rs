//! What the paths of a manager begin with.

/// The first parts of all paths: none of them can be that of a `--base-path`.
pub(crate) const FIRST_PARTS: &[&str] = &[
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
