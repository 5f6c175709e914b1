//! The precisions side by side: in each round every one does the same work, so that what else the machine does meets all
//! alike; time is that of the thread on its processor.
//!
//! Prints texts a second with texts of 14 and 104 tokens, milliseconds for a query of 12, and each as a multiple of the exact
//! model's: the medians of the rounds. ROUNDS=n for another number than 15. Then the same of a process in which neither has
//! AVX-512.
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

/// Takes AVX-512 from ONNX Runtime, before it looks for it. Where its code asks which registers the operating system keeps
/// (`xor ecx, ecx; xgetbv`), the answer becomes those up to AVX's (`xor ecx, ecx; mov al, 7; nop`). That is done to this
/// process's copy of the code: the library's file is checked when it is opened.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
fn take_avx512_from_the_runtime() {
    let path = std::ffi::CString::new(env!("PG_EMBED_RUNTIME")).expect("a path");
    // SAFETY: make deps brings the very library that the embedder opens.
    assert!(!unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) }.is_null());
    let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux");
    let code = maps.lines().find(|line| line.contains("libonnxruntime") && line.contains("r-xp"));
    let (range, _) = code.and_then(|line| line.split_once(' ')).expect("the runtime is mapped");
    let [start, end] = [0, 1].map(|n| range.split('-').nth(n).expect("start and end"));
    let [start, end] = [start, end].map(|address| usize::from_str_radix(address, 16).expect("an address"));
    // SAFETY: the range is that of the code, which no thread runs meanwhile; each place is one of whole instructions.
    let places = unsafe {
        let access = libc::PROT_READ | libc::PROT_EXEC;
        assert_eq!(libc::mprotect(start as *mut _, end - start, access | libc::PROT_WRITE), 0);
        let code = std::slice::from_raw_parts_mut(start as *mut u8, end - start);
        let asks = |at: &usize| code[*at..].starts_with(&[0x31, 0xc9, 0x0f, 0x01, 0xd0]);
        let places: Vec<usize> = (0..code.len()).filter(asks).collect();
        places.iter().for_each(|at| code[at + 2..at + 5].copy_from_slice(&[0xb0, 0x07, 0x90]));
        assert_eq!(libc::mprotect(start as *mut _, end - start, access), 0);
        places.len()
    };
    assert_eq!(places, 4, "in version 1.28.0");
}

/// Texts of so many words from a vocabulary of one-token words.
fn texts(count: usize, words: usize) -> Vec<String> {
    let known =
        "green summer dress with short sleeves and a round neck for the beach made of light cotton in red or blue";
    let known: Vec<&str> = known.split(' ').collect();
    let word = |text: usize, word: usize| known[(text * 7 + word * 5 + text * word) % known.len()];
    (0..count).map(|text| (0..words).map(|n| word(text, n)).collect::<Vec<_>>().join(" ")).collect()
}

/// Set for the process in which there is no AVX-512.
#[cfg(target_arch = "x86_64")]
const WITHOUT_AVX512: &str = "PG_EMBED_BENCH_WITHOUT_AVX512";

fn main() {
    #[cfg(target_arch = "x86_64")]
    if std::env::var_os(WITHOUT_AVX512).is_some() {
        take_avx512_from_the_runtime();
        return compare(Instructions::Avx2);
    }
    compare(Instructions::best());
    #[cfg(target_arch = "x86_64")]
    if Instructions::best() > Instructions::Avx2 {
        println!("Without AVX-512:");
        let program = std::env::current_exe().expect("this program");
        let status = std::process::Command::new(program).env(WITHOUT_AVX512, "1").status().expect("it starts");
        assert!(status.success());
    }
}

/// Measures with these instructions at most.
fn compare(most: Instructions) {
    let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(15);
    // The runtime packs weights for what it finds.
    let cache = cache().with_file_name(format!("precisions {most:?}"));
    let options = || Options::new(env!("PG_EMBED_MODEL"), env!("PG_EMBED_RUNTIME")).with_cache(&cache);
    let open = |options: Options| Embedder::open(&options).expect("make deps brings the files");
    let mut embedders = vec![("exact".to_owned(), open(options()))];
    // Nobody would use the slowest instructions where there are others.
    let here = Instructions::here().into_iter().rev();
    for instructions in here.filter(|it| *it <= most && (*it > Instructions::Portable || *it == most)) {
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
