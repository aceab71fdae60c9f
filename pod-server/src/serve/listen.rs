//! Binds the address, accepts connections, and closes them at shutdown.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::Extension;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use pod_backends::open_files;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;
use tower::Layer;

use super::{app::App, connection::Connection, connection_limit::ConnectionLimit, error::StartError, router::router};
use crate::{config::Config, peer::Users};

/// A connection that sends no request head within this is closed.
const REQUEST_HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// The upper bound of connections, whatever the system allows.
const MAX_CONNECTIONS: usize = 16 * 1024;
/// File descriptors that are kept for everything but connections.
const RESERVED_DESCRIPTORS: u64 = 256;
/// The delay before the next accept after an error of the system.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_secs(1);

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
pub(super) async fn serve(listener: TcpListener, app: Arc<App>, mut users: Users) {
    let shutdown = app.shutdown.clone();
    let router = router(app);
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(REQUEST_HEAD_TIMEOUT);
    let limit = ConnectionLimit::new(max_connections());
    let connections = TaskTracker::new();
    loop {
        let accepted = async {
            let (stream, from) = listener.accept().await?;
            // The owner of the connection is looked up now: when a request has come, the peer may be gone.
            let peer = users.peer(&stream, from);
            let slot = limit.acquire().await.ok_or_else(|| io::Error::other("there is no room any more"))?;
            Ok((stream, peer, slot))
        };
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, peer, slot)) => {
                // Small answers go out at once.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection keeps its delay");
                }
                let state = slot.state();
                let service = Extension(peer).layer(Extension(state.clone()).layer(router.clone()));
                let io = TokioIo::new(Connection { stream, _slot: slot });
                let (builder, shutdown) = (builder.clone(), shutdown.clone());
                connections.spawn(async move {
                    let service = TowerToHyperService::new(service);
                    let mut conversation = pin!(builder.serve_connection(io, service).with_upgrades());
                    tokio::select! {
                        _ = &mut conversation => return,
                        () = state.evicted() => return,
                        () = shutdown.cancelled() => conversation.as_mut().graceful_shutdown(),
                    }
                    // That its peer went away is no news.
                    let _ = conversation.await;
                });
            }
            Err(error) if is_of_the_peer(&error) => {}
            Err(error) => {
                tracing::error!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// The limit that leaves descriptors for files, workers and the output of programs.
fn max_connections() -> usize {
    let limit = open_files::limit();
    let most = limit.saturating_sub(RESERVED_DESCRIPTORS).max(limit / 2);
    usize::try_from(most).unwrap_or(MAX_CONNECTIONS).min(MAX_CONNECTIONS)
}

/// Whether the peer went away while it was let in.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
