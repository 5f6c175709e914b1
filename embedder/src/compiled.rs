//! The compiled model on disk: built once per machine, mapped ever after.
//!
//! A compiled model is a directory with the weights as its engine wants them (`model.bin`), the graph if the engine needs
//! one (`model.onnx`), the tokenizer if it is one that is worth it (`tokenizer.bin`), and a manifest. Whoever needs it first builds it under a lock in a directory of its own, which is renamed once it
//! is complete, flushed and checked; so a name that exists is either whole or damaged later. What the manifest says
//! is compared each time, because mapping a file that is shorter than expected would kill the process.
//!
//! Whoever uses a compiled model holds a shared lock on a file in its directory. Processes forked from it hold it with
//! it. Compiled models of several models lie side by side. Who builds one removes what is left of the same model, for
//! another runtime or CPU, as far as nobody uses it; [`remove_unused`] removes all that nobody uses.

use std::fs::{self, DirBuilder, File, Metadata, TryLockError};
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
/// The tokenizer's file in a compiled model, which not every one has.
pub const TOKENIZER: &str = "tokenizer.bin";
const MANIFEST: &str = "manifest.json";
/// The file that the users of a compiled model have locked. What version 0.1.0 made has none.
const LEASE: &str = "in-use";
/// The file that is locked while a model is built or models are removed.
const LOCK: &str = "lock";
/// The directory of a model that is being built.
const UNFINISHED: &str = "unfinished";

/// What a compiled model depends on. Its digest is part of the directory's name.
pub struct Key<'k> {
    /// What the names of the model's directories begin with, and those of no other model's.
    pub label: &'k str,
    /// The model's [`fingerprint`](model::Model::fingerprint).
    pub model: &'k str,
    /// The version of what makes and reads it.
    pub version: &'k str,
    /// The processor that it is made for.
    pub cpu: &'k str,
    /// The files that it consists of, beside the tokenizer's.
    pub files: &'k [&'k str],
}

impl Key<'_> {
    fn directory(&self, cache: &Path) -> PathBuf {
        // The crate's version stands for the code that writes the files, the lease and the tokenizer for a directory
        // that has them.
        let parts = [self.model, self.version, self.cpu, env!("CARGO_PKG_VERSION"), LEASE, TOKENIZER];
        let digest = model::sha256(parts.join("\n").as_bytes());
        cache.join(format!("{}-{}-{}", self.label, self.version, &digest[..16]))
    }

    /// Whether a compiled model in `directory` is of this model, be it for another version or CPU.
    fn is_of_this_model(&self, directory: &Path) -> bool {
        let name = directory.file_name().and_then(|name| name.to_str());
        name.and_then(|name| name.strip_prefix(self.label)).is_some_and(|rest| rest.starts_with('-'))
    }
}

/// A compiled model that stays where it is as long as this value lives, here or in a forked process.
#[derive(Debug)]
pub struct Leased {
    pub directory: PathBuf,
    /// Held by being open.
    _lease: File,
}

impl Leased {
    /// The whole compiled model in `directory`, if there is one.
    fn find(directory: &Path, key: &Key, interrupt: Interrupt) -> Result<Option<Self>> {
        let path = directory.join(LEASE);
        let Ok(lease) = File::open(&path) else { return Ok(None) };
        match lease.try_lock_shared() {
            Ok(()) => {}
            // It is being removed.
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(e)) => return Err(Error::io("lock", &path, e)),
        }
        // Before the lock was there, it may have been removed, and made again.
        let is_there = |held: Metadata| fs::metadata(&path).is_ok_and(|found| found.ino() == held.ino());
        if !lease.metadata().is_ok_and(is_there) || !is_whole(directory, key.files, interrupt)? {
            return Ok(None);
        }
        Ok(Some(Self { directory: directory.to_owned(), _lease: lease }))
    }

    /// Makes the lease of the model that is being built in `unfinished` and will be in `directory`.
    fn make(unfinished: &Path, directory: &Path) -> Result<Self> {
        let path = unfinished.join(LEASE);
        let lease = File::create_new(&path).map_err(|e| Error::io("write", &path, e))?;
        lease.lock_shared().map_err(|e| Error::io("lock", &path, e))?;
        Ok(Self { directory: directory.to_owned(), _lease: lease })
    }
}

/// Gives a whole compiled model, after having it built if there is none.
///
/// `build` is called with a new directory, into which it writes the [`files`](Key::files) and maybe [`TOKENIZER`], and
/// which it checks. It runs in one process at a time; the others wait for it. `alone` says that no process of version 0.1.0 lives, which
/// uses a model without a lease.
///
/// # Errors
/// `cache` cannot be created or written; an interrupt; whatever `build` fails with.
pub fn obtain(
    cache: &Path,
    key: &Key,
    alone: bool,
    interrupt: Interrupt,
    build: impl FnOnce(&Path) -> Result<()>,
) -> Result<Leased> {
    let directory = key.directory(cache);
    if let Some(found) = Leased::find(&directory, key, interrupt)? {
        if alone {
            // What is left of an upgrade takes some disk space, and is worth no failure.
            let _ = lock(&cache.join(LOCK), interrupt).and_then(|_lock| remove_older(cache, key, alone));
        }
        return Ok(found);
    }
    create_private(cache)?;
    let _lock = lock(&cache.join(LOCK), interrupt)?;
    if let Some(found) = Leased::find(&directory, key, interrupt)? {
        return Ok(found);
    }
    remove_older(cache, key, alone)?;
    if directory.exists() {
        // What is damaged is of no use to those who have it leased either. They keep what they have mapped.
        fs::remove_dir_all(&directory).map_err(|e| Error::io("remove", &directory, e))?;
    }
    let unfinished = cache.join(UNFINISHED);
    let built = create_private(&unfinished)
        .and_then(|()| build(&unfinished))
        .and_then(|()| Manifest::of(&unfinished, key.files, interrupt)?.write(&unfinished))
        .and_then(|()| Leased::make(&unfinished, &directory))
        .and_then(|leased| {
            fs::rename(&unfinished, &directory).map_err(|e| Error::io("rename", &unfinished, e))?;
            sync(cache).map(|()| leased)
        });
    if built.is_err() {
        // The reason for the failure is the error to report, not that of tidying up after it.
        let _ = fs::remove_dir_all(&unfinished);
    }
    built
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

/// Removes the compiled models that nobody uses, of whatever model, and what killed builds left. Gives the directories
/// that were removed.
///
/// What version 0.1.0 made is left, since nobody can see who uses it.
///
/// # Errors
/// `cache` cannot be read, locked or written. That it does not exist is none: then there is nothing to remove.
pub fn remove_unused(cache: &Path) -> Result<Vec<PathBuf>> {
    if !cache.exists() {
        return Ok(Vec::new());
    }
    let _lock = lock(&cache.join(LOCK), Interrupt::NEVER)?;
    remove(cache, false, |_| true)
}

/// Removes what nobody uses of what a new build of `key` replaces. To be called under the lock.
fn remove_older(cache: &Path, key: &Key, alone: bool) -> Result<Vec<PathBuf>> {
    remove(cache, alone, |directory| key.is_of_this_model(directory))
}

/// Removes compiled models that nobody uses and `is_meant` accepts, and what a killed build left; those of version 0.1.0
/// if this process is `alone`. To be called under the lock.
fn remove(cache: &Path, alone: bool, is_meant: impl Fn(&Path) -> bool) -> Result<Vec<PathBuf>> {
    let mut removed = Vec::new();
    for entry in fs::read_dir(cache).map_err(|e| Error::io("read", cache, e))? {
        let path = entry.map_err(|e| Error::io("read", cache, e))?.path();
        // Locked until it is removed, so that nobody begins to use it meanwhile.
        let lease = File::options().read(true).write(true).open(path.join(LEASE));
        let unused = match &lease {
            Ok(lease) => (path.ends_with(UNFINISHED) || is_meant(&path)) && lease.try_lock().is_ok(),
            // A build has the lock. Otherwise it is from version 0.1.0, whose processes cannot be seen to use it.
            Err(_) => alone || path.ends_with(UNFINISHED),
        };
        if path.is_dir() && unused {
            fs::remove_dir_all(&path).map_err(|e| Error::io("remove", &path, e))?;
            removed.push(path);
        }
    }
    Ok(removed)
}

/// Flushes a file or directory to disk. Also where a full disk shows up at the latest.
fn sync(path: &Path) -> Result<()> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|e| Error::io("write", path, e))
}

/// Whether `directory` holds a compiled model of these files with nothing missing or changed.
fn is_whole(directory: &Path, files: &[&str], interrupt: Interrupt) -> Result<bool> {
    let Ok(manifest) = Manifest::read(directory) else { return Ok(false) };
    match manifest.compare(directory, files, interrupt) {
        Ok(Comparison::Untouched) => Ok(true),
        Ok(Comparison::SameContent) => {
            // The files were copied or restored. To note where they are now saves the next process from reading
            // them through; where it cannot be noted, nothing but that is lost.
            let _ = Manifest::of(directory, files, interrupt).and_then(|manifest| manifest.write(directory));
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
    fn of(directory: &Path, files: &[&str], interrupt: Interrupt) -> Result<Self> {
        let names = files.iter().copied().chain(directory.join(TOKENIZER).exists().then_some(TOKENIZER));
        let files = names.map(|name| Entry::of(directory, name, interrupt));
        Ok(Self { files: files.collect::<Result<_>>()? })
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

    fn compare(&self, directory: &Path, files: &[&str], interrupt: Interrupt) -> Result<Comparison> {
        let mut result = Comparison::Untouched;
        let names: Vec<&str> = self.files.iter().map(|file| file.name.as_str()).collect();
        if !matches!(names.strip_prefix(files), Some([] | [TOKENIZER])) {
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

    const KEY: Key = Key { label: "m", model: "m", version: "1", cpu: "c", files: &[GRAPH, WEIGHTS] };

    fn write(directory: &Path) -> Result<()> {
        for name in [GRAPH, WEIGHTS, TOKENIZER] {
            fs::write(directory.join(name), format!("content of {name}")).unwrap();
        }
        Ok(())
    }

    /// The lease, and how often it was built.
    fn obtain_leased(cache: &Path, key: &Key, alone: bool) -> (Leased, usize) {
        let builds = AtomicUsize::new(0);
        let leased = obtain(cache, key, alone, Interrupt::NEVER, |directory| {
            builds.fetch_add(1, Ordering::Relaxed);
            write(directory)
        });
        (leased.unwrap(), builds.into_inner())
    }

    /// The directory, with its lease given up, and how often it was built.
    fn obtain_counting(cache: &Path, key: &Key) -> (PathBuf, usize) {
        let (leased, builds) = obtain_leased(cache, key, false);
        (leased.directory, builds)
    }

    #[test]
    fn what_is_leased_is_left_to_its_users() {
        let cache = tempfile::tempdir().unwrap();
        let other = Key { cpu: "other", ..KEY };
        let (first, _) = obtain_leased(cache.path(), &KEY, true);
        let (second, builds) = obtain_leased(cache.path(), &other, true);
        assert_eq!(builds, 1);
        assert!(first.directory.exists());
        assert_eq!(obtain_leased(cache.path(), &KEY, true).1, 0);
        let (directory, _) = (first.directory.clone(), drop(first));
        let (third, _) = obtain_leased(cache.path(), &Key { cpu: "third", ..KEY }, false);
        assert!(!directory.exists());
        assert!(second.directory.exists() && third.directory.exists());
    }

    #[test]
    fn what_may_be_leased_by_an_older_version_is_left_unless_alone() {
        let cache = tempfile::tempdir().unwrap();
        let old = cache.path().join("all-MiniLM-L6-v2-1.28.0-0123456789abcdef");
        fs::create_dir(&old).unwrap();
        for (alone, exists) in [(false, true), (true, false)] {
            obtain_leased(cache.path(), &KEY, alone);
            assert_eq!(old.exists(), exists);
        }
        fs::create_dir(cache.path().join(UNFINISHED)).unwrap();
        obtain_leased(cache.path(), &Key { cpu: "other", ..KEY }, false);
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 2, "the model and the lock");
    }

    #[test]
    fn what_is_damaged_is_made_again_though_it_is_leased() {
        let cache = tempfile::tempdir().unwrap();
        let (leased, _) = obtain_leased(cache.path(), &KEY, false);
        fs::remove_file(leased.directory.join(GRAPH)).unwrap();
        assert_eq!(obtain_leased(cache.path(), &KEY, false).1, 1);
        assert!(leased.directory.join(GRAPH).exists());
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
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 5);
    }

    #[test]
    fn what_is_damaged_is_made_again() {
        let damages: [&dyn Fn(&Path); 8] = [
            &|directory| fs::remove_file(directory.join(LEASE)).unwrap(),
            &|directory| fs::write(directory.join(WEIGHTS), "short").unwrap(),
            &|directory| fs::write(directory.join(WEIGHTS), "CONTENT of model.bin").unwrap(),
            &|directory| fs::remove_file(directory.join(GRAPH)).unwrap(),
            &|directory| fs::write(directory.join(TOKENIZER), "short").unwrap(),
            &|directory| fs::remove_file(directory.join(TOKENIZER)).unwrap(),
            &|directory| fs::write(directory.join(MANIFEST), "{\"files\": []}").unwrap(),
            &|directory| fs::remove_file(directory.join(MANIFEST)).unwrap(),
        ];
        for damage in damages {
            let cache = tempfile::tempdir().unwrap();
            let (directory, _) = obtain_counting(cache.path(), &KEY);
            damage(&directory);
            assert_eq!(obtain_counting(cache.path(), &KEY), (directory.clone(), 1));
            for name in [WEIGHTS, TOKENIZER] {
                assert_eq!(fs::read_to_string(directory.join(name)).unwrap(), format!("content of {name}"));
            }
        }
    }

    #[test]
    fn another_runtime_or_cpu_replaces_it() {
        let cache = tempfile::tempdir().unwrap();
        let keys = [KEY, Key { version: "other", ..KEY }, Key { cpu: "other", ..KEY }];
        for key in keys {
            assert_eq!(obtain_counting(cache.path(), &key).1, 1);
            assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 2);
        }
    }

    #[test]
    fn another_model_lies_beside_it_until_unused_ones_are_removed() {
        let cache = tempfile::tempdir().unwrap();
        // One's label begins with the other's.
        let other = Key { label: "m2", model: "m2", ..KEY };
        let (first, _) = obtain_leased(cache.path(), &KEY, true);
        let (second, _) = obtain_counting(cache.path(), &other);
        assert_eq!(obtain_counting(cache.path(), &Key { cpu: "other", ..other }).1, 1);
        assert!(first.directory.exists() && !second.exists());
        let (second, _) = obtain_counting(cache.path(), &other);
        fs::create_dir(cache.path().join(UNFINISHED)).unwrap();
        fs::create_dir(cache.path().join("of somebody else's")).unwrap();
        let removed: std::collections::BTreeSet<_> = remove_unused(cache.path()).unwrap().into_iter().collect();
        assert_eq!(removed, [second, cache.path().join(UNFINISHED)].into());
        assert_eq!(obtain_leased(cache.path(), &KEY, false).1, 0);
        let directory = first.directory.clone();
        drop(first);
        assert_eq!(remove_unused(cache.path()).unwrap(), [directory]);
        assert_eq!(remove_unused(cache.path()).unwrap(), [] as [PathBuf; 0]);
        assert_eq!(remove_unused(&cache.path().join("none")).unwrap(), [] as [PathBuf; 0]);
    }

    #[test]
    fn copied_files_are_read_through_once() {
        let cache = tempfile::tempdir().unwrap();
        let (directory, _) = obtain_counting(cache.path(), &KEY);
        fs::rename(directory.join(WEIGHTS), directory.join("old")).unwrap();
        fs::copy(directory.join("old"), directory.join(WEIGHTS)).unwrap();
        fs::remove_file(directory.join("old")).unwrap();
        let before = Manifest::read(&directory).unwrap();
        assert!(matches!(before.compare(&directory, KEY.files, Interrupt::NEVER), Ok(Comparison::SameContent)));
        assert_eq!(obtain_counting(cache.path(), &KEY).1, 0);
        let after = Manifest::read(&directory).unwrap();
        assert!(matches!(after.compare(&directory, KEY.files, Interrupt::NEVER), Ok(Comparison::Untouched)));
    }

    #[test]
    fn threads_that_need_it_at_once_make_one() {
        let cache = tempfile::tempdir().unwrap();
        let builds = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    obtain(cache.path(), &KEY, false, Interrupt::NEVER, |directory| {
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
        let failed =
            obtain(cache.path(), &KEY, false, Interrupt::NEVER, |_| Err(Error::WrongVector { deviation: 1.0 }));
        assert!(matches!(failed, Err(Error::WrongVector { .. })));
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 1, "the lock");
        // A directory cannot be made under a file.
        fs::write(cache.path().join("file"), "").unwrap();
        let failed = obtain(&cache.path().join("file/cache"), &KEY, false, Interrupt::NEVER, write);
        assert!(matches!(failed, Err(Error::Io { action: "create", .. })), "{failed:?}");
    }
}
