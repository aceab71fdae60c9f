//! Listening: the address, the connections, and letting them go.

use std::{io, net::SocketAddr, sync::Arc};

use axum::serve::ListenerExt;
use tokio::net::TcpListener;

use super::{App, StartError, router::router};
use crate::config::Config;

/// What `listen` names, resolved: all addresses of a host name.
async fn resolve(listen: &str) -> Result<Vec<SocketAddr>, StartError> {
    let resolved = tokio::net::lookup_host(listen).await.map(Iterator::collect::<Vec<SocketAddr>>);
    match resolved {
        Ok(addresses) if !addresses.is_empty() => Ok(addresses),
        Ok(_) => Err(StartError::Listen(format!("the host of --listen {listen} has no address"))),
        Err(error) => Err(StartError::Listen(format!("the host of --listen {listen} cannot be found: {error}"))),
    }
}

/// Takes the first of the addresses that can be listened on; none of them beyond loopback without a token.
pub(super) async fn bind(config: &Config) -> Result<TcpListener, StartError> {
    let listen = config.listen.as_str();
    let addresses = resolve(listen).await?;
    config.check_reach(&addresses)?;
    TcpListener::bind(addresses.as_slice()).await.map_err(|error| {
        StartError::Listen(match error.kind() {
            io::ErrorKind::AddrInUse => format!(
                "cannot listen on {listen}: another program uses that port; stop it, or choose another with --listen \
                 (port 0 takes a free one)"
            ),
            io::ErrorKind::PermissionDenied => {
                format!("cannot listen on {listen}: ports below 1024 are for root; choose another with --listen")
            }
            io::ErrorKind::AddrNotAvailable => {
                format!(
                    "cannot listen on {listen}: this machine does not have that address; choose another with --listen"
                )
            }
            _ => format!("cannot listen on {listen}: {error}"),
        })
    })
}

/// Answers requests until the app's shutdown, and then those that are under way.
pub(super) async fn serve(listener: TcpListener, app: Arc<App>) {
    let shutdown = app.shutdown.clone();
    let listener = listener.tap_io(|connection| {
        // Small answers go out at once.
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps its delay");
        }
    });
    let serving = axum::serve(listener, router(app)).with_graceful_shutdown(shutdown.cancelled_owned());
    if let Err(error) = serving.await {
        tracing::error!(%error, "the listener failed");
    }
}
