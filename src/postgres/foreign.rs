//! Foreign servers: objects of a database that have a name, options, an owner and privileges, and come before all tables in
//! a dump.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};

use pgrx::pg_sys::{self, Datum, List, Oid};

use crate::postgres::catalog;
use crate::postgres::report::Result;
use crate::postgres::{text, version};

/// A foreign server.
#[derive(Debug)]
pub struct Server {
    oid: Oid,
    options: Vec<(CString, CString)>,
}

impl Server {
    /// The server with this name, if its wrapper checks options with `validator` of this library: only a superuser can make
    /// such a wrapper.
    pub fn find(name: &CStr, validator: &CStr) -> Option<Self> {
        // SAFETY: lookups by name and OID, whose results are palloc'd.
        unsafe {
            let oid = pg_sys::get_foreign_server_oid(name.as_ptr(), true);
            if oid == Oid::INVALID {
                return None;
            }
            let server = &*pg_sys::GetForeignServer(oid);
            is_ours(server.fdwid, validator).then(|| Self { oid, options: options(server.options) })
        }
    }

    /// An option's value.
    ///
    /// # Errors
    /// It is no text in the database's encoding.
    pub fn option(&self, name: &CStr) -> Result<Option<String>> {
        self.options.iter().find(|(option, _)| **option == *name).map(|(_, value)| text::from_server(value)).transpose()
    }

    /// Whether the current user has USAGE.
    pub fn may_be_used(&self) -> bool {
        // SAFETY: reads a variable of this process.
        version::may_use_server(self.oid, unsafe { pg_sys::GetUserId() })
    }
}

/// The server that a foreign table's rows are on; `None` if either is gone.
pub fn server_of(table: Oid) -> Option<CString> {
    // SAFETY: lookups by OID; the column is one that is never NULL, and the server is palloc'd.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::FOREIGNTABLEREL as i32;
        let tuple = pg_sys::SearchSysCache1(cache, Datum::from(table));
        if tuple.is_null() {
            return None;
        }
        let mut null = false;
        let number = pg_sys::Anum_pg_foreign_table_ftserver as i16;
        let server = Oid::from(pg_sys::SysCacheGetAttr(cache, tuple, number, &mut null).value() as u32);
        pg_sys::ReleaseSysCache(tuple);
        let server = pg_sys::GetForeignServerExtended(server, pg_sys::FSV_MISSING_OK as u16);
        (!server.is_null()).then(|| CStr::from_ptr((*server).servername).to_owned())
    }
}

/// The wrapper with this name, if it is ours as above.
pub fn wrapper(name: &CStr, validator: &CStr) -> Option<Oid> {
    // SAFETY: a lookup by name.
    let oid = unsafe { pg_sys::get_foreign_data_wrapper_oid(name.as_ptr(), true) };
    (oid != Oid::INVALID && is_ours(oid, validator)).then_some(oid)
}

/// Whether the current user may make servers of a wrapper.
pub fn may_use_wrapper(wrapper: Oid) -> bool {
    // SAFETY: reads a variable of this process.
    version::may_use_wrapper(wrapper, unsafe { pg_sys::GetUserId() })
}

fn is_ours(wrapper: Oid, validator: &CStr) -> bool {
    // SAFETY: a lookup of a wrapper that is there; the result is palloc'd.
    catalog::is_ours(unsafe { (*pg_sys::GetForeignDataWrapper(wrapper)).fdwvalidator }, validator)
}

/// The options in a list as the parser and the catalogues have it, or, as an option's validator gets them, in `text[]`.
///
/// # Safety
/// A list of options, or null.
unsafe fn options(list: *mut List) -> Vec<(CString, CString)> {
    // SAFETY: the caller's promise; the strings are palloc'd and zero-terminated.
    unsafe {
        (0..pg_sys::list_length(list))
            .map(|n| {
                let option = pg_sys::list_nth(list, n).cast::<pg_sys::DefElem>();
                let value = CStr::from_ptr(pg_sys::defGetString(option));
                (CStr::from_ptr((*option).defname).to_owned(), value.to_owned())
            })
            .collect()
    }
}

/// The options that a wrapper's validator is called with.
///
/// # Safety
/// A `text[]` as PostgreSQL calls validators with.
pub unsafe fn given(array: Datum) -> Vec<(CString, CString)> {
    // SAFETY: the caller's promise.
    unsafe { options(pg_sys::untransformRelOptions(array)) }
}
