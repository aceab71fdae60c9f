//! The few calls of the system that the standard library does not offer, declared by hand and wrapped where they are
//! used more than once. Layouts and numbers are those that Linux has on x86-64 and on arm64, under glibc and musl.

use std::{
    ffi::{c_int, c_long, c_ulong, c_void},
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    time::Duration,
};

pub const EINTR: i32 = 4;
pub const EAGAIN: i32 = 11;
pub const ETXTBSY: i32 = 26;

pub const SIGHUP: c_int = 1;
pub const SIGINT: c_int = 2;
pub const SIGQUIT: c_int = 3;
pub const SIGKILL: c_int = 9;
pub const SIGUSR1: c_int = 10;
pub const SIGUSR2: c_int = 12;
pub const SIGPIPE: c_int = 13;
pub const SIGTERM: c_int = 15;
pub const SIGCHLD: c_int = 17;
pub const SIGCONT: c_int = 18;
pub const SIGSTOP: c_int = 19;

pub const POLLIN: i16 = 1;
pub const POLLOUT: i16 = 4;

const SIG_DFL: usize = 0;
const SIG_IGN: usize = 1;
const SIG_BLOCK: c_int = 0;
const SIG_SETMASK: c_int = 2;
const CLOEXEC: c_int = 0o2_000_000;
const NONBLOCK: c_int = 0o4_000;
const WNOHANG: c_int = 1;
const WEXITED: c_int = 4;
const WNOWAIT: c_int = 0x0100_0000;
const P_ALL: c_int = 0;
const PR_SET_DUMPABLE: c_int = 4;
const PR_SET_NAME: c_int = 15;
const PR_SET_CHILD_SUBREAPER: c_int = 36;
const PR_SET_NO_NEW_PRIVS: c_int = 38;
const PR_CAP_AMBIENT: c_int = 47;
const PR_CAP_AMBIENT_CLEAR_ALL: c_ulong = 4;
const SYS_CLOSE_RANGE: c_long = 436;
const SYS_RT_SIGACTION: c_long = if cfg!(target_arch = "x86_64") { 13 } else { 134 };
/// How many bytes a set of signals has to the kernel.
const KERNEL_SET: usize = 8;
const MSG_DONTWAIT: c_int = 0x40;
const MSG_NOSIGNAL: c_int = 0x4000;
const MSG_CMSG_CLOEXEC: c_int = 0x4000_0000;
const SOL_SOCKET: c_int = 1;
const SCM_RIGHTS: c_int = 1;
const FIONREAD: c_ulong = 0x541b;
const F_SETFL: c_int = 4;
const F_SETPIPE_SZ: c_int = 1031;
const PROT_READ_WRITE: c_int = 3;
const MAP_SHARED_ANONYMOUS: c_int = 0x21;

/// A set of signals; 128 bytes, as in glibc and musl.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SignalSet([u64; 16]);

#[repr(C)]
#[derive(Clone, Copy)]
pub struct PollFd {
    pub fd: c_int,
    pub events: i16,
    pub revents: i16,
}

impl PollFd {
    pub fn new(fd: &impl AsRawFd, events: i16) -> Self {
        Self { fd: fd.as_raw_fd(), events, revents: 0 }
    }

    /// A place that `poll` skips.
    pub const NONE: Self = Self { fd: -1, events: 0, revents: 0 };

    pub fn happened(&self) -> bool {
        self.revents != 0
    }
}

#[repr(C)]
struct TimeSpec {
    seconds: c_long,
    nanos: c_long,
}

#[repr(C)]
struct IoVec {
    base: *mut c_void,
    len: usize,
}

#[repr(C)]
struct MessageHeader {
    name: *mut c_void,
    name_len: u32,
    iov: *mut IoVec,
    iov_len: usize,
    control: *mut c_void,
    control_len: usize,
    flags: c_int,
}

/// A control message with one descriptor: header (length, level, kind) and the descriptor, padded.
#[repr(C)]
struct OneDescriptor {
    len: usize,
    level: c_int,
    kind: c_int,
    fd: c_int,
    padding: c_int,
}

unsafe extern "C" {
    pub fn fork() -> c_int;
    fn dup2(from: c_int, to: c_int) -> c_int;
    fn close(fd: c_int) -> c_int;
    fn getpgid(pid: c_int) -> c_int;
    fn setsid() -> c_int;
    #[link_name = "kill"]
    fn sys_kill(pid: c_int, signal: c_int) -> c_int;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn waitid(kind: c_int, id: u32, info: *mut SignalInfo, options: c_int) -> c_int;
    #[link_name = "pipe2"]
    fn sys_pipe2(fds: *mut c_int, flags: c_int) -> c_int;
    #[link_name = "ppoll"]
    fn sys_ppoll(fds: *mut PollFd, count: c_ulong, timeout: *const TimeSpec, mask: *const SignalSet) -> c_int;
    #[link_name = "read"]
    fn sys_read(fd: c_int, buffer: *mut c_void, len: usize) -> isize;
    #[link_name = "write"]
    fn sys_write(fd: c_int, buffer: *const c_void, len: usize) -> isize;
    fn fcntl(fd: c_int, command: c_int, ...) -> c_int;
    fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
    fn send(fd: c_int, buffer: *const c_void, len: usize, flags: c_int) -> isize;
    fn recv(fd: c_int, buffer: *mut c_void, len: usize, flags: c_int) -> isize;
    fn recvmsg(fd: c_int, message: *mut MessageHeader, flags: c_int) -> isize;
    fn prctl(option: c_int, ...) -> c_int;
    fn syscall(number: c_long, ...) -> c_long;
    fn setgroups(count: usize, groups: *const u32) -> c_int;
    fn setresgid(real: u32, effective: u32, saved: u32) -> c_int;
    fn setresuid(real: u32, effective: u32, saved: u32) -> c_int;
    fn signal(number: c_int, action: usize) -> usize;
    fn sync_file_range(fd: c_int, offset: i64, len: i64, flags: u32) -> c_int;
    fn signalfd(fd: c_int, mask: *const SignalSet, flags: c_int) -> c_int;
    fn sigprocmask(how: c_int, set: *const SignalSet, old: *mut SignalSet) -> c_int;
    fn mmap(at: *mut c_void, len: usize, protection: c_int, flags: c_int, fd: c_int, offset: i64) -> *mut c_void;
}

/// The beginning of `siginfo_t` as `waitid` fills it in; 128 bytes in all.
#[repr(C)]
struct SignalInfo {
    signal: c_int,
    errno: c_int,
    code: c_int,
    padding: c_int,
    pid: c_int,
    rest: [c_int; 27],
}

impl SignalSet {
    pub const EMPTY: Self = Self([0; 16]);

    pub fn of(signals: &[c_int]) -> Self {
        let mut set = Self::EMPTY;
        for &number in signals {
            // Not by the C library, which leaves out those that it keeps for itself.
            if let Some(bit) = usize::try_from(number - 1).ok().filter(|bit| *bit < 64) {
                set.0[0] |= 1 << bit;
            }
        }
        set
    }
}

/// The error number of the last failed call.
pub fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// Sends a signal to a process, or with a negative number to a group. That nobody is there is fine.
pub fn kill(pid: i32, number: c_int) {
    unsafe { sys_kill(pid, number) };
}

/// The process group of a process.
pub fn group_of(pid: i32) -> Option<i32> {
    let group = unsafe { getpgid(pid) };
    (group >= 0).then_some(group)
}

/// A session of one's own: what the terminal sends to its foreground does not reach it.
pub fn new_session() {
    unsafe { setsid() };
}

/// Orphans below this process come to it instead of to the machine's first process.
pub fn become_subreaper() -> io::Result<()> {
    check(unsafe { prctl(PR_SET_CHILD_SUBREAPER, 1 as c_ulong, 0 as c_ulong, 0 as c_ulong, 0 as c_ulong) }).map(drop)
}

/// What is started from here on has no capabilities beside those of its user.
pub fn clear_ambient_capabilities() {
    unsafe { prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0 as c_ulong, 0 as c_ulong, 0 as c_ulong) };
}

/// Makes this process, and all that it starts, another user for good: nothing that it runs can become more than that.
pub fn become_user(uid: u32, gid: u32, groups: &[u32]) -> io::Result<()> {
    check(unsafe { prctl(PR_SET_NO_NEW_PRIVS, 1 as c_ulong, 0 as c_ulong, 0 as c_ulong, 0 as c_ulong) })?;
    check(unsafe { setgroups(groups.len(), groups.as_ptr()) })?;
    check(unsafe { setresgid(gid, gid, gid) })?;
    check(unsafe { setresuid(uid, uid, uid) })?;
    // What is of it in /proc becomes that user's as well: a user namespace is set up there.
    check(unsafe { prctl(PR_SET_DUMPABLE, 1 as c_ulong, 0 as c_ulong, 0 as c_ulong, 0 as c_ulong) }).map(drop)
}

/// Closes every descriptor from that number on.
pub fn close_from(first: c_int) {
    if unsafe { syscall(SYS_CLOSE_RANGE, first as c_ulong, c_ulong::from(u32::MAX), 0 as c_ulong) } == 0 {
        return;
    }
    // Before Linux 5.9.
    let open = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let numbers: Vec<c_int> = open.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for number in numbers.into_iter().filter(|&number| number >= first) {
        unsafe { close(number) };
    }
}

/// The name that `ps` and `top` show.
pub fn set_name(name: &std::ffi::CStr) {
    unsafe { prctl(PR_SET_NAME, name.as_ptr() as c_ulong, 0 as c_ulong, 0 as c_ulong, 0 as c_ulong) };
}

/// Gives every signal its default action, whatever was inherited.
pub fn reset_signals() {
    // The kernel's own structure, of no more words on any machine: what is all zero asks for the default.
    let action = [SIG_DFL; 8];
    for number in 1..=64 as c_int {
        // Past the C library, which keeps some for itself and does not let them be touched.
        unsafe { syscall(SYS_RT_SIGACTION, number, action.as_ptr(), std::ptr::null::<c_void>(), KERNEL_SET) };
    }
}

/// Ignores a signal.
pub fn ignore(number: c_int) {
    unsafe { signal(number, SIG_IGN) };
}

/// A descriptor that becomes readable when a child ended. The signal is blocked from then on.
pub fn child_signals() -> io::Result<OwnedFd> {
    signals(&[])
}

/// As [`child_signals`], for these signals too.
pub fn signals(numbers: &[c_int]) -> io::Result<OwnedFd> {
    let set = SignalSet::of(&[numbers, &[SIGCHLD]].concat());
    check(unsafe { sigprocmask(SIG_BLOCK, &set, std::ptr::null_mut()) })?;
    let fd = check(unsafe { signalfd(-1, &set, CLOEXEC | NONBLOCK) })?;
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Blocks no signal any more.
pub fn unblock_signals() -> io::Result<()> {
    check(unsafe { sigprocmask(SIG_SETMASK, &SignalSet::EMPTY, std::ptr::null_mut()) }).map(drop)
}

/// What waiting for children found.
pub enum Child {
    /// This one ended, with this status.
    Ended(i32, c_int),
    /// There are some, and none has ended.
    Busy,
    /// There is none.
    None,
}

/// Reaps a child that has ended, without waiting for one.
pub fn reap_any() -> Child {
    reap(-1)
}

/// Reaps that child if it has ended.
pub fn reap(pid: i32) -> Child {
    wait(pid, WNOHANG)
}

/// Waits until that child has ended.
pub fn wait_for(pid: i32) -> Child {
    wait(pid, 0)
}

fn wait(pid: i32, options: c_int) -> Child {
    let mut status = 0;
    loop {
        match unsafe { waitpid(pid, &mut status, options) } {
            0 => return Child::Busy,
            pid if pid > 0 => return Child::Ended(pid, status),
            _ if errno() == EINTR => {}
            _ => return Child::None,
        }
    }
}

/// A child that has ended, left as it is: its number stays taken until it is reaped. The status is not told.
pub fn peek_ended() -> Child {
    let mut info = SignalInfo { signal: 0, errno: 0, code: 0, padding: 0, pid: 0, rest: [0; 27] };
    if unsafe { waitid(P_ALL, 0, &mut info, WEXITED | WNOHANG | WNOWAIT) } < 0 {
        return Child::None;
    }
    if info.pid == 0 { Child::Busy } else { Child::Ended(info.pid, 0) }
}

/// Writes a byte to a pipe that does not block; that it is full is fine.
pub fn ring(pipe: &OwnedFd) {
    unsafe { sys_write(pipe.as_raw_fd(), [1_u8].as_ptr().cast(), 1) };
}

/// Lets no call that uses this descriptor wait.
pub fn never_block(fd: &OwnedFd) {
    unsafe { fcntl(fd.as_raw_fd(), F_SETFL, NONBLOCK) };
}

/// A pipe: the end to read and the end to write, neither of which a program inherits.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [0; 2];
    check(unsafe { sys_pipe2(fds.as_mut_ptr(), CLOEXEC) })?;
    Ok(unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) })
}

/// Waits until something happens at one of `fds`, or for so long.
pub fn poll(fds: &mut [PollFd], timeout: Option<Duration>) {
    let timeout = timeout.map(|time| TimeSpec {
        seconds: c_long::try_from(time.as_secs()).unwrap_or(c_long::MAX),
        nanos: c_long::from(time.subsec_nanos() as i32),
    });
    let limit = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    if unsafe { sys_ppoll(fds.as_mut_ptr(), fds.len() as c_ulong, limit, std::ptr::null()) } < 0 {
        fds.iter_mut().for_each(|fd| fd.revents = 0);
    }
}

/// Reads into `space` without making it defined first; how much was read, zero at the end.
pub fn read(fd: &OwnedFd, space: &mut [std::mem::MaybeUninit<u8>]) -> io::Result<usize> {
    loop {
        let len = unsafe { sys_read(fd.as_raw_fd(), space.as_mut_ptr().cast(), space.len()) };
        match usize::try_from(len) {
            Ok(len) => return Ok(len),
            Err(_) if errno() == EINTR => {}
            Err(_) => return Err(io::Error::last_os_error()),
        }
    }
}

/// Takes what is waiting at a descriptor that does not block, and forgets it.
pub fn discard(fd: &OwnedFd) {
    let mut space = [std::mem::MaybeUninit::uninit(); 512];
    let _ = read(fd, &mut space);
}

/// Takes what is waiting at a pipe that does not block. Whether nobody is left who could write to it.
pub fn has_ended(pipe: &OwnedFd) -> bool {
    let mut space = [std::mem::MaybeUninit::uninit(); 512];
    loop {
        match read(pipe, &mut space) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}

/// The next signal that waits at a descriptor of [`signals`].
pub fn next_signal(fd: &OwnedFd) -> Option<c_int> {
    // What the system writes for each begins with its number.
    let mut info = [std::mem::MaybeUninit::new(0_u8); 128];
    if read(fd, &mut info).ok()? != info.len() {
        return None;
    }
    let number = [0, 1, 2, 3].map(|at| unsafe { info[at].assume_init() });
    Some(c_int::from_ne_bytes(number))
}

/// How many bytes are waiting in a pipe.
pub fn waiting_in(pipe: &OwnedFd) -> usize {
    let mut count: c_int = 0;
    unsafe { ioctl(pipe.as_raw_fd(), FIONREAD, &mut count) };
    usize::try_from(count).unwrap_or(0)
}

/// Gives a pipe so much room, if the system allows it.
pub fn enlarge(pipe: &OwnedFd, size: c_int) {
    unsafe { fcntl(pipe.as_raw_fd(), F_SETPIPE_SZ, size) };
}

/// Has a range of a file written to the disk, and waits for that if asked to. Its length is not made durable.
pub fn write_out(file: &impl AsRawFd, range: std::ops::Range<u64>, patience: Patience) {
    // To write; and to wait before and after that.
    let flags = if patience == Patience::Wait { 7 } else { 2 };
    let (start, len) = (range.start.cast_signed(), (range.end - range.start).cast_signed());
    unsafe { sync_file_range(file.as_raw_fd(), start, len, flags) };
}

/// Whether a call waits until it can be done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    Wait,
    DontWait,
}

impl Patience {
    fn flag(self) -> c_int {
        match self {
            Self::Wait => 0,
            Self::DontWait => MSG_DONTWAIT,
        }
    }
}

/// Sends one packet.
pub fn send_packet(socket: &OwnedFd, packet: &[u8], patience: Patience) -> io::Result<()> {
    let flags = MSG_NOSIGNAL | patience.flag();
    loop {
        if unsafe { send(socket.as_raw_fd(), packet.as_ptr().cast(), packet.len(), flags) } >= 0 {
            return Ok(());
        }
        if errno() != EINTR {
            return Err(io::Error::last_os_error());
        }
    }
}

/// Receives one packet; of no length when the other side is gone.
pub fn receive_packet<'a>(socket: &OwnedFd, space: &'a mut [u8], patience: Patience) -> io::Result<&'a [u8]> {
    loop {
        let len = unsafe { recv(socket.as_raw_fd(), space.as_mut_ptr().cast(), space.len(), patience.flag()) };
        match usize::try_from(len) {
            Ok(len) => return Ok(&space[..len]),
            Err(_) if errno() == EINTR => {}
            Err(_) => return Err(io::Error::last_os_error()),
        }
    }
}

/// Receives a short packet and the descriptor that may come with it.
pub fn receive_descriptor(socket: BorrowedFd<'_>, space: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut iov = IoVec { base: space.as_mut_ptr().cast(), len: space.len() };
    let mut control = OneDescriptor { len: 0, level: 0, kind: 0, fd: -1, padding: 0 };
    let mut message = MessageHeader {
        name: std::ptr::null_mut(),
        name_len: 0,
        iov: &mut iov,
        iov_len: 1,
        control: (&raw mut control).cast(),
        control_len: size_of::<OneDescriptor>(),
        flags: 0,
    };
    let len = loop {
        let len = unsafe { recvmsg(socket.as_raw_fd(), &mut message, MSG_CMSG_CLOEXEC) };
        match usize::try_from(len) {
            Ok(len) => break len,
            Err(_) if errno() == EINTR => {}
            Err(_) => return Err(io::Error::last_os_error()),
        }
    };
    let attached = message.control_len >= 20 && control.level == SOL_SOCKET && control.kind == SCM_RIGHTS;
    let fd = (attached && control.fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(control.fd) });
    Ok((len, fd))
}

/// Closes a descriptor in a process that will not return to its owner.
pub fn close_for_good(fd: &OwnedFd) {
    unsafe { close(fd.as_raw_fd()) };
}

/// Makes `number` another name of `fd`, which programs inherit; what had that number is closed.
pub fn put_in_place(fd: &impl AsRawFd, number: c_int) {
    unsafe { dup2(fd.as_raw_fd(), number) };
}

/// Memory of so many bytes, all zero, that this process shares with those it forks.
pub fn shared_memory(len: usize) -> io::Result<*mut u64> {
    let memory = unsafe { mmap(std::ptr::null_mut(), len, PROT_READ_WRITE, MAP_SHARED_ANONYMOUS, -1, 0) };
    if memory as isize == -1 { Err(io::Error::last_os_error()) } else { Ok(memory.cast()) }
}

/// The Unix time in milliseconds.
pub fn unix_millis() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn check(outcome: c_int) -> io::Result<c_int> {
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(outcome) }
}
