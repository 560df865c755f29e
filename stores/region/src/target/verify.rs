//! Recovery `full`: nothing is served before every structure and every checksum below and in the directory was verified.
//!
//! An object that nothing leads to is lost space and no damage: `orphans` lists it, and no open is refused for it.

use everline::engine::Engine;
use everline::media::preserve::Preserved;
use everline::units::ByteOffset;

use super::{RecoveryMode, TargetError, TargetMedia, TargetRegions};
use crate::{RegionProblem, Regions};

/// What a verification has found so far.
#[derive(Default)]
struct Found {
    problems: u64,
    first: Option<(String, Option<ByteOffset>)>,
}

impl Found {
    fn add(&mut self, what: String, at: Option<ByteOffset>) {
        self.problems += 1;
        self.first.get_or_insert((what, at));
    }

    fn outcome(self, place: &str) -> Result<(), TargetError> {
        match self.first {
            None => Ok(()),
            Some((first, at)) => Err(TargetError::Unsound {
                place: place.to_owned(),
                problems: self.problems,
                first,
                at,
            }),
        }
    }
}

/// The regions of a recovered pool, verified first where `mode` is full.
///
/// Errors: [`TargetError::Unsound`] with the first thing that is wrong; the directory cannot be opened at all. Cost: in
/// mode full that of [`Engine::check`] and [`Regions::check`], no wait; else the directory's root.
pub(super) fn serve(
    engine: Engine<Preserved<TargetMedia>>,
    mode: RecoveryMode,
    place: &str,
) -> Result<TargetRegions, TargetError> {
    let full = mode == RecoveryMode::Full;
    if full {
        // Before the directory is opened, which may stumble over the same damage and know less about it.
        let mut found = Found::default();
        engine.check(|problem| found.add(problem.to_string(), Some(problem.at)));
        found.outcome(place)?;
    }
    let regions = Regions::open(engine).map_err(|error| TargetError::regions(place, error))?;
    if full {
        let mut found = Found::default();
        regions.check(|problem| match problem {
            RegionProblem::Orphan { .. } => {}
            problem => found.add(problem.to_string(), problem.at()),
        });
        found.outcome(place)?;
    }
    Ok(regions)
}
