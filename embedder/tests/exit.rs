//! The end of a process that was forked from one with an embedder. In a file of its own, because it forks.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(unsafe_code)]

mod common;

use std::ffi::c_int;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

use common::embedder;

static PIPE: AtomicI32 = AtomicI32::new(-1);

extern "C" fn handler() {
    let text = b"handler ";
    // SAFETY: the buffer is as long as it says.
    unsafe { libc::write(PIPE.load(Ordering::Relaxed), text.as_ptr().cast(), text.len()) };
}

/// Runs `child` in a forked process: what it wrote into the pipe it was given, and its page faults.
fn forked(child: impl FnOnce(c_int)) -> (String, i64) {
    let (mut reader, writer) = std::io::pipe().unwrap();
    // SAFETY: the child calls only what may be called in a child of a process with threads.
    let process = unsafe { libc::fork() };
    if process == 0 {
        child(writer.as_raw_fd());
        // SAFETY: ends the process.
        unsafe { libc::_exit(1) };
    }
    drop(OwnedFd::from(writer));
    let mut written = String::new();
    reader.read_to_string(&mut written).unwrap();
    let mut status = 0;
    // SAFETY: an all-zero value is a valid rusage.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are valid for the call.
    assert_eq!(unsafe { libc::wait4(process, &mut status, 0, &mut usage) }, process);
    assert_eq!(status, 0);
    (written, usage.ru_minflt)
}

#[test]
fn a_forked_process_ends_in_order_and_leaves_inherited_memory_alone() {
    let before = embedder().embed("a dress").unwrap();
    // SAFETY: ends the process.
    let (_, least) = forked(|_| unsafe { libc::_exit(0) });
    let (written, faults) = forked(|pipe| {
        PIPE.store(pipe, Ordering::Relaxed);
        // SAFETY: the handler may be called once the process ends; the strings end with zero; the stream is valid.
        unsafe {
            libc::atexit(handler);
            let stream = libc::fdopen(libc::dup(pipe), c"w".as_ptr());
            libc::fputs(c"buffered".as_ptr(), stream);
            libc::exit(0);
        }
    });
    assert_eq!(written, "handler buffered");
    // It would be more than 2,000 if the runtime freed what it made.
    assert!(faults - least < 300, "{faults} page faults, {least} without exit handlers");
    assert_eq!(embedder().embed("a dress").unwrap(), before);
}
