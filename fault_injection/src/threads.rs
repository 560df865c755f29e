//! Threads and power cuts together: real threads that take turns as a schedule says, each schedule's recording
//! explored as every other.
//!
//! ```text
//! thread 0 ── call ── call ─┐                    ┌─ fence ── ack
//!            (holds the     │ preempted          │
//!             baton)        └──┐              ┌──┘
//! thread 1 ────────────────────┴─ call … call ┘        one baton, so one recording; no two calls at once
//! ```
//!
//! A thread may be preempted before a locked read-modify-write, before a fence, before an operation begins or is
//! acknowledged, and before the first call after any of these. *Exhaustive* means: every schedule with at most so many
//! preemptions at these places, where threads also change when one ends or waits for another. What lies between two
//! such places runs as one step; orders of memory weaker than one after another are loom's to find, not ours.
//!
//! Beyond that many, schedules are drawn by a seed ([`Interleaving::random`]). The `shuttle` crate would draw them as
//! well, but it drives only code that takes its locks and atomics from it, and the code under test is to stay as it is.
//!
//! Invariants
//! T1  between two calls to the medium at most one thread that is not blocked runs.
//! T2  a thread that makes no call and sleeps, or runs for long without one, is blocked; its turn goes on to another.
//! T3  equal decisions give equal turns; where they do not, the schedule is counted as strayed.

mod baton;
mod interleave;
mod line;
mod one;
mod races;
mod runner;
mod schedule;
mod tell;

pub use interleave::{Interleaving, Shared, Threads};
pub use races::Race;

pub(crate) use baton::{Call, turn};
