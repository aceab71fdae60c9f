//! The nursery: the parent of the slots. It runs nothing itself. When a slot dies, the orphans of what that ran come
//! to the nursery, which ends them and puts a new process in the slot's place.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, FromRawFd, OwnedFd},
    process::exit,
    time::{Duration, Instant},
};

use crate::{
    open_files,
    program::IGNORED,
    slot,
    sys::{self, Child, POLLIN, Patience, PollFd, SIGKILL},
    tree,
    user::User,
    wire::{CONTROL_FD, READY},
};

/// So many slots at most; what limits them in practice is how many files a process may have open.
const MOST_SLOTS: usize = 4096;
/// When the worker has gone, slots have so long to end their trees by themselves.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);
/// Before a slot is started again: one that cannot live must not take the machine with it.
const REBIRTH_PAUSE: Duration = Duration::from_millis(5);

struct Seat {
    socket: OwnedFd,
    pid: i32,
    /// How many processes of it have died.
    birth: u64,
    /// Where in the shared memory the slot writes which run it took on last.
    taken: *mut u64,
}

/// Serves until the worker has gone. Whatever else came with this process is closed: locks and pipes of whoever
/// started the worker are nothing for programs.
pub fn serve(open_files: Option<u64>, user: Option<User>) -> ! {
    sys::close_from(CONTROL_FD + 3);
    sys::clear_ambient_capabilities();
    sys::reset_signals();
    IGNORED.iter().for_each(|&number| sys::ignore(number));
    sys::new_session();
    sys::set_name(c"pod-nursery");
    match Nursery::new(open_files, user) {
        Ok(nursery) => nursery.serve(),
        Err(_) => exit(1),
    }
}

struct Nursery {
    control: OwnedFd,
    children: OwnedFd,
    /// The slots hold the end to read; it ends with this process.
    life: (OwnedFd, OwnedFd),
    memory: *mut u64,
    seats: Vec<Seat>,
    /// What programs may have open, and so the slots.
    open_files: Option<u64>,
    /// Who runs programs, and so the slots.
    user: Option<User>,
}

impl Nursery {
    fn new(open_files: Option<u64>, user: Option<User>) -> io::Result<Self> {
        sys::become_subreaper()?;
        // The executor has put the socket there; nothing else in this process uses that number.
        let control = unsafe { OwnedFd::from_raw_fd(CONTROL_FD) };
        let children = sys::child_signals()?;
        let memory = sys::shared_memory(MOST_SLOTS * size_of::<u64>())?;
        sys::send_packet(&control, READY, Patience::Wait)?;
        Ok(Self { control, children, life: sys::pipe()?, memory, seats: Vec::new(), open_files, user })
    }

    fn serve(mut self) -> ! {
        loop {
            let mut fds = [PollFd::new(&self.control, POLLIN), PollFd::new(&self.children, POLLIN)];
            sys::poll(&mut fds, None);
            if fds[1].happened() {
                sys::discard(&self.children);
                self.reap();
            }
            if fds[0].happened() && !self.obey() {
                self.leave();
            }
        }
    }

    /// Takes one order, a slot to open; false when the worker is gone.
    fn obey(&mut self) -> bool {
        let mut space = [0; 16];
        let Ok((len, socket)) = sys::receive_descriptor(self.control.as_fd(), &mut space) else {
            return false;
        };
        let index = space[..len].try_into().map(u32::from_le_bytes);
        if let (Ok(index), Some(socket)) = (index, socket)
            && (index as usize) < MOST_SLOTS
        {
            // Within the memory, as was just checked.
            let taken = unsafe { self.memory.add(index as usize) };
            self.open(socket, taken, 0);
        }
        len > 0
    }

    /// Forks a slot. When that cannot be done everything ends, and the executor tries again from the beginning.
    fn open(&mut self, socket: OwnedFd, taken: *mut u64, birth: u64) {
        // This process has one thread, so the child may do anything.
        match unsafe { sys::fork() } {
            0 => self.become_slot(socket, birth, taken),
            pid if pid < 0 => self.leave(),
            pid => self.seats.push(Seat { socket, pid, birth, taken }),
        }
    }

    /// Goes on as a slot, in the child. What is the nursery's must not live on there, or nobody would notice the end
    /// of the nursery or of another slot: its end of the life line, the sockets of the other slots and the control
    /// socket, whose place is taken by what the programs are to read.
    fn become_slot(&mut self, socket: OwnedFd, birth: u64, taken: *mut u64) -> ! {
        self.seats.clear();
        let (Ok(nothing), Ok(life)) = (File::open("/dev/null"), self.life.0.try_clone()) else { exit(1) };
        sys::close_for_good(&self.life.1);
        sys::close_for_good(&self.children);
        sys::put_in_place(&nothing, CONTROL_FD);
        drop(nothing);
        self.open_files.into_iter().for_each(open_files::limit);
        slot::serve(socket, life, birth, taken, self.user.as_ref())
    }

    fn reap(&mut self) {
        let mut dead = Vec::new();
        while let Child::Ended(pid, status) = sys::reap_any() {
            dead.push((pid, status));
        }
        let mut next = 0;
        while let Some(&(pid, status)) = dead.get(next) {
            next += 1;
            let Some(place) = self.seats.iter().position(|seat| seat.pid == pid) else { continue };
            let seat = self.seats.swap_remove(place);
            // It left by itself because its socket had ended, and nothing of it remains.
            if status == 0 {
                continue;
            }
            let mut living: Vec<i32> = self.seats.iter().map(|seat| seat.pid).collect();
            living.retain(|pid| !dead.iter().any(|(other, _)| other == pid));
            tree::kill_all(&self.children, &mut living, |pid, status| dead.push((pid, status)));
            std::thread::sleep(REBIRTH_PAUSE);
            self.open(seat.socket, seat.taken, seat.birth + 1);
        }
    }

    /// The worker is gone: the slots end their trees, and what they could not end is ended here.
    fn leave(&mut self) -> ! {
        sys::close_for_good(&self.life.1);
        let children = &self.children;
        let deadline = Instant::now() + LEAVE_WITHIN;
        let mut pids: Vec<i32> = self.seats.drain(..).map(|seat| seat.pid).collect();
        loop {
            while let Child::Ended(pid, _) = sys::reap_any() {
                pids.retain(|&other| other != pid);
            }
            let now = Instant::now();
            if pids.is_empty() || now >= deadline {
                break;
            }
            sys::poll(&mut [PollFd::new(children, POLLIN)], Some(deadline - now));
            sys::discard(children);
        }
        pids.iter().for_each(|&pid| sys::kill(pid, SIGKILL));
        tree::kill_all(children, &mut Vec::new(), |_, _| {});
        exit(0)
    }
}
