//! The user at the other end of a connection, as the kernel knows it on loopback. Without a token the manager serves only
//! root and the user who started it.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use tokio::net::TcpStream;

#[cfg(target_os = "linux")]
mod sock_diag;

/// The peer of a connection, as it was when the connection was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Where it comes from.
    pub address: IpAddr,
    /// Whether it is a process of the user who started the manager, or of root.
    pub is_owner: bool,
}

/// Asks the kernel for the users of connections.
#[derive(Debug)]
pub struct Users {
    #[cfg(target_os = "linux")]
    kernel: Option<sock_diag::SockDiag>,
    owner: u32,
}

impl Users {
    /// Users as the kernel knows them, where it tells; it is tried out.
    #[must_use]
    pub fn of_the_kernel() -> Self {
        let owner = rustix::process::geteuid().as_raw();
        #[cfg(target_os = "linux")]
        {
            let kernel = sock_diag::SockDiag::open().and_then(|mut kernel| match try_out(&mut kernel)? {
                Some(found) if found == owner => Ok(kernel),
                _ => Err(io::Error::other("it does not know a connection of this process")),
            });
            if let Err(error) = &kernel {
                tracing::warn!(%error, "the kernel does not tell whose a connection is");
            }
            Self { kernel: kernel.ok(), owner }
        }
        #[cfg(not(target_os = "linux"))]
        Self { owner }
    }

    /// No user is known, so no connection belongs to the owner.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            #[cfg(target_os = "linux")]
            kernel: None,
            owner: rustix::process::geteuid().as_raw(),
        }
    }

    /// Whether there is an answer at all.
    #[must_use]
    pub const fn are_known(&self) -> bool {
        #[cfg(target_os = "linux")]
        return self.kernel.is_some();
        #[cfg(not(target_os = "linux"))]
        return false;
    }

    /// The peer of a connection that was just accepted. An unknown user is not the owner.
    pub(crate) fn peer(&mut self, stream: &TcpStream, from: SocketAddr) -> Peer {
        let address = from.ip().to_canonical();
        let is_owner = address.is_loopback()
            && stream.local_addr().is_ok_and(|here| match self.user(from, here) {
                Ok(user) => user.is_some_and(|user| user == self.owner || user == 0),
                Err(error) => {
                    tracing::debug!(%error, "whose a connection is could not be asked");
                    false
                }
            });
        Peer { address, is_owner }
    }

    #[cfg(target_os = "linux")]
    fn user(&mut self, from: SocketAddr, here: SocketAddr) -> io::Result<Option<u32>> {
        self.kernel.as_mut().map_or(Ok(None), |kernel| kernel.user(from, here))
    }

    #[cfg(not(target_os = "linux"))]
    fn user(&mut self, _from: SocketAddr, _here: SocketAddr) -> io::Result<Option<u32>> {
        Ok(None)
    }
}

/// The user of a connection of this very process. That one is not found, and that the kernel knows no such question,
/// is the same answer.
#[cfg(target_os = "linux")]
fn try_out(kernel: &mut sock_diag::SockDiag) -> io::Result<Option<u32>> {
    use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
    let loopback: [SocketAddr; 2] = [(Ipv4Addr::LOCALHOST, 0).into(), (Ipv6Addr::LOCALHOST, 0).into()];
    let listener = TcpListener::bind(&loopback[..])?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    kernel.user(client.local_addr()?, client.peer_addr()?)
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
