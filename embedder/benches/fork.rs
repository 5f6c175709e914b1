//! What a process that is forked from one with an embedder costs: time from fork to its end, CPU time of parent and
//! child, page faults of the child. PostgreSQL's postmaster opens the embedder, and every connection is such a process.
#![allow(clippy::expect_used, reason = "a benchmark without its files has nothing to do")]
#![allow(unsafe_code)]

mod common;

use std::time::Instant;

use common::cache;
use embedder::{Embedder, Options};

const CHILDREN: u32 = 200;

fn main() {
    measure("without an embedder");
    let options = Options::new(env!("PG_EMBED_MODEL"), env!("PG_EMBED_RUNTIME"));
    let embedder = Embedder::open(&options.with_cache(cache()).preloading()).expect("make deps brings the files");
    measure("with an embedder");
    embedder.embed(common::SHORT).expect("a vector");
    measure("after a text");
}

/// Forks children one after the other that end at once.
fn measure(what: &str) {
    let (start, own, mut cpu, mut faults) = (Instant::now(), own_cpu(), 0, 0);
    for _ in 0..CHILDREN {
        // SAFETY: this process has one thread, so that the child may do whatever its parent could.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: as above.
            unsafe { libc::exit(0) };
        }
        let mut status = 0;
        // SAFETY: an all-zero value is a valid rusage.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: both pointers are valid for the call.
        assert_eq!(unsafe { libc::wait4(child, &mut status, 0, &mut usage) }, child);
        assert_eq!(status, 0);
        cpu += micros(&usage);
        faults += usage.ru_minflt;
    }
    let wall = start.elapsed().as_micros() / u128::from(CHILDREN);
    let (children, own) = (i64::from(CHILDREN), own_cpu() - own);
    let (own, cpu, faults) = (own / children, cpu / children, faults / children);
    println!("{what}: {wall} us; CPU: parent {own} us, child {cpu} us; {faults} page faults");
}

fn own_cpu() -> i64 {
    // SAFETY: an all-zero value is a valid rusage.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is valid for the call.
    assert_eq!(unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) }, 0);
    micros(&usage)
}

fn micros(usage: &libc::rusage) -> i64 {
    let micros = |time: libc::timeval| time.tv_sec * 1_000_000 + time.tv_usec;
    micros(usage.ru_utime) + micros(usage.ru_stime)
}
