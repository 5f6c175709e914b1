//! The end of a process: memory of the runtime library is left to the operating system, instead of freed at exit.
//!
//! ONNX Runtime registers destructors for its tables (operators, kernels, types) with `__cxa_atexit`. They free some
//! ten thousand small blocks one by one. In a process that was forked from the one with the runtime, as each
//! connection of a preloading PostgreSQL server is, to free is to write, and to write is to copy: 2,200 pages for
//! nothing, 15 ms of CPU time for each such child, measured with `benches/fork.rs`.
//!
//! So references of the runtime library, and of no other, are redirected after it is loaded and before it creates its
//! tables. All other exit handlers and the flushing of files are as ever.
//! - Its `__cxa_atexit` registers nothing: what it creates from then on is never destroyed.
//! - What it registered while it was being loaded is destroyed, but its `free` and `delete` do nothing any more once
//!   the process ends: that spares another 45 pages.
//!
//! *Measured*, fork to end of a child that ends at once, on two cores that others used too: before 21 to 25 ms and
//! 2,200 page faults; now, with what [`memory`](crate::memory) and [`mapping`](crate::mapping) do, 0.7 to 0.9 ms and 87;
//! without an embedder 0.35 ms and 27. What is left are destructors that still run, and page tables.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_int, c_void};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use nix::libc;

use crate::elf::Library;

/// `free`, or an operator `delete` with fewer arguments than this: both architectures pass the first three in
/// registers, whoever reads them.
type Release = unsafe extern "C" fn(*mut c_void, usize, usize);

/// What releases memory, by the names that the C and C++ libraries export it under, and what stands for it.
const RELEASES: [(&CStr, Release); 5] = [
    (c"free", release::<0>),
    (c"_ZdlPv", release::<1>),
    (c"_ZdlPvm", release::<2>),
    (c"_ZdlPvSt11align_val_t", release::<3>),
    (c"_ZdlPvmSt11align_val_t", release::<4>),
];

/// The addresses of those that [`RELEASES`] stands for.
static ORIGINALS: [AtomicUsize; RELEASES.len()] = [const { AtomicUsize::new(0) }; RELEASES.len()];

/// Whether this process is running its exit handlers.
static ENDING: AtomicBool = AtomicBool::new(false);

/// Has the runtime library leave its memory alone when this process or a child of it ends.
pub fn redirect(runtime: &Library) {
    runtime.redirect(c"__cxa_atexit", register_nothing as *const () as usize, |_| ());
    // SAFETY: the handler may be called at any time. It is registered after those of the library, so it runs first.
    if unsafe { libc::atexit(ending) } == 0 {
        for ((name, release), place) in RELEASES.iter().zip(&ORIGINALS) {
            runtime.redirect(name, *release as usize, |original| place.store(original, Ordering::Relaxed));
        }
    }
}

/// Takes an exit handler and forgets it. Zero says that it is registered.
extern "C" fn register_nothing(_: *mut c_void, _: *mut c_void, _: *mut c_void) -> c_int {
    0
}

extern "C" fn ending() {
    ENDING.store(true, Ordering::Relaxed);
}

/// Releases memory unless the process ends.
unsafe extern "C" fn release<const N: usize>(block: *mut c_void, second: usize, third: usize) {
    if !ENDING.load(Ordering::Relaxed) {
        // SAFETY: the address of such a function was stored before this one was put in its place.
        let original = unsafe { std::mem::transmute::<usize, Release>(ORIGINALS[N].load(Ordering::Relaxed)) };
        // SAFETY: called as the library would have called it.
        unsafe { original(block, second, third) };
    }
}
