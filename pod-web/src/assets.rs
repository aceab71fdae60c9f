//! Style, script and symbols, compiled into the program. Pages name them with a hash of their content, so that browsers
//! keep them for good and never use an old one.

use std::{collections::BTreeMap, sync::LazyLock};

use axum::{
    extract::Path,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

/// Where they are: what anyone may have, signed in or not.
pub const DIRECTORY: &str = "/assets/";

/// Name, kind and content of each file.
const FILES: &[(&str, &str, &str)] = &[
    ("pod.css", "text/css; charset=utf-8", include_str!("../assets/pod.css")),
    ("live.js", "text/javascript; charset=utf-8", include_str!("../assets/live.js")),
    ("pod.js", "text/javascript; charset=utf-8", include_str!("../assets/pod.js")),
    ("output.css", "text/css; charset=utf-8", include_str!("../assets/output.css")),
    ("output.js", "text/javascript; charset=utf-8", include_str!("../assets/output.js")),
    ("icons.svg", "image/svg+xml", include_str!("../assets/icons.svg")),
    ("pod.svg", "image/svg+xml", include_str!("../assets/pod.svg")),
];

static ADDRESSES: LazyLock<BTreeMap<&'static str, String>> = LazyLock::new(|| {
    let address = |name: &str, content: &str| {
        let hash: String = Sha256::digest(content).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        format!("{DIRECTORY}{name}?v={hash}")
    };
    FILES.iter().map(|(name, _, content)| (*name, address(name, content))).collect()
});

/// Where a file is found, with the hash of its content.
pub(crate) fn address(name: &str) -> &'static str {
    ADDRESSES.get(name).map_or("/assets/missing", String::as_str)
}

/// `GET /assets/{file}`.
pub(crate) async fn serve(Path(file): Path<String>) -> Response {
    let Some((_, kind, content)) = FILES.iter().find(|(name, _, _)| *name == file) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    ];
    (headers, *content).into_response()
}
