//! Opening an embedder: what is wrong with its files is said, and the compiled model is shared by processes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::options;
use embedder::{Embedder, Error};

/// A copy of the model directory that can be damaged; the weights are linked.
fn copy_of_model(target: &Path) {
    let source = options().model;
    fs::create_dir_all(target.join("1_Pooling")).unwrap();
    for name in ["config.json", "modules.json", "sentence_bert_config.json", "tokenizer.json", "1_Pooling/config.json"]
    {
        fs::copy(source.join(name), target.join(name)).unwrap();
    }
    std::os::unix::fs::symlink(source.join("model.safetensors"), target.join("model.safetensors")).unwrap();
}

#[test]
fn a_damaged_file_is_named_and_mended_files_work() {
    let directory = tempfile::tempdir().unwrap();
    copy_of_model(directory.path());
    let mut options = options().with_cache(directory.path().join("compiled"));
    options.model = directory.path().to_owned();
    for name in ["tokenizer.json", "config.json", "1_Pooling/config.json"] {
        let path = directory.path().join(name);
        let original = fs::read(&path).unwrap();
        let mut flipped = original.clone();
        flipped[original.len() / 2] ^= 1;
        fs::write(&path, flipped).unwrap();
        match Embedder::open(&options) {
            Err(Error::ChecksumMismatch { path: found, .. }) => assert_eq!(found, path),
            other => panic!("{name}: {:?}", other.err()),
        }
        fs::remove_file(&path).unwrap();
        assert!(matches!(Embedder::open(&options), Err(Error::FileMissing { path: found }) if found == path));
        fs::write(&path, original).unwrap();
    }
    assert!(Embedder::open(&options).is_ok());
}

#[test]
fn without_a_place_for_it_the_model_works_uncompiled_with_a_warning() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    let embedder = Embedder::open(&options().with_cache(directory.path().join("file/cache"))).unwrap();
    assert!(matches!(embedder.warning(), Some(Error::Io { action: "create", .. })), "{:?}", embedder.warning());
    assert_eq!(embedder.compiled(), None);
    let compiled = common::embedder().embed("a dress").unwrap();
    let off = common::deviation(&embedder.embed("a dress").unwrap().vector, compiled.vector.as_slice().unwrap());
    assert!(off <= 1e-6, "{off:e}");
}

#[test]
fn compiling_ends_when_it_is_asked_to() {
    let directory = tempfile::tempdir().unwrap();
    let options = options().with_cache(directory.path());
    for wait in [0, 30, 100] {
        let start = Instant::now();
        let interrupted = || start.elapsed() >= Duration::from_millis(wait);
        assert!(matches!(Embedder::open_unless(&options, &interrupted), Err(Error::Interrupted)), "{wait} ms");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "the lock");
    }
    assert!(Embedder::open_unless(&options, &|| false).unwrap().compiled().is_some());
}

/// Not a test of its own: the process that the next test starts several times.
#[test]
fn opens_in_the_directory_of_the_environment() {
    if let Some(cache) = std::env::var_os("PG_EMBED_TEST_CACHE") {
        let embedder = Embedder::open(&options().with_cache(cache)).unwrap();
        assert!(embedder.warning().is_none(), "{:?}", embedder.warning());
        let inode = std::os::unix::fs::MetadataExt::ino;
        println!("inode={}", inode(&fs::metadata(embedder.compiled().unwrap().join("model.bin")).unwrap()));
    }
}

#[test]
fn processes_that_need_it_at_once_share_one_compiled_model() {
    let cache = tempfile::tempdir().unwrap();
    let children: Vec<_> = (0..4)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "opens_in_the_directory_of_the_environment", "--nocapture"])
                .env("PG_EMBED_TEST_CACHE", cache.path())
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let inodes: Vec<String> = children
        .into_iter()
        .map(|child| {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success());
            let text = String::from_utf8(output.stdout).unwrap();
            text.split("inode=").nth(1).unwrap().split_whitespace().next().unwrap().to_owned()
        })
        .collect();
    assert!(inodes.iter().all(|inode| *inode == inodes[0]), "{inodes:?}");
}

#[test]
fn a_batch_does_without_a_compiled_model_that_is_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("cache");
    let embedder = Embedder::open(&options().with_cache(&cache)).unwrap();
    let texts: Vec<String> = (0..200).map(|i| format!("text {i}, and a few words more to fill a batch")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let expected = embedder.embed_many(&texts, 1).unwrap();
    for threads in [2, 4] {
        fs::remove_dir_all(&cache).unwrap();
        // With the directory gone, the model is compiled again; with a file in its place, one session does it all.
        for compiled_again in [true, false] {
            let found = embedder.embed_many(&texts, threads).unwrap();
            assert!((&found - &expected).iter().all(|off| off.abs() <= 1e-6));
            assert_eq!(embedder.compiled().unwrap().is_dir(), compiled_again);
            if compiled_again {
                fs::remove_dir_all(&cache).unwrap();
                fs::write(&cache, "").unwrap();
            } else {
                fs::remove_file(&cache).unwrap();
                fs::create_dir(&cache).unwrap();
            }
        }
    }
    assert!(embedder.embed("one more").is_ok());
}

#[test]
fn a_compiled_model_in_use_is_locked() {
    let cache = tempfile::tempdir().unwrap();
    let embedder = Embedder::open(&options().with_cache(cache.path())).unwrap();
    let lease = fs::File::open(embedder.compiled().unwrap().join("in-use")).unwrap();
    assert!(lease.try_lock().is_err());
    drop(embedder);
    assert!(lease.try_lock().is_ok());
}

#[test]
fn the_weights_of_a_session_are_mapped_once() {
    let cache = tempfile::tempdir().unwrap();
    let name = cache.path().to_str().unwrap();
    let mapped = || {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        maps.lines().filter(|line| line.contains(name) && line.contains(".bin")).count()
    };
    let embedder = Embedder::open(&options().with_cache(cache.path())).unwrap();
    let expected = embedder.embed("a dress").unwrap();
    assert_eq!(mapped(), 1);
    let other = Embedder::open(&options().with_cache(cache.path())).unwrap();
    assert_eq!(mapped(), 2);
    drop(embedder);
    assert_eq!(mapped(), 1);
    assert_eq!(other.embed("a dress").unwrap(), expected);
    drop(other);
    assert_eq!(mapped(), 0);
}
