//! The int8 model: close to the exact one, and the same to the bit wherever and beside whatever it is computed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::path::Path;
use std::sync::LazyLock;

use common::{embedder as exact, open_compiled};
use embedder::{Batch, Embedder, Files, Instructions, Options, Precision, Tokens};
use ndarray::{Array1, Array2, ArrayView1, s};
use sha2::{Digest, Sha256};

/// SHA-256 of the compiled all-MiniLM-L6-v2, on every processor.
const COMPILED: &str = "b764c15ad0fb5e421b9fe6a91246e35553857d9f303362e8bca3dc03dc1f0f95";

fn options() -> Options {
    common::options().with_precision(Precision::Int8)
}

fn int8() -> &'static Embedder {
    static EMBEDDER: LazyLock<Embedder> = LazyLock::new(|| open_compiled(options(), "compiled"));
    &EMBEDDER
}

/// The texts that are compared with sentence-transformers, or the lines of the file that PG_EMBED_TEXTS names.
fn texts() -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Golden {
        text: String,
    }
    if let Some(path) = std::env::var_os("PG_EMBED_TEXTS") {
        return std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect();
    }
    let golden = include_str!("../../tests/golden/minilm.jsonl");
    golden.lines().map(|line| serde_json::from_str::<Golden>(line).unwrap().text).collect()
}

/// Texts of 2 to 256 random tokens, those that enclose them included; RANDOM_TEXTS of them.
fn random_tokens(count: usize) -> Vec<Tokens> {
    let count = std::env::var("RANDOM_TEXTS").map_or(count, |count| count.parse().unwrap());
    let mut state = 1u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let text = |_| {
        let inner = random(255);
        // All of the vocabulary but its reserved entries.
        let ids = (0..inner).map(|_| 999 + random(30_522 - 999) as i32);
        Tokens { ids: std::iter::once(101).chain(ids).chain([102]).collect(), truncated: false }
    };
    (0..count).map(text).collect()
}

fn run(embedder: &Embedder, tokens: &[Tokens], threads: usize) -> Array2<f32> {
    let mut batch = Batch::from_tokens(tokens.to_vec()).unwrap();
    while !batch.run(embedder, threads, &|| false).unwrap() {}
    batch.into_vectors()
}

fn least_cosine(a: &Array2<f32>, b: &Array2<f32>) -> f32 {
    a.rows().into_iter().zip(b.rows()).map(|(a, b)| a.dot(&b)).fold(1.0, f32::min)
}

#[test]
fn texts_have_vectors_close_to_the_exact_ones() {
    let texts = texts();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let (found, expected) = (int8().embed_many(&texts, 2).unwrap(), exact().embed_many(&texts, 2).unwrap());
    let cosines = found.rows().into_iter().zip(expected.rows()).map(|(a, b)| a.dot(&b));
    let (least, text) = cosines.zip(&texts).min_by(|(a, _), (b, _)| a.total_cmp(b)).unwrap();
    println!("least cosine of {} texts: {least}, {text:?}", texts.len());
    assert!(least >= 0.999, "{least} for {text:?}");
    assert!(found.rows().into_iter().all(|vector| (vector.dot(&vector) - 1.0).abs() < 1e-5));
}

#[test]
fn random_tokens_have_vectors_close_to_the_exact_ones() {
    let tokens = random_tokens(200);
    let least = least_cosine(&run(int8(), &tokens, 2), &run(exact(), &tokens, 2));
    println!("least cosine of {} texts of random tokens: {least}", tokens.len());
    assert!(least >= 0.996, "{least}");
}

#[test]
fn a_vector_is_the_same_alone_in_any_batch_and_with_any_threads() {
    let tokens = random_tokens(60);
    let alone: Vec<Array1<f32>> =
        tokens.iter().map(|tokens| run(int8(), std::slice::from_ref(tokens), 1).row(0).to_owned()).collect();
    for (threads, from) in [(1, 0), (2, 0), (3, 17), (1, 41)] {
        let rotated: Vec<Tokens> = (0..tokens.len()).map(|n| tokens[(n + from) % tokens.len()].clone()).collect();
        for (n, vector) in run(int8(), &rotated, threads).rows().into_iter().enumerate() {
            assert_eq!(vector, alone[(n + from) % tokens.len()], "text {n} with {threads} threads");
        }
    }
}

#[test]
fn texts_have_the_vectors_of_each_alone_after_any_pauses_and_with_any_threads() {
    let texts: Vec<String> = (0..150).map(|n| "a red dress ".repeat(n % 11 + n / 149 * 90) + &n.to_string()).collect();
    let texts: Vec<&str> = texts.iter().chain([&texts[149]]).map(String::as_str).collect();
    let alone: Vec<_> = texts.iter().map(|text| int8().embed(text).unwrap()).collect();
    for (threads, pauses) in [(1, false), (1, true), (2, false), (2, true), (5, true)] {
        let asked = std::cell::Cell::new(0);
        let pause = || pauses && asked.replace(asked.get() + 1) % 7 == 6;
        let mut batch = Batch::new(texts.clone()).unwrap();
        let mut runs = 1;
        while !batch.run(int8(), threads, &pause).unwrap() {
            runs += 1;
        }
        // Where other threads do all the work, nobody may be asked often enough.
        assert!(if pauses { runs > 1 || threads > 1 } else { runs == 1 });
        let truncated = batch.truncated().unwrap();
        assert_eq!((truncated.texts, truncated.first), (2, 149));
        assert!(batch.into_embeddings().eq(alone.iter().cloned()), "{threads} threads");
    }
}

#[test]
fn a_vector_is_the_same_with_any_instructions_and_without_a_compiled_model() {
    // The slowest instructions have time for few.
    let tokens: Vec<Tokens> = random_tokens(400).into_iter().filter(|tokens| tokens.ids.len() < 24).take(12).collect();
    let expected = run(int8(), &tokens, 1);
    for instructions in Instructions::here() {
        let embedder = open_compiled(options().with_instructions(instructions), "compiled");
        assert_eq!(run(&embedder, &tokens, 1), expected, "{instructions:?}");
    }
    let uncompiled = Embedder::open(&options()).unwrap();
    assert_eq!(run(&uncompiled, &tokens, 2), expected);
}

#[test]
fn the_compiled_model_is_the_same_everywhere() {
    let cache = tempfile::tempdir().unwrap();
    for instructions in
        Instructions::here().into_iter().filter(|it| *it != Instructions::Portable || cfg!(target_arch = "aarch64"))
    {
        let options = options().with_cache(cache.path()).with_instructions(instructions);
        let embedder = Embedder::open(&options).unwrap();
        let file = std::fs::read(embedder.compiled().unwrap().join("model.bin")).unwrap();
        let found: String = Sha256::digest(&file).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found, COMPILED, "{instructions:?}");
        drop(embedder);
        std::fs::remove_dir_all(cache.path()).unwrap();
    }
}

/// Of other widths, heads and architectures, with dense layers and without unit length.
#[test]
fn other_models_are_close_to_themselves_and_the_same_with_any_instructions() {
    let Some(models) = std::env::var_os("PG_EMBED_TEST_MODELS") else {
        panic!("PG_EMBED_TEST_MODELS does not name the directory that tests/models/make.sh fills");
    };
    let texts = texts();
    let texts: Vec<&str> = texts
        .iter()
        .map(String::as_str)
        .filter(|text| text.chars().any(char::is_alphabetic) && text.len() < 60)
        .collect();
    for name in ["e5", "minilm-layers", "minilm-cls", "minilm-dense", "bert", "xlm-roberta", "distilbert"] {
        let options = |options: Options| Options { model: Path::new(&models).join(name), files: Files::Any, ..options };
        let exact = open_compiled(options(common::options()), "models");
        let int8 = open_compiled(options(self::options()), "models");
        let found = int8.embed_many(&texts, 2).unwrap();
        let cosine = |a: ArrayView1<f32>, b: ArrayView1<f32>| a.dot(&b) / (a.dot(&a) * b.dot(&b)).sqrt();
        for ((text, found), exact) in texts.iter().zip(found.rows()).zip(exact.embed_many(&texts, 2).unwrap().rows()) {
            assert!(cosine(found, exact) >= 0.98, "{name}: {} for {text:?}", cosine(found, exact));
            assert_eq!(found, int8.embed(text).unwrap().vector, "{name}: {text:?} alone");
        }
        for instructions in Instructions::here() {
            let other = open_compiled(options(self::options().with_instructions(instructions)), "models");
            let few = &texts[..4];
            assert_eq!(other.embed_many(few, 1).unwrap(), found.slice(s![..4, ..]), "{name}: {instructions:?}");
        }
    }
}

#[test]
fn it_is_a_model_by_itself() {
    assert_ne!(int8().model().fingerprint(), exact().model().fingerprint());
    assert_eq!(int8().model().checksums(), exact().model().checksums());
    // Beside each other in the directory for compiled models.
    assert!(int8().compiled().unwrap().is_dir() && exact().compiled().unwrap().is_dir());
}

#[test]
fn it_does_without_the_runtime() {
    let options = Options::new(env!("PG_EMBED_MODEL"), "/nonexistent").with_precision(Precision::Int8);
    assert!(open_compiled(options, "compiled").embed("a dress").is_ok());
}

/// Not a test of its own: what `known.json` and the extension's scripts have to say once the way to quantise is another one.
/// `METHOD` is counted up first; the compiled model is checked against the old vector, so take that out for as long.
#[test]
#[ignore = "prints what is recorded elsewhere"]
fn print_what_is_recorded() {
    let known: serde_json::Value = serde_json::from_str(include_str!("../src/engine/exact/known.json")).unwrap();
    let ids: Vec<i32> = serde_json::from_value(known["ids"].clone()).unwrap();
    let vector = run(int8(), &[Tokens { ids: ids.clone(), truncated: false }], 1);
    println!("{}", serde_json::json!({ "ids": ids, "embedding": vector.row(0).to_vec() }));
    println!("{}", int8().model().fingerprint());
}
