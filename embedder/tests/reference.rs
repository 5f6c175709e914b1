//! Agreement with sentence-transformers 6.2 (PyTorch, CPU, batch size 1) on the texts of `tests/golden/minilm.jsonl`, among
//! them the empty text, white space, control characters, emoji, right-to-left, CJK, 100-character words, 255, 256 and
//! 257 tokens, and 1,000 words.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{deviation, embedder};
use embedder::Batch;

#[derive(serde::Deserialize)]
struct Reference {
    text: String,
    tokens: usize,
    embedding: Vec<f32>,
}

fn references() -> Vec<Reference> {
    let golden = include_str!("../../tests/golden/minilm.jsonl");
    golden.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_component_agrees() {
    let mut worst = 0.0f32;
    for reference in references() {
        let found = embedder().embed(&reference.text).unwrap();
        let off = deviation(&found.vector, &reference.embedding);
        assert!(off <= 1e-5, "{off:e} for {:?}", reference.text);
        worst = worst.max(off);
    }
    println!("greatest deviation {worst:e}");
}

#[test]
fn token_counts_agree_exactly() {
    for reference in references() {
        let tokens = embedder().tokenizer().encode(&reference.text).unwrap();
        assert_eq!(tokens.ids.len(), reference.tokens, "{:?}", reference.text);
        let count: usize = embedder().tokenizer().count(&reference.text).map(|step| step.unwrap()).sum();
        assert_eq!(tokens.truncated, count > 256, "{:?}", reference.text);
        assert_eq!(count.min(256), reference.tokens, "{:?}", reference.text);
    }
}

#[test]
fn many_texts_are_as_one_by_one_in_their_order() {
    let references = references();
    let texts: Vec<&str> = references.iter().map(|reference| reference.text.as_str()).collect();
    for threads in [1, 2, 3] {
        let rows = embedder().embed_many(&texts, threads).unwrap();
        for (text, row) in texts.iter().zip(rows.rows()) {
            let alone = embedder().embed(text).unwrap().vector;
            assert_eq!(row, alone, "with {threads} threads, for {text:?}");
        }
    }
}

#[test]
fn tokens_are_as_their_texts() {
    let references = references();
    let texts: Vec<&str> = references.iter().map(|reference| reference.text.as_str()).collect();
    let tokens = texts.iter().map(|text| embedder().tokenizer().encode(text).unwrap()).collect();
    let (mut of_texts, mut of_tokens) = (Batch::new(texts).unwrap(), Batch::from_tokens(tokens).unwrap());
    for batch in [&mut of_texts, &mut of_tokens] {
        while !batch.run(embedder(), 1, &|| false).unwrap() {}
    }
    assert!(of_texts.truncated().is_some());
    assert_eq!(of_texts.truncated(), of_tokens.truncated());
    assert_eq!(of_texts.into_vectors(), of_tokens.into_vectors());
}
