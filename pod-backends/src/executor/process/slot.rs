//! The worker's end of a slot's socket, and the pool of slots that are free.

use std::{
    io,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, PoisonError},
};

use rustix::net::{RecvFlags, SendFlags};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::CancellationToken;

use super::wire::{self, Order, PACKET_LIMIT, Report};

/// Has a socket watched for packets. Not for room to send: the worker would be woken each time that the other side
/// takes an order.
#[allow(unsafe_code, reason = "an OwnedFd is open, and the same, for as long as it lives")]
pub(super) fn watch(socket: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }.map_err(io::Error::from)
}

/// The worker's end of one slot.
#[derive(Debug)]
pub(super) struct Slot {
    socket: AsyncFd<OwnedFd>,
    /// Counts the runs: the number of the latest.
    run: u64,
    space: Box<[u8]>,
}

impl Slot {
    pub(super) fn new(socket: OwnedFd) -> io::Result<Self> {
        Ok(Self { socket: watch(socket)?, run: 0, space: vec![0; PACKET_LIMIT].into() })
    }

    /// The number of the next run.
    pub(super) fn next_run(&mut self) -> u64 {
        self.run += 1;
        self.run
    }

    /// Sends an order that was encoded before; never waits.
    pub(super) fn send(&self, order: &[u8]) -> io::Result<()> {
        rustix::net::send(self.socket.get_ref(), order, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// As [`Slot::send`], for an order to stop.
    pub(super) fn send_stop(&self, run: u64, mode: wire::Stop) -> io::Result<()> {
        let mut order = Vec::with_capacity(16);
        Order::Stop { run, mode }.encode(&mut order);
        self.send(&order)
    }

    /// The next packet: its run and its reports; nothing when the slot and its nursery are gone.
    /// Cancellation safe: a packet is taken only when it is given.
    pub(super) async fn receive(&mut self) -> Option<(u64, Vec<Report<'_>>)> {
        let Self { socket, space, .. } = self;
        let len = socket
            .async_io(Interest::READABLE, |socket| {
                let (len, _) = rustix::net::recv(socket, &mut **space, RecvFlags::DONTWAIT)?;
                Ok(len)
            })
            .await
            .unwrap_or(0);
        Report::decode_packet(space.get(..len).filter(|packet| !packet.is_empty())?)
    }
}

/// The slots of one crew that are free.
#[derive(Debug)]
pub(super) struct Pool {
    free: Mutex<Vec<Slot>>,
    count: Arc<Semaphore>,
    /// The crew is gone, and nothing of it is left.
    gone: CancellationToken,
}

impl Pool {
    pub(super) fn new(slots: Vec<Slot>, gone: CancellationToken) -> Self {
        Self { count: Arc::new(Semaphore::new(slots.len())), free: Mutex::new(slots), gone }
    }

    /// Waits for a free slot; nothing when the crew has gone.
    pub(super) async fn lend(self: &Arc<Self>) -> Option<Lent> {
        let permit = Arc::clone(&self.count).acquire_owned().await.ok()?;
        let slot = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        Some(Lent { slot, pool: Arc::clone(self), permit })
    }

    /// Lends nothing any more, and closes the sockets of what is free.
    pub(super) fn close(&self) {
        self.count.close();
        self.free.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// A slot in use.
#[derive(Debug)]
pub(super) struct Lent {
    pub(super) slot: Slot,
    pool: Arc<Pool>,
    permit: OwnedSemaphorePermit,
}

impl Lent {
    /// Gives a slot back that runs nothing.
    pub(super) fn give_back(self) {
        let Self { slot, pool, permit } = self;
        let mut free = pool.free.lock().unwrap_or_else(PoisonError::into_inner);
        if !pool.count.is_closed() {
            free.push(slot);
        }
        drop(free);
        drop(permit);
    }

    /// Closes a slot that is gone. What is given back tells when nothing is left of what its crew ran.
    pub(super) fn abandon(self) -> CancellationToken {
        self.pool.gone.clone()
    }
}
