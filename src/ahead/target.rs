//! Tables that embed themselves: the texts that their triggers and generated columns are going to make of a row.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::{ptr, slice};

use pgrx::pg_sys::{
    self, CmdType, CustomScanState, ExprContext, ExprState, List, Node, NodeTag, Oid, Relation, TupleTableSlot,
};

use crate::ahead::calls;
use crate::ahead::node::{TextState, lenient, value};
use crate::model::shelf::{LONGEST, Wanted};
use crate::postgres::report::Result;
use crate::postgres::tree::{self, tag};
use crate::postgres::version::MergeAction;
use crate::table::columns::{self, Choice, Columns};
use crate::table::trigger;

/// What a plan tells our node about the tables that a statement writes to, as integers: the command, then for each table
/// its OID, the number of columns that are given values, and these. Null if no table embeds itself.
///
/// # Safety
/// A node of a plan, and the plan's tables.
pub unsafe fn describe(modify: *mut pg_sys::ModifyTable, tables: *mut List) -> *mut List {
    // SAFETY: the caller's promise.
    unsafe {
        let command = (*modify).operation;
        if !matches!(command, CmdType::CMD_INSERT | CmdType::CMD_UPDATE) {
            return ptr::null_mut();
        }
        let mut told: *mut List = ptr::null_mut();
        let mut given = tree::items::<List>((*modify).updateColnosLists);
        for number in tree::integers((*modify).resultRelations) {
            let given = given.next().unwrap_or(ptr::null_mut());
            let Some(entry) = tree::items::<pg_sys::RangeTblEntry>(tables).nth(number as usize - 1) else { continue };
            let (table, kind) = ((*entry).relid, (*entry).relkind as u8);
            if !matches!(kind, pg_sys::RELKIND_RELATION | pg_sys::RELKIND_PARTITIONED_TABLE) || !embeds_itself(table) {
                continue;
            }
            if told.is_null() {
                told = pg_sys::lappend_int(told, command as i32);
            }
            told = pg_sys::lappend_int(told, table.to_u32() as i32);
            told = pg_sys::lappend_int(told, tree::integers(given).count() as i32);
            told = pg_sys::list_concat(told, given);
        }
        told
    }
}

/// Whether a table has a trigger with `embed_trigger()`, or a generated column with `embed_text()`.
unsafe fn embeds_itself(table: Oid) -> bool {
    // SAFETY: a table that the statement has locked.
    unsafe {
        let relation = pg_sys::RelationIdGetRelation(table);
        if relation.is_null() {
            return false;
        }
        let has_trigger = triggers(relation).iter().any(|trigger| trigger::embeds(trigger.tgfoid));
        let found = has_trigger
            || generated(relation).any(|number| {
                // Most call PostgreSQL's own functions alone, and need no closer look.
                let written = pg_sys::build_column_default(relation, number.into());
                calls::may_occur_in(written) && calls::occur_in(expression(relation, number))
            });
        pg_sys::RelationClose(relation);
        found
    }
}

unsafe fn triggers<'r>(relation: Relation) -> &'r [pg_sys::Trigger] {
    // SAFETY: an open table; null where there are none.
    unsafe {
        let all = (*relation).trigdesc;
        if all.is_null() { &[] } else { slice::from_raw_parts((*all).triggers, (*all).numtriggers as usize) }
    }
}

/// The columns that PostgreSQL computes when a row is written.
unsafe fn generated(relation: Relation) -> impl Iterator<Item = i16> {
    // SAFETY: an open table.
    unsafe {
        let descriptor = (*relation).rd_att;
        let any = !(*descriptor).constr.is_null() && (*(*descriptor).constr).has_generated_stored;
        let count = if any { (*descriptor).natts as i16 } else { 0 };
        (1..=count).filter(move |number| pg_sys::get_attgenerated((*relation).rd_id, *number) as u8 == b's')
    }
}

/// The expression of a generated column, over the columns of its table, as it is evaluated.
unsafe fn expression(relation: Relation, number: i16) -> *mut Node {
    // SAFETY: an open table with that column.
    unsafe { pg_sys::expression_planner(pg_sys::build_column_default(relation, number.into()).cast()).cast() }
}

/// The texts of the calls in the actions of a MERGE, over our node's input, as far as they and the conditions are made of
/// what the node puts out.
///
/// # Safety
/// The actions of a plan, and the output of the node that gives them their rows.
pub unsafe fn merged(actions: *mut List, output: *mut List) -> *mut List {
    let mut found = ptr::null_mut();
    // SAFETY: the caller's promise.
    unsafe {
        let place = tree::items::<pg_sys::TargetEntry>(output).find(|entry| is_junk(*entry, c"ctid"));
        for action in tree::items::<MergeAction>(actions) {
            let is_insert = (*action).commandType == CmdType::CMD_INSERT;
            let Some(condition) = over_output(pg_sys::make_ands_explicit((*action).qual.cast()).cast(), output) else {
                continue;
            };
            for text in tree::items::<Node>(calls::texts_in((*action).targetList.cast())) {
                let Some(text) = over_output(text, output) else { continue };
                let text = calls::only_if(condition, text);
                // Only a row that there is has a place.
                let text = match place {
                    Some(place) => calls::only_if(calls::null_test((*place).expr.cast(), is_insert), text),
                    None => text,
                };
                tree::append(&mut found, text);
            }
        }
    }
    found
}

/// An expression over the rows that a MERGE gets, as one over our node's input; `None` if it needs anything else, or if
/// somebody could notice that it is evaluated.
unsafe fn over_output(expression: *mut Node, output: *mut List) -> Option<*mut Node> {
    // SAFETY: a planned expression.
    unsafe {
        let replaced = tree::replaced(expression, &mut |node| {
            if tag(node) != NodeTag::T_Var {
                return None;
            }
            let variable = &*node.cast::<pg_sys::Var>();
            let is_source = variable.varno == pg_sys::INNER_VAR;
            let place = usize::try_from(variable.varattno - 1).ok().filter(|_| is_source);
            let entry = place.and_then(|n| tree::items::<pg_sys::TargetEntry>(output).nth(n));
            // In the place of what is not known stands a node of a kind that is not harmless.
            let unknown = || tree::make::<pg_sys::CurrentOfExpr>(NodeTag::T_CurrentOfExpr).cast();
            Some(entry.map_or_else(unknown, |entry| (*entry).expr.cast()))
        });
        calls::is_harmless(replaced).then_some(replaced)
    }
}

/// The tables that the rows are going to.
pub struct Targets {
    told: Vec<i32>,
    tables: Vec<Target>,
    /// Where an UPDATE has the place and the table of the row as it was.
    place: *mut ExprState,
    table: *mut ExprState,
}

struct Target {
    relation: Relation,
    sources: Vec<Source>,
    /// The row as it was; null in an INSERT.
    before: *mut TupleTableSlot,
}

/// Where a text comes from.
enum Source {
    /// An expression of a generated column's.
    Expression(TextState),
    /// The columns of a trigger.
    Trigger { columns: Columns, new: Values, old: Option<Values> },
}

/// The values of a trigger's columns.
struct Values {
    embedding: *mut ExprState,
    sources: Vec<*mut ExprState>,
}

impl Targets {
    /// What the plan has told, after [`describe`].
    pub fn told(told: Vec<i32>) -> Self {
        Self { told, tables: Vec::new(), place: ptr::null_mut(), table: ptr::null_mut() }
    }

    /// Opens the tables, which the statement has locked, unless they are open.
    ///
    /// # Safety
    /// The node that was told so was begun.
    pub unsafe fn open(&mut self, node: *mut CustomScanState) {
        let mut told = std::mem::take(&mut self.told).into_iter();
        let Some(command) = told.next() else { return };
        let is_update = command == CmdType::CMD_UPDATE as i32;
        // SAFETY: the caller's promise. What is made lives as long as the statement.
        unsafe {
            let before = pg_sys::MemoryContextSwitchTo((*(*node).ss.ps.state).es_query_cxt);
            if is_update {
                self.place = junk(node, c"ctid");
                self.table = junk(node, c"tableoid");
            }
            while let (Some(table), Some(count)) = (told.next(), told.next()) {
                let given: Vec<i16> = told.by_ref().take(count as usize).map(|number| number as i16).collect();
                let relation = pg_sys::table_open(Oid::from(table as u32), pg_sys::NoLock as i32);
                let row = Row { node, relation, given: is_update.then_some(given) };
                let before = match is_update {
                    true => {
                        let operations = pg_sys::table_slot_callbacks(relation);
                        pg_sys::ExecInitExtraTupleSlot((*node).ss.ps.state, (*relation).rd_att, operations)
                    }
                    false => ptr::null_mut(),
                };
                let sources = row.sources();
                self.tables.push(Target { relation, sources, before });
            }
            pg_sys::MemoryContextSwitchTo(before);
        }
    }

    pub fn close(&mut self) {
        for target in self.tables.drain(..) {
            // SAFETY: opened above.
            unsafe { pg_sys::table_close(target.relation, pg_sys::NoLock as i32) };
        }
    }

    /// Finds the texts of a row that is going to be written.
    ///
    /// # Safety
    /// The context shows a row of the node's.
    pub unsafe fn collect(&mut self, context: *mut ExprContext, found: &mut Vec<Wanted>) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe {
            let table = match self.table.is_null() {
                true => None,
                false => value(self.table, context)?.map(|table| Oid::from(table.value() as u32)),
            };
            let mut tables = self.tables.iter();
            let Some(target) = tables.find(|it| table.is_none_or(|table| (*it.relation).rd_id == table)) else {
                return Ok(());
            };
            if !target.before.is_null() {
                let Some(place) = value(self.place, context)? else { return Ok(()) };
                let (any, slot) = (&raw mut pg_sys::SnapshotAnyData, target.before);
                if !pg_sys::table_tuple_fetch_row_version(target.relation, place.cast_mut_ptr(), any, slot) {
                    return Ok(());
                }
                (*context).ecxt_innertuple = slot;
            }
            for source in &target.sources {
                found.extend(lenient(source.wanted(context))?.filter(|wanted| wanted.text.len() <= LONGEST));
            }
            if !target.before.is_null() {
                (*context).ecxt_innertuple = ptr::null_mut();
                pg_sys::ExecClearTuple(target.before);
            }
        }
        Ok(())
    }
}

impl Source {
    /// The text that is going to be embedded, if one is.
    unsafe fn wanted(&self, context: *mut ExprContext) -> Result<Option<Wanted>> {
        // SAFETY: expressions of the node's over the rows of the context.
        unsafe {
            match self {
                Self::Expression(expression) => expression.wanted(context),
                Self::Trigger { columns, new, old } => {
                    let has_vector = value(new.embedding, context)?.is_some();
                    // A vector that comes with an INSERT is kept, and so is that of an UPDATE that leaves the text alone.
                    let wanted = |text: Option<String>| Ok(text.and_then(|text| Wanted::with(&columns.model, text)));
                    let Some(old) = old else {
                        return if has_vector { Ok(None) } else { wanted(new.text(columns, context)?) };
                    };
                    let is_same_source = |(new, old): (&*mut ExprState, &*mut ExprState)| new == old;
                    if has_vector && new.sources.iter().zip(&old.sources).all(is_same_source) {
                        return Ok(None);
                    }
                    let text = new.text(columns, context)?;
                    if has_vector && text == old.text(columns, context)? {
                        return Ok(None);
                    }
                    wanted(text)
                }
            }
        }
    }
}

impl Values {
    unsafe fn text(&self, columns: &Columns, context: *mut ExprContext) -> Result<Option<String>> {
        // SAFETY: expressions of the columns' types.
        unsafe {
            let values = self.sources.iter().map(|source| value(*source, context)).collect::<Result<Vec<_>>>()?;
            if values.iter().flatten().map(|value| pg_sys::toast_raw_datum_size(*value)).sum::<usize>() > LONGEST {
                return Ok(None);
            }
            Ok(columns.text(|n| values[n])?.map(std::borrow::Cow::into_owned))
        }
    }
}

/// The row that a statement makes of the node's output.
struct Row {
    node: *mut CustomScanState,
    relation: Relation,
    /// The columns to which an UPDATE gives values, in the order of the output; an INSERT gives one to each.
    given: Option<Vec<i16>>,
}

impl Row {
    unsafe fn sources(&self) -> Vec<Source> {
        let mut sources = Vec::new();
        // SAFETY: an open table.
        unsafe {
            for trigger in triggers(self.relation) {
                if self.fires(trigger) {
                    sources.extend(self.of_trigger(trigger));
                }
            }
            for number in generated(self.relation) {
                let texts = calls::texts_in(expression(self.relation, number));
                for text in tree::items::<Node>(texts) {
                    if self.is_computed(text)
                        && let Some(state) = self.make(self.over_row(text))
                    {
                        sources.push(Source::Expression(TextState::new(state, text)));
                    }
                }
            }
        }
        sources
    }

    /// Whether a trigger of ours embeds each row of the statement.
    unsafe fn fires(&self, trigger: &pg_sys::Trigger) -> bool {
        // SAFETY: a trigger of the table.
        unsafe {
            let replica = pg_sys::SessionReplicationRole == pg_sys::SESSION_REPLICATION_ROLE_REPLICA as i32;
            let enabled = match trigger.tgenabled as u8 {
                b'A' => true,
                b'O' => !replica,
                b'R' => replica,
                _ => false,
            };
            let event = if self.given.is_some() { pg_sys::TRIGGER_TYPE_UPDATE } else { pg_sys::TRIGGER_TYPE_INSERT };
            let wanted = pg_sys::TRIGGER_TYPE_ROW | pg_sys::TRIGGER_TYPE_BEFORE | event;
            let named = match trigger.tgnattr {
                0 => &[],
                count => slice::from_raw_parts(trigger.tgattr, count as usize),
            };
            let is_named = named.is_empty()
                || self.given.as_ref().is_none_or(|given| named.iter().any(|number| given.contains(number)));
            enabled
                && trigger.tgtype as u32 & wanted == wanted
                && trigger.tgqual.is_null()
                && is_named
                && trigger::embeds(trigger.tgfoid)
        }
    }

    unsafe fn of_trigger(&self, trigger: &pg_sys::Trigger) -> Option<Source> {
        // SAFETY: a trigger of the table.
        unsafe {
            let arguments: Vec<&CStr> = slice::from_raw_parts(trigger.tgargs, trigger.tgnargs as usize)
                .iter()
                .map(|argument| CStr::from_ptr(*argument))
                .collect();
            let table = (*self.relation).rd_id;
            let vector = columns::vector_type(trigger.tgfoid).ok()?;
            let choice = Choice::of_trigger(&arguments, trigger::takes_model(trigger.tgfoid))?;
            let columns = Columns::resolve(table, &choice, vector).ok()?;
            let before: Vec<_> =
                columns.numbers().map(|number| self.make(self.before(number))).collect::<Option<_>>()?;
            let mut after = Vec::new();
            for (number, before) in columns.numbers().zip(&before) {
                // The same expression where the column keeps its value.
                after.push(match self.given.as_ref().is_some_and(|given| !given.contains(&number)) {
                    true => *before,
                    false => self.make(self.after(number))?,
                });
            }
            let values = |all: Vec<*mut ExprState>| Values { embedding: all[0], sources: all[1..].to_vec() };
            let old = self.given.is_some().then(|| values(before));
            Some(Source::Trigger { columns, new: values(after), old })
        }
    }

    /// Whether a generated column with this expression is computed: in an UPDATE, if its row may have changed.
    unsafe fn is_computed(&self, expression: *mut Node) -> bool {
        // SAFETY: an expression over the columns of the table.
        unsafe {
            let Some(given) = &self.given else { return true };
            let triggers = (*self.relation).trigdesc;
            let named = pg_sys::pull_var_clause(expression, 0);
            (!triggers.is_null() && (*triggers).trig_update_before_row)
                || tree::items::<pg_sys::Var>(named).any(|variable| given.contains(&(*variable).varattno))
        }
    }

    /// A column's new value, out of the node's output.
    unsafe fn after(&self, number: i16) -> *mut Node {
        let place = match &self.given {
            Some(given) => given.iter().position(|other| *other == number),
            None => Some(number as usize - 1),
        };
        // SAFETY: the node's own plan.
        unsafe {
            let output = (*(*self.node).ss.ps.plan).targetlist;
            match place.and_then(|place| tree::items::<pg_sys::TargetEntry>(output).nth(place)) {
                Some(entry) => (*entry).expr.cast(),
                None => self.before(number),
            }
        }
    }

    /// A column's value as it was; in an INSERT, NULL.
    unsafe fn before(&self, number: i16) -> *mut Node {
        // SAFETY: a column of the table.
        unsafe {
            let (mut kind, mut modifier, mut collation) = (Oid::INVALID, -1, Oid::INVALID);
            let table = (*self.relation).rd_id;
            pg_sys::get_atttypetypmodcoll(table, number, &mut kind, &mut modifier, &mut collation);
            let null = pg_sys::makeNullConst(kind, modifier, collation).cast();
            if self.given.is_none() { null } else { tree::variable(pg_sys::INNER_VAR, number as usize, null) }
        }
    }

    /// An expression over the columns of the table, as one over the row that the statement makes.
    unsafe fn over_row(&self, expression: *mut Node) -> *mut Node {
        // SAFETY: a planned expression over the columns of the table.
        unsafe {
            tree::replaced(expression, &mut |node| {
                (tag(node) == NodeTag::T_Var).then(|| self.after((*node.cast::<pg_sys::Var>()).varattno))
            })
        }
    }

    /// Makes an expression ready, unless somebody could notice that it is evaluated.
    unsafe fn make(&self, expression: *mut Node) -> Option<*mut ExprState> {
        // SAFETY: an expression over the node's output and the row as it was.
        unsafe {
            calls::is_harmless(expression).then(|| pg_sys::ExecInitExpr(expression.cast(), &raw mut (*self.node).ss.ps))
        }
    }
}

unsafe fn is_junk(entry: *mut pg_sys::TargetEntry, name: &CStr) -> bool {
    // SAFETY: an entry of a node's output.
    unsafe { (*entry).resjunk && !(*entry).resname.is_null() && CStr::from_ptr((*entry).resname) == name }
}

/// A column of the node's output that is for the executor alone; null if there is none.
unsafe fn junk(node: *mut CustomScanState, name: &CStr) -> *mut ExprState {
    // SAFETY: the node's own plan.
    unsafe {
        let output = (*(*node).ss.ps.plan).targetlist;
        match tree::items::<pg_sys::TargetEntry>(output).find(|entry| is_junk(*entry, name)) {
            Some(entry) => pg_sys::ExecInitExpr((*entry).expr, &raw mut (*node).ss.ps),
            None => ptr::null_mut(),
        }
    }
}
