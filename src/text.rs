//! `text` and `text[]` arguments as UTF-8, whatever the database's encoding, and `text` results.
#![allow(unsafe_code)]

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_int};
use std::slice;

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{self, Datum};

use crate::report::{Report, Result};

/// The text in `datum` as UTF-8. It lives as long as the memory context of the call: to the end of the SQL call.
///
/// # Errors
/// 22021 if the bytes are no text in the database's encoding, or, in a SQL_ASCII database, no UTF-8.
///
/// # Safety
/// `datum` is a non-null `text` argument of the function call that is being executed.
pub unsafe fn utf8<'call>(datum: Datum) -> Result<Cow<'call, str>> {
    // SAFETY: a non-null text datum points to a varlena, which detoasting leaves or copies into the call's context.
    let bytes: &[u8] = unsafe {
        let varlena = pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr());
        slice::from_raw_parts(pgrx::vardata_any(varlena).cast(), pgrx::varsize_any_exhdr(varlena))
    };
    checked(to_utf8(bytes)).map(Cow::Borrowed)
}

fn checked(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| invalid())
}

fn invalid() -> Report {
    Report::new(PgSqlErrorCode::ERRCODE_CHARACTER_NOT_IN_REPERTOIRE, "invalid byte sequence for encoding \"UTF8\"")
}

/// `bytes` converted from the database's encoding; PostgreSQL refuses what it cannot convert.
fn to_utf8(bytes: &[u8]) -> &[u8] {
    // SAFETY: pg_server_to_any reads the given length, and gives back the same pointer or a new string that ends
    // with a zero byte, in the call's memory context.
    unsafe {
        let converted =
            pg_sys::pg_server_to_any(bytes.as_ptr().cast(), bytes.len() as c_int, pg_sys::pg_enc::PG_UTF8 as c_int);
        if converted.cast_const().cast() == bytes.as_ptr() { bytes } else { CStr::from_ptr(converted).to_bytes() }
    }
}

/// The elements of the `text[]` in `datum`.
///
/// # Errors
/// 22023 if it has more than one dimension; whatever [`utf8`] fails with.
///
/// # Safety
/// As for [`utf8`], with a `text[]` argument.
pub unsafe fn utf8_array<'call>(datum: Datum) -> Result<Vec<Option<Cow<'call, str>>>> {
    // SAFETY: a non-null array datum detoasts to an ArrayType, and what is detoasted stays as it is.
    unsafe {
        let array: *mut pg_sys::ArrayType = pg_sys::pg_detoast_datum(datum.cast_mut_ptr()).cast();
        if (*array).ndim > 1 {
            let report = Report::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, "array is multi-dimensional");
            return Err(report
                .detail(format!("It has {} dimensions.", (*array).ndim))
                .hint("Pass a one-dimensional array of texts."));
        }
        elements(Datum::from(array))
    }
}

/// The elements of an array, in their order, whatever its dimensions.
///
/// # Errors
/// Whatever [`utf8`] fails with.
///
/// # Safety
/// As for [`utf8`], with an array whose elements have the layout of text.
pub unsafe fn elements<'call>(datum: Datum) -> Result<Vec<Option<Cow<'call, str>>>> {
    let (mut values, mut nulls, mut count) = (std::ptr::null_mut(), std::ptr::null_mut(), 0);
    // SAFETY: a non-null array datum detoasts to an ArrayType; the elements have the properties of text.
    unsafe {
        let (length, by_value, alignment) = (-1, false, pg_sys::TYPALIGN_INT as _);
        let array: *mut pg_sys::ArrayType = pg_sys::pg_detoast_datum(datum.cast_mut_ptr()).cast();
        pg_sys::deconstruct_array(
            array,
            (*array).elemtype,
            length,
            by_value,
            alignment,
            &mut values,
            &mut nulls,
            &mut count,
        );
    }
    let element = |i: usize| {
        // SAFETY: deconstruct_array fills both arrays with `count` entries.
        let (value, null) = unsafe { (*values.add(i), *nulls.add(i)) };
        // SAFETY: a non-null element of a text array is a text.
        if null { Ok(None) } else { unsafe { utf8(value) }.map(Some) }
    };
    (0..count as usize).map(element).collect()
}

/// A zero-terminated string of the server's, such as a name, as UTF-8.
///
/// # Errors
/// As for [`utf8`].
pub fn from_server(name: &CStr) -> Result<String> {
    checked(to_utf8(name.to_bytes())).map(str::to_owned)
}

/// `text` as a zero-terminated string in the database's encoding.
///
/// # Errors
/// 22021 if it has a zero character.
pub fn to_server(text: &str) -> Result<CString> {
    let text = CString::new(text).map_err(|_| invalid())?;
    // SAFETY: as for `to_datum`.
    let converted = unsafe {
        let converted =
            pg_sys::pg_any_to_server(text.as_ptr(), text.count_bytes() as c_int, pg_sys::pg_enc::PG_UTF8 as c_int);
        CStr::from_ptr(converted)
    };
    Ok(converted.to_owned())
}

/// `text` as a datum in the database's encoding, in the current memory context.
pub fn to_datum(text: &str) -> Datum {
    // SAFETY: pg_any_to_server gives back the same pointer or a new zero-terminated string; cstring_to_text_with_len
    // copies what it is given.
    unsafe {
        let (start, length) = (text.as_ptr().cast(), text.len() as c_int);
        let converted = pg_sys::pg_any_to_server(start, length, pg_sys::pg_enc::PG_UTF8 as c_int);
        let length =
            if converted.cast_const() == start { length } else { CStr::from_ptr(converted).count_bytes() as c_int };
        Datum::from(pg_sys::cstring_to_text_with_len(converted, length))
    }
}
