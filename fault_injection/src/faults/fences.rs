//! Each fence of a workload fails in turn.

use std::fmt::{self, Debug};

use crate::explore::Explorer;
use crate::media::CrashMedia;
use crate::report::{Point, Report};
use crate::search::quietly;

/// What came of failing each fence of a workload.
#[derive(Clone, Debug, Default)]
pub struct FenceFaults {
    /// Fences of the workload where none fails.
    pub fences: u64,
    /// For each fence that failed, what the crash states of that run came to.
    pub reports: Vec<Report>,
    /// Runs that panicked: which fence, and the panic.
    pub panics: Vec<(u64, String)>,
}

impl FenceFaults {
    /// Whether every fence failed in a run of its own, none of these panicked, and every report is clean.
    pub fn is_clean(&self) -> bool {
        self.fences > 0
            && self.panics.is_empty()
            && self.reports.len() as u64 == self.fences
            && self.reports.iter().all(Report::is_clean)
    }

    /// Panics with the report unless it is clean.
    #[track_caller]
    pub fn assert_clean(&self) {
        assert!(self.is_clean(), "{self}");
    }
}

impl fmt::Display for FenceFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let points: u64 = self.reports.iter().map(|report| report.crash_points).sum();
        let executions: u64 = self.reports.iter().map(|report| report.executions).sum();
        write!(
            f,
            "{} fences, each failed in turn: {points} crash points, {executions} executions",
            self.fences
        )?;
        if self.fences == 0 {
            write!(f, "\nnothing ran")?;
        }
        for (fence, panic) in &self.panics {
            write!(
                f,
                "\nwhere fence {fence} fails, the workload panics: {panic}"
            )?;
        }
        let broken = self.reports.iter().enumerate();
        let broken = broken.filter(|(_, report)| !report.is_clean());
        for (fence, report) in broken.take(3) {
            write!(f, "\nwhere fence {fence} fails: {report}")?;
        }
        Ok(())
    }
}

impl Explorer {
    /// Runs `work` on a medium that `make` makes, once for each of its fences, which then fails; explores each run.
    ///
    /// What a failed fence should have made durable is not, and a later fence does not help: its lines are clean.
    /// `work` must acknowledge only what succeeded. Fences of `make` are not counted.
    pub fn fence_faults<W, O: Clone + Eq + Debug>(
        &self,
        make: impl Fn() -> (CrashMedia, W),
        work: impl Fn(&CrashMedia, W),
        recover: impl Fn(&CrashMedia) -> O,
        allowed: impl Fn(&Point<'_>, &O) -> Result<(), String>,
    ) -> FenceFaults {
        let (media, state) = make();
        let before = media.fences();
        work(&media, state);
        let mut faults = FenceFaults {
            fences: media.fences() - before,
            ..FenceFaults::default()
        };
        for fence in 0..faults.fences {
            let (media, state) = make();
            media.mark();
            media.fail_fence_at(fence);
            match quietly(|| work(&media, state)) {
                Ok(()) => {
                    let recording = media.recording().start_at_last_mark();
                    faults
                        .reports
                        .push(self.explore(&recording, &recover, &allowed));
                }
                Err(panic) => faults.panics.push((fence, panic)),
            }
        }
        faults
    }
}
