//! Addresses to listen on, host names to answer to, and the path below which a proxy has them.

use pod_web::BasePath;

use super::{error::ConfigError, setting::SettingValue};
use crate::serve::paths::RESERVED_PATH_PREFIXES;

/// Checks `HOST:PORT`, also `[::1]:PORT` and `:PORT` (loopback).
pub(super) fn listen_address(written: &SettingValue) -> Result<String, ConfigError> {
    let malformed = || written.wrong(format!("must be HOST:PORT, for example 127.0.0.1:8080, not {:?}", written.text));
    let (host, port) = written.text.trim().rsplit_once(':').ok_or_else(malformed)?;
    port.parse::<u16>().map_err(|_| malformed())?;
    let bracketed = host.starts_with('[') && host.ends_with(']');
    if host.contains(':') && !bracketed {
        return Err(malformed());
    }
    let host = if host.is_empty() { "127.0.0.1" } else { host };
    Ok(format!("{host}:{port}"))
}

/// Host names, split at commas; without port.
pub(super) fn names(written: &SettingValue) -> Result<Vec<String>, ConfigError> {
    let name = |name: &str| {
        let name = name.trim().to_ascii_lowercase();
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if name.is_empty() || !name.chars().all(allowed) {
            return Err(written.wrong(format!("must be host names without port, split by commas, not {name:?}")));
        }
        Ok(name)
    };
    written.text.split(',').map(name).collect()
}

/// What a proxy puts before every path. It is no path of POD's own: it could not be told apart.
pub(super) fn base_path(written: &SettingValue) -> Result<BasePath, ConfigError> {
    let text = written.text.trim();
    let path: BasePath = text.parse().map_err(|why| written.wrong(format!("{why}, for example /pod, not {text:?}")))?;
    match path.first_part() {
        taken if RESERVED_PATH_PREFIXES.contains(&taken) => Err(written
            .wrong(format!("must not begin with /{taken}, a path of POD's own; choose another, for example /pod"))),
        _ => Ok(path),
    }
}
