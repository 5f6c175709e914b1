//! The same in German. What the five people say of which attribute, and who errs, is as in English; how they say it is not.

mod grammar;
mod sentences;
mod shades;
mod speaker;
mod words;

pub use sentences::describe;
