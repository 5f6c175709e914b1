//! A loaded library as the dynamic linker sees it: finds where it keeps the addresses of other libraries' functions.
//!
//! After the ELF specification: program headers, dynamic section, relocations with addends, symbols.
#![allow(unsafe_code)]

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::slice;

use nix::libc::{self, Elf64_Phdr, Elf64_Rela, Elf64_Sym, dl_phdr_info};

const DT_PLTRELSZ: i64 = 2;
const DT_STRTAB: i64 = 5;
const DT_SYMTAB: i64 = 6;
const DT_RELA: i64 = 7;
const DT_RELASZ: i64 = 8;
const DT_JMPREL: i64 = 23;

/// Relocations that store a function's address: of a call, of a table of addresses.
#[cfg(target_arch = "x86_64")]
const ADDRESS_OF_FUNCTION: [u64; 2] = [7, 6];
#[cfg(target_arch = "aarch64")]
const ADDRESS_OF_FUNCTION: [u64; 2] = [1026, 1025];

/// An entry of the dynamic section.
#[repr(C)]
struct Dynamic {
    tag: i64,
    value: u64,
}

/// A loaded library. It must stay loaded as long as the process lives.
pub struct Library {
    name: &'static CStr,
    base: usize,
    headers: &'static [Elf64_Phdr],
}

impl Library {
    /// The library in which `address` lies.
    pub fn at(address: usize) -> Option<Self> {
        let mut search = Search { address, found: None };
        // SAFETY: `visit` is called with valid arguments only before this returns.
        unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut search).cast()) };
        search.found
    }

    /// The file that it was loaded from; empty for the program itself.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(OsStr::from_bytes(self.name.to_bytes()))
    }

    /// Has the library call `to` for the function `name` of other libraries. Before each place where its address
    /// stands is overwritten, `note` is given the address.
    pub fn redirect(&self, name: &CStr, to: usize, note: impl Fn(usize)) {
        self.references(name).for_each(|slot| self.overwrite(slot, to, &note));
    }

    /// The address of the function `name` of another library, if this one calls it and the dynamic linker has looked it up.
    pub fn imported(&self, name: &CStr) -> Option<usize> {
        // SAFETY: a relocation of a loaded library names an aligned word of it.
        self.references(name).next().map(|slot| unsafe { (slot as *const usize).read() })
    }

    /// Where the address of the function `name` of other libraries stands.
    fn references(&self, name: &CStr) -> impl Iterator<Item = usize> {
        let tables = [(DT_JMPREL, DT_PLTRELSZ), (DT_RELA, DT_RELASZ)];
        let relocations =
            tables.into_iter().flat_map(|(table, size)| self.relocations(table, size).unwrap_or_default());
        let its = relocations.filter(move |relocation| self.symbol(relocation) == Some(name));
        its.map(|relocation| self.base + relocation.r_offset as usize)
    }

    fn overwrite(&self, slot: usize, to: usize, note: &impl Fn(usize)) {
        // What was relocated once and for all is read-only now.
        let read_only = self.segments(libc::PT_GNU_RELRO).any(|segment| segment.contains(&slot));
        if read_only && !protect(slot, libc::PROT_READ | libc::PROT_WRITE) {
            return;
        }
        let slot_pointer = slot as *mut usize;
        // SAFETY: a relocation of a loaded library names an aligned word of it, which is writable here.
        note(unsafe { slot_pointer.read() });
        // SAFETY: as above. Another thread would read the old address or the new one.
        unsafe { slot_pointer.write_volatile(to) };
        if read_only {
            // If it stays writable, nothing but a precaution is lost.
            protect(slot, libc::PROT_READ);
        }
    }

    /// The name of the symbol that a relocation refers to, if it is one for a function's address.
    fn symbol(&self, relocation: &Elf64_Rela) -> Option<&'static CStr> {
        let (symbol, kind) = ((relocation.r_info >> 32) as usize, relocation.r_info & 0xffff_ffff);
        if symbol == 0 || !ADDRESS_OF_FUNCTION.contains(&kind) {
            return None;
        }
        let symbols = self.table(DT_SYMTAB)? as *const Elf64_Sym;
        let names = self.table(DT_STRTAB)? as *const c_char;
        // SAFETY: the dynamic linker went by the same tables and numbers when it loaded the library.
        Some(unsafe { CStr::from_ptr(names.add((*symbols.add(symbol)).st_name as usize)) })
    }

    fn relocations(&self, table: i64, size: i64) -> Option<&'static [Elf64_Rela]> {
        let (table, size) = (self.table(table)?, self.dynamic(size)? as usize);
        // SAFETY: so says the dynamic section, and by it the library was relocated.
        Some(unsafe { slice::from_raw_parts(table as *const Elf64_Rela, size / size_of::<Elf64_Rela>()) })
    }

    /// An address in the dynamic section. The dynamic linker of glibc has added the library's base.
    fn table(&self, tag: i64) -> Option<usize> {
        let address = self.dynamic(tag)? as usize;
        self.segments(libc::PT_LOAD).any(|segment| segment.contains(&address)).then_some(address)
    }

    /// A value of the dynamic section.
    fn dynamic(&self, tag: i64) -> Option<u64> {
        let section = self.segments(libc::PT_DYNAMIC).next()?;
        let entries = section.len() / size_of::<Dynamic>();
        // SAFETY: the program header says that the section is there, and it is never written to again.
        let entries = unsafe { slice::from_raw_parts(section.start as *const Dynamic, entries) };
        entries.iter().take_while(|entry| entry.tag != 0).find(|entry| entry.tag == tag).map(|entry| entry.value)
    }

    fn segments(&self, kind: u32) -> impl Iterator<Item = Range<usize>> {
        let start = |header: &Elf64_Phdr| self.base + header.p_vaddr as usize;
        let of_kind = self.headers.iter().filter(move |header| header.p_type == kind);
        of_kind.map(move |header| start(header)..start(header) + header.p_memsz as usize)
    }
}

struct Search {
    address: usize,
    found: Option<Library>,
}

unsafe extern "C" fn visit(info: *mut dl_phdr_info, _: usize, search: *mut c_void) -> c_int {
    // SAFETY: dl_iterate_phdr gives a valid `info`, and what `Library::at` gave it.
    let (info, search) = unsafe { (&*info, &mut *search.cast::<Search>()) };
    // SAFETY: the headers of a loaded library stay where they are.
    let headers = unsafe { slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    // SAFETY: the name of a loaded library is zero-terminated, and stays where it is.
    let name = unsafe { CStr::from_ptr(info.dlpi_name) };
    let library = Library { name, base: info.dlpi_addr as usize, headers };
    if library.segments(libc::PT_LOAD).any(|segment| segment.contains(&search.address)) {
        search.found = Some(library);
    }
    c_int::from(search.found.is_some())
}

/// Sets what may be done with the page of `address`; `false` if refused.
fn protect(address: usize, protection: c_int) -> bool {
    // SAFETY: asks for a number.
    let Ok(size) = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }) else { return false };
    let page = address & !(size - 1);
    // SAFETY: the page is one of a library's table of addresses: read by all, written by nobody else.
    unsafe { libc::mprotect(page as *mut c_void, size, protection) == 0 }
}
