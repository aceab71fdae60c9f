//! The slots of one spawner, and the runs that wait for one of them.
//!
//! A run that waits is sent *ahead*, to a slot that is still busy, so that it begins there at once when what runs there
//! has ended. A slot that stays busy gives it back, and it goes on waiting for whichever slot is free first.

use std::{
    collections::VecDeque,
    io, mem,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use pod_core::domain::AttemptOutcome;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{
    slot::{SlotReceiver, SlotSender},
    wire,
};

/// The slots of a spawner for one purpose.
#[derive(Debug)]
pub(super) struct Pool {
    state: Mutex<State>,
    /// The spawner is gone, and nothing of it is left.
    gone: CancellationToken,
}

#[derive(Debug)]
struct State {
    seats: Vec<SlotState>,
    waiting: VecDeque<Waiter>,
    /// Counts those that came to wait.
    tickets: u64,
    closed: bool,
}

/// A slot as its pool sees it.
#[derive(Debug)]
struct SlotState {
    line: SlotSender,
    /// Counts the runs: the number of the latest.
    run: u64,
    /// There while nobody has the slot.
    free: Option<SlotReceiver>,
    /// Whether an order may be sent ahead: none was given back during this run.
    quick: bool,
    /// Whether the order of one that waits was sent ahead to it.
    awaited: bool,
}

/// A run that waits for a slot.
#[derive(Debug)]
struct Waiter {
    ticket: u64,
    order: Vec<u8>,
    turn: oneshot::Sender<WaitOutcome>,
    /// Where its order was sent ahead, and under which number.
    ahead: Option<(usize, u64)>,
    /// How it ends should its order be given back.
    withdrawn: Option<AttemptOutcome>,
}

/// How waiting ended.
#[derive(Debug)]
pub(super) enum WaitOutcome {
    /// It has this slot, which was given its order.
    Slot(SlotGuard),
    /// It never began, and does not any more.
    Over(AttemptOutcome),
    /// The spawner is gone, and it never began: the order is for the next spawner.
    CrewGone(Vec<u8>),
    /// The system's sockets do not take so much at once.
    TooLong,
}

/// A run that waits.
#[derive(Debug)]
pub(super) struct WaitHandle {
    number: u64,
    pool: Arc<Pool>,
    turn: oneshot::Receiver<WaitOutcome>,
}

/// A slot in use.
#[derive(Debug)]
pub(super) struct SlotGuard {
    pub(super) ear: SlotReceiver,
    pub(super) line: SlotSender,
    /// The number of the run that has it.
    pub(super) run: u64,
    /// What that run was begun with.
    pub(super) order: Vec<u8>,
    /// Whether the slot was sent that: its socket may have had no room.
    pub(super) sent: bool,
    pool: Arc<Pool>,
    seat: usize,
}

impl Pool {
    pub(super) fn new(sockets: Vec<OwnedFd>, gone: CancellationToken) -> io::Result<Self> {
        let seat = |socket| {
            let line = SlotSender::new(socket)?;
            Ok(SlotState { free: Some(SlotReceiver::new(line.clone())), line, run: 0, quick: true, awaited: false })
        };
        let seats = sockets.into_iter().map(seat).collect::<io::Result<_>>()?;
        let state = State { seats, waiting: VecDeque::new(), tickets: 0, closed: false };
        Ok(Self { state: Mutex::new(state), gone })
    }

    /// Hands an encoded order to start in; it is sent to a slot now or when one is free.
    pub(super) fn queue(self: &Arc<Self>, order: Vec<u8>) -> WaitHandle {
        let (sender, turn) = oneshot::channel();
        let mut state = self.state();
        state.tickets += 1;
        let number = state.tickets;
        state.waiting.push_back(Waiter { ticket: number, order, turn: sender, ahead: None, withdrawn: None });
        self.deal(&mut state);
        WaitHandle { number, pool: Arc::clone(self), turn }
    }

    /// Takes no more orders, and sends back those that no slot has.
    pub(super) fn close(self: &Arc<Self>) {
        let mut state = self.state();
        state.closed = true;
        state.seats.iter_mut().for_each(|seat| seat.free = None);
        self.deal(&mut state);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives those that wait what is free, first come, first served, and sends orders ahead.
    fn deal(self: &Arc<Self>, state: &mut State) {
        if state.closed {
            // Whoever was sent ahead may yet begin, as far as is known here: who has that slot finds out.
            let (orphans, ahead): (VecDeque<_>, _) =
                mem::take(&mut state.waiting).into_iter().partition(|waiter| waiter.ahead.is_none());
            state.waiting = ahead;
            for waiter in orphans {
                let _ = waiter.turn.send(WaitOutcome::CrewGone(waiter.order));
            }
            return;
        }
        while let Some(seat) = state.seats.iter().position(|seat| seat.free.is_some())
            && let Some(place) = state.waiting.iter().position(|waiter| waiter.ahead.is_none())
            && let Some(mut waiter) = state.waiting.remove(place)
        {
            let taken = &mut state.seats[seat];
            let run = taken.next_run(&mut waiter.order);
            let sent = match taken.line.send(&waiter.order) {
                Err(error) if is_too_long(&error) => {
                    let _ = waiter.turn.send(WaitOutcome::TooLong);
                    continue;
                }
                // That the slot is gone is found, and told as a loss, when its answer is waited for.
                sent => !sent.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock),
            };
            if let Some(ear) = taken.free.take() {
                self.hand_over(seat, ear, taken.line.clone(), run, waiter, sent);
            }
        }
        for (place, seat) in state.seats.iter_mut().enumerate() {
            if seat.free.is_some() || !seat.quick || seat.awaited {
                continue;
            }
            let Some(waiter) = state.waiting.iter_mut().find(|waiter| waiter.ahead.is_none()) else { return };
            let run = seat.next_run(&mut waiter.order);
            match seat.line.send(&waiter.order) {
                Ok(()) => (waiter.ahead, seat.awaited) = (Some((place, run)), true),
                // There will be room when this run has ended.
                Err(_) => seat.quick = false,
            }
        }
    }

    fn hand_over(
        self: &Arc<Self>,
        seat: usize,
        ear: SlotReceiver,
        line: SlotSender,
        run: u64,
        waiter: Waiter,
        sent: bool,
    ) {
        let lent = SlotGuard { ear, line, run, order: waiter.order, sent, pool: Arc::clone(self), seat };
        // Nobody is there to take it only when the runtime ends, and the slots with it.
        let _ = waiter.turn.send(WaitOutcome::Slot(lent));
    }
}

impl State {
    /// Takes out the one whose order was sent ahead to a slot, if there is one.
    fn take_ahead(&mut self, seat: usize) -> Option<Waiter> {
        self.seats[seat].awaited = false;
        let place = self.waiting.iter().position(|waiter| waiter.ahead.is_some_and(|(at, _)| at == seat))?;
        self.waiting.remove(place)
    }
}

impl SlotState {
    fn next_run(&mut self, order: &mut [u8]) -> u64 {
        self.run += 1;
        wire::set_run(order, self.run);
        self.run
    }
}

fn is_too_long(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error())
}

impl WaitHandle {
    /// Waits for the turn. Cancellation safe.
    pub(super) async fn turn(&mut self) -> WaitOutcome {
        // A pool keeps who waits until their turn.
        (&mut self.turn).await.unwrap_or(WaitOutcome::Over(AttemptOutcome::Lost))
    }

    /// Ends the waiting so, unless a slot has begun; in doubt that is known when the slot has said so.
    pub(super) fn withdraw(&self, end: AttemptOutcome) {
        let mut state = self.pool.state();
        let Some(place) = state.waiting.iter().position(|waiter| waiter.ticket == self.number) else { return };
        if state.waiting[place].ahead.is_some() {
            state.waiting[place].withdrawn = Some(end);
        } else if let Some(waiter) = state.waiting.remove(place) {
            let _ = waiter.turn.send(WaitOutcome::Over(end));
        }
    }
}

impl SlotGuard {
    /// Gives a slot up that runs nothing any more. It is that of the run that was sent ahead, if there is one.
    pub(super) fn give_back(self) {
        let Self { ear, line, pool, seat, .. } = self;
        let mut state = pool.state();
        state.seats[seat].quick = true;
        match state.take_ahead(seat) {
            Some(waiter) => {
                let run = waiter.ahead.map_or(0, |(_, run)| run);
                pool.hand_over(seat, ear, line, run, waiter, true);
            }
            None if state.closed => {}
            None => state.seats[seat].free = Some(ear),
        }
        pool.deal(&mut state);
    }

    /// The slot does not begin what was sent ahead: this run goes on for too long, or a new process serves the slot,
    /// which passes over what was sent to the one before. Who waits takes the next slot that is free.
    pub(super) fn take_back(&self) {
        let mut state = self.pool.state();
        state.seats[self.seat].quick = false;
        let Some(mut waiter) = state.take_ahead(self.seat) else { return };
        match waiter.withdrawn {
            Some(end) => drop(waiter.turn.send(WaitOutcome::Over(end))),
            None => {
                waiter.ahead = None;
                let place = state.waiting.partition_point(|other| other.ticket < waiter.ticket);
                state.waiting.insert(place, waiter);
                self.pool.deal(&mut state);
            }
        }
    }

    /// Lets go of a slot that is gone. What is given back tells when nothing is left of what its spawner ran.
    pub(super) fn abandon(self) -> CancellationToken {
        if let Some(waiter) = self.pool.state().take_ahead(self.seat) {
            let _ = waiter.turn.send(WaitOutcome::CrewGone(waiter.order));
        }
        self.pool.gone.clone()
    }
}
