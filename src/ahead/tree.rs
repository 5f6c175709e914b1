//! PostgreSQL's trees of nodes: lists, new nodes, variables.
#![allow(unsafe_code)]

use std::ffi::c_void;

use pgrx::pg_sys::{self, List, Node, NodeTag};

use crate::postgres::version::VarNumber;

/// The elements of a list of pointers. The list stays as it is meanwhile.
///
/// # Safety
/// A list of pointers to `T`, or null.
pub unsafe fn items<T>(list: *mut List) -> impl Iterator<Item = *mut T> {
    // SAFETY: the caller's promise.
    (0..length(list)).map(move |n| unsafe { (*(*list).elements.add(n)).ptr_value.cast() })
}

/// The elements of a list of integers.
///
/// # Safety
/// A list of integers, or null.
pub unsafe fn integers(list: *mut List) -> impl Iterator<Item = i32> {
    // SAFETY: the caller's promise.
    (0..length(list)).map(move |n| unsafe { (*(*list).elements.add(n)).int_value })
}

fn length(list: *mut List) -> usize {
    // SAFETY: null is the empty list.
    if list.is_null() { 0 } else { unsafe { (*list).length as usize } }
}

/// A list with one more element.
///
/// # Safety
/// A list of pointers, or null.
pub unsafe fn append<T>(list: &mut *mut List, element: *mut T) {
    // SAFETY: the caller's promise.
    *list = unsafe { pg_sys::lappend(*list, element.cast()) };
}

/// The kind of a node.
///
/// # Safety
/// A node.
pub unsafe fn tag(node: *const Node) -> NodeTag {
    // SAFETY: the caller's promise.
    unsafe { (*node).type_ }
}

/// A new node, all zeros but for its kind.
///
/// # Safety
/// `T` is the node of this kind.
pub unsafe fn make<T>(tag: NodeTag) -> *mut T {
    // SAFETY: palloc0 gives room for one, and zeros are a valid node.
    unsafe {
        let node = pg_sys::palloc0(size_of::<T>());
        (*node.cast::<Node>()).type_ = tag;
        node.cast()
    }
}

/// A copy of a tree.
///
/// # Safety
/// A tree of nodes.
pub unsafe fn copy<T>(node: *mut T) -> *mut T {
    // SAFETY: the caller's promise.
    unsafe { pg_sys::copyObjectImpl(node.cast::<c_void>()).cast() }
}

/// A variable that stands for a column of a node's input, with the type of `like`.
///
/// # Safety
/// An expression.
pub unsafe fn variable(input: VarNumber, column: usize, like: *mut Node) -> *mut Node {
    // SAFETY: the caller's promise.
    unsafe {
        let (kind, modifier, collation) =
            (pg_sys::exprType(like), pg_sys::exprTypmod(like), pg_sys::exprCollation(like));
        pg_sys::makeVar(input, column as i16, kind, modifier, collation, 0).cast()
    }
}
