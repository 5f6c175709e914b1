//! The int8 engine: weights of 8 bits with a scale for each output, activations of 8 bits with a scale and a zero point for
//! each token.
//!
//! Products of 8 bits are added up exactly, in 32 bits. All else is float32 in one order of operations. So a text's vector
//! depends on nothing but the text: not on what is beside it in a batch, nor on the processor.

mod calibrate;
mod encoder;
mod kernels;
mod parts;
mod quantize;
mod rounding;

use std::fs;
use std::path::Path;

use ndarray::Array2;

pub use kernels::Instructions;

use super::{Batching, Engine, Session, Target};
use crate::compiled;
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::model::{self, Config, Model};
use crate::tokenizer::Tokenizer;
use encoder::Scratch;
use parts::{Bytes, Int8Weights, Parts};

/// Another way to quantise gets another number: its vectors are others.
const METHOD: &str = "2";

/// How models are quantised, for their fingerprints.
pub fn method() -> String {
    format!("int8 {METHOD} {}\n", model::sha256(calibrate::TEXTS.as_bytes()))
}

/// Most tokens of one micro-batch: the activations of so many stay in the second-level cache. *Measured* with 64 to 512.
const TOKEN_BUDGET: usize = 128;

/// Runs models in 8 bits.
pub struct Int8 {
    instructions: Instructions,
}

impl Int8 {
    /// With these instructions, or the best that the processor has.
    pub fn new(instructions: Option<Instructions>) -> Self {
        let best = Instructions::best();
        Self { instructions: instructions.map_or(best, |instructions| instructions.min(best)) }
    }

    fn open(&self, model: &Model, weights: Int8Weights) -> Box<dyn Session> {
        let (instructions, config) = (self.instructions, model.config().clone());
        Box::new(Int8Session { instructions, config, weights, scratch: Scratch::default() })
    }
}

impl Engine for Int8 {
    /// The same files for all processors.
    fn target(&self) -> Target {
        Target { version: METHOD, cpu: String::new(), files: &[compiled::WEIGHTS] }
    }

    fn batching(&self) -> Batching {
        Batching { tokens: TOKEN_BUDGET, mixed: true }
    }

    fn build(&self, model: &Model, directory: Option<&Path>, interrupt: Interrupt) -> Result<Box<dyn Session>> {
        let tokenizer = match directory {
            Some(directory) => Tokenizer::open_compiled(model, directory)?,
            None => Tokenizer::open(model)?,
        };
        let weights = quantize::quantize(self.instructions, model, &tokenizer, interrupt)?;
        if let Some(directory) = directory {
            let path = directory.join(compiled::WEIGHTS);
            fs::write(&path, weights.bytes()).map_err(|e| Error::io("write", &path, e))?;
        }
        Ok(self.open(model, weights))
    }

    fn map(&self, model: &Model, directory: &Path) -> Result<Box<dyn Session>> {
        let path = directory.join(compiled::WEIGHTS);
        let (parts, bytes) = (Parts::of(model.config()), model::map(&path)?);
        if bytes.len() != parts.bytes {
            let reason = format!("it has {} bytes, which is not the size of this model", bytes.len());
            return Err(Error::Malformed { path, reason });
        }
        Ok(self.open(model, Int8Weights::new(parts, Bytes::Mapped(bytes))))
    }

    fn known(&self) -> &'static str {
        include_str!("int8/known.json")
    }
}

/// An open model.
struct Int8Session {
    instructions: Instructions,
    config: Config,
    weights: Int8Weights,
    scratch: Scratch,
}

impl Session for Int8Session {
    fn run(&mut self, texts: &[&[i32]]) -> Result<Array2<f32>> {
        encoder::run(self.instructions, &self.config, &mut self.weights, &mut self.scratch, texts)
    }

    fn give_back(&mut self) -> Result<bool> {
        let is_large = self.scratch.give_back();
        if is_large {
            self.weights.give_back();
        }
        Ok(is_large)
    }
}
