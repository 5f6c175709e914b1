//! Sentence embeddings on ONNX Runtime: text in, vectors out.
//!
//! The model is all-MiniLM-L6-v2, or any other in a directory in the layout of sentence-transformers whose files are
//! supported. The vectors are those of sentence-transformers with the same files: float32 components, each within 1e-5
//! of the reference; for all-MiniLM-L6-v2 384 of them, of unit length. A text of more tokens than the model reads, 256
//! for all-MiniLM-L6-v2, is represented by its first ones.
//!
//! With [`Precision::Int8`] the same files give vectors close to those (cosine at least 0.999 for texts in words), several
//! times as fast.
//!
//! ```
//! use embedder::{Embedder, Options};
//!
//! # fn main() -> embedder::Result<()> {
//! # let [model, runtime] = ["PG_EMBED_MODEL", "PG_EMBED_RUNTIME"].map(|name| std::env::var_os(name).unwrap());
//! let embedder = Embedder::open(&Options::new(model, runtime))?;
//! let query = embedder.embed("green sleeveless summer wear")?.vector;
//! let texts = ["a red woollen winter coat", "a summer dress in green without sleeves"];
//! let rows = embedder.embed_many(&texts, 1)?;
//! let similarity: Vec<f32> = rows.rows().into_iter().map(|row| row.dot(&query)).collect();
//! assert!(similarity[1] > similarity[0]);
//! # Ok(())
//! # }
//! ```

mod batch;
mod chunk;
mod compiled;
#[cfg_attr(
    not(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64"))),
    path = "no_elf.rs"
)]
mod elf;
mod engine;
mod error;
mod interrupt;
mod memory;
mod model;
mod shortage;
mod tokenizer;
mod weights;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ndarray::{Array1, Array2};

pub use batch::{Batch, Truncated};
pub use chunk::{Chunk, Chunking, Chunks, MIN_TOKENS, Split};
pub use compiled::remove_unused as remove_unused_compiled;
pub use engine::{Instructions, RUNTIME_VERSION};
pub use error::{Error, Result};
pub use model::{Checksums, Files, Model, NAME as MODEL_NAME, Precision, fingerprint};
pub use shortage::{Allocator, refuse_without_reserve, use_up_reserve};
pub use tokenizer::{Tokenizer, Tokens};

use crate::engine::{Session, Source};
use crate::interrupt::Interrupt;

/// Components of a vector of all-MiniLM-L6-v2.
pub const DIMENSIONS: usize = 384;

/// The file of the library that this code is part of; empty for a program, and where that cannot be seen.
pub fn own_library() -> PathBuf {
    elf::Library::at(own_library as *const () as usize).map(|library| library.path()).unwrap_or_default()
}

/// Where an [`Embedder`] finds its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Directory of the model, in the layout of sentence-transformers.
    pub model: PathBuf,
    /// Which files it has to hold.
    pub files: Files,
    /// How it is computed with.
    pub precision: Precision,
    /// The ONNX Runtime library, version [`RUNTIME_VERSION`], which runs models of [`Precision::Exact`].
    pub runtime: PathBuf,
    /// The instructions that [`Precision::Int8`] may use, for tests and benchmarks; by default the best that the processor
    /// has. They are of no effect on a vector.
    pub instructions: Option<Instructions>,
    /// Directory for compiled models, made if it does not exist. It belongs to the embedder: compiled models of the
    /// same model for another runtime or CPU are removed, except for those that living processes use. Without one, or
    /// where it cannot be written, a session costs 117 MB and a second; more for a larger model.
    pub cache: Option<PathBuf>,
    /// Whether this is the first process of a server, and others are forked from it. What is opened is then made
    /// cheap to inherit; and since no other process uses the cache, models that version 0.1.0 compiled are removed,
    /// whose users cannot be told.
    pub preload: bool,
}

impl Options {
    pub fn new(model: impl Into<PathBuf>, runtime: impl Into<PathBuf>) -> Self {
        Self {
            model: model.into(),
            files: Files::MiniLm,
            precision: Precision::Exact,
            runtime: runtime.into(),
            instructions: None,
            cache: None,
            preload: false,
        }
    }

    /// The same for a model of these files.
    pub fn with_files(self, files: Files) -> Self {
        Self { files, ..self }
    }

    /// The same, computed with in this precision.
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// The same with these instructions at most.
    pub fn with_instructions(self, instructions: Instructions) -> Self {
        Self { instructions: Some(instructions), ..self }
    }

    /// The same with a directory for the compiled model.
    pub fn with_cache(self, cache: impl Into<PathBuf>) -> Self {
        Self { cache: Some(cache.into()), ..self }
    }

    /// The same for the first process of a server.
    pub fn preloading(self) -> Self {
        Self { preload: true, ..self }
    }
}

/// A text's vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// [`Model::dimensions`] components; of unit length, if the model normalises them.
    pub vector: Array1<f32>,
    /// Whether only the first part of the text is in the vector.
    pub truncated: bool,
}

/// Turns texts into vectors. Can be shared by threads; those that do not belong to one batch take turns.
pub struct Embedder {
    tokenizer: Tokenizer,
    source: Source,
    /// Whoever cannot have a session to himself can at least wait for this one.
    session: Mutex<Box<dyn Session>>,
    warning: Option<Error>,
}

impl Embedder {
    /// Loads runtime, tokenizer and model.
    ///
    /// To be called before the process starts its threads: the runtime's environment variable is set here, and the C
    /// library's allocator is told to keep one arena for all threads.
    ///
    /// # Errors
    /// A file is missing, unreadable, not the one whose SHA-256 is known, or asks for something unsupported. Nothing
    /// is kept, so that the call can be repeated once the file is mended.
    pub fn open(options: &Options) -> Result<Self> {
        Self::open_under(options, Interrupt::NEVER)
    }

    /// The same, but ends soon after `interrupted` returns true. It is asked every few milliseconds, also on another
    /// thread, which receives no signals and has ended when this returns.
    ///
    /// # Errors
    /// As for [`open`](Self::open), and [`Error::Interrupted`].
    pub fn open_unless(options: &Options, interrupted: &(dyn Fn() -> bool + Sync)) -> Result<Self> {
        Self::open_under(options, Interrupt::new(interrupted))
    }

    fn open_under(options: &Options, interrupt: Interrupt) -> Result<Self> {
        shortage::refuse_without_reserve()?;
        if options.preload {
            memory::begin_to_be_inherited();
        }
        memory::share_arena();
        let model = Model::open(&options.model, &options.files, options.precision)?;
        let (source, tokenizer, warning) = Source::open(options, model, interrupt)?;
        let session = Mutex::new(source.session(interrupt)?);
        if options.preload {
            memory::make_cheap_to_inherit();
        }
        Ok(Self { tokenizer, source, session, warning })
    }

    /// Why the model could not be compiled to where [`Options::cache`] asks for; it is then used all the same.
    pub fn warning(&self) -> Option<&Error> {
        self.warning.as_ref()
    }

    /// Directory of the compiled model, if one is used.
    pub fn compiled(&self) -> Option<&Path> {
        self.source.compiled()
    }

    pub fn model(&self) -> &Model {
        self.source.model()
    }

    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The vector of one text.
    ///
    /// # Errors
    /// The tokenizer or the runtime failed.
    pub fn embed(&self, text: &str) -> Result<Embedding> {
        let tokens = self.tokenizer.encode(text)?;
        let vectors = self.session().run(&[&tokens.ids])?;
        Ok(Embedding { vector: vectors.row(0).to_owned(), truncated: tokens.truncated })
    }

    /// The vectors of many texts, of shape (texts, dimensions), in their order. [`Batch`] does the same with
    /// pauses.
    ///
    /// # Errors
    /// As for [`Batch::run`].
    pub fn embed_many(&self, texts: &[&str], threads: usize) -> Result<Array2<f32>> {
        let mut batch = Batch::new(memory::copy(texts)?)?;
        while !batch.run(self, threads, &|| false)? {}
        Ok(batch.into_vectors())
    }

    /// The session that is always there, once no other thread uses it.
    fn session(&self) -> MutexGuard<'_, Box<dyn Session>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
