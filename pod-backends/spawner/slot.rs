//! A slot: one process that runs one program at a time, and is the subreaper of what that leaves behind.

use std::{fs, os::fd::OwnedFd, process::exit};

use crate::{
    packet::Packet,
    program::{IGNORED, Launcher},
    run::{self, Next},
    sys::{self, Patience},
    wire::{ORDER_LIMIT, Order, Report},
};

/// The programs are to be what the system kills first when memory ends. They inherit this from their slot, which
/// needs so little that it is never the one chosen.
const OOM_SCORE: i32 = 500;

/// Whether the slot is a new one, or takes the place of one that died.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Birth {
    First,
    Again,
}

/// What a slot works with.
pub struct Slot {
    /// The worker's end is at the other side.
    pub socket: OwnedFd,
    /// Ends with the nursery.
    pub life: OwnedFd,
    /// Becomes readable when a child ended.
    pub children: OwnedFd,
    pub packet: Packet,
    pub launcher: Launcher,
}

/// Serves runs until the worker or the nursery is gone. `taken` is where the nursery sees which run was taken on last.
pub fn serve(socket: OwnedFd, life: OwnedFd, birth: Birth, taken: *mut u64) -> ! {
    sys::set_name(c"pod-slot");
    raise_oom_score();
    let (Ok(()), Ok(children)) = (sys::become_subreaper(), sys::child_signals()) else { exit(1) };
    let mut slot = Slot { socket, life, children, packet: Packet::new(), launcher: Launcher::new(IGNORED) };
    // The memory lives as long as the nursery's mapping of it, and this process is the only one to write here.
    let last = || unsafe { taken.read_volatile() };
    if birth == Birth::Again {
        slot.packet.begin(last());
        slot.packet.add(&Report::Reborn, std::time::Duration::ZERO);
        if slot.packet.send(&slot.socket).is_err() {
            exit(0);
        }
    }
    let mut space = vec![0; ORDER_LIMIT];
    loop {
        match sys::receive_packet(&slot.socket, &mut space, Patience::Wait) {
            Err(_) => exit(1),
            Ok([]) => exit(0),
            Ok(packet) => match Order::decode(packet) {
                // An order that the last process of this slot had taken on is not taken on again.
                Some(Order::Start(start)) if start.run > last() => {
                    unsafe { taken.write_volatile(start.run) };
                    if let Next::Leave = run::run(&mut slot, &start) {
                        exit(0);
                    }
                }
                _ => {}
            },
        }
    }
}

fn raise_oom_score() {
    const FILE: &str = "/proc/self/oom_score_adj";
    let current = fs::read_to_string(FILE).ok().and_then(|text| text.trim().parse::<i32>().ok());
    if current.is_some_and(|score| score < OOM_SCORE) {
        let _ = fs::write(FILE, OOM_SCORE.to_string());
    }
}
