//! Between UTF-8 and the database's encoding.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_int};
use std::panic::AssertUnwindSafe;

use pgrx::PgTryBuilder;
use pgrx::pg_sys;

/// `bytes` converted from the database's encoding; PostgreSQL refuses what it cannot convert.
pub fn to_utf8(bytes: &[u8]) -> &[u8] {
    // SAFETY: pg_server_to_any reads the given length, and gives back the same pointer or a new string that ends
    // with a zero byte, in the call's memory context.
    unsafe {
        let converted =
            pg_sys::pg_server_to_any(bytes.as_ptr().cast(), bytes.len() as c_int, pg_sys::pg_enc::PG_UTF8 as c_int);
        if converted.cast_const().cast() == bytes.as_ptr() { bytes } else { CStr::from_ptr(converted).to_bytes() }
    }
}

/// `text` in the database's encoding; `None` if it has a zero character. PostgreSQL refuses what it cannot convert.
pub fn to_server(text: &str) -> Option<CString> {
    let text = CString::new(text).ok()?;
    // SAFETY: as for `to_utf8`, the other way round.
    let converted = unsafe {
        let converted =
            pg_sys::pg_any_to_server(text.as_ptr(), text.count_bytes() as c_int, pg_sys::pg_enc::PG_UTF8 as c_int);
        CStr::from_ptr(converted)
    };
    Some(converted.to_owned())
}

/// For messages, which must reach the user whatever characters they have: what cannot be converted is replaced.
pub fn to_utf8_lossy(text: &CStr) -> String {
    let converted = || String::from_utf8_lossy(to_utf8(text.to_bytes())).into_owned();
    PgTryBuilder::new(AssertUnwindSafe(converted)).catch_others(|_| text.to_string_lossy().into_owned()).execute()
}

/// The same the other way round.
pub fn to_server_lossy(text: &str) -> CString {
    let ascii = || text.chars().map(|c| if c.is_ascii() && c != '\0' { c } else { '?' }).collect::<String>();
    let converted = PgTryBuilder::new(AssertUnwindSafe(|| to_server(text))).catch_others(|_| None).execute();
    converted.unwrap_or_else(|| CString::new(ascii()).unwrap_or_default())
}
