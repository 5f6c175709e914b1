//! Activations in eight bits.

use super::buffer::Buffer;
use super::compiled;
use super::instructions::Instructions;
use super::simd::{LANES, Simd};
use super::{math, stride};
use crate::error::Result;

/// Rows of numbers from 0 to 255, each part of a row with its scale and its zero point: x = (q - zero) * scale.
pub struct Quantized {
    /// A byte for a number, or two: as many as the instructions that the rows were filled with multiply.
    pub(super) values: Buffer<u8>,
    /// Those of the first part of each row, then those of the second.
    pub(super) scales: Buffer<f32>,
    /// The negative zero points, and 128 times as much, in 16 bits each: for the pairs of
    /// [`Int8Matrix::sums`](super::Int8Matrix::sums).
    pub(super) zeros: Buffer<i32>,
    pub(super) parts: usize,
    pub(super) rows: usize,
    pub(super) inputs: usize,
    /// Bytes from one row to the next.
    pub(super) stride: usize,
    pub(super) bytes: usize,
}

impl Quantized {
    /// Room for so many rows of so many inputs in so many parts, or of fewer.
    pub fn new(rows: usize, inputs: usize, parts: usize) -> Result<Self> {
        let values = Buffer::zeroed(rows.saturating_mul(row_bytes(inputs, 2)))?;
        let (scales, zeros) = (Buffer::zeroed(rows * parts)?, Buffer::zeroed(rows * parts)?);
        Ok(Self { values, scales, zeros, parts: 1, rows: 0, inputs: 0, stride: 0, bytes: 1 })
    }

    /// Takes rows of `stride(factors.len())` floats in so many parts, column by column times `factors`.
    pub fn fill(&mut self, instructions: Instructions, x: &[f32], rows: usize, parts: usize, factors: &[f32]) {
        fill(instructions, self, x, rows, parts, factors);
    }
}

/// Bytes of a row: room for whole loads, and a cache line more, as in [`stride`].
fn row_bytes(inputs: usize, bytes: usize) -> usize {
    (inputs * bytes).next_multiple_of(64) + 64
}

compiled! {
    pub fn fill(to: &mut Quantized, x: &[f32], rows: usize, parts: usize, factors: &[f32]) = fill_with
}

#[inline(always)]
fn fill_with<S: Simd>(simd: S, to: &mut Quantized, x: &[f32], rows: usize, parts: usize, factors: &[f32]) {
    let inputs = factors.len();
    let (from_stride, to_stride) = (stride(inputs), row_bytes(inputs, S::BYTES));
    assert!(parts == 1 || inputs.is_multiple_of(parts * LANES));
    assert!(x.len() >= rows * from_stride);
    assert!(to.values.len() >= rows * to_stride && to.scales.len() >= rows * parts);
    (to.rows, to.inputs, to.parts, to.stride, to.bytes) = (rows, inputs, parts, to_stride, S::BYTES);
    let width = inputs / parts;
    for row in 0..rows {
        for part in 0..parts {
            let values = &mut to.values[row * to_stride..][part * width * S::BYTES..to_stride];
            let x = &x[row * from_stride..][part * width..from_stride];
            let at = part * rows + row;
            (to.scales[at], to.zeros[at]) = quantize(simd, x, &factors[part * width..][..width], values);
        }
    }
}

/// Quantizes a row, zero being one of the 256 numbers, and gives its scale and its zero point as [`Quantized`] has it.
#[inline(always)]
fn quantize<S: Simd>(simd: S, x: &[f32], factors: &[f32], to: &mut [u8]) -> (f32, i32) {
    let (factors, rest) = factors.as_chunks::<LANES>();
    let (whole, _) = x.as_chunks::<LANES>();
    // Zeros behind the end, so that they change nothing.
    let mut last = [0.0; LANES];
    for ((last, x), factor) in last.iter_mut().zip(&x[LANES * factors.len()..]).zip(rest) {
        *last = x * factor;
    }

    let (mut low, mut high) = (simd.splat(0.0), simd.splat(0.0));
    let mut extend = |x| (low, high) = (simd.min(x, low), simd.max(x, high));
    for (x, factors) in whole.iter().zip(factors) {
        extend(simd.mul(simd.load(x), simd.load(factors)));
    }
    if !rest.is_empty() {
        extend(simd.load(&last));
    }
    let low = -simd.largest(simd.sub(simd.splat(0.0), low));
    let high = simd.largest(high);
    // Divided first, as their difference may be too large for a float.
    let scale = math::larger(high / 255.0 - low / 255.0, f32::MIN_POSITIVE);
    let inverse = 1.0 / scale;
    let zero = math::smaller(math::larger(-low * inverse, 0.0), 255.0).round_ties_even();

    let (inverse, zeros) = (simd.splat(inverse), simd.splat(zero));
    let quantized = |x| simd.min(simd.max(simd.fma(x, inverse, zeros), simd.splat(0.0)), simd.splat(255.0));
    let mut to = to.chunks_exact_mut(LANES * S::BYTES);
    for ((x, factors), to) in whole.iter().zip(factors).zip(&mut to) {
        simd.store_quantized(quantized(simd.mul(simd.load(x), simd.load(factors))), to);
    }
    if let Some(to) = to.next().filter(|_| !rest.is_empty()) {
        simd.store_quantized(quantized(simd.load(&last)), to);
    }
    let zero = -(zero as i32);
    (scale, (zero << 7 << 16) | (zero & 0xffff))
}
