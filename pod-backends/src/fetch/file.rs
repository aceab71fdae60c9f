//! Scripts from `file:` addresses, where the operator allows them.

use bytes::Bytes;
use pod_core::FetchedScript;
use tokio::io::AsyncReadExt;
use url::Url;

/// Reads a regular file of at most `max` bytes.
pub(super) async fn read(url: &Url, max: usize) -> Result<FetchedScript, String> {
    let path = url
        .to_file_path()
        .map_err(|()| format!("{url} is not the address of a file on this machine; write file:///path/to/script"))?;
    let failed = |error: std::io::Error| format!("The script {} could not be read: {error}", path.display());
    // A pipe or device would block, or never end.
    if !tokio::fs::metadata(&path).await.map_err(failed)?.is_file() {
        return Err(format!("The script {} is not a regular file", path.display()));
    }
    let file = tokio::fs::File::open(&path).await.map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(max as u64 + 1).read_to_end(&mut bytes).await.map_err(failed)?;
    if bytes.len() > max {
        return Err(format!("The script {} is larger than the {max} bytes allowed", path.display()));
    }
    Ok(FetchedScript { bytes: Bytes::from(bytes) })
}
