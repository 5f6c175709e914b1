//! What is done to rows of activations, one after another.

use super::simd::{LANES, Simd, lanes};
use super::{compiled, math, stride};

compiled! {
    /// Normalises rows of `stride(width)` floats to mean 0 and variance 1, then times `gamma` plus `beta`.
    pub fn layer_norm(x: &mut [f32], rows: usize, width: usize, gamma: &[f32], beta: &[f32], epsilon: f32) = layer_norm_with
}

/// Sums that are added to in turn, as one addition waits for the last one.
const SUMS: usize = 4;

#[inline(always)]
fn layer_norm_with<S: Simd>(
    simd: S,
    x: &mut [f32],
    rows: usize,
    width: usize,
    gamma: &[f32],
    beta: &[f32],
    epsilon: f32,
) {
    assert!(x.len() >= rows * stride(width) && gamma.len() >= width && beta.len() >= width);
    if width == 0 {
        return;
    }
    for row in x.chunks_exact_mut(stride(width)).take(rows) {
        let (whole, rest) = row.split_at_mut(width / LANES * LANES);
        normalize_row(simd, whole.as_chunks_mut().0, &mut rest.as_chunks_mut().0[0], width, gamma, beta, epsilon);
    }
}

/// Normalises a row of whole sixteens and a last one that is partly, or wholly, padding.
#[inline(always)]
fn normalize_row<S: Simd>(
    simd: S,
    whole: &mut [[f32; LANES]],
    last: &mut [f32; LANES],
    width: usize,
    gamma: &[f32],
    beta: &[f32],
    epsilon: f32,
) {
    let count = width % LANES;
    let mut sums = [simd.splat(0.0); SUMS];
    sums[0] = simd.first(simd.load(last), count, 0.0);
    each(whole, |x, sum| {
        sums[sum] = simd.add(sums[sum], simd.load(x));
    });
    let mean = simd.splat(total(simd, sums) / width as f32);

    let rest = simd.first(simd.sub(simd.load(last), mean), count, 0.0);
    let mut sums = [simd.splat(0.0); SUMS];
    sums[0] = simd.mul(rest, rest);
    each(whole, |x, sum| {
        let deviation = simd.sub(simd.load(x), mean);
        sums[sum] = simd.fma(deviation, deviation, sums[sum]);
    });
    let factor = simd.splat(1.0 / (total(simd, sums) / width as f32 + epsilon).sqrt());

    let (gammas, last_gammas) = gamma[..width].as_chunks();
    let (betas, last_betas) = beta[..width].as_chunks();
    for ((x, gamma), beta) in whole.iter_mut().zip(gammas).zip(betas) {
        let y = simd.mul(simd.sub(simd.load(x), mean), factor);
        simd.store(simd.fma(y, simd.load(gamma), simd.load(beta)), x);
    }
    simd.store(simd.mul(rest, factor), last);
    for ((x, gamma), beta) in last.iter_mut().zip(last_gammas).zip(last_betas) {
        *x = x.mul_add(*gamma, *beta);
    }
    last[count..].fill(0.0);
}

/// Calls `then` with each of the sixteens and the number of the sum that it is added to.
#[inline(always)]
fn each(x: &[[f32; LANES]], mut then: impl FnMut(&[f32; LANES], usize)) {
    let (groups, rest) = x.as_chunks::<SUMS>();
    for group in groups {
        for sum in 0..SUMS {
            then(&group[sum], sum);
        }
    }
    for (sum, x) in rest.iter().enumerate() {
        then(x, sum);
    }
}

#[inline(always)]
fn total<S: Simd>(simd: S, sums: [S::Floats; SUMS]) -> f32 {
    simd.sum(simd.add(simd.add(sums[0], sums[1]), simd.add(sums[2], sums[3])))
}

compiled! {
    /// The sum of each column of rows of `stride(width)` floats, added in the order of the rows.
    pub fn sum_rows(x: &[f32], rows: usize, width: usize, out: &mut [f32]) = sum_rows_with
}

#[inline(always)]
fn sum_rows_with<S: Simd>(simd: S, x: &[f32], rows: usize, width: usize, out: &mut [f32]) {
    assert!(x.len() >= rows * stride(width));
    for (columns, out) in out[..width].chunks_mut(LANES).enumerate() {
        let mut sum = simd.splat(0.0);
        for row in 0..rows {
            sum = simd.add(sum, simd.load(lanes(&x[row * stride(width) + columns * LANES..])));
        }
        let mut sums = [0.0; LANES];
        simd.store(sum, &mut sums);
        out.copy_from_slice(&sums[..out.len()]);
    }
}

compiled! {
    /// Makes a vector of unit length; one of zeros stays as it is.
    pub fn normalize(x: &mut [f32]) = normalize_with
}

#[inline(always)]
fn normalize_with<S: Simd>(simd: S, x: &mut [f32]) {
    let (whole, rest) = x.as_chunks_mut::<LANES>();
    let mut last = [0.0; LANES];
    last[..rest.len()].copy_from_slice(rest);
    let mut squares = simd.splat(0.0);
    for x in whole.iter().chain([&last]) {
        squares = simd.fma(simd.load(x), simd.load(x), squares);
    }
    let factor = 1.0 / math::larger(simd.sum(squares).sqrt(), 1e-12);
    for x in x {
        *x *= factor;
    }
}

compiled! {
    /// The hyperbolic tangent of each of a vector's components.
    pub fn tanh(x: &mut [f32]) = tanh_with
}

#[inline(always)]
fn tanh_with<S: Simd>(simd: S, x: &mut [f32]) {
    let (whole, rest) = x.as_chunks_mut::<LANES>();
    let mut last = [0.0; LANES];
    last[..rest.len()].copy_from_slice(rest);
    for x in whole.iter_mut().chain([&mut last]) {
        simd.store(math::tanh(simd, simd.load(x)), x);
    }
    rest.copy_from_slice(&last[..rest.len()]);
}
