//! What can go wrong, worded in PostgreSQL's message style.
//!
//! `Display` gives the primary message: lower case, one line, no final period, names in double quotes.
//! [`Error::detail`] and [`Error::hint`] are whole sentences.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can go wrong between a text and its vector.
#[derive(Debug)]
pub enum Error {
    /// A file of the model or the runtime library does not exist.
    FileMissing { path: PathBuf },
    /// A file or directory exists, or should, and the operating system refuses to read or write it.
    Io { action: &'static str, path: PathBuf, source: io::Error },
    /// A file is not the one whose SHA-256 is known.
    ChecksumMismatch { path: PathBuf, expected: String, found: String },
    /// A file of the model cannot be understood.
    Malformed { path: PathBuf, reason: String },
    /// A file of the model asks for something this crate does not do.
    Unsupported { path: PathBuf, field: String, found: String, supported: String },
    /// The model has no prompt of this name; those that it has, sorted.
    UnknownPrompt { name: String, known: Vec<String> },
    /// The runtime library refused a request.
    Runtime { action: &'static str, reason: String },
    /// The tokenizer refused a text.
    Tokenizer { reason: String },
    /// A freshly compiled model does not give the vector that is known for a known text.
    WrongVector { deviation: f32 },
    /// In 8 bits the model's vectors are too far from the exact ones: the least cosine of a text.
    Imprecise { cosine: f32 },
    /// Memory cannot be had, of so many bytes if that is known.
    OutOfMemory { bytes: Option<usize> },
    /// The caller asked for the work to end before it was done.
    Interrupted,
    /// An argument is outside what the call accepts.
    Argument { name: &'static str, value: i64, min: i64, max: i64 },
}

impl Error {
    /// Wraps an operating system error for `path`; `action` is a verb, such as "read".
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::NotFound if action == "read" => Self::FileMissing { path: path.to_owned() },
            _ => Self::Io { action, path: path.to_owned(), source },
        }
    }

    /// More about this error for the DETAIL line.
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::ChecksumMismatch { expected, found, .. } => {
                Some(format!("Its SHA-256 is {found}, expected {expected}."))
            }
            Self::Malformed { reason, .. } | Self::Tokenizer { reason } | Self::Runtime { reason, .. } => {
                Some(sentence(reason))
            }
            Self::Unsupported { field, found, supported, .. } => {
                Some(format!("\"{field}\" is {found}; supported is {supported}."))
            }
            Self::UnknownPrompt { known, .. } if known.is_empty() => Some("The model has no prompts.".into()),
            Self::UnknownPrompt { known, .. } => {
                let names: Vec<String> = known.iter().map(|name| format!("\"{name}\"")).collect();
                Some(format!("The model's prompts are {}.", names.join(", ")))
            }
            Self::WrongVector { deviation } => Some(format!("A component of a known vector is off by {deviation:e}.")),
            Self::Imprecise { cosine } => {
                Some(format!("The cosine of a text's vector to the exact one is {cosine:.4}."))
            }
            Self::OutOfMemory { bytes } => bytes.map(|bytes| format!("Failed on request of size {bytes}.")),
            Self::Argument { min, max, .. } => Some(format!("It must be between {min} and {max}.")),
            Self::FileMissing { .. } | Self::Io { .. } | Self::Interrupted => None,
        }
    }

    /// What the user can do about this error, for the HINT line.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::FileMissing { .. } | Self::ChecksumMismatch { .. } | Self::Malformed { .. } => {
                Some("Install the file again, or correct the setting that names its directory.".into())
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some("Free some disk space.".into())
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("Grant the operating system user that runs this process access to it.".into())
            }
            Self::Imprecise { .. } => Some("Use the model with the precision \"exact\".".into()),
            Self::Unsupported { .. } => Some("Use a model whose files are supported, such as all-MiniLM-L6-v2.".into()),
            _ => None,
        }
    }
}

/// `text` as a whole sentence on one line.
fn sentence(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut chars = line.chars();
    let Some(first) = chars.next() else { return line };
    let mut out: String = first.to_uppercase().chain(chars).collect();
    if !out.ends_with(['.', '!', '?']) {
        out.push('.');
    }
    out
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FileMissing { path } => write!(f, "file \"{}\" does not exist", path.display()),
            Self::Io { action, path, source } => {
                write!(f, "could not {action} \"{}\": {}", path.display(), os_message(source))
            }
            Self::ChecksumMismatch { path, .. } => {
                write!(f, "checksum mismatch in file \"{}\"", path.display())
            }
            Self::Malformed { path, .. } => write!(f, "file \"{}\" is malformed", path.display()),
            Self::Unsupported { path, field, .. } => {
                write!(f, "unsupported value of field \"{field}\" in file \"{}\"", path.display())
            }
            Self::UnknownPrompt { name, .. } => write!(f, "prompt \"{name}\" does not exist"),
            Self::Runtime { action, .. } => write!(f, "could not {action} with ONNX Runtime"),
            Self::Tokenizer { .. } => write!(f, "could not tokenize the text"),
            Self::WrongVector { .. } => write!(f, "compiled model gives a wrong vector"),
            Self::Imprecise { .. } => write!(f, "model is not precise enough in 8 bits"),
            Self::OutOfMemory { .. } => write!(f, "out of memory"),
            Self::Interrupted => write!(f, "interrupted"),
            Self::Argument { name, value, .. } => write!(f, "invalid value for \"{name}\": {value}"),
        }
    }
}

/// The operating system's message without Rust's "(os error N)".
fn os_message(source: &io::Error) -> String {
    let text = source.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_follow_postgresql_style() {
        let path = PathBuf::from("/x/model.safetensors");
        let missing = Error::io("read", &path, io::ErrorKind::NotFound.into());
        assert_eq!(missing.to_string(), "file \"/x/model.safetensors\" does not exist");
        assert!(missing.hint().is_some());

        let denied = Error::io("read", &path, io::Error::from_raw_os_error(13));
        assert_eq!(denied.to_string(), "could not read \"/x/model.safetensors\": Permission denied");
        assert!(denied.hint().is_some_and(|h| h.ends_with('.')));
    }

    #[test]
    fn details_are_sentences_on_one_line() {
        let error = Error::Malformed { path: "/x".into(), reason: "expected value\nat line 1".into() };
        assert_eq!(error.detail().as_deref(), Some("Expected value at line 1."));
    }
}
