//! The SQL-callable functions: unpack arguments, call, pack the result. Their declarations are in `sql/`.
#![allow(unsafe_code)]

mod columns;
mod documents;
mod embed;
mod models;
mod retired;
mod views;

use pgrx::pg_sys::{self, Datum, FunctionCallInfo};

use crate::postgres::arguments::Call;
use crate::postgres::report::{self, Result};

/// Exports a function in PostgreSQL's calling convention, version 1. Functions are STRICT unless their bodies check for
/// nulls, so no argument is null.
macro_rules! sql_function {
    ($name:ident, $info:ident, $body:path) => {
        // SAFETY: the name is declared in sql/ and unique in the library.
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(fcinfo: FunctionCallInfo) -> Datum {
            // SAFETY: PostgreSQL calls it with the arguments that sql/ declares.
            unsafe { run(fcinfo, $body) }
        }

        // SAFETY: PostgreSQL looks this name up to learn the calling convention.
        #[unsafe(no_mangle)]
        pub extern "C" fn $info() -> &'static pg_sys::Pg_finfo_record {
            const RECORD: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
            &RECORD
        }
    };
}

sql_function!(embed_text, pg_finfo_embed_text, embed::one_text);
sql_function!(embed_text_with_model, pg_finfo_embed_text_with_model, embed::one_text_with_model);
sql_function!(embed_texts, pg_finfo_embed_texts, embed::many_texts);
sql_function!(embed_texts_with_model, pg_finfo_embed_texts_with_model, embed::many_texts_with_model);
sql_function!(embed_token_count, pg_finfo_embed_token_count, embed::token_count);
sql_function!(embed_token_count_with_model, pg_finfo_embed_token_count_with_model, embed::token_count_with_model);
sql_function!(embed_chunks_of_split, pg_finfo_embed_chunks_of_split, embed::chunks);
sql_function!(embed_chunks_with_model, pg_finfo_embed_chunks_with_model, embed::chunks_with_model);
sql_function!(embed_info, pg_finfo_embed_info, embed::info);
sql_function!(embed_trigger, pg_finfo_embed_trigger, columns::trigger);
sql_function!(embed_model_trigger, pg_finfo_embed_model_trigger, columns::model_trigger);
sql_function!(embed_mark_trigger, pg_finfo_embed_mark_trigger, columns::mark_trigger);
sql_function!(embed_model_mark_trigger, pg_finfo_embed_model_mark_trigger, columns::model_mark_trigger);
sql_function!(embed_backfill, pg_finfo_embed_backfill, columns::backfill);
sql_function!(embed_backfill_with_model, pg_finfo_embed_backfill_with_model, columns::backfill_with_model);
sql_function!(embed_watch, pg_finfo_embed_watch, columns::watch);
sql_function!(embed_watch_with_model, pg_finfo_embed_watch_with_model, columns::watch_with_model);
sql_function!(embed_unwatch, pg_finfo_embed_unwatch, columns::unwatch);
sql_function!(embed_watch_chunks, pg_finfo_embed_watch_chunks, documents::watch);
sql_function!(embed_unwatch_chunks, pg_finfo_embed_unwatch_chunks, documents::unwatch);
sql_function!(embed_chunks_trigger, pg_finfo_embed_chunks_trigger, documents::trigger);
sql_function!(embed_verify, pg_finfo_embed_verify, columns::verify);
sql_function!(embed_verify_with_model, pg_finfo_embed_verify_with_model, columns::verify_with_model);
sql_function!(embed_get_status, pg_finfo_embed_get_status, views::status);
sql_function!(embed_get_watched, pg_finfo_embed_get_watched, views::watched);
sql_function!(embed_get_progress, pg_finfo_embed_get_progress, views::progress);
sql_function!(embed_failures, pg_finfo_embed_failures, views::failures);
sql_function!(embed_add_model, pg_finfo_embed_add_model, models::add);
sql_function!(embed_drop_model, pg_finfo_embed_drop_model, models::drop);
sql_function!(embed_model_validator, pg_finfo_embed_model_validator, models::validate);
sql_function!(embed_remove_compiled, pg_finfo_embed_remove_compiled, models::remove_compiled);
sql_function!(embed_chunks, pg_finfo_embed_chunks, retired::chunks);
sql_function!(embed_count, pg_finfo_embed_count, retired::count);

/// Runs the body of a function. What goes wrong becomes PostgreSQL's error when everything of Rust's is dropped.
///
/// # Safety
/// `fcinfo` belongs to the call that is being executed, and its arguments have the types that `sql/` declares.
unsafe fn run(fcinfo: FunctionCallInfo, body: fn(Call) -> Result<Datum>) -> Datum {
    // SAFETY: the caller's promise; the frames hold plain numbers and pointers.
    unsafe {
        report::raise_without_reserve();
        report::or_raise(|| body(Call::new(fcinfo)))
    }
}
