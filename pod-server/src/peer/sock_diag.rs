//! Looks up the user of a TCP socket by its four-tuple: one message to the kernel and one back, whatever the number of
//! sockets.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    os::fd::OwnedFd,
};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType,
    netlink::{SOCK_DIAG, SocketAddrNetlink},
    recvfrom, send, socket_with,
};

/// `struct nlmsghdr`: length, kind, flags, number, port.
const HEADER_LEN: usize = 16;
/// `struct inet_diag_req_v2`.
const REQUEST_LEN: usize = 56;
/// `struct inet_diag_msg`.
const RESPONSE_LEN: usize = 72;
// Where its `idiag_uid` and `idiag_inode` are.
const UID_OFFSET: usize = 64;
const INODE_OFFSET: usize = 68;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const TCP: u8 = 6;

/// The TCP states in which a socket still belongs to a process.
const CONNECTED_STATES: &[u8] = &[
    1, // ESTABLISHED
    4, // FIN_WAIT1
    5, // FIN_WAIT2
    8, // CLOSE_WAIT
];

/// A line to the kernel.
#[derive(Debug)]
pub(super) struct SockDiag {
    socket: OwnedFd,
    /// Of the last question.
    number: u32,
}

impl SockDiag {
    pub(super) fn open() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(SOCK_DIAG))?;
        Ok(Self { socket, number: 0 })
    }

    /// The user of the process that holds the socket which is at `from` and connected to `to`. None where no process
    /// holds it any more: such a socket reads as root's.
    pub(super) fn user(&mut self, from: SocketAddr, to: SocketAddr) -> io::Result<Option<u32>> {
        self.number = self.number.wrapping_add(1);
        let question = question(self.number, from, to)?;
        send(&self.socket, &question, SendFlags::empty())?;
        loop {
            // The kernel has answered before the question is sent: nothing is waited for.
            let mut bytes = [0; 512];
            let (filled, _, sender) = recvfrom(&self.socket, &mut bytes[..], RecvFlags::empty())?;
            let is_of_the_kernel = sender.and_then(|sender| SocketAddrNetlink::try_from(sender).ok());
            if is_of_the_kernel.is_none_or(|sender| sender.pid() != 0) {
                continue;
            }
            if let Some(answer) = understood(&bytes[..filled], self.number, &question)? {
                return Ok(answer.user());
            }
        }
    }
}

/// What the kernel said of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Response {
    state: u8,
    uid: u32,
    inode: u32,
}

impl Response {
    fn user(self) -> Option<u32> {
        (self.inode != 0 && CONNECTED_STATES.contains(&self.state)).then_some(self.uid)
    }
}

fn question(number: u32, from: SocketAddr, to: SocketAddr) -> io::Result<[u8; HEADER_LEN + REQUEST_LEN]> {
    let (source, target) = (from.ip().to_canonical(), to.ip().to_canonical());
    let family = match (source, target) {
        (IpAddr::V4(_), IpAddr::V4(_)) => AddressFamily::INET,
        (IpAddr::V6(_), IpAddr::V6(_)) => AddressFamily::INET6,
        _ => return Err(io::Error::other("the two ends are of different kinds")),
    };
    let mut bytes = [0; HEADER_LEN + REQUEST_LEN];
    let mut put = |at: usize, what: &[u8]| bytes[at..at + what.len()].copy_from_slice(what);
    put(0, &u32::try_from(HEADER_LEN + REQUEST_LEN).unwrap_or_default().to_ne_bytes());
    put(4, &SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    put(6, &NLM_F_REQUEST.to_ne_bytes());
    put(8, &number.to_ne_bytes());
    put(HEADER_LEN, &[u8::try_from(family.as_raw()).unwrap_or_default(), TCP]);
    // Of any state: which one it is decides afterwards.
    put(HEADER_LEN + 4, &u32::MAX.to_ne_bytes());
    put(HEADER_LEN + 8, &from.port().to_be_bytes());
    put(HEADER_LEN + 10, &to.port().to_be_bytes());
    for (at, address) in [(HEADER_LEN + 12, source), (HEADER_LEN + 28, target)] {
        match address {
            IpAddr::V4(address) => put(at, &address.octets()),
            IpAddr::V6(address) => put(at, &address.octets()),
        }
    }
    // No cookie: the addresses are the question.
    put(HEADER_LEN + 48, &u64::MAX.to_ne_bytes());
    Ok(bytes)
}

/// What the answer to question `number` says; nothing where the message is of another one.
fn understood(message: &[u8], number: u32, question: &[u8]) -> io::Result<Option<Response>> {
    let word = |at: usize| message.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_ne_bytes);
    let kind = message.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
    if word(8) != Some(number) {
        return Ok(None);
    }
    match kind {
        Some(NLMSG_ERROR) => {
            let code = word(HEADER_LEN).map_or(0, u32::cast_signed);
            Err(io::Error::from_raw_os_error(code.wrapping_neg()))
        }
        Some(SOCK_DIAG_BY_FAMILY) if message.len() >= HEADER_LEN + RESPONSE_LEN => {
            // Where neither end is found, the kernel answers with a listening socket.
            if message[HEADER_LEN + 4..HEADER_LEN + 40] != question[HEADER_LEN + 8..HEADER_LEN + 44] {
                return Err(io::Error::other("it is about another socket"));
            }
            let (uid, inode) = (word(HEADER_LEN + UID_OFFSET), word(HEADER_LEN + INODE_OFFSET));
            let state = message[HEADER_LEN + 1];
            Ok(uid.zip(inode).map(|(uid, inode)| Response { state, uid, inode }))
        }
        _ => Err(io::Error::other("it is not understood")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_process_holds_is_nobodys_also_where_it_says_root() {
        for (state, uid, inode, user) in [
            (1, 1000, 5, Some(1000)),
            (1, 0, 5, Some(0)),
            (4, 1000, 5, Some(1000)),
            (5, 1000, 5, Some(1000)),
            (8, 1000, 5, Some(1000)),
            (5, 0, 0, None),
            (1, 0, 0, None),
            (1, 1000, 0, None),
            (2, 1000, 5, None),
            (3, 1000, 5, None),
            (6, 0, 0, None),
            (7, 1000, 5, None),
            (10, 1000, 5, None),
        ] {
            assert_eq!(Response { state, uid, inode }.user(), user, "state {state} uid {uid} inode {inode}");
        }
    }

    #[test]
    fn an_answer_is_of_its_question_and_of_its_socket() {
        let question = question(7, "127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap()).unwrap();
        let mut answer = vec![0; HEADER_LEN + RESPONSE_LEN];
        answer[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        answer[8..12].copy_from_slice(&7_u32.to_ne_bytes());
        answer[HEADER_LEN + 1] = 1;
        answer[HEADER_LEN + 4..HEADER_LEN + 40].copy_from_slice(&question[HEADER_LEN + 8..HEADER_LEN + 44]);
        answer[HEADER_LEN + INODE_OFFSET..].copy_from_slice(&9_u32.to_ne_bytes());
        let found = understood(&answer, 7, &question).unwrap();
        assert_eq!(found, Some(Response { state: 1, uid: 0, inode: 9 }));
        assert_eq!(understood(&answer, 8, &question).unwrap(), None);
        for length in 0..answer.len() {
            assert!(!matches!(understood(&answer[..length], 7, &question), Ok(Some(_))), "{length} bytes");
        }
        answer[HEADER_LEN + 5] ^= 1;
        assert!(understood(&answer, 7, &question).is_err(), "of another port");
    }
}
