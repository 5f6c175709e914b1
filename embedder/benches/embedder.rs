//! Tokenizing, short and long texts, batches with 1 and 2 threads.
#![allow(clippy::expect_used, reason = "a benchmark without its files has nothing to do")]

mod common;

use std::sync::LazyLock;

use common::{SHORT, cache, texts};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use embedder::{Embedder, Options};

static EMBEDDER: LazyLock<Embedder> = LazyLock::new(|| {
    let options = Options::new(env!("PG_EMBED_MODEL"), env!("PG_EMBED_RUNTIME"));
    Embedder::open(&options.with_cache(cache())).expect("make deps brings the files")
});

fn main() {
    divan::main();
}

#[divan::bench]
fn tokenize_short(bencher: Bencher) {
    bencher.bench(|| EMBEDDER.tokenizer().encode(black_box(SHORT)));
}

#[divan::bench]
fn tokenize_500_kb(bencher: Bencher) {
    let text = SHORT.repeat(10_000);
    bencher.bench(|| EMBEDDER.tokenizer().encode(black_box(&text)));
}

#[divan::bench(args = [" ", "a", "word ", "я", "字", "\u{301}", "👗"], sample_count = 5)]
fn tokenize_100_mb_of(bencher: Bencher, filler: &str) {
    let text = format!("first {} last", filler.repeat(100_000_000 / filler.len()));
    bencher.bench(|| EMBEDDER.tokenizer().encode(black_box(&text)));
}

#[divan::bench]
fn embed_short(bencher: Bencher) {
    bencher.bench(|| EMBEDDER.embed(black_box(SHORT)));
}

#[divan::bench]
fn embed_256_tokens(bencher: Bencher) {
    let text = "word ".repeat(254);
    bencher.bench(|| EMBEDDER.embed(black_box(&text)));
}

#[divan::bench(args = [1, 2], sample_count = 5)]
fn embed_many(bencher: Bencher, threads: usize) {
    let texts = texts();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    bencher.counter(ItemsCount::new(texts.len())).bench(|| EMBEDDER.embed_many(black_box(&texts), threads));
}
