//! The encoder: token ids to vectors, whatever the weights are kept in.
//!
//! The rows of all texts of a micro-batch stand one below the other without padding; attention looks at one text at a time.

use ndarray::Array2;

use super::kernels::{self, AttentionScratch, Buffer, FloatMatrix, Instructions, Then, stride};
use crate::error::{Error, Result};
use crate::model::{Architecture, Config, Pooling, Step};

/// The linear layers of a layer of the encoder, in the order of the computation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linear {
    /// Query, key and value, side by side. The scale of attention is in the query's weights.
    Qkv,
    Projection,
    Intermediate,
    Output,
}

impl Linear {
    pub const ALL: [Self; 4] = [Self::Qkv, Self::Projection, Self::Intermediate, Self::Output];

    /// What its weights' names begin with.
    pub fn name(self) -> &'static str {
        match self {
            Self::Qkv => "qkv",
            Self::Projection => "projection",
            Self::Intermediate => "intermediate",
            Self::Output => "output",
        }
    }

    /// In how many parts the inputs are quantised in 8 bits: large ones leave those in other parts precise. Smaller parts take
    /// more time; they gain most before attention.
    pub fn parts(self, config: &Config) -> usize {
        let (inputs, _) = self.shape(config);
        let most: usize = if self == Self::Qkv { 96 } else { 192 };
        let sizes = (16..=most).rev().filter(|size| size.is_multiple_of(16) && inputs.is_multiple_of(*size));
        sizes.map(|size| inputs / size).next().unwrap_or(1)
    }

    /// Width in, width out.
    pub fn shape(self, config: &Config) -> (usize, usize) {
        match self {
            Self::Qkv => (config.hidden, 3 * config.hidden),
            Self::Projection => (config.hidden, config.hidden),
            Self::Intermediate => (config.hidden, config.intermediate),
            Self::Output => (config.intermediate, config.hidden),
        }
    }
}

/// The normalisations of a layer of the encoder: each after the linear layer of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norm {
    Projection,
    Output,
}

impl Norm {
    pub const ALL: [Self; 2] = [Self::Projection, Self::Output];
}

/// What becomes a text's first rows.
pub struct Embeddings<'w> {
    /// A row for each token.
    pub word: &'w [f32],
    /// A row for each position.
    pub position: &'w [f32],
    pub gamma: &'w [f32],
    pub beta: &'w [f32],
}

/// The weights of a model, in whatever precision.
pub trait Weights {
    fn embeddings(&self) -> Embeddings<'_>;

    /// Gamma and beta.
    fn norm(&self, layer: usize, norm: Norm) -> [&[f32]; 2];

    /// The dense layer of this number after pooling.
    fn dense(&self, number: usize) -> FloatMatrix<'_>;

    /// Applies a linear layer to `rows` rows.
    ///
    /// # Errors
    /// There is no memory for the rows as the weights need them.
    fn multiply(
        &mut self,
        instructions: Instructions,
        place: (usize, Linear),
        x: &[f32],
        rows: usize,
        then: Then,
        out: &mut [f32],
    ) -> Result<()>;
}

/// Up to so many rows, working memory is not worth to be given back.
const KEPT_ROWS: usize = 32;

/// Working memory, for as many rows as were needed since it was given back.
#[derive(Default)]
pub struct Scratch {
    rows: usize,
    room: Option<Room>,
}

struct Room {
    hidden: Buffer<f32>,
    qkv: Buffer<f32>,
    attended: Buffer<f32>,
    sum: Buffer<f32>,
    intermediate: Buffer<f32>,
    attention: AttentionScratch,
}

impl Scratch {
    fn room(&mut self, config: &Config, rows: usize) -> Result<&mut Room> {
        if self.rows < rows {
            *self = Self::default();
        }
        if self.room.is_none() {
            let rows_of = |width| Buffer::zeroed(rows * stride(width));
            self.room = Some(Room {
                hidden: rows_of(config.hidden)?,
                qkv: rows_of(3 * config.hidden)?,
                attended: rows_of(config.hidden)?,
                sum: rows_of(config.hidden)?,
                intermediate: rows_of(config.intermediate)?,
                attention: AttentionScratch::new(rows, config.hidden / config.heads)?,
            });
            self.rows = rows;
        }
        self.room.as_mut().ok_or(Error::OutOfMemory { bytes: None })
    }

    /// Frees it, unless it is small; `false` if it is.
    pub fn give_back(&mut self) -> bool {
        let is_large = self.rows > KEPT_ROWS;
        if is_large {
            *self = Self::default();
        }
        is_large
    }
}

/// The vectors of `texts`, of shape (texts, dimensions).
///
/// # Errors
/// A token that the model does not know; no memory.
pub fn run(
    instructions: Instructions,
    config: &Config,
    weights: &mut impl Weights,
    scratch: &mut Scratch,
    texts: &[&[i32]],
) -> Result<Array2<f32>> {
    let rows = texts.iter().map(|ids| ids.len()).sum();
    let (hidden, width) = (config.hidden, stride(config.hidden));
    let heads = (config.heads, hidden / config.heads);
    let room = scratch.room(config, rows)?;
    embed(instructions, config, &weights.embeddings(), texts, &mut room.hidden)?;
    for layer in 0..config.layers {
        weights.multiply(instructions, (layer, Linear::Qkv), &room.hidden, rows, Then::Nothing, &mut room.qkv)?;
        let mut row = 0;
        for tokens in texts.iter().map(|ids| ids.len()) {
            let (qkv, out) = (&room.qkv[row * stride(3 * hidden)..], &mut room.attended[row * width..]);
            kernels::attention(instructions, qkv, tokens, heads.0, heads.1, &mut room.attention, out);
            row += tokens;
        }
        let then = Then::Add(&room.hidden);
        weights.multiply(instructions, (layer, Linear::Projection), &room.attended, rows, then, &mut room.sum)?;
        let [gamma, beta] = weights.norm(layer, Norm::Projection);
        kernels::layer_norm(instructions, &mut room.sum, rows, hidden, gamma, beta, config.epsilon);
        let out = &mut room.intermediate;
        weights.multiply(instructions, (layer, Linear::Intermediate), &room.sum, rows, Then::Gelu, out)?;
        let then = Then::Add(&room.sum);
        weights.multiply(instructions, (layer, Linear::Output), &room.intermediate, rows, then, &mut room.hidden)?;
        let [gamma, beta] = weights.norm(layer, Norm::Output);
        kernels::layer_norm(instructions, &mut room.hidden, rows, hidden, gamma, beta, config.epsilon);
    }
    let mut vectors = crate::memory::zeros(texts.len(), config.dimensions())?;
    let mut row = 0;
    for (mut vector, tokens) in vectors.rows_mut().into_iter().zip(texts.iter().map(|ids| ids.len())) {
        let pooled = pool(instructions, config, weights, &room.hidden[row * width..], tokens)?;
        vector.iter_mut().zip(&*pooled).for_each(|(to, from)| *to = *from);
        row += tokens;
    }
    Ok(vectors)
}

/// The rows of the texts' tokens: their words' and positions' embeddings, summed and normalised.
fn embed(
    instructions: Instructions,
    config: &Config,
    embeddings: &Embeddings,
    texts: &[&[i32]],
    out: &mut [f32],
) -> Result<()> {
    let hidden = config.hidden;
    let unknown =
        || Error::Runtime { action: "run the model", reason: "a token or position is not in its table".into() };
    let tokens = texts.iter().flat_map(|ids| ids.iter().zip(positions(config, ids)));
    let mut count = 0;
    for (row, (&id, position)) in out.chunks_exact_mut(stride(hidden)).zip(tokens) {
        let word =
            usize::try_from(id).ok().and_then(|id| table_row(embeddings.word, id, hidden)).ok_or_else(unknown)?;
        let place = table_row(embeddings.position, position, hidden).ok_or_else(unknown)?;
        row.iter_mut().zip(word.iter().zip(place)).for_each(|(to, (word, place))| *to = word + place);
        count += 1;
    }
    kernels::layer_norm(instructions, out, count, hidden, embeddings.gamma, embeddings.beta, config.epsilon);
    Ok(())
}

fn table_row(table: &[f32], row: usize, width: usize) -> Option<&[f32]> {
    table.get(row * width..(row + 1) * width)
}

/// Row of the position table of each token. RoBERTa counts from its padding token's, which has its own wherever it stands
/// and is not counted.
fn positions<'i>(config: &Config, ids: &'i [i32]) -> impl Iterator<Item = usize> + 'i {
    let padding = (config.architecture == Architecture::Roberta).then_some(config.padding as i32);
    ids.iter().scan(0, move |next, &id| {
        let first = usize::from(padding.is_some());
        if padding == Some(id) {
            return Some(0);
        }
        *next += 1;
        Some(*next - 1 + first)
    })
}

/// The vector of a text from its rows, and the modules after pooling.
fn pool(
    instructions: Instructions,
    config: &Config,
    weights: &impl Weights,
    rows: &[f32],
    tokens: usize,
) -> Result<Buffer<f32>> {
    let mut vector = Buffer::zeroed(stride(config.hidden))?;
    match config.pooling {
        Pooling::Cls => vector[..config.hidden].copy_from_slice(&rows[..config.hidden]),
        Pooling::Mean => {
            kernels::sum_rows(instructions, rows, tokens, config.hidden, &mut vector[..config.hidden]);
            // Mean and sum differ only in length.
            if config.steps.first() != Some(&Step::Normalize) {
                vector.iter_mut().for_each(|x| *x /= tokens as f32);
            }
        }
    }
    let (mut width, mut dense) = (config.hidden, 0);
    for step in &config.steps {
        match step {
            Step::Normalize => kernels::normalize(instructions, &mut vector[..width]),
            Step::Dense(layer) => {
                let mut out = Buffer::zeroed(stride(layer.outputs))?;
                kernels::multiply(instructions, &vector, 1, weights.dense(dense), Then::Nothing, &mut out);
                if layer.tanh {
                    kernels::tanh(instructions, &mut out[..layer.outputs]);
                }
                (vector, width, dense) = (out, layer.outputs, dense + 1);
            }
        }
    }
    Ok(vector)
}
