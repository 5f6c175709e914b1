//! From an expression, the texts that `embed_text()` will be called with when it is evaluated: expressions too, that can
//! be evaluated earlier, as often as one likes, and by somebody else. Where a call names a model, its text stands in an array
//! with the model and the prompt.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ptr;

use pgrx::pg_sys::{self, FuncExpr, List, Node, NodeTag, Oid};

use crate::postgres::catalog;
use crate::postgres::tree::{self, tag};
use crate::postgres::version::raw;

/// The text of a call of `embed_text()`, if a node is one, as an expression of type `text`; where the call names a model, of
/// type `text[]`: the text, the model and the prompt.
///
/// # Safety
/// A node of a planned expression.
pub unsafe fn text_of(node: *mut Node) -> Option<*mut Node> {
    // SAFETY: the caller's promise. What is made points to parts of the call.
    unsafe {
        let function = function_called(node)?;
        let arguments = (*node.cast::<FuncExpr>()).args;
        if catalog::is_ours(function, c"embed_text") {
            return tree::items(arguments).next();
        }
        if !catalog::is_ours(function, c"embed_text_with_model") {
            return None;
        }
        let array = tree::make::<pg_sys::ArrayExpr>(NodeTag::T_ArrayExpr);
        (*array).array_typeid = pg_sys::TEXTARRAYOID;
        (*array).element_typeid = pg_sys::TEXTOID;
        (*array).array_collid = pg_sys::DEFAULT_COLLATION_OID;
        (*array).elements = arguments;
        Some(array.cast())
    }
}

fn is_embed_text(function: Oid) -> bool {
    catalog::is_ours(function, c"embed_text") || catalog::is_ours(function, c"embed_text_with_model")
}

unsafe fn function_called(node: *mut Node) -> Option<Oid> {
    // SAFETY: a node.
    unsafe { (tag(node) == NodeTag::T_FuncExpr).then(|| (*node.cast::<FuncExpr>()).funcid) }
}

/// Whether there may be a call of `embed_text()` in an expression when it is planned: whether it calls a function that is not
/// PostgreSQL's own.
///
/// # Safety
/// A tree of nodes, or null.
pub unsafe fn may_occur_in(tree: *mut Node) -> bool {
    // SAFETY: the caller's promise.
    unsafe { tree::any(tree, &mut |node| function_called(node).is_some_and(|function| !catalog::is_builtin(function))) }
}

/// Whether there is a call of `embed_text()` in an expression or a list of such.
///
/// # Safety
/// A tree of nodes, or null.
pub unsafe fn occur_in(tree: *mut Node) -> bool {
    // SAFETY: the caller's promise.
    unsafe { tree::any(tree, &mut |node| function_called(node).is_some_and(is_embed_text)) }
}

/// The texts of the calls in an expression, each as an expression as above over the same variables. Where it depends
/// on a row whether there is a call, so does it whether its text is NULL. What cannot be told without doing something that
/// could be noticed is left out, and so is a text that is the same for all rows.
///
/// # Safety
/// A planned expression, or a list of such.
pub unsafe fn texts_in(expression: *mut Node) -> *mut List {
    let mut search = Search { guard: ptr::null(), found: ptr::null_mut() };
    // SAFETY: the caller's promise.
    unsafe { visit(expression, (&raw mut search).cast()) };
    search.found
}

/// What decides whether a part of an expression is evaluated.
struct Guard {
    kind: Kind,
    /// What decides about the whole of which it is a part.
    outer: *const Guard,
}

enum Kind {
    /// The n-th result of a CASE; the one after the last is that of ELSE.
    Case(*mut pg_sys::CaseExpr, usize),
    /// The n-th argument of a COALESCE.
    Coalesce(*mut pg_sys::CoalesceExpr, usize),
}

struct Search {
    guard: *const Guard,
    found: *mut List,
}

/// Visits a part of the expression. It is C's stack that errors jump over: nothing here needs to be dropped.
unsafe extern "C-unwind" fn visit(node: *mut Node, search: *mut c_void) -> bool {
    // SAFETY: called with nodes of the tree, and a Search.
    unsafe {
        if node.is_null() {
            return false;
        }
        let state = &mut *search.cast::<Search>();
        if let Some(text) = text_of(node) {
            add(text, state);
            return false;
        }
        match tag(node) {
            NodeTag::T_CaseExpr => {
                let case = node.cast::<pg_sys::CaseExpr>();
                visit((*case).arg.cast(), search);
                let mut count = 0;
                for (n, when) in tree::items::<pg_sys::CaseWhen>((*case).args).enumerate() {
                    // Later conditions are evaluated only where the first does not hold.
                    if n == 0 {
                        visit((*when).expr.cast(), search);
                    }
                    within(Kind::Case(case, n), (*when).result.cast(), state);
                    count = n + 1;
                }
                within(Kind::Case(case, count), (*case).defresult.cast(), state);
                false
            }
            NodeTag::T_CoalesceExpr => {
                let coalesce = node.cast::<pg_sys::CoalesceExpr>();
                for (n, argument) in tree::items::<Node>((*coalesce).args).enumerate() {
                    within(Kind::Coalesce(coalesce, n), argument, state);
                }
                false
            }
            NodeTag::T_BoolExpr if (*node.cast::<pg_sys::BoolExpr>()).boolop != pg_sys::BoolExprType::NOT_EXPR => {
                tree::items::<Node>((*node.cast::<pg_sys::BoolExpr>()).args).take(1).for_each(|first| {
                    visit(first, search);
                });
                false
            }
            // What they have within is evaluated for other rows.
            NodeTag::T_SubPlan
            | NodeTag::T_AlternativeSubPlan
            | NodeTag::T_Aggref
            | NodeTag::T_WindowFunc
            | NodeTag::T_GroupingFunc => false,
            _ => raw::expression_tree_walker(node, visit, search),
        }
    }
}

unsafe fn within(kind: Kind, node: *mut Node, search: &mut Search) {
    let guard = Guard { kind, outer: search.guard };
    search.guard = &raw const guard;
    // SAFETY: a part of the tree; the guard lives as long as it is pointed to.
    unsafe { visit(node, (search as *mut Search).cast()) };
    search.guard = guard.outer;
}

/// Adds the argument of a call to what was found.
unsafe fn add(text: *mut Node, search: &mut Search) {
    // SAFETY: nodes of the tree, and guards of the callers.
    unsafe {
        if !is_harmless(text) || !has_variable(text) {
            return;
        }
        let (mut text, mut guard) = (tree::copy(text), search.guard);
        while !guard.is_null() {
            text = match guarded(text, &(*guard).kind) {
                Some(text) => text,
                None => return,
            };
            guard = (*guard).outer;
        }
        tree::append(&mut search.found, text);
    }
}

/// The text where the part that the guard is about is evaluated, NULL elsewhere. `None` if that cannot be told.
unsafe fn guarded(text: *mut Node, guard: &Kind) -> Option<*mut Node> {
    // SAFETY: as for `add`.
    unsafe {
        let kind = pg_sys::exprType(text);
        let case = case(kind);
        match *guard {
            Kind::Case(original, number) => {
                if !(*original).arg.is_null() && !is_harmless((*original).arg.cast()) {
                    return None;
                }
                (*case).arg = tree::copy((*original).arg);
                let mut is_else = true;
                for (n, when) in tree::items::<pg_sys::CaseWhen>((*original).args).enumerate().take(number + 1) {
                    if !is_harmless((*when).expr.cast()) {
                        return None;
                    }
                    let result = if n == number { text } else { null(kind) };
                    is_else &= n != number;
                    tree::append(&mut (*case).args, branch(tree::copy((*when).expr).cast(), result));
                }
                if is_else {
                    (*case).defresult = text.cast();
                }
            }
            Kind::Coalesce(_, 0) => return Some(text),
            Kind::Coalesce(original, number) => {
                for argument in tree::items::<Node>((*original).args).take(number) {
                    if !is_harmless(argument) {
                        return None;
                    }
                    tree::append(&mut (*case).args, branch(null_test(tree::copy(argument), false), null(kind)));
                }
                (*case).defresult = text.cast();
            }
        }
        Some(case.cast())
    }
}

/// The text where a condition holds, NULL elsewhere.
///
/// # Safety
/// A planned condition, and what [`text_of`] gives.
pub unsafe fn only_if(condition: *mut Node, text: *mut Node) -> *mut Node {
    // SAFETY: the caller's promise.
    unsafe {
        let case = case(pg_sys::exprType(text));
        tree::append(&mut (*case).args, branch(condition, text));
        case.cast()
    }
}

/// Whether an expression is NULL, or is not.
///
/// # Safety
/// A planned expression.
pub unsafe fn null_test(expression: *mut Node, is_null: bool) -> *mut Node {
    // SAFETY: the node is of that kind.
    unsafe {
        let test = tree::make::<pg_sys::NullTest>(NodeTag::T_NullTest);
        (*test).arg = expression.cast();
        (*test).nulltesttype = if is_null { pg_sys::NullTestType::IS_NULL } else { pg_sys::NullTestType::IS_NOT_NULL };
        test.cast()
    }
}

/// A CASE of type `text` or `text[]` without branches, which gives NULL.
unsafe fn case(kind: Oid) -> *mut pg_sys::CaseExpr {
    // SAFETY: the node is of that kind.
    unsafe {
        let case = tree::make::<pg_sys::CaseExpr>(NodeTag::T_CaseExpr);
        (*case).casetype = kind;
        (*case).casecollid = pg_sys::DEFAULT_COLLATION_OID;
        (*case).defresult = null(kind).cast();
        case
    }
}

unsafe fn branch(condition: *mut Node, result: *mut Node) -> *mut pg_sys::CaseWhen {
    // SAFETY: the node is of that kind.
    unsafe {
        let when = tree::make::<pg_sys::CaseWhen>(NodeTag::T_CaseWhen);
        ((*when).expr, (*when).result) = (condition.cast(), result.cast());
        when
    }
}

unsafe fn null(kind: Oid) -> *mut Node {
    // SAFETY: a constant.
    unsafe { pg_sys::makeNullConst(kind, -1, pg_sys::DEFAULT_COLLATION_OID).cast() }
}

/// Whether an expression can be evaluated at any time without anybody noticing: nothing but variables, constants and
/// PostgreSQL's own functions of them, which depend on nothing else. They may fail; see `node.rs`.
///
/// # Safety
/// A planned expression.
pub unsafe fn is_harmless(expression: *mut Node) -> bool {
    // SAFETY: the caller's promise.
    unsafe { !tree::any(expression, &mut |node| !is_harmless_node(node)) }
}

unsafe fn is_harmless_node(node: *mut Node) -> bool {
    // SAFETY: a node of a planned expression.
    unsafe {
        match tag(node) {
            NodeTag::T_Var
            | NodeTag::T_Const
            | NodeTag::T_RelabelType
            | NodeTag::T_CoalesceExpr
            | NodeTag::T_CaseExpr
            | NodeTag::T_CaseWhen
            | NodeTag::T_CaseTestExpr
            | NodeTag::T_NullTest
            | NodeTag::T_BooleanTest
            | NodeTag::T_BoolExpr
            | NodeTag::T_ArrayExpr
            | NodeTag::T_List => true,
            NodeTag::T_Param => (*node.cast::<pg_sys::Param>()).paramkind == pg_sys::ParamKind::PARAM_EXTERN,
            NodeTag::T_FuncExpr => is_harmless_function((*node.cast::<FuncExpr>()).funcid),
            NodeTag::T_OpExpr | NodeTag::T_DistinctExpr | NodeTag::T_NullIfExpr => {
                is_harmless_function((*node.cast::<pg_sys::OpExpr>()).opfuncid)
            }
            NodeTag::T_ScalarArrayOpExpr => is_harmless_function((*node.cast::<pg_sys::ScalarArrayOpExpr>()).opfuncid),
            // To a text, by the output function of one of PostgreSQL's own types.
            NodeTag::T_CoerceViaIO => {
                let cast = &*node.cast::<pg_sys::CoerceViaIO>();
                cast.resulttype == pg_sys::TEXTOID && catalog::is_builtin(pg_sys::exprType(cast.arg.cast()))
            }
            _ => false,
        }
    }
}

/// Functions that are not IMMUTABLE only because they print values as the settings say.
const PRINTING: [u32; 6] = [
    pg_sys::F_CONCAT,
    pg_sys::F_CONCAT_WS,
    pg_sys::F_FORMAT_TEXT,
    pg_sys::F_FORMAT_TEXT_ANY,
    pg_sys::F_ARRAY_TO_STRING_ANYARRAY_TEXT,
    pg_sys::F_ARRAY_TO_STRING_ANYARRAY_TEXT_TEXT,
];

fn is_harmless_function(function: Oid) -> bool {
    // SAFETY: a lookup of a function that is there.
    catalog::is_builtin(function)
        && (PRINTING.contains(&function.to_u32())
            || unsafe { pg_sys::func_volatile(function) } as u8 == pg_sys::PROVOLATILE_IMMUTABLE)
}

unsafe fn has_variable(expression: *mut Node) -> bool {
    // SAFETY: a planned expression.
    unsafe { tree::any(expression, &mut |node| tag(node) == NodeTag::T_Var) }
}
