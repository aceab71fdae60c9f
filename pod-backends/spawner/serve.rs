//! The process of a slot, which runs one program at a time, and is the subreaper of what that leaves behind.

use std::{fs, os::fd::OwnedFd, process::exit};

use crate::{
    as_user::become_user,
    packet::Packet,
    program::{IGNORED, Launcher},
    run::{self, Next},
    slot::{Ahead, Slot},
    sys::{self, Patience},
    user::User,
    wire::{ORDER_LIMIT, Order, Report},
    workdirs::{Site, Workdirs},
};

/// The programs are to be what the system kills first when memory ends. They inherit this from their slot, which
/// needs so little that it is never the one chosen.
const OOM_SCORE: i32 = 500;

/// A slot exits so when it cannot run what comes next, and another process in its place can.
pub const ANEW: i32 = 3;

/// Serves runs until the worker or the supervisor is gone. `birth` counts the processes that have served this slot and died;
/// `taken` is where the supervisor sees which run was taken on last.
pub fn serve(socket: OwnedFd, life: OwnedFd, site: Site, birth: u64, taken: *mut u64, user: Option<&User>) -> ! {
    sys::set_name(c"pod-slot");
    raise_oom_score();
    if become_user(user).is_err() {
        exit(1)
    }
    let (Ok(()), Ok(children)) = (sys::become_subreaper(), sys::child_signals()) else { exit(1) };
    let (ahead, packet, launcher) = (Ahead::new(), Packet::new(), Launcher::new(IGNORED));
    let mut slot = Slot { socket, life, children, ahead, packet, launcher, workdirs: Workdirs::new(site) };
    // The memory lives as long as the supervisor's mapping of it, and this process is the only one to write here.
    let last = || unsafe { taken.read_volatile() };
    let mut space = vec![0; ORDER_LIMIT];
    if birth > 0 {
        slot.packet.begin(last());
        slot.packet.add(&Report::Reborn { birth }, std::time::Duration::ZERO);
        if slot.packet.send(&slot.socket).is_err() {
            exit(0);
        }
        while Order::decode(next_order(&mut slot, &mut space)) != Some(Order::GoOn { birth }) {}
    }
    loop {
        match Order::decode(next_order(&mut slot, &mut space)) {
            // An order that this slot has taken on is not taken on again.
            // It is sent again to the process that comes.
            Some(Order::Start(start)) if start.run > last() && !slot.workdirs.suit(start.place) => exit(ANEW),
            Some(Order::Start(start)) if start.run > last() => {
                unsafe { taken.write_volatile(start.run) };
                if let Next::Leave = run::run(&mut slot, &start) {
                    exit(0);
                }
            }
            _ => {}
        }
    }
}

/// What came while the last run was going on, or what comes next. Ends the process when nothing can come any more.
fn next_order<'s>(slot: &mut Slot, space: &'s mut Vec<u8>) -> &'s [u8] {
    if let Some(len) = slot.ahead.take(space) {
        return &space[..len];
    }
    match sys::receive_packet(&slot.socket, space, Patience::Wait) {
        Err(_) => exit(1),
        Ok([]) => exit(0),
        Ok(packet) => packet,
    }
}

fn raise_oom_score() {
    const FILE: &str = "/proc/self/oom_score_adj";
    let current = fs::read_to_string(FILE).ok().and_then(|text| text.trim().parse::<i32>().ok());
    if current.is_some_and(|score| score < OOM_SCORE) {
        let _ = fs::write(FILE, OOM_SCORE.to_string());
    }
}
