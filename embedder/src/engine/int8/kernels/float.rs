//! Products with weights in float32.

use super::simd::{FloatPanel, Simd, halves};
use super::{PANEL, Then, blocks, compiled, stride};

/// Weights in float32; both slices are padded with zeros to whole panels of 32 outputs.
#[derive(Clone, Copy)]
pub struct FloatMatrix<'w> {
    pub inputs: usize,
    pub outputs: usize,
    /// As [`pack_float`] lays them out.
    pub values: &'w [f32],
    pub bias: &'w [f32],
}

/// Weights, given output by output, as panels of 32 outputs, `[outputs / 32][inputs][32]`, with zeros where there are
/// none.
pub fn pack_float(outputs: usize, inputs: usize, values: &[f32]) -> Vec<f32> {
    let mut packed = vec![0.0; outputs.next_multiple_of(PANEL) * inputs];
    for output in 0..outputs {
        for (input, &value) in values[output * inputs..][..inputs].iter().enumerate() {
            packed[(output / PANEL * inputs + input) * PANEL + output % PANEL] = value;
        }
    }
    packed
}

compiled! {
    /// Rows of `stride(w.outputs)` floats from rows of `stride(w.inputs)`: their products with the weights + bias, then
    /// what is to be done with them.
    pub fn multiply(x: &[f32], rows: usize, w: FloatMatrix<'_>, then: Then<'_>, out: &mut [f32]) = multiply_with
}

#[inline(always)]
fn multiply_with<S: Simd>(simd: S, x: &[f32], rows: usize, w: FloatMatrix<'_>, then: Then<'_>, out: &mut [f32]) {
    let (panels, x_stride, out_stride) = (w.outputs.div_ceil(PANEL), stride(w.inputs), stride(w.outputs));
    assert!(x.len() >= rows * x_stride);
    assert!(out.len() >= rows * out_stride && then.fits(rows * out_stride));
    let (values, _) = w.values.as_chunks::<PANEL>();
    for panel in 0..panels {
        let column = panel * PANEL;
        let values = &values[panel * w.inputs..][..w.inputs];
        let panel = FloatPanel { values, bias: halves(w.bias, column) };
        for block in blocks(rows, S::ROWS) {
            let x = &x[block.start * x_stride..];
            simd.float_tile(block.len(), x, x_stride, panel, &mut out[block.start * out_stride + column..], out_stride);
            then.apply(simd, out, block, out_stride, column);
        }
    }
}
