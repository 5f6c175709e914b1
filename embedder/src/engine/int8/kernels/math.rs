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

/// x / 2 * (1 + erf(x / sqrt 2)). The error function is a rational one of degree 13 and 8, clamped where it is 1.
#[inline(always)]
pub fn gelu<S: Simd>(simd: S, x: S::Floats) -> S::Floats {
    let t = simd.mul(x, simd.splat(std::f32::consts::FRAC_1_SQRT_2));
    let t = simd.max(simd.min(t, simd.splat(4.0)), simd.splat(-4.0));
    let u = simd.mul(t, t);
    let p = [
        -2.726_142_3e-10,
        2.770_681_4e-8,
        -2.101_024e-6,
        -5.692_506_4e-5,
        -7.349_906_5e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ];
    let q = [-1.456_607_18e-5, -2.133_740_5e-4, -1.682_827e-3, -7.373_329_4e-3, -1.426_473_9e-2];
    let (p, q) = (polynomial(simd, u, p), polynomial(simd, u, q));
    let erf = simd.div(simd.mul(t, p), q);
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
