//! The socket of each worker: whoever comes in by it is that worker, or nobody.

use std::{fs, io, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use pod_core::{
    domain::WorkerId,
    provisioner::{Admission, BackendContext},
};
use tokio_util::sync::CancellationToken;

use crate::local::socket;

/// Listens in a worker's directory until `end` or the engine's shutdown.
pub(super) fn listen(dir: &Path, worker: WorkerId, context: &BackendContext, end: CancellationToken) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    // In a container the worker may be any user. On this machine nobody else gets here: the data directory is closed.
    let listener = socket::bind_for(dir, 0o666)?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755))?;
    let context = context.clone();
    tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                () = end.cancelled() => return,
                () = context.shutdown.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let transport = socket::transport(stream, format!("the container of worker {worker}"));
                    context.links.accept(transport, Admission::Only(worker));
                }
                Err(error) => {
                    tracing::warn!(%worker, %error, "a worker could not be let in");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    });
    Ok(())
}
