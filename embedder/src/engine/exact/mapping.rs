//! One mapping of a session's weights instead of one for each tensor.
//!
//! ONNX Runtime maps each tensor of the compiled model by itself, 88 in all. A process that is forked gets an entry for
//! each, which costs it and its parent 0.15 ms together, *measured* with `benches/fork.rs`. So while a session is opened,
//! the runtime library is given parts of one mapping. That goes with the session; what the library unmaps of it before
//! stays until then.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::fs::File;
use std::mem::{self, ManuallyDrop};
use std::ops::Range;
use std::os::fd::FromRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use memmap2::{MmapMut, MmapOptions};
use nix::libc::{self, off_t};

use crate::elf::Library;

/// A file that is mapped as a whole.
pub struct Mapping {
    memory: MmapMut,
}

/// Where a file is, on disk and in memory.
#[derive(Clone)]
struct Place {
    device: u64,
    inode: u64,
    addresses: Range<usize>,
}

type Map = unsafe extern "C" fn(*mut c_void, usize, c_int, c_int, c_int, off_t) -> *mut c_void;
type Unmap = unsafe extern "C" fn(*mut c_void, usize) -> c_int;

/// The functions that [`map`] and [`unmap`] stand for.
static ORIGINALS: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

/// Where there are such mappings.
static MAPPED: Mutex<Vec<Range<usize>>> = Mutex::new(Vec::new());

thread_local! {
    /// What this thread gives parts of.
    static SHARED: RefCell<Option<Place>> = const { RefCell::new(None) };
}

/// Has the runtime library ask here for what it maps.
pub fn redirect(runtime: &Library) {
    let note = |number: usize| move |original| ORIGINALS[number].store(original, Ordering::Relaxed);
    runtime.redirect(c"mmap", map as *const () as usize, note(0));
    runtime.redirect(c"munmap", unmap as *const () as usize, note(1));
}

impl Mapping {
    /// Maps a file, and gives the library parts of that where it maps the same file during `body`.
    ///
    /// # Errors
    /// The file cannot be opened or mapped.
    pub fn share<T>(path: &Path, body: impl FnOnce() -> T) -> std::io::Result<(Self, T)> {
        let file = File::open(path)?;
        // SAFETY: a copy of our own, as far as it is written to; and the file is replaced by rename alone.
        let memory = unsafe { MmapOptions::new().map_copy(&file) }?;
        let mapping = Self { memory };
        let metadata = file.metadata()?;
        let addresses = mapping.addresses();
        MAPPED.lock().unwrap_or_else(PoisonError::into_inner).push(addresses.clone());
        SHARED.set(Some(Place { device: metadata.dev(), inode: metadata.ino(), addresses }));
        let result = body();
        SHARED.set(None);
        Ok((mapping, result))
    }

    fn addresses(&self) -> Range<usize> {
        let addresses = self.memory.as_ptr_range();
        addresses.start as usize..addresses.end as usize
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let addresses = self.addresses();
        MAPPED.lock().unwrap_or_else(PoisonError::into_inner).retain(|mapped| *mapped != addresses);
    }
}

impl Place {
    /// Where a part of the file is mapped.
    fn part(&self, file: c_int, offset: off_t, length: usize) -> Option<usize> {
        let start = self.addresses.start.checked_add(usize::try_from(offset).ok()?)?;
        let fits = start.checked_add(length).is_some_and(|end| end <= self.addresses.end.next_multiple_of(4096));
        // SAFETY: whoever maps a file has it open; it is not closed here.
        let metadata = ManuallyDrop::new(unsafe { File::from_raw_fd(file) }).metadata().ok()?;
        (fits && metadata.dev() == self.device && metadata.ino() == self.inode).then_some(start)
    }
}

/// Maps memory, or gives a part of what is mapped.
unsafe extern "C" fn map(
    address: *mut c_void,
    length: usize,
    protection: c_int,
    flags: c_int,
    file: c_int,
    offset: off_t,
) -> *mut c_void {
    let is_copy = address.is_null() && file >= 0 && flags & libc::MAP_TYPE == libc::MAP_PRIVATE;
    if is_copy && protection & libc::PROT_EXEC == 0 {
        let part = SHARED.with_borrow(|shared| shared.as_ref().and_then(|place| place.part(file, offset, length)));
        if let Some(part) = part {
            return part as *mut c_void;
        }
    }
    // SAFETY: the address of such a function was stored before this one was put in its place; it is called as the
    // library would have called it.
    unsafe {
        let original = mem::transmute::<usize, Map>(ORIGINALS[0].load(Ordering::Relaxed));
        original(address, length, protection, flags, file, offset)
    }
}

/// Unmaps memory, unless it is a part of what stays mapped.
unsafe extern "C" fn unmap(address: *mut c_void, length: usize) -> c_int {
    let mapped = MAPPED.lock().unwrap_or_else(PoisonError::into_inner);
    if mapped.iter().any(|addresses| addresses.contains(&(address as usize))) {
        return 0;
    }
    drop(mapped);
    // SAFETY: as for `map`.
    unsafe {
        let original = mem::transmute::<usize, Unmap>(ORIGINALS[1].load(Ordering::Relaxed));
        original(address, length)
    }
}
