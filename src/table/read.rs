//! Reading rows that are to be embedded: their places, their versions, and the tokens of their texts.
//!
//! What is read is embedded after the transaction has ended, so that no row is held meanwhile; place and version tell
//! later whether the row is still the one that was read.
#![allow(unsafe_code)]

use embedder::Tokens;
use pgrx::pg_sys::{self, Datum, Oid};

use crate::model::registry::Model;
use crate::postgres::identity::Settings;
use crate::postgres::memory::Scratch;
use crate::postgres::report::{Report, Result};
use crate::postgres::statement::{Rows, Running, Statement};
use crate::table::access::Table;

/// Rows that are fetched at a time. They are copied as they are stored, without what is stored out of line.
const FETCH: u64 = 64;

/// Where a row lies: block and number in it.
pub type Place = (u32, u16);

/// A row that was read.
#[derive(Debug)]
pub struct Row {
    pub place: Place,
    /// The transaction that wrote it: with the place, it names this version of the row alone.
    pub version: u32,
    /// `None` for a row that has no text.
    pub tokens: Option<Tokens>,
}

/// How much is read at a time.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    pub rows: usize,
    /// Tokens of all texts: what they take to embed grows with it.
    pub tokens: usize,
}

/// Rows that were read together.
pub struct Page {
    /// The model whose tokens were read.
    pub model: Model,
    pub rows: Vec<Row>,
    /// Rows whose texts cannot be embedded, by place and version, and why.
    pub refused: Vec<((Place, u32), Report)>,
    /// Rows of which only the first tokens are embedded.
    pub truncated: usize,
    /// Tokens of all texts.
    tokens: usize,
    /// Place of the last row, if the page is full: behind it, there may be more.
    pub full_at: Option<Place>,
}

/// A condition of rows by place: after the first, before the block.
pub fn in_range((block, number): Place, end: u32) -> String {
    format!(
        "ctid OPERATOR(pg_catalog.>) '({block},{number})'::pg_catalog.tid \
         AND ctid OPERATOR(pg_catalog.<) '({end},0)'::pg_catalog.tid"
    )
}

impl Table {
    /// A statement that reads rows of the table itself, children left aside, one after the other by place.
    pub fn reader_by_place(&self, condition: &str) -> Result<Statement> {
        let _settings = Settings::by_place();
        Statement::prepare(&self.select(condition), self.relation.oid, &[])
    }

    /// The same for the rows that lack their vectors, by an index if there is one; see
    /// [`Statement::uses_index`].
    pub fn reader_by_index(&self) -> Result<Statement> {
        let _settings = Settings::by_index();
        let condition = format!("{} AND {}", self.may_be_missing(), self.is_missing());
        Statement::prepare(&self.select(&condition), self.relation.oid, &[])
    }

    fn select(&self, condition: &str) -> String {
        format!("SELECT ctid, xmin, {} FROM ONLY {} WHERE {condition}", self.values(), self.name())
    }

    /// How many rows of the table itself meet `condition`.
    pub fn count_by_place(&self, condition: &str) -> Result<i64> {
        let _settings = Settings::by_place();
        let sql = format!("SELECT pg_catalog.count(*) FROM ONLY {} WHERE {condition}", self.name());
        // SAFETY: a statement without parameters; the count is a bigint.
        let count = unsafe { Statement::prepare(&sql, self.relation.oid, &[])?.value(&[]) }?;
        Ok(count.map_or(0, |count| count.value() as i64))
    }

    /// Reads rows up to a limit, leaving out those of which `skip` says so.
    pub fn read(&self, reader: &Statement, limit: Limit, skip: impl Fn(Place, u32) -> bool) -> Result<Page> {
        let mut page = Page {
            rows: Vec::new(),
            refused: Vec::new(),
            truncated: 0,
            tokens: 0,
            full_at: None,
            model: self.columns.model.open()?,
        };
        // SAFETY: a statement without parameters.
        let mut running = unsafe { reader.start(&[]) }?;
        loop {
            let more = self.read_some(&mut running, &mut page, limit, &skip)?;
            if !more || page.full_at.is_some() {
                break;
            }
        }
        running.finish()?;
        Ok(page)
    }

    /// Reads the next rows, `false` if there were none.
    fn read_some(
        &self,
        running: &mut Running,
        page: &mut Page,
        limit: Limit,
        skip: &impl Fn(Place, u32) -> bool,
    ) -> Result<bool> {
        let left = limit.rows - page.rows.len() - page.refused.len();
        let _rows = Scratch::new();
        let rows = running.fetch(FETCH.min(left as u64))?;
        for n in 0..rows.len() {
            // SAFETY: a ctid is a tid, and never null.
            let place = unsafe { place(rows.value(n, 1).unwrap_or(Datum::from(0))) };
            let version = rows.value(n, 2).map_or(0, |version| version.value() as u32);
            if !skip(place, version) {
                self.take(&rows, n, (place, version), page)?;
            }
            if page.rows.len() + page.refused.len() == limit.rows || page.tokens >= limit.tokens {
                page.full_at = Some(place);
                break;
            }
        }
        Ok(rows.len() > 0)
    }

    fn take(&self, rows: &Rows, n: usize, (place, version): (Place, u32), page: &mut Page) -> Result<()> {
        let _text = Scratch::new();
        // SAFETY: the third and further columns are the values, which outlive the call.
        let tokens = unsafe { self.columns.tokens(page.model, |source| rows.value(n, source as i16 + 3)) };
        match tokens.and_then(|tokens| refuse_truncated(tokens, page)) {
            Ok(tokens) => {
                page.tokens += tokens.as_ref().map_or(0, |tokens| tokens.ids.len());
                page.rows.push(Row { place, version, tokens });
            }
            Err(report) if report.is_interrupt() => return Err(report),
            Err(report) => page.refused.push(((place, version), report)),
        }
        Ok(())
    }
}

/// Counts a text that is truncated, or refuses it, as `pg_embed.truncation` asks for.
fn refuse_truncated(tokens: Option<Tokens>, page: &mut Page) -> Result<Option<Tokens>> {
    if tokens.as_ref().is_some_and(|tokens| tokens.truncated) {
        page.model.backend.refuse_truncated()?;
        page.truncated += 1;
    }
    Ok(tokens)
}

/// # Safety
/// `place` is a tid.
pub unsafe fn place(place: Datum) -> Place {
    // SAFETY: the caller's promise.
    pgrx::itemptr::item_pointer_get_both(unsafe { *place.cast_mut_ptr() })
}

/// A place as a tid, in the current memory context.
pub fn tid((block, number): Place) -> Datum {
    // SAFETY: palloc gives room for one.
    unsafe {
        let tid = pg_sys::palloc(size_of::<pg_sys::ItemPointerData>()).cast::<pg_sys::ItemPointerData>();
        pgrx::itemptr::item_pointer_set_all(&mut *tid, block, number);
        Datum::from(tid)
    }
}

/// The types of place and version.
pub const PLACE_AND_VERSION: [Oid; 2] = [pg_sys::TIDOID, pg_sys::XIDOID];
