//! One way to look at every recording: the laboratory, or one of the lesser ways it is compared with.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};

use everline_crash::{CrashMedia, CrashPoint, Cut, Explorer, Point, Recording};

/// How crash states are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// This laboratory.
    Lab,
    /// The process dies: everything stored is there.
    Kill,
    /// Everything since the last fence is lost.
    Drop,
    /// A thousand random sets of lines a recording.
    Lines,
}

const SAMPLES: u64 = 1_000;

impl How {
    pub fn named(name: &str) -> Option<How> {
        match name {
            "lab" => Some(How::Lab),
            "kill" => Some(How::Kill),
            "drop" => Some(How::Drop),
            "lines" => Some(How::Lines),
            _ => None,
        }
    }
}

/// Collects what workloads report.
pub struct Probe {
    how: How,
    /// The first report ends everything.
    stop: bool,
    pub found: u64,
    pub executions: u64,
    workload: &'static str,
}

impl Probe {
    pub fn new(how: How, stop: bool) -> Self {
        Probe {
            how,
            stop,
            found: 0,
            executions: 0,
            workload: "",
        }
    }

    /// Whether enough was found.
    pub fn done(&self) -> bool {
        self.stop && self.found > 0
    }

    /// Whether only crash states are looked for: costs are this laboratory's alone.
    pub fn is_lab(&self) -> bool {
        self.how == How::Lab
    }

    pub fn run(&mut self, name: &'static str, workload: fn(&mut Probe)) {
        self.workload = name;
        let outcome = catch_unwind(AssertUnwindSafe(|| workload(self)));
        if let Err(panic) = outcome {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or(panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            self.report("without a crash", &text.unwrap_or_default());
        }
    }

    /// Says that something is wrong.
    pub fn report(&mut self, what: &str, why: &str) {
        self.found += 1;
        let why: String = why.chars().take(300).collect();
        println!(
            "found\t{}\t{what}: {}",
            self.workload,
            why.replace(['\n', '\t'], " ")
        );
    }

    /// Looks at every crash point of `recording`.
    pub fn explore<O: Clone + Eq + Debug>(
        &mut self,
        explorer: &Explorer,
        recording: &Recording,
        recover: impl Fn(&CrashMedia) -> O,
        allowed: impl Fn(&Point<'_>, &O) -> Result<(), String>,
    ) {
        if self.done() {
            return;
        }
        if self.how != How::Lab {
            return self.sample(recording, recover, allowed);
        }
        let explorer = explorer.clone().stop_at_first(self.stop);
        let report = explorer.explore(recording, recover, allowed);
        self.executions += report.executions;
        match report.violations.first() {
            Some(first) => {
                let why = format!("{} ({}, depth {})", first.reason, first.kind, first.depth);
                self.report("after a crash", &why);
            }
            None if report.executions == 0 => self.report("the laboratory", "nothing ran"),
            None => {}
        }
    }

    fn sample<O: Debug>(
        &mut self,
        recording: &Recording,
        recover: impl Fn(&CrashMedia) -> O,
        allowed: impl Fn(&Point<'_>, &O) -> Result<(), String>,
    ) {
        let mut points = 0;
        recording.each_crash_point(|_, _| points += 1);
        let each = SAMPLES.div_ceil(points);
        recording.each_crash_point(|point, cut| {
            if self.done() {
                return;
            }
            match self.how {
                How::Lab => {}
                How::Kill => self.try_one(point, &cut(&Cut::AllKept), &recover, &allowed),
                How::Drop => self.try_one(point, &cut(&Cut::AllLost), &recover, &allowed),
                How::Lines => {
                    for sample in 0..each {
                        let seed = mix(sample ^ (point.event as u64) << 20);
                        let kept =
                            |line: everline::units::ByteOffset| mix(seed ^ line.get()) & 1 == 1;
                        self.try_one(point, &cut(&Cut::Keep(&kept)), &recover, &allowed);
                    }
                }
            }
        });
    }

    fn try_one<O: Debug>(
        &mut self,
        at: &CrashPoint,
        media: &CrashMedia,
        recover: &impl Fn(&CrashMedia) -> O,
        allowed: &impl Fn(&Point<'_>, &O) -> Result<(), String>,
    ) {
        let point = Point {
            event: at.event,
            kind: at.kind,
            depth: 0,
            acked: &at.acked,
            in_flight: &at.in_flight,
        };
        self.executions += 1;
        match catch_unwind(AssertUnwindSafe(|| recover(media))) {
            Ok(seen) => {
                if let Err(why) = allowed(&point, &seen) {
                    self.report("after a crash", &why);
                }
            }
            Err(_) => self.report("after a crash", "recovery panicked"),
        }
    }
}

fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ value >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ value >> 31
}
