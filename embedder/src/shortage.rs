//! Where memory is short: a call fails, and the process lives.
//!
//! - Rust ends the process where a small block cannot be had, be it for a few bytes on the way to an error. [`Allocator`]
//!   has a reserve for that, and who is about to begin something fails where it has been used up.
//! - ONNX Runtime's matrix products do not look whether they were given the buffer that they ask for. They are interrupted
//!   by an exception then, which the runtime turns into an error, as it does for its other requests.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::{c_int, c_void};
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use crate::elf::Library;
use crate::error::{Error, Result};

/// What is put by: more than a text's tokens, or a micro-batch, takes.
const RESERVE: Layout = Layout::new::<[u64; 1 << 20]>();
/// Larger blocks than this are asked for where it is looked whether they were given.
const SMALL: usize = 1 << 20;

/// What is put by, without memory behind it; null if it is used up.
static PUT_BY: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());

/// The system's allocator, with something put by. For a program that is to outlive a lack of memory:
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: embedder::Allocator = embedder::Allocator;
/// ```
pub struct Allocator;

/// Makes sure that there is something put by, so that what fails later can be told.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn refuse_without_reserve() -> Result<()> {
    if !PUT_BY.load(Ordering::Relaxed).is_null() {
        return Ok(());
    }
    // SAFETY: the layout has a size.
    let block = unsafe { System.alloc(RESERVE) };
    if block.is_null() {
        return Err(Error::OutOfMemory { bytes: Some(RESERVE.size()) });
    }
    if PUT_BY.compare_exchange(ptr::null_mut(), block, Ordering::Relaxed, Ordering::Relaxed).is_err() {
        // SAFETY: allocated above, and another thread was first.
        unsafe { System.dealloc(block, RESERVE) };
    }
    Ok(())
}

/// Gives what was put by back to the system, for whoever needs it now; `false` if there is nothing.
pub fn use_up_reserve() -> bool {
    let block = PUT_BY.swap(ptr::null_mut(), Ordering::Relaxed);
    if !block.is_null() {
        // SAFETY: allocated with this layout, and taken by this thread alone.
        unsafe { System.dealloc(block, RESERVE) };
    }
    !block.is_null()
}

// SAFETY: all is done by the system's allocator.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe {
            let block = System.alloc(layout);
            if block.is_null() && layout.size() <= SMALL && use_up_reserve() { System.alloc(layout) } else { block }
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe {
            let block = System.alloc_zeroed(layout);
            if block.is_null() && layout.size() <= SMALL && use_up_reserve() {
                System.alloc_zeroed(layout)
            } else {
                block
            }
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise; a block that could not be made larger is still there.
        unsafe {
            let larger = System.realloc(block, layout, size);
            if larger.is_null() && size <= SMALL && use_up_reserve() {
                System.realloc(block, layout, size)
            } else {
                larger
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }
}

type Align = unsafe extern "C" fn(*mut *mut c_void, usize, usize) -> c_int;
type Throw = unsafe extern "C-unwind" fn();

/// The addresses of `posix_memalign` and of what throws `std::bad_alloc`.
static ORIGINALS: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

/// Has the runtime library be interrupted where it is not given an aligned block.
pub fn redirect(runtime: &Library) {
    let Some(throw) = runtime.imported(c"_ZSt17__throw_bad_allocv") else { return };
    ORIGINALS[1].store(throw, Ordering::Relaxed);
    let note = |original| ORIGINALS[0].store(original, Ordering::Relaxed);
    runtime.redirect(c"posix_memalign", aligned as *const () as usize, note);
}

unsafe extern "C-unwind" fn aligned(block: *mut *mut c_void, alignment: usize, size: usize) -> c_int {
    // SAFETY: the addresses are those of such functions, and were stored before this one was put in their place. It is
    // called as the library would have called it; nothing is alive here that the exception could leave behind.
    unsafe {
        let original = mem::transmute::<usize, Align>(ORIGINALS[0].load(Ordering::Relaxed));
        let failed = original(block, alignment, size);
        if failed != 0 {
            mem::transmute::<usize, Throw>(ORIGINALS[1].load(Ordering::Relaxed))();
        }
        failed
    }
}

/// Whether a message of the runtime says that it lacks memory.
pub fn is_told_by(message: &str) -> bool {
    ["std::bad_alloc", "Failed to allocate memory"].iter().any(|words| message.contains(words))
}
