//! Volatile working memory: growable with `alloc`, of fixed size without.

mod array;
mod list;

pub use array::Array;
pub use list::{Full, List};

/// Lanes that a build without `alloc` can serve.
pub const LANES_WITHOUT_ALLOC: usize = 8;
