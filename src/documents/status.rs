//! What is to be said of a table of chunks beside what is said of every table that embeds itself.

use pgrx::pg_sys::Oid;

use crate::documents::trigger::KEEP;
use crate::postgres::catalog::{self, Trigger};
use crate::table::columns::table_name;
use crate::table::{status, trigger};

/// The triggers that keep chunks; `called` is a function of the extension.
pub fn keeping(called: Oid) -> Vec<Trigger> {
    let function = catalog::extension_of(called).and_then(|extension| catalog::member(extension, KEEP));
    function.map_or_else(Vec::new, catalog::triggers_of)
}

/// Why a table of chunks, if it is one, may not be in step with its documents; `all` are the triggers that keep chunks.
pub fn remark(chunks: Oid, all: &[Trigger]) -> Option<String> {
    let is_its = |trigger: &&Trigger| trigger.other_table == Some(chunks) && !trigger.is_inherited();
    all.iter().filter(is_its).find_map(|keeps| {
        let disabled = trigger::disabled(keeps, all).map(|disabled| format!("{disabled}: documents are not cut"));
        // Where chunks are replicated too, they need not be cut.
        disabled.or_else(|| if catalog::is_subscribed(chunks) { None } else { passed_over(keeps) })
    })
}

fn passed_over(keeps: &Trigger) -> Option<String> {
    let remark = status::passed_over(keeps)?;
    Some(format!("the trigger of table \"{}\" {remark}", table_name(keeps.table)))
}
