//! What the interleaving models share. Empty without `--cfg loom`; `ci/loom.sh` runs them.
//!
//! The code under test is the shipped one. Its volatile words are loom's by `everline::sync`; its words on media are
//! loom's where a model watches them, by `media::LoomMedia`.

#[cfg(loom)]
pub mod media;
#[cfg(loom)]
pub mod model;
