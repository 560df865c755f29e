//! Live objects that nothing leads to, and how their space comes back.

use std::collections::HashSet;

use everline::layout::Corrupt;
use everline::media::Media;
use everline::units::{ByteOffset, ByteRange};

use crate::check::{Fault, others, survey};
use crate::{RegionError, Regions};

/// Orphans that one transaction frees.
const AT_ONCE: usize = 1000;

/// Calls its argument with the place of every object that the pool's other roots lead to.
pub type Tracer<'t> = &'t mut dyn FnMut(&mut dyn FnMut(ByteOffset));

/// A live object that nothing leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// Its bytes, rounded up to its class.
    pub range: ByteRange,
}

/// What a search for orphans found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrphanReport {
    /// Objects that nothing leads to, in order of place.
    pub orphans: Vec<Orphan>,
    /// Objects that the pool's other root slots may lead to: nobody but their owner can tell.
    pub foreign: u64,
    /// Whether the directory is whole; else what looks lost may belong to what cannot be read, and nothing is freed.
    pub certain: bool,
}

impl<M: Media> Regions<M> {
    /// Lists live objects that nothing leads to. Those that another root slot may lead to are counted as foreign, unless
    /// `tracer` is given: then what it does not name is an orphan.
    ///
    /// Cost: as of [`Regions::check`], no wait; changes of the directory wait.
    pub fn orphans(&self, tracer: Option<Tracer<'_>>) -> OrphanReport {
        let _still = self.lock_all();
        self.find_orphans(tracer)
    }

    fn find_orphans(&self, tracer: Option<Tracer<'_>>) -> OrphanReport {
        let survey = survey(self.engine());
        let lost_track = |fault: &Fault| {
            !matches!(
                fault,
                Fault::Orphan(_) | Fault::Data { .. } | Fault::NameTwice { .. }
            )
        };
        let mut report = OrphanReport {
            orphans: Vec::new(),
            foreign: 0,
            certain: !survey.faults.iter().any(lost_track),
        };
        let mut foreign = HashSet::new();
        let traced = tracer.is_some();
        if let Some(trace) = tracer {
            trace(&mut |at| foreign.extend([at.get()]));
        }
        let shut = others(self.engine()) && !traced;
        for (at, len) in &survey.unreached {
            if shut || foreign.contains(at) {
                report.foreign += 1;
            } else {
                let range = ByteRange::at(*at, *len).unwrap_or_default();
                report.orphans.push(Orphan { range });
            }
        }
        report
    }

    /// Frees what [`Regions::orphans`] lists, some thousand in a transaction, and answers what was freed.
    ///
    /// Errors: [`RegionError::Corrupt`] where the directory is damaged, since what looks lost may be what it led to: repair
    /// it first. Cost: a search and one wait for each thousand. Crash: each is freed or listed again.
    pub fn free_orphans(
        &self,
        mut tracer: Option<Tracer<'_>>,
    ) -> Result<OrphanReport, RegionError<M::SyncError>> {
        let mut freed = OrphanReport::default();
        loop {
            // Nobody frees an orphan under us, or links it, a block on its way to its region included.
            let mut tx = self.begin()?;
            let _still = self.lock_all();
            let found = self.find_orphans(tracer.as_mut().map(|tracer| &mut **tracer as _));
            if !found.certain {
                let what =
                    "the directory is damaged, so that nobody knows what is lost: repair it first";
                return Err(Corrupt::new(ByteOffset::ZERO, what).into());
            }
            (freed.foreign, freed.certain) = (found.foreign, true);
            for orphan in found.orphans.iter().take(AT_ONCE) {
                tx.free(orphan.range.start())?;
                freed.orphans.push(*orphan);
            }
            tx.commit()?;
            if found.orphans.len() <= AT_ONCE {
                return Ok(freed);
            }
        }
    }
}
