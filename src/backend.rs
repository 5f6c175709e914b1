//! This process's embedder, inherited from the postmaster or opened on first use, and the texts it remembers.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ffi::{CStr, CString, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use embedder::{Batch, Embedder, Embedding, Options, RUNTIME_VERSION};
use ndarray::ArrayView1;
use once_cell::sync::OnceCell;
use pgrx::guc::GucSetting;
use pgrx::pg_sys;

use crate::guc;
use crate::report::{Report, Result};

/// An embedder and how this process came by it.
pub struct Backend {
    pub embedder: Embedder,
    /// The process that opened it.
    opened_by: u32,
    pub took: Duration,
}

impl Backend {
    /// Whether the postmaster opened it, and this process has it by fork.
    pub fn is_inherited(&self) -> bool {
        self.opened_by != std::process::id()
    }

    /// The directory of the compiled model, relative to the data directory.
    pub fn compiled(&self) -> Option<&Path> {
        let path = self.embedder.compiled()?;
        Some(path.strip_prefix(data_directory()).unwrap_or(path))
    }
}

static BACKEND: OnceCell<Backend> = OnceCell::new();

/// The embedder of this process.
///
/// # Errors
/// It could not be opened. The next call tries again.
pub fn get() -> Result<&'static Backend> {
    Ok(BACKEND.get_or_try_init(open)?)
}

/// In the postmaster, opens the embedder for all processes to come. It never keeps the server from starting.
pub fn preload() {
    if !is_preloading() {
        return;
    }
    if let Err(report) = get() {
        report.warn();
    }
}

fn open() -> std::result::Result<Backend, embedder::Error> {
    let start = Instant::now();
    let options = Options::new(model_directory(), runtime_library()).with_cache(cache());
    let embedder = if is_preloading() {
        // No thread may exist in the postmaster, be it for a moment.
        Embedder::open(&options)
    } else {
        // To compile the model takes a second: what is asked of this process meanwhile cannot wait for it.
        loop {
            match Embedder::open_unless(&options, &interrupt_pending) {
                Err(embedder::Error::Interrupted) => check_for_interrupts(),
                opened => break opened,
            }
        }
    }?;
    if let Some(warning) = embedder.warning() {
        uncompiled(warning).warn();
    }
    Ok(Backend { embedder, opened_by: std::process::id(), took: start.elapsed() })
}

/// Why the model had to be opened the ordinary way, and what that means.
fn uncompiled(reason: &embedder::Error) -> Report {
    Report::from(reason).wrapped("model could not be compiled into the data directory").hint(
        "Embedding works all the same, but each connection needs over 100 MB and a second to open the model until this is \
        mended and the connection made again.",
    )
}

fn model_directory() -> PathBuf {
    setting(&guc::MODEL_DIRECTORY)
        .unwrap_or_else(|| installed(pg_sys::get_share_path).join("pg_embed/all-MiniLM-L6-v2"))
}

fn runtime_library() -> PathBuf {
    let name = format!("pg_embed/libonnxruntime.so.{RUNTIME_VERSION}");
    setting(&guc::RUNTIME_LIBRARY).unwrap_or_else(|| installed(pg_sys::get_pkglib_path).join(name))
}

/// A path from the configuration files, if one is set.
fn setting(setting: &'static GucSetting<Option<CString>>) -> Option<PathBuf> {
    let value = setting.get()?;
    if value.is_empty() { None } else { Some(path(&value)) }
}

fn path(text: &CStr) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(text.to_bytes()))
}

/// A directory of this server's installation, as `find` derives it from the server program's place.
#[allow(unsafe_code)]
fn installed(find: unsafe fn(*const c_char, *mut c_char)) -> PathBuf {
    let mut buffer = [0 as c_char; pg_sys::MAXPGPATH as usize];
    // SAFETY: both functions write at most MAXPGPATH bytes, zero-terminated; my_exec_path is set in every process.
    unsafe {
        find((&raw const pg_sys::my_exec_path).cast(), buffer.as_mut_ptr());
        path(CStr::from_ptr(buffer.as_ptr()))
    }
}

/// Where the compiled model goes: into the data directory, under the name that makes base backups leave it out.
fn cache() -> PathBuf {
    data_directory().join("pg_embed/pgsql_tmp")
}

#[allow(unsafe_code)]
pub fn data_directory() -> PathBuf {
    // SAFETY: DataDir is set before any library is loaded, and stays.
    path(unsafe { CStr::from_ptr(pg_sys::DataDir) })
}

#[allow(unsafe_code)]
fn is_preloading() -> bool {
    // SAFETY: a flag of this single-threaded process.
    unsafe { pg_sys::process_shared_preload_libraries_in_progress }
}

/// Whether the user, or the server, wants this process's attention.
#[allow(unsafe_code)]
pub fn interrupt_pending() -> bool {
    // SAFETY: signal handlers set the first; all are words, and read as such. While interrupts are held off,
    // PostgreSQL would not act on one.
    unsafe {
        (&raw const pg_sys::InterruptPending).read_volatile() != 0
            && (&raw const pg_sys::InterruptHoldoffCount).read_volatile() == 0
            && (&raw const pg_sys::CritSectionCount).read_volatile() == 0
    }
}

/// Lets PostgreSQL act on an interrupt: ends the statement or the process, or returns. To be called only while no
/// other thread of this process runs.
pub fn check_for_interrupts() {
    if interrupt_pending() {
        #[allow(unsafe_code)]
        // SAFETY: on the main thread; an ERROR unwinds the Rust stack.
        unsafe {
            pg_sys::ProcessInterrupts();
        }
    }
}

/// Longest text that is remembered, in bytes. With the largest `pg_embed.memo_size` that makes 18 MB.
const MEMO_TEXT: usize = 1 << 14;

thread_local! {
    /// The texts embedded last, the latest first. A generic plan over a table without an index calls
    /// `embed_text($1)` once per row, always with the same text.
    static MEMO: RefCell<VecDeque<(String, Embedding)>> = const { RefCell::new(VecDeque::new()) };
    /// Start of the last statement that was told of a truncated text.
    static TOLD: Cell<i64> = const { Cell::new(0) };
}

/// Embeds `text`, or remembers its vector, and hands it to `with`.
pub fn embed<T>(text: &str, with: impl FnOnce(ArrayView1<f32>) -> T) -> Result<T> {
    let size = guc::MEMO_SIZE.get() as usize;
    MEMO.with_borrow_mut(|memo| {
        memo.truncate(size);
        let known = memo.iter().position(|(known, _)| known == text);
        let unremembered;
        let embedding = match known.and_then(|place| memo.remove(place)) {
            Some(entry) => {
                memo.push_front(entry);
                &memo[0].1
            }
            None => {
                let embedding = get()?.embedder.embed(text)?;
                if size == 0 || text.len() > MEMO_TEXT {
                    unremembered = embedding;
                    &unremembered
                } else {
                    memo.truncate(size - 1);
                    memo.push_front((text.to_owned(), embedding));
                    &memo[0].1
                }
            }
        };
        if embedding.truncated {
            truncated(None)?;
        }
        Ok(with(embedding.vector.view()))
    })
}

/// Embeds many texts; the vectors are those of the texts in their order.
pub fn embed_many(texts: Vec<&str>, threads: usize) -> Result<Batch<'_>> {
    let none = texts.is_empty();
    let mut batch = Batch::new(texts);
    if none {
        return Ok(batch);
    }
    let embedder = &get()?.embedder;
    while !batch.run(embedder, threads, &interrupt_pending)? {
        check_for_interrupts();
    }
    Ok(batch)
}

/// Says, as `pg_embed.truncation` asks for, that a text was truncated. A notice comes once per statement.
///
/// # Errors
/// 54000 if the setting is `error`.
pub fn truncated(texts: Option<embedder::Truncated>) -> Result<()> {
    let message = "text is longer than the model reads";
    let detail = match texts {
        None => "Only its first 256 tokens are in its vector.".to_owned(),
        Some(embedder::Truncated { texts: 1, first }) => {
            format!("Only the first 256 tokens of element {} are in its vector.", first + 1)
        }
        Some(embedder::Truncated { texts, first }) => {
            format!(
                "Only the first 256 tokens of {texts} elements, the first being element {}, are in their vectors.",
                first + 1
            )
        }
    };
    let report = |sqlstate| Report::new(sqlstate, message).detail(detail);
    match guc::TRUNCATION.get() {
        guc::Truncation::Silent => Ok(()),
        guc::Truncation::Notice => {
            let statement = statement_start();
            if TOLD.replace(statement) != statement {
                report(pgrx::PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION)
                    .hint("embed_chunks() cuts a long text into pieces that fit. Further texts of this statement are not reported; pg_embed.truncation decides.")
                    .notice();
            }
            Ok(())
        }
        guc::Truncation::Error => Err(report(pgrx::PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED)
            .hint("Cut the text with embed_chunks(), or set pg_embed.truncation to \"notice\" or \"silent\".")),
    }
}

/// Fails if a text that is truncated is to be an error.
///
/// # Errors
/// 54000.
pub fn refuse_truncated() -> Result<()> {
    match guc::TRUNCATION.get() {
        guc::Truncation::Error => truncated(None),
        guc::Truncation::Silent | guc::Truncation::Notice => Ok(()),
    }
}

#[allow(unsafe_code)]
fn statement_start() -> i64 {
    // SAFETY: reads a variable of this process.
    unsafe { pg_sys::GetCurrentStatementStartTimestamp() }
}
