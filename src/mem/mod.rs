//! Volatile working memory: growable with `alloc`, of fixed size without.

mod list;

pub use list::{Full, List};
