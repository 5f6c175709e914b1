//! Functions of floats, sixteen at once.

use super::simd::Simd;

/// `x` where it is smaller, else `y`, also where either is not a number: as the processors' instructions have it.
#[inline(always)]
pub fn smaller(x: f32, y: f32) -> f32 {
    if x < y { x } else { y }
}

/// `x` where it is larger, else `y`, also where either is not a number.
#[inline(always)]
pub fn larger(x: f32, y: f32) -> f32 {
    if x > y { x } else { y }
}

/// c\[0\] * x^n + … + c\[n\].
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(simd: S, x: S::Floats, coefficients: [f32; N]) -> S::Floats {
    let mut sum = simd.splat(coefficients[0]);
    for &coefficient in &coefficients[1..] {
        sum = simd.fma(sum, x, simd.splat(coefficient));
    }
    sum
}

/// e to the power of `x`, of at most 88 and taken for -87 below that, after Cephes.
#[inline(always)]
pub fn exp<S: Simd>(simd: S, x: S::Floats) -> S::Floats {
    let x = simd.max(x, simd.splat(-87.0));
    let x = simd.min(x, simd.splat(88.0));
    let n = simd.round(simd.mul(x, simd.splat(std::f32::consts::LOG2_E)));
    // ln 2 in two parts, the first of few bits: its product with a small whole number is exact.
    let r = simd.fma(n, simd.splat(-0.693_359_4), x);
    let r = simd.fma(n, simd.splat(2.121_944_4e-4), r);
    let p = [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    let p = polynomial(simd, r, p);
    let e = simd.add(simd.fma(p, simd.mul(r, r), r), simd.splat(1.0));
    simd.mul(e, simd.power_of_two(n))
}

/// e to the power of `x`, which is at most 0, to some 3e-6 of it: 2 to the power of a whole number, and of what is left.
#[inline(always)]
pub fn exp_below<S: Simd>(simd: S, x: S::Floats) -> S::Floats {
    let x = simd.max(simd.mul(x, simd.splat(std::f32::consts::LOG2_E)), simd.splat(-126.0));
    let n = simd.round(x);
    let p = [9.583_126e-3, 5.590_467e-2, 2.402_408_4e-1, 6.931_244e-1, 1.0];
    simd.mul(polynomial(simd, simd.sub(x, n), p), simd.power_of_two(n))
}

/// x / 2 * (1 + erf(x / sqrt 2)), to 1e-4: a hundredth of a step in which its results are quantised. The error function is
/// x times a polynomial in x^2, of the least error of the result, clamped where it is 1 to the bit.
#[inline(always)]
pub fn gelu<S: Simd>(simd: S, x: S::Floats) -> S::Floats {
    let t = simd.max(simd.min(x, simd.splat(4.2)), simd.splat(-4.2));
    let p = [
        -1.803_445_5e-9,
        1.588_225e-7,
        -6.075_741e-6,
        1.337_795_8e-4,
        -1.901_300_4e-3,
        1.859_639_6e-2,
        -1.310_562_5e-1,
        7.969_324_6e-1,
    ];
    let erf = simd.mul(t, polynomial(simd, simd.mul(t, t), p));
    let half = simd.mul(x, simd.splat(0.5));
    simd.fma(half, erf, half)
}

/// The hyperbolic tangent, to some 1e-7 of 1.
#[inline(always)]
pub fn tanh<S: Simd>(simd: S, x: S::Floats) -> S::Floats {
    let one = simd.splat(1.0);
    let e = exp(simd, simd.add(x, x));
    simd.sub(one, simd.div(simd.splat(2.0), simd.add(e, one)))
}
