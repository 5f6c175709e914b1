//! This process's embedders, the names of their models, long texts cut for them, the texts it remembers, and those it embeds ahead.

pub mod backend;
pub mod chunks;
pub mod memo;
pub mod registry;
pub mod shelf;
