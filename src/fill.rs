//! Filling a vector column: locks some rows of a table, embeds their texts, and stores the vectors, in the transaction
//! that the caller is in. What is done at once or left for later is the caller's choice.
#![allow(unsafe_code)]

use std::ffi::CString;

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{self, Datum, Oid};

use crate::columns::{Columns, table_name};
use crate::report::{Report, Result};
use crate::spi::{self, Spi};
use crate::{backend, vector};

/// Which columns of a table are meant, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub embedding: CString,
    pub sources: Vec<CString>,
}

/// A table and its columns as they are in this transaction.
pub struct Table {
    /// Name and columns as they stand in SQL.
    name: String,
    embedding: String,
    sources: Vec<String>,
    columns: Columns,
    vector: Oid,
}

/// Where a row lies: block and number in it.
pub type Place = (u32, u16);

/// Which rows are meant. The first string is a condition in SQL.
pub enum Condition {
    /// Those after a place and before a block; in the order of their places.
    InRange(String, Place, u32),
    /// Those anywhere in the table.
    Anywhere(String),
}

impl Condition {
    pub fn sql(&self) -> String {
        match self {
            Self::InRange(condition, (block, number), end) => format!(
                "ctid OPERATOR(pg_catalog.>) '({block},{number})'::pg_catalog.tid \
                 AND ctid OPERATOR(pg_catalog.<) '({end},0)'::pg_catalog.tid AND {condition}"
            ),
            Self::Anywhere(condition) => condition.clone(),
        }
    }
}

/// What became of the rows that were looked for.
#[derive(Debug, Default)]
pub struct Filled {
    /// Rows that met the condition and were not locked by others.
    pub found: usize,
    /// Rows that got their vector.
    pub filled: usize,
    /// Rows of which only the first 256 tokens are in the vector.
    pub truncated: usize,
    /// Place of the last row found.
    pub last: Option<Place>,
}

impl Table {
    /// # Errors
    /// 42P01 if the table is gone, 42501 if row-level security hides rows of it from the user, and whatever
    /// [`Columns::resolve`] fails with.
    pub fn open(table: Oid, choice: &Choice, vector: Oid) -> Result<Self> {
        let name = spi::qualified(table)?;
        refuse_row_security(table)?;
        Ok(Self {
            name,
            embedding: spi::identifier(&choice.embedding)?,
            sources: choice.sources.iter().map(|name| spi::identifier(name)).collect::<Result<_>>()?,
            columns: Columns::resolve(table, &choice.embedding, &choice.sources, vector)?,
            vector,
        })
    }

    /// The vector column's number.
    pub fn embedding_number(&self) -> i16 {
        self.columns.embedding
    }

    /// The condition that a row has a text.
    pub fn has_text(&self) -> String {
        let sources = self.columns.sources.iter().zip(&self.sources);
        let conditions: Vec<_> = sources.map(|(source, name)| source.has_text(name)).collect();
        format!("({})", conditions.join(" OR "))
    }

    /// The condition that a row lacks its vector.
    pub fn is_missing(&self) -> String {
        format!("({} IS NULL AND {})", self.embedding, self.has_text())
    }

    /// The same as far as the condition of an index can tell.
    pub fn is_missing_for_index(&self) -> String {
        let sources: Vec<_> = self.sources.iter().map(|name| format!("{name} IS NOT NULL")).collect();
        format!("{} IS NULL AND ({})", self.embedding, sources.join(" OR "))
    }

    /// The condition that a row has a vector or should have one.
    pub fn is_concerned(&self) -> String {
        format!("({} IS NOT NULL OR {})", self.embedding, self.has_text())
    }

    /// How many blocks the table has, children left aside.
    pub fn blocks(&self, spi: &Spi) -> Result<u32> {
        let bytes = spi.number(&format!("SELECT pg_catalog.pg_relation_size({})", spi::literal(&self.name)?))?;
        Ok((bytes / i64::from(pg_sys::BLCKSZ)) as u32)
    }

    /// How many rows of the table, children left aside, meet `condition`.
    pub fn count(&self, spi: &Spi, condition: &str) -> Result<i64> {
        spi.number(&format!("SELECT pg_catalog.count(*) FROM ONLY {} WHERE {condition}", self.name))
    }

    /// Where at most `limit` of the rows lie that meet `condition`.
    pub fn places(&self, spi: &Spi, condition: &str, limit: usize) -> Result<Vec<Place>> {
        let sql = format!("SELECT ctid FROM ONLY {} WHERE {condition} LIMIT {limit}", self.name);
        let rows = spi.execute(&sql)?;
        // SAFETY: a ctid is a tid, and never null.
        Ok((0..rows.len())
            .filter_map(|row| rows.value(row, 1))
            .map(|place| unsafe { block_and_number(place) })
            .collect())
    }

    /// Gives at most `limit` of the rows that meet `condition` the vectors of their present texts. Rows that others
    /// have locked are left out; those that are found stay locked to the end of the transaction.
    pub fn fill(&self, spi: &Spi, condition: &Condition, limit: usize, threads: usize) -> Result<Filled> {
        // The casts fix the types, whatever ALTER TABLE does meanwhile.
        let values: Vec<_> =
            self.columns.sources.iter().zip(&self.sources).map(|(source, name)| source.cast(name)).collect();
        let select = format!(
            "SELECT ctid, {} FROM ONLY {} WHERE {} LIMIT {limit} FOR NO KEY UPDATE SKIP LOCKED",
            values.join(", "),
            self.name,
            condition.sql()
        );
        let rows = match condition {
            Condition::InRange(..) => spi.by_place(|| spi.execute(&select))?,
            Condition::Anywhere(_) => spi.execute(&select)?,
        };
        let text = |row: usize| {
            // SAFETY: the values are texts and arrays of texts, and live as long as the connection.
            unsafe { self.columns.text(|source| rows.value(row, source as i32 + 2)) }
        };
        let texts = (0..rows.len()).map(text).collect::<Result<Vec<_>>>()?;
        let batch = backend::embed_many(texts.iter().flatten().map(|text| &**text).collect(), threads)?;
        let truncated = batch.truncated().map_or(0, |truncated| truncated.texts);
        if truncated > 0 {
            backend::refuse_truncated()?;
        }
        let vectors = batch.into_vectors();
        let mut vectors = vectors.rows().into_iter();
        let update =
            format!("UPDATE ONLY {} SET {} = $2 WHERE ctid OPERATOR(pg_catalog.=) $1", self.name, self.embedding);
        let update = spi.prepare(&update, [pg_sys::TIDOID, self.vector])?;
        let mut filled = Filled { found: rows.len(), truncated, ..Filled::default() };
        for (row, text) in texts.iter().enumerate() {
            let vector = text.as_ref().and_then(|_| vectors.next()).map(vector::to_datum);
            let place = rows.value(row, 1);
            // SAFETY: a place and a vector. The row is locked, so it is still there.
            filled.filled += unsafe { update.execute([place, vector]) }? as usize;
            filled.last = place.map(|place| unsafe { block_and_number(place) });
        }
        Ok(filled)
    }
}

/// The tables that the rows of `target` are in: itself, or its partitions; with `children`, those that inherit from it
/// too.
///
/// # Errors
/// 42P01 if it is gone, 42809 if it, or one of them, is something else than a table.
pub fn tables_with_rows(spi: &Spi, target: Oid, children: bool) -> Result<Vec<Oid>> {
    let found = spi.execute(&format!(
        "WITH RECURSIVE tree AS (SELECT {target}::pg_catalog.oid AS oid \
         UNION SELECT i.inhrelid FROM tree \
         JOIN pg_catalog.pg_inherits AS i ON i.inhparent OPERATOR(pg_catalog.=) tree.oid \
         JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) i.inhrelid \
         WHERE c.relispartition OR {children}) \
         SELECT c.oid, c.relkind FROM pg_catalog.pg_class AS c JOIN tree ON tree.oid OPERATOR(pg_catalog.=) c.oid"
    ))?;
    if found.len() == 0 {
        // Says that it is gone.
        spi::qualified(target)?;
    }
    let mut tables = Vec::new();
    for row in 0..found.len() {
        let value = |column| found.value(row, column).map_or(0, |value| value.value());
        let table = Oid::from(value(1) as u32);
        match value(2) as u8 {
            pg_sys::RELKIND_PARTITIONED_TABLE => {}
            pg_sys::RELKIND_RELATION => tables.push(table),
            _ => return Err(not_a_table(table)),
        }
    }
    Ok(tables)
}

fn not_a_table(relation: Oid) -> Report {
    let message = format!("\"{}\" is not a table", table_name(relation));
    Report::new(PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE, message)
        .detail("Vectors can be stored in ordinary and partitioned tables, not in views and foreign tables.")
}

/// # Safety
/// `place` is a tid.
unsafe fn block_and_number(place: Datum) -> Place {
    // SAFETY: the caller's promise.
    pgrx::itemptr::item_pointer_get_both(unsafe { *place.cast_mut_ptr() })
}

/// Row-level security makes rows disappear without a word: better not to begin.
fn refuse_row_security(table: Oid) -> Result<()> {
    // SAFETY: a catalogue lookup for the current user.
    let enabled = unsafe { pg_sys::check_enable_rls(table, Oid::INVALID, true) };
    if enabled as u32 != pg_sys::CheckEnableRlsResult::RLS_ENABLED as u32 {
        return Ok(());
    }
    let message = format!("row-level security hides rows of table \"{}\" from the current user", table_name(table));
    Err(Report::new(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, message)
        .detail("Hidden rows would be left out without a word.")
        .hint("Do it as the owner of the table, or as a role with BYPASSRLS."))
}
