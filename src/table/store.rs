//! Storing vectors: each in its row, if the row is still the one that was read.
//!
//! Writers of the same rows wait no longer than a transaction of ours takes. So rows are locked one by one, without
//! waiting, and a transaction ends after a few milliseconds, whatever is left.
#![allow(unsafe_code)]

use std::time::{Duration, Instant};

use ndarray::ArrayView1;
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::Datum;

use crate::model::registry::Model;
use crate::postgres::memory::Scratch;
use crate::postgres::report::{Report, Result};
use crate::postgres::statement::Statement;
use crate::postgres::transaction::attempt;
use crate::postgres::{identity, vector};
use crate::table::access::Table;
use crate::table::read::{self, PLACE_AND_VERSION, Place, Row, tid};

/// How long a transaction goes on storing.
const TURN: Duration = Duration::from_millis(5);

/// Rows with the vectors that were computed for them.
pub struct Embedded {
    rows: Vec<Row>,
    vectors: ndarray::Array2<f32>,
    /// Of each row its line in `vectors`, if it has a text.
    lines: Vec<Option<usize>>,
    stored: usize,
}

/// What became of a row.
#[derive(Debug)]
pub enum Outcome {
    /// With the place where it lies now.
    Stored(Place),
    /// Others have changed or locked it since it was read.
    Changed,
    Failed(Report),
}

impl Embedded {
    /// Computes the vectors. No transaction needs to be open.
    pub fn compute(model: Model, mut rows: Vec<Row>, threads: usize) -> Result<Self> {
        let mut tokens = Vec::with_capacity(rows.len());
        let mut lines = Vec::with_capacity(rows.len());
        for row in &mut rows {
            let text = row.tokens.take();
            lines.push(text.is_some().then_some(tokens.len()));
            tokens.extend(text);
        }
        let vectors = model.backend.run(embedder::Batch::from_tokens(tokens)?, threads)?.into_vectors();
        Ok(Self { rows, vectors, lines, stored: 0 })
    }

    /// Whether all rows had their turn.
    pub fn is_done(&self) -> bool {
        self.stored == self.rows.len()
    }

    /// The next rows that are stored by this call, with what became of them; at least one. The table is locked, and
    /// its [`shape`](Table::shape) is that in which the rows were read.
    pub fn store_some(&mut self, table: &Table) -> Result<Vec<(&Row, Outcome)>> {
        let writer = Writer::prepare(table)?;
        let first = self.stored;
        let outcomes = self.outcomes(&writer)?;
        self.stored += outcomes.len();
        Ok(self.rows[first..self.stored].iter().zip(outcomes).collect())
    }

    /// The rows that are left become what the others became before them: changed.
    pub fn give_up(&mut self) -> usize {
        let left = self.rows.len() - self.stored;
        self.stored = self.rows.len();
        left
    }

    fn outcomes(&self, writer: &Writer) -> Result<Vec<Outcome>> {
        let begun = Instant::now();
        // It outlives the subtransactions, which may have to clean up after what they have allocated.
        let _memory = Scratch::new();
        let mut outcomes = Vec::new();
        let together = attempt(|| {
            for row in self.stored..self.rows.len() {
                outcomes.push(self.store(writer, row)?);
                if begun.elapsed() > TURN {
                    break;
                }
            }
            Ok(())
        });
        let failed = outcomes.len();
        match together {
            Ok(()) => return Ok(outcomes),
            Err(report) if report.is_interrupt() => return Err(report),
            Err(_) => outcomes.clear(),
        }
        // All of it is undone: each by itself, so that only the one that failed is left out.
        for row in self.stored..=self.stored + failed {
            outcomes.push(match attempt(|| self.store(writer, row)) {
                Ok(outcome) => outcome,
                Err(report) if report.is_interrupt() => return Err(report),
                Err(report) => Outcome::Failed(report),
            });
        }
        Ok(outcomes)
    }

    fn store(&self, writer: &Writer, row: usize) -> Result<Outcome> {
        let vector = self.lines[row].map(|line| self.vectors.row(line));
        writer.store(&self.rows[row], vector)
    }
}

/// The statements that store a vector.
struct Writer {
    lock: Statement,
    update: Statement,
}

impl Writer {
    fn prepare(table: &Table) -> Result<Self> {
        identity::set_constraints_immediate();
        let ([place, version], relation) = (PLACE_AND_VERSION, table.relation.oid);
        let (name, embedding) = (table.name(), table.embedding());
        let this = "ctid OPERATOR(pg_catalog.=) $1 AND xmin OPERATOR(pg_catalog.=) $2";
        let lock = format!("SELECT 1 FROM ONLY {name} WHERE {this} FOR NO KEY UPDATE SKIP LOCKED");
        let update =
            format!("UPDATE ONLY {name} SET {embedding} = $3 WHERE {this} RETURNING ({embedding} IS NOT NULL), ctid");
        Ok(Self {
            lock: Statement::prepare(&lock, relation, &[place, version])?,
            update: Statement::prepare(&update, relation, &[place, version, table.vector])?,
        })
    }

    fn store(&self, row: &Row, vector: Option<ArrayView1<f32>>) -> Result<Outcome> {
        let (place, version) = (Some(tid(row.place)), Some(Datum::from(row.version)));
        let vector = vector.map(vector::to_datum);
        // SAFETY: values of the types that the statements were prepared with.
        unsafe {
            if self.lock.value(&[place, version])?.is_none() {
                return Ok(Outcome::Changed);
            }
            // It is locked now, so it is still there.
            let mut running = self.update.start(&[place, version, vector])?;
            let written = running.fetch(0)?;
            running.finish()?;
            match (written.value(0, 1), written.value(0, 2)) {
                (Some(has_vector), Some(tid)) if (has_vector.value() != 0) == vector.is_some() => {
                    Ok(Outcome::Stored(read::place(tid)))
                }
                // An error, so that what was written instead is undone.
                _ => Err(suppressed()),
            }
        }
    }
}

fn suppressed() -> Report {
    Report::new(PgSqlErrorCode::ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION, "a trigger keeps the vector from being stored")
}
