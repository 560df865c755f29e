//! All schedules of a few threads, or drawn ones, and every crash of each.

use std::collections::HashSet;
use std::marker::PhantomData;

use super::line::{Line, Picked};
use super::one::Wrong;
use super::races::Race;
use super::runner::Crew;
use super::schedule::{Chooser, Rest, next};
use crate::explore::Explorer;
use crate::replay::ReplayError;
use crate::subject::{Again, Replayed, Subject, Summary, hash_of};
use crate::trie::mix;

/// An engine that several threads use at once.
pub trait Shared: Subject<Op: Send + 'static> + Send + Sync + 'static {
    /// As [`Subject::apply`], beside other threads.
    ///
    /// Errors: only after a fault of the medium.
    fn apply_shared(&self, op: &Self::Op) -> Result<(), String>;
}

/// What became of schedules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Threads {
    /// Schedules that ran.
    pub schedules: u64,
    /// Schedules whose recording equalled an earlier one, and was not explored again.
    pub equal_recordings: u64,
    /// Schedules in which threads did not take the turns that were asked for.
    pub strayed: u64,
    /// Times that a thread was found to wait for another.
    pub blocked: u64,
    /// Whether all schedules with so many preemptions ran.
    pub whole: bool,
    /// Preemptions allowed.
    pub preemptions: u32,
    /// Reads of what was not durable, followed by an acknowledgement; each pair of places once.
    pub races: Vec<Race>,
}

impl std::fmt::Display for Threads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let confirmed = self.races.iter().filter(|race| race.confirmed).count();
        let preemptions = match self.preemptions {
            u32::MAX => "any number of preemptions".into(),
            most => format!("at most {most} preemptions"),
        };
        write!(
            f,
            "{} schedules ({} with equal recordings, {} strayed, {} waits, {preemptions}, {}), \
             {} races ({confirmed} confirmed)",
            self.schedules,
            self.equal_recordings,
            self.strayed,
            self.blocked,
            if self.whole {
                "all of them"
            } else {
                "not all of them"
            },
            self.races.len(),
        )
    }
}

/// Runs threads of one kind of engine under schedules; made by [`Explorer::threads`].
#[derive(Debug)]
pub struct Interleaving<'e, S> {
    pub(super) explorer: &'e Explorer,
    pub(super) preemptions: u32,
    slice: (u64, u64),
    schedules_at_most: u64,
    pub(super) every_call: bool,
    subject: PhantomData<fn() -> S>,
}

/// Each schedule that strays is tried again so often.
const TRIES: u32 = 4;
impl Explorer {
    /// Threads on the engine `S`: at most two preemptions, until more are allowed.
    pub fn threads<S: Shared>(&self) -> Interleaving<'_, S> {
        Interleaving {
            explorer: self,
            preemptions: 2,
            slice: (0, 1),
            schedules_at_most: u64::MAX,
            every_call: false,
            subject: PhantomData,
        }
    }
}

impl<S> Interleaving<'_, S> {
    /// The same, however many preemptions are allowed here.
    pub(super) fn with(&self, preemptions: u32) -> Self {
        Interleaving {
            preemptions,
            ..*self
        }
    }
}

impl<S: Shared> Interleaving<'_, S> {
    /// How many times a thread may be made to wait though it could go on.
    #[must_use]
    pub fn preemptions(mut self, preemptions: u32) -> Self {
        self.preemptions = preemptions;
        self
    }

    /// Lets threads be preempted before every call to the medium, not only at the places named in the module's words:
    /// many more schedules, and what they add are orders of plain loads and stores.
    #[must_use]
    pub fn at_every_call(mut self) -> Self {
        self.every_call = true;
        self
    }

    /// Only schedules whose first preemption lies at decision number `part`, `part + parts`, …: slices together are
    /// the whole.
    ///
    /// Panics: `part` is not below `parts`.
    #[must_use]
    pub fn slice(mut self, part: u64, parts: u64) -> Self {
        assert!(part < parts, "slice {part} of {parts}");
        self.slice = (part, parts);
        self
    }

    /// Ends after so many schedules; the summary then says that they are not all.
    #[must_use]
    pub fn schedules_at_most(mut self, schedules: u64) -> Self {
        self.schedules_at_most = schedules;
        self
    }

    /// After `setup`, each of `programs` on a thread of its own: every schedule with so many preemptions.
    pub fn all(&self, setup: &[S::Op], programs: &[Vec<S::Op>]) -> Summary {
        let mut summary = self.summary();
        let picked = Picked::whole(setup, programs);
        if let Some(wrong) = self.every(setup, programs, &picked, &mut summary) {
            self.tell(setup, programs, picked, wrong, &mut summary);
        }
        summary
    }

    /// After `setup`, each of `programs` on a thread of its own: one drawn schedule for each seed, with any number of
    /// preemptions.
    pub fn random(
        &self,
        setup: &[S::Op],
        programs: &[Vec<S::Op>],
        seeds: std::ops::Range<u64>,
    ) -> Summary {
        let mut summary = self.summary();
        summary.drawn = true;
        let picked = Picked::whole(setup, programs);
        let drawn = self.with(u32::MAX);
        summary.threads.get_or_insert_default().preemptions = u32::MAX;
        let (part, parts) = self.slice;
        let mine = seeds.filter(|seed| seed % parts == part);
        if let Some(wrong) = drawn.some(setup, programs, &picked, mine, &mut summary) {
            drawn.tell(setup, programs, picked, wrong, &mut summary);
        }
        summary
    }

    /// One schedule of what is picked for each seed.
    pub(super) fn some(
        &self,
        setup: &[S::Op],
        programs: &[Vec<S::Op>],
        picked: &Picked,
        seeds: impl Iterator<Item = u64>,
        summary: &mut Summary,
    ) -> Option<Wrong> {
        let crew = Crew::new(programs.len());
        let mut known = HashSet::new();
        for seed in seeds {
            let one_in = [2, 4, 8, 16][seed as usize % 4];
            let seed = mix(self.explorer.seed ^ mix(seed));
            let chooser = Chooser::new(Vec::new(), Rest::Seeded { seed, one_in }, self.preemptions);
            let wrong = match self.one(&crew, setup, programs, picked, chooser, summary) {
                Ok(one) => self.explored(&one, &mut known, summary),
                Err(wrong) => Some(wrong),
            };
            if wrong.is_some() {
                return wrong;
            }
        }
        None
    }

    pub(super) fn summary(&self) -> Summary {
        Summary {
            planned: 1,
            workloads: 1,
            seed: self.explorer.seed,
            threads: Some(Threads {
                preemptions: self.preemptions,
                ..Threads::default()
            }),
            ..Summary::default()
        }
    }

    /// Depth first over the schedules of what is picked.
    fn every(
        &self,
        setup: &[S::Op],
        programs: &[Vec<S::Op>],
        picked: &Picked,
        summary: &mut Summary,
    ) -> Option<Wrong> {
        let crew = Crew::new(programs.len());
        let mut known = HashSet::new();
        let mut given = Some(Vec::new());
        let mut left = self.schedules_at_most;
        while let Some(plan) = given {
            if left == 0 {
                return None;
            }
            left -= 1;
            let mut tries = 0;
            let one = loop {
                let chooser = Chooser::new(plan.clone(), Rest::First, self.preemptions);
                match self.one(&crew, setup, programs, picked, chooser, summary) {
                    Ok(one) if !one.strayed => break one,
                    Ok(one) if tries == TRIES => {
                        summary.threads.get_or_insert_default().strayed += 1;
                        break one;
                    }
                    Ok(_) => tries += 1,
                    Err(wrong) => return Some(wrong),
                }
            };
            let wrong = self.explored(&one, &mut known, summary);
            if wrong.is_some() {
                return wrong;
            }
            given = next(one.frames, self.slice);
        }
        let threads = summary.threads.get_or_insert_default();
        threads.whole = self.slice.1 == 1;
        None
    }

    /// Runs the line of a finding again, with the operations that it was found with.
    ///
    /// Errors: the line is of another version, the engine does other things now, or the threads could not be made to
    /// take the same turns again.
    pub fn replay(
        &self,
        line: &str,
        setup: &[S::Op],
        programs: &[Vec<S::Op>],
    ) -> Result<Replayed, ReplayError> {
        let line = Line::parse(line)?;
        let other = |why: String| ReplayError::Workload { why };
        if !line.picked.fits(setup, programs) {
            return Err(other("there are fewer operations than it names".into()));
        }
        let again = Interleaving {
            every_call: line.every_call,
            ..self.with(line.bound)
        };
        let crew = Crew::new(line.picked.programs.len());
        let mut found = 0;
        for _ in 0..=TRIES {
            let chooser = Chooser::new(line.turns.clone(), Rest::First, line.bound);
            let mut unused = self.summary();
            let one = match again.one(&crew, setup, programs, &line.picked, chooser, &mut unused) {
                Ok(one) => one,
                Err(wrong) if line.crash.is_none() => {
                    return Ok(Replayed {
                        observation: "no crash".into(),
                        verdict: Err(wrong.reason),
                    });
                }
                Err(wrong) => return Err(other(wrong.reason)),
            };
            found = hash_of(&one.recording);
            match &line.crash {
                Some(crash) if found == line.log => {
                    return (Again {
                        explorer: self.explorer,
                        recording: &one.recording,
                        judge: &one.judge,
                    })
                    .crash(crash);
                }
                _ => {}
            }
        }
        Err(other(format!(
            "what the threads store has hash {found:x}, and {:x} then",
            line.log
        )))
    }
}

impl Picked {
    fn whole<O>(setup: &[O], programs: &[Vec<O>]) -> Self {
        let programs = programs.iter();
        Picked {
            setup: (0..setup.len()).collect(),
            programs: programs.map(|ops| (0..ops.len()).collect()).collect(),
        }
    }

    fn fits<O>(&self, setup: &[O], programs: &[Vec<O>]) -> bool {
        let pairs = self.programs.iter().zip(programs);
        self.programs.len() == programs.len()
            && self.setup.iter().all(|op| *op < setup.len())
            && pairs
                .flat_map(|(picked, ops)| picked.iter().map(move |op| *op < ops.len()))
                .all(|fits| fits)
    }
}
