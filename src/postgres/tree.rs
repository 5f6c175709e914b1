//! PostgreSQL's trees of nodes: lists, new nodes, variables.
#![allow(unsafe_code)]

use std::ffi::c_void;

use pgrx::pg_sys::{self, List, Node, NodeTag};

use crate::postgres::version::{VarNumber, raw};

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

/// Whether a test holds for any node of a tree, or of a list of such. Null has none.
///
/// # Safety
/// A tree of nodes. The test holds nothing that needs to be dropped.
pub unsafe fn any(tree: *mut Node, test: &mut dyn FnMut(*mut Node) -> bool) -> bool {
    unsafe extern "C-unwind" fn visit(node: *mut Node, context: *mut c_void) -> bool {
        // SAFETY: called with nodes of the tree, and the test.
        unsafe {
            !node.is_null()
                && ((*context.cast::<&mut dyn FnMut(*mut Node) -> bool>())(node)
                    || raw::expression_tree_walker(node, visit, context))
        }
    }
    let mut test = test;
    // SAFETY: the caller's promise.
    unsafe { visit(tree, (&raw mut test).cast()) }
}

/// A copy of a tree, in which other nodes take the places of those for which there is one.
///
/// # Safety
/// As for [`any`].
pub unsafe fn replaced(tree: *mut Node, with: &mut dyn FnMut(*mut Node) -> Option<*mut Node>) -> *mut Node {
    unsafe extern "C-unwind" fn visit(node: *mut Node, context: *mut c_void) -> *mut Node {
        // SAFETY: called with nodes of the tree, and what replaces them.
        unsafe {
            if node.is_null() {
                return node;
            }
            match (*context.cast::<&mut dyn FnMut(*mut Node) -> Option<*mut Node>>())(node) {
                Some(other) => other,
                None => raw::expression_tree_mutator(node, visit, context),
            }
        }
    }
    let mut with = with;
    // SAFETY: the caller's promise.
    unsafe { visit(tree, (&raw mut with).cast()) }
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
