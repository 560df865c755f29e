//! Opening a medium with a fault, and reading from it.

use std::fmt::Debug;

use super::history::History;
use super::line::Line;
use super::plan::{Fault, FaultPlan};
use super::report::{FaultReport, FaultViolation, Judged};
use crate::explore::Explorer;
use crate::lab::Lab;
use crate::media::CrashMedia;
use crate::model::{CrashModel, Model};
use crate::record::Recording;
use crate::replay::ReplayError;
use crate::report::{Point, PointKind};
use crate::search::quietly;
use crate::subject::{hash_of, standing};
use crate::trie::mix;

/// A fault, as the oracle sees it.
#[derive(Clone, Copy, Debug)]
pub struct Faulted<'a> {
    /// The fault.
    pub fault: &'a Fault,
    /// Whether the medium was open when it came.
    pub while_open: bool,
    /// Where the power went before; what was acknowledged must be there.
    pub point: Point<'a>,
}

/// What came of a medium with a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<O> {
    /// Data.
    Data(O),
    /// An error, which is always right.
    Error(String),
    /// A load met poison.
    Died,
    /// A panic, or no end.
    Panicked(String),
}

impl Explorer {
    /// Tries every fault of `plan` on what `recording` left: `open` opens the medium, `look` reads from what is open.
    /// `allowed` says of the data whether they are right in spite of the fault; errors need no judgement.
    ///
    /// The image is what is durable after the recording, and after the moments that the plan asks for. Cost: one open
    /// and one look a fault, and one more of each while open.
    pub fn faults<E, O: Debug>(
        &self,
        recording: &Recording,
        plan: &FaultPlan,
        open: impl Fn(&CrashMedia) -> Result<E, String>,
        look: impl Fn(&mut E) -> Result<O, String>,
        allowed: impl Fn(&Faulted<'_>, &O) -> Result<Judged, String>,
    ) -> FaultReport {
        let mut report = FaultReport {
            seed: self.seed,
            ..FaultReport::default()
        };
        let log = hash_of(recording);
        for event in self.fault_points(recording, plan) {
            let history = History::at(recording, event);
            let media = self.with_image(recording, &history);
            let (acked, in_flight) = standing(recording, event);
            for fault in plan.faults(&history, self.seed) {
                for while_open in [false, true] {
                    if while_open && !plan.while_open {
                        continue;
                    }
                    let answer = answer(&media, &history, &fault, while_open, &open, &look);
                    let faulted = Faulted {
                        fault: &fault,
                        while_open,
                        point: Point {
                            event,
                            kind: PointKind::End,
                            depth: 0,
                            acked: &acked,
                            in_flight: &in_flight,
                        },
                    };
                    let line = || Line {
                        log,
                        event,
                        while_open,
                        fault,
                    };
                    let place = history.place(fault.at().get());
                    report.take(&faulted, answer, &allowed, |reason, observation| {
                        FaultViolation {
                            fault,
                            while_open,
                            event,
                            place,
                            reason,
                            observation,
                            line: line().text(),
                        }
                    });
                }
            }
        }
        report
    }

    /// Runs the line of a violation again.
    ///
    /// Errors: the line is of another version or of another recording.
    pub fn replay_fault<E, O>(
        &self,
        recording: &Recording,
        line: &str,
        open: impl Fn(&CrashMedia) -> Result<E, String>,
        look: impl Fn(&mut E) -> Result<O, String>,
    ) -> Result<Answer<O>, ReplayError> {
        let line = Line::parse(line)?;
        let now = hash_of(recording);
        if now != line.log || line.event > recording.events() {
            return Err(ReplayError::Workload {
                why: format!("what it stores has hash {now:x}, and {:x} then", line.log),
            });
        }
        let history = History::at(recording, line.event);
        let media = self.with_image(recording, &history);
        Ok(answer(
            &media,
            &history,
            &line.fault,
            line.while_open,
            &open,
            &look,
        ))
    }

    /// The end, and drawn moments before it.
    fn fault_points(&self, recording: &Recording, plan: &FaultPlan) -> Vec<usize> {
        let events = recording.events();
        let span = (events - recording.first) as u64;
        let mut points = vec![events];
        for draw in 0..plan.points.min(span) {
            points.push(recording.first + (mix(self.seed ^ mix(draw)) % span) as usize);
        }
        points.sort_unstable();
        points.dedup();
        points
    }

    /// A medium on which nothing is in doubt.
    fn with_image(&self, recording: &Recording, history: &History) -> CrashMedia {
        let model = Model::new(&history.image, recording.nature, CrashModel::WordSubset);
        let lab = Lab::new(model, self.seed, self.call_limit, self.verify_samples);
        CrashMedia::of_lab(lab, recording.nature)
    }
}

fn answer<E, O>(
    media: &CrashMedia,
    history: &History,
    fault: &Fault,
    while_open: bool,
    open: &impl Fn(&CrashMedia) -> Result<E, String>,
    look: &impl Fn(&mut E) -> Result<O, String>,
) -> Answer<O> {
    media.with_lab(Lab::begin_run);
    if !while_open {
        media.with_lab(|lab| lab.inject(fault, history));
    }
    let ran = quietly(|| {
        let mut opened = open(media)?;
        if while_open {
            media.with_lab(|lab| lab.inject(fault, history));
        }
        look(&mut opened)
    });
    let met = media.with_lab(|lab| {
        let met = lab.poison.met;
        lab.take_back();
        lab.cure();
        lab.new_keys.clear();
        met
    });
    match ran {
        Ok(Ok(data)) => Answer::Data(data),
        Ok(Err(error)) => Answer::Error(error),
        Err(_) if met => Answer::Died,
        Err(panic) => Answer::Panicked(panic),
    }
}

/// Violations told in full.
const TOLD: usize = 16;

impl FaultReport {
    fn take<O: Debug>(
        &mut self,
        faulted: &Faulted<'_>,
        answer: Answer<O>,
        allowed: &impl Fn(&Faulted<'_>, &O) -> Result<Judged, String>,
        tell: impl FnOnce(String, String) -> FaultViolation,
    ) {
        self.tried += 1;
        *self.kinds.entry(faulted.fault.kind()).or_default() += 1;
        let (reason, observation) = match answer {
            Answer::Error(_) => {
                self.errors += 1;
                return;
            }
            Answer::Died => {
                self.died += 1;
                return;
            }
            Answer::Data(data) => match allowed(faulted, &data) {
                Ok(Judged::Right) => {
                    self.right += 1;
                    return;
                }
                Ok(Judged::Excused(why)) => {
                    *self.excused.entry(why).or_default() += 1;
                    return;
                }
                Err(wrong) => (format!("wrong data: {wrong}"), format!("{data:?}")),
            },
            Answer::Panicked(panic) => (format!("a panic: {panic}"), "nothing".to_owned()),
        };
        self.violations_met += 1;
        if self.violations.len() < TOLD {
            self.violations.push(tell(reason, observation));
        }
    }
}
