//! The planner's hook: finds where rows are embedded one by one, and puts our node there.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_void};
use std::ptr;

use pgrx::PgMemoryContexts;
use pgrx::pg_sys::{self, List, Node, NodeTag, Plan, PlannedStmt};

use crate::ahead::node::{self, End, Reading};
use crate::ahead::{calls, target};
use crate::model::shelf::{Expectation, LONGEST, Wanted};
use crate::postgres::tree::{self, tag};
use crate::postgres::version::raw;
use crate::postgres::{guc, memory, server, text, version};

static mut NEXT_HOOK: pg_sys::planner_hook_type = None;

pub fn init() {
    if server::is_binary_upgrade() {
        return;
    }
    // SAFETY: in a single-threaded process; whose hook was there is called too.
    unsafe {
        NEXT_HOOK = pg_sys::planner_hook;
        pg_sys::planner_hook = Some(plan);
    }
}

/// An error of the planner's jumps over this, so nothing here needs to be dropped.
unsafe extern "C-unwind" fn plan(
    query: *mut pg_sys::Query,
    sql: *const c_char,
    options: i32,
    values: pg_sys::ParamListInfo,
) -> *mut PlannedStmt {
    // SAFETY: called as PostgreSQL calls the hook.
    unsafe {
        let is_on = guc::LOOK_AHEAD.get();
        let expected = match is_on {
            true => pg_sys::panic::pgrx_extern_c_guard(|| expect_constants(query, values)),
            false => ptr::null_mut(),
        };
        let planned = match NEXT_HOOK {
            Some(next) => next(query, sql, options, values),
            None => raw::standard_planner(query, sql, options, values),
        };
        if !expected.is_null() {
            pg_sys::MemoryContextDelete(expected);
        }
        // A cursor may be told to go back, and may be left where it is: it is not for many rows at once.
        let is_cursor = options as u32 & (pg_sys::CURSOR_OPT_SCROLL | pg_sys::CURSOR_OPT_FAST_PLAN) != 0;
        if is_on && !is_cursor {
            pg_sys::panic::pgrx_extern_c_guard(|| Walk { planned, nodes: 0 }.statement());
        }
        planned
    }
}

// --- texts that the planner itself embeds

/// The planner computes what is constant, such as `embed_text('...')` in the rows of VALUES, one after the other. While the
/// memory context is there that this gives, the first of them has the others computed with it. Null if there are none.
unsafe fn expect_constants(query: *mut pg_sys::Query, values: pg_sys::ParamListInfo) -> pg_sys::MemoryContext {
    let mut search = Constants { values, texts: Vec::new(), room: guc::work_memory() };
    {
        // Of each text that is looked at, the texts alone are kept.
        let _memory = memory::Scratch::new();
        // SAFETY: a query as it comes to the planner.
        unsafe { search.query(query) };
    }
    if search.texts.len() < 2 {
        return ptr::null_mut();
    }
    // SAFETY: an error deletes the context with the one that it is in.
    unsafe {
        let context = memory::context_under(pg_sys::CurrentMemoryContext);
        PgMemoryContexts::For(context).leak_and_drop_on_delete(Expectation::new(search.texts));
        context
    }
}

struct Constants {
    values: pg_sys::ParamListInfo,
    texts: Vec<Wanted>,
    /// How many bytes of texts may still be added.
    room: usize,
}

impl Constants {
    unsafe fn query(&mut self, query: *mut pg_sys::Query) {
        // SAFETY: a query and its parts.
        unsafe {
            for entry in tree::items::<pg_sys::RangeTblEntry>((*query).rtable) {
                match (*entry).rtekind {
                    pg_sys::RTEKind::RTE_SUBQUERY if !(*entry).subquery.is_null() => self.query((*entry).subquery),
                    pg_sys::RTEKind::RTE_VALUES if tree::items::<List>((*entry).values_lists).nth(1).is_some() => {
                        Self::visit((*entry).values_lists.cast(), (self as *mut Self).cast());
                    }
                    _ => {}
                }
            }
        }
    }

    unsafe extern "C-unwind" fn visit(node: *mut Node, search: *mut c_void) -> bool {
        // SAFETY: called with nodes of the tree and a search.
        unsafe {
            if node.is_null() {
                return false;
            }
            if let Some(text) = calls::text_of(node) {
                (*search.cast::<Self>()).add(text);
                return false;
            }
            raw::expression_tree_walker(node, Self::visit, search)
        }
    }

    unsafe fn add(&mut self, text: *mut Node) {
        // SAFETY: an expression that `text_of` gives.
        unsafe {
            let wanted = match tag(text) {
                NodeTag::T_ArrayExpr => {
                    let parts = tree::items((*text.cast::<pg_sys::ArrayExpr>()).elements);
                    parts
                        .map(|part| self.constant(part))
                        .collect::<Option<Vec<_>>>()
                        .and_then(|it| Wanted::of(it, true))
                }
                _ => self.constant(text).and_then(|text| Wanted::of(vec![text], false)),
            };
            if let Some(wanted) = wanted {
                self.room = self.room.saturating_sub(wanted.text.len());
                self.texts.push(wanted);
            }
        }
    }

    /// The value of an expression if it is the same whenever this plan runs; of a long text, nothing.
    unsafe fn constant(&self, mut text: *mut Node) -> Option<Option<String>> {
        // SAFETY: an expression of type text; parameters that are bound have values of their types.
        unsafe {
            while tag(text) == NodeTag::T_RelabelType {
                text = (*text.cast::<pg_sys::RelabelType>()).arg.cast();
            }
            let (value, is_null) = match tag(text) {
                NodeTag::T_Const => {
                    let constant = &*text.cast::<pg_sys::Const>();
                    (constant.constvalue, constant.constisnull || constant.constlen != -1)
                }
                NodeTag::T_Param => {
                    let bound = self.bound(&*text.cast::<pg_sys::Param>())?;
                    (bound.value, bound.isnull)
                }
                _ => return None,
            };
            if is_null {
                return Some(None);
            }
            if pg_sys::toast_raw_datum_size(value) > LONGEST.min(self.room) {
                return None;
            }
            text::utf8(value).ok().map(|text| Some(text.into_owned()))
        }
    }

    /// The value that stands for a parameter in this plan alone.
    unsafe fn bound(&self, parameter: &pg_sys::Param) -> Option<pg_sys::ParamExternData> {
        // SAFETY: the values are those of the statement; there are as many as it says.
        unsafe {
            if parameter.paramkind != pg_sys::ParamKind::PARAM_EXTERN
                || self.values.is_null()
                || (*self.values).paramFetch.is_some()
                || parameter.paramid > (*self.values).numParams
            {
                return None;
            }
            let bound = *(*self.values).params.as_ptr().add(parameter.paramid as usize - 1);
            let is_constant = bound.pflags as u32 & pg_sys::PARAM_FLAG_CONST != 0;
            (is_constant && bound.ptype == parameter.paramtype).then_some(bound)
        }
    }
}

// --- the plan

struct Walk {
    planned: *mut PlannedStmt,
    /// Nodes that were added.
    nodes: i32,
}

/// How the rows of a node are read by those above it.
#[derive(Clone, Copy)]
struct Above {
    reading: Reading,
    /// Whether a LIMIT tells the node how many rows are wanted, so that a sort below keeps no more.
    is_told: bool,
    /// Whether another node can take its place.
    can_be_replaced: bool,
}

const fn above(to_the_end: End) -> Above {
    Above { reading: Reading { to_the_end, most: 0 }, is_told: false, can_be_replaced: true }
}

const PERHAPS: Above = above(End::Perhaps);
const ALL: Above = above(End::Surely);
const AS_STATEMENT: Above = above(End::AsStatement);

impl Walk {
    fn statement(mut self) {
        // SAFETY: a plan as it comes from the planner; its nodes are nobody else's yet.
        unsafe {
            let planned = self.planned;
            (*planned).planTree = self.visit((*planned).planTree, AS_STATEMENT);
            self.visit_list((*planned).subplans, PERHAPS);
        }
    }

    unsafe fn visit_list(&mut self, list: *mut List, above: Above) {
        // SAFETY: a list of plans.
        unsafe {
            for n in 0..tree::items::<Plan>(list).count() {
                let element = &mut (*(*list).elements.add(n)).ptr_value;
                *element = self.visit(element.cast(), above).cast();
            }
        }
    }

    /// Gives what takes the place of a node: the node itself, or ours above it.
    unsafe fn visit(&mut self, plan: *mut Plan, above: Above) -> *mut Plan {
        // SAFETY: a node of the plan, or null.
        unsafe {
            if plan.is_null() {
                return plan;
            }
            let Above { reading, is_told, .. } = above;
            // Those below are read as this one is, unless it takes what it gets in another way.
            let (mut left, mut right) = (Above { reading, is_told, ..PERHAPS }, PERHAPS);
            match (*plan).type_ {
                // Parallel workers embed by themselves, and what follows itself is read again and again.
                NodeTag::T_Gather | NodeTag::T_GatherMerge | NodeTag::T_RecursiveUnion => return plan,
                NodeTag::T_Append => self.visit_list((*plan.cast::<pg_sys::Append>()).appendplans, left),
                NodeTag::T_MergeAppend => {
                    left.reading.to_the_end = End::Perhaps;
                    self.visit_list((*plan.cast::<pg_sys::MergeAppend>()).mergeplans, left);
                }
                NodeTag::T_SubqueryScan => {
                    let scan = plan.cast::<pg_sys::SubqueryScan>();
                    (*scan).subplan = self.visit((*scan).subplan, self::through((*plan).qual, left));
                }
                NodeTag::T_ModifyTable | NodeTag::T_Sort | NodeTag::T_Hash => left = ALL,
                NodeTag::T_Agg if (*plan.cast::<pg_sys::Agg>()).aggstrategy != pg_sys::AggStrategy::AGG_SORTED => {
                    left = ALL;
                }
                NodeTag::T_Limit => left = limit(&*plan.cast::<pg_sys::Limit>(), reading),
                NodeTag::T_Result => left = self::through((*plan).qual, left),
                // It may end early, and goes back on its inner side.
                NodeTag::T_MergeJoin => {
                    left = PERHAPS;
                    right.can_be_replaced = false;
                }
                _ => left = Above { reading: Reading { most: 0, ..reading }, ..PERHAPS },
            }
            (*plan).lefttree = self.visit((*plan).lefttree, left);
            (*plan).righttree = self.visit((*plan).righttree, right);
            if (*plan).type_ == NodeTag::T_ModifyTable {
                self.for_writes(plan.cast());
            } else if above.can_be_replaced
                && has_rows(plan)
                && can_be_split(plan)
                // Ours could not pass on a number that is not known yet.
                && !(is_told && reading.most == 0 && heeds_limit(plan))
            {
                return self.for_calls(plan, reading);
            }
            plan
        }
    }

    /// Puts our node above one whose output calls `embed_text()`. The node gives what the output is made of, and ours makes
    /// the output, row by row.
    unsafe fn for_calls(&mut self, plan: *mut Plan, reading: Reading) -> *mut Plan {
        // SAFETY: a node of the plan.
        unsafe {
            if !calls::occur_in((*plan).targetlist.cast()) || self.is_volatile(plan, false) {
                return plan;
            }
            let before = (*plan).targetlist;
            let output = split(plan);
            let texts = calls::texts_in(output.cast());
            if texts.is_null() {
                (*plan).targetlist = before;
                return plan;
            }
            self.place(plan, output, texts, node::private(reading))
        }
    }

    /// The same above what gives the rows to a table that embeds itself, or to a MERGE whose actions call `embed_text()`.
    unsafe fn for_writes(&mut self, modify: *mut pg_sys::ModifyTable) {
        // SAFETY: a node of the plan.
        unsafe {
            let (plan, actions) = ((*modify).plan.lefttree, version::merge_actions(modify));
            if plan.is_null() || !has_rows(plan) {
                return;
            }
            let targets = target::describe(modify, (*self.planned).rtable);
            if targets.is_null() && !calls::occur_in(actions.cast()) {
                return;
            }
            // Partitions have the same actions, over columns of their own.
            let actions = tree::items::<List>(actions).next().unwrap_or(ptr::null_mut());
            if node::is_ours(plan) {
                // It makes the output already.
                let scan = plan.cast::<pg_sys::CustomScan>();
                let texts = target::merged(actions, (*plan).targetlist);
                (*scan).custom_exprs = pg_sys::list_concat((*scan).custom_exprs, texts);
                (*scan).custom_private = pg_sys::list_concat((*scan).custom_private, targets);
                return;
            }
            let (is_split, before) = (can_be_split(plan), (*plan).targetlist);
            if self.is_volatile(plan, !is_split) {
                return;
            }
            let output = if is_split { split(plan) } else { passed_on(plan) };
            let texts = target::merged(actions, output);
            if targets.is_null() && texts.is_null() {
                (*plan).targetlist = before;
                return;
            }
            let private = pg_sys::list_concat(node::private(ALL.reading), targets);
            (*modify).plan.lefttree = self.place(plan, output, texts, private);
        }
    }

    /// Makes our node, with this output, above another.
    unsafe fn place(&mut self, plan: *mut Plan, output: *mut List, texts: *mut List, private: *mut List) -> *mut Plan {
        self.nodes += 1;
        // SAFETY: a node of the plan, which has its final output.
        unsafe {
            let scan = tree::make::<pg_sys::CustomScan>(NodeTag::T_CustomScan);
            let own = &mut (*scan).scan.plan;
            (own.startup_cost, own.total_cost) = ((*plan).startup_cost, (*plan).total_cost);
            (own.plan_rows, own.plan_width) = ((*plan).plan_rows, (*plan).plan_width);
            own.parallel_safe = (*plan).parallel_safe;
            // What depends on these is computed here now.
            own.extParam = pg_sys::bms_copy((*plan).extParam);
            own.allParam = pg_sys::bms_copy((*plan).allParam);
            // Beyond those that the planner gives.
            own.plan_node_id = i32::MAX / 2 + self.nodes;
            own.targetlist = output;
            own.lefttree = plan;
            (*scan).custom_exprs = texts;
            (*scan).custom_private = private;
            for (n, entry) in tree::items::<pg_sys::TargetEntry>((*plan).targetlist).enumerate() {
                let input = tree::variable(pg_sys::OUTER_VAR, n + 1, (*entry).expr.cast());
                let column = pg_sys::makeTargetEntry(input.cast(), n as i16 + 1, (*entry).resname, false);
                tree::append(&mut (*scan).custom_scan_tlist, column);
            }
            (*scan).methods = node::methods();
            scan.cast()
        }
    }

    /// Whether somebody could notice that a node was asked for its rows early. With `output`, the node makes its output too.
    unsafe fn is_volatile(&self, plan: *mut Plan, output: bool) -> bool {
        // SAFETY: a node of the plan, or null.
        unsafe {
            if plan.is_null() {
                return false;
            }
            let volatile = |list: *mut List| pg_sys::contain_volatile_functions(list.cast());
            let any = |list: *mut List| tree::items::<Plan>(list).any(|plan| self.is_volatile(plan, true));
            let own = match (*plan).type_ {
                NodeTag::T_LockRows | NodeTag::T_ModifyTable => true,
                NodeTag::T_NestLoop | NodeTag::T_MergeJoin | NodeTag::T_HashJoin => {
                    volatile((*plan.cast::<pg_sys::Join>()).joinqual)
                }
                NodeTag::T_FunctionScan => volatile((*plan.cast::<pg_sys::FunctionScan>()).functions),
                NodeTag::T_TableFuncScan => {
                    pg_sys::contain_volatile_functions((*plan.cast::<pg_sys::TableFuncScan>()).tablefunc.cast())
                }
                NodeTag::T_ValuesScan => volatile((*plan.cast::<pg_sys::ValuesScan>()).values_lists),
                NodeTag::T_Result => {
                    pg_sys::contain_volatile_functions((*plan.cast::<pg_sys::Result>()).resconstantqual)
                }
                NodeTag::T_SubqueryScan => self.is_volatile((*plan.cast::<pg_sys::SubqueryScan>()).subplan, true),
                NodeTag::T_Append => any((*plan.cast::<pg_sys::Append>()).appendplans),
                NodeTag::T_MergeAppend => any((*plan.cast::<pg_sys::MergeAppend>()).mergeplans),
                NodeTag::T_CteScan => {
                    let number = (*plan.cast::<pg_sys::CteScan>()).ctePlanId as usize;
                    tree::items((*self.planned).subplans)
                        .nth(number - 1)
                        .is_some_and(|plan| self.is_volatile(plan, true))
                }
                _ => false,
            };
            own || volatile((*plan).qual)
                || output && volatile((*plan).targetlist)
                || self.is_volatile((*plan).lefttree, true)
                || self.is_volatile((*plan).righttree, true)
        }
    }
}

/// The same, but where a condition leaves rows out, a limit says nothing about how many are read.
fn through(condition: *mut List, above: Above) -> Above {
    if condition.is_null() {
        return above;
    }
    Above { reading: Reading { most: 0, ..above.reading }, is_told: false, ..above }
}

/// How rows are read below a LIMIT.
fn limit(limit: &pg_sys::Limit, above: Reading) -> Above {
    let constant = |node: *mut Node| {
        // SAFETY: an expression or null; a constant of type bigint.
        unsafe {
            if node.is_null() {
                return Some(0);
            }
            let constant = node.cast::<pg_sys::Const>();
            (tag(node) == NodeTag::T_Const && !(*constant).constisnull).then(|| (*constant).constvalue.value() as i64)
        }
    };
    if limit.limitCount.is_null() {
        return Above { reading: Reading { most: 0, ..above }, ..PERHAPS };
    }
    // Rows that are equal to the last one may follow.
    if limit.limitOption != pg_sys::LimitOption::LIMIT_OPTION_COUNT {
        return PERHAPS;
    }
    let most = constant(limit.limitCount).zip(constant(limit.limitOffset)).map(|(count, skipped)| count + skipped);
    let most = most.and_then(|most| i32::try_from(most).ok()).unwrap_or(0);
    Above { reading: Reading { to_the_end: End::Perhaps, most }, is_told: true, ..PERHAPS }
}

/// Whether a node does less, or gives rows that are equal in another order, if a LIMIT tells it how many are wanted: what
/// PostgreSQL's `ExecSetTupleBound()` finds.
unsafe fn heeds_limit(plan: *mut Plan) -> bool {
    // SAFETY: a node of the plan, or null.
    unsafe {
        let any = |list: *mut List| tree::items::<Plan>(list).any(|plan| heeds_limit(plan));
        !plan.is_null()
            && match (*plan).type_ {
                NodeTag::T_Sort | NodeTag::T_IncrementalSort | NodeTag::T_Gather | NodeTag::T_GatherMerge => true,
                NodeTag::T_Append => any((*plan.cast::<pg_sys::Append>()).appendplans),
                NodeTag::T_MergeAppend => any((*plan.cast::<pg_sys::MergeAppend>()).mergeplans),
                NodeTag::T_Result => heeds_limit((*plan).lefttree),
                NodeTag::T_SubqueryScan if (*plan).qual.is_null() => {
                    heeds_limit((*plan.cast::<pg_sys::SubqueryScan>()).subplan)
                }
                _ => false,
            }
    }
}

/// Whether a node can give more than one row. How many are expected says little: a table may have been filled just now.
unsafe fn has_rows(plan: *mut Plan) -> bool {
    // SAFETY: a node of the plan.
    unsafe { !((*plan).parallel_aware || (*plan).type_ == NodeTag::T_Result && (*plan).lefttree.is_null()) }
}

/// Whether the node's output is made by PostgreSQL out of variables, so that it can be made elsewhere.
unsafe fn can_be_split(plan: *mut Plan) -> bool {
    // SAFETY: a node of the plan.
    unsafe {
        match (*plan).type_ {
            NodeTag::T_SeqScan
            | NodeTag::T_SampleScan
            | NodeTag::T_IndexScan
            | NodeTag::T_IndexOnlyScan
            | NodeTag::T_BitmapHeapScan
            | NodeTag::T_TidScan
            | NodeTag::T_TidRangeScan
            | NodeTag::T_SubqueryScan
            | NodeTag::T_FunctionScan
            | NodeTag::T_ValuesScan
            | NodeTag::T_TableFuncScan
            | NodeTag::T_CteScan
            | NodeTag::T_NamedTuplestoreScan
            | NodeTag::T_NestLoop
            | NodeTag::T_MergeJoin
            | NodeTag::T_HashJoin
            | NodeTag::T_WindowAgg => true,
            NodeTag::T_Agg => (*plan.cast::<pg_sys::Agg>()).aggsplit == pg_sys::AggSplit::AGGSPLIT_SIMPLE,
            NodeTag::T_Result => !(*plan).lefttree.is_null(),
            _ => false,
        }
    }
}

/// Has the node give what its output is made of. Gives the output, made of that.
unsafe fn split(plan: *mut Plan) -> *mut List {
    let mut leaves: *mut List = ptr::null_mut();
    let (mut output, mut input) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: a node of the plan.
    unsafe {
        let mut over_input = |node: *mut Node| match tag(node) {
            NodeTag::T_Var | NodeTag::T_Aggref | NodeTag::T_WindowFunc | NodeTag::T_GroupingFunc => {
                let known = tree::items::<Node>(leaves).position(|leaf| pg_sys::equal(leaf.cast(), node.cast()));
                let place = known.unwrap_or_else(|| {
                    tree::append(&mut leaves, tree::copy(node));
                    tree::items::<Node>(leaves).count() - 1
                });
                Some(tree::variable(pg_sys::INDEX_VAR, place + 1, node))
            }
            _ => None,
        };
        for entry in tree::items::<pg_sys::TargetEntry>((*plan).targetlist) {
            let made = pg_sys::flatCopyTargetEntry(entry);
            (*made).expr = tree::replaced((*entry).expr.cast(), &mut over_input).cast();
            tree::append(&mut output, made);
        }
        for (n, leaf) in tree::items::<Node>(leaves).enumerate() {
            let entry = pg_sys::makeTargetEntry(leaf.cast(), n as i16 + 1, ptr::null_mut(), false);
            tree::append(&mut input, entry);
        }
        (*plan).targetlist = input;
    }
    output
}

/// The output of a node as it is.
unsafe fn passed_on(plan: *mut Plan) -> *mut List {
    let mut output = ptr::null_mut();
    // SAFETY: a node of the plan.
    unsafe {
        for (n, entry) in tree::items::<pg_sys::TargetEntry>((*plan).targetlist).enumerate() {
            let made = pg_sys::flatCopyTargetEntry(entry);
            // PostgreSQL wants to see a constant NULL where a column is dropped or generated.
            if tag((*entry).expr.cast()) != NodeTag::T_Const {
                (*made).expr = tree::variable(pg_sys::INDEX_VAR, n + 1, (*entry).expr.cast()).cast();
            }
            tree::append(&mut output, made);
        }
    }
    output
}
