//! Repairs the region store: says what ails it, what would be done about it and what is lost, and does it.
//!
//! ```text
//! survey ─▶ a cure for each fault ─▶ one transaction for each ─▶ survey again, until nothing is left that can be cured
//! ```
//!
//! Invariants
//! P1  what could be read before can be read afterwards, with the same bytes: a cure restores what a checksum proves,
//!     takes away what nobody could read, or gives a region a block of its own; it never guesses.
//! P2  no space is freed of which it is not known whose it is: what a lost entry led to stays allocated, as an orphan.
//! P3  each cure is one transaction, and the next one is decided from what is on media then.
//! Crash: some cures are done and the others not; a further repair does what is left.
//!
//! | fault | cure |
//! |---|---|
//! | root | restored where one byte was changed, or from the blocks of entries that the heap holds |
//! | entry | restored where one byte was changed; else its slot is never used again |
//! | name and attributes | restored where one byte was changed; else the region goes on without them |
//! | word of a map or of sums | restored where one byte was changed, or where the bytes prove it; else reads of what it speaks of stay refused, since neither zeros nor what lies there is known to be right |
//! | block, map, name, directory block that is no live object of its own | its bytes get one |
//! | name twice | the region in the greater slot goes on without a name |
//! | count | counted anew |
//! | bytes that do not match their sum | left: nobody knows what they were |
//! | orphan | left, or freed on request |

mod act;
mod decide;
mod rebuild;
mod whole;

use std::fmt;

use everline::engine::Engine;
use everline::media::Media;
use everline::units::ByteRange;

use crate::check::{Fault, Survey, survey};
use crate::{RegionError, RegionId, RegionProblem};
use act::Act;

pub use whole::{PoolRepair, PoolRepairError, repair_pool};

/// What is done about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cure {
    /// What was there before is stored again, as a checksum proves it.
    Restore,
    /// The slot of the directory is never used again.
    Retire,
    /// The region goes on without a name.
    Unname,
    /// The bytes go to a block of their own.
    Move,
    /// The regions are counted.
    Recount,
    /// The object is freed.
    Free,
    /// Nothing, and why.
    Leave(&'static str),
}

impl fmt::Display for Cure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cure::Restore => "restore what its checksum proves was there",
            Cure::Retire => "never use its slot of the directory again",
            Cure::Unname => "take the name away",
            Cure::Move => "give its bytes a block of their own",
            Cure::Recount => "count the regions",
            Cure::Free => "free it",
            Cure::Leave(why) => return write!(f, "nothing: {why}"),
        })
    }
}

/// What a cure loses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The region that the slot may have held, which could not be read any more.
    Region {
        /// The slot of the directory.
        slot: u32,
        /// Its block, if that is still known: it stays allocated.
        block: Option<ByteRange>,
    },
    /// Name and attributes of a region.
    Name {
        /// Which region; it is reached by its identifier.
        id: RegionId,
        /// The name, if it is known.
        name: Option<String>,
    },
    /// The identifiers of all regions may be no longer valid; names are.
    Identifiers,
    /// What the object held.
    Object {
        /// Its place.
        range: ByteRange,
    },
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Loss::Region { slot, block: None } => {
                write!(
                    f,
                    "the region in slot {slot} of the directory, if there was one"
                )
            }
            Loss::Region {
                slot,
                block: Some(range),
            } => write!(
                f,
                "the region in slot {slot} of the directory; its bytes stay allocated at {range}"
            ),
            Loss::Name { id, name: None } => {
                write!(
                    f,
                    "name and attributes of the region {id}, which keeps its bytes"
                )
            }
            Loss::Name {
                id,
                name: Some(name),
            } => write!(
                f,
                "the name \"{}\" of the region {id}, which keeps its bytes",
                name.escape_debug()
            ),
            Loss::Identifiers => {
                f.write_str("identifiers that were kept may be refused; names lead to the regions")
            }
            Loss::Object { range } => write!(f, "what the object at {range} held"),
        }
    }
}

/// A fault, its cure, and what that loses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub problem: RegionProblem,
    /// What is done about it.
    pub cure: Cure,
    /// What is lost by it; mostly nothing.
    pub loss: Option<Loss>,
}

impl Finding {
    /// Whether something is done about it.
    pub fn is_curable(&self) -> bool {
        !matches!(self.cure, Cure::Leave(_))
    }

    /// Whether it costs space and nothing else.
    pub fn is_orphan(&self) -> bool {
        matches!(self.problem, RegionProblem::Orphan { .. })
    }
}

/// What a repair may do beyond restoring and isolating.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RepairOptions {
    /// Free live objects that nothing leads to; not where anything of the directory is damaged, since they may be its.
    pub free_orphans: bool,
}

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepairReport {
    /// Faults that were cured, in order.
    pub done: Vec<Finding>,
    /// What is wrong still.
    pub left: Vec<Finding>,
}

impl RepairReport {
    /// Whether everything that is left costs only space.
    pub fn is_sound(&self) -> bool {
        self.left.iter().all(Finding::is_orphan)
    }
}

/// Surveys until nothing more comes to light; more rounds than faults can hide behind one another.
const ROUNDS_MAX: usize = 8;

/// What [`repair`] would begin with; reads only. Faults behind a damaged root come to light when that is restored: to see
/// them all, repair a private copy.
///
/// Nobody may use the pool meanwhile. Cost: as of [`Regions::check`](crate::Regions::check).
pub fn plan_repair<M: Media>(engine: &Engine<M>, options: &RepairOptions) -> Vec<Finding> {
    let survey = survey(engine);
    let options = RepairOptions {
        free_orphans: options.free_orphans && knows_its_own(&survey),
    };
    decide_all(engine, &survey, &options)
        .into_iter()
        .map(|(finding, _)| finding)
        .collect()
}

/// Repairs the region store of a pool that nobody else uses; [`Regions::open`](crate::Regions::open) comes after it.
///
/// Errors: read-only, or a sync failed; what was done until then is durable. Cost: a survey and one or two waits for each
/// fault. Crash: each cure is done or not.
pub fn repair<M: Media>(
    engine: &Engine<M>,
    options: &RepairOptions,
) -> Result<RepairReport, RegionError<M::SyncError>> {
    let mut report = RepairReport::default();
    let mut options = *options;
    for _ in 0..ROUNDS_MAX {
        let seen = survey(engine);
        options.free_orphans &= knows_its_own(&seen);
        report.left.clear();
        let mut acted = false;
        for (mut finding, act) in decide_all(engine, &seen, &options) {
            let again = report
                .done
                .iter()
                .any(|done| done.problem == finding.problem);
            if again && finding.is_curable() {
                finding.cure = Cure::Leave("what was done about it did not help");
            }
            if finding.is_curable() {
                match act.run(engine, &seen) {
                    Ok(()) => {
                        acted = true;
                        report.done.push(finding);
                        continue;
                    }
                    Err(error @ (RegionError::ReadOnly | RegionError::Poisoned)) => {
                        return Err(error);
                    }
                    Err(RegionError::NoSpace { .. }) => {
                        finding.cure = Cure::Leave("there is no space for it: grow the pool first");
                    }
                    Err(_) => {
                        finding.cure =
                            Cure::Leave("the heap does not let it: salvage the regions instead");
                    }
                }
            }
            report.left.push(finding);
        }
        if !acted {
            break;
        }
    }
    Ok(report)
}

/// Whether what looks lost is lost (P2): a damaged entry, or one that was made empty, may have led to it.
fn knows_its_own(survey: &Survey) -> bool {
    let harmless = |fault: &Fault| {
        matches!(
            fault,
            Fault::Orphan(_) | Fault::Data { .. } | Fault::NameTwice { .. } | Fault::Word { .. }
        )
    };
    survey.faults.iter().all(harmless)
}

/// A cure for each fault of a survey.
fn decide_all<M: Media>(
    engine: &Engine<M>,
    survey: &Survey,
    options: &RepairOptions,
) -> Vec<(Finding, Act)> {
    let mut heap_is_sound = survey.heap_listed;
    engine.check(|_| heap_is_sound = false);
    survey
        .faults
        .iter()
        .map(|fault| decide::decide(engine, survey, fault, options, heap_is_sound))
        .collect()
}
