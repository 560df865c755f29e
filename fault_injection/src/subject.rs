//! An engine under test: six functions from its author, every workload and every oracle from here.
//!
//! ```text
//! generate ── operations ──┬── apply on the engine ── crash ── recover ── what is there?
//!                          └── step on the model ───────────── view ──── what may be there?
//! ```
//!
//! Invariants
//! U1  what is asked of an engine after its recovery is done aside: no crash point lies in it, and it leaves no trace.
//! U2  a workload is a list of choices, so that a line of text holds it and a shorter one is made by leaving some out.
//! U3  nothing counts as sound that did not run: a summary without executions is not clean.

mod again;
mod choices;
mod examine;
mod finding;
mod judge;
mod line;
mod lives;
mod observe;
mod order;
mod record;
mod shrink;
mod summary;
mod trials;

use std::fmt::Debug;

use everline::units::ByteLen;

use crate::explore::Base;
use crate::media::CrashMedia;

pub use again::Replayed;
pub use choices::Choices;
pub use finding::{Fate, Finding, Oracle};
pub use observe::{Account, Observed};
pub use summary::Summary;
pub use trials::Trials;

pub(crate) use again::Again;
pub(crate) use examine::{plainest, well_and};
pub(crate) use judge::Judge;
pub(crate) use line::Fields;
pub(crate) use lives::standing;
pub(crate) use observe::observe;
pub(crate) use order::Order;
pub(crate) use record::{FORMAT, clean, hash_of};

/// What an engine stores on: a [`CrashMedia`], or something that is built on one.
pub trait Medium: Clone {
    /// The medium over `media`, as a process that has just begun finds it: nothing else is remembered.
    fn of(media: CrashMedia) -> Self;
    /// What records, or shows a crashed state.
    fn media(&self) -> &CrashMedia;
}

impl Medium for CrashMedia {
    fn of(media: CrashMedia) -> Self {
        media
    }
    fn media(&self) -> &CrashMedia {
        self
    }
}

/// A storage engine and what it promises, in six functions; [`Explorer::subject`](crate::Explorer::subject) does the rest.
///
/// All functions must be deterministic: no clock, no randomness but from [`Choices`], no state between calls. The
/// oracles need nothing more: acknowledged operations survive, the one in flight is all or nothing, recovery ends,
/// twice gives what once gave, and the engine works on after it. [`account`](Subject::account) and
/// [`fill`](Subject::fill) add theirs where an engine offers them.
///
/// ```
/// use everline::media::Media;
/// use everline::persist::{View, fence};
/// use everline::units::ByteOffset;
/// use everline_crash::{Choices, CrashMedia, Explorer, Subject};
///
/// /// Two registers of 8 bytes in lines of their own.
/// struct Registers(CrashMedia);
///
/// impl Subject for Registers {
///     type Medium = CrashMedia;
///     type Op = (u64, u64);
///     type Model = [u64; 2];
///     type View = [u64; 2];
///
///     fn format(media: CrashMedia) -> Self {
///         Registers(media)
///     }
///     fn apply(&mut self, (register, value): &(u64, u64)) -> Result<(), String> {
///         let dirty = View::new(&self.0).store64(ByteOffset::new(register * 64), *value).expect("inside");
///         fence(dirty.flush()).map(|_durable| ()).map_err(|error| error.to_string())
///     }
///     fn recover(media: CrashMedia) -> Result<(Self, [u64; 2]), String> {
///         let view = [media.load64(ByteOffset::new(0)), media.load64(ByteOffset::new(64))];
///         Ok((Registers(media), view))
///     }
///     fn step(model: &mut [u64; 2], (register, value): &(u64, u64)) {
///         model[*register as usize] = *value;
///     }
///     fn view(model: &[u64; 2]) -> [u64; 2] {
///         *model
///     }
///     fn generate(step: usize, choices: &mut Choices) -> (u64, u64) {
///         (choices.below(2), step as u64 + 1)
///     }
/// }
///
/// Explorer::new().subject::<Registers>().all(2).assert_clean();
/// ```
pub trait Subject: Sized {
    /// What it stores on.
    type Medium: Medium;
    /// One operation; all or nothing of it survives.
    type Op: Clone + Debug;
    /// What the operations mean, without any durability. Its default is a new, empty engine.
    type Model: Clone + Default;
    /// What a user of the engine can see of it.
    type View: Clone + Eq + Debug;

    /// Makes a new engine; durable when this returns.
    fn format(medium: Self::Medium) -> Self;

    /// Runs one operation; durable when this answers `Ok`.
    ///
    /// Errors: only after a fault of the medium; whether the operation happened is then unknown.
    fn apply(&mut self, op: &Self::Op) -> Result<(), String>;

    /// Opens what a crash has left, and tells what is there.
    ///
    /// Errors: this medium holds no engine. That is right only where [`format`](Subject::format) was cut short.
    fn recover(medium: Self::Medium) -> Result<(Self, Self::View), String>;

    /// What `op` means.
    fn step(model: &mut Self::Model, op: &Self::Op);

    /// What [`recover`](Subject::recover) must tell of an engine in this state.
    fn view(model: &Self::Model) -> Self::View;

    /// The operation for place `step` of a workload. A value that depends on `step` makes lost operations visible.
    fn generate(step: usize, choices: &mut Choices) -> Self::Op;

    /// Length of the medium in bytes.
    const BYTES: u64 = 64 << 10;

    /// The medium that recordings are made on; here one may choose another granule or stricter fences.
    fn media(base: Base) -> CrashMedia {
        match base {
            Base::Zero => CrashMedia::new(ByteLen::new(Self::BYTES)),
            Base::Dirty => CrashMedia::dirty(ByteLen::new(Self::BYTES)),
        }
    }

    /// The operation that a recovered engine must be able to run; none where nothing is to be tried.
    fn probe() -> Option<Self::Op> {
        Some(Self::generate(PROBE_STEP, &mut Choices::first()))
    }

    /// The extents of the engine's heap, live and free, where it has one.
    fn account(&mut self) -> Option<Account> {
        None
    }

    /// Allocates until nothing fits any more; answers how often that went. A block that a crash leaked is missing
    /// from the count of an engine that came to the same state without a crash.
    fn fill(&mut self) -> Option<u64> {
        None
    }
}

/// The place in a workload that the default [`Subject::probe`] is generated for: later than any other.
const PROBE_STEP: usize = 1 << 20;
