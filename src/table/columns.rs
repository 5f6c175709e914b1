//! The columns that are embedded: found by name in a table, checked, and joined to one text per row.
#![allow(unsafe_code)]

use std::borrow::Cow;
use std::cell::Cell;
use std::ffi::{CStr, CString};

use embedder::Tokens;
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{self, Datum, Oid};

use crate::model::registry::{Model, Named};
use crate::postgres::report::{Report, Result};
use crate::postgres::{catalog, encoding, spi, text, vector};

/// How much of a text is read first. Nearly always it is enough for the tokens that the model reads; where it is not,
/// four times as much is read, and so on.
const FIRST_BYTES: usize = 1 << 14;

/// What there is for those who want the text of something else than columns.
const OF_EXPRESSION: &str = "What an expression gives, such as a field of a jsonb column, is embedded by a generated column: \
     ADD COLUMN ... vector(384) GENERATED ALWAYS AS (embed_text(doc->>'title')) STORED.";

/// The text of a row.
pub type Text<'row> = Cow<'row, str>;

/// Which columns of a table are meant, by name, and which model.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Choice {
    pub model: Named,
    pub embedding: CString,
    pub sources: Vec<CString>,
}

impl Choice {
    /// What a trigger's arguments say: with a model, its name and that of a prompt first, which is empty for the model's
    /// own; then the vector column and its sources. `None` if a name is missing.
    pub fn of_trigger<N: AsRef<CStr>>(arguments: &[N], with_model: bool) -> Option<Self> {
        let mut names = arguments.iter().map(|name| name.as_ref().to_owned());
        let model = match with_model {
            true => Named { model: Some(names.next()?), prompt: names.next().filter(|prompt| !prompt.is_empty()) },
            false => Named::default(),
        };
        Some(Self { model, embedding: names.next()?, sources: names.collect() }).filter(|it| !it.sources.is_empty())
    }

    /// The arguments of a trigger that says so.
    pub fn arguments(&self) -> Vec<CString> {
        let model =
            self.model.model.iter().flat_map(|model| [model.clone(), self.model.prompt.clone().unwrap_or_default()]);
        model.chain([self.embedding.clone()]).chain(self.sources.iter().cloned()).collect()
    }

    /// The trigger function that it takes, of the two that do the same without a model and with one.
    pub fn is_with_model(&self) -> bool {
        self.model.model.is_some()
    }
}

/// A vector column and the columns whose text it stands for, in one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    pub embedding: i16,
    pub sources: Vec<Source>,
    pub model: Named,
    types: VectorTypes,
}

/// The type of a vector column, and pgvector's type `vector`, in which vectors are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct VectorTypes {
    column: Oid,
    vector: Oid,
}

/// A column with text in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub number: i16,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Array,
}

impl Columns {
    /// Looks the columns up by name. `vector` is pgvector's type.
    ///
    /// # Errors
    /// 42703 for a column that the table does not have, 42804 for one of the wrong type.
    pub fn resolve(table: Oid, choice: &Choice, vector: Oid) -> Result<Self> {
        let Choice { model, embedding, sources } = choice;
        let number = number(table, embedding)?;
        let column = vector_column_type(table, embedding, number, vector, model.dimensions()?)?;
        let sources = sources.iter().map(|name| Source::resolve(table, name)).collect::<Result<_>>()?;
        Ok(Self { embedding: number, sources, model: model.clone(), types: VectorTypes { column, vector } })
    }

    /// The type of the vector column.
    pub fn stored_type(&self) -> Oid {
        self.types.column
    }

    /// Whether the vector column has half the precision.
    pub fn is_half(&self) -> bool {
        self.types.column != self.types.vector
    }

    /// A `vector` as a value of the vector column.
    pub fn to_stored(&self, vector: Datum) -> Datum {
        if self.is_half() { vector::cast(vector, self.types.vector, self.types.column) } else { vector }
    }

    /// A value of the vector column as a `vector`.
    pub fn to_vector(&self, stored: Datum) -> Datum {
        if self.is_half() { vector::cast(stored, self.types.column, self.types.vector) } else { stored }
    }

    /// The numbers of all of them.
    pub fn numbers(&self) -> impl Iterator<Item = i16> {
        std::iter::once(self.embedding).chain(self.sources.iter().map(|source| source.number))
    }

    /// The text of a row: its values joined by a space, NULLs left out; `None` if all are NULL. `value` gives the
    /// value of the n-th source.
    ///
    /// # Safety
    /// The values have the types of the columns, and live until the memory context they are in is reset.
    pub unsafe fn text<'row>(&self, value: impl Fn(usize) -> Option<Datum>) -> Result<Option<Text<'row>>> {
        let mut joined = None;
        for (n, source) in self.sources.iter().enumerate() {
            let Some(datum) = value(n) else { continue };
            // SAFETY: the caller's promise.
            unsafe { source.join_to(&mut joined, datum) }?;
        }
        Ok(joined)
    }
}

impl Columns {
    /// Whether a row has a text, told without reading one. `value` gives the value of the n-th source.
    ///
    /// # Safety
    /// As for [`text`](Self::text).
    pub unsafe fn has_text(&self, value: impl Fn(usize) -> Option<Datum>) -> bool {
        self.sources.iter().enumerate().any(|(n, source)| match (source.kind, value(n)) {
            (_, None) => false,
            (Kind::Text, Some(_)) => true,
            // SAFETY: the value is an array.
            (Kind::Array, Some(array)) => unsafe { text::has_element(array) },
        })
    }

    /// The tokens of a row's text, `None` if it has none. Of a long text no more is read than it takes.
    ///
    /// # Safety
    /// As for [`text`](Self::text).
    pub unsafe fn tokens(&self, model: Model, value: impl Fn(usize) -> Option<Datum>) -> Result<Option<Tokens>> {
        let tokenizer = model.backend.embedder.tokenizer();
        let mut limit = FIRST_BYTES;
        loop {
            // SAFETY: the caller's promise.
            let Some((text, is_whole)) = (unsafe { self.head(&value, limit) })? else { return Ok(None) };
            let text = model.prompted(&text);
            if is_whole {
                return Ok(Some(tokenizer.encode(&text)?));
            }
            if let Some(tokens) = tokenizer.encode_start(&text)? {
                return Ok(Some(tokens));
            }
            limit *= 4;
        }
    }

    /// The beginning of a row's text, and whether it is the whole text; `None` if the row has none.
    ///
    /// # Safety
    /// As for [`text`](Self::text).
    unsafe fn head<'row>(
        &self,
        value: impl Fn(usize) -> Option<Datum>,
        limit: usize,
    ) -> Result<Option<(Text<'row>, bool)>> {
        let mut joined = None;
        for (n, source) in self.sources.iter().enumerate() {
            let Some(datum) = value(n) else { continue };
            match source.kind {
                Kind::Text => {
                    // SAFETY: the value is a text.
                    let head = unsafe { text::head(datum, limit) }?;
                    join(&mut joined, head.text);
                    if !head.is_whole {
                        return Ok(joined.map(|text| (text, false)));
                    }
                }
                // SAFETY: the caller's promise.
                Kind::Array => unsafe { source.join_to(&mut joined, datum) }?,
            }
        }
        Ok(joined.map(|text| (text, true)))
    }
}

/// Adds a value to the text of a row.
fn join<'row>(joined: &mut Option<Text<'row>>, value: Text<'row>) {
    match joined {
        None => *joined = Some(value),
        Some(joined) => {
            let joined = joined.to_mut();
            joined.push(' ');
            joined.push_str(&value);
        }
    }
}

impl Source {
    /// Looks a column with text up by name.
    ///
    /// # Errors
    /// 42703 if the table has none of that name, 42804 if it is of another type.
    pub fn resolve(table: Oid, name: &CStr) -> Result<Self> {
        let number = number(table, name)?;
        Ok(Self { number, kind: kind(table, name, number)? })
    }

    /// The text of a value, the elements of an array joined by a space; `None` if there is none.
    ///
    /// # Safety
    /// The value has the type of the column, and lives until the memory context it is in is reset.
    pub unsafe fn text<'row>(&self, value: Datum) -> Result<Option<Text<'row>>> {
        let mut joined = None;
        // SAFETY: the caller's promise.
        unsafe { self.join_to(&mut joined, value) }?;
        Ok(joined)
    }

    /// Adds the text of a value to that of a row.
    ///
    /// # Safety
    /// As for [`text`](Self::text).
    unsafe fn join_to<'row>(&self, joined: &mut Option<Text<'row>>, value: Datum) -> Result<()> {
        match self.kind {
            // SAFETY: the value is a text.
            Kind::Text => join(joined, unsafe { text::utf8(value) }?),
            Kind::Array => {
                // SAFETY: the value is an array of texts.
                let elements = unsafe { text::elements(value) }?;
                elements.into_iter().flatten().for_each(|element| join(joined, element));
            }
        }
        Ok(())
    }

    /// The column `name`, quoted as needed, as a text or an array of texts.
    pub fn cast(&self, name: &str) -> String {
        match self.kind {
            Kind::Text => format!("{name}::pg_catalog.text"),
            Kind::Array => format!("{name}::pg_catalog.text[]"),
        }
    }

    /// A condition in SQL that holds where the column `name`, quoted as needed, has a text.
    pub fn has_text(&self, name: &str) -> String {
        match self.kind {
            Kind::Text => format!("{name} IS NOT NULL"),
            Kind::Array => format!(
                "({name} IS NOT NULL AND EXISTS (SELECT FROM pg_catalog.unnest({name}) AS e WHERE e IS NOT NULL))"
            ),
        }
    }

    /// The same as far as the condition of an index can tell, which may have no subquery: an array of several dimensions
    /// in which all is NULL passes too.
    pub fn may_have_text(&self, name: &str) -> String {
        match self.kind {
            Kind::Text => format!("{name} IS NOT NULL"),
            Kind::Array => {
                let array = self.cast(name);
                format!(
                    "({name} IS NOT NULL AND CASE WHEN pg_catalog.array_ndims({name}) OPERATOR(pg_catalog.=) 1 \
                     THEN pg_catalog.cardinality(pg_catalog.array_remove({array}, NULL)) OPERATOR(pg_catalog.>) 0 \
                     ELSE pg_catalog.cardinality({name}) OPERATOR(pg_catalog.>) 0 END)"
                )
            }
        }
    }
}

/// Fails if PostgreSQL computes one of the columns: such columns cannot be written, and get their values only after
/// triggers have run.
///
/// # Errors
/// 42P10.
pub fn refuse_generated(table: Oid, columns: &Columns) -> Result<()> {
    refuse_generated_vector(table, columns.embedding)?;
    let hint = "Name the columns that it is generated from as sources.";
    columns.sources.iter().try_for_each(|source| refuse_if_generated(table, source.number, hint))
}

/// The same for the vector column alone.
pub fn refuse_generated_vector(table: Oid, number: i16) -> Result<()> {
    refuse_if_generated(table, number, "It needs nothing else: PostgreSQL computes it whenever a row is written.")
}

fn refuse_if_generated(table: Oid, number: i16, hint: &str) -> Result<()> {
    // SAFETY: a catalogue lookup of a column that exists.
    if unsafe { pg_sys::get_attgenerated(table, number) } == 0 {
        return Ok(());
    }
    let name = column_name(table, number);
    let message = format!("column \"{name}\" of relation \"{}\" is generated", table_name(table));
    Err(Report::new(PgSqlErrorCode::ERRCODE_INVALID_COLUMN_REFERENCE, message)
        .detail("PostgreSQL computes it itself, after triggers have run.")
        .hint(hint))
}

/// Fails if the vector column has a default: a row that brings no vector could not be told from one that does.
///
/// # Errors
/// 42P10.
pub fn refuse_default(table: Oid, embedding: i16) -> Result<()> {
    if !catalog::attribute(table, embedding).is_some_and(|attribute| attribute.has_default) {
        return Ok(());
    }
    let name = column_name(table, embedding);
    let message = format!("column \"{name}\" of relation \"{}\" has a default", table_name(table));
    Err(Report::new(PgSqlErrorCode::ERRCODE_INVALID_COLUMN_REFERENCE, message)
        .detail("A row that brings no vector could not be told from one that does, and would keep the default.")
        .hint("ALTER TABLE ... ALTER COLUMN ... DROP DEFAULT."))
}

/// The name of a column that exists, for messages.
fn column_name(table: Oid, number: i16) -> String {
    encoding::to_utf8_lossy(&catalog::column_name(table, number))
}

/// The name of a table for messages.
pub fn table_name(table: Oid) -> String {
    // SAFETY: gives a palloc'd string, or null for a table that is gone.
    let name = unsafe { pg_sys::get_rel_name(table) };
    if name.is_null() {
        return table.to_string();
    }
    // SAFETY: zero-terminated, as all names are.
    encoding::to_utf8_lossy(unsafe { CStr::from_ptr(name) })
}

/// pgvector's type, in whatever schema it is: the result of the `embed_text` that came with the function `called`. It
/// is found by what it is, not by its name: who fires a trigger needs no rights on the extension's schema.
pub fn vector_type(called: Oid) -> Result<Oid> {
    thread_local! {
        static KNOWN: Cell<(Oid, Oid)> = const { Cell::new((Oid::INVALID, Oid::INVALID)) };
    }
    let (function, known) = KNOWN.get();
    if function == called {
        return Ok(known);
    }
    let embed_text = catalog::extension_of(called).and_then(|extension| catalog::member(extension, c"embed_text"));
    let Some(embed_text) = embed_text else {
        return Err(Report::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "function does not belong to the extension pg_embed",
        )
        .hint("CREATE EXTENSION pg_embed makes the functions."));
    };
    // SAFETY: a lookup of a function that is there.
    let vector = unsafe { pg_sys::get_func_rettype(embed_text) };
    KNOWN.set((called, vector));
    Ok(vector)
}

/// The number of a column.
///
/// # Errors
/// 42703.
pub fn number(table: Oid, name: &CStr) -> Result<i16> {
    // SAFETY: a catalogue lookup; 0 where there is no such column, negative for a system column.
    let number = unsafe { pg_sys::get_attnum(table, name.as_ptr()) };
    if number > 0 {
        return Ok(number);
    }
    let (name, table_name) = (encoding::to_utf8_lossy(name), table_name(table));
    let message = format!("column \"{name}\" of relation \"{table_name}\" does not exist");
    let is_expression = ["->", "(", "||", "::"].iter().any(|sign| name.contains(sign));
    let of_columns = "Name the vector column first, then its source columns, as they are called now.";
    let hint = if is_expression { OF_EXPRESSION } else { of_columns };
    Err(Report::new(PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN, message).hint(hint))
}

/// Type, type modifier and collation of a column.
fn whole_type(table: Oid, number: i16) -> (Oid, i32, Oid) {
    let (mut found, mut modifier, mut collation) = (Oid::INVALID, -1, Oid::INVALID);
    // SAFETY: the column exists; the results go to variables of the right type.
    unsafe { pg_sys::get_atttypetypmodcoll(table, number, &mut found, &mut modifier, &mut collation) };
    (found, modifier, collation)
}

/// The type of a column.
pub fn column_type(table: Oid, number: i16) -> Oid {
    whole_type(table, number).0
}

/// The type of a column as it stands in SQL, with its collation if that is not the type's own.
pub fn declared_type(table: Oid, number: i16) -> Result<String> {
    let (found, modifier, collation) = whole_type(table, number);
    let mut declared = spi::type_name(found, modifier)?;
    // SAFETY: lookups; gives a palloc'd string for a collation that is there.
    unsafe {
        if collation != Oid::INVALID && collation != pg_sys::get_typcollation(found) {
            let collation = text::from_server(CStr::from_ptr(pg_sys::generate_collation_name(collation)))?;
            declared.push_str(&format!(" COLLATE {collation}"));
        }
    }
    Ok(declared)
}

/// The name of a type for messages.
pub fn type_name(number: Oid) -> String {
    // SAFETY: gives a palloc'd string for any oid.
    encoding::to_utf8_lossy(unsafe { CStr::from_ptr(pg_sys::format_type_be(number)) })
}

/// That a column is not of the type that it has to be of.
pub fn wrong_type(table: Oid, name: &CStr, detail: String, hint: String) -> Report {
    let message = format!(
        "column \"{}\" of relation \"{}\" has the wrong type",
        encoding::to_utf8_lossy(name),
        table_name(table)
    );
    Report::new(PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH, message).detail(detail).hint(hint)
}

/// The type of a vector column: pgvector's `vector` or `halfvec`.
fn vector_column_type(table: Oid, name: &CStr, number: i16, vector: Oid, dimensions: usize) -> Result<Oid> {
    let (found, modifier, _) = whole_type(table, number);
    let base = if vector::is_half(found, vector) { Some("halfvec") } else { (found == vector).then_some("vector") };
    if base.is_some() && modifier == dimensions as i32 {
        return Ok(found);
    }
    let found = match base {
        Some(base) if modifier > 0 => format!("{base}({modifier})"),
        Some(base) => format!("{base} without a number of dimensions"),
        None => type_name(found),
    };
    let wanted = base.unwrap_or("vector");
    let (quoted, table_name) = (encoding::to_utf8_lossy(name), table_name(table));
    Err(wrong_type(
        table,
        name,
        format!("Its type is {found}, expected vector({dimensions}) or halfvec({dimensions})."),
        format!("ALTER TABLE {table_name} ALTER COLUMN {quoted} TYPE {wanted}({dimensions}), or name another column."),
    ))
}

fn kind(table: Oid, name: &CStr, number: i16) -> Result<Kind> {
    let found = column_type(table, number);
    // SAFETY: catalogue lookups; what is binary coercible to text, or padded as char(n) is, has the layout of text.
    let (is_text, is_array) = unsafe {
        let is_text = |found| {
            let base = pg_sys::getBaseType(found);
            base == pg_sys::BPCHAROID || pg_sys::IsBinaryCoercible(base, pg_sys::TEXTOID)
        };
        let element = pg_sys::get_base_element_type(found);
        (is_text(found), element != Oid::INVALID && is_text(element))
    };
    match (is_text, is_array) {
        (true, _) => Ok(Kind::Text),
        (_, true) => Ok(Kind::Array),
        _ => Err(wrong_type(
            table,
            name,
            format!(
                "Its type is {}, expected text, varchar, char, citext, a domain over them, or an array of them.",
                type_name(found)
            ),
            format!("Name columns with text. {OF_EXPRESSION}"),
        )),
    }
}
