//! The kernels: products of matrices, attention, and what is done to one row after another.
//!
//! A matrix of activations has its rows [`stride`] floats apart; what lies between the end of a row and the start of the
//! next is zero, and stays zero. Weights are packed into panels of 32 outputs, padded with zeros, the same for every
//! processor.
//!
//! Results are equal to the bit on every processor, for every number of rows in a call and every neighbour. So each
//! operation on floats has one order: a product is accumulated over its inputs one by one with fused multiply-add, a sum
//! over a row in 16 lanes that are added as a tree. Sums of integers are exact in any order.

// A loop counts rows or lanes that several arrays have; a kernel takes a matrix with its shape.
#![allow(clippy::needless_range_loop, clippy::too_many_arguments)]

#[cfg(target_arch = "x86_64")]
mod amx;
mod attention;
mod buffer;
mod float;
mod instructions;
mod int8;
mod math;
mod quantized;
mod rows;
mod simd;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::ops::Range;

pub use attention::{AttentionScratch, attention};
pub use buffer::Buffer;
pub use float::{FloatMatrix, multiply, pack_float};
pub use instructions::Instructions;
pub use int8::{Int8Matrix, multiply_int8, pack_int8};
pub use quantized::Quantized;
pub use rows::{layer_norm, normalize, sum_rows, tanh};

use simd::{LANES, Simd};

/// Outputs of a panel of weights.
pub const PANEL: usize = 32;

/// Most rows of a tile, which is what a product computes at once, on any processor.
const MAX_ROWS: usize = 14;

/// Floats from one row of activations to the next: room for whole panels, and a cache line more, as rows a power of two
/// apart would share few lines of the cache.
pub fn stride(width: usize) -> usize {
    width.next_multiple_of(PANEL) + LANES
}

/// What is done with each row of a product.
#[derive(Clone, Copy)]
pub enum Then<'a> {
    Nothing,
    /// The activation function of BERT.
    Gelu,
    /// Adds these rows, which are as far apart as the product's.
    Add(&'a [f32]),
}

impl Then<'_> {
    /// Whether there are enough rows to add.
    fn fits(&self, floats: usize) -> bool {
        !matches!(self, Self::Add(rows) if rows.len() < floats)
    }

    /// Does it with the panel of columns that begins at `column` of some rows of the product.
    #[inline(always)]
    fn apply<S: Simd>(self, simd: S, out: &mut [f32], rows: Range<usize>, stride: usize, column: usize) {
        for at in rows.map(|row| row * stride + column) {
            match self {
                Self::Nothing => return,
                Self::Gelu => {
                    for x in simd::halves_mut(out, at) {
                        simd.store(math::gelu(simd, simd.load(x)), x);
                    }
                }
                Self::Add(rows) => {
                    for (x, y) in simd::halves_mut(out, at).iter_mut().zip(simd::halves(rows, at)) {
                        simd.store(simd.add(simd.load(x), simd.load(y)), x);
                    }
                }
            }
        }
    }
}

/// Blocks of at most `most` rows, as equal as can be.
fn blocks(rows: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let blocks = rows.div_ceil(most).max(1);
    let (size, larger) = (rows / blocks, rows % blocks);
    let start = move |block: usize| block * size + block.min(larger);
    (0..blocks).map(move |block| start(block)..start(block + 1)).filter(|block| !block.is_empty())
}

/// Defines a function that calls another one, `$body`, compiled for the instructions that are asked for. Those
/// that the processor does not have are not used; the result is the same.
macro_rules! compiled {
    ($(#[$attribute:meta])* $visible:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) = $body:ident) => {
        $(#[$attribute])*
        #[allow(unsafe_code)]
        $visible fn $name(instructions: $crate::engine::int8::kernels::Instructions, $($argument: $type),*) {
            #[cfg(target_arch = "x86_64")]
            {
                use $crate::engine::int8::kernels::{Instructions, x86::{Avx2, Avx512}};
                #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma")]
                fn avx512(simd: Avx512, $($argument: $type),*) {
                    $body(simd, $($argument),*);
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2(simd: Avx2, $($argument: $type),*) {
                    $body(simd, $($argument),*);
                }
                match instructions {
                    Instructions::Avx512Vnni | Instructions::Amx => if let Some(simd) = Avx512::get() {
                        // SAFETY: an `Avx512` exists only where the processor has these instructions.
                        return unsafe { avx512(simd, $($argument),*) };
                    },
                    Instructions::Avx2 => if let Some(simd) = Avx2::get() {
                        // SAFETY: an `Avx2` exists only where the processor has these instructions.
                        return unsafe { avx2(simd, $($argument),*) };
                    },
                    Instructions::Portable => {}
                }
            }
            let _ = instructions;
            $body($crate::engine::int8::kernels::simd::Portable, $($argument),*);
        }
    };
}
use compiled;

#[cfg(test)]
mod tests;
