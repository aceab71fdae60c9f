//! The first process of a container: starts the worker there, hands signals on to it, reaps what nobody waits for, and
//! ends with the worker's exit code. When it ends, the system ends the rest of the container.
//!
//! Where an execution has the container for itself, this process also says two things on its standard output which the
//! container itself does not: first that signals are heard now, as the system keeps them from a first process that does
//! not listen, and they are lost; and last how the program ended. It starts the program when it is told to on its standard
//! input: an engine that is killed while it starts a container may know nothing of it afterwards, and the container that
//! takes its place must not run a second time what runs in that one. Before that it puts up the fence, becomes the user
//! that the program is to have, and sees to the working directory.

use std::{
    ffi::{OsStr, OsString},
    fs,
    io::{self, ErrorKind, Read, Write},
    os::{fd::OwnedFd, unix::ffi::OsStrExt, unix::process::CommandExt},
    path::PathBuf,
    process::{Command, Stdio, exit},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::{
    fence::{self, Unfenced},
    memory::MemoryWatch,
    prepared::Prepared,
    run::ended_by,
    sys::{self, Child, POLLIN, PollFd, SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2},
    trash::Trash,
    wire::{BEGIN, End, HEARS, LINGER, Place, last_words},
};

/// What the worker gets to hear.
const HANDED_ON: [i32; 6] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2];
/// As shells do where a program cannot be started.
const NOT_STARTED: i32 = 127;

/// What the container is for.
#[derive(Clone, PartialEq, Eq)]
pub enum Purpose {
    /// A worker, which gets the signals.
    Worker,
    /// One execution or installation, all of whose processes get them. It ends with the program, and tells how in
    /// [`last_words`] with this token.
    Program(OsString),
}

/// Where a program runs that has a container for itself: the words of the executor for it.
mod ground {
    /// In the directory that the container begins in.
    pub const HERE: &str = "here";
    /// There, with the directories for what is temporary and for results.
    pub const OWN: &str = "own";
    /// In a directory that is made of that, as nothing can be written there.
    pub const LINKS: &str = "links";
    pub const COPY: &str = "copy";
}

/// Where that is made.
const OUTER: &str = "/tmp/pod";

/// Makes it, and goes there.
fn take_ground(word: &str) -> io::Result<()> {
    let here = std::env::current_dir()?;
    let place = match word {
        ground::HERE => return Ok(()),
        ground::OWN => {
            ["tmp", "results"].into_iter().try_for_each(|name| fs::create_dir_all(here.join(".pod").join(name)))?;
            return Ok(());
        }
        ground::COPY => Place::Copy,
        ground::LINKS => Place::Private,
        _ => return Err(io::ErrorKind::InvalidInput.into()),
    };
    let made = Prepared::make(OUTER.into(), place, &here, &mut Trash::new(OUTER.as_ref(), None))?;
    std::env::set_current_dir(OsStr::from_bytes(made.dir.to_bytes()))
}

/// Everybody whom this process may signal, but itself.
const EVERYBODY: i32 = -1;
/// Whoever was born while everybody was killed is killed after so long.
const KILL_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// Between two looks at who has the output.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);
/// So long an engine may take to say that it has started the container. Where it was killed meanwhile, nobody closes the
/// standard input, and nothing comes.
const BEGINS_WITHIN: Duration = Duration::from_secs(180);

/// Whether there is a fence: the words of the executor for it.
mod fencing {
    /// There is none, and the engine has made this process the right user.
    pub const OPEN: &str = "open";
    /// There is one. The capabilities that are to be given up follow, as numbers.
    pub const FENCED: &str = "fenced:";
}

/// Where the executor says whom the program is to be run as, if there is a fence.
const USER_FILE: &str = "user";

/// Puts up the fence that this word means.
fn take_fence(word: &str) -> Result<(), Unfenced> {
    let Some(capabilities) = word.strip_prefix(fencing::FENCED) else {
        let known = word == fencing::OPEN;
        return if known { Ok(()) } else { Err(io::Error::from(ErrorKind::InvalidInput).into()) };
    };
    let beside = std::env::current_exe()?.with_file_name(USER_FILE);
    fence::put_up(&fs::read_to_string(beside)?, capabilities)
}

/// Runs a program with its arguments until it ends; where it has a container for itself, words come first of its fence, and
/// of where it runs.
pub fn serve(mut command: impl Iterator<Item = OsString>, purpose: &Purpose) -> ! {
    sys::set_name(c"pod-init");
    let words = if *purpose == Purpose::Worker { None } else { command.next().zip(command.next()) };
    let (Some(program), Ok(signals)) = (command.next(), sys::signals(&HANDED_ON)) else { exit(NOT_STARTED) };
    let mut worker = Command::new(&program);
    // A session of its own, so that nothing at a terminal of the container reaches it by another way.
    worker.args(command).process_group(0);
    // What is blocked here would be blocked there. Between fork and exec it does no more than one call of the system.
    unsafe { worker.pre_exec(sys::unblock_signals) };
    // Elsewhere than in a container of its own, everybody would be everybody on the machine.
    let everybody = *purpose != Purpose::Worker && std::process::id() == 1;
    // An engine tells this of a container, too, but not when it was, and with control groups of version 2 maybe too late.
    let memory = MemoryWatch::of_this_process();
    let kills_before = memory.kills();
    if *purpose != Purpose::Worker {
        say(&[HEARS]);
        if !is_told_to_begin() {
            exit(NOT_STARTED);
        }
        worker.stdin(Stdio::null());
    }
    if let (Purpose::Program(token), Some((fence, ground))) = (purpose, words) {
        let prepared = take_fence(fence.to_str().unwrap_or_default())
            .map_err(|unfenced| match unfenced {
                Unfenced::NoUser => End::NoUser,
                Unfenced::Errno(errno) => End::NoFence(errno),
            })
            .and_then(|()| {
                take_ground(ground.to_str().unwrap_or_default())
                    .map_err(|error| End::NoPlace(error.raw_os_error().unwrap_or_default()))
            });
        if let Err(end) = prepared {
            tell(token, end);
            exit(NOT_STARTED);
        }
    }
    let worker = match worker.spawn() {
        Ok(worker) => i32::try_from(worker.id()).unwrap_or(0),
        Err(error) => {
            match purpose {
                Purpose::Worker => {
                    eprintln!("the worker {} cannot be started in this container: {error}", program.display());
                }
                Purpose::Program(token) => tell(token, End::NotStarted(error.raw_os_error().unwrap_or_default())),
            }
            exit(NOT_STARTED)
        }
    };
    loop {
        sys::poll(&mut [PollFd::new(&signals, POLLIN)], None);
        while let Some(number) = sys::next_signal(&signals) {
            if HANDED_ON.contains(&number) {
                sys::kill(if everybody { EVERYBODY } else { worker }, number);
            }
        }
        while let Child::Ended(pid, status) = sys::reap_any() {
            if pid != worker {
                continue;
            }
            if everybody {
                let_them_print(&signals);
                end_everybody(&signals);
            }
            let end = ended_by(status);
            let lacked_memory = memory.kills() > kills_before;
            match purpose {
                Purpose::Worker if lacked_memory && end == End::Signalled(SIGKILL) => {
                    eprintln!("its memory was used up, and the worker was killed");
                }
                Purpose::Worker => {}
                Purpose::Program(token) if lacked_memory && end != End::Exited(0) => tell(token, End::OutOfMemory),
                Purpose::Program(token) => tell(token, end),
            }
            exit(exit_code(status));
        }
    }
}

/// Waits until it may begin; false where nobody wants it any more.
fn is_told_to_begin() -> bool {
    let mut stdin = std::io::stdin();
    let deadline = Instant::now() + BEGINS_WITHIN;
    loop {
        let mut told = [PollFd::new(&stdin, POLLIN)];
        let left = deadline.saturating_duration_since(Instant::now());
        sys::poll(&mut told, Some(left));
        if told[0].happened() {
            let mut word = [0];
            return matches!(stdin.read(&mut word), Ok(1)) && word == [BEGIN];
        }
        if left.is_zero() {
            return false;
        }
    }
}

/// Gives those that have the program's output the time to print the rest.
fn let_them_print(signals: &OwnedFd) {
    let deadline = Instant::now() + LINGER;
    let output: Vec<PathBuf> = [1, 2].into_iter().filter_map(|number| output_of("self", number)).collect();
    loop {
        loop {
            match sys::reap_any() {
                Child::Ended(..) => {}
                Child::Busy => break,
                Child::None => return,
            }
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || !is_heard(&output) {
            return;
        }
        sys::poll(&mut [PollFd::new(signals, POLLIN)], Some(left.min(LOOK_AGAIN_AFTER)));
        while let Some(number) = sys::next_signal(signals) {
            if HANDED_ON.contains(&number) {
                return;
            }
        }
    }
}

fn output_of(process: &str, number: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{process}/fd/{number}")).ok()
}

/// Whether another process has this output; one that lets nobody look may have it.
fn is_heard(output: &[PathBuf]) -> bool {
    let own = std::process::id();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let others =
        processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).filter(|&pid| pid != own);
    others.into_iter().any(|pid| match fs::read_dir(format!("/proc/{pid}/fd")) {
        Ok(mut open) => {
            open.any(|file| file.and_then(|file| fs::read_link(file.path())).is_ok_and(|file| output.contains(&file)))
        }
        Err(error) => error.kind() == ErrorKind::PermissionDenied,
    })
}

/// Ends whatever else there is; nothing is printed after that.
fn end_everybody(signals: &OwnedFd) {
    loop {
        sys::kill(EVERYBODY, SIGKILL);
        loop {
            match sys::reap_any() {
                Child::Ended(..) => {}
                Child::Busy => break,
                Child::None => return,
            }
        }
        sys::poll(&mut [PollFd::new(signals, POLLIN)], Some(KILL_AGAIN_AFTER));
        while sys::next_signal(signals).is_some() {}
    }
}

fn tell(token: &OsString, end: End) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    say(&last_words(token.as_bytes(), i64::try_from(now.as_millis()).unwrap_or(i64::MAX), end));
}

fn say(bytes: &[u8]) {
    let mut stdout = std::io::stdout();
    // Whoever started this has gone where it fails, and has it ended.
    let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
}

/// The exit code that stands for a status, as shells count: 128 and the signal, where one ended it.
fn exit_code(status: i32) -> i32 {
    match ended_by(status) {
        End::Signalled(signal) => 128 + signal,
        End::Exited(code) => code,
        _ => NOT_STARTED,
    }
}
