//! The exact engine: ONNX Runtime in float32, within 1e-5 of the reference.
//!
//! The only file that names `ort`: loads the runtime library, opens a session, runs one micro-batch.

mod exit;
mod graph;
mod mapping;

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use memmap2::Mmap;
use ndarray::{Array2, ArrayView2, Ix2};
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

use super::{Batching, Engine, Session, Target};
use crate::compiled;
use crate::elf::Library;
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::model::{self, Model};
use crate::shortage;
use crate::weights::{self, Weight};
use graph::{Attribute, Node};
use mapping::Mapping;

/// The one version of ONNX Runtime whose behaviour is known. From 1.29 on it starts a thread of its own.
pub const RUNTIME_VERSION: &str = "1.28.0";

/// SHA-256 of the library in the wheel onnxruntime 1.28.0. A cut or damaged library would kill the process that
/// loads it, and another build may give other vectors.
#[cfg(target_arch = "x86_64")]
const RUNTIME_SHA256: &str = "aa4079d18f4ea7a5f3a94d80cd4bbe0f2740436626622d64d793803a20381083";
#[cfg(target_arch = "aarch64")]
const RUNTIME_SHA256: &str = "23a37c2994bc273e1d59a4f49af6cba5bf1cfbc29f04907ec27df375aba50a7d";

/// Most tokens of one micro-batch. Large enough that the matrix products dominate, small enough
/// that a cancelled call ends soon and the activations stay in the cache.
const TOKEN_BUDGET: usize = 512;

/// ONNX Runtime, loaded.
pub struct Exact {
    environment: &'static Environment,
}

impl Exact {
    /// Loads the runtime library, unless this process has one loaded.
    ///
    /// # Errors
    /// It is not the one whose SHA-256 is known, or does not start.
    pub fn load(library: &Path) -> Result<Self> {
        Ok(Self { environment: load(library)? })
    }
}

impl Engine for Exact {
    fn target(&self) -> Target {
        let (version, files) = (RUNTIME_VERSION, &[compiled::GRAPH, compiled::WEIGHTS]);
        Target { version, cpu: compiled::cpu_features(), files }
    }

    /// Without padding, a text's vector is the same to the last bit whatever else is in its batch: the runtime adds up the
    /// same numbers in the same order.
    fn batching(&self) -> Batching {
        Batching { tokens: TOKEN_BUDGET, mixed: false }
    }

    fn build(&self, model: &Model, directory: Option<&Path>, interrupt: Interrupt) -> Result<Box<dyn Session>> {
        Ok(Box::new(RuntimeSession::build(self.environment, model, directory, interrupt)?))
    }

    fn map(&self, _model: &Model, directory: &Path) -> Result<Box<dyn Session>> {
        Ok(Box::new(RuntimeSession::map(self.environment, directory)?))
    }

    fn known(&self) -> &'static str {
        include_str!("exact/known.json")
    }
}

/// Loads the runtime library, once in a process. A later call with another path gets the library loaded first.
fn load(library: &Path) -> Result<&'static Environment> {
    static ENVIRONMENT: OnceCell<Environment> = OnceCell::new();
    ENVIRONMENT.get_or_try_init(|| {
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
struct RuntimeSession {
    inner: ort::session::Session,
    /// The weights, unless the runtime has memory of its own for them. They go after the session.
    _weights: Option<Mapping>,
    /// Token ids of the largest micro-batch since memory was given back.
    largest: usize,
}

/// Up to so many token ids, a session's working memory is not worth to be given back: some 5 MB.
const KEPT_TOKENS: usize = 128;

impl RuntimeSession {
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
}

impl Session for RuntimeSession {
    fn run(&mut self, texts: &[&[i32]]) -> Result<Array2<f32>> {
        let ids = stack(texts);
        self.largest = self.largest.max(ids.len());
        self.run_with(ids.view(), &RunOptions::new().map_err(failed("run the model"))?)
    }

    fn give_back(&mut self) -> Result<bool> {
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
}

/// The token ids of texts of one length, a row for each text.
fn stack(texts: &[&[i32]]) -> Array2<i32> {
    let mut stacked = Array2::zeros((texts.len(), texts.first().map_or(0, |ids| ids.len())));
    for (mut row, ids) in stacked.rows_mut().into_iter().zip(texts) {
        row.iter_mut().zip(*ids).for_each(|(to, id)| *to = *id);
    }
    stacked
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
    let add = |(name, values): Weight| -> Result<()> {
        interrupt.check()?;
        let bytes = values.len() * size_of::<f32>();
        is_aligned &= bytes < MAPPED_BYTES || bytes.is_multiple_of(ALIGNMENT);
        let shape = values.shape().iter().map(|&n| n as i64).collect::<Vec<_>>();
        let mut tensor = Tensor::<f32>::new(&Allocator::default(), shape).map_err(&failed)?;
        tensor.extract_array_mut().assign(&values);
        graph.add_initializer(name, tensor, false).map_err(&failed)
    };
    weights::read(model, add)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_is_a_row() {
        let ids = stack(&[&[101, 7, 102], &[101, 8, 102]]);
        assert_eq!(ids, ndarray::array![[101, 7, 102], [101, 8, 102]]);
    }
}
