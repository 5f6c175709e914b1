//! Agreement with sentence-transformers 6.2 (PyTorch, CPU, batch size 1) on the texts of `golden/minilm.jsonl`.

use std::path::PathBuf;
use embedder::{Embedder, Options};

#[derive(serde::Deserialize)]
struct Reference { text: String, tokens: usize, embedding: Vec<f32> }

fn references() -> Vec<Reference> {
    let golden = include_str!("golden/minilm.jsonl");
    golden.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn all() {
    let t=std::time::Instant::now();
    let dir = PathBuf::from("/tmp/cache");
    let e = Embedder::open(&Options::new(env!("PG_EMBED_MODEL"), env!("PG_EMBED_RUNTIME")).with_cache(dir)).unwrap();
    println!("{:?} {:?}", t.elapsed(), e.warning());
    let refs = references();
    let mut worst = 0f32;
    for r in &refs {
        let got = e.embed(&r.text).unwrap();
        assert_eq!(e.tokenizer().encode(&r.text).unwrap().ids.len(), r.tokens);
        let d = got.vector.iter().zip(&r.embedding).map(|(a,b)|(a-b).abs()).fold(0.,f32::max);
        if d > worst { worst = d; println!("{d:e} {:?}", &r.text.chars().take(40).collect::<String>()); }
    }
    println!("{:?}", e.tokenizer().encode(&refs[47].text).unwrap().ids);
    let t=std::time::Instant::now();
    for _ in 0..200 { e.embed("green sleeveless summer wear for a party in may").unwrap(); }
    println!("{:?} ntok {}", t.elapsed()/200, e.tokenizer().encode("green sleeveless summer wear for a party in may").unwrap().ids.len());
    let t=std::time::Instant::now();
    for _ in 0..200 { e.tokenizer().encode("green sleeveless summer wear for a party in may").unwrap(); }
    println!("tok {:?}", t.elapsed()/200);
}
