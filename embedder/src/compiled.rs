//! The compiled model on disk: built once per machine, mapped ever after.
//!
//! A compiled model is a directory with the graph (`model.onnx`), the weights as this CPU wants them (`model.bin`)
//! and a manifest. Whoever needs it first builds it under a lock in a directory of its own, which is renamed once it
//! is complete, flushed and checked; so a name that exists is either whole or damaged later. What the manifest says
//! is compared each time, because mapping a file that is shorter than expected would kill the process.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::interrupt::{Interrupt, LOOK};
use crate::model;

/// The graph's file in a compiled model.
pub const GRAPH: &str = "model.onnx";
/// The weights' file in a compiled model, which the graph's file refers to.
pub const WEIGHTS: &str = "model.bin";
const MANIFEST: &str = "manifest.json";

/// What a compiled model depends on. Its digest is part of the directory's name.
pub struct Key<'k> {
    /// The model's [`fingerprint`](model::Model::fingerprint).
    pub model: &'k str,
    pub runtime_version: &'k str,
    pub cpu: &'k str,
}

impl Key<'_> {
    fn directory(&self, cache: &Path) -> PathBuf {
        // The crate's version stands for the code that writes the graph.
        let parts = [self.model, self.runtime_version, self.cpu, env!("CARGO_PKG_VERSION")];
        let digest = model::sha256(parts.join("\n").as_bytes());
        cache.join(format!("all-MiniLM-L6-v2-{}-{}", self.runtime_version, &digest[..16]))
    }
}

/// Gives the directory of a whole compiled model, after having it built if there is none.
///
/// `build` is called with an empty directory, into which it writes [`GRAPH`] and [`WEIGHTS`] and which it checks. It
/// runs in one process at a time; the others wait for it.
///
/// # Errors
/// `cache` cannot be created or written; an interrupt; whatever `build` fails with.
pub fn obtain(
    cache: &Path,
    key: &Key,
    interrupt: Interrupt,
    build: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let directory = key.directory(cache);
    if is_whole(&directory, interrupt)? {
        return Ok(directory);
    }
    create_private(cache)?;
    let _lock = lock(&cache.join("lock"), interrupt)?;
    if is_whole(&directory, interrupt)? {
        return Ok(directory);
    }
    // Under the lock all else in here is a leftover: of a killed build, of an earlier version, of another CPU.
    // Whoever has such a model mapped keeps it.
    remove_directories(cache)?;
    let unfinished = cache.join("unfinished");
    let built = create_private(&unfinished)
        .and_then(|()| build(&unfinished))
        .and_then(|()| Manifest::of(&unfinished, interrupt)?.write(&unfinished))
        .and_then(|()| fs::rename(&unfinished, &directory).map_err(|e| Error::io("rename", &unfinished, e)))
        .and_then(|()| sync(cache));
    if built.is_err() {
        // The reason for the failure is the error to report, not that of tidying up after it.
        let _ = fs::remove_dir_all(&unfinished);
    }
    built.map(|()| directory)
}

/// Holds the lock until the file is closed, also by the end of the process.
fn lock(path: &Path, interrupt: Interrupt) -> Result<File> {
    let file = File::options().create(true).truncate(false).write(true).open(path);
    let file = file.map_err(|e| Error::io("write", path, e))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOOK),
            Err(TryLockError::Error(e)) => return Err(Error::io("lock", path, e)),
        }
        interrupt.check()?;
    }
}

fn create_private(directory: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|e| Error::io("create", directory, e))
}

fn remove_directories(cache: &Path) -> Result<()> {
    for entry in fs::read_dir(cache).map_err(|e| Error::io("read", cache, e))? {
        let path = entry.map_err(|e| Error::io("read", cache, e))?.path();
        if path.is_dir() {
            fs::remove_dir_all(&path).map_err(|e| Error::io("remove", &path, e))?;
        }
    }
    Ok(())
}

/// Flushes a file or directory to disk. Also where a full disk shows up at the latest.
fn sync(path: &Path) -> Result<()> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|e| Error::io("write", path, e))
}

/// Whether `directory` holds a compiled model with nothing missing or changed.
fn is_whole(directory: &Path, interrupt: Interrupt) -> Result<bool> {
    let Ok(manifest) = Manifest::read(directory) else { return Ok(false) };
    match manifest.compare(directory, interrupt) {
        Ok(Comparison::Untouched) => Ok(true),
        Ok(Comparison::SameContent) => {
            // The files were copied or restored. To note where they are now saves the next process from reading
            // them through; where it cannot be noted, nothing but that is lost.
            let _ = Manifest::of(directory, interrupt).and_then(|manifest| manifest.write(directory));
            Ok(true)
        }
        Err(Error::Interrupted) => Err(Error::Interrupted),
        Ok(Comparison::Different) | Err(_) => Ok(false),
    }
}

/// The files of a compiled model.
#[derive(Serialize, Deserialize)]
struct Manifest {
    files: Vec<Entry>,
}

/// A file as it was when its content was last known.
#[derive(Serialize, Deserialize)]
struct Entry {
    name: String,
    sha256: String,
    bytes: u64,
    inode: u64,
    /// Seconds and nanoseconds since the epoch.
    modified: (i64, i64),
}

enum Comparison {
    /// The very files, not written to since.
    Untouched,
    /// Other files, or written to, but with the same content.
    SameContent,
    Different,
}

impl Manifest {
    fn of(directory: &Path, interrupt: Interrupt) -> Result<Self> {
        Ok(Self { files: vec![Entry::of(directory, GRAPH, interrupt)?, Entry::of(directory, WEIGHTS, interrupt)?] })
    }

    fn read(directory: &Path) -> io::Result<Self> {
        let bytes = fs::read(directory.join(MANIFEST))?;
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// Replaces the manifest in one step, so that a concurrent reader sees the old one or the new one.
    fn write(&self, directory: &Path) -> Result<()> {
        let path = directory.join(MANIFEST);
        let new = directory.join(format!("{MANIFEST}.{}", std::process::id()));
        let written = serde_json::to_vec_pretty(self)
            .map_err(io::Error::from)
            .and_then(|bytes| File::create(&new)?.write_all(&bytes))
            .map_err(|e| Error::io("write", &new, e));
        written?;
        sync(&new)?;
        fs::rename(&new, &path).map_err(|e| Error::io("rename", &new, e))?;
        sync(directory)
    }

    fn compare(&self, directory: &Path, interrupt: Interrupt) -> Result<Comparison> {
        let mut result = Comparison::Untouched;
        let names: Vec<&str> = self.files.iter().map(|file| file.name.as_str()).collect();
        if names != [GRAPH, WEIGHTS] {
            return Ok(Comparison::Different);
        }
        for entry in &self.files {
            let path = directory.join(&entry.name);
            let metadata = fs::metadata(&path).map_err(|e| Error::io("read", &path, e))?;
            if metadata.len() != entry.bytes {
                return Ok(Comparison::Different);
            }
            if entry.inode != metadata.ino() || entry.modified != (metadata.mtime(), metadata.mtime_nsec()) {
                if sha256_of(&path, interrupt)? != entry.sha256 {
                    return Ok(Comparison::Different);
                }
                result = Comparison::SameContent;
            }
        }
        Ok(result)
    }
}

impl Entry {
    fn of(directory: &Path, name: &str, interrupt: Interrupt) -> Result<Self> {
        let path = directory.join(name);
        sync(&path)?;
        let metadata = fs::metadata(&path).map_err(|e| Error::io("read", &path, e))?;
        Ok(Self {
            name: name.to_owned(),
            sha256: sha256_of(&path, interrupt)?,
            bytes: metadata.len(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

/// The SHA-256 of a file, read rather than mapped: it may shrink meanwhile.
fn sha256_of(path: &Path, interrupt: Interrupt) -> Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    let mut file = File::open(path).map_err(|e| Error::io("read", path, e))?;
    loop {
        interrupt.check()?;
        match file.read(&mut buffer).map_err(|e| Error::io("read", path, e))? {
            0 => return Ok(model::hex(&hasher.finalize())),
            bytes => hasher.update(&buffer[..bytes]),
        }
    }
}

/// The names of the CPU's features that decide which kernels run and how weights are packed for them.
pub fn cpu_features() -> String {
    #[cfg(target_arch = "x86_64")]
    let features = [
        ("avx", std::arch::is_x86_feature_detected!("avx")),
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
        ("avx512bw", std::arch::is_x86_feature_detected!("avx512bw")),
        ("avx512dq", std::arch::is_x86_feature_detected!("avx512dq")),
        ("avx512vl", std::arch::is_x86_feature_detected!("avx512vl")),
        ("avx512vnni", std::arch::is_x86_feature_detected!("avx512vnni")),
        ("avx512bf16", std::arch::is_x86_feature_detected!("avx512bf16")),
    ];
    #[cfg(target_arch = "aarch64")]
    let features = [
        ("dotprod", std::arch::is_aarch64_feature_detected!("dotprod")),
        ("fp16", std::arch::is_aarch64_feature_detected!("fp16")),
        ("bf16", std::arch::is_aarch64_feature_detected!("bf16")),
        ("i8mm", std::arch::is_aarch64_feature_detected!("i8mm")),
        ("sve", std::arch::is_aarch64_feature_detected!("sve")),
    ];
    let present = features.iter().filter(|(_, present)| *present).map(|(name, _)| *name);
    std::iter::once(std::env::consts::ARCH).chain(present).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const KEY: Key = Key { model: "m", runtime_version: "1", cpu: "c" };

    fn write(directory: &Path) -> Result<()> {
        for name in [GRAPH, WEIGHTS] {
            fs::write(directory.join(name), format!("content of {name}")).unwrap();
        }
        Ok(())
    }

    fn obtain_counting(cache: &Path, key: &Key) -> (PathBuf, usize) {
        let builds = AtomicUsize::new(0);
        let directory = obtain(cache, key, Interrupt::NEVER, |directory| {
            builds.fetch_add(1, Ordering::Relaxed);
            write(directory)
        });
        (directory.unwrap(), builds.into_inner())
    }

    #[test]
    fn builds_once_privately_and_leaves_nothing_else() {
        let cache = tempfile::tempdir().unwrap();
        let cache = cache.path().join("new");
        let (directory, builds) = obtain_counting(&cache, &KEY);
        assert_eq!(builds, 1);
        assert_eq!(fs::metadata(&directory).unwrap().mode() & 0o777, 0o700);
        assert_eq!(obtain_counting(&cache, &KEY), (directory.clone(), 0));
        assert_eq!(fs::read_dir(&cache).unwrap().count(), 2, "the model and the lock");
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 3);
    }

    #[test]
    fn what_is_damaged_is_made_again() {
        let damages: [&dyn Fn(&Path); 5] = [
            &|directory| fs::write(directory.join(WEIGHTS), "short").unwrap(),
            &|directory| fs::write(directory.join(WEIGHTS), "CONTENT of model.bin").unwrap(),
            &|directory| fs::remove_file(directory.join(GRAPH)).unwrap(),
            &|directory| fs::write(directory.join(MANIFEST), "{\"files\": []}").unwrap(),
            &|directory| fs::remove_file(directory.join(MANIFEST)).unwrap(),
        ];
        for damage in damages {
            let cache = tempfile::tempdir().unwrap();
            let (directory, _) = obtain_counting(cache.path(), &KEY);
            damage(&directory);
            assert_eq!(obtain_counting(cache.path(), &KEY), (directory.clone(), 1));
            assert_eq!(fs::read_to_string(directory.join(WEIGHTS)).unwrap(), "content of model.bin");
        }
    }

    #[test]
    fn another_runtime_cpu_or_model_replaces_it() {
        let cache = tempfile::tempdir().unwrap();
        let keys =
            [KEY, Key { model: "other", ..KEY }, Key { runtime_version: "other", ..KEY }, Key { cpu: "other", ..KEY }];
        for key in keys {
            assert_eq!(obtain_counting(cache.path(), &key).1, 1);
            assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 2);
        }
    }

    #[test]
    fn copied_files_are_read_through_once() {
        let cache = tempfile::tempdir().unwrap();
        let (directory, _) = obtain_counting(cache.path(), &KEY);
        fs::rename(directory.join(WEIGHTS), directory.join("old")).unwrap();
        fs::copy(directory.join("old"), directory.join(WEIGHTS)).unwrap();
        fs::remove_file(directory.join("old")).unwrap();
        let before = Manifest::read(&directory).unwrap();
        assert!(matches!(before.compare(&directory, Interrupt::NEVER), Ok(Comparison::SameContent)));
        assert_eq!(obtain_counting(cache.path(), &KEY).1, 0);
        let after = Manifest::read(&directory).unwrap();
        assert!(matches!(after.compare(&directory, Interrupt::NEVER), Ok(Comparison::Untouched)));
    }

    #[test]
    fn threads_that_need_it_at_once_make_one() {
        let cache = tempfile::tempdir().unwrap();
        let builds = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    obtain(cache.path(), &KEY, Interrupt::NEVER, |directory| {
                        builds.fetch_add(1, Ordering::Relaxed);
                        write(directory)
                    })
                    .unwrap();
                });
            }
        });
        assert_eq!(builds.into_inner(), 1);
    }

    #[test]
    fn a_failed_build_leaves_nothing() {
        let cache = tempfile::tempdir().unwrap();
        let failed = obtain(cache.path(), &KEY, Interrupt::NEVER, |_| Err(Error::WrongVector { deviation: 1.0 }));
        assert!(matches!(failed, Err(Error::WrongVector { .. })));
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 1, "the lock");
        // A directory cannot be made under a file.
        fs::write(cache.path().join("file"), "").unwrap();
        let failed = obtain(&cache.path().join("file/cache"), &KEY, Interrupt::NEVER, write);
        assert!(matches!(failed, Err(Error::Io { action: "create", .. })), "{failed:?}");
    }
}
