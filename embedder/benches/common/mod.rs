//! The texts that both benchmarks use.
#![allow(dead_code, reason = "not every benchmark uses all")]

/// Twelve tokens, [CLS] and [SEP] included.
pub const SHORT: &str = "green sleeveless summer wear for a party in may";

/// 1,000 texts of 5 to 100 words, or the lines of the file that PG_EMBED_BENCH_TEXTS names.
pub fn texts() -> Vec<String> {
    if let Some(path) = std::env::var_os("PG_EMBED_BENCH_TEXTS").filter(|path| !path.is_empty()) {
        let lines = std::fs::read_to_string(path).expect("PG_EMBED_BENCH_TEXTS can be read");
        return lines.lines().map(str::to_owned).collect();
    }
    (0..1000).map(|i| "a green summer dress ".repeat(1 + i * 7 % 24) + &i.to_string()).collect()
}

/// Where the embedder's benchmark has its model compiled to.
pub fn cache() -> &'static std::path::Path {
    std::path::Path::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/compiled"))
}
