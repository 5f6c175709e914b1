//! The node: reads rows ahead, has their texts embedded, and passes the rows on in their order.
//!
//! Errors of PostgreSQL's jump over these functions, as over its own: what needs to be dropped is kept in [`Ahead`], which
//! belongs to the statement's memory, and not on the stack.
#![allow(unsafe_code)]

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ffi::CStr;
use std::ptr;

use pgrx::PgMemoryContexts;
use pgrx::pg_sys::{
    self, CustomScanState, Datum, EState, ExplainState, ExprState, List, MemoryContext, Node, NodeTag, ScanState,
    TupleTableSlot,
};

use crate::ahead::executor;
use crate::ahead::target::Targets;
use crate::model::shelf::{LONGEST, MOST, Shelf, VECTOR_BYTES, Wanted};
use crate::postgres::catch::catch;
use crate::postgres::report::{self, Report, Result};
use crate::postgres::version::raw;
use crate::postgres::{guc, memory};
use crate::postgres::{text, tree};

const NAME: &CStr = c"EmbedAhead";

/// How a node's rows are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Whether all are read, unless an error comes in between.
    pub to_the_end: End,
    /// No more than this many are read; 0 if that is not known.
    pub most: i32,
}

/// Whether something is read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Perhaps,
    Surely,
    /// If the statement keeps all its rows.
    AsStatement,
}

/// What the node is told in the plan; what concerns targets comes after it.
pub unsafe fn private(reading: Reading) -> *mut List {
    // SAFETY: a list of integers.
    unsafe { pg_sys::lappend_int(pg_sys::lappend_int(ptr::null_mut(), reading.to_the_end as i32), reading.most) }
}

/// PostgreSQL looks at these tables; none is ever written to.
struct Table<T>(T);

// SAFETY: names and functions, which stay as they are.
unsafe impl<T> Sync for Table<T> {}

static METHODS: Table<pg_sys::CustomScanMethods> =
    Table(pg_sys::CustomScanMethods { CustomName: NAME.as_ptr(), CreateCustomScanState: Some(create) });

static EXECUTION: Table<pg_sys::CustomExecMethods> = Table(pg_sys::CustomExecMethods {
    CustomName: NAME.as_ptr(),
    BeginCustomScan: Some(begin),
    ExecCustomScan: Some(execute),
    EndCustomScan: Some(end),
    ReScanCustomScan: Some(rescan),
    MarkPosCustomScan: None,
    RestrPosCustomScan: None,
    EstimateDSMCustomScan: None,
    InitializeDSMCustomScan: None,
    ReInitializeDSMCustomScan: None,
    InitializeWorkerCustomScan: None,
    ShutdownCustomScan: None,
    ExplainCustomScan: Some(explain),
});

/// Tells PostgreSQL of the node, so that parallel workers know it.
pub fn register() {
    // SAFETY: a table that stays where it is.
    unsafe { pg_sys::RegisterCustomScanMethods(methods()) };
}

pub fn methods() -> *const pg_sys::CustomScanMethods {
    &raw const METHODS.0
}

/// Whether a node of the plan is ours.
pub unsafe fn is_ours(plan: *mut pg_sys::Plan) -> bool {
    // SAFETY: a node of the plan.
    unsafe {
        (*plan).type_ == NodeTag::T_CustomScan && ptr::eq((*plan.cast::<pg_sys::CustomScan>()).methods, methods())
    }
}

/// The node while a statement runs.
#[repr(C)]
struct State {
    scan: CustomScanState,
    ahead: *mut Ahead,
}

/// What has been read ahead.
struct Ahead {
    is_read_to_the_end: bool,
    /// No more rows than this are read; 0 if that is not known.
    most: usize,
    /// Whether rows are passed on one by one: when a single row is looked at again, in parallel workers, and where a plan
    /// was made before the look-ahead was switched off.
    passes: bool,
    texts: Vec<TextState>,
    targets: Targets,
    /// Rows that wait to be passed on, in a memory context of their own.
    rows: VecDeque<*mut pg_sys::MinimalTupleData>,
    context: MemoryContext,
    slot: *mut TupleTableSlot,
    /// How many rows are read at once, the next time.
    budget: usize,
    /// How many rows have been read.
    read: usize,
    is_at_end: bool,
    /// The texts of the rows that have just been read.
    found: Vec<Wanted>,
    bytes: usize,
    shelf: Shelf,
}

impl Ahead {
    fn restart(&mut self) {
        self.rows.clear();
        self.shelf.clear();
        (self.read, self.is_at_end) = (0, false);
        // The first row is passed on by itself, so that whoever wants one row does not wait for others.
        self.budget = if self.is_read_to_the_end { MOST } else { 1 };
    }

    fn limit(&self) -> usize {
        match self.most {
            0 => self.budget,
            most => self.budget.min(most.saturating_sub(self.read)).max(1),
        }
    }

    fn add(&mut self, wanted: Wanted) {
        self.bytes += wanted.text.len() + VECTOR_BYTES;
        self.found.push(wanted);
    }
}

unsafe extern "C-unwind" fn create(scan: *mut pg_sys::CustomScan) -> *mut Node {
    // SAFETY: zeros are a valid state.
    unsafe {
        let state = tree::make::<State>(NodeTag::T_CustomScanState);
        (*state).scan.flags = (*scan).flags;
        (*state).scan.methods = &raw const EXECUTION.0;
        state.cast()
    }
}

unsafe extern "C-unwind" fn begin(node: *mut CustomScanState, estate: *mut EState, flags: i32) {
    // SAFETY: called once for each node, after PostgreSQL has made its slots.
    unsafe {
        let plan = (*node).ss.ps.plan.cast::<pg_sys::CustomScan>();
        (*node).ss.ps.lefttree = raw::ExecInitNode((*plan).scan.plan.lefttree, estate, flags);
        let state = node.cast::<State>();
        (*state).ahead = pg_sys::panic::pgrx_extern_c_guard(|| {
            let ahead = Ahead::new(node, estate);
            PgMemoryContexts::For((*estate).es_query_cxt).leak_and_drop_on_delete(ahead)
        });
        let ahead = (*state).ahead;
        for text in tree::items::<pg_sys::Expr>((*plan).custom_exprs) {
            let state = raw::ExecInitExpr(text, &raw mut (*node).ss.ps);
            (*ahead).texts.push(TextState::new(state, text.cast()));
        }
        (*ahead).restart();
        if (*ahead).most > 0 {
            // A LIMIT tells PostgreSQL's own nodes, but not ours.
            pg_sys::ExecSetTupleBound((*ahead).most as i64, (*node).ss.ps.lefttree);
        }
    }
}

impl Ahead {
    unsafe fn new(node: *mut CustomScanState, estate: *mut EState) -> Self {
        // SAFETY: the caller's node, which has its slots.
        unsafe {
            let plan = (*node).ss.ps.plan.cast::<pg_sys::CustomScan>();
            let mut told = tree::integers((*plan).custom_private);
            let (end, most) = (told.next(), told.next());
            let descriptor = (*(*node).ss.ss_ScanTupleSlot).tts_tupleDescriptor;
            Self {
                is_read_to_the_end: end == Some(End::Surely as i32)
                    || end == Some(End::AsStatement as i32) && executor::keeps_all_rows(),
                most: most.unwrap_or(0) as usize,
                passes: !(*estate).es_epq_active.is_null()
                    || pg_sys::ParallelWorkerNumber >= 0
                    || !guc::LOOK_AHEAD.get(),
                texts: Vec::new(),
                targets: Targets::told(told.collect()),
                rows: VecDeque::new(),
                context: memory::context_under((*estate).es_query_cxt),
                slot: pg_sys::ExecInitExtraTupleSlot(estate, descriptor, &raw const pg_sys::TTSOpsMinimalTuple),
                budget: 1,
                read: 0,
                is_at_end: false,
                found: Vec::new(),
                bytes: 0,
                shelf: Shelf::default(),
            }
        }
    }
}

unsafe extern "C-unwind" fn execute(node: *mut CustomScanState) -> *mut TupleTableSlot {
    // SAFETY: a node that was begun.
    unsafe { raw::ExecScan(&raw mut (*node).ss, Some(next), Some(look_again)) }
}

/// The next row, in the node's slot.
unsafe extern "C-unwind" fn next(scan: *mut ScanState) -> *mut TupleTableSlot {
    // SAFETY: a node that was begun.
    unsafe {
        let (own, ahead) = ((*scan).ss_ScanTupleSlot, (*scan.cast::<State>()).ahead);
        if (*ahead).rows.is_empty() && !(*ahead).is_at_end {
            if (*ahead).passes || (*ahead).limit() == 1 {
                pass(scan);
                (*ahead).read += 1;
                (*ahead).budget = ((*ahead).budget * 2).min(MOST);
                return own;
            }
            fill(scan);
        }
        match (*ahead).rows.pop_front() {
            Some(row) => {
                pg_sys::ExecStoreMinimalTuple(row, (*ahead).slot, false);
                show((*ahead).slot, own);
            }
            None => {
                pg_sys::ExecClearTuple(own);
            }
        }
        own
    }
}

/// The row that an UPDATE is to be tried with again, after others have changed it.
unsafe extern "C-unwind" fn look_again(scan: *mut ScanState, own: *mut TupleTableSlot) -> bool {
    // SAFETY: a node that was begun.
    unsafe {
        pass(scan);
        !is_empty(own)
    }
}

/// Passes a row on as it comes.
unsafe fn pass(scan: *mut ScanState) {
    // SAFETY: a node that was begun.
    unsafe {
        let (own, ahead) = ((*scan).ss_ScanTupleSlot, (*scan.cast::<State>()).ahead);
        let row = raw::next_row((*scan).ps.lefttree);
        if is_empty(row) {
            (*ahead).is_at_end = true;
            pg_sys::ExecClearTuple(own);
        } else {
            show(row, own);
        }
    }
}

/// Has a slot of the node's kind show the row that is in another.
unsafe fn show(from: *mut TupleTableSlot, own: *mut TupleTableSlot) {
    // SAFETY: both have the same columns; the values stay where they are until the next row is asked for.
    unsafe {
        pg_sys::slot_getallattrs(from);
        pg_sys::ExecClearTuple(own);
        let columns = (*(*own).tts_tupleDescriptor).natts as usize;
        ptr::copy_nonoverlapping((*from).tts_values, (*own).tts_values, columns);
        ptr::copy_nonoverlapping((*from).tts_isnull, (*own).tts_isnull, columns);
        pg_sys::ExecStoreVirtualTuple(own);
    }
}

unsafe fn is_empty(slot: *mut TupleTableSlot) -> bool {
    // SAFETY: a slot or null.
    slot.is_null() || unsafe { u32::from((*slot).tts_flags) & pg_sys::TTS_FLAG_EMPTY != 0 }
}

/// Reads rows, and has their texts embedded.
unsafe fn fill(scan: *mut ScanState) {
    // SAFETY: a node that was begun.
    unsafe {
        let (own, ahead) = ((*scan).ss_ScanTupleSlot, (*scan.cast::<State>()).ahead);
        pg_sys::ExecClearTuple((*ahead).slot);
        pg_sys::MemoryContextReset((*ahead).context);
        (*ahead).bytes = 0;
        (*ahead).found.clear();
        let (limit, room) = ((*ahead).limit(), guc::work_memory());
        while (*ahead).rows.len() < limit && (*ahead).bytes < room {
            pass(scan);
            if is_empty(own) {
                break;
            }
            let before = pg_sys::MemoryContextSwitchTo((*ahead).context);
            let row = raw::minimal_tuple((*own).tts_tupleDescriptor, (*own).tts_values, (*own).tts_isnull);
            pg_sys::MemoryContextSwitchTo(before);
            (*ahead).rows.push_back(row);
            (*ahead).bytes += (*row).t_len as usize;
            (*ahead).read += 1;
            // A row by itself has nothing to be embedded with. Statements of one row are the most, and cost no more for this.
            match (*ahead).rows.len() {
                1 => continue,
                2 => report::or_raise(|| {
                    (*ahead).targets.open(scan.cast());
                    (*ahead).collect_first(scan)
                }),
                _ => {}
            }
            report::or_raise(|| (*ahead).collect(scan));
        }
        (*ahead).budget = ((*ahead).budget * 2).min(MOST);
        report::or_raise(|| (*ahead).shelf.replace(&(*ahead).found));
    }
}

impl Ahead {
    /// Finds the texts of the first row that waits, and has the slot show the last one again.
    unsafe fn collect_first(&mut self, scan: *mut ScanState) -> Result<()> {
        // SAFETY: a node that was begun.
        let own = unsafe { (*scan).ss_ScanTupleSlot };
        let rows = [self.rows.front(), self.rows.back()].map(Option::<&_>::copied);
        for (n, row) in rows.into_iter().flatten().enumerate() {
            // SAFETY: rows of this node's.
            unsafe {
                pg_sys::ExecStoreMinimalTuple(row, self.slot, false);
                show(self.slot, own);
                if n == 0 {
                    self.collect(scan)?;
                }
            }
        }
        Ok(())
    }

    /// Finds the texts of the row that the node's slot shows. What PostgreSQL allocates meanwhile is gone with the row.
    unsafe fn collect(&mut self, scan: *mut ScanState) -> Result<()> {
        // SAFETY: a node that was begun.
        unsafe {
            let context = (*scan).ps.ps_ExprContext;
            (*context).ecxt_scantuple = (*scan).ss_ScanTupleSlot;
            let before = pg_sys::MemoryContextSwitchTo((*context).ecxt_per_tuple_memory);
            let found = self.wanted(context);
            pg_sys::MemoryContextSwitchTo(before);
            pg_sys::MemoryContextReset((*context).ecxt_per_tuple_memory);
            found?.into_iter().for_each(|wanted| self.add(wanted));
        }
        Ok(())
    }

    /// What is going to be embedded for the row that the context shows.
    unsafe fn wanted(&mut self, context: *mut pg_sys::ExprContext) -> Result<Vec<Wanted>> {
        let mut found = Vec::new();
        // SAFETY: the context of a node that was begun.
        unsafe {
            for text in &self.texts {
                found.extend(lenient(text.wanted(context))?);
            }
            self.targets.collect(context, &mut found)?;
        }
        Ok(found)
    }
}

/// The value of an expression over the rows of the context, in the current memory context.
pub unsafe fn value(expression: *mut ExprState, context: *mut pg_sys::ExprContext) -> Result<Option<Datum>> {
    // SAFETY: an expression of this node's. Nothing but PostgreSQL's own functions of values is called: an error leaves
    // nothing behind that only the end of a transaction would clear away.
    unsafe {
        catch(|| {
            let mut is_null = true;
            let value = match (*expression).evalfunc {
                Some(evaluate) => evaluate(expression, context, &mut is_null),
                None => Datum::from(0),
            };
            (!is_null).then_some(value)
        })
    }
}

/// An expression that [`text_of`](crate::ahead::calls::text_of) gives, made ready.
#[derive(Clone, Copy)]
pub struct TextState {
    state: *mut ExprState,
    /// Whether it is of type `text[]`: a text, a model and a prompt.
    is_array: bool,
}

impl TextState {
    /// # Safety
    /// The state is that of the expression.
    pub unsafe fn new(state: *mut ExprState, expression: *mut Node) -> Self {
        // SAFETY: the caller's promise.
        Self { state, is_array: unsafe { pg_sys::exprType(expression) } == pg_sys::TEXTARRAYOID }
    }

    /// What is going to be embedded, unless that is a long text.
    ///
    /// # Safety
    /// The context shows a row of the node's.
    pub unsafe fn wanted(self, context: *mut pg_sys::ExprContext) -> Result<Option<Wanted>> {
        // SAFETY: an expression of this node's, of the type that was looked at.
        unsafe {
            let Some(value) = value(self.state, context)? else { return Ok(None) };
            if pg_sys::toast_raw_datum_size(value) > LONGEST {
                return Ok(None);
            }
            let parts = match self.is_array {
                true => text::utf8_array(value)?.into_iter().map(|part| part.map(Cow::into_owned)).collect(),
                false => vec![Some(text::utf8(value)?.into_owned())],
            };
            Ok(Wanted::of(parts, self.is_array))
        }
    }
}

/// What is wrong with a row's data is said when the row's turn comes; all else is said at once.
pub fn lenient<T>(outcome: Result<Option<T>>) -> Result<Option<T>> {
    match outcome {
        Err(report) if is_about_data(&report) => Ok(None),
        outcome => outcome,
    }
}

/// Whether it is a data exception (22), or a limit of PostgreSQL's (54).
fn is_about_data(report: &Report) -> bool {
    matches!(&report.sqlstate()[..2], "22" | "54")
}

unsafe extern "C-unwind" fn end(node: *mut CustomScanState) {
    // SAFETY: a node that was begun.
    unsafe {
        let ahead = (*node.cast::<State>()).ahead;
        (*ahead).rows.clear();
        (*ahead).shelf.clear();
        (*ahead).targets.close();
        raw::ExecEndNode((*node).ss.ps.lefttree);
    }
}

unsafe extern "C-unwind" fn rescan(node: *mut CustomScanState) {
    // SAFETY: a node that was begun.
    unsafe {
        let (ahead, child) = ((*node.cast::<State>()).ahead, (*node).ss.ps.lefttree);
        pg_sys::ExecClearTuple((*ahead).slot);
        (*ahead).restart();
        raw::ExecScanReScan(&raw mut (*node).ss);
        // Otherwise the first row that is asked for does it.
        if (*child).chgParam.is_null() {
            raw::ExecReScan(child);
        }
    }
}

unsafe extern "C-unwind" fn explain(node: *mut CustomScanState, _ancestors: *mut List, output: *mut ExplainState) {
    // SAFETY: a node that was begun, and has perhaps run.
    unsafe {
        let ahead = (*node.cast::<State>()).ahead;
        if !(*output).analyze || ahead.is_null() {
            return;
        }
        // What the last batch was good for is not counted yet.
        (*ahead).shelf.clear();
        let done = (*ahead).shelf.done;
        for (label, number) in
            [(c"Texts", done.texts), (c"Batches", done.batches), (c"Threads", done.threads), (c"Hits", done.hits)]
        {
            pg_sys::ExplainPropertyInteger(label.as_ptr(), ptr::null(), number as i64, output);
        }
    }
}
