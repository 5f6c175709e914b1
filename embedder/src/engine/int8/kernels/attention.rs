//! Self-attention.

use super::buffer::Buffer;
use super::simd::{FloatPanel, HALVES, LANES, Simd};
use super::{MAX_ROWS, PANEL, blocks, compiled, math, stride};
use crate::error::Result;

/// Room for the attention of one head.
pub struct AttentionScratch {
    /// Keys as panels of 32 tokens, as if they were outputs.
    keys: Buffer<f32>,
    /// Values as panels of 32 components.
    values: Buffer<f32>,
    /// Rows of how much a token attends to each of the tokens.
    weights: Buffer<f32>,
    max_tokens: usize,
    max_head_width: usize,
}

impl AttentionScratch {
    /// Room for texts of so many tokens and heads of so many components, or fewer.
    pub fn new(max_tokens: usize, head_width: usize) -> Result<Self> {
        let keys = Buffer::zeroed(max_tokens.next_multiple_of(PANEL).saturating_mul(head_width))?;
        let values = Buffer::zeroed(max_tokens.saturating_mul(head_width.next_multiple_of(PANEL)))?;
        let weights = Buffer::zeroed(stride(max_tokens).saturating_mul(MAX_ROWS))?;
        Ok(Self { keys, values, weights, max_tokens, max_head_width: head_width })
    }
}

compiled! {
    /// Self-attention of one text: rows of `stride(3 * hidden)` floats, query, which is scaled already, key and value of
    /// all heads side by side, to rows of `stride(hidden)`; hidden is heads * head width.
    pub fn attention(
        qkv: &[f32],
        tokens: usize,
        heads: usize,
        head_width: usize,
        scratch: &mut AttentionScratch,
        out: &mut [f32],
    ) = attention_with
}

#[inline(always)]
fn attention_with<S: Simd>(
    simd: S,
    qkv: &[f32],
    tokens: usize,
    heads: usize,
    head_width: usize,
    scratch: &mut AttentionScratch,
    out: &mut [f32],
) {
    let hidden = heads * head_width;
    assert!(qkv.len() >= tokens * stride(3 * hidden) && out.len() >= tokens * stride(hidden));
    assert!(tokens <= scratch.max_tokens && head_width <= scratch.max_head_width);
    for head in 0..heads {
        let column = head * head_width;
        pack_keys(&qkv[hidden + column..], stride(3 * hidden), tokens, head_width, &mut scratch.keys);
        pack_values(&qkv[2 * hidden + column..], stride(3 * hidden), tokens, head_width, &mut scratch.values);
        for block in blocks(tokens, S::ROWS) {
            let rows = block.len();
            let query = &qkv[block.start * stride(3 * hidden) + column..];
            score(simd, query, stride(3 * hidden), rows, tokens, head_width, scratch);
            let mut factors = [0.0; MAX_ROWS];
            for (row, factor) in scratch.weights.chunks_exact_mut(stride(tokens)).zip(&mut factors[..rows]) {
                *factor = exponents(simd, row, tokens);
            }
            average(
                simd,
                rows,
                tokens,
                head_width,
                scratch,
                &factors,
                &mut out[block.start * stride(hidden) + column..],
                stride(hidden),
            );
        }
    }
}

/// Lays keys out as weights are: token for output, component for input.
#[inline(always)]
fn pack_keys(keys: &[f32], from_stride: usize, tokens: usize, head_width: usize, to: &mut [f32]) {
    for (panel, to) in to.chunks_exact_mut(PANEL * head_width).take(tokens.div_ceil(PANEL)).enumerate() {
        let (to, _) = to.as_chunks_mut::<PANEL>();
        for token in 0..PANEL {
            let at = panel * PANEL + token;
            if at < tokens {
                let key = &keys[at * from_stride..][..head_width];
                for (to, &x) in to.iter_mut().zip(key) {
                    to[token] = x;
                }
            } else {
                to.iter_mut().for_each(|to| to[token] = 0.0);
            }
        }
    }
}

/// Lays values out as weights are: component for output, token for input.
#[inline(always)]
fn pack_values(values: &[f32], from_stride: usize, tokens: usize, head_width: usize, to: &mut [f32]) {
    let (to, _) = to.as_chunks_mut::<PANEL>();
    for (panel, to) in to.chunks_exact_mut(tokens).take(head_width.div_ceil(PANEL)).enumerate() {
        let width = PANEL.min(head_width - panel * PANEL);
        for (token, to) in to.iter_mut().enumerate() {
            to[..width].copy_from_slice(&values[token * from_stride + panel * PANEL..][..width]);
            to[width..].fill(0.0);
        }
    }
}

/// The products of queries with all keys.
#[inline(always)]
fn score<S: Simd>(
    simd: S,
    query: &[f32],
    query_stride: usize,
    rows: usize,
    tokens: usize,
    head_width: usize,
    scratch: &mut AttentionScratch,
) {
    let (keys, _) = scratch.keys.as_chunks::<PANEL>();
    for (panel, keys) in keys.chunks_exact(head_width).take(tokens.div_ceil(PANEL)).enumerate() {
        // Of the last panel what has tokens.
        let halves = (tokens - panel * PANEL).div_ceil(LANES).min(HALVES);
        let keys = FloatPanel { values: keys, bias: &[[0.0; LANES]; HALVES][..halves] };
        simd.float_tile(rows, query, query_stride, keys, &mut scratch.weights[panel * PANEL..], stride(tokens));
    }
}

/// The sum of the values by the weights, times each row's factor.
#[inline(always)]
fn average<S: Simd>(
    simd: S,
    rows: usize,
    tokens: usize,
    head_width: usize,
    scratch: &AttentionScratch,
    factors: &[f32; MAX_ROWS],
    out: &mut [f32],
    out_stride: usize,
) {
    // Next to a head's columns are those of the next head, so what is wider goes by way of a tile.
    let mut tile = [[0.0; PANEL]; MAX_ROWS];
    let (values, _) = scratch.values.as_chunks::<PANEL>();
    for (panel, values) in values.chunks_exact(tokens).take(head_width.div_ceil(PANEL)).enumerate() {
        let width = PANEL.min(head_width - panel * PANEL);
        let values = FloatPanel { values, bias: &[[0.0; LANES]; HALVES] };
        let out = &mut out[panel * PANEL..];
        simd.float_tile(rows, &scratch.weights, stride(tokens), values, tile.as_flattened_mut(), PANEL);
        for ((sums, factor), out) in tile[..rows].iter_mut().zip(factors).zip(out.chunks_mut(out_stride)) {
            for sums in sums.as_chunks_mut::<LANES>().0 {
                simd.store(simd.mul(simd.load(sums), simd.splat(*factor)), sums);
            }
            out[..width].copy_from_slice(&sums[..width]);
        }
    }
}

/// The first `count` of a row, which has room for more, become powers of e, zeros behind them: with the factor that this
/// gives, they are their softmax.
#[inline(always)]
fn exponents<S: Simd>(simd: S, row: &mut [f32], count: usize) -> f32 {
    let (whole, rest) = row.split_at_mut(count / LANES * LANES);
    let (whole, _) = whole.as_chunks_mut::<LANES>();
    let last = &mut rest.as_chunks_mut::<LANES>().0[0];
    let mut largest = simd.first(simd.load(last), count % LANES, f32::NEG_INFINITY);
    for x in &*whole {
        largest = simd.max(largest, simd.load(x));
    }
    let largest = simd.splat(simd.largest(largest));

    let e = math::exp_below(simd, simd.sub(simd.load(last), largest));
    let e = simd.first(e, count % LANES, 0.0);
    simd.store(e, last);
    let mut sum = e;
    for x in &mut *whole {
        let e = math::exp_below(simd, simd.sub(simd.load(x), largest));
        sum = simd.add(sum, e);
        simd.store(e, x);
    }
    1.0 / simd.sum(sum)
}
