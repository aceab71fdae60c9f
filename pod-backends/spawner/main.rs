//! The spawner: what starts the programs of a worker, watches over everything that they start, and ends it.
//!
//! A worker runs this program once, as its *supervisor*, which forks one *slot* process for each execution that may run
//! at a time. They talk with the worker over sockets, in the format of [`wire`]. The end of a socket is the end of its
//! slot and of all that runs below it, so that nothing outlives its worker.
//!
//! In a container this program is also the first process, its *init*, whose child the worker is. In the task of a swarm
//! it unpacks before what the worker consists of.
//!
//! It depends on nothing but the system's C library, is linked statically where that can be, and embedded into
//! `pod-backends`, so that it is at hand wherever the library is: beside any application and inside any container.
//! It must not know anything about the machine that it runs on but `/proc` and `/dev/null`, and where it is told to make
//! working directories.
#![cfg_attr(
    target_os = "linux",
    allow(unsafe_code, unreachable_pub, reason = "it is made of calls of the C library, and is a whole program")
)]

#[cfg(target_os = "linux")]
mod as_user;
#[cfg(target_os = "linux")]
mod copy;
#[cfg(target_os = "linux")]
mod fence;
#[cfg(target_os = "linux")]
mod file_calls;
#[cfg(target_os = "linux")]
mod init;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(target_os = "linux")]
mod namespace;
#[cfg(target_os = "linux")]
mod open_files;
#[cfg(target_os = "linux")]
mod packet;
#[cfg(target_os = "linux")]
mod posix_spawn;
#[cfg(target_os = "linux")]
mod prepared;
#[cfg(target_os = "linux")]
mod program;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
mod serve;
#[cfg(target_os = "linux")]
mod sink;
#[cfg(target_os = "linux")]
mod slot;
#[cfg(target_os = "linux")]
mod supervisor;
#[cfg(target_os = "linux")]
mod sweeper;
#[cfg(target_os = "linux")]
mod sys;
#[cfg(target_os = "linux")]
mod trash;
#[cfg(target_os = "linux")]
mod tree;
#[cfg(target_os = "linux")]
mod unpack;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "the executor writes it")]
mod user;
#[cfg(target_os = "linux")]
mod user_of;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "the other half of each pair is used by the executor")]
mod wire;
#[cfg(target_os = "linux")]
mod witness;
mod workdirs;

/// How many files a program may have open, where that is not what this process may.
#[cfg(target_os = "linux")]
fn open_files(argument: Option<std::ffi::OsString>) -> Option<u64> {
    argument?.to_str()?.parse().ok()
}

fn main() {
    #[cfg(target_os = "linux")]
    {
        let mut arguments = std::env::args_os().skip(1);
        match arguments.next().as_deref().and_then(std::ffi::OsStr::to_str) {
            Some("nursery") => {
                let base = arguments.next().unwrap_or_default();
                let open_files = open_files(arguments.next());
                // One that cannot be read must not be passed over.
                match arguments.next().map(|user| user.to_str().unwrap_or_default().parse()) {
                    None => supervisor::serve(base.into(), open_files, None),
                    Some(Ok(user)) => supervisor::serve(base.into(), open_files, Some(user)),
                    Some(Err(())) => {}
                }
            }
            Some("sweep") => {
                let base = arguments.next().unwrap_or_default();
                match arguments.next().map(|user| user.to_str().unwrap_or_default().parse()) {
                    None => return sweeper::clear(base.as_ref(), None),
                    Some(Ok(user)) => return sweeper::clear(base.as_ref(), Some(&user)),
                    Some(Err(())) => {}
                }
            }
            Some("init") => init::serve(arguments, &init::Purpose::Worker),
            Some("unpack") => {
                let dir = arguments.next().unwrap_or_default();
                if let Err(error) = unpack::unpack(std::io::stdin().lock(), dir.as_ref()) {
                    eprintln!("POD's program cannot be unpacked into {}: {error}", dir.display());
                    std::process::exit(1);
                }
                return;
            }
            Some("init-program") => {
                let token = arguments.next().unwrap_or_default();
                init::serve(arguments, &init::Purpose::Program(token))
            }
            _ => {}
        }
    }
    eprintln!("this program is a part of POD, which starts it by itself");
    std::process::exit(2);
}
