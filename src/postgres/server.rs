//! The server that this process belongs to: where its files are, and in which state it is.
#![allow(unsafe_code)]

use std::ffi::{CStr, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use pgrx::pg_sys;

pub fn data_directory() -> PathBuf {
    // SAFETY: DataDir is set before any library is loaded, and stays.
    path(unsafe { CStr::from_ptr(pg_sys::DataDir) })
}

pub fn is_preloading() -> bool {
    // SAFETY: a flag of this single-threaded process.
    unsafe { pg_sys::process_shared_preload_libraries_in_progress }
}

/// Whether the server runs for pg_upgrade, which has counted transactions and files already.
pub fn is_binary_upgrade() -> bool {
    // SAFETY: set when the server starts.
    unsafe { pg_sys::IsBinaryUpgrade }
}

/// Whether the current user is a superuser.
pub fn is_superuser() -> bool {
    // SAFETY: a lookup.
    unsafe { pg_sys::superuser() }
}

/// Where what is read alone is installed.
pub fn share_directory() -> PathBuf {
    installed(pg_sys::get_share_path)
}

/// Where libraries are installed.
pub fn library_directory() -> PathBuf {
    installed(pg_sys::get_pkglib_path)
}

pub fn path(text: &CStr) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(text.to_bytes()))
}

/// A directory of this server's installation, as `find` derives it from the server program's place.
fn installed(find: unsafe fn(*const c_char, *mut c_char)) -> PathBuf {
    let mut buffer = [0 as c_char; pg_sys::MAXPGPATH as usize];
    // SAFETY: both functions write at most MAXPGPATH bytes, zero-terminated; my_exec_path is set in every process.
    unsafe {
        find((&raw const pg_sys::my_exec_path).cast(), buffer.as_mut_ptr());
        path(CStr::from_ptr(buffer.as_ptr()))
    }
}
