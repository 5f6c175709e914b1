//! A model's weights to 8 bits.
//!
//! Balanced first: what a weight matrix and its activations have of large and small inputs is spread over both (SmoothQuant,
//! arXiv 2211.10438). Then each output's weights get the scale with the least squared error, and are rounded one after the
//! other, each making good the errors of those before.

use ndarray::ArrayView1;

use super::calibrate::{BLOCK, FloatWeights, Matrix, TEXTS};
use super::encoder::{self, Scratch};
use super::kernels::{Buffer, Instructions, pack_int8};
use super::parts::{Bytes, Int8Weights, LinearPlaces, Parts};
use super::rounding::Feedback;
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::model::Model;
use crate::tokenizer::Tokenizer;

/// Least cosine of a text's vector to the exact one.
const LEAST_COSINE: f32 = 0.98;

/// The weights in 8 bits, made with these instructions: which they are is of no effect on them.
///
/// # Errors
/// What is wrong with the model's files; an interrupt; a model whose vectors are too far from the exact ones.
pub fn quantize(
    instructions: Instructions,
    model: &Model,
    tokenizer: &Tokenizer,
    interrupt: Interrupt,
) -> Result<Int8Weights> {
    let config = model.config();
    let ids = TEXTS.lines().map(|text| Ok(tokenizer.encode(text)?.ids)).collect::<Result<Vec<_>>>()?;
    let mut weights = FloatWeights::read(model, interrupt)?;
    let exact = weights.calibrate(instructions, config, &ids, interrupt)?;
    let parts = Parts::of(config);
    let file = write(weights, &parts, interrupt)?;
    let mut weights = Int8Weights::new(parts, Bytes::Owned(file));
    let mut scratch = Scratch::default();
    for (ids, exact) in ids.iter().zip(&exact) {
        interrupt.check()?;
        let found = encoder::run(instructions, config, &mut weights, &mut scratch, &[ids])?;
        let cosine = cosine(found.row(0), exact.into());
        if cosine < LEAST_COSINE || cosine.is_nan() {
            return Err(Error::Imprecise { cosine });
        }
    }
    Ok(weights)
}

fn cosine(a: ArrayView1<f32>, b: ArrayView1<f32>) -> f32 {
    a.dot(&b) / (a.dot(&a) * b.dot(&b)).sqrt()
}

fn write(weights: FloatWeights, parts: &Parts, interrupt: Interrupt) -> Result<Buffer<u8>> {
    let mut file = Buffer::zeroed(parts.bytes)?;
    parts.word.put(&mut file, &weights.word);
    parts.position.put(&mut file, &weights.position);
    for (place, values) in parts.norm.iter().zip(&weights.norm) {
        place.put(&mut file, values);
    }
    for (places, layer) in parts.layers.iter().zip(weights.layers) {
        for (places, matrix) in places.linear.iter().zip(&layer.linear) {
            interrupt.check()?;
            put(&mut file, places, matrix);
        }
        for (place, values) in places.norms.iter().flatten().zip(layer.norms.iter().flatten()) {
            place.put(&mut file, values);
        }
    }
    for (places, matrix) in parts.dense.iter().zip(&weights.dense) {
        let [values, bias] = &matrix.packed;
        places.values.put(&mut file, values);
        places.bias.put(&mut file, bias);
    }
    Ok(file)
}

/// Quantises a matrix.
fn put(file: &mut [u8], places: &LinearPlaces, matrix: &Matrix) {
    let (factors, width) = (balance(matrix), matrix.inputs / places.parts);
    let padded = places.scales.len() / places.parts;
    let squares = matrix.seen.mean_squares().zip(&factors).map(|(square, factor)| square * f64::from(*factor).powi(2));
    let squares: Vec<f64> = squares.collect();
    let feedback = feedback(matrix, &factors);
    let mut values = Vec::with_capacity(matrix.values.len());
    let mut scales = vec![0.0; places.scales.len()];
    let mut bias = matrix.bias.clone();
    for (output, (row, bias)) in matrix.values.chunks_exact(matrix.inputs).zip(&mut bias).enumerate() {
        let row: Vec<f32> = row.iter().zip(&factors).map(|(x, factor)| x / factor).collect();
        for (part, (row, squares)) in row.chunks_exact(width).zip(squares.chunks_exact(width)).enumerate() {
            scales[part * padded + output] = best_scale(row, squares);
        }
        let scale = |input: usize| scales[input / width * padded + output];
        let mut errors = Vec::with_capacity(row.len());
        for ((row, feedback), first) in row.chunks(BLOCK).zip(&feedback).zip((0..).step_by(BLOCK)) {
            let rounded = feedback.round(row, |input, x| quantized(x, scale(first + input)) * scale(first + input));
            values.extend((first..).zip(&rounded).map(|(input, x)| quantized(*x, scale(input)) as i8));
            errors.extend(rounded.iter().zip(row).map(|(rounded, x)| rounded - x));
        }
        // What rounding the weights adds on average is no noise, so it is taken off again.
        let errors = errors.iter().zip(&factors).map(|(error, factor)| f64::from(error * factor));
        *bias -= errors.zip(matrix.seen.means()).map(|(error, mean)| error * mean).sum::<f64>() as f32;
    }
    let (packed, sums) = pack_int8(matrix.outputs, matrix.inputs, places.parts, &values);
    places.factors.put(file, &factors);
    places.values.put(file, &packed);
    places.sums.put(file, &sums);
    places.scales.put(file, &scales);
    places.bias.put(file, &bias);
}

/// Part of the inputs' mean square that is added to each one's: what calibration has seen is not all.
const DAMPING: f64 = 0.005;

/// For each block of inputs.
fn feedback(matrix: &Matrix, factors: &[f32]) -> Vec<Feedback> {
    let blocks = matrix.seen.covariances().zip(factors.chunks(BLOCK));
    let feedback = blocks.map(|(mut products, factors)| {
        let inputs = factors.len();
        for (row, factor) in products.chunks_exact_mut(inputs).zip(factors) {
            row.iter_mut().zip(factors).for_each(|(x, other)| *x *= f64::from(factor * other));
        }
        let sum: f64 = products.iter().step_by(inputs + 1).sum();
        let damping = (DAMPING * sum / inputs as f64).max(f64::MIN_POSITIVE);
        products.iter_mut().step_by(inputs + 1).for_each(|x| *x += damping);
        Feedback::new(inputs, products)
    });
    feedback.collect()
}

/// What each input is multiplied by, and its weights are divided by: then the largest of both are equal.
fn balance(matrix: &Matrix) -> Vec<f32> {
    let mut largest = vec![0.0f32; matrix.inputs];
    for row in matrix.values.chunks_exact(matrix.inputs) {
        largest.iter_mut().zip(row).for_each(|(largest, x)| *largest = largest.max(x.abs()));
    }
    let factor = |(weight, activation): (&f32, &f32)| {
        let factor = (weight / activation).sqrt();
        // An input that is always zero has no balance.
        if factor.is_normal() { factor } else { 1.0 }
    };
    largest.iter().zip(&matrix.seen.largest).map(factor).collect()
}

/// The largest value of a weight in 8 bits: with -128, sums could not be negated.
const LARGEST: f32 = 127.0;

fn quantized(x: f32, scale: f32) -> f32 {
    (x / scale).round_ties_even().clamp(-LARGEST, LARGEST)
}

/// The scale with the least squared error of the products, given the mean squares of what the weights are multiplied with.
/// With a small one more weights are precise, and the largest are cut.
fn best_scale(row: &[f32], squares: &[f64]) -> f32 {
    let largest = row.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
    if largest == 0.0 {
        return 1.0;
    }
    let error = |scale: f32| {
        let error = |x: &f32| f64::from(quantized(*x, scale) * scale - x).powi(2);
        row.iter().zip(squares).map(|(x, square)| error(x) * square).sum::<f64>()
    };
    let scales = (0..=20).map(|step| largest / LARGEST * (0.5 + 0.025 * step as f32));
    let best = scales.map(|scale| (error(scale), scale)).min_by(|(a, _), (b, _)| a.total_cmp(b));
    best.map_or(1.0, |(_, scale)| scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_scale_is_that_of_the_largest_weight_unless_that_is_hardly_used() {
        let even: Vec<f32> = (-127..=127).map(|x| x as f32).collect();
        assert!((best_scale(&even, &[1.0; 255]) - 1.0).abs() < 1e-3);
        let uneven: Vec<f32> = (0..255).map(|n| (n as f32).sin()).collect();
        let used: Vec<f64> = uneven.iter().map(|x| if x.abs() < 0.6 { 1.0 } else { 0.0 }).collect();
        assert!(best_scale(&uneven, &used) < 0.8 / LARGEST);
        assert_eq!(best_scale(&[0.0; 3], &[1.0; 3]), 1.0);
    }
}
