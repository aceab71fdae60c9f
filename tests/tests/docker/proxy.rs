//! The engine of this machine at a TCP port, as if it were another one.

use std::{
    io,
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// Leads to the engine's socket; what that answers is changed on its way.
pub(crate) fn engine_port(change: fn(&mut [u8])) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its number").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let Ok(engine) = UnixStream::connect("/var/run/docker.sock") else { continue };
            let (from, to) = (stream.try_clone().expect("a handle"), engine.try_clone().expect("a handle"));
            thread::spawn(move || carry(from, to, |_| {}));
            thread::spawn(move || carry(engine, stream, change));
        }
    });
    port
}

/// What is lost on its way, and the connection with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    Request,
    Answer,
}

/// Leads to the engine's socket. Of the next request whose first line ends so something is lost, each time that what is
/// returned beside the port is set.
pub(crate) fn losing_engine_port(lost: Lost, request: &'static str) -> (u16, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its number").port();
    let armed = Arc::new(AtomicBool::new(false));
    let lose = armed.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let Ok(engine) = UnixStream::connect("/var/run/docker.sock") else { continue };
            let (mut from, mut to) = (stream.try_clone().expect("a handle"), engine.try_clone().expect("a handle"));
            let (lose, losing) = (lose.clone(), Arc::new(AtomicBool::new(false)));
            let asked = losing.clone();
            thread::spawn(move || {
                pass(&mut from, &mut to, |bytes| {
                    let line = bytes.split(|&byte| byte == b'\r').next().unwrap_or_default();
                    if line.ends_with(request.as_bytes()) && lose.swap(false, Ordering::SeqCst) {
                        asked.store(true, Ordering::SeqCst);
                        return lost == Lost::Answer;
                    }
                    true
                });
                to.close();
            });
            thread::spawn(move || {
                let (mut engine, mut stream) = (engine, stream);
                pass(&mut engine, &mut stream, |_| !losing.load(Ordering::SeqCst));
                let _ = stream.shutdown(Shutdown::Both);
            });
        }
    });
    (port, armed)
}

trait Half: io::Read + io::Write {
    fn close(&self);
}

impl Half for TcpStream {
    fn close(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }
}

impl Half for UnixStream {
    fn close(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }
}

fn carry(mut from: impl Half, mut to: impl Half, change: fn(&mut [u8])) {
    pass(&mut from, &mut to, |bytes| {
        change(bytes);
        true
    });
    to.close();
}

/// Hands on what comes, until it ends or is not to be handed on.
fn pass(from: &mut impl Half, to: &mut impl Half, mut look: impl FnMut(&mut [u8]) -> bool) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count) = from.read(&mut buffer)
        && count > 0
    {
        if !look(&mut buffer[..count]) || to.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}
