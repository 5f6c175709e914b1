//! Every kernel against a slow, obvious one in float64, and to the bit between all instructions.

use super::*;

/// Numbers that look random, the same in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 20
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// From -1 to 1.
    fn float(&mut self) -> f32 {
        self.next() as f32 / (1_u64 << 43) as f32 - 1.0
    }

    fn floats(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.float()).collect()
    }

    /// Rows of activations, with zeros between them.
    fn rows(&mut self, rows: usize, width: usize) -> Vec<f32> {
        padded(&self.floats(rows * width), rows, width)
    }
}

/// Rows side by side as rows a stride apart.
fn padded(x: &[f32], rows: usize, width: usize) -> Vec<f32> {
    let mut padded = vec![0.0; rows * stride(width)];
    for row in 0..rows {
        padded[row * stride(width)..][..width].copy_from_slice(&x[row * width..][..width]);
    }
    padded
}

/// Rows that do not begin with a cache line, nor four bytes after.
struct Misaligned(Vec<f32>, usize);

impl Misaligned {
    fn new(x: &[f32], by: usize) -> Self {
        let mut values = vec![0.0; by];
        values.extend_from_slice(x);
        Self(values, by)
    }

    fn rows(&self) -> &[f32] {
        &self.0[self.1..]
    }
}

fn bits(x: &[f32]) -> Vec<u32> {
    // Which of the NaNs is all that may differ.
    x.iter().map(|x| if x.is_nan() { u32::MAX } else { x.to_bits() }).collect()
}

/// What `kernel` leaves in `len` floats, the same with all instructions and wherever the floats are.
#[track_caller]
fn on_every_path(start: &[f32], mut kernel: impl FnMut(Instructions, &mut [f32])) -> Vec<f32> {
    let mut results = Instructions::here().into_iter().enumerate().map(|(by, instructions)| {
        let mut memory = vec![0.0; by];
        memory.extend_from_slice(start);
        kernel(instructions, &mut memory[by..]);
        memory.split_off(by)
    });
    let first = results.next().unwrap();
    for (result, instructions) in results.zip(Instructions::here().into_iter().skip(1)) {
        if let Some(at) = (0..first.len()).find(|&at| bits(&first[at..=at]) != bits(&result[at..=at])) {
            panic!("{instructions:?} gives {:e} at {at}, not {:e}", result[at], first[at]);
        }
    }
    first
}

#[track_caller]
fn assert_close(found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (at, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        assert!((f64::from(found) - expected).abs() <= tolerance, "{found:e} at {at}, not {expected:e}");
    }
}

/// The first `width` of each row; what follows them has to be zero.
#[track_caller]
fn dense(x: &[f32], rows: usize, width: usize) -> Vec<f32> {
    let rows = x.chunks_exact(stride(width)).take(rows);
    rows.flat_map(|row| {
        assert!(row[width..].iter().all(|&x| x == 0.0), "padding is not zero");
        row[..width].to_vec()
    })
    .collect()
}

const SHAPES: [(usize, usize, usize); 16] = [
    // Rows, inputs, outputs.
    (1, 1, 1),
    (1, 384, 384),
    (2, 3, 31),
    (3, 26, 33),
    (5, 64, 64),
    (7, 37, 100),
    (12, 384, 1152),
    (13, 312, 312),
    (14, 130, 32),
    (15, 129, 65),
    (16, 64, 32),
    (17, 384, 40),
    (29, 77, 96),
    (33, 68, 33),
    (65, 192, 64),
    (40, 1536, 384),
];

/// The sums of the products of rows, each input in turn.
fn products(x: &[f32], weights: &[f32], bias: &[f32], rows: usize, inputs: usize, outputs: usize) -> Vec<f64> {
    let mut sums = Vec::new();
    for row in 0..rows {
        for output in 0..outputs {
            let (x, w) = (&x[row * stride(inputs)..][..inputs], &weights[output * inputs..][..inputs]);
            let sum: f64 = x.iter().zip(w).map(|(&x, &w)| f64::from(x) * f64::from(w)).sum();
            sums.push(sum + f64::from(bias[output]));
        }
    }
    sums
}

/// By the series whose terms have one sign.
fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= 2.0 * x * x / f64::from(2 * n + 1);
        sum += term;
    }
    sum * (-x * x).exp() * 2.0 / std::f64::consts::PI.sqrt()
}

fn gelu(x: f64) -> f64 {
    x / 2.0 * (1.0 + erf(x / std::f64::consts::SQRT_2))
}

fn then_in_f64(then: Then<'_>, x: &mut [f64], outputs: usize) {
    for (at, x) in x.iter_mut().enumerate() {
        match then {
            Then::Nothing => {}
            Then::Gelu => *x = gelu(*x),
            Then::Add(rows) => *x += f64::from(rows[at / outputs * stride(outputs) + at % outputs]),
        }
    }
}

#[test]
fn float_products_are_right() {
    let mut random = Random(1);
    for (rows, inputs, outputs) in SHAPES {
        let (x, residual) = (random.rows(rows, inputs), random.rows(rows, outputs));
        let (weights, mut bias) = (random.floats(outputs * inputs), random.floats(outputs));
        let values = pack_float(outputs, inputs, &weights);
        bias.resize(outputs.next_multiple_of(PANEL), 0.0);
        let w = FloatMatrix { inputs, outputs, values: &values, bias: &bias };
        for then in [Then::Nothing, Then::Gelu, Then::Add(&residual)] {
            let mut expected = products(&x, &weights, &bias, rows, inputs, outputs);
            then_in_f64(then, &mut expected, outputs);
            let mut by = 0;
            let out = on_every_path(&vec![0.0; rows * stride(outputs)], |instructions, out| {
                by += 1;
                multiply(instructions, Misaligned::new(&x, by).rows(), rows, w, then, out);
            });
            assert_close(&dense(&out, rows, outputs), &expected, 2e-4);
            // A row alone is as among others.
            for row in 0..rows {
                let mut alone = vec![0.0; stride(outputs)];
                let then = match then {
                    Then::Add(rows) => Then::Add(&rows[row * stride(outputs)..]),
                    then => then,
                };
                multiply(Instructions::best(), &x[row * stride(inputs)..], 1, w, then, &mut alone);
                assert_eq!(bits(&alone), bits(&out[row * stride(outputs)..][..stride(outputs)]));
            }
        }
    }
}

/// Weights in eight bits with the values at both ends among them.
fn bytes(random: &mut Random, count: usize) -> Vec<i8> {
    let byte = |random: &mut Random| match random.below(8) {
        0 => i8::MIN,
        1 => i8::MAX,
        _ => random.below(256) as u8 as i8,
    };
    (0..count).map(|_| byte(random)).collect()
}

/// Rows as all kinds of text, and no text, may give them.
fn extreme(random: &mut Random, rows: usize, width: usize) -> Vec<f32> {
    let mut x = random.floats(rows * width);
    for (row, x) in x.chunks_exact_mut(width).enumerate() {
        match row % 12 {
            1 => x.fill(0.0),
            2 => x.fill(3.5),
            3 => x.fill(-3.5),
            4 => x.iter_mut().for_each(|x| *x *= 1e-40),
            5 => x.iter_mut().for_each(|x| *x *= f32::MAX),
            6 => x.iter_mut().for_each(|x| *x = x.signum() * f32::MAX),
            7 => x.iter_mut().for_each(|x| *x = x.abs()),
            8 => x[0] = 1e6,
            9 => x.iter_mut().for_each(|x| *x *= f32::MIN_POSITIVE),
            10 => x.iter_mut().for_each(|x| *x = -0.0),
            _ => {}
        }
    }
    padded(&x, rows, width)
}

/// A quantized row as numbers.
fn numbers(quantized: &Quantized, row: usize) -> Vec<f64> {
    let values = quantized.values[row * quantized.stride..].chunks_exact(quantized.bytes).take(quantized.inputs);
    values
        .enumerate()
        .map(|(input, value)| {
            assert!(value[1..].iter().all(|&byte| byte == 0));
            let at = input / (quantized.inputs / quantized.parts) * quantized.rows + row;
            (f64::from(value[0]) - f64::from(-(quantized.zeros[at] as i16))) * f64::from(quantized.scales[at])
        })
        .collect()
}

#[test]
fn quantizing_is_off_by_half_a_step() {
    let mut random = Random(2);
    for (rows, inputs, _) in SHAPES {
        let x = extreme(&mut random, rows, inputs);
        // Powers of two, so that products with them are exact, if not too small.
        let factors: Vec<f32> = (0..inputs).map(|_| [0.25, 0.5, 1.0][random.below(3)]).collect();
        let mut seen = Vec::new();
        for instructions in Instructions::here() {
            let mut quantized = Quantized::new(rows, inputs, 1).unwrap();
            quantized.fill(instructions, &x, rows, 1, &factors[..inputs]);
            for row in 0..rows {
                let scale = f64::from(quantized.scales[row]);
                for ((found, &x), &factor) in
                    numbers(&quantized, row).iter().zip(&x[row * stride(inputs)..]).zip(&factors)
                {
                    let expected = f64::from(x) * f64::from(factor);
                    let off = (found - expected).abs() / scale;
                    // Half a step for the number and half a step for the zero point at the ends of the range.
                    assert!(off <= 1.001, "{found} is {off} steps from {expected}");
                }
            }
            let bytes = quantized.values.chunks_exact(quantized.bytes).map(|value| value[0]);
            let stride = quantized.stride / quantized.bytes;
            let values: Vec<u8> = bytes.enumerate().filter(|(at, _)| at % stride < inputs).map(|(_, x)| x).collect();
            let values = values[..rows * inputs].to_vec();
            seen.push((values, bits(&quantized.scales), quantized.zeros.to_vec()));
        }
        assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
    }
}

#[test]
fn int8_products_are_right() {
    let mut random = Random(3);
    for (rows, inputs, outputs) in SHAPES {
        let (x, residual) = (extreme(&mut random, rows, inputs), random.rows(rows, outputs));
        let bytes = bytes(&mut random, outputs * inputs);
        let (mut scales, mut bias) = (random.floats(outputs), random.floats(outputs));
        let factors = random.floats(inputs);
        let parts = if inputs % 64 == 0 { 4 } else { 1 };
        let (values, sums) = pack_int8(outputs, inputs, parts, &bytes);
        let padded = outputs.next_multiple_of(PANEL);
        scales.resize(padded, 0.0);
        // Each part's scales are twice those of the part before it.
        let scales: Vec<f32> = (0..parts).flat_map(|part| scales.iter().map(move |x| x * (1 << part) as f32)).collect();
        bias.resize(padded, 0.0);
        let w = Int8Matrix { inputs, outputs, parts, values: &values, sums: &sums, scales: &scales, bias: &bias };
        for then in [Then::Nothing, Then::Gelu, Then::Add(&residual)] {
            let mut expected = Vec::new();
            let mut magnitudes = Vec::new();
            let mut by = 0;
            let out = on_every_path(&vec![0.0; rows * stride(outputs)], |instructions, out| {
                by += 1;
                let mut quantized = Quantized::new(rows + 3, inputs + 5, parts).unwrap();
                quantized.fill(instructions, Misaligned::new(&x, by).rows(), rows, parts, &factors[..inputs]);
                multiply_int8(instructions, &quantized, w, then, out);
                (expected, magnitudes) = (Vec::new(), Vec::new());
                for row in 0..rows {
                    let numbers = numbers(&quantized, row);
                    for output in 0..outputs {
                        let weights = &bytes[output * inputs..][..inputs];
                        let scale = |input: usize| f64::from(scales[input / (inputs / parts) * padded + output]);
                        let terms = numbers.iter().zip(weights).enumerate();
                        let mut sums = vec![0.0; parts];
                        for (input, (x, &w)) in terms {
                            sums[input / (inputs / parts)] += x * f64::from(w) * scale(input);
                        }
                        expected.push(sums.iter().sum::<f64>() + f64::from(bias[output]));
                        magnitudes.push(sums.iter().map(|sum| sum.abs()).sum::<f64>() + f64::from(bias[output]).abs());
                    }
                }
                then_in_f64(then, &mut expected, outputs);
            });
            let then_off = if matches!(then, Then::Gelu) { 1e-4 } else { 1e-6 };
            for ((found, expected), magnitude) in dense(&out, rows, outputs).iter().zip(&expected).zip(&magnitudes) {
                // Beyond what a float holds, it is infinite, or not a number after GELU.
                let off = (f64::from(*found) - expected).abs();
                assert!(
                    off <= then_off + 1e-6 * magnitude || *magnitude > 1e37,
                    "{found:e} in place of {expected:e}, before {magnitude:e}"
                );
            }
        }
    }
}

#[test]
fn rows_are_alike_alone_and_among_others() {
    let (rows, inputs, outputs) = (37, 130, 70);
    let mut random = Random(4);
    let x = extreme(&mut random, rows, inputs);
    let factors = random.floats(inputs);
    let (values, sums) = pack_int8(outputs, inputs, 1, &bytes(&mut random, outputs * inputs));
    let (scales, bias) = (random.floats(96), random.floats(96));
    let w = Int8Matrix { inputs, outputs, parts: 1, values: &values, sums: &sums, scales: &scales, bias: &bias };
    for instructions in Instructions::here() {
        let mut quantized = Quantized::new(rows, inputs, 1).unwrap();
        let mut product = |x: &[f32], rows: usize| {
            let mut out = vec![0.0; rows * stride(outputs)];
            quantized.fill(instructions, x, rows, 1, &factors[..inputs]);
            multiply_int8(instructions, &quantized, w, Then::Gelu, &mut out);
            out
        };
        let all = product(&x, rows);
        for (start, count) in [(0, 1), (36, 1), (3, 12), (20, 17), (1, 30)] {
            let some = product(&x[start * stride(inputs)..], count);
            assert_eq!(bits(&some), bits(&all[start * stride(outputs)..][..count * stride(outputs)]));
        }
    }
}

#[test]
fn no_number_is_refused() {
    let (rows, width) = (6, 40);
    let mut random = Random(5);
    let mut x = random.rows(rows, width);
    for (row, value) in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -f32::NAN].into_iter().enumerate() {
        x[row * stride(width) + 7] = value;
        x[row * stride(width) + 39] = value;
    }
    x[4 * stride(width) + 8] = f32::INFINITY;
    let weights = random.floats(width * width);
    let bias = random.floats(64);
    let values = pack_float(width, width, &weights);
    let float = FloatMatrix { inputs: width, outputs: width, values: &values, bias: &bias };
    let (values, sums) = pack_int8(width, width, 1, &bytes(&mut random, width * width));
    let int8 = Int8Matrix {
        inputs: width,
        outputs: width,
        parts: 1,
        values: &values,
        sums: &sums,
        scales: &bias,
        bias: &bias,
    };
    let zeros = vec![0.0; rows * stride(width)];
    for then in [Then::Nothing, Then::Gelu, Then::Add(&x)] {
        on_every_path(&zeros, |instructions, out| multiply(instructions, &x, rows, float, then, out));
        on_every_path(&zeros, |instructions, out| {
            let mut quantized = Quantized::new(rows, width, 1).unwrap();
            quantized.fill(instructions, &x, rows, 1, &weights[..width]);
            multiply_int8(instructions, &quantized, int8, then, out);
        });
    }
    let normal = on_every_path(&x, |instructions, x| layer_norm(instructions, x, rows, width, &bias, &bias, 1e-12));
    dense(&normal, rows, width);
    on_every_path(&x, normalize);
    let qkv = padded(&x[..rows * 39], rows, 39);
    on_every_path(&vec![0.0; rows * stride(13)], |instructions, out| {
        let mut scratch = AttentionScratch::new(rows, 13).unwrap();
        attention(instructions, &qkv, rows, 1, 13, &mut scratch, out);
    });
}

#[test]
fn functions_are_close_to_the_exact_ones() {
    // GELU through a product with one.
    let x: Vec<f32> = (-1200..=1200).map(|x| x as f32 / 100.0).collect();
    let rows = padded(&x, x.len(), 1);
    let (values, bias) = (pack_float(1, 1, &[1.0]), [0.0; PANEL]);
    let w = FloatMatrix { inputs: 1, outputs: 1, values: &values, bias: &bias };
    let out = on_every_path(&vec![0.0; x.len() * stride(1)], |instructions, out| {
        multiply(instructions, &rows, x.len(), w, Then::Gelu, out);
    });
    let expected: Vec<f64> = x.iter().map(|&x| gelu(f64::from(x))).collect();
    assert_close(&dense(&out, x.len(), 1), &expected, 1e-4);

    for x in [-86.9, -50.0, -3.3, -0.5, -1e-7, 0.0, 1e-7, 0.34, 0.35, 1.0, 20.0, 87.0_f32] {
        let found = math::exp(simd::Portable, [x; LANES])[0];
        let off = f64::from(found) / f64::from(x).exp() - 1.0;
        assert!(off.abs() < 2e-7, "exp {x} is {found}, off by {off:e}");
    }
    for x in [-86.9, -50.0, -3.3, -1.0, -0.5, -0.34, -1e-7, 0.0_f32] {
        let found = math::exp_below(simd::Portable, [x; LANES])[0];
        let off = f64::from(found) / f64::from(x).exp() - 1.0;
        assert!(off.abs() < 1e-5, "exp {x} is {found}, off by {off:e}");
    }
    assert!(math::exp_below(simd::Portable, [f32::NEG_INFINITY; LANES])[0] < 1e-37);
}

#[test]
fn rows_are_normalised() {
    let mut random = Random(6);
    for (rows, width) in [(1, 1), (2, 15), (3, 16), (4, 17), (5, 63), (3, 65), (2, 130), (7, 312), (9, 384), (2, 1024)]
    {
        let x = random.rows(rows, width);
        let (gamma, beta) = (random.floats(width), random.floats(width));
        let found = on_every_path(&x, |instructions, x| layer_norm(instructions, x, rows, width, &gamma, &beta, 1e-5));
        let mut expected = Vec::new();
        for row in dense(&x, rows, width).chunks_exact(width) {
            let row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
            let mean = row.iter().sum::<f64>() / width as f64;
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
            let normal = row.iter().map(|x| (x - mean) / (variance + 1e-5).sqrt());
            expected.extend(normal.zip(&gamma).zip(&beta).map(|((x, &g), &b)| x * f64::from(g) + f64::from(b)));
        }
        assert_close(&dense(&found, rows, width), &expected, 3e-6);
    }
    for width in [40, 384] {
        let x = extreme(&mut random, 12, width);
        let gamma = random.floats(width);
        let found = on_every_path(&x, |instructions, x| layer_norm(instructions, x, 12, width, &gamma, &gamma, 1e-12));
        dense(&found, 12, width);
    }
}

#[test]
fn columns_are_summed_and_vectors_made_of_unit_length() {
    let mut random = Random(7);
    for (rows, width) in [(1, 1), (3, 15), (12, 384), (5, 312), (40, 33)] {
        let x = random.rows(rows, width);
        let found = on_every_path(&vec![0.0; width], |instructions, out| sum_rows(instructions, &x, rows, width, out));
        let column = |column| (0..rows).map(|row| f64::from(x[row * stride(width) + column])).sum();
        assert_close(&found, &(0..width).map(column).collect::<Vec<f64>>(), 1e-5);

        let unit = on_every_path(&found, normalize);
        let length = found.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        assert_close(&unit, &found.iter().map(|&x| f64::from(x) / length).collect::<Vec<f64>>(), 2e-7);
    }
    assert_eq!(on_every_path(&[0.0; 40], normalize), [0.0; 40]);
}

/// Attention in float64, one token after another.
fn attention_in_f64(qkv: &[f32], tokens: usize, heads: usize, width: usize) -> Vec<f64> {
    let hidden = heads * width;
    let at =
        |token: usize, part: usize, column: usize| f64::from(qkv[token * stride(3 * hidden) + part * hidden + column]);
    let mut out = vec![0.0; tokens * hidden];
    for token in 0..tokens {
        for head in 0..heads {
            let columns = head * width..(head + 1) * width;
            let score = |other| columns.clone().map(|column| at(token, 0, column) * at(other, 1, column)).sum::<f64>();
            let scores: Vec<f64> = (0..tokens).map(score).collect();
            let largest = scores.iter().copied().fold(f64::MIN, f64::max);
            let total: f64 = scores.iter().map(|score| (score - largest).exp()).sum();
            for column in columns.clone() {
                let values = (0..tokens).map(|other| (scores[other] - largest).exp() / total * at(other, 2, column));
                out[token * hidden + column] = values.sum();
            }
        }
    }
    out
}

#[test]
fn attention_is_right() {
    let mut random = Random(8);
    for (tokens, heads, width) in [
        (1, 1, 1),
        (2, 12, 32),
        (12, 12, 32),
        (17, 12, 26),
        (31, 3, 33),
        (33, 2, 64),
        (104, 2, 32),
        (64, 5, 7),
        (129, 1, 80),
    ] {
        let hidden = heads * width;
        let mut qkv = random.rows(tokens, 3 * hidden);
        qkv.iter_mut().for_each(|x| *x *= 2.0);
        let found = on_every_path(&vec![0.0; tokens * stride(hidden)], |instructions, out| {
            // What the last text left does not matter.
            let mut scratch = AttentionScratch::new(tokens + 40, width + 3).unwrap();
            let (others, wider) = (tokens + 40, width + 3);
            let numbers = vec![f32::NAN; others * stride(3 * wider)];
            attention(instructions, &numbers, others, 1, wider, &mut scratch, &mut vec![0.0; others * stride(wider)]);
            attention(instructions, &qkv, tokens, heads, width, &mut scratch, out);
        });
        assert_close(&dense(&found, tokens, hidden), &attention_in_f64(&qkv, tokens, heads, width), 1e-5);
    }
}

#[test]
fn blocks_cover_all_rows_and_are_alike() {
    for rows in 0..100 {
        for most in 1..15 {
            let blocks: Vec<_> = blocks(rows, most).collect();
            assert_eq!(blocks.iter().cloned().flatten().collect::<Vec<_>>(), (0..rows).collect::<Vec<_>>());
            assert!(blocks.iter().all(|block| block.len() <= most && block.len() + 1 >= rows.div_ceil(blocks.len())));
        }
    }
}
