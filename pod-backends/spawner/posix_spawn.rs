//! The parts of `posix_spawn` that [`crate::program`] uses, declared by hand as in [`crate::sys`].

use std::ffi::{c_char, c_int};

use crate::sys::SignalSet;

/// `posix_spawnattr_t` and `posix_spawn_file_actions_t` with room to spare: the largest of the four has 336 bytes.
#[repr(C, align(16))]
pub struct Opaque([u64; 64]);

impl Opaque {
    pub const fn new() -> Self {
        Self([0; 64])
    }
}

pub const SETPGROUP: i16 = 0x02;
pub const SETSIGDEF: i16 = 0x04;
pub const SETSIGMASK: i16 = 0x08;

unsafe extern "C" {
    pub fn posix_spawn(
        pid: *mut c_int,
        path: *const c_char,
        actions: *const Opaque,
        attributes: *const Opaque,
        args: *const *const c_char,
        env: *const *const c_char,
    ) -> c_int;
    pub fn posix_spawnattr_init(attributes: *mut Opaque) -> c_int;
    pub fn posix_spawnattr_setflags(attributes: *mut Opaque, flags: i16) -> c_int;
    pub fn posix_spawnattr_setpgroup(attributes: *mut Opaque, group: c_int) -> c_int;
    pub fn posix_spawnattr_setsigdefault(attributes: *mut Opaque, set: *const SignalSet) -> c_int;
    pub fn posix_spawnattr_setsigmask(attributes: *mut Opaque, set: *const SignalSet) -> c_int;
    pub fn posix_spawn_file_actions_init(actions: *mut Opaque) -> c_int;
    pub fn posix_spawn_file_actions_destroy(actions: *mut Opaque) -> c_int;
    pub fn posix_spawn_file_actions_adddup2(actions: *mut Opaque, from: c_int, to: c_int) -> c_int;
    pub fn posix_spawn_file_actions_addchdir_np(actions: *mut Opaque, dir: *const c_char) -> c_int;
}
