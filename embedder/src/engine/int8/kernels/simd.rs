//! Sixteen floats at once: what the kernels are written in, for processors of every kind.

use super::quantized::Quantized;
use super::{PANEL, math};

/// Floats at once.
pub const LANES: usize = 16;

/// Sixteens of the outputs of a panel.
pub const HALVES: usize = PANEL / LANES;

/// A value of this type is the proof that the processor has the instructions, so that they can be used safely.
///
/// Every operation gives the same bits with all implementations, except for which of the NaNs it gives.
pub trait Simd: Copy {
    /// Sixteen floats.
    type Floats: Copy;
    /// Sixteen whole numbers.
    type Ints: Copy;

    /// Most rows of a tile: as many as there are registers for.
    const ROWS: usize;
    /// The same of products in eight bits.
    const INT8_ROWS: usize;
    /// Bytes of a quantized value.
    const BYTES: usize;

    fn splat(self, x: f32) -> Self::Floats;
    fn load(self, x: &[f32; LANES]) -> Self::Floats;
    fn store(self, x: Self::Floats, to: &mut [f32; LANES]);
    fn add(self, x: Self::Floats, y: Self::Floats) -> Self::Floats;
    fn sub(self, x: Self::Floats, y: Self::Floats) -> Self::Floats;
    fn mul(self, x: Self::Floats, y: Self::Floats) -> Self::Floats;
    fn div(self, x: Self::Floats, y: Self::Floats) -> Self::Floats;
    /// x * y + z, rounded once.
    fn fma(self, x: Self::Floats, y: Self::Floats, z: Self::Floats) -> Self::Floats;
    /// `x` where it is smaller, else `y`, also where either is not a number.
    fn min(self, x: Self::Floats, y: Self::Floats) -> Self::Floats;
    /// `x` where it is larger, else `y`, also where either is not a number.
    fn max(self, x: Self::Floats, y: Self::Floats) -> Self::Floats;
    /// The first `count` lanes, and `rest` in the others.
    fn first(self, x: Self::Floats, count: usize, rest: f32) -> Self::Floats;
    /// The sum of the lanes: each is added to the one eight before it, then those to the ones four before, and so on.
    fn sum(self, x: Self::Floats) -> f32;
    /// The largest lane.
    fn largest(self, x: Self::Floats) -> f32;
    /// To the nearest whole number, of two to the even one.
    fn round(self, x: Self::Floats) -> Self::Floats;
    /// 2 to the power of whole numbers from -126 to 127.
    fn power_of_two(self, x: Self::Floats) -> Self::Floats;
    /// Stores numbers from 0 to 255, rounded as by [`Self::round`], in [`Self::BYTES`] bytes each.
    fn store_quantized(self, x: Self::Floats, to: &mut [u8]);
    /// sums + zero * columns, as floats. Columns are pairs of `low + 128 * high`; `zero` has 128 times as much in its high half.
    fn correct(self, sums: Self::Ints, columns: &[i32; LANES], zero: i32) -> Self::Floats;

    /// The sums of the products of quantized rows, `stride` bytes apart, with a panel; weights `ahead` bytes behind those in use
    /// may be fetched.
    fn int8_sums<const ROWS: usize>(
        self,
        x: &[u8],
        stride: usize,
        panel: &[[i8; 4 * PANEL]],
        ahead: usize,
    ) -> [[Self::Ints; HALVES]; ROWS];

    /// [`float_tile`] of at most [`Self::ROWS`] rows.
    fn float_tile(
        self,
        rows: usize,
        x: &[f32],
        stride: usize,
        panel: FloatPanel<'_>,
        out: &mut [f32],
        out_stride: usize,
    );
    /// [`int8_tile`] of at most [`Self::INT8_ROWS`] rows.
    fn int8_tile(self, rows: usize, x: Int8Rows<'_>, panel: Int8Panel<'_>, out: &mut [f32], out_stride: usize);
}

/// The first sixteen floats.
#[inline(always)]
pub fn lanes(x: &[f32]) -> &[f32; LANES] {
    let (chunks, _) = x.as_chunks();
    &chunks[0]
}

/// The sixteens of the panel of columns that begins at `column`.
#[inline(always)]
pub fn halves<T>(x: &[T], column: usize) -> &[[T; LANES]; HALVES] {
    &x[column..column + PANEL].as_chunks().0.as_chunks().0[0]
}

/// The same to write to.
#[inline(always)]
pub fn halves_mut<T>(x: &mut [T], column: usize) -> &mut [[T; LANES]; HALVES] {
    &mut x[column..column + PANEL].as_chunks_mut().0.as_chunks_mut().0[0]
}

/// Weights for 32 outputs.
#[derive(Clone, Copy)]
pub struct FloatPanel<'w> {
    pub values: &'w [[f32; PANEL]],
    /// Of both halves, or of the first one alone: then the second one is not computed.
    pub bias: &'w [[f32; LANES]],
}

/// Weights in eight bits for 32 outputs, of one part of the inputs, four inputs of each output side by side.
#[derive(Clone, Copy)]
pub struct Int8Panel<'w> {
    pub values: &'w [[i8; 4 * PANEL]],
    /// The sum of each output's weights, as pairs.
    pub sums: &'w [[i32; LANES]; HALVES],
    pub scales: &'w [[f32; LANES]; HALVES],
    /// So many bytes ahead, weights are fetched.
    pub ahead: usize,
}

/// One part of quantized rows from one of them on.
#[derive(Clone, Copy)]
pub struct Int8Rows<'a> {
    pub a: &'a Quantized,
    pub part: usize,
    pub first: usize,
}

impl<'a> Int8Rows<'a> {
    /// The inputs, the rows `a.stride` bytes apart.
    #[inline(always)]
    pub fn values(self) -> &'a [u8] {
        &self.a.values[self.first * self.a.stride + self.part * (self.a.inputs / self.a.parts) * self.a.bytes..]
    }

    /// The rows' scales and zero points.
    #[inline(always)]
    pub fn scales(self) -> (&'a [f32], &'a [i32]) {
        let at = self.part * self.a.rows + self.first;
        (&self.a.scales[at..], &self.a.zeros[at..])
    }
}

/// The products of `ROWS` rows with a panel, `AT_ONCE` halves of it at a time: as many as there are registers for, and as are
/// asked for.
#[inline(always)]
#[allow(unsafe_code)]
pub fn float_tile<S: Simd, const ROWS: usize, const AT_ONCE: usize>(
    simd: S,
    x: &[f32],
    stride: usize,
    panel: FloatPanel<'_>,
    out: &mut [f32],
    out_stride: usize,
) {
    assert!(x.len() >= (ROWS - 1) * stride + panel.values.len());
    for first in (0..panel.bias.len()).step_by(AT_ONCE) {
        let mut sums = [[simd.splat(0.0); AT_ONCE]; ROWS];
        for (input, weights) in panel.values.iter().enumerate() {
            let mut halves = [simd.splat(0.0); AT_ONCE];
            for half in 0..AT_ONCE {
                halves[half] = simd.load(&weights.as_chunks().0[first + half]);
            }
            for row in 0..ROWS {
                // SAFETY: at most the last input of the last row, which was checked to be there.
                let x = simd.splat(unsafe { *x.get_unchecked(row * stride + input) });
                for half in 0..AT_ONCE {
                    sums[row][half] = simd.fma(x, halves[half], sums[row][half]);
                }
            }
        }
        for row in 0..ROWS {
            let out = halves_mut(out, row * out_stride);
            for half in 0..AT_ONCE {
                let x = simd.add(sums[row][half], simd.load(&panel.bias[first + half]));
                simd.store(x, &mut out[first + half]);
            }
        }
    }
}

/// Adds the products of one part of `ROWS` quantized rows with a panel, as floats, to what is there.
#[inline(always)]
#[allow(unsafe_code)]
pub fn int8_tile<S: Simd, const ROWS: usize>(
    simd: S,
    x: Int8Rows<'_>,
    panel: Int8Panel<'_>,
    out: &mut [f32],
    out_stride: usize,
) {
    let (scales, zeros) = x.scales();
    assert!(scales.len() >= ROWS && zeros.len() >= ROWS && out.len() >= (ROWS - 1) * out_stride + PANEL);
    let sums = simd.int8_sums::<ROWS>(x.values(), x.a.stride, panel.values, panel.ahead);
    // One row after the other in the code, too: so the sums stay in registers.
    each_row!(ROWS, [0 1 2 3 4 5 6 7 8 9 10 11 12 13], row => {
        // SAFETY: no row is behind the last one, of which all was checked to be there.
        let (scale, zero, out) = unsafe {
            let out = &mut *out.as_mut_ptr().add(row * out_stride).cast::<[[f32; LANES]; HALVES]>();
            (*scales.get_unchecked(row), *zeros.get_unchecked(row), out)
        };
        add_products(simd, sums[row], panel, scale, zero, out);
    });
}

/// Adds the products of one row to what is there.
#[inline(always)]
pub fn add_products<S: Simd>(
    simd: S,
    sums: [S::Ints; HALVES],
    panel: Int8Panel<'_>,
    scale: f32,
    zero: i32,
    out: &mut [[f32; LANES]; HALVES],
) {
    for half in 0..HALVES {
        let product = simd.mul(simd.correct(sums[half], &panel.sums[half], zero), simd.splat(scale));
        simd.store(simd.fma(product, simd.load(&panel.scales[half]), simd.load(&out[half])), &mut out[half]);
    }
}

/// Does something with each of the first rows.
macro_rules! each_row {
    ($rows:expr, [$($number:literal)+], $row:ident => $body:block) => {
        $(if $number < $rows {
            let $row = $number;
            $body
        })+
    };
}
use each_row;

/// Calls what is compiled for a number of rows.
macro_rules! for_rows {
    ($rows:expr, [$($count:literal)+], $ROWS:ident => $call:expr) => {
        match $rows {
            $($count => {
                const $ROWS: usize = $count;
                $call
            })+
            rows => unreachable!("a tile of {rows} rows"),
        }
    };
}
#[cfg(target_arch = "x86_64")]
pub(super) use for_rows;

/// The instructions that every processor has; the compiler finds those for several floats at once.
#[derive(Clone, Copy)]
pub struct Portable;

/// One operation after the other on each lane.
macro_rules! lanewise {
    (|$($x:ident),+| $result:expr) => {{
        let mut result = [Default::default(); LANES];
        for lane in 0..LANES {
            $(let $x = $x[lane];)+
            result[lane] = $result;
        }
        result
    }};
}

/// One value of all lanes, each joined with the one half as many before it.
#[inline(always)]
fn tree(mut lanes: [f32; LANES], join: impl Fn(f32, f32) -> f32) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] = join(lanes[lane], lanes[lane + half]);
        }
        half /= 2;
    }
    lanes[0]
}

impl Simd for Portable {
    type Floats = [f32; LANES];
    type Ints = [i32; LANES];

    const ROWS: usize = 4;
    const INT8_ROWS: usize = 4;
    const BYTES: usize = 1;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::Floats {
        [x; LANES]
    }

    #[inline(always)]
    fn load(self, x: &[f32; LANES]) -> Self::Floats {
        *x
    }

    #[inline(always)]
    fn store(self, x: Self::Floats, to: &mut [f32; LANES]) {
        *to = x;
    }

    #[inline(always)]
    fn add(self, x: Self::Floats, y: Self::Floats) -> Self::Floats {
        lanewise!(|x, y| x + y)
    }

    #[inline(always)]
    fn sub(self, x: Self::Floats, y: Self::Floats) -> Self::Floats {
        lanewise!(|x, y| x - y)
    }

    #[inline(always)]
    fn mul(self, x: Self::Floats, y: Self::Floats) -> Self::Floats {
        lanewise!(|x, y| x * y)
    }

    #[inline(always)]
    fn div(self, x: Self::Floats, y: Self::Floats) -> Self::Floats {
        lanewise!(|x, y| x / y)
    }

    #[inline(always)]
    fn fma(self, x: Self::Floats, y: Self::Floats, z: Self::Floats) -> Self::Floats {
        lanewise!(|x, y, z| f32::mul_add(x, y, z))
    }

    #[inline(always)]
    fn min(self, x: Self::Floats, y: Self::Floats) -> Self::Floats {
        lanewise!(|x, y| math::smaller(x, y))
    }

    #[inline(always)]
    fn max(self, x: Self::Floats, y: Self::Floats) -> Self::Floats {
        lanewise!(|x, y| math::larger(x, y))
    }

    #[inline(always)]
    fn first(self, mut x: Self::Floats, count: usize, rest: f32) -> Self::Floats {
        x[count..].fill(rest);
        x
    }

    #[inline(always)]
    fn sum(self, x: Self::Floats) -> f32 {
        tree(x, |x, y| x + y)
    }

    #[inline(always)]
    fn largest(self, x: Self::Floats) -> f32 {
        tree(x, math::larger)
    }

    #[inline(always)]
    fn round(self, x: Self::Floats) -> Self::Floats {
        lanewise!(|x| x.round_ties_even())
    }

    #[inline(always)]
    fn power_of_two(self, x: Self::Floats) -> Self::Floats {
        lanewise!(|x| f32::from_bits(((x as i32).wrapping_add(127) as u32) << 23))
    }

    #[inline(always)]
    fn store_quantized(self, x: Self::Floats, to: &mut [u8]) {
        let to = &mut to[..LANES];
        for lane in 0..LANES {
            to[lane] = x[lane].round_ties_even() as u8;
        }
    }

    #[inline(always)]
    fn correct(self, sums: Self::Ints, columns: &[i32; LANES], zero: i32) -> Self::Floats {
        let zero = i32::from(zero as i16);
        lanewise!(|sums, columns| {
            let column = i32::from(columns as i16) + 128 * (columns >> 16);
            sums.wrapping_add(column.wrapping_mul(zero)) as f32
        })
    }

    #[inline(always)]
    fn int8_sums<const ROWS: usize>(
        self,
        x: &[u8],
        stride: usize,
        panel: &[[i8; 4 * PANEL]],
        _ahead: usize,
    ) -> [[Self::Ints; HALVES]; ROWS] {
        let mut sums = [[[0_i32; LANES]; HALVES]; ROWS];
        for (row, sums) in sums.iter_mut().enumerate() {
            let (inputs, _) = x[row * stride..].as_chunks::<4>();
            for (inputs, weights) in inputs.iter().zip(panel) {
                let inputs = inputs.map(i32::from);
                for (sum, weights) in sums.as_flattened_mut().iter_mut().zip(weights.as_chunks::<4>().0) {
                    for input in 0..4 {
                        *sum = sum.wrapping_add(inputs[input] * i32::from(weights[input]));
                    }
                }
            }
        }
        sums
    }

    fn float_tile(
        self,
        rows: usize,
        x: &[f32],
        stride: usize,
        panel: FloatPanel<'_>,
        out: &mut [f32],
        out_stride: usize,
    ) {
        for_rows!(rows, [1 2 3 4], ROWS => float_tile::<_, ROWS, 1>(self, x, stride, panel, out, out_stride));
    }

    fn int8_tile(self, rows: usize, x: Int8Rows<'_>, panel: Int8Panel<'_>, out: &mut [f32], out_stride: usize) {
        for_rows!(rows, [1 2 3 4], ROWS => int8_tile::<_, ROWS>(self, x, panel, out, out_stride));
    }
}
