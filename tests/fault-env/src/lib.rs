//! A disk for tests that fails when it is told to and loses what was not synced.
//!
//! [`FaultEnv`] is RocksDB's own `FaultInjectionTestFS`, which ships inside the library that is linked anyway, with a counter on top (see
//! `shim.cc`). A database opened on [`FaultEnv::env`] writes to real files, but what it did not sync is kept in memory: after a power cut and
//! [`FaultEnv::restore_power`] the files hold what a disk would hold then, for whoever looks.
//!
//! It knows nothing of files that are written beside RocksDB (`std::fs`): those survive every cut whole. Nor does it undo the removal of a file
//! whose directory was not synced afterwards.
//!
//! This is the one place with code that the compiler cannot check; it is never part of the product.

use std::ffi::{CString, c_char, c_int};
use std::ptr::NonNull;

use librocksdb_sys::rocksdb_env_t;
use rocksdb::Env;

/// An operation that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Appending to a file.
    Write,
    /// Waiting until a file is on the disk.
    Sync,
}

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The power fails before it: from now on nothing can be read or written.
    PowerCut,
    /// No space is left; the operation has no effect.
    NoSpace,
    /// An input or output error; the operation has no effect.
    Failure,
}

/// What a power cut takes of the data that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// All.
    Everything,
    /// Any pages of it, drawn from this seed: those before the lost ones, those behind them, or none. Files whose directory was not synced
    /// may be there or not.
    Random(u64),
}

#[repr(C)]
struct Disk {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn fault_disk_new() -> *mut Disk;
    fn fault_disk_free(disk: *mut Disk);
    fn fault_disk_env(disk: *mut Disk) -> *mut rocksdb_env_t;
    fn fault_disk_plan(disk: *mut Disk, operation: c_int, suffix: *const c_char, after: u64, fault: c_int);
    fn fault_disk_heal(disk: *mut Disk);
    fn fault_disk_cut(disk: *mut Disk);
    fn fault_disk_is_cut(disk: *mut Disk) -> bool;
    fn fault_disk_restore(disk: *mut Disk, seeded: bool, seed: u64) -> bool;
}

/// The disk. It may be dropped before the databases on it.
pub struct FaultEnv {
    disk: NonNull<Disk>,
}

// SAFETY: everything behind the pointer is guarded by mutexes on the other side.
unsafe impl Send for FaultEnv {}
// SAFETY: as above.
unsafe impl Sync for FaultEnv {}

impl Default for FaultEnv {
    fn default() -> Self {
        FaultEnv::new()
    }
}

impl FaultEnv {
    /// A disk in order.
    pub fn new() -> FaultEnv {
        // SAFETY: it takes nothing and returns a pointer of ours.
        let disk = NonNull::new(unsafe { fault_disk_new() }).expect("operator new does not return null");
        FaultEnv { disk }
    }

    /// What a database is opened on.
    pub fn env(&self) -> Env {
        // SAFETY: the disk is alive as long as `self`; what comes back is a fresh environment whose ownership goes to `Env`, which destroys
        // it as RocksDB's own are destroyed. It shares the disk, so it may outlive `self`.
        unsafe { Env::from_raw(fault_disk_env(self.disk.as_ptr())) }
    }

    /// Lets an operation on a file whose name ends in `suffix` fail, after as many that succeed; and all that follow, until [`FaultEnv::heal`].
    /// Replaces what was planned before.
    pub fn plan(&self, operation: Operation, suffix: &str, after: u64, fault: Fault) {
        let suffix = CString::new(suffix).expect("names of files have no zero bytes");
        let operation = match operation {
            Operation::Write => 0,
            Operation::Sync => 1,
        };
        let fault = match fault {
            Fault::PowerCut => 0,
            Fault::NoSpace => 1,
            Fault::Failure => 2,
        };
        // SAFETY: the disk is alive; the text is copied before the call returns.
        unsafe { fault_disk_plan(self.disk.as_ptr(), operation, suffix.as_ptr(), after, fault) }
    }

    /// Nothing fails any more, except by a power cut that has happened.
    pub fn heal(&self) {
        // SAFETY: the disk is alive.
        unsafe { fault_disk_heal(self.disk.as_ptr()) }
    }

    /// The power fails now.
    pub fn cut_power(&self) {
        // SAFETY: the disk is alive.
        unsafe { fault_disk_cut(self.disk.as_ptr()) }
    }

    /// Whether the power has failed.
    pub fn is_cut(&self) -> bool {
        // SAFETY: the disk is alive.
        unsafe { fault_disk_is_cut(self.disk.as_ptr()) }
    }

    /// The power is back, and what was not synced is lost. Every database on this disk must have been closed before.
    pub fn restore_power(&self, loss: Loss) {
        let (seeded, seed) = match loss {
            Loss::Everything => (false, 0),
            Loss::Random(seed) => (true, seed),
        };
        // SAFETY: the disk is alive.
        let restored = unsafe { fault_disk_restore(self.disk.as_ptr(), seeded, seed) };
        assert!(restored, "the real disk below the simulated one failed");
    }
}

impl Drop for FaultEnv {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `fault_disk_new` and is not used again.
        unsafe { fault_disk_free(self.disk.as_ptr()) }
    }
}
