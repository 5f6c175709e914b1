//! A table of chunks: found, checked, and brought in step with one document at a time.
//!
//! All that is done to it is done as its owner, to whom the documents belong too: who writes a document need not be
//! allowed to write chunks.
#![allow(unsafe_code)]

use std::borrow::Cow;
use std::collections::HashMap;
use std::ffi::{CStr, CString};

use once_cell::unsync::OnceCell;
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{self, Datum, MemoryContext, Oid};

use crate::documents::cutting::Cutting;
use crate::model::chunks::Piece;
use crate::postgres::catalog::{self, Relation};
use crate::postgres::memory::{self, Within};
use crate::postgres::report::{Report, Result};
use crate::postgres::statement::Statement;
use crate::postgres::{spi, text};
use crate::table::access::{self, Table};
use crate::table::columns::{self, Choice, table_name};

/// Its columns beside the key, as `embed_chunks()` calls them.
pub const CHUNK_NO: &CStr = c"chunk_no";
pub const CHUNK: &CStr = c"chunk";
pub const START_CHAR: &CStr = c"start_char";
pub const TOKEN_COUNT: &CStr = c"token_count";
pub const EMBEDDING: &CStr = c"embedding";

/// So many chunks are written by one statement.
const AT_ONCE: usize = 1000;

/// What a table of chunks embeds.
pub fn choice(cutting: &Cutting) -> Choice {
    Choice { model: cutting.model.clone(), embedding: EMBEDDING.to_owned(), sources: vec![CHUNK.to_owned()] }
}

/// A column that tells of which document a chunk is.
struct KeyColumn {
    /// The column of the documents, by name: in a partition it may have another number.
    document: CString,
    /// The type of that.
    kind: Oid,
    /// The column here as it stands in SQL, and the operator that compares it with a value of the document's, on the left.
    name: String,
    operator: String,
}

/// A table of chunks, locked, and the statements that change it, which are prepared when they are needed.
pub struct ChunkTable {
    relation: Oid,
    /// The table's name as it stands in SQL.
    name: String,
    key: Vec<KeyColumn>,
    /// The type of its vectors.
    vector: Oid,
    /// Where the statements live.
    memory: MemoryContext,
    present: OnceCell<Statement>,
    update: OnceCell<Statement>,
    delete: OnceCell<Statement>,
    insert: OnceCell<Statement>,
}

/// A chunk that is there.
struct Present<'row> {
    text: Cow<'row, str>,
    start_char: i32,
    token_count: i32,
}

impl ChunkTable {
    /// Of documents, the whole of a partitioned table if it is one. Acts as the owner of `relation`, which is locked to be
    /// written.
    ///
    /// # Errors
    /// 42501 if the documents belong to somebody else, or row-level security hides chunks; 55000 if no foreign key refers
    /// to the documents; 42703 and 42804 if columns are not as they should be.
    pub fn open(relation: Relation, documents: Oid, cutting: &Cutting, vector: Oid) -> Result<Self> {
        refuse_another_owner(&relation, documents)?;
        access::refuse_row_security(&relation)?;
        let table = Table::open_to_write(relation, &choice(cutting), vector)?;
        let key = key(relation.oid, documents)?;
        for name in [CHUNK_NO, START_CHAR, TOKEN_COUNT] {
            refuse_unless_integer(relation.oid, name)?;
        }
        Ok(Self {
            relation: relation.oid,
            name: table.name().to_owned(),
            key,
            vector: table.columns.stored_type(),
            memory: memory::current(),
            present: OnceCell::new(),
            update: OnceCell::new(),
            delete: OnceCell::new(),
            insert: OnceCell::new(),
        })
    }

    /// The columns of the documents by which they are known, by name.
    pub fn key(&self) -> impl Iterator<Item = &CStr> {
        self.key.iter().map(|column| column.document.as_c_str())
    }

    /// Gives a document, known by its key, these chunks. What is there already stays as it is, with its vector; a chunk
    /// that has moved within the document takes its vector along.
    ///
    /// # Safety
    /// The values are those of the columns of [`key`](Self::key), none of them NULL.
    pub unsafe fn keep(&self, key: &[Datum], pieces: &[Piece<'_>]) -> Result<()> {
        let key: Vec<_> = key.iter().copied().map(Some).collect();
        // SAFETY: the caller's promise.
        unsafe {
            let rows = self.present()?.all(&key)?;
            let mut present = HashMap::new();
            // How many there are comes from the user.
            present.try_reserve(rows.len()).map_err(|_| out_of_memory(rows.len()))?;
            for row in 0..rows.len() {
                let Some(number) = rows.value(row, 1) else { continue };
                let integer = |column| rows.value(row, column).map_or(0, |value| value.value() as i32);
                let text = rows.value(row, 2).map_or(Ok(Default::default()), |value| text::utf8(value))?;
                let chunk = Present { text, start_char: integer(3), token_count: integer(4) };
                present.insert(number.value() as i32, chunk);
            }
            let (mut moved, mut new) = (text::vector_of(pieces.len())?, text::vector_of(pieces.len())?);
            for (piece, number) in pieces.iter().zip(1..) {
                if present.get(&number).is_none_or(|chunk| chunk.text != piece.text) {
                    new.push((number, piece));
                } else if let Some(chunk) = present.remove(&number)
                    && (chunk.start_char, chunk.token_count) != (piece.start_char, piece.token_count)
                {
                    moved.push((number, piece));
                }
            }
            let mut gone = text::vector_of(present.len())?;
            gone.extend(present.into_keys());
            let vectors = self.remove(&key, &gone)?;
            self.move_to(&key, &moved)?;
            self.add(&key, &new, &vectors)
        }
    }

    /// Deletes chunks; gives the vectors that they had, by text.
    ///
    /// # Safety
    /// As for [`keep`](Self::keep).
    unsafe fn remove<'row>(&self, key: &[Option<Datum>], numbers: &[i32]) -> Result<HashMap<Cow<'row, str>, Datum>> {
        let mut vectors = HashMap::new();
        vectors.try_reserve(numbers.len()).map_err(|_| out_of_memory(numbers.len()))?;
        for numbers in numbers.chunks(AT_ONCE) {
            let mut values = key.to_vec();
            // SAFETY: the caller's promise; the second column is a text.
            unsafe {
                values.push(Some(integers(numbers.iter().copied())));
                let rows = self.delete()?.all(&values)?;
                for row in 0..rows.len() {
                    if let (Some(text), Some(vector)) = (rows.value(row, 1), rows.value(row, 2)) {
                        vectors.insert(text::utf8(text)?, vector);
                    }
                }
            }
        }
        Ok(vectors)
    }

    /// # Safety
    /// As for [`keep`](Self::keep).
    unsafe fn move_to(&self, key: &[Option<Datum>], moved: &[(i32, &Piece<'_>)]) -> Result<()> {
        for moved in moved.chunks(AT_ONCE) {
            let mut values = key.to_vec();
            // SAFETY: the caller's promise.
            unsafe {
                values.push(Some(integers(moved.iter().map(|(number, _)| *number))));
                values.push(Some(integers(moved.iter().map(|(_, piece)| piece.start_char))));
                values.push(Some(integers(moved.iter().map(|(_, piece)| piece.token_count))));
                self.update()?.all(&values)?;
            }
        }
        Ok(())
    }

    /// # Safety
    /// As for [`keep`](Self::keep), with vectors of the column's type.
    unsafe fn add(
        &self,
        key: &[Option<Datum>],
        new: &[(i32, &Piece<'_>)],
        vectors: &HashMap<Cow<'_, str>, Datum>,
    ) -> Result<()> {
        for new in new.chunks(AT_ONCE) {
            let mut values = key.to_vec();
            let texts = new.iter().map(|(_, piece)| Some(text::to_datum(&piece.text)));
            let present: Vec<_> = new.iter().map(|(_, piece)| vectors.get(&*piece.text).copied()).collect();
            // SAFETY: the caller's promise.
            unsafe {
                values.push(Some(integers(new.iter().map(|(number, _)| *number))));
                values.push(Some(text::array(pg_sys::TEXTOID, texts)));
                values.push(Some(integers(new.iter().map(|(_, piece)| piece.start_char))));
                values.push(Some(integers(new.iter().map(|(_, piece)| piece.token_count))));
                values.push(Some(text::array(self.vector, present)));
                self.insert()?.all(&values)?;
            }
        }
        Ok(())
    }
}

/// The statements. The values of the key are their first parameters.
impl ChunkTable {
    fn prepared<'cell>(&self, cell: &'cell OnceCell<Statement>, sql: &str, more: &[Oid]) -> Result<&'cell Statement> {
        cell.get_or_try_init(|| {
            // SAFETY: what was current when the table was opened lives longer than what is for one document.
            let _memory = unsafe { Within::new(self.memory) };
            let types: Vec<_> = self.key.iter().map(|column| column.kind).chain(more.iter().copied()).collect();
            Ok(Statement::prepare(sql, self.relation, &types)?.of_latest())
        })
    }

    /// The chunks of the document.
    fn present(&self) -> Result<&Statement> {
        let (table, document) = (&self.name, self.is_of_document());
        let sql = format!("SELECT chunk_no, chunk, start_char, token_count FROM {table} AS c WHERE {document}");
        self.prepared(&self.present, &sql, &[])
    }

    /// Chunks that are the same, and stand elsewhere.
    fn update(&self) -> Result<&Statement> {
        let (table, document, [numbers, starts, counts]) = (&self.name, self.is_of_document(), self.after_key());
        let sql = format!(
            "UPDATE {table} AS c SET start_char = n.start_char, token_count = n.token_count FROM ROWS FROM (\
             pg_catalog.unnest({numbers}), pg_catalog.unnest({starts}), pg_catalog.unnest({counts})) \
             AS n (chunk_no, start_char, token_count) \
             WHERE {document} AND c.chunk_no OPERATOR(pg_catalog.=) n.chunk_no"
        );
        self.prepared(&self.update, &sql, &[pg_sys::INT4ARRAYOID; 3])
    }

    fn delete(&self) -> Result<&Statement> {
        let (table, document, [numbers]) = (&self.name, self.is_of_document(), self.after_key());
        let sql = format!(
            "DELETE FROM {table} AS c WHERE {document} AND c.chunk_no OPERATOR(pg_catalog.=) ANY ({numbers}) \
             RETURNING c.chunk, c.embedding"
        );
        self.prepared(&self.delete, &sql, &[pg_sys::INT4ARRAYOID])
    }

    fn insert(&self) -> Result<&Statement> {
        let names: Vec<_> = self.key.iter().map(|column| column.name.as_str()).collect();
        let values: Vec<_> = (1..=self.key.len()).map(|n| format!("${n}")).collect();
        let arrays: [String; 5] = self.after_key();
        let columns = "chunk_no, chunk, start_char, token_count, embedding";
        let sql = format!(
            "INSERT INTO {} ({}, {columns}) SELECT {}, {columns} FROM ROWS FROM ({}) AS n ({columns})",
            self.name,
            names.join(", "),
            values.join(", "),
            arrays.map(|array| format!("pg_catalog.unnest({array})")).join(", ")
        );
        let (integers, texts) = (pg_sys::INT4ARRAYOID, pg_sys::TEXTARRAYOID);
        // SAFETY: a lookup; every type of vectors has arrays.
        let vectors = unsafe { pg_sys::get_array_type(self.vector) };
        self.prepared(&self.insert, &sql, &[integers, texts, integers, integers, vectors])
    }

    fn is_of_document(&self) -> String {
        let columns = self.key.iter().zip(1..);
        let conditions = columns.map(|(column, n)| format!("${n} {} c.{}", column.operator, column.name));
        conditions.collect::<Vec<_>>().join(" AND ")
    }

    /// The parameters that come after those of the key.
    fn after_key<const N: usize>(&self) -> [String; N] {
        std::array::from_fn(|n| format!("${}", self.key.len() + n + 1))
    }
}

/// So many chunks are more than there is memory for.
fn out_of_memory(chunks: usize) -> embedder::Error {
    embedder::Error::OutOfMemory { bytes: Some(chunks.saturating_mul(size_of::<Present>())) }
}

fn integers(values: impl IntoIterator<Item = i32>) -> Datum {
    let values = values.into_iter().map(|value| Some(Datum::from(value)));
    // SAFETY: they are of that type.
    unsafe { text::array(pg_sys::INT4OID, values) }
}

/// The columns of the foreign key that refers to the documents.
fn key(table: Oid, documents: Oid) -> Result<Vec<KeyColumn>> {
    let key = catalog::foreign_keys(table).into_iter().find(|key| key.referenced == documents);
    let Some(key) = key else {
        let (table, documents) = (table_name(table), table_name(documents));
        let message = format!("table \"{table}\" has no foreign key that refers to table \"{documents}\"");
        return Err(Report::new(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, message)
            .detail("By the foreign key a chunk is known to be of a document, and is deleted with it.")
            .hint(format!(
                "ALTER TABLE {table} ADD FOREIGN KEY (...) REFERENCES {documents} ON UPDATE CASCADE ON DELETE CASCADE."
            )));
    };
    let column = |(here, there, operator): (i16, i16, Oid)| {
        Ok(KeyColumn {
            document: catalog::column_name(documents, there),
            kind: columns::column_type(documents, there),
            name: spi::identifier(&catalog::column_name(table, here))?,
            operator: spi::operator(operator)?,
        })
    };
    key.columns.into_iter().map(column).collect()
}

/// # Errors
/// 42703, 42804.
fn refuse_unless_integer(table: Oid, name: &CStr) -> Result<()> {
    let found = columns::column_type(table, columns::number(table, name)?);
    if found == pg_sys::INT4OID {
        return Ok(());
    }
    let detail = format!("Its type is {}, expected integer.", columns::type_name(found));
    Err(columns::wrong_type(table, name, detail, "It has to be an integer, as embed_chunks() gives it.".to_owned()))
}

/// Chunks are written as their owner, whoever writes a document: nobody else's documents can cause that.
///
/// # Errors
/// 42501.
fn refuse_another_owner(chunks: &Relation, documents: Oid) -> Result<()> {
    if access::find(documents)?.owner == chunks.owner {
        return Ok(());
    }
    let (chunks, documents) = (table_name(chunks.oid), table_name(documents));
    let message = format!("table \"{chunks}\" has another owner than table \"{documents}\", whose chunks it has");
    Err(Report::new(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, message)
        .detail("Chunks are written as the owner of their table.")
        .hint("ALTER TABLE ... OWNER TO the same role."))
}
