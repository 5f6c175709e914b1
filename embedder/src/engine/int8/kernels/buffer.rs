//! Memory that begins with a cache line.

use std::ops::{Deref, DerefMut};

use crate::error::Result;
use crate::memory;

/// Bytes of a cache line, and of the widest load.
const LINE: usize = 64;

/// What a [`Buffer`] can hold: numbers.
pub trait Element: Copy + Default {}

impl Element for f32 {}
impl Element for i32 {}
impl Element for u8 {}
impl Element for i8 {}

/// A slice of numbers, zero at first, that begins with a cache line.
#[derive(Debug)]
pub struct Buffer<T> {
    values: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Element> Buffer<T> {
    pub fn zeroed(len: usize) -> Result<Self> {
        let room = len.saturating_add(LINE / size_of::<T>());
        let mut values = memory::empty(room)?;
        values.resize(room, T::default());
        let start = values.as_ptr().align_offset(LINE).min(room - len);
        Ok(Self { values, start, len })
    }
}

impl<T> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.values[self.start..][..self.len]
    }
}

impl<T> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.values[self.start..][..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn a_buffer_is_zero_and_begins_with_a_line() {
        for len in [0, 1, 15, 64, 1000] {
            let (floats, bytes) = (Buffer::<f32>::zeroed(len).unwrap(), Buffer::<u8>::zeroed(len).unwrap());
            assert_eq!((&*floats, &*bytes), (&*vec![0.0; len], &*vec![0; len]));
            assert_eq!((floats.as_ptr() as usize % LINE, bytes.as_ptr() as usize % LINE), (0, 0));
        }
    }

    #[test]
    fn what_cannot_be_had_is_an_error() {
        for len in [usize::MAX, usize::MAX / 8, 1 << 45] {
            assert!(matches!(Buffer::<f32>::zeroed(len), Err(Error::OutOfMemory { bytes: Some(_) })));
        }
    }
}
