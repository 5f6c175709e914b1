//! pgvector's datum layout: `vl_len_` (4 bytes), `dim` (int16), `unused` (int16), `float4[dim]`.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::slice;

use ndarray::{ArrayView1, ArrayView2};
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{self, Datum, Oid};

use crate::postgres::report::{Report, Result};
use crate::postgres::text::vector_of;

/// Bytes before the components.
const HEADER: usize = 8;

/// PostgreSQL's `MaxAllocSize`: no datum is larger.
const MAX_DATUM: usize = 0x3fff_ffff;

/// A `vector` datum with the given components, in the current memory context.
pub fn to_datum(components: ArrayView1<f32>) -> Datum {
    let size = HEADER + components.len() * size_of::<f32>();
    // SAFETY: palloc gives `size` bytes, aligned to 8; the writes stay within them.
    unsafe {
        let start: *mut u8 = pg_sys::palloc(size).cast();
        pgrx::set_varsize_4b(start.cast(), size as i32);
        start.add(4).cast::<i16>().write(components.len() as i16);
        start.add(6).cast::<i16>().write(0);
        let target = slice::from_raw_parts_mut(start.add(HEADER).cast::<f32>(), components.len());
        for (to, from) in target.iter_mut().zip(components) {
            *to = *from;
        }
        Datum::from(start)
    }
}

/// The components of a `vector` datum.
///
/// # Safety
/// `datum` is a non-null `vector`; the result lives as long as the memory context of the call.
pub unsafe fn components<'call>(datum: Datum) -> &'call [f32] {
    // SAFETY: the caller's promise; detoasting leaves the datum, aligned to 4, or copies it into the call's context.
    unsafe {
        let start: *const u8 = pg_sys::pg_detoast_datum(datum.cast_mut_ptr()).cast();
        let dimensions = start.add(4).cast::<i16>().read();
        slice::from_raw_parts(start.add(HEADER).cast::<f32>(), dimensions as usize)
    }
}

/// Whether a type is pgvector's `halfvec`, where `vector` is its `vector`. Versions before 0.7 have none.
pub fn is_half(found: Oid, vector: Oid) -> bool {
    if found == vector {
        return false;
    }
    // SAFETY: lookups; both names are zero-terminated. A type has a row in pg_type unless it was dropped just now.
    unsafe {
        let tuple = pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::TYPEOID as i32, Datum::from(found));
        if tuple.is_null() {
            return false;
        }
        let form = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_type>();
        let is_named = CStr::from_ptr(form.typname.data.as_ptr()) == c"halfvec";
        pg_sys::ReleaseSysCache(tuple);
        let extension = |of| pg_sys::getExtensionOfObject(pg_sys::TypeRelationId, of);
        is_named && extension(found) != Oid::INVALID && extension(found) == extension(vector)
    }
}

/// A value of one of pgvector's types as one of another, by pgvector's own cast.
pub fn cast(value: Datum, from: Oid, to: Oid) -> Datum {
    let (explicit, any_number) = (Datum::from(true), Datum::from(-1));
    let mut function = Oid::INVALID;
    // SAFETY: a lookup, and the call of a function that takes a value of the type `from`, a number of dimensions and
    // whether the cast stands in the statement.
    unsafe {
        pg_sys::find_coercion_pathway(to, from, pg_sys::CoercionContext::COERCION_EXPLICIT, &mut function);
        pg_sys::OidFunctionCall3Coll(function, Oid::INVALID, value, any_number, explicit)
    }
}

/// Fails unless an array of `count` vectors of `dimensions` components fits into one datum.
pub fn check_array_size(count: usize, dimensions: usize) -> Result<()> {
    let most = MAX_DATUM / (HEADER + dimensions * size_of::<f32>() + size_of::<Datum>());
    if count <= most {
        return Ok(());
    }
    Err(Report::new(PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED, format!("too many texts in one call: {count}"))
        .detail(format!("The vectors of at most {most} texts fit into one array."))
        .hint("Pass the texts in several calls."))
}

/// A `vector[]` datum: the rows of `vectors` in order, with NULL where `present` is false.
///
/// # Errors
/// 53200.
///
/// # Safety
/// `element_type` is the oid of pgvector's type `vector`.
pub unsafe fn to_array_datum(vectors: ArrayView2<f32>, present: &[bool], element_type: Oid) -> Result<Datum> {
    if present.is_empty() {
        // SAFETY: any type's oid will do.
        return Ok(Datum::from(unsafe { pg_sys::construct_empty_array(element_type) }));
    }
    let mut rows = vectors.rows().into_iter();
    let mut row = || rows.next().map_or(Datum::from(0), to_datum);
    let (mut values, mut nulls) = (vector_of::<Datum>(present.len())?, vector_of::<bool>(present.len())?);
    values.extend(present.iter().map(|&present| if present { row() } else { Datum::from(0) }));
    nulls.extend(present.iter().map(|present| !present));
    let (mut dimension, mut lower_bound) = (present.len() as i32, 1);
    let (mut length, mut by_value, mut alignment) = (0, false, 0);
    // SAFETY: both arrays have `dimension` entries; the type's properties are asked of the catalogue.
    unsafe {
        pg_sys::get_typlenbyvalalign(element_type, &mut length, &mut by_value, &mut alignment);
        let array = pg_sys::construct_md_array(
            values.as_mut_ptr(),
            nulls.as_mut_ptr(),
            1,
            &mut dimension,
            &mut lower_bound,
            element_type,
            length.into(),
            by_value,
            alignment,
        );
        Ok(Datum::from(array))
    }
}
