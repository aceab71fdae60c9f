//! The worker's end of a slot's socket.

use std::{ffi::CString, io, os::fd::OwnedFd, sync::Arc};

use pod_core::executor::Sink;
use rustix::net::{RecvFlags, SendFlags};
use tokio::io::{Interest, unix::AsyncFd};

use super::wire::{self, Order, PACKET_LIMIT, Pipe, Report};

/// Has a socket watched for packets. Not for room to send: the worker would be woken each time that the other side
/// takes an order.
#[allow(unsafe_code, reason = "an OwnedFd is open, and the same, for as long as it lives")]
pub(super) fn watch(socket: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }.map_err(io::Error::from)
}

/// Sends to a slot. Several may: who has the slot, and who waits for it.
#[derive(Clone, Debug)]
pub(super) struct SlotSender(Arc<AsyncFd<OwnedFd>>);

impl SlotSender {
    pub(super) fn new(socket: OwnedFd) -> io::Result<Self> {
        watch(socket).map(|socket| Self(Arc::new(socket)))
    }

    /// Sends an order that was encoded before; never waits.
    pub(super) fn send(&self, order: &[u8]) -> io::Result<()> {
        rustix::net::send(self.0.get_ref(), order, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// As [`Line::send`], for an order to stop.
    pub(super) fn send_stop(&self, run: u64, mode: wire::Stop) -> io::Result<()> {
        self.send_short(&Order::Stop { run, mode })
    }

    /// Tells the new process of a slot that what comes now is meant for it.
    pub(super) fn send_go_on(&self, birth: u64) -> io::Result<()> {
        self.send_short(&Order::GoOn { birth })
    }

    /// Tells a slot where a pipe of its run goes. A path that cannot be told is not.
    pub(super) fn send_sink(&self, run: u64, stream: Pipe, sink: &Sink) -> io::Result<()> {
        let (until, file) = match sink {
            Sink::Ready(file) => (0, Some(file)),
            Sink::UpTo(until) => (*until, None),
            Sink::Over => (wire::GIVE_BYTES, None),
        };
        let (device, inode) = file.map_or((0, 0), |file| (file.device, file.inode));
        let Ok(path) = CString::new(file.map_or("", |file| &*file.path)) else { return Ok(()) };
        self.send_short(&Order::Write { run, stream, until, device, inode, path: &path })
    }

    fn send_short(&self, order: &Order<'_>) -> io::Result<()> {
        let mut packet = Vec::with_capacity(16);
        order.encode(&mut packet);
        self.send(&packet)
    }
}

/// Hears what a slot tells. There is one of it for each slot, and who has it has the slot.
#[derive(Debug)]
pub(super) struct SlotReceiver {
    line: SlotSender,
    space: Box<[u8]>,
}

impl SlotReceiver {
    pub(super) fn new(line: SlotSender) -> Self {
        Self { line, space: vec![0; PACKET_LIMIT].into() }
    }

    /// The next packet: its run and its reports; nothing when the slot and its supervisor are gone.
    /// Cancellation safe: a packet is taken only when it is given.
    pub(super) async fn receive(&mut self) -> Option<(u64, Vec<Report<'_>>)> {
        let Self { line, space } = self;
        let len = loop {
            let received = line.0.async_io(Interest::READABLE, |socket| {
                let (len, _) = rustix::net::recv(socket, &mut **space, RecvFlags::DONTWAIT)?;
                Ok(len)
            });
            match received.await {
                // The other side went and left an order unread. What it had said before can still be heard.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
                received => break received.unwrap_or(0),
            }
        };
        Report::decode_packet(space.get(..len).filter(|packet| !packet.is_empty())?)
    }
}
