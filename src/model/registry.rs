//! Models by name: which directory a name stands for, and which files have to be in it.
//!
//! A model is a foreign server of the wrapper `embed_model`: an object of the database with a name, an owner and
//! privileges, which a dump makes before the tables that need it. Its options say where the files are and which they have to
//! be: from then on the name stands for these, and other files are an error. So a vector depends on nothing but the text and
//! the names in the call, and the functions can be IMMUTABLE.

use std::ffi::{CStr, CString};
use std::path::{Component, Path, PathBuf};

use embedder::{Checksums, Files, Precision};
use pgrx::{PgSqlErrorCode, pg_sys};

use crate::model::backend::{self, BUILT_IN_NAMES, Backend, built_in_named};
use crate::postgres::foreign::{self, Server};
use crate::postgres::report::{Report, Result};
use crate::postgres::spi;
use crate::postgres::{encoding, server, text};

/// The wrapper's name, and the function that checks its servers' options.
const WRAPPER: &CStr = c"embed_model";
const VALIDATOR: &CStr = c"embed_model_validator";

/// The options of a server. The first four decide, the others tell. Without a precision, it is exact.
const DIRECTORY: &CStr = c"directory";
const FINGERPRINT: &CStr = c"fingerprint";
const FILES: &CStr = c"files";
const PRECISION: &CStr = c"precision";
const DIMENSIONS: &CStr = c"dimensions";
const TOLD: [&CStr; 5] = [c"architecture", DIMENSIONS, c"max_tokens", c"pooling", c"prompts"];

/// A model by its name, and one of its prompts; by default, all-MiniLM-L6-v2, which has none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Named {
    pub model: Option<CString>,
    pub prompt: Option<CString>,
}

/// What tells a model from others in this process: where it is, and 0 for the default one.
pub type Id = usize;

/// A model that is open, and the text that stands before every text that it reads.
#[derive(Clone, Copy)]
pub struct Model {
    pub backend: &'static Backend,
    pub prompt: &'static str,
}

impl Named {
    /// Opens the model, unless this process has it open.
    ///
    /// # Errors
    /// 42704 if there is none, 42501 if the current user may not use it, XX001 if its files are others than they were, 22023
    /// if it has no such prompt, and what is wrong with its files.
    pub fn open(&self) -> Result<Model> {
        let backend = match self.registered()? {
            Source::BuiltIn(precision) => backend::built_in(precision)?,
            Source::Server(server) => open(&self.name(), &server)?,
        };
        let prompt = self.prompt.as_deref().map(text::from_server).transpose()?;
        Ok(Model { backend, prompt: backend.embedder.model().prompt(prompt.as_deref())? })
    }

    /// Fails if it could not be opened. The default model need not be opened to know that.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn check(&self) -> Result<()> {
        if self.is_default() { Ok(()) } else { self.open().map(|_| ()) }
    }

    /// Whether it is the model that is used where none is named.
    pub fn is_default(&self) -> bool {
        self.prompt.is_none()
            && self.model.as_deref().is_none_or(|name| built_in_named(name.to_bytes()) == Some(Precision::Exact))
    }

    /// How many components its vectors have, told without opening it.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn dimensions(&self) -> Result<usize> {
        let Source::Server(server) = self.registered()? else { return Ok(embedder::DIMENSIONS) };
        let told = server.option(DIMENSIONS)?.and_then(|dimensions| dimensions.parse().ok());
        told.ok_or_else(|| spoiled(&self.name(), DIMENSIONS))
    }

    /// Model and prompt for messages.
    pub fn describe(&self) -> String {
        match &self.prompt {
            None => format!("model \"{}\"", self.name()),
            Some(prompt) => format!("model \"{}\" and prompt \"{}\"", self.name(), encoding::to_utf8_lossy(prompt)),
        }
    }

    pub fn name(&self) -> String {
        encoding::to_utf8_lossy(self.model.as_deref().unwrap_or(BUILT_IN_NAMES[0].0))
    }

    fn registered(&self) -> Result<Source> {
        let name = self.model.as_deref().unwrap_or(BUILT_IN_NAMES[0].0);
        if let Some(precision) = built_in_named(name.to_bytes()) {
            return Ok(Source::BuiltIn(precision));
        }
        let quoted = self.name();
        let Some(server) = Server::find(name, VALIDATOR) else {
            let message = format!("model \"{quoted}\" does not exist");
            return Err(Report::new(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, message)
                .hint("The view embed_models lists those that do; embed_add_model() adds one."));
        };
        if !server.may_be_used() {
            let message = format!("permission denied for model \"{quoted}\"");
            return Err(Report::new(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, message)
                .hint("GRANT USAGE ON FOREIGN SERVER to the role."));
        }
        Ok(Source::Server(server))
    }
}

/// Where a model comes from.
enum Source {
    BuiltIn(Precision),
    Server(Server),
}

impl Model {
    pub fn id(&self) -> Id {
        if self.backend.is_default() { 0 } else { std::ptr::from_ref(self.backend).addr() }
    }

    /// A text as the model reads it, with the prompt before it.
    pub fn prompted<'t>(&self, text: &'t str) -> std::borrow::Cow<'t, str> {
        match self.prompt {
            "" => text.into(),
            prompt => format!("{prompt}{text}").into(),
        }
    }
}

fn open(name: &str, server: &Server) -> Result<&'static Backend> {
    let option = |option: &CStr| server.option(option)?.ok_or_else(|| spoiled(name, option));
    let fingerprint = option(FINGERPRINT)?;
    if let Some(backend) = backend::known(&fingerprint) {
        return Ok(backend);
    }
    let files: Checksums = serde_json::from_str(&option(FILES)?).map_err(|_| spoiled(name, FILES))?;
    let precision = match server.option(PRECISION)? {
        None => Precision::Exact,
        Some(precision) => Precision::named(&precision).ok_or_else(|| spoiled(name, PRECISION))?,
    };
    backend::open_other(&path(&option(DIRECTORY)?), Files::Recorded(files), precision)
}

fn spoiled(name: &str, option: &CStr) -> Report {
    let message = format!("option \"{}\" of model \"{name}\" is not valid", option.to_string_lossy());
    Report::new(PgSqlErrorCode::ERRCODE_DATA_CORRUPTED, message)
        .hint("Drop the model with embed_drop_model(), and add it again.")
}

/// The directory that is meant: a name is that of one below the server's share directory.
pub fn path(directory: &str) -> PathBuf {
    backend::models_directory().join(directory)
}

/// Whether a directory is named by its place below the share directory, and by nothing else.
fn is_plain(directory: &str) -> bool {
    let mut components = Path::new(directory).components();
    matches!(components.next(), Some(Component::Normal(_))) && components.next().is_none()
}

/// `embed_add_model(name text, directory text, precision text)`
pub fn add(name: &CStr, directory: Option<&str>, precision: &str) -> Result<()> {
    spi::refuse_read_only(c"embed_add_model()")?;
    let quoted = encoding::to_utf8_lossy(name);
    let Some(wrapper) = foreign::wrapper(WRAPPER, VALIDATOR) else {
        return Err(Report::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
            "foreign-data wrapper \"embed_model\" of the extension pg_embed does not exist",
        ));
    };
    if !foreign::may_use_wrapper(wrapper) {
        let message = format!("permission denied to add model \"{quoted}\"");
        return Err(Report::new(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, message)
            .hint("A superuser can GRANT USAGE ON FOREIGN DATA WRAPPER embed_model to the role."));
    }
    refuse_unfit_name(name, &quoted)?;
    if built_in_named(name.to_bytes()).is_some() {
        let message = format!("model \"{quoted}\" already exists");
        return Err(Report::new(PgSqlErrorCode::ERRCODE_DUPLICATE_OBJECT, message)
            .detail("It is there after CREATE EXTENSION.")
            .hint("Give the model another name."));
    }
    let Some(precision) = Precision::named(precision) else {
        let message = format!("invalid precision: \"{precision}\"");
        return Err(Report::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message)
            .hint("Precisions are \"exact\" and \"int8\"."));
    };
    let directory = directory.unwrap_or(&quoted);
    refuse_elsewhere(directory)?;
    let backend = backend::open_other(&path(directory), Files::Any, precision)?;
    let model = backend.embedder.model();
    let files = serde_json::to_string(model.checksums()).unwrap_or_default();
    let prompts = serde_json::to_string(model.prompts()).unwrap_or_default();
    let (dimensions, max_tokens) = (model.dimensions().to_string(), model.max_tokens().to_string());
    let told = [model.architecture(), &dimensions, &max_tokens, model.pooling(), &prompts];
    let fingerprint = model.fingerprint();
    let decisive =
        [(DIRECTORY, directory), (FINGERPRINT, &fingerprint), (FILES, &files), (PRECISION, precision.name())];
    let options = decisive.into_iter().chain(TOLD.into_iter().zip(told));
    let options: Vec<_> = options
        .map(|(option, value)| Ok(format!("{} {}", option.to_string_lossy(), spi::literal(value)?)))
        .collect::<Result<_>>()?;
    let identifier = spi::identifier(name)?;
    spi::connect(|spi| {
        spi.execute(&format!(
            "CREATE SERVER {identifier} FOREIGN DATA WRAPPER embed_model OPTIONS ({})",
            options.join(", ")
        ))?;
        // As with functions, who should not use it is told so.
        spi.execute(&format!("GRANT USAGE ON FOREIGN SERVER {identifier} TO PUBLIC"))
    })
}

/// PostgreSQL would cut a long name without an error.
///
/// # Errors
/// 42602, 42622.
fn refuse_unfit_name(name: &CStr, quoted: &str) -> Result<()> {
    let most = pg_sys::NAMEDATALEN as usize - 1;
    if name.is_empty() {
        return Err(Report::new(PgSqlErrorCode::ERRCODE_INVALID_NAME, "name of a model must not be empty"));
    }
    if name.count_bytes() > most {
        let message = format!("name of model \"{quoted}\" is too long");
        return Err(Report::new(PgSqlErrorCode::ERRCODE_NAME_TOO_LONG, message)
            .detail(format!("It has {} bytes, and names have {most} at most.", name.count_bytes()))
            .hint("Give the model a shorter name, and name its directory."));
    }
    Ok(())
}

/// `embed_drop_model(name text)`
pub fn drop(name: &CStr) -> Result<()> {
    spi::refuse_read_only(c"embed_drop_model()")?;
    let quoted = encoding::to_utf8_lossy(name);
    if Server::find(name, VALIDATOR).is_none() {
        let (sqlstate, message) = match built_in_named(name.to_bytes()).is_some() {
            true => (
                PgSqlErrorCode::ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST,
                format!("cannot drop model \"{quoted}\" because extension pg_embed requires it"),
            ),
            false => (PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, format!("model \"{quoted}\" does not exist")),
        };
        return Err(Report::new(sqlstate, message).hint("The view embed_models lists the models."));
    }
    let identifier = spi::identifier(name)?;
    spi::connect(|spi| spi.execute(&format!("DROP SERVER {identifier}")))
}

/// Checks the options of a server of the wrapper, whoever gives them.
///
/// # Errors
/// HV00D for one that is not known, HV00J if one is missing, HV024 for files that have another fingerprint, 42501 for a
/// directory that only a superuser may name.
pub fn check_options(options: &[(CString, CString)], is_server: bool) -> Result<()> {
    let known: Vec<&CStr> = [DIRECTORY, FINGERPRINT, FILES, PRECISION].into_iter().chain(TOLD).collect();
    for (option, value) in options {
        if !is_server || !known.contains(&&**option) {
            let message = format!("invalid option \"{}\"", encoding::to_utf8_lossy(option));
            return Err(Report::new(PgSqlErrorCode::ERRCODE_FDW_INVALID_OPTION_NAME, message)
                .hint("Models are made by embed_add_model()."));
        }
        if **option == *DIRECTORY {
            refuse_elsewhere(&text::from_server(value)?)?;
        }
    }
    if !is_server {
        return Ok(());
    }
    let value = |wanted: &CStr| options.iter().find(|(option, _)| **option == *wanted).map(|(_, value)| &**value);
    let (Some(_), Some(fingerprint), Some(files)) = (value(DIRECTORY), value(FINGERPRINT), value(FILES)) else {
        return Err(Report::new(
            PgSqlErrorCode::ERRCODE_FDW_OPTION_NAME_NOT_FOUND,
            "a model needs the options \"directory\", \"fingerprint\" and \"files\"",
        )
        .hint("Models are made by embed_add_model()."));
    };
    let precision = value(PRECISION).map_or(Some(Precision::Exact), |name| Precision::named(name.to_str().ok()?));
    let Some(precision) = precision else {
        return Err(Report::new(
            PgSqlErrorCode::ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE,
            "option \"precision\" must be \"exact\" or \"int8\"",
        ));
    };
    // By its fingerprint a model is known that is open already.
    let files: Option<Checksums> = serde_json::from_slice(files.to_bytes()).ok();
    if files.is_none_or(|files| embedder::fingerprint(&files, precision).as_bytes() != fingerprint.to_bytes()) {
        return Err(Report::new(
            PgSqlErrorCode::ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE,
            "option \"fingerprint\" is not that of the files in option \"files\" and the precision",
        )
        .hint("Models are made by embed_add_model()."));
    }
    Ok(())
}

/// # Errors
/// 42501 if only a superuser may have files of this directory read.
fn refuse_elsewhere(directory: &str) -> Result<()> {
    if is_plain(directory) || (server::is_superuser() && Path::new(directory).is_absolute()) {
        return Ok(());
    }
    let message = format!("permission denied to read a model from \"{directory}\"");
    Err(Report::new(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, message)
        .detail(format!("Others than superusers name a directory in {}.", backend::models_directory().display()))
        .hint("make install-model MODEL=directory puts it there. A superuser names any other with its absolute path."))
}
