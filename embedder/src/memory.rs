//! Memory: what follows the input is asked for in a way that can fail, what is free goes back to the system, and what
//! forked processes inherit is made cheap to inherit.

#[cfg(target_env = "gnu")]
use std::fs;

use ndarray::Array2;

use crate::error::{Error, Result};

/// A matrix of zeros.
pub fn zeros(rows: usize, columns: usize) -> Result<Array2<f32>> {
    let bytes = Some(rows.saturating_mul(columns).saturating_mul(size_of::<f32>()));
    let refused = || Error::OutOfMemory { bytes };
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
pub fn empty<T>(items: usize) -> Result<Vec<T>> {
    let mut vector = Vec::new();
    let refused = |_| Error::OutOfMemory { bytes: Some(items.saturating_mul(size_of::<T>())) };
    vector.try_reserve_exact(items).map_err(refused)?;
    Ok(vector)
}

/// One text of these.
pub fn join<const N: usize>(texts: [&str; N]) -> Result<String> {
    let length = texts.iter().map(|text| text.len()).sum();
    let mut joined = String::new();
    joined.try_reserve_exact(length).map_err(|_| Error::OutOfMemory { bytes: Some(length) })?;
    joined.extend(texts);
    Ok(joined)
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

/// Keeps what is allocated from now on apart from what there is already, in huge pages of its own; to be called
/// before [`make_cheap_to_inherit`].
pub fn begin_to_be_inherited() {
    #[cfg(target_env = "gnu")]
    {
        keep_large_blocks_in_heap();
        set_apart();
    }
}

/// Makes what was allocated since [`begin_to_be_inherited`] cheap to inherit by fork. Fork copies an entry for each page,
/// so all of it is moved into huge pages; and who writes to a page that was inherited gets a copy of it, be it a child or
/// the parent, so nobody gets memory from between what is there. What is free goes back to the system first.
///
/// *Measured* with a preloading PostgreSQL server on two cores: connections that execute one statement, 0.94 as many a
/// second as without preloading; with huge pages alone, 0.85.
///
/// Where the kernel has no such call (before 6.1) or no huge page, all stays as it is.
pub fn make_cheap_to_inherit() {
    give_back();
    #[cfg(target_env = "gnu")]
    {
        set_apart();
        for line in fs::read_to_string("/proc/self/maps").unwrap_or_default().lines() {
            private_memory(line).into_iter().for_each(|(start, end)| collapse(start, end));
        }
    }
}

/// The size of a huge page.
#[cfg(target_env = "gnu")]
const HUGE: usize = 2 << 20;

/// The C library maps blocks of more than 128 kB by themselves, until the first such block was freed: from then on only
/// larger ones than that.
#[cfg(target_env = "gnu")]
#[allow(unsafe_code)]
fn keep_large_blocks_in_heap() {
    // SAFETY: a block is freed that was just allocated.
    unsafe { nix::libc::free(nix::libc::malloc(16 << 20)) };
}

/// Takes for good what is free in the heap, and what is left of its last huge page: addresses, with no memory behind
/// them. So whoever asks for memory gets it from a new page.
#[cfg(target_env = "gnu")]
#[allow(unsafe_code)]
fn set_apart() {
    // SAFETY: what lies behind the present end of the heap is freed at once, the rest never.
    unsafe {
        let end = nix::libc::sbrk(0) as usize;
        // Eight bytes of a block are its size.
        let mut size = HUGE << 2;
        while size >= 32 {
            let block = nix::libc::malloc(size - 8);
            if block.is_null() || block as usize >= end {
                nix::libc::free(block);
                size /= 2;
            }
        }
        let last = nix::libc::malloc(24) as usize + 24;
        nix::libc::malloc(last.next_multiple_of(HUGE) - last);
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
    const SMALL: usize = 4096;
    // One by one: where one cannot be moved, the kernel would not go on to the next.
    for page in (start.next_multiple_of(HUGE)..end.saturating_sub(HUGE - 1)).step_by(HUGE) {
        let mut present = [0_u8; HUGE / SMALL];
        // SAFETY: there is room for a byte for each of the smallest pages that a kernel has.
        let known = unsafe { nix::libc::mincore(page as *mut _, HUGE, present.as_mut_ptr()) } == 0;
        // Of a range that is mostly free, the rest is not filled.
        if known && present.iter().filter(|&&present| present & 1 == 1).count() > present.len() / 2 {
            // SAFETY: changes how the range is mapped, not what is in it. A range that is gone meanwhile is refused.
            unsafe { nix::libc::madvise(page as *mut _, HUGE, nix::libc::MADV_COLLAPSE) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_had_is_an_error() {
        // More than a pointer reaches, more than an object may have, more than any machine has.
        for rows in [usize::MAX, usize::MAX / 1000, 1 << 45] {
            match zeros(rows, 384) {
                Err(error @ Error::OutOfMemory { bytes: Some(bytes) }) => {
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
