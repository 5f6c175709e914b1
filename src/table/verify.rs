//! `embed_verify()`: embeds rows again, and compares.
#![allow(unsafe_code)]

use embedder::{Batch, Tokens};
use ndarray::ArrayView1;
use pgrx::pg_sys::{self, Datum, Oid};

use crate::model::registry::Model;
use crate::postgres::memory::Scratch;
use crate::postgres::report::Result;
use crate::postgres::statement::{Rows, Running, Statement};
use crate::postgres::{guc, interrupt, vector};
use crate::table::access::{self, Members, Table, Task};
use crate::table::columns::{Choice, Columns};

/// How far a component may be off: what the same text gives on another processor, or in a batch of another shape, is
/// well within it, as is what the reference implementation gives.
const TOLERANCE: f32 = 1e-5;
/// How far a component of a `halfvec` may be off besides, as a part of its value: half of its last digit.
const ROUNDING: f32 = 1.0 / 2048.0;
/// Rows that are embedded at a time.
const BATCH: usize = 256;
/// Rows that are fetched at a time.
const FETCH: u64 = 64;
/// A table with so many times the rows of the sample is sampled by block rather than read as a whole.
const MANY: f64 = 100.0;
/// Blocks differ in their rows: so many times the rows that are wanted are expected in those that are read.
const SPARE: f64 = 2.0;

/// What was found.
#[derive(Default)]
pub struct Findings {
    pub checked: i64,
    pub missing: i64,
    pub stale: i64,
    deviation: f32,
}

impl Findings {
    /// The largest difference of a component; `None` where nothing could be compared.
    pub fn deviation(&self) -> Option<f64> {
        (self.checked > self.missing).then(|| f64::from(self.deviation))
    }
}

/// Compares at most `sample` rows of a table, chosen at random.
///
/// # Errors
/// Those of [`access::refuse_sharded`], [`access::as_reader`] and [`Table::open`].
pub fn verify(target: Oid, choice: &Choice, vector: Oid, sample: usize) -> Result<Findings> {
    let parts = parts(target, choice, vector)?;
    let believed: f64 = parts.iter().map(|part| f64::from(part.relation.rows.max(0.0))).sum();
    let (mut draw, sampled) = if believed > MANY * sample as f64 {
        let percent = 100.0 * SPARE * sample as f64 / believed;
        (Draw::new(sample, SPARE * sample as f64), format!("TABLESAMPLE pg_catalog.system ({percent})"))
    } else {
        let mut rows = 0;
        for part in &parts {
            let _identity = access::as_owner(&part.relation);
            rows += part.count_by_place(&part.is_concerned())?;
        }
        (Draw::new(sample, rows as f64), String::new())
    };
    let model = choice.model.open()?;
    let mut comparison = Comparison { model, stored: Vec::new(), tokens: Vec::new(), findings: Findings::default() };
    for part in &parts {
        let _memory = Scratch::new();
        let _identity = access::as_owner(&part.relation);
        comparison.read(part, &sampled, &mut draw)?;
    }
    comparison.compare()?;
    Ok(comparison.findings)
}

/// The tables with rows of their own, each to be read as its owner.
fn parts(target: Oid, choice: &Choice, vector: Oid) -> Result<Vec<Table>> {
    let relation = access::lock(target, pg_sys::AccessShareLock)?;
    access::refuse_sharded(&relation, choice, Task::Verify)?;
    let members = Members::of(target, true)?.of_one_owner(&relation);
    // What is wrong with the columns is said also where no part has rows.
    drop(access::as_reader(&relation, Columns::resolve(target, choice, vector)?.numbers())?);
    members.notice_left_out("embed_verify")?;
    let mut parts = Vec::new();
    for table in members.tables {
        let Ok(relation) = access::lock(table, pg_sys::AccessShareLock) else { continue };
        let _identity = access::as_owner(&relation);
        access::refuse_row_security(&relation)?;
        parts.push(Table::open(relation, choice, vector)?);
    }
    Ok(parts)
}

/// Chooses rows so that each has the same chance, and as many as are wanted are chosen in the end.
struct Draw {
    wanted: f64,
    left: f64,
}

impl Draw {
    fn new(wanted: usize, of: f64) -> Self {
        Self { wanted: wanted as f64, left: of }
    }

    fn takes(&mut self) -> bool {
        let taken = self.wanted > 0.0 && random() * self.left.max(1.0) < self.wanted;
        self.left -= 1.0;
        self.wanted -= f64::from(u8::from(taken));
        taken
    }
}

/// A number from 0 up to 1.
fn random() -> f64 {
    let mut bytes = [0_u8; 4];
    // SAFETY: fills the bytes; where it cannot, the row is taken.
    unsafe { pg_sys::pg_strong_random(bytes.as_mut_ptr().cast(), bytes.len()) };
    f64::from(u32::from_ne_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
}

/// A vector as it was read.
struct Stored {
    components: Vec<f32>,
    /// How far a component may be off as a part of its value.
    rounding: f32,
}

impl Stored {
    /// The largest difference of a component, and whether all are near enough.
    fn compare(&self, fresh: ArrayView1<f32>) -> (f32, bool) {
        let pairs = || self.components.iter().zip(fresh);
        let off = pairs().map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        // Written so that a NaN is not near.
        let is_near = pairs().all(|(a, b)| (a - b).abs() <= TOLERANCE + self.rounding * b.abs());
        (off, is_near && self.components.len() == fresh.len())
    }
}

/// Rows with a text, on their way to be compared: the vector that is stored, if any, and the text's tokens.
struct Comparison {
    model: Model,
    stored: Vec<Option<Stored>>,
    tokens: Vec<Tokens>,
    findings: Findings,
}

impl Comparison {
    /// Goes through the rows of a part.
    fn read(&mut self, part: &Table, sampled: &str, draw: &mut Draw) -> Result<()> {
        let sql = format!(
            "SELECT {}, {} FROM ONLY {} {sampled} WHERE {}",
            part.embedding(),
            part.values(),
            part.name(),
            part.is_concerned()
        );
        let reader = Statement::prepare(&sql, part.relation.oid, &[])?;
        // SAFETY: a statement without parameters.
        let mut running = unsafe { reader.start(&[]) }?;
        while draw.wanted > 0.0 && self.read_some(part, &mut running, draw)? {}
        running.finish()
    }

    /// Goes through the next rows; `false` if there were none.
    fn read_some(&mut self, part: &Table, running: &mut Running, draw: &mut Draw) -> Result<bool> {
        interrupt::check();
        let _rows = Scratch::new();
        let rows = running.fetch(FETCH)?;
        for n in 0..rows.len() {
            if draw.takes() {
                let _row = Scratch::new();
                self.take(part, &rows, n)?;
            }
        }
        if self.tokens.len() >= BATCH {
            self.compare()?;
        }
        Ok(rows.len() > 0)
    }

    fn take(&mut self, part: &Table, rows: &Rows, n: usize) -> Result<()> {
        let value = |column: i16| rows.value(n, column);
        // SAFETY: a vector, and the values of the source columns.
        let (stored, tokens) = unsafe {
            let rounding = if part.columns.is_half() { ROUNDING } else { 0.0 };
            let components = |stored: Datum| vector::components(part.columns.to_vector(stored)).to_vec();
            let stored = value(1).map(|stored| Stored { components: components(stored), rounding });
            (stored, part.columns.tokens(self.model, |source| value(source as i16 + 2))?)
        };
        match tokens {
            Some(tokens) => {
                self.stored.push(stored);
                self.tokens.push(tokens);
            }
            None => {
                self.findings.checked += 1;
                self.findings.stale += i64::from(stored.is_some());
            }
        }
        Ok(())
    }

    /// Embeds the texts that were read, and compares.
    fn compare(&mut self) -> Result<()> {
        let batch = Batch::from_tokens(std::mem::take(&mut self.tokens))?;
        let vectors = self.model.backend.run(batch, guc::threads())?.into_vectors();
        for (stored, fresh) in std::mem::take(&mut self.stored).iter().zip(vectors.rows()) {
            self.findings.checked += 1;
            let Some(stored) = stored else {
                self.findings.missing += 1;
                continue;
            };
            let (off, is_near) = stored.compare(fresh);
            self.findings.deviation = self.findings.deviation.max(off);
            self.findings.stale += i64::from(!is_near);
        }
        Ok(())
    }
}
