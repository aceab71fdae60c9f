//! What an execution's container is kept from before its program starts: the metadata addresses of clouds, by which a
//! machine gets its own credentials. Only the container itself can see to that for its network, and needs capabilities
//! for it; this gives them up again, and becomes the user that the program is to have.

use std::{
    ffi::{c_int, c_uint, c_ulong, c_void},
    fs, io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    path::Path,
};

use crate::{
    as_user::become_user,
    user_of::{UserInContainer, find_user},
};

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const AF_NETLINK: c_int = 16;
const SOCK_RAW: c_int = 3;
const SOCK_CLOEXEC: c_int = 0o2_000_000;
const PR_CAPBSET_DROP: c_int = 24;
/// `_LINUX_CAPABILITY_VERSION_3`
const CAPABILITY_VERSION: u32 = 0x2008_0522;

/// What would give a program more than the machine's owner meant: AWS, Azure, Google, OpenStack, Oracle and others have it
/// in the first network, Azure's agent in the second, Alibaba in the third.
const METADATA: [([u8; 4], u8); 3] = [([169, 254, 0, 0], 16), ([168, 63, 129, 16], 32), ([100, 100, 100, 200], 32)];
/// The same of AWS, Google, and OpenStack.
const METADATA_6: [[u16; 8]; 3] = [
    [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254],
    [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254],
    [0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe],
];

unsafe extern "C" {
    fn socket(family: c_int, kind: c_int, protocol: c_int) -> c_int;
    fn send(fd: c_int, bytes: *const c_void, len: usize, flags: c_int) -> isize;
    fn recv(fd: c_int, bytes: *mut c_void, len: usize, flags: c_int) -> isize;
    fn prctl(option: c_int, ...) -> c_int;
    fn capget(header: *mut CapabilityHeader, data: *mut [Capabilities; 2]) -> c_int;
    fn capset(header: *mut CapabilityHeader, data: *const [Capabilities; 2]) -> c_int;
    fn fchown(fd: c_int, user: c_uint, group: c_uint) -> c_int;
}

#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: c_int,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Capabilities {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Why there is no fence.
pub enum Unfenced {
    /// The image has no such user.
    NoUser,
    /// The system refused.
    Errno(i32),
}

impl From<io::Error> for Unfenced {
    fn from(error: io::Error) -> Self {
        Self::Errno(error.raw_os_error().unwrap_or(0))
    }
}

/// Puts up the fence, becomes that user, and gives up the capabilities of those numbers for good.
pub fn put_up(user: &str, capabilities: &str) -> Result<(), Unfenced> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let wanted = find_user(user, &read("/etc/passwd"), &read("/etc/group")).ok_or(Unfenced::NoUser)?;
    keep_from_metadata()?;
    let given_up: Vec<u32> = capabilities.split(',').filter_map(|number| number.parse().ok()).collect();
    for &number in &given_up {
        check(unsafe { prctl(PR_CAPBSET_DROP, c_ulong::from(number), 0 as c_ulong, 0 as c_ulong, 0 as c_ulong) })?;
    }
    if let UserInContainer { user, home } = wanted
        && user.uid != 0
    {
        for fd in 0..=2 {
            // As engines do: a program may open its own output by name. One that cannot be given away stays as it is.
            unsafe { fchown(fd, user.uid, c_uint::MAX) };
        }
        become_user(Some(&user))?;
        go_home(&home);
    }
    give_up(&given_up)?;
    Ok(())
}

/// The engine has set that of the user it was told to start this process as, unless there was one.
fn go_home(home: &str) {
    if std::env::var_os("HOME").is_none_or(|found| found == "/root") {
        // No other thread is there to read it meanwhile.
        unsafe { std::env::set_var("HOME", home) };
    }
}

fn give_up(numbers: &[u32]) -> io::Result<()> {
    let mut header = CapabilityHeader { version: CAPABILITY_VERSION, pid: 0 };
    let mut held = [Capabilities::default(); 2];
    check(unsafe { capget(&mut header, &mut held) })?;
    for &number in numbers {
        let Some(half) = held.get_mut((number / 32) as usize) else { continue };
        let others = !(1 << (number % 32));
        half.effective &= others;
        half.permitted &= others;
        half.inheritable &= others;
    }
    check(unsafe { capset(&mut header, &held) })
}

/// No connection gets to these addresses from here on. Their name server does: for some clouds it is the same machine.
fn keep_from_metadata() -> io::Result<()> {
    let routes = Routes::open()?;
    for (network, bits) in METADATA {
        routes.keep_from(AF_INET, &network, bits)?;
    }
    // A system without it needs no fence there.
    if Path::new("/proc/net/if_inet6").exists() {
        for address in METADATA_6 {
            let bytes: Vec<u8> = address.iter().flat_map(|part| part.to_be_bytes()).collect();
            routes.keep_from(AF_INET6, &bytes, 128)?;
        }
    }
    Ok(())
}

const RTM_NEWRULE: u16 = 32;
/// A request that is to be acknowledged, and that makes something new.
const NLM_F_NEW: u16 = 0x1 | 0x4 | 0x200 | 0x400;
const NLMSG_ERROR: u16 = 2;
const FR_ACT_TO_TBL: u8 = 1;
const FR_ACT_UNREACHABLE: u8 = 7;
const RT_TABLE_MAIN: u8 = 254;
const FRA_DST: u16 = 1;
const FRA_PRIORITY: u16 = 6;
const FRA_IP_PROTO: u16 = 22;
const FRA_DPORT_RANGE: u16 = 24;
const TCP: u8 = 6;
const DNS: u16 = 53;

/// The rules by which this network name space finds its ways: `linux/fib_rules.h`, over netlink.
struct Routes(OwnedFd);

impl Routes {
    fn open() -> io::Result<Self> {
        let fd = unsafe { socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0) };
        check(fd)?;
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    fn keep_from(&self, family: u8, network: &[u8], bits: u8) -> io::Result<()> {
        let mut name_server = Rule::new(family, network, bits, FR_ACT_TO_TBL, 1);
        let port = [DNS.to_ne_bytes(), DNS.to_ne_bytes()].concat();
        name_server.add(FRA_DPORT_RANGE, &port);
        self.ask(name_server.0)?;
        self.ask(Rule::new(family, network, bits, FR_ACT_UNREACHABLE, 2).0)
    }

    fn ask(&self, mut message: Vec<u8>) -> io::Result<()> {
        let len = u32::try_from(message.len()).unwrap_or(u32::MAX);
        message[..4].copy_from_slice(&len.to_ne_bytes());
        let fd = self.0.as_raw_fd();
        check_len(unsafe { send(fd, message.as_ptr().cast(), message.len(), 0) })?;
        let mut answer = [0; 1024];
        let len = check_len(unsafe { recv(fd, answer.as_mut_ptr().cast(), answer.len(), 0) })?;
        // The header, and a number: 0, or what was wrong.
        match &answer[..len] {
            [_, _, _, _, a, b, ..] if u16::from_ne_bytes([*a, *b]) == NLMSG_ERROR && len >= 20 => {
                match i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]) {
                    0 => Ok(()),
                    errno => Err(io::Error::from_raw_os_error(-errno)),
                }
            }
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// A message for a rule of connections to a network.
struct Rule(Vec<u8>);

impl Rule {
    fn new(family: u8, network: &[u8], bits: u8, action: u8, priority: u32) -> Self {
        let mut message = vec![0; 4];
        message.extend(RTM_NEWRULE.to_ne_bytes());
        message.extend(NLM_F_NEW.to_ne_bytes());
        message.extend([0; 8]);
        let table = if action == FR_ACT_TO_TBL { RT_TABLE_MAIN } else { 0 };
        message.extend([family, bits, 0, 0, table, 0, 0, action, 0, 0, 0, 0]);
        let mut rule = Self(message);
        rule.add(FRA_DST, network);
        rule.add(FRA_PRIORITY, &priority.to_ne_bytes());
        rule.add(FRA_IP_PROTO, &[TCP]);
        rule
    }

    fn add(&mut self, kind: u16, value: &[u8]) {
        let len = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        self.0.extend(len.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }
}

fn check(outcome: c_int) -> io::Result<()> {
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn check_len(outcome: isize) -> io::Result<usize> {
    usize::try_from(outcome).map_err(|_| io::Error::last_os_error())
}
