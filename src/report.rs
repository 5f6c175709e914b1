//! What goes wrong, as PostgreSQL reports it: SQLSTATE, message, detail, hint.

use std::panic::AssertUnwindSafe;

use embedder::Error;
use pgrx::pg_sys::panic::{CaughtError, ErrorReport};
use pgrx::prelude::PgLogLevel;
use pgrx::{PgSqlErrorCode, PgTryBuilder};

/// A message to the user that may yet become an ERROR, a WARNING or a NOTICE.
#[derive(Debug)]
pub struct Report {
    sqlstate: PgSqlErrorCode,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
}

pub type Result<T> = std::result::Result<T, Report>;

impl Report {
    pub fn new(sqlstate: PgSqlErrorCode, message: impl Into<String>) -> Self {
        Self { sqlstate, message: message.into(), detail: None, hint: None }
    }

    pub fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// The same, with this detail if it has none yet.
    pub fn or_detail(self, detail: impl Into<String>) -> Self {
        Self { detail: self.detail.or_else(|| Some(detail.into())), ..self }
    }

    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The same under another message, with its own message as the beginning of the detail.
    pub fn wrapped(self, message: impl Into<String>) -> Self {
        let mut reason = format!("Reason: {}.", self.message);
        if let Some(detail) = self.detail {
            reason.push(' ');
            reason.push_str(&detail);
        }
        Self { message: message.into(), detail: Some(reason), ..self }
    }

    /// The first two characters of the SQLSTATE.
    pub fn class(&self) -> String {
        let code = self.sqlstate as u32;
        // Each character takes six bits, counted from the digit zero.
        [code, code >> 6].iter().map(|bits| char::from((bits & 0x3f) as u8 + b'0')).collect()
    }

    pub fn is_undefined_table(&self) -> bool {
        self.sqlstate == PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE
    }

    /// Message and detail on one line.
    pub fn to_line(&self) -> String {
        match &self.detail {
            Some(detail) => format!("{}: {detail}", self.message),
            None => self.message.clone(),
        }
    }

    /// Ends the statement. The stack unwinds first, so everything on it is dropped.
    pub fn raise(self) -> ! {
        self.log(PgLogLevel::ERROR);
        unreachable!("an ERROR does not return")
    }

    /// Sends it without ending the statement.
    pub fn warn(self) {
        self.log(PgLogLevel::WARNING);
    }

    /// Sends it as a NOTICE.
    pub fn notice(self) {
        self.log(PgLogLevel::NOTICE);
    }

    fn log(self, level: PgLogLevel) {
        // PostgreSQL shows the name as part of the source location, which is not the user's concern.
        let mut report = ErrorReport::new(self.sqlstate, self.message, "pg_embed");
        if let Some(detail) = self.detail {
            report = report.set_detail(detail);
        }
        if let Some(hint) = self.hint {
            report = report.set_hint(hint);
        }
        report.report(level);
    }
}

/// Runs the body of a SQL function. An ERROR that PostgreSQL itself raises in it, such as a cancelled statement, is
/// raised again as it was: on its way through Rust it would get a backtrace for its detail under RUST_BACKTRACE=1.
pub fn guard<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    PgTryBuilder::new(AssertUnwindSafe(body))
        .catch_others(|error| match error {
            CaughtError::PostgresError(report) => Err(Report {
                sqlstate: report.sql_error_code(),
                message: report.message().to_owned(),
                detail: report.detail().map(str::to_owned),
                hint: report.hint().map(str::to_owned),
            }),
            other => other.rethrow(),
        })
        .execute()
}

impl From<Error> for Report {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

impl From<&Error> for Report {
    fn from(error: &Error) -> Self {
        let report = Self::new(sqlstate(error), error.to_string());
        Self { detail: error.detail(), hint: error.hint(), ..report }
    }
}

fn sqlstate(error: &Error) -> PgSqlErrorCode {
    use std::io::ErrorKind;
    match error {
        Error::FileMissing { .. } => PgSqlErrorCode::ERRCODE_UNDEFINED_FILE,
        Error::Io { source, .. } => match source.kind() {
            ErrorKind::PermissionDenied => PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            ErrorKind::StorageFull => PgSqlErrorCode::ERRCODE_DISK_FULL,
            _ => PgSqlErrorCode::ERRCODE_IO_ERROR,
        },
        Error::ChecksumMismatch { .. } | Error::Malformed { .. } | Error::WrongVector { .. } => {
            PgSqlErrorCode::ERRCODE_DATA_CORRUPTED
        }
        Error::Unsupported { .. } => PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
        Error::Argument { .. } => PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        Error::Interrupted => PgSqlErrorCode::ERRCODE_QUERY_CANCELED,
        Error::Runtime { .. } | Error::Tokenizer { .. } => PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
    }
}
