//! A statement about one relation, which is the one that is meant, whatever others do to its name.
//!
//! PostgreSQL looks a name up again when it has waited for a lock, and when it plans a prepared statement anew. So a
//! statement is analysed once, it is checked that the name stood for the relation with the expected OID, and from then
//! on there are no names.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::ptr;

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{self, Datum, HeapTuple, Oid};

use crate::postgres::catch::catch;
use crate::postgres::report::{Report, Result};
use crate::postgres::text;
use crate::postgres::version::{self, raw};

/// A statement that is ready to run, in the transaction in which it was prepared.
pub struct Statement {
    sql: CString,
    plan: *mut pg_sys::PlannedStmt,
    types: Vec<Oid>,
    sees_latest: bool,
}

impl Statement {
    /// Prepares `sql`, with parameters of these types. The relation is locked already, so that it stays as it is.
    ///
    /// # Errors
    /// 40001 if a name in it does not stand for `relation` any more; whatever is wrong with it.
    pub fn prepare(sql: &str, relation: Oid, types: &[Oid]) -> Result<Self> {
        let sql = text::to_server(sql)?;
        // SAFETY: a zero-terminated statement; the trees are in the current memory context.
        unsafe {
            let trees = pg_sys::pg_parse_query(sql.as_ptr());
            let query = version::analyze(pg_sys::list_nth(trees, 0).cast(), sql.as_ptr(), types);
            refuse_others(query, relation)?;
            let rewritten = pg_sys::QueryRewrite(query);
            if pg_sys::list_length(rewritten) != 1 {
                return Err(Report::new(PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED, "table has rules")
                    .detail("A rule makes another statement of one that reads or writes the table.")
                    .hint("Use a trigger instead of the rule."));
            }
            let query = pg_sys::list_nth(rewritten, 0).cast();
            // Planning computes expressions of the table's, for instance those of its indexes, as far as they are
            // constant.
            let plan = catch(|| raw::pg_plan_query(query, sql.as_ptr(), 0, ptr::null_mut()))?;
            Ok(Self { sql, plan, types: types.to_vec(), sees_latest: false })
        }
    }

    /// The same, but it sees what is committed when it starts also in a transaction that is to see nothing new. For rows that
    /// follow others, whose writers should not meet those that the background worker has written.
    pub fn of_latest(self) -> Self {
        Self { sees_latest: true, ..self }
    }

    /// Whether it reads its relation by an index, and not as a whole.
    pub fn uses_index(&self) -> bool {
        // SAFETY: a plan is a tree of nodes.
        unsafe { (*(*self.plan).planTree).type_ == pg_sys::NodeTag::T_IndexScan }
    }

    /// Begins to run it; `None` is NULL.
    ///
    /// # Safety
    /// The values have the types that it was prepared with.
    pub unsafe fn start(&self, values: &[Option<Datum>]) -> Result<Running> {
        // SAFETY: the caller's promise; all live in the current memory context, and end with it at the latest.
        unsafe {
            let values = self.parameters(values);
            pg_sys::CommandCounterIncrement();
            let snapshot =
                if self.sees_latest { pg_sys::GetLatestSnapshot() } else { pg_sys::GetTransactionSnapshot() };
            pg_sys::PushCopiedSnapshot(snapshot);
            pg_sys::UpdateActiveSnapshotCommandId();
            let receiver = Receiver::new();
            let query = pg_sys::CreateQueryDesc(
                self.plan,
                self.sql.as_ptr(),
                pg_sys::GetActiveSnapshot(),
                ptr::null_mut(),
                receiver.cast(),
                values,
                ptr::null_mut(),
                0,
            );
            catch(|| raw::ExecutorStart(query, 0))?;
            Ok(Running { query, receiver, has_ended: false })
        }
    }

    /// Runs it to its end, and gives the first column of its first row, where it has one that is not NULL.
    ///
    /// # Safety
    /// As for [`start`](Self::start).
    pub unsafe fn value(&self, values: &[Option<Datum>]) -> Result<Option<Datum>> {
        // SAFETY: the caller's promise.
        Ok(unsafe { self.all(values) }?.value(0, 1))
    }

    /// Runs it to its end, and gives all its rows.
    ///
    /// # Safety
    /// As for [`start`](Self::start).
    pub unsafe fn all(&self, values: &[Option<Datum>]) -> Result<Rows> {
        // SAFETY: the caller's promise.
        let mut running = unsafe { self.start(values) }?;
        let rows = running.fetch(0)?;
        running.finish()?;
        Ok(rows)
    }

    /// # Safety
    /// As for [`start`](Self::start).
    unsafe fn parameters(&self, values: &[Option<Datum>]) -> pg_sys::ParamListInfo {
        // SAFETY: the list has room for as many as there are types.
        unsafe {
            let list = pg_sys::makeParamList(self.types.len() as i32);
            for (n, (of, value)) in self.types.iter().zip(values).enumerate() {
                (*list).params.as_mut_ptr().add(n).write(pg_sys::ParamExternData {
                    value: value.unwrap_or(Datum::from(0)),
                    isnull: value.is_none(),
                    pflags: pg_sys::PARAM_FLAG_CONST as u16,
                    ptype: *of,
                });
            }
            list
        }
    }
}

/// # Errors
/// 40001 if the query is about another relation than `relation`.
///
/// # Safety
/// A query after parse analysis.
unsafe fn refuse_others(query: *mut pg_sys::Query, relation: Oid) -> Result<()> {
    // SAFETY: the range table is a list of range table entries.
    let only_that = unsafe {
        let table = (*query).rtable;
        (0..pg_sys::list_length(table)).all(|n| {
            let entry = pg_sys::list_nth(table, n).cast::<pg_sys::RangeTblEntry>();
            (*entry).rtekind != pg_sys::RTEKind::RTE_RELATION || (*entry).relid == relation
        })
    };
    if only_that {
        return Ok(());
    }
    Err(Report::new(PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE, "table changed its name meanwhile")
        .hint("Do it again."))
}

/// A statement that is running.
pub struct Running {
    query: *mut pg_sys::QueryDesc,
    receiver: *mut Receiver,
    /// A scan that has come to its end would begin anew.
    has_ended: bool,
}

impl Running {
    /// Its next rows, at most `count`, or all that are left for 0. They live in the memory context that is current.
    pub fn fetch(&mut self, count: u64) -> Result<Rows> {
        // SAFETY: the query is running; the receiver is its own.
        unsafe {
            let (query, receiver) = (self.query, self.receiver);
            (*receiver).rows = ptr::null_mut();
            (*receiver).memory = pg_sys::CurrentMemoryContext;
            if !self.has_ended {
                catch(|| raw::run(query, count))?;
            }
            let rows = Rows { rows: (*receiver).rows, descriptor: (*query).tupDesc };
            self.has_ended |= count == 0 || (rows.len() as u64) < count;
            Ok(rows)
        }
    }

    /// Ends it: triggers that run after a statement run now.
    pub fn finish(self) -> Result<()> {
        let query = self.query;
        // SAFETY: the query is running, and its snapshot is the active one.
        unsafe {
            catch(|| {
                raw::ExecutorFinish(query);
                raw::ExecutorEnd(query);
            })?;
            pg_sys::FreeQueryDesc(query);
            pg_sys::PopActiveSnapshot();
        }
        Ok(())
    }
}

/// Rows that a statement gave.
pub struct Rows {
    rows: *mut pg_sys::List,
    descriptor: pg_sys::TupleDesc,
}

impl Rows {
    pub fn len(&self) -> usize {
        // SAFETY: a list, or null for an empty one.
        unsafe { pg_sys::list_length(self.rows) as usize }
    }

    /// A column, counted from 1, of a row, counted from 0; `None` for NULL and where there is no such row.
    pub fn value(&self, row: usize, column: i16) -> Option<Datum> {
        if row >= self.len() {
            return None;
        }
        let mut null = false;
        // SAFETY: the list has heap tuples of this description.
        let value = unsafe {
            let tuple: HeapTuple = pg_sys::list_nth(self.rows, row as i32).cast();
            pg_sys::heap_getattr(tuple, column.into(), self.descriptor, &mut null)
        };
        (!null).then_some(value)
    }
}

/// Where the executor sends rows: copies of them go to a list.
#[repr(C)]
struct Receiver {
    base: pg_sys::DestReceiver,
    memory: pg_sys::MemoryContext,
    rows: *mut pg_sys::List,
}

impl Receiver {
    fn new() -> *mut Self {
        let base = pg_sys::DestReceiver {
            receiveSlot: Some(receive),
            rStartup: Some(startup),
            rShutdown: Some(shutdown),
            rDestroy: Some(shutdown),
            mydest: pg_sys::CommandDest::DestNone,
        };
        // SAFETY: palloc gives room for one.
        unsafe {
            let place = pg_sys::palloc(size_of::<Self>()).cast::<Self>();
            place.write(Self { base, memory: pg_sys::CurrentMemoryContext, rows: ptr::null_mut() });
            place
        }
    }
}

/// Called by the executor within [`catch`]: an error jumps over it, so it has nothing to drop.
unsafe extern "C-unwind" fn receive(slot: *mut pg_sys::TupleTableSlot, this: *mut pg_sys::DestReceiver) -> bool {
    // SAFETY: called with the receiver made above, and a slot with a row in it; every kind of slot can be copied.
    unsafe {
        let this = this.cast::<Receiver>();
        let before = pg_sys::CurrentMemoryContext;
        pg_sys::CurrentMemoryContext = (*this).memory;
        if let Some(copy) = (*(*slot).tts_ops).copy_heap_tuple {
            (*this).rows = raw::lappend((*this).rows, copy(slot).cast());
        }
        pg_sys::CurrentMemoryContext = before;
    }
    true
}

unsafe extern "C-unwind" fn startup(_: *mut pg_sys::DestReceiver, _: i32, _: pg_sys::TupleDesc) {}

unsafe extern "C-unwind" fn shutdown(_: *mut pg_sys::DestReceiver) {}
