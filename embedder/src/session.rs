//! The only file that names `ort`: loads the runtime library, opens a session, runs one micro-batch.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use memmap2::Mmap;
use ndarray::{Array1, Array2, ArrayView2, Axis, Ix2};
use nix::libc;
use once_cell::sync::OnceCell;
use ort::editor::{Graph, Model as OrtModel, Node as OrtNode, Opset};
use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::memory::Allocator;
use ort::operator::Attribute as OrtAttribute;
use ort::session::RunOptions;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::value::{Outlet, Shape, SymbolicDimensions, Tensor, TensorElementType, TensorRef, ValueType};

use crate::Options;
use crate::compiled::{self, Key, Leased};
use crate::elf::Library;
use crate::error::{Error, Result};
use crate::exit;
use crate::graph::{self, Attribute, Initializer, Node};
use crate::interrupt::Interrupt;
use crate::mapping::{self, Mapping};
use crate::memory;
use crate::model::{self, Model};
use crate::shortage;
use crate::tokenizer::Tokenizer;

/// The one version of ONNX Runtime whose behaviour is known. From 1.29 on it starts a thread of its own.
pub const RUNTIME_VERSION: &str = "1.28.0";

/// SHA-256 of the library in the wheel onnxruntime 1.28.0. A cut or damaged library would kill the process that
/// loads it, and another build may give other vectors.
#[cfg(target_arch = "x86_64")]
const RUNTIME_SHA256: &str = "aa4079d18f4ea7a5f3a94d80cd4bbe0f2740436626622d64d793803a20381083";
#[cfg(target_arch = "aarch64")]
const RUNTIME_SHA256: &str = "23a37c2994bc273e1d59a4f49af6cba5bf1cfbc29f04907ec27df375aba50a7d";

/// Token ids of a known text and the vector that sentence-transformers gives for it.
const KNOWN: &str = include_str!("known.json");
/// The text for which a compiled model has to give the vector that the model gives.
const KNOWN_TEXT: &str = "A compiled model gives the same vectors: à la lettre, 一字不差, слово в слово.";
/// How far a component of the known vector may be off.
const TOLERANCE: f32 = 1e-5;

/// Where sessions come from: the loaded runtime, and the compiled model if there is one.
pub struct Source {
    environment: &'static Environment,
    model: Model,
    /// Token ids of [`KNOWN_TEXT`].
    known: Array2<i32>,
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
    /// Loads the runtime library, has the model compiled into `options.cache` unless it is there already, and opens the
    /// tokenizer.
    ///
    /// The third result says why there is no compiled model, where one was asked for. Sessions are then built from
    /// the model's weights, which costs each of them 117 MB and a second, or more if the model is larger.
    pub fn open(options: &Options, model: Model, interrupt: Interrupt) -> Result<(Self, Tokenizer, Option<Error>)> {
        let environment = load(&options.runtime)?;
        let obtained = options.cache.as_ref().map(|cache| {
            let lease = obtain(environment, &model, cache, options.preload, interrupt)?;
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
        Ok((Self { environment, model, known, compiled }, tokenizer, warning))
    }

    /// Opens a session. It belongs to one thread at a time and has no threads of its own.
    pub fn session(&self, interrupt: Interrupt) -> Result<Session> {
        match &self.compiled {
            Some(compiled) => Session::map(self.environment, &compiled.directory),
            None => {
                let mut session = Session::build(self.environment, &self.model, None, interrupt)?;
                check(&self.model, &mut session, self.known.view())?;
                Ok(session)
            }
        }
    }

    /// Opens a session later on. The compiled model may have been damaged or deleted meanwhile: it is looked at
    /// first, and made again if need be.
    pub fn further_session(&self, interrupt: Interrupt) -> Result<Session> {
        if let Some(compiled) = &self.compiled {
            let leased = obtain(self.environment, &self.model, &compiled.cache, false, interrupt)?;
            *compiled.lease.lock().unwrap_or_else(PoisonError::into_inner) = leased;
        }
        self.session(interrupt)
    }

    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The directory of the compiled model, if one is used.
    pub fn compiled(&self) -> Option<&Path> {
        self.compiled.as_ref().map(|compiled| compiled.directory.as_path())
    }
}

/// The compiled model in `cache`, after having it built if there is none.
fn obtain(environment: &Environment, model: &Model, cache: &Path, alone: bool, interrupt: Interrupt) -> Result<Leased> {
    let (label, fingerprint) = (model.label(), model.fingerprint());
    let cpu = compiled::cpu_features();
    let key = Key { label: &label, model: &fingerprint, runtime_version: RUNTIME_VERSION, cpu: &cpu };
    compiled::obtain(cache, &key, alone, interrupt, |directory| {
        let tokenizer = Tokenizer::open(model)?;
        tokenizer.compile(directory)?;
        let ids = known(&tokenizer)?;
        drop(tokenizer);
        interrupt.check()?;
        let mut built = Session::build(environment, model, Some(directory), interrupt)?;
        let expected = built.run(ids.view())?;
        drop(built);
        interrupt.check()?;
        // Not only written, but right: what is mapped has to give a known vector.
        let ids = known(&Tokenizer::open_compiled(model, directory)?)?;
        let mut mapped = Session::map(environment, directory)?;
        compare(&mapped.run(ids.view())?, expected.iter())?;
        check(model, &mut mapped, ids.view())
    })
}

/// The token ids of [`KNOWN_TEXT`].
fn known(tokenizer: &Tokenizer) -> Result<Array2<i32>> {
    Ok(Array1::from(tokenizer.encode(KNOWN_TEXT)?.ids).insert_axis(Axis(0)))
}

/// Checks a session as far as the vector of a text is known. `known` are the token ids of any text.
fn check(model: &Model, session: &mut Session, known: ArrayView2<i32>) -> Result<()> {
    if model.is_minilm() {
        return session.check();
    }
    let found = session.run(known)?;
    compare(&found, found.iter())
}

/// Loads the runtime library, once in a process. A later call with another path gets the library loaded first.
fn load(library: &Path) -> Result<&'static Environment> {
    static ENVIRONMENT: OnceCell<Environment> = OnceCell::new();
    ENVIRONMENT.get_or_try_init(|| {
        memory::share_arena();
        let bytes = map(library)?;
        model::check(library, &bytes, RUNTIME_SHA256)?;
        drop(bytes);
        disable_telemetry();
        let failed = |reason: String| Error::Runtime { action: "start", reason };
        bind(library);
        let builder = ort::init_from(library).map_err(|e| failed(e.to_string()))?;
        // After the library is loaded, before it creates anything.
        // Where its references cannot be found, all is as it would be without.
        if let Some(runtime) = Library::at(std::ptr::from_ref(ort::api()) as usize) {
            exit::redirect(&runtime);
            mapping::redirect(&runtime);
            shortage::redirect(&runtime);
        }
        let environment =
            builder.with_name("pg_embed").with_telemetry(false).build().map_err(|e| failed(e.to_string()))?;
        environment.set_log_level(LogLevel::Error);
        Ok(environment)
    })
}

#[allow(unsafe_code)]
fn map(path: &Path) -> Result<Mmap> {
    let file = fs::File::open(path).map_err(|e| Error::io("read", path, e))?;
    // SAFETY: the mapping is read only, private and short. The file is installed by the administrator and replaced
    // by rename; truncating it in place meanwhile is what no reader, the dynamic linker included, can survive.
    unsafe { Mmap::map(&file) }.map_err(|e| Error::io("read", path, e))
}

/// Loads the library with all references of the libraries that it needs resolved. Left to their first call, as `ort`
/// would have it, some were resolved in each forked child when it ends, at 30 page faults.
#[allow(unsafe_code)]
fn bind(library: &Path) {
    let Ok(path) = CString::new(library.as_os_str().as_bytes()) else { return };
    // SAFETY: the library is the one whose SHA-256 is known. Where it cannot be loaded, `ort` says why. The handle is
    // given up: the library is never unloaded.
    unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
}

/// Version 1.28.0 has no telemetry on Linux. Should a build have it, this switches it off before it starts a thread.
#[allow(unsafe_code)]
fn disable_telemetry() {
    // SAFETY: called before the runtime is loaded, in a process that has started no thread: a PostgreSQL backend,
    // or a program that opens its embedder before it spawns threads, as `Embedder::open` asks for.
    unsafe { std::env::set_var("ORT_DISABLE_TELEMETRY", "1") };
}

/// Turns an error of `ort` into ours.
fn failed<R>(action: &'static str) -> impl Fn(ort::Error<R>) -> Error {
    move |e| {
        let reason = e.to_string();
        if shortage::is_told_by(&reason) {
            Error::OutOfMemory { bytes: None }
        } else {
            Error::Runtime { action, reason }
        }
    }
}

/// A model that is ready to run.
pub struct Session {
    inner: ort::session::Session,
    /// The weights, unless the runtime has memory of its own for them. They go after the session.
    _weights: Option<Mapping>,
    /// Token ids of the largest micro-batch since memory was given back.
    largest: usize,
}

/// Up to so many token ids, a session's working memory is not worth to be given back: some 5 MB.
const KEPT_TOKENS: usize = 128;

impl Session {
    /// Builds a session from the model's weights; with `directory`, writes the compiled model there too.
    fn build(environment: &Environment, model: &Model, directory: Option<&Path>, interrupt: Interrupt) -> Result<Self> {
        let failed = failed("build the model");
        let mut options = options(environment).map_err(&failed)?;
        let (graph, is_aligned) = assemble(model, interrupt)?;
        if let Some(directory) = directory {
            options = compiling(options, directory, is_aligned).map_err(&failed)?;
        }
        let mut editor = Opset::new(graph::ONNX_DOMAIN, graph::ONNX_OPSET)
            .and_then(|onnx| OrtModel::new([onnx, Opset::new(graph::MICROSOFT_DOMAIN, 1)?]))
            .map_err(&failed)?;
        editor.set_graph(graph).map_err(&failed)?;
        let canceler = options.canceler();
        interrupt.watch(
            // Where it cannot be cancelled, it is done to its end.
            || drop(canceler.cancel()),
            || editor.into_session(&options).map(|inner| Self::new(inner, None)).map_err(&failed),
        )
    }

    /// Opens the compiled model in `directory`; the weights stay in the page cache, shared by all who map them.
    fn map(environment: &Environment, directory: &Path) -> Result<Self> {
        let weights = directory.join(compiled::WEIGHTS);
        let (mapping, opened) = Mapping::share(&weights, || {
            options(environment)
                .and_then(|options| Ok(options.with_optimization_level(GraphOptimizationLevel::Disable)?))
                .and_then(|options| Ok(options.with_memory_pattern(false)?))
                .and_then(|mut options| options.commit_from_file(directory.join(compiled::GRAPH)))
                .map_err(failed("open the compiled model"))
        })
        .map_err(|e| Error::io("read", &weights, e))?;
        Ok(Self::new(opened?, Some(mapping)))
    }

    fn new(inner: ort::session::Session, weights: Option<Mapping>) -> Self {
        Self { inner, _weights: weights, largest: 0 }
    }

    /// Runs one micro-batch: token ids of shape (texts, tokens), without padding, to vectors of shape
    /// (texts, dimensions).
    pub fn run(&mut self, ids: ArrayView2<i32>) -> Result<Array2<f32>> {
        self.largest = self.largest.max(ids.len());
        self.run_with(ids, &RunOptions::new().map_err(failed("run the model"))?)
    }

    /// Frees the working memory of large micro-batches, some 17 MB, which the runtime keeps for the next one. `false` if
    /// there were none.
    pub fn give_back(&mut self) -> Result<bool> {
        if self.largest <= KEPT_TOKENS {
            return Ok(false);
        }
        let failed = failed("run the model");
        let mut options = RunOptions::new().map_err(&failed)?;
        options.set("memory.enable_memory_arena_shrinkage", "cpu:0").map_err(&failed)?;
        // The runtime does so at the end of a run, so there must be one: a millisecond.
        self.run_with(Array2::ones((1, 1)).view(), &options)?;
        self.largest = 0;
        Ok(true)
    }

    fn run_with(&mut self, ids: ArrayView2<i32>, options: &RunOptions) -> Result<Array2<f32>> {
        let failed = failed("run the model");
        let mask = Array2::<i32>::ones(ids.dim());
        let ids = TensorRef::from_array_view(ids).map_err(&failed)?;
        let mask = TensorRef::from_array_view(mask.view()).map_err(&failed)?;
        let inputs = ort::inputs![graph::INPUT_IDS => ids, graph::ATTENTION_MASK => mask];
        let outputs = self.inner.run_with_options(inputs, options).map_err(&failed)?;
        let vectors = outputs[graph::EMBEDDING].try_extract_array::<f32>().map_err(&failed)?;
        let vectors = vectors.into_dimensionality::<Ix2>();
        vectors.map(|v| v.to_owned()).map_err(|e| Error::Runtime { action: "run the model", reason: e.to_string() })
    }

    /// Compares the vector of a known text with the reference's.
    fn check(&mut self) -> Result<()> {
        #[derive(serde::Deserialize)]
        struct Known {
            ids: Vec<i32>,
            embedding: Vec<f32>,
        }
        let known: Known = serde_json::from_str(KNOWN)
            .map_err(|e| Error::Malformed { path: "known.json".into(), reason: e.to_string() })?;
        let shape = (1, known.ids.len());
        let ids = ArrayView2::from_shape(shape, &known.ids)
            .map_err(|e| Error::Malformed { path: "known.json".into(), reason: e.to_string() })?;
        compare(&self.run(ids)?, known.embedding.iter())
    }
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

/// What all sessions share: no thread but the caller's.
fn options(environment: &Environment) -> ort::Result<SessionBuilder> {
    Ok(SessionBuilder::new(environment)?.with_intra_threads(1)?.with_inter_threads(1)?)
}

/// Weights of so many bytes and more stand in a file of their own, which is mapped.
const MAPPED_BYTES: usize = 1024;

/// The runtime's kernels read packed weights in parts of so many bytes, which have to begin at a multiple of it.
const ALIGNMENT: usize = 64;

/// Has the session that is being built written to `directory`, with the weights packed for this CPU if they are aligned.
fn compiling(options: SessionBuilder, directory: &Path, is_aligned: bool) -> ort::Result<SessionBuilder> {
    Ok(options
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_optimized_model_path(directory.join(compiled::GRAPH))?
        .with_config_entry("session.optimized_model_external_initializers_file_name", compiled::WEIGHTS)?
        .with_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", MAPPED_BYTES.to_string())?
        // Otherwise each session packs them for itself, into memory of its own.
        .with_config_entry(
            "session.save_external_prepacked_constant_initializers",
            if is_aligned { "1" } else { "0" },
        )?)
}

/// The graph of `model` in the runtime's terms, weights included; and whether all that are mapped are aligned there. The
/// runtime puts them one behind the other, so they are if their sizes are multiples. Those of a model with a width that
/// is no multiple of 16 are not: to run it with packed weights ended the process.
fn assemble(model: &Model, interrupt: Interrupt) -> Result<(Graph, bool)> {
    let failed = failed("build the model");
    let mut graph = Graph::new().map_err(&failed)?;
    let outlet = |name: &str, ty, width: i64, symbols: [&str; 2]| {
        let dimension_symbols = SymbolicDimensions::new(symbols.map(str::to_owned));
        Outlet::new(name, ValueType::Tensor { ty, shape: Shape::new([-1, width]), dimension_symbols })
    };
    let input = |name| outlet(name, TensorElementType::Int32, -1, ["texts", "tokens"]);
    let dimensions = model.dimensions() as i64;
    graph
        .set_inputs([input(graph::INPUT_IDS), input(graph::ATTENTION_MASK)])
        .and_then(|()| {
            graph.set_outputs([outlet(graph::EMBEDDING, TensorElementType::Float32, dimensions, ["texts", ""])])
        })
        .map_err(&failed)?;
    let mut is_aligned = true;
    let mut add = |(name, values): Initializer| -> Result<()> {
        interrupt.check()?;
        let bytes = values.len() * size_of::<f32>();
        is_aligned &= bytes < MAPPED_BYTES || bytes.is_multiple_of(ALIGNMENT);
        let shape = values.shape().iter().map(|&n| n as i64).collect::<Vec<_>>();
        let mut tensor = Tensor::<f32>::new(&Allocator::default(), shape).map_err(&failed)?;
        tensor.extract_array_mut().assign(&values);
        graph.add_initializer(name, tensor, false).map_err(&failed)
    };
    let mut files = model.weights();
    if let Some(file) = files.next() {
        let (path, bytes) = file?;
        graph::initializers(model.config(), &path, &bytes)?.try_for_each(|weight| add(weight?))?;
    }
    for (number, (layer, file)) in model.config().dense().zip(files).enumerate() {
        let (path, bytes) = file?;
        graph::dense_initializers(number, layer, &path, &bytes)?.into_iter().try_for_each(&mut add)?;
    }
    for node in graph::nodes(model.config()) {
        graph.add_node(translate(&node).map_err(&failed)?).map_err(&failed)?;
    }
    Ok((graph, is_aligned))
}

fn translate(node: &Node) -> ort::Result<OrtNode> {
    let attributes = node.attributes.iter().map(|(name, value)| match value {
        Attribute::Int(value) => OrtAttribute::new(name, *value),
        Attribute::Ints(values) => OrtAttribute::new(name, *values),
        Attribute::String(value) => OrtAttribute::new(name, (*value).to_owned()),
        Attribute::Float(value) => OrtAttribute::new(name, *value),
    });
    let attributes = attributes.collect::<ort::Result<Vec<_>>>()?;
    OrtNode::new(node.operator, node.domain, &node.outputs[0], &node.inputs, &node.outputs, attributes)
}
