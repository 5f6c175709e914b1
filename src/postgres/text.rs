//! `text` and `text[]` arguments as UTF-8, whatever the database's encoding, and `text` results.
#![allow(unsafe_code)]

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_int};
use std::slice;

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{self, Datum, Oid};

use crate::postgres::encoding::{self, to_utf8};
use crate::postgres::report::{Report, Result};

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

/// The beginning of a text.
pub struct Head<'call> {
    pub text: Cow<'call, str>,
    /// Whether it is the whole text.
    pub is_whole: bool,
}

/// The first `limit` bytes of the text in `datum`, or a few less, as UTF-8. Of a text that is stored out of line or
/// compressed, no more is read than that.
///
/// # Errors
/// As for [`utf8`].
///
/// # Safety
/// As for [`utf8`].
pub unsafe fn head<'call>(datum: Datum, limit: usize) -> Result<Head<'call>> {
    // SAFETY: the caller's promise; a slice of a varlena is a varlena, and lives in the call's context.
    let (bytes, is_whole): (&[u8], bool) = unsafe {
        let whole = pg_sys::toast_raw_datum_size(datum) - pg_sys::VARHDRSZ;
        let varlena = datum.cast_mut_ptr::<pg_sys::varlena>();
        let is_stored_elsewhere = pgrx::varatt_is_1b_e(varlena) || pgrx::varatt_is_4b_c(varlena);
        let varlena = match whole > limit && is_stored_elsewhere {
            true => pg_sys::pg_detoast_datum_slice(varlena, 0, limit as i32),
            false => pg_sys::pg_detoast_datum_packed(varlena),
        };
        let bytes: &[u8] = slice::from_raw_parts(pgrx::vardata_any(varlena).cast(), pgrx::varsize_any_exhdr(varlena));
        (bytes, whole <= limit)
    };
    if is_whole {
        return Ok(Head { text: checked(to_utf8(bytes)).map(Cow::Borrowed)?, is_whole });
    }
    // A character that is cut in two is left out.
    let limit = limit.min(bytes.len());
    // SAFETY: reads within the bytes.
    let length = unsafe { pg_sys::pg_mbcliplen(bytes.as_ptr().cast(), bytes.len() as c_int, limit as c_int) };
    Ok(Head { text: checked(to_utf8(&bytes[..length as usize])).map(Cow::Borrowed)?, is_whole })
}

fn checked(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| invalid())
}

fn invalid() -> Report {
    Report::new(PgSqlErrorCode::ERRCODE_CHARACTER_NOT_IN_REPERTOIRE, "invalid byte sequence for encoding \"UTF8\"")
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
    let mut elements = vector_of(count as usize)?;
    for i in 0..count as usize {
        // SAFETY: deconstruct_array fills both arrays with `count` entries; a non-null element of a text array is a
        // text.
        elements.push(unsafe { if *nulls.add(i) { None } else { Some(utf8(*values.add(i))?) } });
    }
    Ok(elements)
}

/// An empty vector with room for so many values.
///
/// # Errors
/// 53200 where there is no memory for them: the number comes from the user.
pub fn vector_of<T>(count: usize) -> Result<Vec<T>> {
    let mut vector = Vec::new();
    let failed = |_| embedder::Error::OutOfMemory { bytes: Some(count.saturating_mul(size_of::<T>())) };
    vector.try_reserve_exact(count).map_err(failed)?;
    Ok(vector)
}

/// Has a vector have room for one value more.
///
/// # Errors
/// As for [`vector_of`].
pub fn room_for_one<T>(vector: &mut Vec<T>) -> Result<()> {
    let bytes = (2 * vector.len()).saturating_mul(size_of::<T>());
    vector.try_reserve(1).map_err(|_| embedder::Error::OutOfMemory { bytes: Some(bytes) })?;
    Ok(())
}

/// Whether an array has an element that is not NULL.
///
/// # Safety
/// As for [`elements`].
pub unsafe fn has_element(datum: Datum) -> bool {
    // SAFETY: the caller's promise. The number of elements is that of a valid array.
    unsafe {
        let array: *mut pg_sys::ArrayType = pg_sys::pg_detoast_datum(datum.cast_mut_ptr()).cast();
        let sizes = array.cast::<u8>().add(size_of::<pg_sys::ArrayType>()).cast::<i32>();
        let count = pg_sys::ArrayGetNItems((*array).ndim, sizes);
        if (*array).dataoffset == 0 {
            return count > 0;
        }
        // The bitmap, in which a zero is a NULL, stands after the sizes and lower bounds of the dimensions.
        let bitmap = sizes.add(2 * (*array).ndim as usize).cast::<u8>();
        (0..count as usize).any(|n| *bitmap.add(n / 8) & (1 << (n % 8)) != 0)
    }
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
    encoding::to_server(text).ok_or_else(invalid)
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

/// Names of the server's as a `text[]` datum, in the current memory context.
///
/// # Errors
/// 53200.
pub fn to_array(names: &[CString]) -> Result<Datum> {
    let mut elements = vector_of(names.len())?;
    elements.extend(names.iter().map(|name| Some(to_datum(&encoding::to_utf8_lossy(name)))));
    // SAFETY: they are texts.
    Ok(unsafe { array(pg_sys::TEXTOID, elements) })
}

/// Values of one type as an array of one dimension, in the current memory context; `None` is NULL.
///
/// # Safety
/// The values are of that type.
pub unsafe fn array(of: Oid, values: impl IntoIterator<Item = Option<Datum>>) -> Datum {
    let (mut values, mut nulls): (Vec<_>, Vec<_>) =
        values.into_iter().map(|value| (value.unwrap_or(Datum::from(0)), value.is_none())).unzip();
    let (mut length, mut by_value, mut alignment) = (0, false, 0);
    let (mut count, mut lower) = (values.len() as i32, 1);
    // SAFETY: as many values as there are nulls, and the type's own properties.
    unsafe {
        pg_sys::get_typlenbyvalalign(of, &mut length, &mut by_value, &mut alignment);
        Datum::from(pg_sys::construct_md_array(
            values.as_mut_ptr(),
            nulls.as_mut_ptr(),
            1,
            &raw mut count,
            &raw mut lower,
            of,
            length.into(),
            by_value,
            alignment,
        ))
    }
}
