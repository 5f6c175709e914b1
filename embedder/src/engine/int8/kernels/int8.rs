//! Products with weights in eight bits.

use super::quantized::Quantized;
use super::simd::{Int8Panel, Int8Rows, Simd, halves};
use super::{PANEL, Then, blocks, compiled, stride};

/// Weights in eight bits with a scale for each output; all slices are padded with zeros to whole panels of 32 outputs.
#[derive(Clone, Copy)]
pub struct Int8Matrix<'w> {
    pub inputs: usize,
    pub outputs: usize,
    /// As [`pack_int8`] lays them out.
    pub values: &'w [i8],
    /// Of each output's values.
    pub sums: &'w [i32],
    pub scales: &'w [f32],
    pub bias: &'w [f32],
}

/// Weights, given output by output, as panels of 32 outputs, `[outputs / 32][inputs / 4][32][4]`, with zeros where there
/// are none; and the sum of each output's weights.
pub fn pack_int8(outputs: usize, inputs: usize, values: &[i8]) -> (Vec<i8>, Vec<i32>) {
    let (panels, groups) = (outputs.div_ceil(PANEL), inputs.div_ceil(4));
    let mut packed = vec![0; panels * groups * PANEL * 4];
    let mut sums = vec![0; panels * PANEL];
    for output in 0..outputs {
        for (input, &value) in values[output * inputs..][..inputs].iter().enumerate() {
            let group = output / PANEL * groups + input / 4;
            packed[(group * PANEL + output % PANEL) * 4 + input % 4] = value;
            sums[output] += i32::from(value);
        }
    }
    (packed, sums)
}

compiled! {
    /// Rows of `stride(w.outputs)` floats: (sum - zero point * sum of weights) * scale of the row * scale of the output +
    /// bias, then what is to be done with them. The rows were quantized with the same instructions.
    pub fn multiply_int8(a: &Quantized, w: Int8Matrix<'_>, then: Then<'_>, out: &mut [f32]) = multiply_with
}

#[inline(always)]
fn multiply_with<S: Simd>(simd: S, a: &Quantized, w: Int8Matrix<'_>, then: Then<'_>, out: &mut [f32]) {
    let (panels, groups, out_stride) = (w.outputs.div_ceil(PANEL), w.inputs.div_ceil(4), stride(w.outputs));
    assert!(a.inputs == w.inputs && a.bytes == S::BYTES);
    assert!(out.len() >= a.rows * out_stride && then.fits(a.rows * out_stride));
    let (values, _) = w.values.as_chunks::<{ 4 * PANEL }>();
    for panel in 0..panels {
        let column = panel * PANEL;
        let [scales, bias] = [w.scales, w.bias].map(|columns| halves(columns, column));
        let panel =
            Int8Panel { values: &values[panel * groups..][..groups], sums: halves(w.sums, column), scales, bias };
        for block in blocks(a.rows, S::ROWS) {
            let x = Int8Rows {
                values: &a.values[block.start * a.stride..],
                stride: a.stride,
                scales: &a.scales[block.clone()],
                zeros: &a.zeros[block.clone()],
            };
            simd.int8_tile(block.len(), x, panel, &mut out[block.start * out_stride + column..], out_stride);
            then.apply(simd, out, block, out_stride, column);
        }
    }
}
