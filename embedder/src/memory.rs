//! Memory: what follows the input is asked for in a way that can fail, what is free goes back to the system, and what
//! forked processes inherit is made cheap to inherit.

#[cfg(target_env = "gnu")]
use std::fs;

use ndarray::Array2;

use crate::error::{Error, Result};

/// A matrix of zeros.
pub fn zeros(rows: usize, columns: usize) -> Result<Array2<f32>> {
    let refused = || Error::OutOfMemory { bytes: rows.saturating_mul(columns).saturating_mul(size_of::<f32>()) };
    let items = rows.checked_mul(columns).ok_or_else(refused)?;
    let mut values = empty(items)?;
    values.resize(items, 0.0);
    Array2::from_shape_vec((rows, columns), values).map_err(|_| refused())
}

/// A copy of `items`.
pub fn copy<T: Copy>(items: &[T]) -> Result<Vec<T>> {
    let mut copy = empty(items.len())?;
    copy.extend_from_slice(items);
    Ok(copy)
}

/// An empty vector with room for `items` items.
fn empty<T>(items: usize) -> Result<Vec<T>> {
    let mut vector = Vec::new();
    let refused = |_| Error::OutOfMemory { bytes: items.saturating_mul(size_of::<T>()) };
    vector.try_reserve_exact(items).map_err(refused)?;
    Ok(vector)
}

/// All of `threads` if there is memory for them, each further one taking so many bytes; else one. The runtime library
/// ends the process where a thread cannot have its first buffer, so nothing is tried that may just fit.
pub fn affordable(threads: usize, bytes: usize) -> usize {
    match empty::<u8>(bytes.saturating_mul(threads - 1)) {
        Ok(_) => threads,
        Err(_) => 1,
    }
}

/// Has threads take memory from where the first one does, instead of an arena for each. [`give_back`] leaves the end
/// of such an arena as it is: *measured*, 173 MB after a batch with 8 threads. To be called before there are threads.
#[allow(unsafe_code)]
pub fn share_arena() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets a number that the allocator reads when a thread allocates for the first time.
    unsafe {
        nix::libc::mallopt(nix::libc::M_ARENA_MAX, 1);
    }
}

/// Gives memory that was freed back to the system. The C library keeps it otherwise.
#[allow(unsafe_code)]
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: may be called at any time from any thread.
    unsafe {
        nix::libc::malloc_trim(0);
    }
}

/// Makes this process's memory cheap to inherit by fork: what is free goes back to the system, the rest is moved
/// into huge pages, because fork copies an entry for each page.
///
/// *Measured* with `benches/fork.rs` at 16 MB: 0.35 ms less of the 1.3 ms of CPU time that fork, exit and wait cost
/// parent and child. Where the kernel has no such call (before 6.1) or no huge page, all stays as it is.
pub fn make_cheap_to_inherit() {
    give_back();
    #[cfg(target_env = "gnu")]
    for (start, end) in fs::read_to_string("/proc/self/maps").unwrap_or_default().lines().filter_map(private_memory) {
        collapse(start, end);
    }
}

/// The address range of a line of /proc/self/maps that stands for memory as `malloc` uses it: private, writable, of
/// no file.
#[cfg(target_env = "gnu")]
fn private_memory(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let (access, inode, name) = (fields.next()?, fields.nth(2)?, fields.next());
    let address = |text| usize::from_str_radix(text, 16).ok();
    let is_memory = access == "rw-p" && inode == "0" && matches!(name, None | Some("[heap]"));
    is_memory.then_some((address(start)?, address(end)?))
}

/// Has the kernel move a range into huge pages as far as it holds whole ones.
#[cfg(target_env = "gnu")]
#[allow(unsafe_code)]
fn collapse(start: usize, end: usize) {
    // SAFETY: changes how the range is mapped, not what is in it. A range that is gone meanwhile is refused.
    unsafe { nix::libc::madvise(start as *mut _, end - start, nix::libc::MADV_COLLAPSE) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_had_is_an_error() {
        // More than a pointer reaches, more than an object may have, more than any machine has.
        for rows in [usize::MAX, usize::MAX / 1000, 1 << 45] {
            match zeros(rows, 384) {
                Err(error @ Error::OutOfMemory { bytes }) => {
                    assert_eq!(bytes, rows.saturating_mul(384).saturating_mul(4));
                    assert_eq!(error.to_string(), "out of memory");
                    assert_eq!(error.detail(), Some(format!("Failed on request of size {bytes}.")));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[cfg(target_env = "gnu")]
    #[test]
    fn private_memory_is_told_from_files_stacks_and_shared_memory() {
        let found = [
            "55c140000000-55c141000000 rw-p 00000000 00:00 0                          [heap]",
            "7fdc05d40000-7fdc06162000 rw-p 00000000 00:00 0 ",
            "7fdc06200000-7fdc06300000 rw-s 00000000 00:01 1024                       /dev/zero (deleted)",
            "7fdc06300000-7fdc06400000 rw-p 0003e000 00:21 77                         /lib/libonnxruntime.so",
            "7fdc06400000-7fdc06500000 ---p 00000000 00:00 0 ",
            "7ffc2d6c7000-7ffc2d6e8000 rw-p 00000000 00:00 0                          [stack]",
            "",
        ];
        let found: Vec<_> = found.into_iter().filter_map(private_memory).collect();
        assert_eq!(found, [(0x55c1_4000_0000, 0x55c1_4100_0000), (0x7fdc_05d4_0000, 0x7fdc_0616_2000)]);
    }

    #[test]
    fn what_can_be_had_is_zero() {
        assert_eq!(zeros(3, 2).unwrap(), Array2::<f32>::zeros((3, 2)));
        assert_eq!(copy(&[1, 2]).unwrap(), [1, 2]);
    }
}
