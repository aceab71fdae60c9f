//! What an executor and its slot processes say to each other: the one description of it, compiled into both sides.
//!
//! They talk over `SOCK_SEQPACKET` sockets, so a packet is a message and none is ever seen in part.
//! Numbers are little endian. A text is its length (`u32`), its bytes and a NUL, so that the slot hands it to the
//! system where it lies.
//!
//! | packet | content |
//! |---|---|
//! | executor → slot, [`Order::Start`] | `1`, run `u64`, time limit `u64` ms (`u64::MAX`: none), grace `u64` ms, [`Place`], `1` with the path and the five numbers of a [`Witness`] or `0`, program, directory, arguments (`u32` and texts), environment (`u32` and texts) |
//! | executor → slot, [`Order::Stop`] | `2`, run `u64`, mode `u8` (1 terminate, 2 kill) |
//! | executor → slot, [`Order::GoOn`] | `3`, birth `u64` |
//! | executor → slot, [`Order::Write`] | `4`, run `u64`, pipe `u8`, until `u64`, device `u64`, inode `u64`, path |
//! | slot → executor | run `u64`, then any number of [`Report`]s |
//! | executor → supervisor | the index of a slot, `u32`, with the slot's end of its socket attached |
//! | supervisor → executor | [`READY`], once |
//! | init of an execution's container → executor, around its standard output | [`HEARS`] before; [`last_words`] behind |
//! | executor → init of an execution's container, on its standard input | [`BEGIN`], once |
//!
//! A *run* is a number that the executor counts up per slot; it tells an order that came too late from a current one,
//! and whether a run had begun when its slot process died ([`Report::Reborn`]).
//!
//! One order to start may be sent *ahead*, while the run before it goes on: then a slot begins with it at once when that
//! has ended, without waiting for the executor. When that takes longer it gives the order back
//! ([`Report::Returned`]), so that nothing waits for a long run while another slot is free.

use std::{ffi::CStr, time::Duration};

use super::witness::Witness;

/// What the supervisor says when it is ready for slots.
pub const READY: &[u8] = b"ready";
/// What the init of a container says when signals reach it.
pub const HEARS: u8 = 0x06;
/// What lets it start the program.
pub const BEGIN: u8 = 0x07;
/// So long are the [`last_words`] of an init behind their mark.
pub const LAST_WORDS: usize = 8 + 14;
/// The socket of the supervisor: its standard input.
pub const CONTROL_FD: i32 = 0;
/// How much is read from a pipe at a time.
pub const READ_SIZE: usize = 64 * 1024;
/// No packet from a slot is longer: two reads and the reports around them.
pub const PACKET_LIMIT: usize = 2 * READ_SIZE + 4096;
/// No order is longer; it holds an argument of 128 KiB and a large environment, and fits
/// twice the usual `net.core.wmem_max`, which is what a socket may be given.
pub const ORDER_LIMIT: usize = 400 * 1024;
/// One argument or variable of a program, with its NUL, is at most so long: Linux's `MAX_ARG_STRLEN`.
pub const ARGUMENT_LIMIT: usize = 128 * 1024;

/// When a program has ended, those that have its output get so long to print the rest: filters of its own, mostly.
/// Whatever is left then is ended, as it is at once where nobody has it.
pub const LINGER: Duration = Duration::from_secs(2);

const START: u8 = 1;
const STOP: u8 = 2;
const GO_ON: u8 = 3;
const WRITE: u8 = 4;
const STARTED: u8 = 1;
const OUTPUT: u8 = 2;
const ENDED: u8 = 3;
const REBORN: u8 = 4;
const RETURNED: u8 = 5;
const HOLDS: u8 = 6;
const WROTE: u8 = 7;
const NO_LIMIT: u64 = u64::MAX;

/// What a slot is told.
#[derive(Debug, PartialEq, Eq)]
pub enum Order<'a> {
    /// Run a program.
    Start(Start<'a>),
    /// End the tree of that run, unless it has ended already.
    Stop {
        /// Which run is meant.
        run: u64,
        /// How.
        mode: Stop,
    },
    /// The answer to [`Report::Reborn`]: what comes after it is meant for the process of that birth, which passes over
    /// what was sent before, an answer to a process before it included.
    GoOn {
        /// Whose answer it is.
        birth: u64,
    },
    /// Write what a pipe of that run gives into a file.
    Write {
        /// Which run is meant.
        run: u64,
        /// Which of its pipes.
        stream: Pipe,
        /// Up to which offset: 0 to open the file and say so with [`Report::Holds`]; [`GIVE_BYTES`] to go on with
        /// [`Report::Output`] for good.
        until: u64,
        /// The device of the file. Another one is left alone.
        device: u64,
        /// Its number there.
        inode: u64,
        /// Where it is.
        path: &'a CStr,
    },
}

/// See [`Order::Write`].
pub const GIVE_BYTES: u64 = u64::MAX;

/// A program to run.
#[derive(Debug, PartialEq, Eq)]
pub struct Start<'a> {
    /// The number of this run.
    pub run: u64,
    /// How long it may run, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Between TERM and KILL, in milliseconds.
    pub grace_ms: u64,
    /// A file that must be as it was, or nothing is started.
    pub witness: Option<(&'a CStr, Witness)>,
    /// Where it runs.
    pub place: Place,
    /// Its path; a relative one starts from where it runs.
    pub program: &'a CStr,
    /// Where it runs, or what a directory of its own is made of.
    pub dir: &'a CStr,
    /// Its arguments, with the name that it is called by first.
    pub args: Vec<&'a CStr>,
    /// Its whole environment, as `NAME=value`.
    pub env: Vec<&'a CStr>,
}

/// Where a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the directory that is named.
    Shared = 0,
    /// In one of its own, with links to what is in that.
    Private = 1,
    /// In one of its own, with a copy of what is in that.
    Copy = 2,
}

impl Place {
    fn of(byte: u8) -> Option<Self> {
        [Self::Shared, Self::Private, Self::Copy].into_iter().find(|place| *place as u8 == byte)
    }
}

/// How to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// TERM, then KILL after the grace time.
    Terminate = 1,
    /// KILL at once.
    Kill = 2,
}

/// What a slot tells.
#[derive(Debug, PartialEq, Eq)]
pub enum Report<'a> {
    /// The program was started, at this Unix time in milliseconds.
    Started {
        /// When.
        at_ms: i64,
    },
    /// It printed something.
    Output {
        /// On standard error rather than standard output.
        stream: Pipe,
        /// What; never empty.
        bytes: &'a [u8],
    },
    /// No process of the run is left and all of its output was told.
    Ended {
        /// When, as Unix time in milliseconds.
        at_ms: i64,
        /// How.
        end: End,
    },
    /// A new process serves the slot, because the last one died, and nothing of what that one ran is left.
    /// The run of the packet is the last that it had taken on. It waits for [`Order::GoOn`].
    Reborn {
        /// How many processes have served the slot before.
        birth: u64,
    },
    /// The order that was sent ahead was not begun, and will not be: the run of the packet goes on for too long.
    Returned,
    /// All that a pipe gave before was told, or it has written up to where it may: it reads no more of the pipe until
    /// the next [`Order::Write`].
    Holds {
        /// Which pipe.
        stream: Pipe,
    },
    /// It printed something, which was written into the file.
    Wrote {
        /// Where.
        stream: Pipe,
        /// How many bytes.
        len: u64,
    },
}

/// The two pipes of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pipe {
    /// Standard output.
    Stdout = 0,
    /// Standard error.
    Stderr = 1,
}

impl Pipe {
    fn of(byte: u8) -> Option<Self> {
        [Self::Stdout, Self::Stderr].into_iter().find(|pipe| *pipe as u8 == byte)
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with this code.
    Exited(i32),
    /// By a signal that the slot did not send.
    Signalled(i32),
    /// It was stopped because its time was up.
    TimedOut,
    /// It was stopped because an order said so.
    Terminated,
    /// It could not be started: the system's error number.
    NotStarted(i32),
    /// It could not be given a working directory of its own: the system's error number.
    NoPlace(i32),
    /// It failed, and the system has killed something in its container because the memory was used up.
    OutOfMemory,
    /// It was not started, because its witness is gone, or another one.
    Damaged,
    /// It was not started, because its container has no user of the name that it was to be run as.
    NoUser,
    /// It was not started, because its container could not be kept from metadata addresses: the system's error number.
    NoFence(i32),
}

impl Order<'_> {
    /// Appends this order to `packet`.
    pub fn encode(&self, packet: &mut Vec<u8>) {
        match self {
            Self::Start(start) => {
                packet.push(START);
                packet.extend(start.run.to_le_bytes());
                packet.extend(start.timeout_ms.unwrap_or(NO_LIMIT).to_le_bytes());
                packet.extend(start.grace_ms.to_le_bytes());
                packet.push(start.place as u8);
                packet.push(u8::from(start.witness.is_some()));
                if let Some((path, witness)) = &start.witness {
                    put_text(packet, path);
                    packet.extend(witness.inode.to_le_bytes());
                    packet.extend(witness.size.to_le_bytes());
                    packet.extend(witness.seconds.to_le_bytes());
                    packet.extend(witness.nanos.to_le_bytes());
                    packet.extend(witness.runs.to_le_bytes());
                }
                put_text(packet, start.program);
                put_text(packet, start.dir);
                for texts in [&start.args, &start.env] {
                    packet.extend((texts.len() as u32).to_le_bytes());
                    texts.iter().for_each(|text| put_text(packet, text));
                }
            }
            Self::Stop { run, mode } => {
                packet.push(STOP);
                packet.extend(run.to_le_bytes());
                packet.push(*mode as u8);
            }
            Self::GoOn { birth } => {
                packet.push(GO_ON);
                packet.extend(birth.to_le_bytes());
            }
            Self::Write { run, stream, until, device, inode, path } => {
                packet.push(WRITE);
                packet.extend(run.to_le_bytes());
                packet.push(*stream as u8);
                [until, device, inode].iter().for_each(|number| packet.extend(number.to_le_bytes()));
                put_text(packet, path);
            }
        }
    }
}

/// Gives an encoded [`Order::Start`] its number, once it is known which slot takes it.
pub fn set_run(order: &mut [u8], run: u64) {
    order[1..=size_of::<u64>()].copy_from_slice(&run.to_le_bytes());
}

impl<'a> Order<'a> {
    /// Reads an order; nothing if the packet is not one.
    pub fn decode(packet: &'a [u8]) -> Option<Self> {
        let mut rest = Reader(packet);
        match rest.u8()? {
            START => {
                let run = rest.u64()?;
                let timeout_ms = Some(rest.u64()?).filter(|&limit| limit != NO_LIMIT);
                let grace_ms = rest.u64()?;
                let place = Place::of(rest.u8()?)?;
                let witness = match rest.u8()? {
                    0 => None,
                    _ => Some((rest.text()?, rest.witness()?)),
                };
                let (program, dir) = (rest.text()?, rest.text()?);
                let (args, env) = (rest.texts()?, rest.texts()?);
                Some(Self::Start(Start { run, timeout_ms, grace_ms, place, witness, program, dir, args, env }))
            }
            STOP => {
                let run = rest.u64()?;
                let mode = match rest.u8()? {
                    1 => Stop::Terminate,
                    2 => Stop::Kill,
                    _ => return None,
                };
                Some(Self::Stop { run, mode })
            }
            GO_ON => Some(Self::GoOn { birth: rest.u64()? }),
            WRITE => {
                let (run, stream) = (rest.u64()?, Pipe::of(rest.u8()?)?);
                let (until, device, inode) = (rest.u64()?, rest.u64()?, rest.u64()?);
                Some(Self::Write { run, stream, until, device, inode, path: rest.text()? })
            }
            _ => None,
        }
    }
}

impl<'a> Report<'a> {
    /// Appends this report to `packet`, which begins with the number of the run.
    pub fn encode(&self, packet: &mut Vec<u8>) {
        match self {
            Self::Started { at_ms } => {
                packet.push(STARTED);
                packet.extend(at_ms.to_le_bytes());
            }
            Self::Output { stream, bytes } => {
                packet.extend(output_header(*stream, bytes.len()));
                packet.extend(*bytes);
            }
            Self::Ended { at_ms, end } => {
                let (kind, value) = match *end {
                    End::Exited(code) => (0, code),
                    End::Signalled(signal) => (1, signal),
                    End::TimedOut => (2, 0),
                    End::Terminated => (3, 0),
                    End::NotStarted(errno) => (4, errno),
                    End::OutOfMemory => (5, 0),
                    End::NoPlace(errno) => (6, errno),
                    End::Damaged => (7, 0),
                    End::NoUser => (8, 0),
                    End::NoFence(errno) => (9, errno),
                };
                packet.extend([ENDED, kind]);
                packet.extend(value.to_le_bytes());
                packet.extend(at_ms.to_le_bytes());
            }
            Self::Reborn { birth } => {
                packet.push(REBORN);
                packet.extend(birth.to_le_bytes());
            }
            Self::Returned => packet.push(RETURNED),
            Self::Holds { stream } => packet.extend([HOLDS, *stream as u8]),
            Self::Wrote { stream, len } => {
                packet.extend([WROTE, *stream as u8]);
                packet.extend(len.to_le_bytes());
            }
        }
    }

    /// Reads a packet: the run and its reports; nothing if it is not one.
    pub fn decode_packet(packet: &'a [u8]) -> Option<(u64, Vec<Self>)> {
        let mut rest = Reader(packet);
        let run = rest.u64()?;
        let mut reports = Vec::with_capacity(4);
        while !rest.0.is_empty() {
            reports.push(Self::decode(&mut rest)?);
        }
        Some((run, reports))
    }

    fn decode(rest: &mut Reader<'a>) -> Option<Self> {
        Some(match rest.u8()? {
            STARTED => Self::Started { at_ms: rest.i64()? },
            OUTPUT => {
                let stream = Pipe::of(rest.u8()?)?;
                let len = rest.u32()? as usize;
                Self::Output { stream, bytes: rest.take(len)? }
            }
            ENDED => {
                let kind = rest.u8()?;
                let value = rest.i32()?;
                let end = match kind {
                    0 => End::Exited(value),
                    1 => End::Signalled(value),
                    2 => End::TimedOut,
                    3 => End::Terminated,
                    4 => End::NotStarted(value),
                    5 => End::OutOfMemory,
                    6 => End::NoPlace(value),
                    7 => End::Damaged,
                    8 => End::NoUser,
                    9 => End::NoFence(value),
                    _ => return None,
                };
                Self::Ended { at_ms: rest.i64()?, end }
            }
            REBORN => Self::Reborn { birth: rest.u64()? },
            RETURNED => Self::Returned,
            HOLDS => Self::Holds { stream: Pipe::of(rest.u8()?)? },
            WROTE => Self::Wrote { stream: Pipe::of(rest.u8()?)?, len: rest.u64()? },
            _ => return None,
        })
    }
}

/// What the [`last_words`] of an init begin with: a byte that no text has, and what only the init and the executor know.
pub fn mark(token: &[u8]) -> Vec<u8> {
    [b"\xff", token].concat()
}

/// How the init of an execution's container ends its standard output when nothing else runs there any more: a mark, and
/// a packet of one report. What a container itself says of its end cannot tell a signal from an exit code.
pub fn last_words(token: &[u8], at_ms: i64, end: End) -> Vec<u8> {
    let mut words = mark(token);
    words.extend(0_u64.to_le_bytes());
    Report::Ended { at_ms, end }.encode(&mut words);
    words
}

/// What stands before the bytes of a [`Report::Output`]; of this length always, so that a slot reads a pipe straight
/// into its packet and fills this in afterwards.
pub fn output_header(stream: Pipe, len: usize) -> [u8; 6] {
    let [a, b, c, d] = (len as u32).to_le_bytes();
    [OUTPUT, stream as u8, a, b, c, d]
}

fn put_text(packet: &mut Vec<u8>, text: &CStr) {
    packet.extend((text.count_bytes() as u32).to_le_bytes());
    packet.extend(text.to_bytes_with_nul());
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    fn witness(&mut self) -> Option<Witness> {
        let (inode, size) = (self.u64()?, self.u64()?);
        let (seconds, nanos) = (self.i64()?, self.i64()?);
        Some(Witness { inode, size, seconds, nanos, runs: self.u32()? })
    }

    fn text(&mut self) -> Option<&'a CStr> {
        let len = self.u32()? as usize;
        CStr::from_bytes_with_nul(self.take(len.checked_add(1)?)?).ok()
    }

    fn texts(&mut self) -> Option<Vec<&'a CStr>> {
        let count = self.u32()?;
        (0..count).map(|_| self.text()).collect()
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
