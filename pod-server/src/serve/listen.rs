//! Listening: the address, the connections, and letting them go.

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

use super::{app::App, connection::Connection, error::StartError, room::Room, router::router};
use crate::{config::Config, peer::Users};

/// A connection on which no request comes for so long is closed.
const SILENCE: Duration = Duration::from_secs(15);
/// So many connections at most, whatever the system allows.
const MOST_CONNECTIONS: usize = 16 * 1024;
/// So many descriptors are kept for everything else.
const KEPT_FOR_OTHERS: u64 = 256;
/// How long nobody is accepted after an error of the system.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

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
    builder.timer(TokioTimer::new()).header_read_timeout(SILENCE);
    let room = Room::new(most_connections());
    let connections = TaskTracker::new();
    loop {
        let accepted = async {
            let (stream, from) = listener.accept().await?;
            // Whose it is, is known now and not when a request has come: by then it may be nobody's.
            let peer = users.peer(&stream, from);
            let place = room.place().await.ok_or_else(|| io::Error::other("there is no room any more"))?;
            Ok((stream, peer, place))
        };
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, peer, place)) => {
                // Small answers go out at once.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection keeps its delay");
                }
                let guest = place.guest();
                let service = Extension(peer).layer(Extension(guest.clone()).layer(router.clone()));
                let io = TokioIo::new(Connection { stream, _place: place });
                let (builder, shutdown) = (builder.clone(), shutdown.clone());
                connections.spawn(async move {
                    let service = TowerToHyperService::new(service);
                    let mut conversation = pin!(builder.serve_connection(io, service).with_upgrades());
                    tokio::select! {
                        _ = &mut conversation => return,
                        () = guest.has_to_leave() => return,
                        () = shutdown.cancelled() => conversation.as_mut().graceful_shutdown(),
                    }
                    // That its peer went away is no news.
                    let _ = conversation.await;
                });
            }
            Err(error) if is_of_the_peer(&error) => {}
            Err(error) => {
                tracing::error!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// So many that files, workers and programs' output find descriptors left.
fn most_connections() -> usize {
    let limit = open_files::limit();
    let most = limit.saturating_sub(KEPT_FOR_OTHERS).max(limit / 2);
    usize::try_from(most).unwrap_or(MOST_CONNECTIONS).min(MOST_CONNECTIONS)
}

/// Whether the peer went away while it was let in.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
