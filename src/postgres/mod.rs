//! PostgreSQL's C interface, and nearly all the `unsafe`: what stands above calls this, and knows no C.

pub mod arguments;
pub mod catalog;
pub mod catch;
pub mod encoding;
pub mod fired;
pub mod foreign;
pub mod guc;
pub mod identity;
pub mod interrupt;
pub mod memory;
pub mod progress;
pub mod report;
pub mod rows;
pub mod server;
pub mod spi;
pub mod statement;
pub mod text;
pub mod transaction;
pub mod tree;
pub mod vector;
pub mod version;
