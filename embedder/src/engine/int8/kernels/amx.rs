//! Products of bytes by AMX: the processor multiplies whole tiles of 16 rows and 16 outputs.
//!
//! The compiler uses none of its registers, and gives no functions for its instructions yet.
#![allow(unsafe_code)]

use std::arch::asm;
use std::arch::x86_64::{__cpuid_count, __m512i};
use std::ops::Range;
use std::sync::OnceLock;

use nix::libc;

use super::int8::{Int8Matrix, multiply_by};
use super::quantized::Quantized;
use super::simd::{HALVES, Int8Panel, Int8Rows, LANES, add_products};
use super::x86::Avx512;
use super::{PANEL, Then, blocks, stride};

/// Rows, or fours of inputs, of one register.
const TILE: usize = 16;
/// Most rows at once, in two registers.
const ROWS: usize = 2 * TILE;

/// AMX with its products of bytes, and AVX-512 for everything else.
#[derive(Clone, Copy)]
pub struct Amx(Avx512);

impl Amx {
    /// The proof that the processor has the instructions, and that this process may use them: Linux is asked for that, and
    /// gives it to the processes that it starts, too.
    pub fn get() -> Option<Self> {
        const REQUEST: libc::c_int = 0x1023;
        const TILES: libc::c_int = 18;
        static IS_HERE: OnceLock<bool> = OnceLock::new();
        let avx512 = Avx512::get()?;
        // SAFETY: every processor with AVX-512 has this leaf; the call changes nothing but what this process may do.
        let ask = || unsafe {
            const AMX: u32 = 1 << 24 | 1 << 25;
            __cpuid_count(7, 0).edx & AMX == AMX && libc::syscall(libc::SYS_arch_prctl, REQUEST, TILES) == 0
        };
        IS_HERE.get_or_init(ask).then_some(Self(avx512))
    }
}

/// How the registers are used: the sums of the first and of the second sixteen rows, left and right, the rows, and the weights,
/// left and right. As `ldtilecfg` reads it.
#[repr(C)]
struct Config {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    /// Bytes of a row.
    widths: [u16; 16],
    rows: [u8; 16],
}

impl Config {
    /// For 17 to 32 rows, and steps of at most 16 groups of four inputs.
    fn new(rows: usize, step: usize) -> Self {
        let (first, second, groups) = (TILE as u8, (rows - TILE) as u8, step as u8);
        let (whole, inputs) = (64, 4 * u16::from(groups));
        let mut config = Self { palette: 1, start_row: 0, reserved: [0; 14], widths: [0; 16], rows: [0; 16] };
        config.widths[..8].copy_from_slice(&[whole, whole, whole, whole, inputs, inputs, whole, whole]);
        config.rows[..8].copy_from_slice(&[first, first, second, second, first, second, groups, groups]);
        config
    }
}

/// So few rows are multiplied as fast without. *Measured*: 12 rows 1.1 times as fast, 24 rows 0.9 times, 32 rows 0.8 times.
pub const FEW: usize = TILE;

/// [`multiply_int8`](super::multiply_int8) of more rows than [`FEW`].
pub fn multiply(amx: Amx, a: &Quantized, w: Int8Matrix<'_>, then: Then<'_>, out: &mut [f32]) {
    // Compiled for the instructions that are used beside the tiles.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma")]
    fn compiled(Amx(simd): Amx, a: &Quantized, w: Int8Matrix<'_>, then: Then<'_>, out: &mut [f32]) {
        // The first block has most rows: more than sixteen, as there are more in all.
        let rows = blocks(a.rows, ROWS).next().map_or(0, |block| block.len());
        let groups = w.inputs.div_ceil(4) / w.parts;
        let step = (1..=TILE).rev().find(|step| groups.is_multiple_of(*step)).unwrap_or(1);
        assert!(rows > TILE && groups > 0);
        let config = Config::new(rows, step);
        // SAFETY: the processor has the instructions, and the layout is one that it has: at most 16 rows of at most 64 bytes.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const config, options(nostack, readonly)) };
        let mut sums = [[simd.no_ints(); HALVES]; ROWS];
        let out_stride = stride(w.outputs);
        multiply_by(simd, a, w, then, out, ROWS, |block, x, panel, out| {
            tile(simd, (rows, step), block, x, panel, &mut sums, out, out_stride);
        });
        // SAFETY: as above. Nothing is left that would have to be saved for this process.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
    // SAFETY: an `Amx` exists only where the processor has these instructions.
    unsafe { compiled(amx, a, w, then, out) }
}

/// Adds the products of a block of rows with one part of a panel, in steps of so many groups of inputs. Where the block has
/// fewer rows than the tiles, which is never the first one, they begin before it.
#[inline(always)]
fn tile(
    simd: Avx512,
    (rows, step): (usize, usize),
    block: Range<usize>,
    x: Int8Rows<'_>,
    panel: Int8Panel<'_>,
    sums: &mut [[__m512i; HALVES]; ROWS],
    out: &mut [f32],
    out_stride: usize,
) {
    let before = rows - block.len();
    let x = Int8Rows { first: x.first - before, ..x };
    let (values, (scales, zeros)) = (x.values(), x.scales());
    let groups = panel.values.len();
    assert!(values.len() >= (rows - 1) * x.a.stride + 4 * groups && groups.is_multiple_of(step));
    // With the first rows alone, as the others find in the cache what these have fetched.
    if block.start == 0 {
        for line in panel.values.as_flattened().chunks(64) {
            simd.fetch(line.as_ptr().wrapping_add(panel.ahead));
        }
    }
    // SAFETY: the registers are laid out for these rows and this step, and so many rows of inputs were checked to be there.
    unsafe { sum_tiles(step, values.as_ptr(), x.a.stride, panel.values, sums) };
    let out = out.chunks_mut(out_stride);
    for (((sums, scale), zero), out) in sums[before..rows].iter().zip(&scales[before..]).zip(&zeros[before..]).zip(out)
    {
        if let Some(out) = out[..PANEL].as_chunks_mut::<LANES>().0.as_chunks_mut().0.first_mut() {
            add_products(simd, *sums, panel, *scale, *zero, out);
        }
    }
}

/// # Safety
/// The registers are laid out by a [`Config`] for this step, of which the weights are a multiple, and there are so many rows at
/// `x` as that says.
#[inline(always)]
unsafe fn sum_tiles(
    step: usize,
    x: *const u8,
    stride: usize,
    weights: &[[i8; 4 * PANEL]],
    sums: &mut [[__m512i; HALVES]; ROWS],
) {
    // SAFETY: the caller's promise; there is at least one step, and there are sums of 32 rows.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "2:",
            "tileloadd tmm4, [{x} + {stride}]",
            "tileloadd tmm6, [{weights} + {width}]",
            "tdpbusd tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{weights} + {width} + 64]",
            "tdpbusd tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{second} + {stride}]",
            "tdpbusd tmm2, tmm5, tmm6",
            "tdpbusd tmm3, tmm5, tmm7",
            "add {x}, {inputs}",
            "add {second}, {inputs}",
            "add {weights}, {bytes}",
            "dec {steps}",
            "jnz 2b",
            "tilestored [{sums} + {width}], tmm0",
            "tilestored [{sums} + {width} + 64], tmm1",
            "tilestored [{sums} + {width} + 2048], tmm2",
            "tilestored [{sums} + {width} + 2112], tmm3",
            x = inout(reg) x => _,
            second = inout(reg) x.wrapping_add(TILE * stride) => _,
            stride = in(reg) stride,
            weights = inout(reg) weights.as_ptr() => _,
            // Bytes of a group of weights, and of the sums of a row.
            width = in(reg) 128_usize,
            inputs = in(reg) 4 * step,
            bytes = in(reg) 128 * step,
            steps = inout(reg) weights.len() / step => _,
            sums = in(reg) sums.as_mut_ptr(),
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack)
        );
    }
}
