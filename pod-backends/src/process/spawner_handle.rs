//! The spawner as it runs beside the worker: started, watched, and started again when it was killed.

use std::{
    fs::File,
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::fd::{AsFd, OwnedFd},
    process::Child,
    sync::Arc,
    time::Duration,
};

use pod_core::executor::{ExecutorError, INSTALLATIONS_AT_A_TIME};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::watch,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    blocking::blocking,
    layout::Layout,
    leftovers, orphans,
    pool::Pool,
    program,
    slot::watch,
    wire::{ORDER_LIMIT, READY},
};

/// A spawner that has not answered by then never will.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// Between two tries to start it.
const RETRY: Duration = Duration::from_millis(200);

/// The spawner, whichever it is at the moment.
#[derive(Debug)]
pub(super) struct SpawnerHandle {
    pools: Pools,
    stop: CancellationToken,
    /// Without the executor there is no spawner.
    _stop_when_dropped: DropGuard,
}

/// The pools of the spawner, whichever it is at the moment. They keep no spawner alive.
#[derive(Clone, Debug)]
pub(super) struct Pools(watch::Receiver<State>);

#[derive(Clone, Debug)]
enum State {
    Up(Arc<Spawner>),
    /// It is started again.
    Down,
    /// It cannot be started at the moment, for this reason.
    Failing(Arc<str>),
    Closed,
}

/// The slots of a running spawner.
#[derive(Debug)]
struct Spawner {
    executions: Arc<Pool>,
    installations: Arc<Pool>,
    gone: CancellationToken,
}

/// What a slot is wanted for. Installations have slots of their own and take none from the executions.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    Execution,
    Installation,
}

impl SpawnerHandle {
    /// Starts the spawner, and keeps it running until the handle is dropped or shut down.
    pub(super) async fn start(layout: Layout, lock: File, mark: String, slots: u32) -> Result<Self, ExecutorError> {
        let recipe = SpawnerCommand { layout, mark, slots, _lock: lock };
        let running = recipe.start().await.map_err(|error| ExecutorError {
            message: format!("the program that starts executions could not be run: {error}"),
        })?;
        let stop = CancellationToken::new();
        let (sender, state) = watch::channel(State::Up(Arc::clone(&running.spawner)));
        tokio::spawn(keep(recipe, running, sender, stop.clone()));
        Ok(Self { pools: Pools(state), _stop_when_dropped: stop.clone().drop_guard(), stop })
    }

    pub(super) const fn pools(&self) -> &Pools {
        &self.pools
    }

    /// Ends the spawner with everything that it runs, and returns when that is gone.
    pub(super) async fn shut_down(&self) {
        self.stop.cancel();
        let Pools(mut state) = self.pools.clone();
        // That the keeper is gone altogether is as good.
        let _ = state.wait_for(|state| matches!(state, State::Closed)).await;
    }
}

impl Pools {
    /// Waits until there are slots; a sentence when there will be none. Cancellation safe.
    pub(super) async fn get(&self, purpose: Purpose) -> Result<Arc<Pool>, String> {
        let mut state = self.0.clone();
        loop {
            match &*state.borrow_and_update() {
                State::Up(spawner) => {
                    return Ok(Arc::clone(match purpose {
                        Purpose::Execution => &spawner.executions,
                        Purpose::Installation => &spawner.installations,
                    }));
                }
                State::Down => {}
                State::Failing(reason) => {
                    return Err(format!("the program that starts executions could not be run again: {reason}"));
                }
                State::Closed => return Err("the worker is shutting down".to_owned()),
            }
            if state.changed().await.is_err() {
                return Err("the worker is shutting down".to_owned());
            }
        }
    }
}

/// Watches the spawner, clears up behind it, and starts it again.
async fn keep(
    recipe: SpawnerCommand,
    mut running: RunningSpawner,
    state: watch::Sender<State>,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = stop.cancelled() => {}
            () = has_ended(&running.control) => tracing::warn!("the spawner was killed; what ran is lost, and it is started again"),
        }
        state.send_replace(State::Down);
        recipe.clear_up(running).await;
        running = loop {
            if stop.is_cancelled() {
                drop(recipe);
                state.send_replace(State::Closed);
                return;
            }
            match recipe.start().await {
                Ok(running) => break running,
                Err(error) => state.send_replace(State::Failing(error.to_string().into())),
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(RETRY) => {}
            }
        };
        state.send_replace(State::Up(Arc::clone(&running.spawner)));
    }
}

/// How to start the spawner.
#[derive(Debug)]
struct SpawnerCommand {
    layout: Layout,
    mark: String,
    slots: u32,
    /// Kept open and locked: the directory is in use as long as anything of this spawner may be running.
    _lock: File,
}

/// A spawner that runs.
#[derive(Debug)]
struct RunningSpawner {
    spawner: Arc<Spawner>,
    supervisor: Child,
    /// It ends with the supervisor, and the supervisor with it.
    control: AsyncFd<OwnedFd>,
}

impl SpawnerCommand {
    /// For executions and installations together.
    const fn all_slots(&self) -> u32 {
        self.slots + INSTALLATIONS_AT_A_TIME as u32
    }

    async fn start(&self) -> io::Result<RunningSpawner> {
        let (control, theirs) = socket_pair()?;
        let workdirs = self.layout.workdirs(&self.mark, self.all_slots());
        let supervisor = program::start(&self.layout, &workdirs, &self.mark, theirs)?;
        if let Err(error) = leftovers::note(&self.layout, supervisor.id()) {
            // Its mark still tells whose it is.
            tracing::warn!(%error, "the spawner's process id could not be noted down");
        }
        let control = watch(control)?;
        let mut space = [0; READY.len()];
        let ready = control.async_io(Interest::READABLE, |socket| {
            Ok(rustix::net::recv(socket, &mut space[..], RecvFlags::DONTWAIT)?.0)
        });
        let ready = tokio::time::timeout(READY_WITHIN, ready).await.map_err(io::Error::from)??;
        if space[..ready] != *READY {
            return Err(io::Error::other("it ended at once"));
        }
        let gone = CancellationToken::new();
        let mut open = (0..self.all_slots()).map(|index| open_slot(control.get_ref(), index));
        let installers = open.by_ref().take(INSTALLATIONS_AT_A_TIME).collect::<io::Result<Vec<_>>>()?;
        let slots = open.collect::<io::Result<Vec<_>>>()?;
        let spawner = Arc::new(Spawner {
            executions: Arc::new(Pool::new(slots, gone.clone())?),
            installations: Arc::new(Pool::new(installers, gone.clone())?),
            gone,
        });
        Ok(RunningSpawner { spawner, supervisor, control })
    }

    /// Ends a spawner that was told to go, or was killed, and sees to it that nothing of what it ran is left.
    async fn clear_up(&self, running: RunningSpawner) {
        let RunningSpawner { spawner, mut supervisor, control } = running;
        drop(control);
        spawner.executions.close();
        spawner.installations.close();
        let mark = self.mark.clone();
        blocking(move || {
            let _ = supervisor.wait();
            orphans::end();
            leftovers::kill_marked(&mark);
        })
        .await;
        spawner.gone.cancel();
    }
}

/// Returns when the other side of a socket is gone.
async fn has_ended(control: &AsyncFd<OwnedFd>) {
    loop {
        let received = control
            .async_io(Interest::READABLE, |socket| {
                Ok(rustix::net::recv(socket, &mut [0_u8; 16][..], RecvFlags::DONTWAIT)?.0)
            })
            .await;
        if matches!(received, Ok(0) | Err(_)) {
            return;
        }
    }
}

/// Makes a socket for a slot and gives its end to the supervisor.
fn open_slot(control: &OwnedFd, index: u32) -> io::Result<OwnedFd> {
    let (ours, theirs) = socket_pair()?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut attached = SendAncillaryBuffer::new(&mut space);
    let fds = [theirs.as_fd()];
    attached.push(SendAncillaryMessage::ScmRights(&fds));
    let order = index.to_le_bytes();
    rustix::net::sendmsg(control, &[IoSlice::new(&order)], &mut attached, SendFlags::NOSIGNAL)?;
    Ok(ours)
}

fn socket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    for socket in [&ours, &theirs] {
        // As much as the system allows: it caps the wish silently.
        rustix::net::sockopt::set_socket_send_buffer_size(socket, ORDER_LIMIT)?;
    }
    Ok((ours, theirs))
}
