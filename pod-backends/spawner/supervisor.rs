//! The supervisor: the parent of the slots. It runs nothing itself. When a slot dies, the orphans of what that ran come
//! to the supervisor, which ends them and puts a new process in the slot's place.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, FromRawFd, OwnedFd},
    path::PathBuf,
    process::exit,
    time::{Duration, Instant},
};

use crate::{
    as_user::{become_user, make_dir_of},
    namespace::{Mounts, in_child},
    open_files,
    program::IGNORED,
    run::ended_by,
    serve, sweeper,
    sys::{self, Child, POLLIN, Patience, PollFd, SIGKILL},
    trash, tree,
    user::User,
    wire::{CONTROL_FD, End, READY},
    workdirs::Site,
};

/// So many slots at most; what limits them in practice is how many files a process may have open.
const MOST_SLOTS: usize = 4096;
/// When the worker has gone, slots have so long to end their trees by themselves.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);
/// When they have, what they left behind is deleted within so long, or by the next worker of the directory.
const SWEEP_WITHIN: Duration = Duration::from_secs(5);
/// Before a slot is started again: one that cannot live must not take the machine with it.
const RESPAWN_DELAY: Duration = Duration::from_millis(5);

struct SlotProcess {
    index: u32,
    socket: OwnedFd,
    pid: i32,
    /// How many processes of it have died.
    birth: u64,
    /// Where in the shared memory the slot writes which run it took on last.
    taken: *mut u64,
}

/// Serves until the worker has gone. Whatever else came with this process is closed: locks and pipes of whoever
/// started the worker are nothing for programs.
pub fn serve(base: PathBuf, open_files: Option<u64>, user: Option<User>) -> ! {
    sys::close_from(CONTROL_FD + 3);
    sys::clear_ambient_capabilities();
    sys::reset_signals();
    IGNORED.iter().for_each(|&number| sys::ignore(number));
    sys::new_session();
    sys::set_name(c"pod-nursery");
    match Supervisor::new(base, open_files, user) {
        Ok(supervisor) => supervisor.serve(),
        Err(_) => exit(1),
    }
}

struct Supervisor {
    control: OwnedFd,
    children: OwnedFd,
    /// The slots hold the end to read; it ends with this process.
    life: (OwnedFd, OwnedFd),
    memory: *mut u64,
    processes: Vec<SlotProcess>,
    /// What programs may have open, and so the slots.
    open_files: Option<u64>,
    /// Who runs programs, and so the slots.
    user: Option<User>,
    /// Where working directories are.
    base: PathBuf,
    mounts: Mounts,
    /// What the sweeper hears, and what rings.
    bell: (OwnedFd, OwnedFd),
    sweeper: i32,
}

impl Supervisor {
    fn new(base: PathBuf, open_files: Option<u64>, user: Option<User>) -> io::Result<Self> {
        sys::become_subreaper()?;
        if let Some(user) = &user {
            make_dir_of(user, &base)?;
        }
        // What programs had may be anything by now.
        if !in_child(|| become_user(user.as_ref()).and_then(|()| trash::take_all(&base)).is_ok()) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mounts = Mounts::find(&base, user.as_ref());
        // The executor has put the socket there; nothing else in this process uses that number.
        let control = unsafe { OwnedFd::from_raw_fd(CONTROL_FD) };
        let children = sys::child_signals()?;
        let memory = sys::shared_memory(MOST_SLOTS * size_of::<u64>())?;
        let (life, bell) = (sys::pipe()?, sys::pipe()?);
        sys::never_block(&bell.1);
        sys::send_packet(&control, READY, Patience::Wait)?;
        let processes = Vec::new();
        let mut supervisor =
            Self { control, children, life, memory, processes, open_files, user, base, mounts, bell, sweeper: 0 };
        supervisor.start_sweeper();
        Ok(supervisor)
    }

    /// Starts what deletes. Without it the slots do that themselves.
    fn start_sweeper(&mut self) {
        let supervisor = i32::try_from(std::process::id()).unwrap_or(0);
        self.sweeper = match unsafe { sys::fork() } {
            0 => {
                self.processes.clear();
                let fds = [&self.life.0, &self.life.1, &self.children, &self.bell.1, &self.control];
                fds.into_iter().for_each(sys::close_for_good);
                if become_user(self.user.as_ref()).is_err() {
                    exit(1)
                }
                sweeper::serve(&self.base, &self.bell.0, supervisor)
            }
            pid => pid,
        }
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
            self.open(index, socket, taken, 0);
        }
        len > 0
    }

    /// Forks a slot. When that cannot be done everything ends, and the executor tries again from the beginning.
    fn open(&mut self, index: u32, socket: OwnedFd, taken: *mut u64, birth: u64) {
        // This process has one thread, so the child may do anything.
        match unsafe { sys::fork() } {
            0 => self.become_slot(index, socket, birth, taken),
            pid if pid < 0 => self.leave(),
            pid => self.processes.push(SlotProcess { index, socket, pid, birth, taken }),
        }
    }

    /// Goes on as a slot, in the child. What is the supervisor's must not live on there, or nobody would notice the end
    /// of the supervisor or of another slot: its end of the life line, the sockets of the other slots and the control
    /// socket, whose place is taken by what the programs are to read.
    fn become_slot(&mut self, index: u32, socket: OwnedFd, birth: u64, taken: *mut u64) -> ! {
        self.processes.clear();
        let (Ok(nothing), Ok(life)) = (File::open("/dev/null"), self.life.0.try_clone()) else { exit(1) };
        let Ok(bell) = self.bell.1.try_clone() else { exit(1) };
        sys::close_for_good(&self.life.1);
        [&self.children, &self.bell.0, &self.bell.1].into_iter().for_each(sys::close_for_good);
        sys::put_in_place(&nothing, CONTROL_FD);
        drop(nothing);
        self.open_files.into_iter().for_each(open_files::limit);
        let site = Site { base: std::mem::take(&mut self.base), slot: index, mounts: self.mounts, bell };
        serve::serve(socket, life, site, birth, taken, self.user.as_ref())
    }

    fn reap(&mut self) {
        let mut dead = Vec::new();
        while let Child::Ended(pid, status) = sys::reap_any() {
            dead.push((pid, status));
        }
        let mut next = 0;
        while let Some(&(pid, status)) = dead.get(next) {
            next += 1;
            if pid == self.sweeper {
                std::thread::sleep(RESPAWN_DELAY);
                self.start_sweeper();
                continue;
            }
            let Some(place) = self.processes.iter().position(|process| process.pid == pid) else { continue };
            let process = self.processes.swap_remove(place);
            // It left by itself because its socket had ended, and nothing of it remains.
            if status == 0 {
                continue;
            }
            let mut living: Vec<i32> = self.processes.iter().map(|process| process.pid).chain([self.sweeper]).collect();
            living.retain(|pid| !dead.iter().any(|(other, _)| other == pid));
            tree::kill_all(&self.children, &mut living, |pid, status| dead.push((pid, status)));
            if ended_by(status) != End::Exited(serve::ANEW) {
                std::thread::sleep(RESPAWN_DELAY);
            }
            self.open(process.index, process.socket, process.taken, process.birth + 1);
        }
    }

    /// The worker is gone: the slots end their trees, and what they could not end is ended here. At last what they wrote
    /// is deleted.
    fn leave(&mut self) -> ! {
        sys::close_for_good(&self.life.1);
        let mut slots: Vec<i32> = self.processes.drain(..).map(|process| process.pid).collect();
        self.wait_for(&mut slots, LEAVE_WITHIN);
        slots.iter().for_each(|&pid| sys::kill(pid, SIGKILL));
        tree::kill_all(&self.children, &mut vec![self.sweeper], |_, _| {});
        // Nobody is left who could ring.
        sys::close_for_good(&self.bell.1);
        self.wait_for(&mut vec![self.sweeper], SWEEP_WITHIN);
        tree::kill_all(&self.children, &mut Vec::new(), |_, _| {});
        exit(0)
    }

    /// Waits until these children have ended, but no longer than that.
    fn wait_for(&self, pids: &mut Vec<i32>, time: Duration) {
        let deadline = Instant::now() + time;
        loop {
            loop {
                match sys::reap_any() {
                    Child::Ended(pid, _) => pids.retain(|&other| other != pid),
                    Child::Busy => break,
                    Child::None => return pids.clear(),
                }
            }
            let now = Instant::now();
            if pids.is_empty() || now >= deadline {
                return;
            }
            sys::poll(&mut [PollFd::new(&self.children, POLLIN)], Some(deadline - now));
            sys::discard(&self.children);
        }
    }
}
