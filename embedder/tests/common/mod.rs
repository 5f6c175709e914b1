//! What several tests need.

use std::path::Path;
use std::sync::LazyLock;

use embedder::{Embedder, Options};

/// The files that `make deps` brings.
pub fn options() -> Options {
    Options::new(env!("PG_EMBED_MODEL"), env!("PG_EMBED_RUNTIME"))
}

/// One embedder for all tests of a file, with a compiled model.
pub fn embedder() -> &'static Embedder {
    static EMBEDDER: LazyLock<Embedder> = LazyLock::new(|| open_compiled(options(), "compiled"));
    &EMBEDDER
}

/// An embedder with a compiled model, in a directory of this name that is kept for the next time.
pub fn open_compiled(options: Options, cache: &str) -> Embedder {
    let embedder = Embedder::open(&options.with_cache(Path::new(env!("CARGO_TARGET_TMPDIR")).join(cache))).unwrap();
    assert!(embedder.warning().is_none(), "{:?}", embedder.warning());
    embedder
}

/// The greatest difference of two vectors in any component.
#[allow(dead_code, reason = "not every test file compares vectors")]
pub fn deviation<'a>(found: impl IntoIterator<Item = &'a f32>, expected: &[f32]) -> f32 {
    let mut found = found.into_iter();
    let off = expected.iter().map(|e| (found.next().unwrap() - e).abs()).fold(0.0, f32::max);
    assert!(found.next().is_none());
    off
}
