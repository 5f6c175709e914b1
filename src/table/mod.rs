//! A vector column and the texts it stands for: found, read, filled, counted and verified.

pub mod access;
pub mod backfill;
pub mod columns;
pub mod read;
pub mod status;
pub mod store;
pub mod trigger;
pub mod verify;
