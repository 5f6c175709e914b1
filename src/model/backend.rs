//! This process's embedder, inherited from the postmaster or opened on first use.

use std::cell::Cell;
use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use embedder::{Batch, Embedder, Options, RUNTIME_VERSION};
use once_cell::sync::OnceCell;
use pgrx::PgSqlErrorCode;
use pgrx::guc::GucSetting;
use pgrx::pg_sys;

use crate::postgres::report::{Report, Result};
use crate::postgres::{guc, interrupt, server};

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
        Some(path.strip_prefix(server::data_directory()).unwrap_or(path))
    }
}

static BACKEND: OnceCell<Backend> = OnceCell::new();

/// The embedder of this process.
///
/// # Errors
/// It could not be opened. The next call tries again.
pub fn get() -> Result<&'static Backend> {
    if let Some(backend) = BACKEND.get() {
        return Ok(backend);
    }
    // Not within `get_or_try_init`: PostgreSQL is called here, and may raise an error.
    let backend = open()?;
    Ok(BACKEND.get_or_init(|| backend))
}

/// In the postmaster, opens the embedder for all processes to come. It never keeps the server from starting.
pub fn preload() {
    if !server::is_preloading() || server::is_binary_upgrade() {
        return;
    }
    if let Err(report) = get() {
        report.log();
    }
}

fn open() -> Result<Backend> {
    let start = Instant::now();
    let mut options = Options::new(model_directory(), runtime_library());
    // pg_upgrade's servers write nothing but what pg_upgrade asks for.
    if !server::is_binary_upgrade() {
        options = options.with_cache(cache());
    }
    let embedder = if server::is_preloading() {
        // No thread may exist in the postmaster, be it for a moment. No other process has begun: what other versions
        // have left is nobody's.
        Embedder::open(&options.preloading())
    } else {
        // To compile the model takes a second: what would end the statement cannot wait for it.
        loop {
            match Embedder::open_unless(&options, &interrupt::ending) {
                Err(embedder::Error::Interrupted) => interrupt::check(),
                opened => break opened,
            }
        }
    }?;
    if let Some(warning) = embedder.warning() {
        uncompiled(warning).warn()?;
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

const MODEL: &str = "pg_embed/all-MiniLM-L6-v2";

fn model_directory() -> PathBuf {
    let places = [format!("../share/{MODEL}"), MODEL.to_owned()];
    setting(&guc::MODEL_DIRECTORY)
        .or_else(|| beside_library(&places))
        .unwrap_or_else(|| server::share_directory().join(MODEL))
}

fn runtime_library() -> PathBuf {
    let name = format!("pg_embed/libonnxruntime.so.{RUNTIME_VERSION}");
    setting(&guc::RUNTIME_LIBRARY)
        .or_else(|| beside_library(&[&name]))
        .unwrap_or_else(|| server::library_directory().join(name))
}

/// The first of these that is there, as seen from the directory of this library. It need not be the server's own, as where
/// `extension_control_path` leads to a mounted image.
fn beside_library(places: &[impl AsRef<Path>]) -> Option<PathBuf> {
    let library = embedder::own_library();
    let directory = library.parent()?;
    places.iter().map(|place| directory.join(place)).find(|path| path.exists())
}

/// A path from the configuration files, if one is set.
fn setting(setting: &'static GucSetting<Option<CString>>) -> Option<PathBuf> {
    let value = setting.get()?;
    if value.is_empty() { None } else { Some(server::path(&value)) }
}

/// Where the compiled model goes: into the data directory, under the name that makes base backups leave it out.
fn cache() -> PathBuf {
    server::data_directory().join("pg_embed/pgsql_tmp")
}

thread_local! {
    /// Start of the last statement that was told of a truncated text.
    static TOLD: Cell<i64> = const { Cell::new(0) };
}

/// Runs a batch to its end.
pub fn run(mut batch: Batch, threads: usize) -> Result<Batch> {
    let embedder = &get()?.embedder;
    while !batch.run(embedder, threads, &interrupt::pending)? {
        interrupt::check();
    }
    Ok(batch)
}

/// Says, as `pg_embed.truncation` asks for, that texts were truncated, of which this is the first; without numbers, it is
/// the only one. A notice comes once per statement.
///
/// # Errors
/// 54000 if the setting is `error`.
pub fn truncated(texts: Option<embedder::Truncated>, first: &str) -> Result<()> {
    match guc::TRUNCATION.get() {
        guc::Truncation::Silent => Ok(()),
        guc::Truncation::Notice => {
            let statement = statement_start();
            if TOLD.replace(statement) == statement {
                return Ok(());
            }
            Report::new(PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION, LONGER)
                .detail(match texts {
                    None => "Only its first 256 tokens are in its vector.".to_owned(),
                    Some(embedder::Truncated { texts: 1, first }) => {
                        format!("Only the first 256 tokens of element {} are in its vector.", first + 1)
                    }
                    Some(embedder::Truncated { texts, first }) => format!(
                        "Only the first 256 tokens of {texts} elements, the first being element {}, are in their vectors.",
                        first + 1
                    ),
                })
                .hint("embed_chunks() cuts a long text into pieces that fit. Further texts of this statement are not reported; pg_embed.truncation decides.")
                .notice()
        }
        guc::Truncation::Error => {
            let tokens = count_tokens(first)?;
            Err(refused(match texts {
                None => format!("It has {tokens} tokens, and the model reads 256."),
                Some(embedder::Truncated { texts, first }) => {
                    let others = if texts > 1 { format!(" So it is with {texts} elements.") } else { String::new() };
                    format!("Element {} has {tokens} tokens, and the model reads 256.{others}", first + 1)
                }
            }))
        }
    }
}

/// Fails if a text that is truncated is to be an error.
///
/// # Errors
/// 54000.
pub fn refuse_truncated() -> Result<()> {
    match guc::TRUNCATION.get() {
        guc::Truncation::Error => Err(refused("The model reads 256 tokens.".to_owned())),
        guc::Truncation::Silent | guc::Truncation::Notice => Ok(()),
    }
}

const LONGER: &str = "text is longer than the model reads";

fn refused(detail: String) -> Report {
    Report::new(PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED, LONGER)
        .detail(detail)
        .hint("Cut the text with embed_chunks(), or set pg_embed.truncation to \"notice\" or \"silent\".")
}

/// How many tokens a text has, [CLS] and [SEP] included.
pub fn count_tokens(text: &str) -> Result<usize> {
    let mut count = 0;
    for tokens in get()?.embedder.tokenizer().count(text) {
        interrupt::check();
        count += tokens?;
    }
    Ok(count)
}

#[allow(unsafe_code)]
fn statement_start() -> i64 {
    // SAFETY: reads a variable of this process.
    unsafe { pg_sys::GetCurrentStatementStartTimestamp() }
}
