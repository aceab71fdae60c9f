//! The calls about files and mounts that the standard library does not offer, declared by hand as in [`crate::sys`].

use std::{
    ffi::{CStr, CString, c_char, c_int, c_long, c_uint, c_ulong, c_void},
    fs::File,
    io,
    os::{fd::AsRawFd, unix::ffi::OsStrExt},
    path::Path,
    ptr,
};

const CLONE_NEWNS: c_int = 0x0002_0000;
const CLONE_NEWUSER: c_int = 0x1000_0000;
const MS_RDONLY: c_ulong = 1;
const MS_REMOUNT: c_ulong = 32;
const MS_BIND: c_ulong = 4096;
const MS_REC: c_ulong = 16384;
const MS_SLAVE: c_ulong = 1 << 19;
const MNT_DETACH: c_int = 2;
const CLOCK_REALTIME_COARSE: c_int = 5;
const AT_FDCWD: c_int = -100;
const AT_SYMLINK_NOFOLLOW: c_int = 0x100;
const UTIME_OMIT: c_long = (1 << 30) - 2;
/// What `statvfs` tells of a mount and what `mount` calls it. A remount must repeat what is locked, as in a user namespace
/// all of it is.
const LOCKED_MOUNT_FLAGS: [(c_ulong, c_ulong); 6] =
    [(2, 2), (4, 4), (8, 8), (1024, 1024), (2048, 2048), (4096, 1 << 21)];

#[repr(C)]
struct TimeSpec {
    seconds: c_long,
    nanos: c_long,
}

/// `struct statvfs`: eleven words of 64 bits and some spare ones.
#[repr(C)]
struct StatVfs([u64; 24]);

const FLAGS: usize = 9;

unsafe extern "C" {
    #[link_name = "unshare"]
    fn sys_unshare(flags: c_int) -> c_int;
    fn setns(fd: c_int, kind: c_int) -> c_int;
    fn fchdir(fd: c_int) -> c_int;
    fn chroot(path: *const c_char) -> c_int;
    #[link_name = "mount"]
    fn sys_mount(
        source: *const c_char,
        target: *const c_char,
        kind: *const c_char,
        flags: c_ulong,
        data: *const c_void,
    ) -> c_int;
    #[link_name = "umount2"]
    fn sys_umount2(target: *const c_char, flags: c_int) -> c_int;
    fn statvfs(path: *const c_char, state: *mut StatVfs) -> c_int;
    fn llistxattr(path: *const c_char, list: *mut c_char, size: usize) -> isize;
    fn utimensat(dir: c_int, path: *const c_char, times: *const TimeSpec, flags: c_int) -> c_int;
    fn clock_gettime(clock: c_int, time: *mut TimeSpec) -> c_int;
    fn geteuid() -> c_uint;
    fn getegid() -> c_uint;
    fn getppid() -> c_int;
}

/// The user that this process acts as, and its group.
pub fn own_ids() -> (u32, u32) {
    unsafe { (geteuid(), getegid()) }
}

/// The process that this one comes from, or to whom it came when that ended.
pub fn parent() -> i32 {
    unsafe { getppid() }
}

/// The time by which a file system stamps what is changed now; it stands still for some milliseconds at a time.
pub fn file_time() -> (i64, i64) {
    let mut time = TimeSpec { seconds: 0, nanos: 0 };
    unsafe { clock_gettime(CLOCK_REALTIME_COARSE, &mut time) };
    (time.seconds, time.nanos)
}

/// Says that a file, or the link itself, was changed last at that second.
pub fn set_changed(path: &CStr, seconds: i64) -> io::Result<()> {
    let times = [TimeSpec { seconds: 0, nanos: UTIME_OMIT }, TimeSpec { seconds, nanos: 0 }];
    check(unsafe { utimensat(AT_FDCWD, path.as_ptr(), times.as_ptr(), AT_SYMLINK_NOFOLLOW) })
}

/// How long the list of the extended attributes of a file is.
pub fn attributes(path: &CStr) -> isize {
    unsafe { llistxattr(path.as_ptr(), ptr::null_mut(), 0) }
}

/// Mounts of this process's own from here on, in a user namespace too if so wanted.
pub fn unshare_mounts(with_user: bool) -> io::Result<()> {
    check(unsafe { sys_unshare(CLONE_NEWNS | if with_user { CLONE_NEWUSER } else { 0 }) })
}

/// Goes to the mounts that a file of `/proc/PID/ns/mnt` stands for, and to what was the root among them.
pub fn enter_mounts(of: &File, root: &File) -> io::Result<()> {
    check(unsafe { setns(of.as_raw_fd(), CLONE_NEWNS) })?;
    check(unsafe { fchdir(root.as_raw_fd()) })?;
    check(unsafe { chroot(c".".as_ptr()) })
}

/// What is mounted here is seen nowhere else; what is mounted elsewhere is seen here.
pub fn keep_mounts() -> io::Result<()> {
    mount(None, c"/", MS_REC | MS_SLAVE)
}

/// Lets nobody in this mount namespace write below a directory.
pub fn bind_read_only(dir: &CStr) -> io::Result<()> {
    mount(Some(dir), dir, MS_BIND)?;
    let mut state = StatVfs([0; 24]);
    let made = check(unsafe { statvfs(dir.as_ptr(), &mut state) }).and_then(|()| {
        let kept = LOCKED_MOUNT_FLAGS
            .iter()
            .filter(|(told, _)| state.0[FLAGS] & told != 0)
            .fold(0, |all, (_, flag)| all | flag);
        mount(None, dir, MS_BIND | MS_REMOUNT | MS_RDONLY | kept)
    });
    if made.is_err() {
        unmount(dir);
    }
    made
}

/// Takes away what is mounted over a path, if something is.
pub fn unmount(path: &CStr) {
    unsafe { sys_umount2(path.as_ptr(), MNT_DETACH) };
}

fn mount(source: Option<&CStr>, target: &CStr, flags: c_ulong) -> io::Result<()> {
    let source = source.map_or(ptr::null(), CStr::as_ptr);
    check(unsafe { sys_mount(source, target.as_ptr(), ptr::null(), flags, ptr::null()) })
}

/// A path for the system.
pub fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

fn check(outcome: c_int) -> io::Result<()> {
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
