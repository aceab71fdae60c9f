//! Connections of this process and of another user, in every state that the manager may meet them in.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use rustix::process::Uid;

use super::*;

/// Another user than the one who runs the tests.
const ANOTHER: u32 = 65_534;

type Deed = fn(&mut TcpStream);

/// What one end of a connection does before anybody looks at it.
const DEEDS: &[(&str, Deed)] = &[
    ("stays open", |_| {}),
    ("has asked", |stream| stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap()),
    ("sends no more", |stream| stream.shutdown(Shutdown::Write).unwrap()),
];

/// A connection to a listener whose other end did something, by a thread that is this user.
fn connected(listener: &TcpListener, to: SocketAddr, uid: Option<u32>, deed: Deed) -> (TcpStream, Peered) {
    let connecting = std::thread::spawn(move || {
        if let Some(uid) = uid.map(Uid::from_raw) {
            // Of this thread only, which ends with what it made.
            rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
        }
        let mut stream = TcpStream::connect(to).unwrap();
        deed(&mut stream);
        stream
    });
    let client = connecting.join().unwrap();
    let (stream, from) = listener.accept().unwrap();
    (client, Peered { stream, from })
}

struct Peered {
    stream: TcpStream,
    from: SocketAddr,
}

/// One listener of each kind, and how it is reached.
fn listeners() -> Vec<(TcpListener, SocketAddr)> {
    let mut all = Vec::new();
    for (listen, reach) in
        [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1"), ("[::]:0", "127.0.0.1"), ("[::]:0", "::1")]
    {
        match TcpListener::bind(listen) {
            Ok(listener) => {
                let port = listener.local_addr().unwrap().port();
                all.push((listener, SocketAddr::new(reach.parse().unwrap(), port)));
            }
            // A machine without IPv6.
            Err(error) => assert!(listen.starts_with('['), "{error}"),
        }
    }
    all
}

fn uid_of(kernel: &mut sock_diag::SockDiag, peered: &Peered) -> Option<u32> {
    kernel.user(peered.from, peered.stream.local_addr().unwrap()).ok().flatten()
}

#[test]
fn the_user_of_a_connection_is_known_while_a_process_holds_it() {
    let mut kernel = sock_diag::SockDiag::open().unwrap();
    let me = rustix::process::geteuid();
    for (listener, to) in listeners() {
        for (what, deed) in DEEDS {
            let (_client, peered) = connected(&listener, to, None, *deed);
            assert_eq!(uid_of(&mut kernel, &peered), Some(me.as_raw()), "{to}: one that {what}");
            if me.is_root() {
                let (_client, peered) = connected(&listener, to, Some(ANOTHER), *deed);
                assert_eq!(uid_of(&mut kernel, &peered), Some(ANOTHER), "{to}: another's that {what}");
            }
        }
    }
}

#[test]
fn a_connection_that_was_left_is_nobodys() {
    let mut kernel = sock_diag::SockDiag::open().unwrap();
    for (listener, to) in listeners() {
        for what in ["closed", "closed after it asked", "reset"] {
            let (client, peered) = connected(&listener, to, None, |_| {});
            match what {
                "closed after it asked" => (&client).write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap(),
                "reset" => rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).unwrap(),
                _ => {}
            }
            drop(client);
            assert_eq!(uid_of(&mut kernel, &peered), None, "{to}: one that was {what}");
            // Its request is read all the same: it is not for nothing that it was asked before.
            let mut bytes = Vec::new();
            let _ = (&peered.stream).read_to_end(&mut bytes);
            assert_eq!(uid_of(&mut kernel, &peered), None, "{to}: later");
        }
    }
}

#[test]
fn it_is_tried_out_and_costs_little() {
    let users = Users::of_the_kernel();
    assert!(users.are_known(), "the kernel of the tests tells");
    assert!(!Users::unknown().are_known());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    let (_client, peered) = connected(&listener, to, None, |_| {});
    let mut kernel = sock_diag::SockDiag::open().unwrap();
    let (rounds, begun) = (1000, Instant::now());
    for _ in 0..rounds {
        assert!(uid_of(&mut kernel, &peered).is_some());
    }
    // Shown by --no-capture; a limit would be a matter of the machine.
    let mut out = std::io::stderr();
    let _ = writeln!(out, "one look takes {:?}", begun.elapsed() / rounds);
}

#[tokio::test]
async fn who_is_unknown_is_not_the_owner() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let _client = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, from) = listener.accept().await.unwrap();
    assert!(Users::of_the_kernel().peer(&stream, from).is_owner);
    assert!(!Users::unknown().peer(&stream, from).is_owner);
}
