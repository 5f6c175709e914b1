//! What the embedder is measured against: `ort` alone runs the same compiled graph, with the tokens given.
//!
//! In a process of its own, because a process has one ONNX Runtime environment. Run the other benchmark first: it has
//! the model compiled.
#![allow(clippy::expect_used, reason = "a benchmark without its files has nothing to do")]

mod common;

use std::sync::Mutex;

use common::{SHORT, cache, texts};
use divan::Bencher;
use divan::counter::ItemsCount;
use ndarray::Array2;
use ort::session::builder::GraphOptimizationLevel;
use ort::{environment::Environment, session::Session, value::TensorRef};

/// The embedder's token budget for a micro-batch.
const TOKEN_BUDGET: usize = 512;

static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

fn main() {
    let environment = ort::init_from(env!("PG_EMBED_RUNTIME")).expect("make deps brings the library").build();
    *ENVIRONMENT.lock().expect("one thread") = Some(environment.expect("an environment"));
    divan::main();
}

fn session() -> Session {
    let compiled = std::fs::read_dir(cache()).expect("the other benchmark ran");
    let graph = compiled.flatten().map(|entry| entry.path().join("model.onnx")).find(|path| path.exists());
    let environment = ENVIRONMENT.lock().expect("one thread");
    let builder = Session::builder(environment.as_ref().expect("set in main")).expect("options");
    let builder = builder.with_optimization_level(GraphOptimizationLevel::Disable).expect("options");
    let builder = builder.with_memory_pattern(false).expect("options");
    let mut builder = builder.with_intra_threads(1).expect("options");
    builder.commit_from_file(graph.expect("a compiled model")).expect("the model opens")
}

/// Micro-batches of token ids and masks: sorted by length, within the budget, padded.
fn micro_batches(texts: &[String]) -> Vec<(Array2<i32>, Array2<i32>)> {
    let file = concat!(env!("PG_EMBED_MODEL"), "/tokenizer.json");
    let mut tokenizer = tokenizers::Tokenizer::from_file(file).expect("a tokenizer");
    tokenizer.with_padding(None).with_truncation(None).expect("no limits");
    let ids = |text: &String| tokenizer.encode_fast(text.as_str(), true).expect("tokens").get_ids().to_vec();
    let mut rows: Vec<Vec<u32>> = texts.iter().map(ids).collect();
    rows.iter_mut().for_each(|row| row.truncate(256));
    rows.sort_by_key(|row| std::cmp::Reverse(row.len()));
    let mut batches = Vec::new();
    let mut rest = &rows[..];
    while let Some(longest) = rest.first().map(Vec::len) {
        let (batch, after) = rest.split_at((TOKEN_BUDGET / longest).clamp(1, rest.len()));
        let token = |(row, at): (usize, usize)| batch[row].get(at).map_or(0, |&id| id as i32);
        let padded = Array2::from_shape_fn((batch.len(), longest), token);
        let mask = Array2::from_shape_fn((batch.len(), longest), |(row, at)| i32::from(at < batch[row].len()));
        batches.push((padded, mask));
        rest = after;
    }
    batches
}

fn run(session: &mut Session, (ids, mask): &(Array2<i32>, Array2<i32>)) {
    let ids = TensorRef::from_array_view(ids).expect("a tensor");
    let mask = TensorRef::from_array_view(mask).expect("a tensor");
    let inputs = ort::inputs!["input_ids" => ids, "attention_mask" => mask];
    divan::black_box(session.run(inputs).expect("a run"));
}

#[divan::bench]
fn run_short(bencher: Bencher) {
    let (mut session, batches) = (session(), micro_batches(&[SHORT.to_owned()]));
    bencher.bench_local(|| run(&mut session, &batches[0]));
}

#[divan::bench(sample_count = 5)]
fn run_many(bencher: Bencher) {
    let texts = texts();
    let (mut session, batches) = (session(), micro_batches(&texts));
    bencher.counter(ItemsCount::new(texts.len())).bench_local(|| batches.iter().for_each(|b| run(&mut session, b)));
}
