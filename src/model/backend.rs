//! This process's embedders, one for each model that it uses: inherited from the postmaster or opened on first use.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use embedder::{Batch, Embedder, Files, MODEL_NAME, Options, Precision, RUNTIME_VERSION};
use once_cell::sync::OnceCell;
use pgrx::PgSqlErrorCode;
use pgrx::guc::GucSetting;
use pgrx::pg_sys;

use crate::postgres::report::{Report, Result};
use crate::postgres::{guc, interrupt, server};

/// An embedder and how this process came by it.
pub struct Backend {
    /// As its authors call the model that came with the extension; of others, that of the directory.
    name: String,
    pub embedder: Embedder,
    /// The process that opened it.
    opened_by: u32,
    pub took: Duration,
}

impl Backend {
    /// The name for people, with the precision unless it is exact.
    pub fn name(&self) -> String {
        match self.embedder.model().precision() {
            Precision::Exact => self.name.clone(),
            precision => format!("{} ({})", self.name, precision.name()),
        }
    }

    /// Whether the postmaster opened it, and this process has it by fork.
    pub fn is_inherited(&self) -> bool {
        self.opened_by != std::process::id()
    }

    /// The directory of the compiled model, relative to the data directory.
    pub fn compiled(&self) -> Option<PathBuf> {
        self.embedder.compiled().map(relative)
    }

    /// Whether it is the one that is used where no model is named.
    pub fn is_default(&self) -> bool {
        BUILT_IN[0].get().is_some_and(|default| std::ptr::eq(default, self))
    }
}

/// A path as seen from the data directory.
pub fn relative(path: &Path) -> PathBuf {
    path.strip_prefix(server::data_directory()).unwrap_or(path).to_owned()
}

/// The model that came with the extension, by its names: in each precision it is a model by itself. The first one is what is
/// meant where none is named.
pub const BUILT_IN_NAMES: [(&CStr, Precision); 2] =
    [(c"all-MiniLM-L6-v2", Precision::Exact), (c"all-MiniLM-L6-v2-int8", Precision::Int8)];

/// In which precision the model that came with the extension has this name.
pub fn built_in_named(name: &[u8]) -> Option<Precision> {
    BUILT_IN_NAMES.iter().find(|(built_in, _)| built_in.to_bytes() == name).map(|(_, precision)| *precision)
}

/// Those of the model that came with the extension: a place for each precision.
static BUILT_IN: [OnceCell<Backend>; Precision::ALL.len()] = [const { OnceCell::new() }; _];

thread_local! {
    /// Those of other models, by their fingerprints. They stay to the end of the process.
    static OTHERS: RefCell<BTreeMap<String, &'static Backend>> = const { RefCell::new(BTreeMap::new()) };
}

/// The embedder of the model that is used where none is named.
///
/// # Errors
/// It could not be opened. The next call tries again.
pub fn get() -> Result<&'static Backend> {
    built_in(Precision::Exact)
}

/// The embedder of the model that came with the extension.
///
/// # Errors
/// As for [`get`].
pub fn built_in(precision: Precision) -> Result<&'static Backend> {
    let place = &BUILT_IN[precision as usize];
    if let Some(backend) = place.get() {
        return Ok(backend);
    }
    // Not within `get_or_try_init`: PostgreSQL is called here, and may raise an error.
    let options = Options::new(model_directory(), runtime_library()).with_precision(precision);
    let backend = open(MODEL_NAME.to_owned(), options)?;
    Ok(place.get_or_init(|| backend))
}

/// The embedder of a model, if this process has it open.
pub fn known(fingerprint: &str) -> Option<&'static Backend> {
    let other = OTHERS.with_borrow(|others| others.get(fingerprint).copied());
    let is_known = |backend: &&Backend| backend.embedder.model().fingerprint() == fingerprint;
    other.or_else(|| BUILT_IN.iter().filter_map(OnceCell::get).find(is_known))
}

/// Opens the model in a directory that has to hold these files.
///
/// # Errors
/// As for [`get`].
pub fn open_other(directory: &Path, files: Files, precision: Precision) -> Result<&'static Backend> {
    let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let options = Options::new(directory, runtime_library()).with_files(files).with_precision(precision);
    let backend = open(name, options)?;
    let fingerprint = backend.embedder.model().fingerprint();
    Ok(OTHERS.with_borrow_mut(|others| *others.entry(fingerprint).or_insert_with(|| Box::leak(Box::new(backend)))))
}

/// The embedders that this process has, the default one, which is opened for that, being the first.
///
/// # Errors
/// As for [`get`].
pub fn all() -> Result<Vec<&'static Backend>> {
    get()?;
    let built_in = BUILT_IN.iter().filter_map(OnceCell::get);
    Ok(OTHERS.with_borrow(|others| built_in.chain(others.values().copied()).collect()))
}

/// In the postmaster, opens embedders for all processes to come. It never keeps the server from starting.
pub fn preload() {
    if !server::is_preloading() || server::is_binary_upgrade() {
        return;
    }
    if let Err(report) = get() {
        report.log();
    }
    // No catalogue can be read yet: which files a name stands for is compared by whoever uses it.
    for directory in listed(&guc::PRELOAD_MODELS) {
        if let Err(report) = preload_one(&directory) {
            report.wrapped(format!("could not preload model \"{}\"", directory.display())).log();
        }
    }
}

/// What stands behind a directory whose model is to be opened in 8 bits.
const INT8: &[u8] = b":int8";

fn preload_one(directory: &Path) -> Result<&'static Backend> {
    let name = directory.as_os_str().as_bytes();
    if let Some(precision) = built_in_named(name) {
        return built_in(precision);
    }
    let (directory, precision) = match name.strip_suffix(INT8) {
        Some(directory) => (Path::new(OsStr::from_bytes(directory)), Precision::Int8),
        None => (directory, Precision::Exact),
    };
    open_other(&models_directory().join(directory), Files::Any, precision)
}

fn open(name: String, mut options: Options) -> Result<Backend> {
    let start = Instant::now();
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
    Ok(Backend { name, embedder, opened_by: std::process::id(), took: start.elapsed() })
}

/// Why the model had to be opened the ordinary way, and what that means.
fn uncompiled(reason: &embedder::Error) -> Report {
    Report::from(reason).wrapped("model could not be compiled into the data directory").hint(
        "Embedding works all the same, but each connection needs over 100 MB and a second to open the model until this is \
        mended and the connection made again.",
    )
}

/// The directory of the model that came with the extension, where models are.
const MINILM: &str = "all-MiniLM-L6-v2";

fn model_directory() -> PathBuf {
    setting(&guc::MODEL_DIRECTORY).unwrap_or_else(|| models_directory().join(MINILM))
}

/// Where models are that are named by their directories alone: below the directory in which the first one lies.
pub fn models_directory() -> PathBuf {
    let places = ["../share/pg_embed", "pg_embed"];
    let minilm = beside_library(&places.map(|place| format!("{place}/{MINILM}")));
    let beside = minilm.as_deref().and_then(Path::parent).map(Path::to_owned);
    beside.unwrap_or_else(|| server::share_directory().join("pg_embed"))
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

/// The paths in a setting, separated by commas.
fn listed(setting: &'static GucSetting<Option<CString>>) -> Vec<PathBuf> {
    let value = setting.get().unwrap_or_default();
    let names = value.to_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|name| !name.is_empty());
    names.map(|name| PathBuf::from(OsStr::from_bytes(name))).collect()
}

/// Where compiled models go: into the data directory, under the name that makes base backups leave it out.
pub fn cache() -> PathBuf {
    server::data_directory().join("pg_embed/pgsql_tmp")
}

thread_local! {
    /// Start of the last statement that was told of a truncated text.
    static TOLD: Cell<i64> = const { Cell::new(0) };
}

impl Backend {
    /// Runs a batch to its end.
    pub fn run<'t>(&self, mut batch: Batch<'t>, threads: usize) -> Result<Batch<'t>> {
        while !batch.run(&self.embedder, threads, &interrupt::pending)? {
            interrupt::check();
        }
        Ok(batch)
    }

    /// How many tokens a text has, those that enclose it included.
    pub fn count_tokens(&self, text: &str) -> Result<usize> {
        let mut count = 0;
        for tokens in self.embedder.tokenizer().count(text) {
            interrupt::check();
            count += tokens?;
        }
        Ok(count)
    }

    fn max_tokens(&self) -> usize {
        self.embedder.tokenizer().max_tokens()
    }

    /// Says, as `pg_embed.truncation` asks for, that texts were truncated, of which this is the first; without numbers, it is
    /// the only one. A notice comes once per statement.
    ///
    /// # Errors
    /// 54000 if the setting is `error`.
    pub fn truncated(&self, texts: Option<embedder::Truncated>, first: &str) -> Result<()> {
        let most = self.max_tokens();
        match guc::TRUNCATION.get() {
            guc::Truncation::Silent => Ok(()),
            guc::Truncation::Notice => {
                let statement = statement_start();
                if TOLD.replace(statement) == statement {
                    return Ok(());
                }
                Report::new(PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION, LONGER)
                    .detail(match texts {
                        None => format!("Only its first {most} tokens are in its vector."),
                        Some(embedder::Truncated { texts: 1, first }) => {
                            format!("Only the first {most} tokens of element {} are in its vector.", first + 1)
                        }
                        Some(embedder::Truncated { texts, first }) => format!(
                            "Only the first {most} tokens of {texts} elements, the first being element {}, are in their vectors.",
                            first + 1
                        ),
                    })
                    .hint("embed_chunks() cuts a long text into pieces that fit. Further texts of this statement are not reported; pg_embed.truncation decides.")
                    .notice()
            }
            guc::Truncation::Error => {
                let tokens = self.count_tokens(first)?;
                Err(refused(match texts {
                    None => format!("It has {tokens} tokens, and the model reads {most}."),
                    Some(embedder::Truncated { texts, first }) => {
                        let others =
                            if texts > 1 { format!(" So it is with {texts} elements.") } else { String::new() };
                        format!("Element {} has {tokens} tokens, and the model reads {most}.{others}", first + 1)
                    }
                }))
            }
        }
    }

    /// Fails if a text that is truncated is to be an error.
    ///
    /// # Errors
    /// 54000.
    pub fn refuse_truncated(&self) -> Result<()> {
        match guc::TRUNCATION.get() {
            guc::Truncation::Error => Err(refused(format!("The model reads {} tokens.", self.max_tokens()))),
            guc::Truncation::Silent | guc::Truncation::Notice => Ok(()),
        }
    }
}

const LONGER: &str = "text is longer than the model reads";

fn refused(detail: String) -> Report {
    Report::new(PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED, LONGER)
        .detail(detail)
        .hint("Cut the text with embed_chunks(), or set pg_embed.truncation to \"notice\" or \"silent\".")
}

#[allow(unsafe_code)]
fn statement_start() -> i64 {
    // SAFETY: reads a variable of this process.
    unsafe { pg_sys::GetCurrentStatementStartTimestamp() }
}
