//! Well-known stores under the power-failure laboratory, through the way in that they offer themselves.
//!
//! ```text
//! cargo test --manifest-path fault_injection/field/Cargo.toml
//! ```
//!
//! It has a workspace of its own and no code; see `tests/redb.rs`, and `docs/field-report.md` for what was found in
//! crates that had to be pointed at `everline_crash::fs` first.
#![forbid(unsafe_code)]
