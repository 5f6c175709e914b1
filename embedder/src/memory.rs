//! Memory whose size follows the input: asked for in a way that can fail.

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

    #[test]
    fn what_can_be_had_is_zero() {
        assert_eq!(zeros(3, 2).unwrap(), Array2::<f32>::zeros((3, 2)));
        assert_eq!(copy(&[1, 2]).unwrap(), [1, 2]);
    }
}
