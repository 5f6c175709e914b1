//! Sixteen floats at once with the instructions of x86-64.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::PANEL;
use super::simd::{FloatPanel, HALVES, Int8Panel, Int8Rows, LANES, Simd, float_tile, for_rows, int8_tile};

/// AVX-512 with its dot products of bytes.
#[derive(Clone, Copy)]
pub struct Avx512(());

impl Avx512 {
    /// The proof that the processor has what kernels are compiled for.
    pub fn get() -> Option<Self> {
        let here = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni");
        (here && Avx2::get().is_some()).then_some(Self(()))
    }
}

/// AVX2 and FMA.
#[derive(Clone, Copy)]
pub struct Avx2(());

impl Avx2 {
    /// The proof that the processor has what kernels are compiled for.
    pub fn get() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }
}

/// Defines methods of [`Simd`] by instructions.
macro_rules! by_instructions {
    ($(fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? { $($body:tt)* })+) => {
        $(
            #[inline(always)]
            fn $name(self, $($argument: $type),*) $(-> $result)? {
                // SAFETY: a value of this type exists only where the processor has the instructions, and what is read
                // or written is the whole of an array, at any alignment.
                unsafe { $($body)* }
            }
        )+
    };
}

/// Defines the tiles of [`Simd`], compiled for these instructions and these numbers of rows, with so many halves of a panel of
/// floats at a time, and these numbers of rows of bytes.
macro_rules! tiles {
    ($features:literal, [$($rows:literal)+], $at_once:literal, [$($int8_rows:literal)+]) => {
        #[inline(always)]
        fn float_tile(
            self,
            rows: usize,
            x: &[f32],
            stride: usize,
            panel: FloatPanel<'_>,
            out: &mut [f32],
            out_stride: usize,
        ) {
            #[target_feature(enable = $features)]
            fn compiled<S: Simd>(
                simd: S,
                rows: usize,
                x: &[f32],
                stride: usize,
                panel: FloatPanel<'_>,
                out: &mut [f32],
                out_stride: usize,
            ) {
                if panel.bias.len() < $at_once {
                    for_rows!(rows, [$($rows)+], ROWS => float_tile::<_, ROWS, 1>(simd, x, stride, panel, out, out_stride));
                } else {
                    for_rows!(rows, [$($rows)+], ROWS => float_tile::<_, ROWS, $at_once>(simd, x, stride, panel, out, out_stride));
                }
            }
            // SAFETY: a value of this type exists only where the processor has the instructions.
            unsafe { compiled(self, rows, x, stride, panel, out, out_stride) }
        }

        #[inline(always)]
        fn int8_tile(self, rows: usize, x: Int8Rows<'_>, panel: Int8Panel<'_>, out: &mut [f32], out_stride: usize) {
            #[target_feature(enable = $features)]
            fn compiled<S: Simd>(
                simd: S,
                rows: usize,
                x: Int8Rows<'_>,
                panel: Int8Panel<'_>,
                out: &mut [f32],
                out_stride: usize,
            ) {
                for_rows!(rows, [$($int8_rows)+], ROWS => int8_tile::<_, ROWS>(simd, x, panel, out, out_stride));
            }
            // SAFETY: as above.
            unsafe { compiled(self, rows, x, panel, out, out_stride) }
        }
    };
}

impl Simd for Avx512 {
    type Floats = __m512;
    type Ints = __m512i;

    const ROWS: usize = 14;
    const INT8_ROWS: usize = 14;
    const BYTES: usize = 1;

    by_instructions! {
        fn splat(x: f32) -> __m512 { _mm512_set1_ps(x) }
        fn load(x: &[f32; LANES]) -> __m512 { _mm512_loadu_ps(x.as_ptr()) }
        fn store(x: __m512, to: &mut [f32; LANES]) { _mm512_storeu_ps(to.as_mut_ptr(), x) }
        fn add(x: __m512, y: __m512) -> __m512 { _mm512_add_ps(x, y) }
        fn sub(x: __m512, y: __m512) -> __m512 { _mm512_sub_ps(x, y) }
        fn mul(x: __m512, y: __m512) -> __m512 { _mm512_mul_ps(x, y) }
        fn div(x: __m512, y: __m512) -> __m512 { _mm512_div_ps(x, y) }
        fn fma(x: __m512, y: __m512, z: __m512) -> __m512 { _mm512_fmadd_ps(x, y, z) }
        fn min(x: __m512, y: __m512) -> __m512 { _mm512_min_ps(x, y) }
        fn max(x: __m512, y: __m512) -> __m512 { _mm512_max_ps(x, y) }
        fn first(x: __m512, count: usize, rest: f32) -> __m512 {
            let mask = _cvtu32_mask16((1 << count) - 1);
            _mm512_mask_blend_ps(mask, _mm512_set1_ps(rest), x)
        }
        fn sum(x: __m512) -> f32 { sum(avx512_halves(x)) }
        fn largest(x: __m512) -> f32 { largest(avx512_halves(x)) }
        fn round(x: __m512) -> __m512 { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x) }
        fn power_of_two(x: __m512) -> __m512 {
            let exponent = _mm512_add_epi32(_mm512_cvtps_epi32(x), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(exponent))
        }
        fn store_quantized(x: __m512, to: &mut [u8]) {
            let to = &mut to[..LANES];
            _mm_storeu_si128(to.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x)))
        }
        fn correct(sums: __m512i, columns: &[i32; LANES], zero: i32) -> __m512 {
            let columns = _mm512_loadu_epi32(columns.as_ptr());
            _mm512_cvtepi32_ps(_mm512_dpwssd_epi32(sums, columns, _mm512_set1_epi32(zero)))
        }
    }

    // Within the tile: its sums stay in registers.
    #[inline(always)]
    fn int8_sums<const ROWS: usize>(
        self,
        x: &[u8],
        stride: usize,
        panel: &[[i8; 4 * PANEL]],
        ahead: usize,
    ) -> [[Self::Ints; HALVES]; ROWS] {
        assert!(x.len() >= (ROWS - 1) * stride + 4 * panel.len());
        // SAFETY: a value of this type exists only where the processor has the instructions. What is read are the two halves
        // of 128 bytes, and at most the last four inputs of the last row, which were checked to be there; what is fetched
        // ahead may be anywhere.
        unsafe {
            let mut sums = [[_mm512_setzero_si512(); HALVES]; ROWS];
            for (group, weights) in panel.iter().enumerate() {
                let weights = weights.as_ptr();
                for half in [0, 64] {
                    self.fetch(weights.wrapping_add(ahead + half));
                }
                let (left, right) = (_mm512_loadu_si512(weights.cast()), _mm512_loadu_si512(weights.add(64).cast()));
                for row in 0..ROWS {
                    let x = x.as_ptr().add(row * stride + 4 * group).cast::<i32>().read_unaligned();
                    let x = _mm512_set1_epi32(x);
                    sums[row][0] = _mm512_dpbusd_epi32(sums[row][0], x, left);
                    sums[row][1] = _mm512_dpbusd_epi32(sums[row][1], x, right);
                }
            }
            sums
        }
    }

    tiles! {
        "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma",
        [1 2 3 4 5 6 7 8 9 10 11 12 13 14],
        2,
        [1 2 3 4 5 6 7 8 9 10 11 12 13 14]
    }
}

impl Avx512 {
    /// Has the processor fetch what is there, if anything is.
    #[inline(always)]
    pub fn fetch(self, at: *const i8) {
        // SAFETY: a hint, which may be of any address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at) }
    }

    /// Sixteen zeros.
    #[inline(always)]
    pub fn no_ints(self) -> __m512i {
        // SAFETY: a value of this type exists only where the processor has the instructions.
        unsafe { _mm512_setzero_si512() }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma")]
fn avx512_halves(x: __m512) -> [__m256; 2] {
    let upper = _mm512_extractf64x4_pd::<1>(_mm512_castps_pd(x));
    [_mm512_castps512_ps256(x), _mm256_castpd_ps(upper)]
}

impl Simd for Avx2 {
    type Floats = [__m256; 2];
    type Ints = [__m256i; 2];

    const ROWS: usize = 6;
    const INT8_ROWS: usize = 6;
    const BYTES: usize = 2;

    by_instructions! {
        fn splat(x: f32) -> [__m256; 2] { [_mm256_set1_ps(x); 2] }
        fn load(x: &[f32; LANES]) -> [__m256; 2] { [_mm256_loadu_ps(x.as_ptr()), _mm256_loadu_ps(x.as_ptr().add(8))] }
        fn store(x: [__m256; 2], to: &mut [f32; LANES]) {
            _mm256_storeu_ps(to.as_mut_ptr(), x[0]);
            _mm256_storeu_ps(to.as_mut_ptr().add(8), x[1])
        }
        fn add(x: [__m256; 2], y: [__m256; 2]) -> [__m256; 2] { [_mm256_add_ps(x[0], y[0]), _mm256_add_ps(x[1], y[1])] }
        fn sub(x: [__m256; 2], y: [__m256; 2]) -> [__m256; 2] { [_mm256_sub_ps(x[0], y[0]), _mm256_sub_ps(x[1], y[1])] }
        fn mul(x: [__m256; 2], y: [__m256; 2]) -> [__m256; 2] { [_mm256_mul_ps(x[0], y[0]), _mm256_mul_ps(x[1], y[1])] }
        fn div(x: [__m256; 2], y: [__m256; 2]) -> [__m256; 2] { [_mm256_div_ps(x[0], y[0]), _mm256_div_ps(x[1], y[1])] }
        fn fma(x: [__m256; 2], y: [__m256; 2], z: [__m256; 2]) -> [__m256; 2] {
            [_mm256_fmadd_ps(x[0], y[0], z[0]), _mm256_fmadd_ps(x[1], y[1], z[1])]
        }
        fn min(x: [__m256; 2], y: [__m256; 2]) -> [__m256; 2] { [_mm256_min_ps(x[0], y[0]), _mm256_min_ps(x[1], y[1])] }
        fn max(x: [__m256; 2], y: [__m256; 2]) -> [__m256; 2] { [_mm256_max_ps(x[0], y[0]), _mm256_max_ps(x[1], y[1])] }
        fn first(x: [__m256; 2], count: usize, rest: f32) -> [__m256; 2] {
            let mut first = x;
            for half in 0..2 {
                let lane = _mm256_add_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(8 * half as i32));
                let mask = _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), lane));
                first[half] = _mm256_blendv_ps(_mm256_set1_ps(rest), x[half], mask);
            }
            first
        }
        fn sum(x: [__m256; 2]) -> f32 { sum(x) }
        fn largest(x: [__m256; 2]) -> f32 { largest(x) }
        fn round(x: [__m256; 2]) -> [__m256; 2] {
            const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
            [_mm256_round_ps::<NEAREST>(x[0]), _mm256_round_ps::<NEAREST>(x[1])]
        }
        fn power_of_two(x: [__m256; 2]) -> [__m256; 2] {
            let mut powers = x;
            for half in 0..2 {
                let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(x[half]), _mm256_set1_epi32(127));
                powers[half] = _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent));
            }
            powers
        }
        fn store_quantized(x: [__m256; 2], to: &mut [u8]) {
            let to = &mut to[..2 * LANES];
            // Packing takes four from the one and four from the other, twice.
            let packed = _mm256_packs_epi32(_mm256_cvtps_epi32(x[0]), _mm256_cvtps_epi32(x[1]));
            _mm256_storeu_si256(to.as_mut_ptr().cast(), _mm256_permute4x64_epi64::<0b11_01_10_00>(packed))
        }
        fn correct(sums: [__m256i; 2], columns: &[i32; LANES], zero: i32) -> [__m256; 2] {
            let mut floats = [_mm256_setzero_ps(); 2];
            for half in 0..2 {
                let columns = _mm256_loadu_si256(columns.as_ptr().add(8 * half).cast());
                let products = _mm256_madd_epi16(columns, _mm256_set1_epi32(zero));
                floats[half] = _mm256_cvtepi32_ps(_mm256_add_epi32(sums[half], products));
            }
            floats
        }
    }

    #[inline(always)]
    fn int8_sums<const ROWS: usize>(
        self,
        x: &[u8],
        stride: usize,
        panel: &[[i8; 4 * PANEL]],
        _ahead: usize,
    ) -> [[Self::Ints; HALVES]; ROWS] {
        // SAFETY: a value of this type exists only where the processor has the instructions.
        unsafe { avx2_int8_sums(x, stride, panel) }
    }

    tiles! { "avx2,fma", [1 2 3 4 5 6], 1, [1 2 3 4 5 6] }
}

/// One value of sixteen lanes, each joined with the one half as many before it.
macro_rules! tree {
    ($x:expr, $of_eight:ident, $of_four:ident) => {{
        let eight = $of_eight($x[0], $x[1]);
        let four = $of_four(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
        let two = $of_four(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32($of_four(two, _mm_movehdup_ps(two)))
    }};
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn sum(x: [__m256; 2]) -> f32 {
    tree!(x, _mm256_add_ps, _mm_add_ps)
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn largest(x: [__m256; 2]) -> f32 {
    tree!(x, _mm256_max_ps, _mm_max_ps)
}

/// The instruction that multiplies bytes adds two products in 16 bits, which can overflow: so both are widened to 16 bits,
/// the activations when they are quantized. Its sums are of two inputs each, which leaves two for each output.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn avx2_int8_sums<const ROWS: usize>(
    x: &[u8],
    stride: usize,
    panel: &[[i8; 4 * PANEL]],
) -> [[[__m256i; 2]; HALVES]; ROWS] {
    assert!(x.len() >= (ROWS - 1) * stride + 8 * panel.len());
    let mut result = [[[_mm256_setzero_si256(); 2]; HALVES]; ROWS];
    for eight in 0..PANEL / 8 {
        let mut sums = [[_mm256_setzero_si256(); 2]; ROWS];
        for (group, weights) in panel.iter().enumerate() {
            // SAFETY: the weights of eight outputs, four of each, of 32.
            let (left, right) = unsafe {
                let weights = weights.as_ptr().add(32 * eight).cast::<__m128i>();
                (_mm_loadu_si128(weights), _mm_loadu_si128(weights.add(1)))
            };
            let (left, right) = (_mm256_cvtepi8_epi16(left), _mm256_cvtepi8_epi16(right));
            for row in 0..ROWS {
                // SAFETY: at most the last four inputs of the last row, which were checked to be there.
                let x = unsafe { x.as_ptr().add(row * stride + 8 * group).cast::<i64>().read_unaligned() };
                let x = _mm256_set1_epi64x(x);
                sums[row][0] = _mm256_add_epi32(sums[row][0], _mm256_madd_epi16(x, left));
                sums[row][1] = _mm256_add_epi32(sums[row][1], _mm256_madd_epi16(x, right));
            }
        }
        for row in 0..ROWS {
            // Adding neighbours takes two from the one and two from the other, twice.
            let added = _mm256_hadd_epi32(sums[row][0], sums[row][1]);
            result[row][eight / 2][eight % 2] = _mm256_permute4x64_epi64::<0b11_01_10_00>(added);
        }
    }
    result
}
