//! The processes below this one. As it is their subreaper, none can leave: a session of its own, a double fork or an
//! emptied environment change nothing about that. Only `/proc` tells who they are, so it must be there.

use std::{fs, os::fd::OwnedFd, time::Duration};

use crate::sys::{self, Child, POLLIN, PollFd, SIGCONT, SIGKILL, SIGSTOP};

/// So many times a tree is looked through for processes that were forked while others were being stopped.
const STOP_ROUNDS: u32 = 8;
/// The longest pause between two looks at a tree that does not go, for example because it hangs in the kernel.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Sends a signal to every process below this one, once each: to the group at one stroke, then to who left it.
/// Those that were stopped are woken, so that they can act on it. Gives who has been told.
pub fn signal(group: i32, number: i32) -> Vec<i32> {
    let mut told = descendants(&[]);
    sys::kill(-group, number);
    let outside: Vec<i32> = descendants(&[]).into_iter().filter(|&pid| sys::group_of(pid) != Some(group)).collect();
    outside.iter().for_each(|&pid| sys::kill(pid, number));
    sys::kill(-group, SIGCONT);
    outside.iter().for_each(|&pid| sys::kill(pid, SIGCONT));
    told.extend(outside);
    told
}

/// Sends a signal to the children of this process that have not been told, and adds them to those that have.
///
/// Such a child is an orphan that was forked after its parent had been told: shells and `posix_spawn` block all signals
/// while they fork, so that a signal which comes just before ends the parent only when the child is there, and the child
/// never hears of it.
pub fn signal_orphans(told: &mut Vec<i32>, number: i32) {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let orphans: Vec<i32> = Table::read().children(own).into_iter().filter(|pid| !told.contains(pid)).collect();
    for &pid in &orphans {
        sys::kill(pid, number);
        sys::kill(pid, SIGCONT);
    }
    told.extend(orphans);
}

/// Kills every process below this one but `spared` children and what is below those, and returns when they are gone.
/// Tells each child that it reaped, with its status; a spared one may be among them, and is spared no longer.
///
/// A fork storm is beaten by stopping what is found until a look finds nobody new, and only then killing: whoever
/// is stopped forks no more.
pub fn kill_all(children: &OwnedFd, spared: &mut Vec<i32>, mut reaped: impl FnMut(i32, i32)) {
    let mut pause = Duration::from_millis(1);
    loop {
        loop {
            match sys::reap_any() {
                Child::Ended(pid, status) => {
                    spared.retain(|&other| other != pid);
                    reaped(pid, status);
                }
                Child::Busy => break,
                Child::None => return,
            }
        }
        let mut found = Vec::new();
        for _ in 0..STOP_ROUNDS {
            let new: Vec<i32> = descendants(spared).into_iter().filter(|pid| !found.contains(pid)).collect();
            if new.is_empty() {
                break;
            }
            new.iter().for_each(|&pid| sys::kill(pid, SIGSTOP));
            found.extend(new);
        }
        if found.is_empty() && !spared.is_empty() {
            return;
        }
        found.iter().for_each(|&pid| sys::kill(pid, SIGKILL));
        sys::poll(&mut [PollFd::new(children, POLLIN)], Some(pause));
        sys::discard(children);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Everything below this process but `spared` children and what is below those.
fn descendants(spared: &[i32]) -> Vec<i32> {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let table = Table::read();
    let mut found: Vec<i32> = table.children(own).into_iter().filter(|pid| !spared.contains(pid)).collect();
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        found.extend(table.children(pid));
        next += 1;
    }
    found
}

/// How the children of a process are found.
enum Table {
    /// From its own file, where the kernel was built to offer that.
    PerProcess,
    /// From a list of every process and its parent, made at once.
    All(Vec<(i32, i32)>),
}

impl Table {
    fn read() -> Self {
        if fs::exists("/proc/thread-self/children").unwrap_or(false) {
            return Self::PerProcess;
        }
        Self::all()
    }

    fn all() -> Self {
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        Self::All(numbers.filter_map(|pid| Some((pid, parent(pid)?))).collect())
    }

    fn children(&self, of: i32) -> Vec<i32> {
        match self {
            Self::PerProcess => {
                let threads = fs::read_dir(format!("/proc/{of}/task")).into_iter().flatten().flatten();
                let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
                lists.flat_map(|list| list.split_ascii_whitespace().flat_map(str::parse).collect::<Vec<_>>()).collect()
            }
            Self::All(pairs) => pairs.iter().filter(|(_, parent)| *parent == of).map(|(pid, _)| *pid).collect(),
        }
    }
}

/// The parent of a process: the second field after its name, which stands in brackets and may hold any character.
fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let after_name = &stat[stat.iter().rposition(|&byte| byte == b')')? + 1..];
    std::str::from_utf8(after_name).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::{
        io::Read,
        process::{Command, Stdio},
    };

    use super::*;

    #[test]
    fn both_ways_of_looking_find_children_and_their_children() {
        let mut child = Command::new("sh")
            .args(["-c", "sleep 1000 & echo $!; wait"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("there is a shell");
        let mut line = [0; 16];
        let len = child.stdout.as_mut().expect("it is piped").read(&mut line).expect("it prints");
        let grandchild: i32 = std::str::from_utf8(&line[..len]).expect("text").trim().parse().expect("a number");
        let (own, pid) = (std::process::id() as i32, child.id() as i32);
        for table in [Table::read(), Table::all()] {
            assert!(table.children(own).contains(&pid));
            assert_eq!(table.children(pid), [grandchild]);
        }
        assert!(descendants(&[]).contains(&grandchild));
        assert!(!descendants(&[pid]).contains(&grandchild), "nobody below a spared one");
        sys::kill(grandchild, SIGKILL);
        child.wait().expect("it ends with its child");
    }
}
