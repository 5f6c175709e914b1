//! The precisions side by side: in each round every one does the same work, so that what else the machine does meets all
//! alike; time is that of the thread on its processor.
//!
//! Prints texts a second with texts of 14 and 104 tokens, milliseconds for a query of 12, and each as a multiple of the exact
//! model's: the medians of the rounds. ROUNDS=n for another number than 15.
#![allow(clippy::expect_used, reason = "a benchmark without its files has nothing to do")]

mod common;

use common::{SHORT, cache};
use embedder::{Embedder, Instructions, Options, Precision};

/// Seconds that this thread has run.
#[allow(unsafe_code)]
fn cpu() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes to a variable of this function.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Texts of so many words from a vocabulary of one-token words.
fn texts(count: usize, words: usize) -> Vec<String> {
    let known =
        "green summer dress with short sleeves and a round neck for the beach made of light cotton in red or blue";
    let known: Vec<&str> = known.split(' ').collect();
    let word = |text: usize, word: usize| known[(text * 7 + word * 5 + text * word) % known.len()];
    (0..count).map(|text| (0..words).map(|n| word(text, n)).collect::<Vec<_>>().join(" ")).collect()
}

fn main() {
    let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(15);
    let options = || Options::new(env!("PG_EMBED_MODEL"), env!("PG_EMBED_RUNTIME")).with_cache(cache());
    let open = |options: Options| Embedder::open(&options).expect("make deps brings the files");
    let mut embedders = vec![("exact".to_owned(), open(options()))];
    for instructions in Instructions::here().into_iter().rev() {
        let options = options().with_precision(Precision::Int8).with_instructions(instructions);
        embedders.push((format!("int8 {instructions:?}"), open(options)));
    }
    let (short, long) = (texts(128, 12), texts(20, 102));
    let work: [(&str, &[String]); 3] = [("14 tokens", &short), ("104 tokens", &long), ("query", &[SHORT.to_owned()])];
    let mut seconds = vec![[const { Vec::new() }; 3]; embedders.len()];
    for _ in 0..rounds {
        for (n, (_, embedder)) in embedders.iter().enumerate() {
            for (kind, (_, texts)) in work.iter().enumerate() {
                let repeat = if texts.len() == 1 { 10 } else { 1 };
                let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                let start = cpu();
                for _ in 0..repeat {
                    match texts[..] {
                        [text] => drop(embedder.embed(text).expect("a vector")),
                        _ => drop(embedder.embed_many(&texts, 1).expect("vectors")),
                    }
                }
                seconds[n][kind].push((cpu() - start) / repeat as f64);
            }
        }
    }
    let median = |values: &[f64]| {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    println!("{:18} {:>22} {:>22} {:>22}", "", "14 tokens, texts/s", "104 tokens, texts/s", "query of 12, ms");
    for (n, (name, _)) in embedders.iter().enumerate() {
        let cells = work.iter().enumerate().map(|(kind, (_, texts))| {
            let (own, exact) = (median(&seconds[n][kind]), median(&seconds[0][kind]));
            let figure = if texts.len() == 1 { own * 1e3 } else { texts.len() as f64 / own };
            format!("{figure:>15.2} {:>6}", format!("{:.2}x", exact / own))
        });
        println!("{name:18} {}", cells.collect::<Vec<_>>().join(" "));
    }
}
