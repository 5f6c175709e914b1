//! `embed_watch_chunks()` and `embed_unwatch_chunks()`: a table that keeps the chunks of documents.
//!
//! The table and the trigger are made in the caller's own name, by ordinary statements, so that event triggers see them; it
//! is checked afterwards that they have met the tables that are meant. The trigger is the one record of what is cut and how:
//! it is a constraint trigger FROM the table of chunks, so that it is dropped with it, is dumped and restored, and knows
//! nothing of names.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{self, Oid};

use crate::background::{launcher, watch};
use crate::documents::chunk_table::{CHUNK, CHUNK_NO, ChunkTable, EMBEDDING, START_CHAR, TOKEN_COUNT, choice};
use crate::documents::cutting::Cutting;
use crate::documents::trigger::KEEP;
use crate::postgres::catalog::{self, Relation, Trigger};
use crate::postgres::memory::Scratch;
use crate::postgres::report::{Report, Result};
use crate::postgres::spi::{self, Spi};
use crate::postgres::statement::Statement;
use crate::postgres::{encoding, interrupt, text};
use crate::table::access;
use crate::table::columns::{self, Choice, Source, table_name};
use crate::table::trigger;

/// So many documents are read at a time.
const DOCUMENTS: u64 = 64;

/// When chunks get their vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vectors {
    /// Moments later, from the background worker.
    Worker,
    /// While they are written.
    AtOnce,
}

impl Vectors {
    /// # Errors
    /// 22023 for a name that is none.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "worker" => Ok(Self::Worker),
            "at_once" => Ok(Self::AtOnce),
            _ => Err(Report::new(
                PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("\"vectors\" cannot be \"{name}\""),
            )
            .hint("It can be \"worker\" and \"at_once\".")),
        }
    }
}

/// What is to be kept.
pub struct Wanted {
    /// The table of documents.
    pub target: Oid,
    /// The table of chunks, by a name that may have a schema; by default, that of the documents.
    pub chunks: CString,
    /// The columns of the documents that tell one from another; by default, those of the primary key.
    pub key: Option<Vec<CString>>,
    pub cutting: Cutting,
    pub vectors: Vectors,
}

/// `embed_watch_chunks(...)`; `called` is that function. Gives the table of chunks.
pub fn watch(called: Oid, wanted: &Wanted) -> Result<Oid> {
    spi::refuse_read_only(c"embed_watch_chunks()")?;
    if wanted.vectors == Vectors::Worker {
        launcher::refuse_unless_preloaded()
            .map_err(|report| report.hint("Add pg_embed to shared_preload_libraries in postgresql.conf and restart the server, or give vectors => 'at_once'."))?;
    }
    // Before the table is locked: it may take seconds to compile a model; and it is seen whether all the options are right.
    wanted.cutting.cut(Some(""))?;
    let extension = catalog::extension_of(called).ok_or_else(spi::changed)?;
    let documents = lock(wanted.target)?;
    let watcher = Watcher { documents, extension, vector: columns::vector_type(called)?, wanted };
    watcher.refuse_unfit()?;
    let chunks = spi::connect(|spi| {
        let chunks = watcher.find_or_create(spi)?;
        watcher.create_trigger(spi, chunks)?;
        Ok(chunks)
    })?;
    watcher.embed(called, chunks)?;
    watcher.fill(chunks)?;
    Ok(chunks)
}

/// `embed_unwatch_chunks(target regclass, chunks regclass)`
pub fn unwatch(called: Oid, target: Oid, chunks: Oid) -> Result<()> {
    spi::refuse_read_only(c"embed_unwatch_chunks()")?;
    let extension = catalog::extension_of(called).ok_or_else(spi::changed)?;
    lock(target)?;
    let Some(trigger) = keeping(extension, target, chunks) else {
        let (documents, chunks) = (table_name(target), table_name(chunks));
        let message = format!("table \"{chunks}\" does not keep the chunks of table \"{documents}\"");
        return Err(Report::new(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, message)
            .hint("The triggers of a table of documents show its tables of chunks: \\d in psql."));
    };
    spi::connect(|spi| trigger::drop(spi, &trigger))
}

/// A table of documents that its owner, or who may act as that, is about to change. Nobody writes documents meanwhile.
///
/// # Errors
/// 42501.
fn lock(target: Oid) -> Result<Relation> {
    let refuse = |relation: &Relation| {
        access::refuse_unless_owner(relation, "To keep chunks takes a trigger on the table of the documents.")
    };
    refuse(&access::find(target)?)?;
    let relation = access::lock(target, pg_sys::ShareRowExclusiveLock)?;
    refuse(&relation)?;
    Ok(relation)
}

/// The trigger of a table of documents that keeps a table of chunks.
fn keeping(extension: Oid, documents: Oid, chunks: Oid) -> Option<Trigger> {
    let function = catalog::member(extension, KEEP)?;
    let is_it = |trigger: &Trigger| trigger.function == function && trigger.other_table == Some(chunks);
    catalog::triggers_on(documents).into_iter().find(is_it)
}

struct Watcher<'wanted> {
    documents: Relation,
    extension: Oid,
    /// pgvector's type.
    vector: Oid,
    wanted: &'wanted Wanted,
}

impl Watcher<'_> {
    /// # Errors
    /// 42809 if it is no table, 0A000 if Citus keeps its rows elsewhere, 42703 and 42804 for a source that is no text.
    fn refuse_unfit(&self) -> Result<()> {
        let target = self.documents.oid;
        access::refuse_unless_table(&self.documents)?;
        if catalog::shards(target).is_some() {
            let message = format!("table \"{}\" is kept in shards by Citus", table_name(target));
            return Err(Report::new(PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED, message)
                .detail("Its rows are in other tables, also on other servers, where a trigger would not be known.")
                .hint("INSERT the chunks with embed_chunks() where the documents are written."));
        }
        Source::resolve(target, &self.wanted.cutting.source)?;
        access::refuse_row_security(&self.documents)
    }

    /// The table of chunks, as it is or made anew.
    fn find_or_create(&self, spi: &Spi) -> Result<Oid> {
        let (schema, name) = self.name_of_chunks()?;
        // SAFETY: lookups.
        let find = || unsafe { pg_sys::get_relname_relid(name.as_ptr(), schema) };
        let mut chunks = find();
        if chunks == Oid::INVALID {
            self.create(spi, schema, &name)?;
            chunks = find();
        }
        let relation = access::lock(chunks, pg_sys::ShareRowExclusiveLock)?;
        access::refuse_unless_table(&relation)
            .map_err(|report| report.hint("Give a name that is free, or that of a table of chunks."))?;
        access::refuse_unless_owner(&relation, "A table of chunks belongs to who owns the documents.")?;
        // Says what is wrong with it, if anything.
        let _identity = access::as_owner(&relation);
        ChunkTable::open(relation, self.documents.oid, &self.wanted.cutting, self.vector)?;
        Ok(chunks)
    }

    /// Schema and name.
    ///
    /// # Errors
    /// 42602 for what is no name, 3F000 for a schema that is not there.
    fn name_of_chunks(&self) -> Result<(Oid, CString)> {
        let given = text::to_datum(&text::from_server(&self.wanted.chunks)?);
        // SAFETY: a text; a list of one to three names of which the strings live as long as the call.
        unsafe {
            let range = pg_sys::makeRangeVarFromNameList(pg_sys::textToQualifiedNameList(given.cast_mut_ptr()));
            let schema = match (*range).schemaname.is_null() {
                true => self.documents.schema,
                false => pg_sys::LookupExplicitNamespace((*range).schemaname, false),
            };
            Ok((schema, CStr::from_ptr((*range).relname).to_owned()))
        }
    }

    fn create(&self, spi: &Spi, schema: Oid, name: &CStr) -> Result<()> {
        let documents = self.documents.oid;
        let key = match &self.wanted.key {
            Some(names) => names.iter().map(|name| columns::number(documents, name)).collect::<Result<Vec<_>>>()?,
            None => catalog::primary_key(documents),
        };
        if key.is_empty() {
            let message = format!("table \"{}\" has no primary key", table_name(documents));
            return Err(Report::new(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, message)
                .detail("Each chunk tells of which document it is.")
                .hint("ALTER TABLE ... ADD PRIMARY KEY, or name the columns of another unique key: key => '{...}'."));
        }
        let mut columns = Vec::new();
        let mut names = Vec::new();
        for number in key {
            let name = catalog::column_name(documents, number);
            self.refuse_taken(&name)?;
            let name = spi::identifier(&name)?;
            columns.push(format!("{name} {} NOT NULL", columns::declared_type(documents, number)?));
            names.push(name);
        }
        let names = names.join(", ");
        let integer = "pg_catalog.int4 NOT NULL";
        let (vector, dimensions) = (spi::type_name(self.vector, -1)?, self.wanted.cutting.model.dimensions()?);
        columns.extend([
            format!("chunk_no {integer}"),
            "chunk pg_catalog.text NOT NULL".to_owned(),
            format!("start_char {integer}"),
            format!("token_count {integer}"),
            format!("embedding {vector}({dimensions})"),
            format!("PRIMARY KEY ({names}, chunk_no)"),
            format!(
                "FOREIGN KEY ({names}) REFERENCES {} ({names}) ON UPDATE CASCADE ON DELETE CASCADE",
                spi::qualified(documents)?
            ),
        ]);
        let kind = if self.documents.persistence == pg_sys::RELPERSISTENCE_UNLOGGED { "UNLOGGED " } else { "" };
        let table = spi::in_schema(schema, name)?;
        spi.execute(&format!("CREATE {kind}TABLE {table} ({})", columns.join(", ")))?;
        let comment = format!("the chunks of {}, which pg_embed keeps in step", table_name(documents));
        spi.execute(&format!("COMMENT ON TABLE {table} IS {}", spi::literal(&comment)?))?;
        // SAFETY: a lookup.
        let made = unsafe { pg_sys::get_relname_relid(name.as_ptr(), schema) };
        if access::find(made)?.owner != self.documents.owner {
            // SAFETY: gives a palloc'd string; the role is there.
            let owner = unsafe { CStr::from_ptr(pg_sys::GetUserNameFromId(self.documents.owner, false)) };
            spi.execute(&format!("ALTER TABLE {table} OWNER TO {}", spi::identifier(owner)?))?;
        }
        Ok(())
    }

    /// # Errors
    /// 42701 if a column of the key has the name of another column of the table of chunks.
    fn refuse_taken(&self, name: &CStr) -> Result<()> {
        if ![CHUNK_NO, CHUNK, START_CHAR, TOKEN_COUNT, EMBEDDING].contains(&name) {
            return Ok(());
        }
        let name = encoding::to_utf8_lossy(name);
        let message = format!("column \"{name}\" of the key has the name of a column that all tables of chunks have");
        Err(Report::new(PgSqlErrorCode::ERRCODE_DUPLICATE_COLUMN, message).hint(
            "CREATE TABLE for the chunks first, with another name for that column and a foreign key to the documents; \
             then call embed_watch_chunks() again.",
        ))
    }

    /// Makes the trigger, in the place of one with other arguments.
    fn create_trigger(&self, spi: &Spi, chunks: Oid) -> Result<()> {
        let present = keeping(self.extension, self.documents.oid, chunks);
        if let Some(present) = &present {
            if Cutting::of_trigger(&present.arguments).as_ref() == Some(&self.wanted.cutting) {
                return Ok(());
            }
            trigger::drop(spi, present)?;
        }
        let function = spi::function(catalog::member(self.extension, KEEP).ok_or_else(spi::changed)?)?;
        spi.execute(&format!(
            "CREATE CONSTRAINT TRIGGER embed_watch_chunks_{chunks} AFTER INSERT OR UPDATE OR DELETE ON {} FROM {} \
             NOT DEFERRABLE FOR EACH ROW EXECUTE FUNCTION {function}({})",
            spi::qualified(self.documents.oid)?,
            spi::qualified(chunks)?,
            spi::literals(&self.wanted.cutting.arguments())?
        ))?;
        // A name may have stood for something else: then nothing of it remains.
        let made = keeping(self.extension, self.documents.oid, chunks).ok_or_else(spi::changed)?;
        trigger::enable(spi, &made, present.map_or(made.enabled, |present| present.enabled))
    }

    /// Has the table of chunks embed itself, unless it does so already.
    fn embed(&self, called: Oid, chunks: Oid) -> Result<()> {
        let choice = choice(&self.wanted.cutting);
        if self.wanted.vectors == Vectors::Worker {
            return watch::watch(called, chunks, &choice);
        }
        let is_its = |trigger: &&Trigger| trigger::vector_column(trigger) == Some(&choice.embedding);
        let triggers = catalog::triggers_on(chunks);
        let at_work =
            triggers.iter().filter(|it| trigger::embeds(it.function) || trigger::marks(it.function)).find(is_its);
        match at_work {
            None => self.create_embedding_trigger(chunks, &choice),
            Some(present)
                if trigger::choice(present).as_ref() == Some(&choice) && trigger::embeds(present.function) =>
            {
                Ok(())
            }
            Some(present) => {
                let (name, chunks) = (encoding::to_utf8_lossy(&present.name), table_name(chunks));
                let message = format!("trigger \"{name}\" of table \"{chunks}\" fills the vectors in another way");
                Err(Report::new(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, message).hint(
                    "embed_unwatch() or DROP TRIGGER ends that; vectors of another model have to be emptied too.",
                ))
            }
        }
    }

    fn create_embedding_trigger(&self, chunks: Oid, choice: &Choice) -> Result<()> {
        let function = trigger::embedding(self.extension, choice.is_with_model()).ok_or_else(spi::changed)?;
        spi::connect(|spi| {
            spi.execute(&format!(
                "CREATE TRIGGER embed_chunks BEFORE INSERT OR UPDATE ON {} FOR EACH ROW EXECUTE FUNCTION {}({})",
                spi::qualified(chunks)?,
                spi::function(function)?,
                spi::literals(&choice.arguments())?
            ))?;
            let is_it = |it: &Trigger| it.function == function && trigger::vector_column(it) == Some(&choice.embedding);
            let made = catalog::triggers_on(chunks).into_iter().find(is_it);
            // A subscriber that receives the documents alone cuts and embeds them itself.
            trigger::enable(spi, &made.ok_or_else(spi::changed)?, b'A')
        })
    }

    /// Brings all documents in step.
    fn fill(&self, chunks: Oid) -> Result<()> {
        let relation = access::find(chunks)?;
        let _identity = access::as_owner(&relation);
        access::refuse_row_security(&self.documents)?;
        let documents = self.documents.oid;
        let chunks = ChunkTable::open(relation, documents, &self.wanted.cutting, self.vector)?;
        let source = Source::resolve(documents, &self.wanted.cutting.source)?;
        let mut columns = chunks.key().map(spi::identifier).collect::<Result<Vec<_>>>()?;
        let key = columns.len();
        columns.push(spi::identifier(&self.wanted.cutting.source)?);
        let sql = format!("SELECT {} FROM {}", columns.join(", "), spi::qualified(documents)?);
        // SAFETY: a statement without parameters; the rows live as long as the memory that is current.
        unsafe {
            let mut running = Statement::prepare(&sql, documents, &[])?.start(&[])?;
            loop {
                let _memory = Scratch::new();
                let rows = running.fetch(DOCUMENTS)?;
                for row in 0..rows.len() {
                    interrupt::check();
                    let _memory = Scratch::new();
                    let values: Option<Vec<_>> = (1..=key as i16).map(|column| rows.value(row, column)).collect();
                    let Some(values) = values else { continue };
                    let text = rows.value(row, key as i16 + 1).map_or(Ok(None), |value| source.text(value))?;
                    let pieces = self.wanted.cutting.cut(text.as_deref())?;
                    chunks.keep(&values, &pieces)?;
                }
                if (rows.len() as u64) < DOCUMENTS {
                    return running.finish();
                }
            }
        }
    }
}
