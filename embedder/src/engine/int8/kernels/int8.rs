//! Products with weights in eight bits.

use std::ops::Range;

#[cfg(target_arch = "x86_64")]
use super::amx::{self, Amx};
use super::instructions::Instructions;
use super::quantized::Quantized;
use super::simd::{Int8Panel, Int8Rows, Simd, halves, halves_mut};
use super::{PANEL, Then, blocks, compiled, stride};

/// Weights in eight bits with a scale for each output and each part of the inputs; all slices are padded with zeros to
/// whole panels of 32 outputs.
#[derive(Clone, Copy)]
pub struct Int8Matrix<'w> {
    pub inputs: usize,
    pub outputs: usize,
    /// In how many parts of one size the inputs are, each with scales of its own: one, or such that each is of whole
    /// sixteens.
    pub parts: usize,
    /// As [`pack_int8`] lays them out.
    pub values: &'w [i8],
    /// Of each output's values, part by part, as pairs of `low + 128 * high`.
    pub sums: &'w [i32],
    /// Part by part.
    pub scales: &'w [f32],
    pub bias: &'w [f32],
}

/// Weights, given output by output, as panels of 32 outputs, `[outputs / 32][inputs / 4][32][4]`, with zeros where there
/// are none; and the sums of each output's weights, part by part.
pub fn pack_int8(outputs: usize, inputs: usize, parts: usize, values: &[i8]) -> (Vec<i8>, Vec<i32>) {
    let (panels, groups) = (outputs.div_ceil(PANEL), inputs.div_ceil(4));
    let mut packed = vec![0; panels * groups * PANEL * 4];
    let mut sums = vec![0; parts * panels * PANEL];
    for output in 0..outputs {
        for (input, &value) in values[output * inputs..][..inputs].iter().enumerate() {
            let group = output / PANEL * groups + input / 4;
            packed[(group * PANEL + output % PANEL) * 4 + input % 4] = value;
            sums[input / (inputs / parts) * panels * PANEL + output] += i32::from(value);
        }
    }
    (packed, sums.into_iter().map(pair).collect())
}

/// A whole number as `low + 128 * high`, in 16 bits each: processors multiply such pairs, and add both products, at once. Up
/// to the sum of 33,000 weights.
fn pair(x: i32) -> i32 {
    (x >> 7 << 16) | (x & 127)
}

/// Bytes of weights that are fetched ahead at least. *Measured*: 1 to 4 kB are alike, 6 kB and more slower.
const AHEAD: usize = 3072;

/// Rows of `stride(w.outputs)` floats: (sum - zero point * sum of weights) * scale of the row * scale of the output, for each
/// part of the inputs one after the other, + bias, then what is to be done with them. The rows were quantized with the same
/// instructions.
pub fn multiply_int8(instructions: Instructions, a: &Quantized, w: Int8Matrix<'_>, then: Then<'_>, out: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if instructions == Instructions::Amx
        && a.rows > amx::FEW
        && a.inputs > 0
        && let Some(amx) = Amx::get()
    {
        return amx::multiply(amx, a, w, then, out);
    }
    multiply(instructions, a, w, then, out);
}

compiled! {
    fn multiply(a: &Quantized, w: Int8Matrix<'_>, then: Then<'_>, out: &mut [f32]) = multiply_with
}

#[inline(always)]
fn multiply_with<S: Simd>(simd: S, a: &Quantized, w: Int8Matrix<'_>, then: Then<'_>, out: &mut [f32]) {
    let out_stride = stride(w.outputs);
    let tile = |rows: Range<usize>, x: Int8Rows<'_>, panel: Int8Panel<'_>, out: &mut [f32]| {
        simd.int8_tile(rows.len(), x, panel, out, out_stride);
    };
    multiply_by(simd, a, w, then, out, S::INT8_ROWS, tile);
}

/// The same, with what adds the products of at most `most` rows with one part of a panel to `out`, of which the first row is
/// that of these rows, from the panel's first column on.
#[inline(always)]
pub fn multiply_by<S: Simd>(
    simd: S,
    a: &Quantized,
    w: Int8Matrix<'_>,
    then: Then<'_>,
    out: &mut [f32],
    most: usize,
    mut tile: impl FnMut(Range<usize>, Int8Rows<'_>, Int8Panel<'_>, &mut [f32]),
) {
    let (panels, groups, out_stride) = (w.outputs.div_ceil(PANEL), w.inputs.div_ceil(4) / w.parts, stride(w.outputs));
    assert!(a.inputs == w.inputs && a.parts == w.parts && a.bytes == S::BYTES);
    assert!(out.len() >= a.rows * out_stride && then.fits(a.rows * out_stride));
    let (values, _) = w.values.as_chunks::<{ 4 * PANEL }>();
    for panel in 0..panels {
        let column = panel * PANEL;
        for row in out.chunks_exact_mut(out_stride).take(a.rows) {
            *halves_mut(row, column) = *halves(w.bias, column);
        }
        // All rows by one part after the other: its weights stay in the first-level cache.
        for part in 0..w.parts {
            let values = &values[(panel * w.parts + part) * groups..][..groups];
            let at = part * panels * PANEL + column;
            let ahead = size_of_val(values).max(AHEAD);
            let panel = Int8Panel { values, sums: halves(w.sums, at), scales: halves(w.scales, at), ahead };
            for rows in blocks(a.rows, most) {
                let x = Int8Rows { a, part, first: rows.start };
                tile(rows.clone(), x, panel, &mut out[rows.start * out_stride + column..]);
                if part + 1 == w.parts {
                    then.apply(simd, out, rows, out_stride, column);
                }
            }
        }
    }
}
