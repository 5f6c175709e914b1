//! What goes wrong, as PostgreSQL reports it: SQLSTATE, message, detail, hint.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::AssertUnwindSafe;
use std::ptr;

use embedder::Error;
use pgrx::pg_sys::panic::CaughtError;
use pgrx::pg_sys::{self, ErrorContextCallback, ErrorData};
use pgrx::{PgLogLevel, PgSqlErrorCode, PgTryBuilder};

use crate::postgres::encoding;

/// A message to the user that may yet become an ERROR, a WARNING or a NOTICE.
#[derive(Debug, Clone)]
pub struct Report {
    /// In PostgreSQL's own form, six bits a character: it may be any, not only one that PostgreSQL itself uses.
    sqlstate: i32,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    raised: Option<Box<Raised>>,
}

/// What else there is of an error that PostgreSQL has raised, so that it can be passed on as it was.
#[derive(Debug, Clone, Default)]
struct Raised {
    /// Where it happened, a line for each function that was running.
    context: Option<String>,
    schema: Option<String>,
    table: Option<String>,
    column: Option<String>,
    datatype: Option<String>,
    constraint: Option<String>,
    /// The function of PostgreSQL's source that raised it.
    function: Option<String>,
}

pub type Result<T> = std::result::Result<T, Report>;

impl Report {
    pub fn new(sqlstate: PgSqlErrorCode, message: impl Into<String>) -> Self {
        Self { sqlstate: sqlstate as u32 as i32, message: message.into(), detail: None, hint: None, raised: None }
    }

    /// An error that PostgreSQL has raised.
    ///
    /// # Safety
    /// The strings of `error` are null or zero-terminated, as PostgreSQL leaves them.
    pub unsafe fn raised(error: &ErrorData) -> Self {
        // SAFETY: the caller's promise.
        let string =
            |text: *const c_char| (!text.is_null()).then(|| encoding::to_utf8_lossy(unsafe { CStr::from_ptr(text) }));
        Self {
            sqlstate: error.sqlerrcode,
            message: string(error.message).unwrap_or_default(),
            detail: string(error.detail),
            hint: string(error.hint),
            raised: Some(Box::new(Raised {
                context: string(error.context),
                schema: string(error.schema_name),
                table: string(error.table_name),
                column: string(error.column_name),
                datatype: string(error.datatype_name),
                constraint: string(error.constraint_name),
                function: string(error.funcname),
            })),
        }
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

    /// The five characters of the SQLSTATE.
    pub fn sqlstate(&self) -> String {
        // Each character takes six bits, counted from the digit zero.
        (0..5).map(|n| char::from((self.sqlstate >> (6 * n) & 0x3f) as u8 + b'0')).collect()
    }

    pub fn is(&self, sqlstate: PgSqlErrorCode) -> bool {
        self.sqlstate == sqlstate as u32 as i32
    }

    /// Whether the server is in trouble, rather than the row that was being written: lack of resources (53), an
    /// administrator's intervention (57), the system (58), PostgreSQL's own errors (XX).
    pub fn is_server_trouble(&self) -> bool {
        matches!(&self.sqlstate()[..2], "53" | "57" | "58" | "XX")
    }

    /// Whether it is what PostgreSQL says when it ends a statement that it was asked to end, and not an error that
    /// somebody's code raises with the same SQLSTATE.
    pub fn is_interrupt(&self) -> bool {
        let function = self.raised.as_ref().and_then(|raised| raised.function.as_deref());
        // A lock that was not to be had in time ends what waits for it, and nothing else.
        matches!(function, Some("ProcessInterrupts" | "ProcessRecoveryConflictInterrupt"))
            && !self.is(PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE)
    }

    /// The primary message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Message and detail on one line.
    pub fn to_line(&self) -> String {
        match &self.detail {
            Some(detail) => format!("{}: {detail}", self.message),
            None => self.message.clone(),
        }
    }

    /// Sends it without ending the statement.
    ///
    /// # Errors
    /// What PostgreSQL raises meanwhile: whoever sends something to the client may learn that it is to end.
    pub fn warn(self) -> Result<()> {
        self.send(PgLogLevel::WARNING)
    }

    /// Sends it as a NOTICE.
    ///
    /// # Errors
    /// As for [`warn`](Self::warn).
    pub fn notice(self) -> Result<()> {
        self.send(PgLogLevel::NOTICE)
    }

    /// Writes it to the server's log, where no client is.
    pub fn log(self) {
        // What goes wrong with that has nowhere else to go.
        let _ = self.warn();
    }

    fn send(self, level: PgLogLevel) -> Result<()> {
        let data = self.into_data(level);
        // SAFETY: data that was just made. The bindings catch what is raised, and nothing is borrowed meanwhile.
        guard(|| unsafe {
            pg_sys::ThrowErrorData(data);
            Ok(())
        })
    }

    /// The error as PostgreSQL's own data, in the current memory context, to be given to [`raise`] when everything of
    /// Rust's is dropped.
    pub fn into_data(self, level: PgLogLevel) -> *mut ErrorData {
        with_room_for_errors(|| self.palloc_data(level))
    }

    fn palloc_data(self, level: PgLogLevel) -> *mut ErrorData {
        let Self { sqlstate, message, detail, hint, raised } = self;
        let raised = raised.map_or_else(Raised::default, |raised| *raised);
        let data = ErrorData {
            elevel: level as i32,
            sqlerrcode: sqlstate,
            message: palloc_string(Some(message)),
            detail: palloc_string(detail),
            hint: palloc_string(hint),
            context: palloc_string(raised.context),
            schema_name: palloc_string(raised.schema),
            table_name: palloc_string(raised.table),
            column_name: palloc_string(raised.column),
            datatype_name: palloc_string(raised.datatype),
            constraint_name: palloc_string(raised.constraint),
            // PostgreSQL shows the name as part of the source location, which is not the user's concern.
            filename: c"pg_embed".as_ptr(),
            funcname: c"pg_embed".as_ptr(),
            ..ErrorData::default()
        };
        // SAFETY: palloc gives room for one.
        unsafe {
            let place = pg_sys::palloc(size_of::<ErrorData>()).cast::<ErrorData>();
            place.write(data);
            place
        }
    }
}

/// A copy in the database's encoding, in the current memory context; null for `None`.
fn palloc_string(text: Option<String>) -> *mut c_char {
    // SAFETY: pstrdup copies a zero-terminated string.
    text.map_or(ptr::null_mut(), |text| unsafe { pg_sys::pstrdup(encoding::to_server_lossy(&text).as_ptr()) })
}

/// Ends the statement.
///
/// # Safety
/// `data` comes from [`Report::into_data`]. The stack above holds nothing of Rust's that needs to be dropped: the error
/// jumps over it.
pub unsafe fn raise(data: *mut ErrorData) -> ! {
    unsafe extern "C-unwind" {
        // The bindings would catch it.
        fn ThrowErrorData(data: *mut ErrorData);
    }
    // SAFETY: the caller's promise. An error that was caught has its context already; what catches the error next
    // restores the stack of callbacks.
    unsafe {
        if !(*data).context.is_null() {
            pg_sys::error_context_stack = ptr::null_mut();
        }
        ThrowErrorData(data);
    }
    unreachable!("an ERROR does not return")
}

/// Runs `body`. Its error, be it raised by PostgreSQL or returned, ends the statement when everything of Rust's is dropped.
///
/// # Safety
/// The stack above `body` holds nothing of Rust's that needs to be dropped.
pub unsafe fn or_raise<T>(body: impl FnOnce() -> Result<T>) -> T {
    // SAFETY: the caller's promise.
    unsafe {
        let outcome =
            pg_sys::panic::pgrx_extern_c_guard(|| guard(body).map_err(|report| report.into_data(PgLogLevel::ERROR)));
        match outcome {
            Ok(value) => value,
            Err(error) => raise(error),
        }
    }
}

/// Raises the error for want of memory without asking for any, unless there is something put by for what fails later.
///
/// # Safety
/// As for [`raise`].
pub unsafe fn raise_without_reserve() {
    if embedder::refuse_without_reserve().is_ok() {
        return;
    }
    let mut data = ErrorData {
        elevel: PgLogLevel::ERROR as i32,
        sqlerrcode: PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY as i32,
        message: c"out of memory".as_ptr().cast_mut(),
        filename: c"pg_embed".as_ptr(),
        funcname: c"pg_embed".as_ptr(),
        ..ErrorData::default()
    };
    // SAFETY: the caller's promise. PostgreSQL copies the message into what it has put by for that itself.
    unsafe { raise(&raw mut data) }
}

/// Runs `body`; where PostgreSQL raises an ERROR in it for want of memory, what was put by is given back. The bindings take
/// memory to catch an error, and where there is none, they raise and catch it again until PostgreSQL ends the server.
fn with_room_for_errors<T>(body: impl FnOnce() -> T) -> T {
    struct Restore(*mut ErrorContextCallback);
    impl Drop for Restore {
        fn drop(&mut self) {
            // SAFETY: on the main thread; it was the innermost when `body` began.
            unsafe { pg_sys::error_context_stack = self.0 }
        }
    }

    unsafe extern "C-unwind" {
        // The bindings would set a place to catch errors, in the middle of one.
        fn geterrcode() -> c_int;
    }
    unsafe extern "C-unwind" fn make_room(_: *mut c_void) {
        // SAFETY: PostgreSQL calls it while it raises an error.
        if unsafe { geterrcode() } == PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY as i32 {
            embedder::use_up_reserve();
        }
    }

    // SAFETY: on the main thread. The callback is taken off before this frame ends.
    unsafe {
        let restore = Restore(pg_sys::error_context_stack);
        let mut callback =
            ErrorContextCallback { previous: restore.0, callback: Some(make_room), arg: ptr::null_mut() };
        pg_sys::error_context_stack = &raw mut callback;
        body()
    }
}

/// Runs `body`; an ERROR that PostgreSQL itself raises in it, such as a cancelled statement, becomes a value.
pub fn guard<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    PgTryBuilder::new(AssertUnwindSafe(|| with_room_for_errors(body)))
        .catch_others(|error| match error {
            CaughtError::PostgresError(report) => Err(Report {
                sqlstate: report.sql_error_code() as u32 as i32,
                message: report.message().to_owned(),
                detail: report.detail().map(str::to_owned),
                hint: report.hint().map(str::to_owned),
                raised: Some(Box::new(Raised {
                    function: report.function_name().map(str::to_owned),
                    ..Raised::default()
                })),
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
        Error::Unsupported { .. } | Error::Imprecise { .. } => PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
        Error::Argument { .. } | Error::UnknownPrompt { .. } => PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        Error::Interrupted => PgSqlErrorCode::ERRCODE_QUERY_CANCELED,
        Error::OutOfMemory { .. } => PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY,
        Error::Runtime { .. } | Error::Tokenizer { .. } => PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
    }
}
