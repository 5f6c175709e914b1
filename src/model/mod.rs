//! This process's embedder, and the texts it remembers.

pub mod backend;
pub mod memo;
