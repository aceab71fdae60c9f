//! The engine of this machine at a TCP port, as if it were another one.

use std::{
    io,
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
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

trait Half: io::Read + io::Write {
    fn close(&self);
}

impl Half for TcpStream {
    fn close(&self) {
        let _ = self.shutdown(std::net::Shutdown::Write);
    }
}

impl Half for UnixStream {
    fn close(&self) {
        let _ = self.shutdown(std::net::Shutdown::Write);
    }
}

fn carry(mut from: impl Half, mut to: impl Half, change: fn(&mut [u8])) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count) = from.read(&mut buffer)
        && count > 0
    {
        change(&mut buffer[..count]);
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    to.close();
}
