//! This process's embedder, the texts it remembers, and those it embeds ahead.

pub mod backend;
pub mod memo;
pub mod shelf;
