//! The system catalogues, read by OID and never by a name that others could have.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::num::NonZeroUsize;
use std::ptr;

use pgrx::htup::heap_getattr_raw;
use pgrx::pg_sys::{self, Datum, HeapTuple, Oid, TupleDesc};

use crate::postgres::report::Result;
use crate::postgres::tree;

// Catalogues that the bindings leave out; their numbers and columns have been the same since PostgreSQL 9, and since 10 that
// of subscriptions.
const DEPEND: Oid = Oid::from_u32(2608);
const DEPEND_BY_REFERENCED: Oid = Oid::from_u32(2674);
const INHERITS: Oid = Oid::from_u32(2611);
const INHERITS_BY_PARENT: Oid = Oid::from_u32(2187);
const ATTRDEF: Oid = Oid::from_u32(2604);
const ATTRDEF_BY_OID: Oid = Oid::from_u32(2657);
const SUBSCRIPTION_REL: Oid = Oid::from_u32(6102);
const SUBSCRIPTION_REL_BY_TABLE: Oid = Oid::from_u32(6117);

/// The language C, in which only a superuser can make functions.
const LANGUAGE_C: Oid = Oid::from_u32(13);

/// A row of a catalogue that is being read.
struct Row {
    tuple: HeapTuple,
    descriptor: TupleDesc,
}

impl Row {
    fn value(&self, column: usize) -> Option<Datum> {
        // SAFETY: the row has the column, and is there until the next is read.
        unsafe { heap_getattr_raw(self.tuple, NonZeroUsize::new(column)?, self.descriptor) }
    }

    fn oid(&self, column: usize) -> Oid {
        self.value(column).map_or(Oid::INVALID, to_oid)
    }

    /// A column's number.
    fn number(&self, column: usize) -> i16 {
        self.value(column).map_or(0, |number| number.value() as i16)
    }
}

fn to_oid(value: Datum) -> Oid {
    Oid::from(value.value() as u32)
}

/// Visits the rows of a catalogue whose columns have these values, by an index over these columns.
fn each(catalogue: Oid, index: Oid, keys: &[(i16, Oid)], visit: impl FnMut(Row)) {
    scan(catalogue, Some(index), keys, ptr::null_mut(), visit);
}

/// The same with a snapshot of the caller's, and without an index too. Null is the snapshot that catalogues are read
/// with.
fn scan(
    catalogue: Oid,
    index: Option<Oid>,
    keys: &[(i16, Oid)],
    snapshot: *mut pg_sys::SnapshotData,
    mut visit: impl FnMut(Row),
) {
    // SAFETY: the keys are OIDs, compared as such. An error ends the scan with its transaction.
    unsafe {
        let mut scan_keys = vec![pg_sys::ScanKeyData::default(); keys.len()];
        for (key, (column, value)) in scan_keys.iter_mut().zip(keys) {
            let (equal, function) = (pg_sys::BTEqualStrategyNumber as u16, Oid::from(pg_sys::F_OIDEQ));
            pg_sys::ScanKeyInit(key, *column, equal, function, Datum::from(*value));
        }
        let lock = pg_sys::AccessShareLock as i32;
        let relation = pg_sys::table_open(catalogue, lock);
        let (by_index, index, count) = (index.is_some(), index.unwrap_or(Oid::INVALID), scan_keys.len() as i32);
        let scan = pg_sys::systable_beginscan(relation, index, by_index, snapshot, count, scan_keys.as_mut_ptr());
        loop {
            let tuple = pg_sys::systable_getnext(scan);
            if tuple.is_null() {
                break;
            }
            visit(Row { tuple, descriptor: (*relation).rd_att });
        }
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(relation, lock);
    }
}

/// The objects of the catalogue `kind` that depend on an object.
fn dependents(referenced: (Oid, Oid), kind: Oid, which: impl Fn(u8) -> bool) -> Vec<Oid> {
    let mut found = Vec::new();
    each(DEPEND, DEPEND_BY_REFERENCED, &[(4, referenced.0), (5, referenced.1)], |row| {
        if row.oid(1) == kind && row.value(7).is_some_and(|how| which(how.value() as u8)) {
            found.push(row.oid(2));
        }
    });
    found
}

/// pg_embed in this database.
pub fn extension() -> Option<Oid> {
    // SAFETY: gives the invalid OID where there is none.
    let extension = unsafe { pg_sys::get_extension_oid(c"pg_embed".as_ptr(), true) };
    (extension != Oid::INVALID).then_some(extension)
}

/// The extension that a function belongs to.
pub fn extension_of(function: Oid) -> Option<Oid> {
    // SAFETY: gives the invalid OID where there is none.
    let extension = unsafe { pg_sys::getExtensionOfObject(pg_sys::ProcedureRelationId, function) };
    (extension != Oid::INVALID).then_some(extension)
}

/// The function of an extension whose body is `symbol` of this library. The owner of an extension can add functions to
/// it, and give them any name; but only a superuser can make one like this.
pub fn member(extension: Oid, symbol: &CStr) -> Option<Oid> {
    dependents((pg_sys::ExtensionRelationId, extension), pg_sys::ProcedureRelationId, |how| how == b'e')
        .into_iter()
        .find(|function| is_ours(*function, symbol))
}

/// Whether a function, a type or the like came with PostgreSQL, and not with an extension or a user.
pub fn is_builtin(object: Oid) -> bool {
    object.to_u32() < pg_sys::FirstNormalObjectId
}

/// Whether a function's body is `symbol` of this library.
pub fn is_ours(function: Oid, symbol: &CStr) -> bool {
    if is_builtin(function) {
        return false;
    }
    // SAFETY: a lookup by OID; the form is that of pg_proc, and the two columns are texts.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::PROCOID as i32;
        let tuple = pg_sys::SearchSysCache1(cache, Datum::from(function));
        if tuple.is_null() {
            return false;
        }
        let form = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_proc>();
        let is = |column: u32, expected: &CStr| {
            let mut null = false;
            let value = pg_sys::SysCacheGetAttr(cache, tuple, column as i16, &mut null);
            !null && CStr::from_ptr(pg_sys::text_to_cstring(value.cast_mut_ptr())) == expected
        };
        let ours = form.prolang == LANGUAGE_C
            && is(pg_sys::Anum_pg_proc_prosrc, symbol)
            && is(pg_sys::Anum_pg_proc_probin, c"$libdir/pg_embed");
        pg_sys::ReleaseSysCache(tuple);
        ours
    }
}

/// A trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    pub oid: Oid,
    pub table: Oid,
    pub name: CString,
    /// When it fires: `O` (ordinary), `D` (disabled), `R` (replicated rows alone), `A` (always).
    pub enabled: u8,
    /// The trigger of which it is a copy for a partition.
    pub parent: Option<Oid>,
    pub function: Oid,
    /// Whether it may change a row before it is inserted or updated.
    pub changes_rows: bool,
    /// The other table that it is about, if it was made `FROM` one; with that, it is dropped.
    pub other_table: Option<Oid>,
    pub arguments: Vec<CString>,
}

/// The triggers that call a function.
pub fn triggers_of(function: Oid) -> Vec<Trigger> {
    let triggers = dependents((pg_sys::ProcedureRelationId, function), pg_sys::TriggerRelationId, |how| how == b'n');
    triggers.into_iter().filter_map(|trigger| self::trigger(trigger, function)).collect()
}

/// A trigger, if it calls this function.
pub fn trigger(trigger: Oid, function: Oid) -> Option<Trigger> {
    let index = Oid::from(pg_sys::TriggerOidIndexId);
    let found = triggers_by(index, (pg_sys::Anum_pg_trigger_oid as i16, trigger)).pop();
    found.filter(|trigger| trigger.function == function)
}

/// The triggers of a table, whatever they call, in the order in which they fire.
pub fn triggers_on(table: Oid) -> Vec<Trigger> {
    let index = Oid::from(pg_sys::TriggerRelidNameIndexId);
    let mut found = triggers_by(index, (pg_sys::Anum_pg_trigger_tgrelid as i16, table));
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

/// The triggers, but for PostgreSQL's own, of which a column has a value.
fn triggers_by(index: Oid, key: (i16, Oid)) -> Vec<Trigger> {
    const BEFORE_ROW: u32 = pg_sys::TRIGGER_TYPE_BEFORE | pg_sys::TRIGGER_TYPE_ROW;
    let mut found = Vec::new();
    each(pg_sys::TriggerRelationId, index, &[key], |row| {
        // SAFETY: the row is one of pg_trigger, whose first columns are the form; tgargs is a bytea.
        unsafe {
            let form = &*pg_sys::GETSTRUCT(row.tuple).cast::<pg_sys::FormData_pg_trigger>();
            let kind = form.tgtype as u32;
            // In PostgreSQL 14, the copy for a partition is internal too.
            if !form.tgisinternal || form.tgparentid != Oid::INVALID {
                found.push(Trigger {
                    oid: form.oid,
                    table: form.tgrelid,
                    name: CStr::from_ptr(form.tgname.data.as_ptr()).to_owned(),
                    enabled: form.tgenabled as u8,
                    parent: (form.tgparentid != Oid::INVALID).then_some(form.tgparentid),
                    function: form.tgfoid,
                    changes_rows: kind & BEFORE_ROW == BEFORE_ROW
                        && kind & (pg_sys::TRIGGER_TYPE_INSERT | pg_sys::TRIGGER_TYPE_UPDATE) != 0,
                    other_table: (form.tgconstrrelid != Oid::INVALID).then_some(form.tgconstrrelid),
                    arguments: row.value(pg_sys::Anum_pg_trigger_tgargs as usize).map_or_else(Vec::new, strings),
                });
            }
        }
    });
    found
}

impl Trigger {
    pub fn is_disabled(&self) -> bool {
        self.enabled == b'D'
    }

    /// Whether it fires for replicated rows.
    pub fn is_for_replicated(&self) -> bool {
        matches!(self.enabled, b'A' | b'R')
    }

    pub fn is_inherited(&self) -> bool {
        self.parent.is_some()
    }

    /// The table for which it was made: that itself, or a partitioned table of which it is a part. `None` if the trigger
    /// there is gone.
    pub fn made_for(&self) -> Option<Oid> {
        match self.parent {
            None => Some(self.table),
            Some(parent) => trigger(parent, self.function)?.made_for(),
        }
    }
}

/// The function that a trigger calls, also where the present command has only just made the trigger.
pub fn function_of_new_trigger(trigger: Oid) -> Option<Oid> {
    let mut found = None;
    let (index, keys) = (Oid::from(pg_sys::TriggerOidIndexId), [(pg_sys::Anum_pg_trigger_oid as i16, trigger)]);
    scan(pg_sys::TriggerRelationId, Some(index), &keys, &raw mut pg_sys::SnapshotSelfData, |row| {
        found = Some(row.oid(pg_sys::Anum_pg_trigger_tgfoid as usize));
    });
    found
}

/// The zero-terminated strings in a bytea.
fn strings(bytea: Datum) -> Vec<CString> {
    // SAFETY: a bytea; detoasting leaves it or copies it.
    let bytes: &[u8] = unsafe {
        let varlena = pg_sys::pg_detoast_datum_packed(bytea.cast_mut_ptr());
        std::slice::from_raw_parts(pgrx::vardata_any(varlena).cast(), pgrx::varsize_any_exhdr(varlena))
    };
    bytes
        .split_inclusive(|byte| *byte == 0)
        .filter_map(|string| CStr::from_bytes_with_nul(string).ok())
        .map(CStr::to_owned)
        .collect()
}

/// What a table asks of a column.
#[derive(Debug, Clone, Copy)]
pub struct Attribute {
    pub is_not_null: bool,
    /// Whether it has a value that is no NULL where none is given, or is generated.
    pub has_default: bool,
}

/// A column by its number; `None` if there is none.
pub fn attribute(table: Oid, number: i16) -> Option<Attribute> {
    // SAFETY: a lookup; the form is that of pg_attribute.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::ATTNUM as i32;
        let tuple = pg_sys::SearchSysCache2(cache, Datum::from(table), Datum::from(number));
        if tuple.is_null() {
            return None;
        }
        let form = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_attribute>();
        let found = Attribute { is_not_null: form.attnotnull, has_default: form.atthasdef };
        pg_sys::ReleaseSysCache(tuple);
        Some(found)
    }
}

/// The name of a column that exists.
pub fn column_name(table: Oid, number: i16) -> CString {
    // SAFETY: a lookup; gives a palloc'd string.
    unsafe { CStr::from_ptr(pg_sys::get_attname(table, number, false)).to_owned() }
}

/// The generated columns whose expressions call a function: table and number.
pub fn columns_generated_by(function: Oid) -> Vec<(Oid, i16)> {
    let mut columns = Vec::new();
    // Since PostgreSQL 15 it is the expression that depends on the function; before, it was the column itself.
    each(DEPEND, DEPEND_BY_REFERENCED, &[(4, pg_sys::ProcedureRelationId), (5, function)], |row| {
        let mut add = |row: Row| columns.push((row.oid(2), row.number(3)));
        if row.oid(1) == ATTRDEF {
            each(ATTRDEF, ATTRDEF_BY_OID, &[(1, row.oid(2))], add);
        } else if row.oid(1) == pg_sys::RelationRelationId {
            add(row);
        }
    });
    // SAFETY: a lookup; 0 where there is no such column.
    columns.retain(|column| column.1 > 0 && unsafe { pg_sys::get_attgenerated(column.0, column.1) } as u8 == b's');
    columns.sort_unstable_by_key(|(table, number)| (table.to_u32(), *number));
    columns.dedup();
    columns
}

/// The constant that the expression of a generated column gives as an argument to a function of ours with this body.
pub fn generated_with(table: Oid, number: i16, symbol: &CStr, argument: usize) -> Option<CString> {
    let mut found = None;
    // SAFETY: the table is opened without waiting for others, and closed again. A constant of type text is one.
    unsafe {
        let relation = pg_sys::RelationIdGetRelation(table);
        if relation.is_null() {
            return None;
        }
        tree::any(pg_sys::build_column_default(relation, number.into()), &mut |node| {
            let call = node.cast::<pg_sys::FuncExpr>();
            if tree::tag(node) != pg_sys::NodeTag::T_FuncExpr || !is_ours((*call).funcid, symbol) {
                return false;
            }
            let constant = tree::items::<pg_sys::Const>((*call).args).nth(argument);
            let constant = constant.filter(|it| (**it).xpr.type_ == pg_sys::NodeTag::T_Const && !(**it).constisnull);
            found =
                constant.map(|it| CStr::from_ptr(pg_sys::text_to_cstring((*it).constvalue.cast_mut_ptr())).to_owned());
            found.is_some()
        });
        pg_sys::RelationClose(relation);
    }
    found
}

/// How Citus keeps the rows of a table: in other tables, its shards, while that itself is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shards {
    /// Each in one place: those of distributed tables, of distributed schemas, and of local tables that Citus manages.
    Single,
    /// Each on every server.
    Everywhere,
}

/// How Citus keeps a table, if it does; asked of its own catalogue.
pub fn shards(table: Oid) -> Option<Shards> {
    const REPLICATION_MODEL: usize = 5;
    let schema = Oid::from(pg_sys::PG_CATALOG_NAMESPACE);
    // SAFETY: lookups. Others cannot make tables in this schema, but one that is no part of Citus is not meant either.
    let partitions = unsafe { pg_sys::get_relname_relid(c"pg_dist_partition".as_ptr(), schema) };
    if partitions == Oid::INVALID {
        return None;
    }
    // SAFETY: as above.
    let (owner, citus) = unsafe {
        (
            pg_sys::getExtensionOfObject(pg_sys::RelationRelationId, partitions),
            pg_sys::get_extension_oid(c"citus".as_ptr(), true),
        )
    };
    if citus == Oid::INVALID || owner != citus {
        return None;
    }
    let mut found = None;
    scan(partitions, None, &[(1, table)], ptr::null_mut(), |row| {
        let model = row.value(REPLICATION_MODEL).map_or(0, |model| model.value() as u8);
        found = Some(if model == b't' { Shards::Everywhere } else { Shards::Single });
    });
    found
}

/// A partial index over rows whose first condition is that a column is NULL, as `embed_watch()` makes it: with the key 1,
/// which is of no use but to name places.
#[derive(Debug)]
pub struct Queue {
    pub index: Oid,
    pub table: Oid,
    /// The column that is NULL, and the others of the condition.
    pub column: i16,
    pub others: Vec<i16>,
}

/// The indexes of this kind in the database, but for those that are parts of others.
pub fn queues() -> Vec<Queue> {
    let mut found = Vec::new();
    scan(pg_sys::IndexRelationId, None, &[], ptr::null_mut(), |row| {
        let (index, table) = (row.oid(1), row.oid(2));
        let column = |number: u32| row.value(number as usize);
        let (Some(keys), Some(condition)) =
            (column(pg_sys::Anum_pg_index_indexprs), column(pg_sys::Anum_pg_index_indpred))
        else {
            return;
        };
        // SAFETY: both columns are texts with trees of nodes, as the parser has made them.
        unsafe {
            let tree = |text: Datum| pg_sys::stringToNode(pg_sys::text_to_cstring(text.cast_mut_ptr()));
            let keys: *mut pg_sys::List = tree(keys).cast();
            let is_number = |key: *mut pg_sys::Node| (*key).type_ == pg_sys::NodeTag::T_Const;
            if pg_sys::list_length(keys) != 1 || !is_number(pg_sys::list_nth(keys, 0).cast()) {
                return;
            }
            let condition = tree(condition).cast();
            if let Some(number) = null_first(condition)
                && Relation::find(index).is_some_and(|index| !index.is_partition)
            {
                let others = columns_in(condition).into_iter().filter(|other| *other != number).collect();
                found.push(Queue { index, table, column: number, others });
            }
        }
    });
    found
}

/// The column of which the condition of a partial index says first that it is NULL.
///
/// # Safety
/// A tree of nodes, as the parser has made it.
pub unsafe fn null_first(condition: *mut pg_sys::Node) -> Option<i16> {
    // SAFETY: the caller's promise.
    unsafe {
        let first = match (*condition).type_ {
            pg_sys::NodeTag::T_BoolExpr => pg_sys::list_nth((*condition.cast::<pg_sys::BoolExpr>()).args, 0).cast(),
            _ => condition,
        };
        if (*first).type_ != pg_sys::NodeTag::T_NullTest {
            return None;
        }
        let test = &*first.cast::<pg_sys::NullTest>();
        let is_null = test.nulltesttype == pg_sys::NullTestType::IS_NULL;
        (is_null && (*test.arg).type_ == pg_sys::NodeTag::T_Var).then(|| (*test.arg.cast::<pg_sys::Var>()).varattno)
    }
}

/// The columns of the table that a condition names, in their order.
///
/// # Safety
/// As for [`null_first`].
unsafe fn columns_in(condition: *mut pg_sys::Node) -> Vec<i16> {
    let mut found = Vec::new();
    // SAFETY: the caller's promise; the list is one of variables, of which there is only one table.
    unsafe {
        let variables = pg_sys::pull_var_clause(condition, 0);
        for n in 0..pg_sys::list_length(variables) {
            let number = (*pg_sys::list_nth(variables, n).cast::<pg_sys::Var>()).varattno;
            if !found.contains(&number) {
                found.push(number);
            }
        }
    }
    found
}

/// Whether a subscription writes rows of a table.
pub fn is_subscribed(table: Oid) -> bool {
    let mut found = false;
    each(SUBSCRIPTION_REL, SUBSCRIPTION_REL_BY_TABLE, &[(2, table)], |_| found = true);
    found
}

/// The tables that inherit from `table`, partitions among them.
pub fn children(table: Oid) -> Vec<Oid> {
    let mut found = Vec::new();
    each(INHERITS, INHERITS_BY_PARENT, &[(2, table)], |row| found.push(row.oid(1)));
    found
}

/// The indexes of a table.
pub fn indexes(table: Oid) -> Vec<Oid> {
    let mut found = Vec::new();
    let index = Oid::from(pg_sys::IndexIndrelidIndexId);
    each(pg_sys::IndexRelationId, index, &[(pg_sys::Anum_pg_index_indrelid as i16, table)], |row| {
        found.push(row.oid(1));
    });
    found
}

/// The condition of a partial index.
pub fn index_condition(index: Oid) -> Option<*mut pg_sys::Node> {
    // SAFETY: a lookup by OID; the column is a text with a tree of nodes.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::INDEXRELID as i32;
        let tuple = pg_sys::SearchSysCache1(cache, Datum::from(index));
        if tuple.is_null() {
            return None;
        }
        let mut null = false;
        let value = pg_sys::SysCacheGetAttr(cache, tuple, pg_sys::Anum_pg_index_indpred as i16, &mut null);
        let tree = (!null).then(|| pg_sys::stringToNode(pg_sys::text_to_cstring(value.cast_mut_ptr())).cast());
        pg_sys::ReleaseSysCache(tuple);
        tree
    }
}

/// The columns of a table's primary key, in its order; none without one.
pub fn primary_key(table: Oid) -> Vec<i16> {
    let mut found = Vec::new();
    let index = Oid::from(pg_sys::IndexIndrelidIndexId);
    each(pg_sys::IndexRelationId, index, &[(pg_sys::Anum_pg_index_indrelid as i16, table)], |row| {
        // SAFETY: the row is one of pg_index, whose first columns, `indkey` the last of them, are the form.
        unsafe {
            let form = &*pg_sys::GETSTRUCT(row.tuple).cast::<pg_sys::FormData_pg_index>();
            if form.indisprimary {
                found = form.indkey.values.as_slice(form.indnkeyatts as usize).to_vec();
            }
        }
    });
    found
}

/// A foreign key of a table.
#[derive(Debug, Clone)]
pub struct ForeignKey {
    pub referenced: Oid,
    /// Of each of its columns: its number, that of the column that it refers to, and the operator that compares that one,
    /// on the left, with this.
    pub columns: Vec<(i16, i16, Oid)>,
}

/// The foreign keys of a table, in the order in which they were made.
pub fn foreign_keys(table: Oid) -> Vec<ForeignKey> {
    let mut found = Vec::new();
    // SAFETY: the table is opened without waiting for others, and closed again; the list is a copy's.
    unsafe {
        let relation = pg_sys::RelationIdGetRelation(table);
        if relation.is_null() {
            return Vec::new();
        }
        for key in tree::items::<pg_sys::ForeignKeyCacheInfo>(pg_sys::RelationGetFKeyList(relation)) {
            let key = &*key;
            let column = |n: usize| (key.conkey[n], key.confkey[n], key.conpfeqop[n]);
            let columns = (0..key.nkeys as usize).map(column).collect();
            found.push((key.conoid.to_u32(), ForeignKey { referenced: key.confrelid, columns }));
        }
        pg_sys::RelationClose(relation);
    }
    found.sort_by_key(|(made, _)| *made);
    found.into_iter().map(|(_, key)| key).collect()
}

/// Schema and name of an operator.
pub fn operator_name(operator: Oid) -> Option<(Oid, CString)> {
    // SAFETY: a lookup by OID; the form is that of pg_operator.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::OPEROID as i32;
        let tuple = pg_sys::SearchSysCache1(cache, Datum::from(operator));
        if tuple.is_null() {
            return None;
        }
        let form = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_operator>();
        let found = (form.oprnamespace, CStr::from_ptr(form.oprname.data.as_ptr()).to_owned());
        pg_sys::ReleaseSysCache(tuple);
        Some(found)
    }
}

/// A relation, as pg_class has it.
#[derive(Debug, Clone, Copy)]
pub struct Relation {
    pub oid: Oid,
    pub kind: u8,
    pub persistence: u8,
    pub owner: Oid,
    pub schema: Oid,
    pub is_partition: bool,
    /// What the planner believes; negative if it was never counted.
    pub rows: f32,
    /// The file that the rows are in. VACUUM FULL and the like write another, in which rows keep their versions and
    /// change their places.
    pub storage: u32,
}

impl Relation {
    /// `None` if there is no such relation, or no longer.
    pub fn find(oid: Oid) -> Option<Self> {
        // SAFETY: a lookup by OID; the form is that of pg_class.
        unsafe {
            let tuple = pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::RELOID as i32, Datum::from(oid));
            if tuple.is_null() {
                return None;
            }
            let form = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_class>();
            let found = Self {
                oid,
                kind: form.relkind as u8,
                persistence: form.relpersistence as u8,
                owner: form.relowner,
                schema: form.relnamespace,
                is_partition: form.relispartition,
                rows: form.reltuples,
                storage: form.relfilenode.into(),
            };
            pg_sys::ReleaseSysCache(tuple);
            Some(found)
        }
    }

    pub fn is_table(&self) -> bool {
        self.kind == pg_sys::RELKIND_RELATION
    }

    pub fn is_partitioned(&self) -> bool {
        self.kind == pg_sys::RELKIND_PARTITIONED_TABLE
    }

    pub fn is_foreign(&self) -> bool {
        self.kind == pg_sys::RELKIND_FOREIGN_TABLE
    }

    /// A temporary table of another session cannot be read.
    pub fn is_out_of_reach(&self) -> bool {
        // SAFETY: a lookup in this session.
        self.persistence == pg_sys::RELPERSISTENCE_TEMP && unsafe { pg_sys::isOtherTempNamespace(self.schema) }
    }
}

/// The databases that one can connect to. Without an index: a process that is connected to no database cannot use one.
pub fn databases() -> Result<Vec<Oid>> {
    let mut found = Vec::new();
    scan(pg_sys::DatabaseRelationId, None, &[], ptr::null_mut(), |row| {
        // SAFETY: the row is one of pg_database.
        let database = unsafe { &*pg_sys::GETSTRUCT(row.tuple).cast::<pg_sys::FormData_pg_database>() };
        if database.datallowconn {
            found.push(database.oid);
        }
    });
    Ok(found)
}
