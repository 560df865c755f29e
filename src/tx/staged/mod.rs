//! The staged path: changes go to a copy inside the commit record; one wait in all.

mod heap;
mod write;

pub use write::Value;
