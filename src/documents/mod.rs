//! Documents that are longer than a model reads: each is kept cut, in a table of chunks that follows it.
//!
//! The table of chunks is an ordinary one, with a foreign key to the documents, which deletes the chunks of a document with
//! it. A trigger on the documents, which knows the table of chunks by OID, cuts a document when it is written. The vectors
//! are no concern of it: the table of chunks embeds itself, by a trigger or the background worker.

mod chunk_table;
pub mod cutting;
pub mod status;
pub mod trigger;
pub mod watch;
