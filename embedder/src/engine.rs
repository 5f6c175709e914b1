//! The engines: token ids in, vectors out.
//!
//! There is one for each precision. An engine compiles a model once for a machine, and opens sessions of what it has
//! compiled, which map it.

mod exact;
mod int8;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ndarray::Array2;

pub use exact::RUNTIME_VERSION;
pub use int8::Instructions;
pub(crate) use int8::method;

use crate::Options;
use crate::compiled::{self, Key, Leased};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::model::{Model, Precision};
use crate::tokenizer::Tokenizer;

/// The text for which a compiled model has to give the vector that the model gives.
const KNOWN_TEXT: &str = "A compiled model gives the same vectors: à la lettre, 一字不差, слово в слово.";
/// How far a component of a known vector may be off.
const TOLERANCE: f32 = 1e-5;

/// Runs models of one precision.
pub trait Engine: Send + Sync {
    /// What its compiled models depend on beside the model.
    fn target(&self) -> Target;

    /// Which texts are best run together.
    fn batching(&self) -> Batching;

    /// Opens a session on the model's own files; with `directory`, writes the compiled model there too.
    fn build(&self, model: &Model, directory: Option<&Path>, interrupt: Interrupt) -> Result<Box<dyn Session>>;

    /// Opens the compiled model in `directory`.
    fn map(&self, model: &Model, directory: &Path) -> Result<Box<dyn Session>>;

    /// Token ids of a text and the vector that all-MiniLM-L6-v2 has to give for it, in JSON.
    fn known(&self) -> &'static str;
}

/// What compiled models are made for.
pub struct Target {
    /// The version of what made them and reads them.
    pub version: &'static str,
    /// The processor, if they are not for all.
    pub cpu: String,
    /// The files that they consist of.
    pub files: &'static [&'static str],
}

/// Which texts are run together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batching {
    /// Most tokens of one micro-batch of several texts.
    pub tokens: usize,
    /// Whether texts of different lengths can be in one without padding.
    pub mixed: bool,
}

/// An open model. It belongs to one thread at a time and has no threads of its own.
pub trait Session: Send {
    /// Runs one micro-batch: the token ids of each text, without padding, to vectors of shape (texts, dimensions).
    fn run(&mut self, texts: &[&[i32]]) -> Result<Array2<f32>>;

    /// Frees the working memory of large micro-batches, which is kept for the next one. `false` if there was none.
    fn give_back(&mut self) -> Result<bool>;
}

/// Where sessions come from: an engine, and the compiled model if there is one.
pub struct Source {
    engine: Box<dyn Engine>,
    model: Model,
    /// Token ids of [`KNOWN_TEXT`].
    known: Vec<i32>,
    compiled: Option<Compiled>,
}

/// The compiled model that sessions are opened from.
struct Compiled {
    cache: PathBuf,
    directory: PathBuf,
    /// Keeps other processes from removing it.
    lease: Mutex<Leased>,
}

impl Source {
    /// Makes the engine ready, has it compile the model into `options.cache` unless that was done already, and opens the
    /// tokenizer.
    ///
    /// The third result says why there is no compiled model, where one was asked for. Each session is then built from
    /// the model's own files.
    pub fn open(options: &Options, model: Model, interrupt: Interrupt) -> Result<(Self, Tokenizer, Option<Error>)> {
        let engine: Box<dyn Engine> = match model.precision() {
            Precision::Exact => Box::new(exact::Exact::load(&options.runtime)?),
            Precision::Int8 => Box::new(int8::Int8::new(options.instructions)),
        };
        let obtained = options.cache.as_ref().map(|cache| {
            let lease = obtain(&*engine, &model, cache, options.preload, interrupt)?;
            let (cache, directory) = (cache.clone(), lease.directory.clone());
            Ok(Compiled { cache, directory, lease: Mutex::new(lease) })
        });
        let (compiled, warning) = match obtained.transpose() {
            Ok(compiled) => (compiled, None),
            // The ordinary way needs the model's files too: what is wrong with them is not to be worked around.
            Err(
                e @ (Error::Interrupted
                | Error::FileMissing { .. }
                | Error::ChecksumMismatch { .. }
                | Error::Malformed { .. }),
            ) => return Err(e),
            Err(e) => (None, Some(e)),
        };
        let tokenizer = match &compiled {
            Some(compiled) => Tokenizer::open_compiled(&model, &compiled.directory)?,
            None => Tokenizer::open(&model)?,
        };
        let known = known(&tokenizer)?;
        Ok((Self { engine, model, known, compiled }, tokenizer, warning))
    }

    /// Opens a session.
    pub fn session(&self, interrupt: Interrupt) -> Result<Box<dyn Session>> {
        match &self.compiled {
            Some(compiled) => self.engine.map(&self.model, &compiled.directory),
            None => {
                let mut session = self.engine.build(&self.model, None, interrupt)?;
                check(&*self.engine, &self.model, &mut *session, &self.known)?;
                Ok(session)
            }
        }
    }

    /// Opens a session later on. The compiled model may have been damaged or deleted meanwhile: it is looked at
    /// first, and made again if need be.
    pub fn further_session(&self, interrupt: Interrupt) -> Result<Box<dyn Session>> {
        if let Some(compiled) = &self.compiled {
            let leased = obtain(&*self.engine, &self.model, &compiled.cache, false, interrupt)?;
            *compiled.lease.lock().unwrap_or_else(PoisonError::into_inner) = leased;
        }
        self.session(interrupt)
    }

    pub fn model(&self) -> &Model {
        &self.model
    }

    pub fn batching(&self) -> Batching {
        self.engine.batching()
    }

    /// The directory of the compiled model, if one is used.
    pub fn compiled(&self) -> Option<&Path> {
        self.compiled.as_ref().map(|compiled| compiled.directory.as_path())
    }
}

/// The compiled model in `cache`, after having it built if there is none.
fn obtain(engine: &dyn Engine, model: &Model, cache: &Path, alone: bool, interrupt: Interrupt) -> Result<Leased> {
    let (label, fingerprint) = (model.label(), model.fingerprint());
    let Target { version, cpu, files } = engine.target();
    let key = Key { label: &label, model: &fingerprint, version, cpu: &cpu, files };
    compiled::obtain(cache, &key, alone, interrupt, |directory| {
        let tokenizer = Tokenizer::open(model)?;
        tokenizer.compile(directory)?;
        let ids = known(&tokenizer)?;
        drop(tokenizer);
        interrupt.check()?;
        let mut built = engine.build(model, Some(directory), interrupt)?;
        let expected = built.run(&[&ids])?;
        drop(built);
        interrupt.check()?;
        // Not only written, but right: what is mapped has to give a known vector.
        let ids = known(&Tokenizer::open_compiled(model, directory)?)?;
        let mut mapped = engine.map(model, directory)?;
        compare(&mapped.run(&[&ids])?, expected.iter())?;
        check(engine, model, &mut *mapped, &ids)
    })
}

/// The token ids of [`KNOWN_TEXT`].
fn known(tokenizer: &Tokenizer) -> Result<Vec<i32>> {
    Ok(tokenizer.encode(KNOWN_TEXT)?.ids)
}

/// Checks a session as far as the vector of a text is known. `known` are the token ids of any text.
fn check(engine: &dyn Engine, model: &Model, session: &mut dyn Session, known: &[i32]) -> Result<()> {
    #[derive(serde::Deserialize)]
    struct Known {
        ids: Vec<i32>,
        embedding: Vec<f32>,
    }
    if model.is_minilm() {
        let known: Known = serde_json::from_str(engine.known())
            .map_err(|e| Error::Malformed { path: "known.json".into(), reason: e.to_string() })?;
        return compare(&session.run(&[&known.ids])?, known.embedding.iter());
    }
    let found = session.run(&[known])?;
    compare(&found, found.iter())
}

/// Fails unless a vector is the one that is expected, and of numbers.
fn compare<'e>(found: &Array2<f32>, expected: impl ExactSizeIterator<Item = &'e f32>) -> Result<()> {
    let is_as_long = found.len() == expected.len();
    let off = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    if is_as_long && off <= TOLERANCE && found.iter().all(|x| x.is_finite()) {
        return Ok(());
    }
    Err(Error::WrongVector { deviation: off })
}
