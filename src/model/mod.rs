//! This process's embedders, the names of their models, the texts it remembers, and those it embeds ahead.

pub mod backend;
pub mod memo;
pub mod registry;
pub mod shelf;
