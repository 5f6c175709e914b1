//! How large the activations of a model become: those of texts that ship with this crate, computed in float32 in one order of
//! operations, so that everybody quantises to the same file.

use std::collections::BTreeMap;

use ndarray::ArrayD;

use super::encoder::{self, Embeddings, Linear, Norm, Scratch, Weights};
use super::kernels::{self, FloatMatrix, Instructions, Then, stride};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::model::{Config, Model};
use crate::weights;

/// A text a line: products, sentences, questions, numbers, other languages.
pub const TEXTS: &str = include_str!("calibration.txt");

/// The weights of a model in float32, and the largest activations that they were multiplied with.
pub struct FloatWeights {
    pub word: Vec<f32>,
    pub position: Vec<f32>,
    pub norm: [Vec<f32>; 2],
    pub layers: Vec<Layer>,
    pub dense: Vec<Matrix>,
}

/// A layer of the encoder.
pub struct Layer {
    pub linear: [Matrix; 4],
    pub norms: [[Vec<f32>; 2]; 2],
}

/// A matrix with its bias.
pub struct Matrix {
    pub inputs: usize,
    pub outputs: usize,
    /// A row for each output.
    pub values: Vec<f32>,
    pub bias: Vec<f32>,
    /// The values and the bias as the kernels read them.
    pub packed: [Vec<f32>; 2],
    pub seen: Seen,
}

impl Matrix {
    fn new(weight: &ArrayD<f32>, bias: Vec<f32>) -> Self {
        let (inputs, outputs) = (weight.shape()[0], weight.shape()[1]);
        let values: Vec<f32> = weight.t().iter().copied().collect();
        let mut padded = bias.clone();
        padded.resize(outputs.next_multiple_of(kernels::PANEL), 0.0);
        let packed = [kernels::pack_float(outputs, inputs, &values), padded];
        Self { inputs, outputs, values, bias, packed, seen: Seen::none(inputs) }
    }

    fn as_matrix(&self) -> FloatMatrix<'_> {
        let [values, bias] = &self.packed;
        FloatMatrix { inputs: self.inputs, outputs: self.outputs, values, bias }
    }
}

/// How many inputs are looked at together: all would take more time and memory than it gains.
pub const BLOCK: usize = 384;

/// The activations that a matrix was multiplied with so far, input by input.
pub struct Seen {
    /// The greatest absolute value.
    pub largest: Vec<f32>,
    sums: Vec<f64>,
    squares: Vec<f64>,
    /// For each block of inputs, their products with each other: a row of `stride(inputs)` floats for each.
    products: Vec<Vec<f32>>,
    rows: usize,
}

impl Seen {
    fn none(inputs: usize) -> Self {
        let blocks = (0..inputs).step_by(BLOCK).map(|first| BLOCK.min(inputs - first));
        let products = blocks.map(|inputs| vec![0.0; inputs * stride(inputs)]).collect();
        let (sums, squares) = (vec![0.0; inputs], vec![0.0; inputs]);
        Self { largest: vec![0.0; inputs], sums, squares, products, rows: 0 }
    }

    /// Adds rows of `stride(inputs)` floats.
    fn add(&mut self, instructions: Instructions, x: &[f32], rows: usize) {
        let inputs = self.sums.len();
        for row in x.chunks(stride(inputs)).take(rows) {
            self.largest.iter_mut().zip(row).for_each(|(largest, x)| *largest = largest.max(x.abs()));
            self.sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x));
            self.squares.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x).powi(2));
        }
        self.rows += rows;
        for (products, first) in self.products.iter_mut().zip((0..inputs).step_by(BLOCK)) {
            let inputs = BLOCK.min(inputs - first);
            // A row for each input.
            let mut columns = vec![0.0; inputs * rows];
            for (row, x) in x.chunks(stride(self.sums.len())).take(rows).enumerate() {
                x[first..][..inputs].iter().enumerate().for_each(|(input, x)| columns[input * rows + row] = *x);
            }
            let mut padded = vec![0.0; inputs * stride(rows)];
            for (to, from) in padded.chunks_exact_mut(stride(rows)).zip(columns.chunks_exact(rows)) {
                to[..rows].copy_from_slice(from);
            }
            let values = kernels::pack_float(inputs, rows, &columns);
            let bias = vec![0.0; inputs.next_multiple_of(kernels::PANEL)];
            let matrix = FloatMatrix { inputs: rows, outputs: inputs, values: &values, bias: &bias };
            let mut sums = vec![0.0; products.len()];
            kernels::multiply(instructions, &padded, inputs, matrix, Then::Add(products), &mut sums);
            *products = sums;
        }
    }

    pub fn means(&self) -> impl Iterator<Item = f64> {
        self.sums.iter().map(|sum| sum / self.rows as f64)
    }

    pub fn mean_squares(&self) -> impl Iterator<Item = f64> {
        self.squares.iter().map(|sum| sum / self.rows as f64)
    }

    /// The covariances of each block of inputs, row by row.
    pub fn covariances(&self) -> impl Iterator<Item = Vec<f64>> {
        let means: Vec<f64> = self.means().collect();
        self.products.iter().enumerate().map(move |(block, products)| {
            let means = &means[block * BLOCK..][..BLOCK.min(means.len() - block * BLOCK)];
            let rows = products.chunks_exact(stride(means.len())).zip(means);
            let row = |(row, mean): (&[f32], &f64)| {
                let row = row.iter().zip(means).map(|(x, other)| f64::from(*x) / self.rows as f64 - mean * other);
                row.collect::<Vec<_>>()
            };
            rows.flat_map(row).collect()
        })
    }
}

impl FloatWeights {
    /// # Errors
    /// As for [`weights::read`]; an interrupt.
    pub fn read(model: &Model, interrupt: Interrupt) -> Result<Self> {
        let config = model.config();
        let mut all = BTreeMap::new();
        weights::read(model, |(name, values)| {
            all.insert(name, values);
            interrupt.check()
        })?;
        let mut all = All(all);
        let layers = (0..config.layers).map(|layer| {
            interrupt.check()?;
            all.layer(layer, config)
        });
        let layers = layers.collect::<Result<_>>()?;
        let dense = config.dense().enumerate().map(|(number, _)| all.matrix(&format!("dense.{number}")));
        Ok(Self {
            dense: dense.collect::<Result<_>>()?,
            layers,
            word: all.vector("embeddings.word")?,
            position: all.vector("embeddings.position")?,
            norm: all.norm("embeddings")?,
        })
    }

    /// Notes how large the activations of [`TEXTS`] become; `ids` are their tokens. Gives their vectors.
    ///
    /// # Errors
    /// An interrupt; no memory.
    pub fn calibrate(
        &mut self,
        instructions: Instructions,
        config: &Config,
        ids: &[Vec<i32>],
        interrupt: Interrupt,
    ) -> Result<Vec<Vec<f32>>> {
        let mut scratch = Scratch::default();
        let vectors = ids.iter().map(|ids| {
            interrupt.check()?;
            let vectors = encoder::run(instructions, config, self, &mut scratch, &[ids])?;
            Ok(vectors.into_raw_vec_and_offset().0)
        });
        vectors.collect()
    }
}

/// The weights that are left to be taken, by their names.
struct All(BTreeMap<String, ArrayD<f32>>);

impl All {
    fn take(&mut self, name: &str) -> Result<ArrayD<f32>> {
        let reason = || format!("weight \"{name}\" is missing");
        self.0.remove(name).ok_or_else(|| Error::Runtime { action: "quantise the model", reason: reason() })
    }

    fn vector(&mut self, name: &str) -> Result<Vec<f32>> {
        Ok(self.take(name)?.into_iter().collect())
    }

    fn norm(&mut self, name: &str) -> Result<[Vec<f32>; 2]> {
        Ok([self.vector(&format!("{name}.gamma"))?, self.vector(&format!("{name}.beta"))?])
    }

    fn matrix(&mut self, name: &str) -> Result<Matrix> {
        let weight = self.take(&format!("{name}.weight"))?;
        let bias = format!("{name}.bias");
        let bias = if self.0.contains_key(&bias) { self.vector(&bias)? } else { vec![0.0; weight.shape()[1]] };
        Ok(Matrix::new(&weight, bias))
    }

    fn layer(&mut self, layer: usize, config: &Config) -> Result<Layer> {
        let name = |part: &str| format!("layer.{layer}.{part}");
        // Attention divides by the root of a head's width: here the query does.
        let scale = 1.0 / ((config.hidden / config.heads) as f32).sqrt();
        for part in ["qkv.weight", "qkv.bias"] {
            let mut values = self.take(&name(part))?;
            let query = |(at, x): (usize, &mut f32)| {
                if at % (3 * config.hidden) < config.hidden {
                    *x *= scale
                }
            };
            values.iter_mut().enumerate().for_each(query);
            self.0.insert(name(part), values);
        }
        let mut matrix = |linear: Linear| self.matrix(&name(linear.name()));
        let [qkv, projection, intermediate, output] = Linear::ALL;
        let linear = [matrix(qkv)?, matrix(projection)?, matrix(intermediate)?, matrix(output)?];
        Ok(Layer { linear, norms: [self.norm(&name("projection"))?, self.norm(&name("output"))?] })
    }
}

impl Weights for FloatWeights {
    fn embeddings(&self) -> Embeddings<'_> {
        let [gamma, beta] = &self.norm;
        Embeddings { word: &self.word, position: &self.position, gamma, beta }
    }

    fn norm(&self, layer: usize, norm: Norm) -> [&[f32]; 2] {
        self.layers[layer].norms[norm as usize].each_ref().map(Vec::as_slice)
    }

    fn dense(&self, number: usize) -> FloatMatrix<'_> {
        self.dense[number].as_matrix()
    }

    fn multiply(
        &mut self,
        instructions: Instructions,
        (layer, linear): (usize, Linear),
        x: &[f32],
        rows: usize,
        then: Then,
        out: &mut [f32],
    ) -> Result<()> {
        let matrix = &mut self.layers[layer].linear[linear as usize];
        matrix.seen.add(instructions, x, rows);
        kernels::multiply(instructions, x, rows, matrix.as_matrix(), then, out);
        Ok(())
    }
}
