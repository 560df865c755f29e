//! The explorer: every crash point of a recording, every state a crash can leave that recovery can tell apart.

use std::fmt::Debug;
use std::sync::Arc;

use everline::units::ByteLen;

use crate::event::Kind;
use crate::lab::{Lab, Policy};
use crate::media::CrashMedia;
use crate::model::{AMBIGUOUS, CrashModel, ERAS, KEY};
use crate::record::Recording;
use crate::replay::{Replay, ReplayError};
use crate::report::{Point, PointKind, PortabilityNote, Report, Violation};
use crate::search::{Search, quietly, stores};
use crate::suggest;

/// What a medium holds before anything is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Base {
    /// Zeros, and it says so.
    #[default]
    Zero,
    /// 0xA1 everywhere: somebody else used it before.
    Dirty,
}

/// How to explore. Every choice has a default that suits a test which runs at each commit.
#[derive(Clone, Debug)]
pub struct Explorer {
    pub(crate) model: CrashModel,
    pub(crate) seed: u64,
    pub(crate) budget_per_point: u64,
    pub(crate) nested_depth: u32,
    pub(crate) kill_steps: usize,
    pub(crate) stop_at_first: bool,
    pub(crate) violations_kept: usize,
    pub(crate) call_limit: u64,
    pub(crate) verify_samples: usize,
    pub(crate) memory_limit: usize,
    pub(crate) idempotent: bool,
    portability_notes: bool,
    suggest: bool,
    pub(crate) base: Base,
}

impl Default for Explorer {
    fn default() -> Self {
        Explorer {
            model: CrashModel::WordSubset,
            seed: 0x5EED,
            budget_per_point: 4096,
            nested_depth: 1,
            kill_steps: 128,
            stop_at_first: false,
            violations_kept: 16,
            call_limit: 10_000_000,
            verify_samples: 4,
            memory_limit: 1 << 30,
            idempotent: true,
            portability_notes: true,
            suggest: true,
            base: Base::Zero,
        }
    }
}

macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident: $type:ty,)*) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: $type) -> Self {
            self.$name = $name;
            self
        })*
    };
}

impl Explorer {
    /// The defaults: seed 0x5EED, 4,096 executions a crash point, nested depth 1, 128 process kills.
    pub fn new() -> Self {
        Self::default()
    }

    settings! {
        /// What a power cut may leave. Panics at the exploration: a sector that is no power of two from 512 to 65,536.
        model: CrashModel,
        /// Where all sampling comes from.
        seed: u64,
        /// Executions at one crash point before sampling takes over; a sixteenth for each state inside a recovery, and
        /// four times as many for all of those together.
        budget_per_point: u64,
        /// How many times power may go again inside a recovery; 3 at most where stores keep an order.
        nested_depth: u32,
        /// At how many moments the process is killed before the power goes; sampled where there are more
        /// ([`Report::kill_points`]). 0: none.
        kill_steps: usize,
        /// Whether the first violation ends the exploration.
        stop_at_first: bool,
        /// How many violations are told in full.
        violations_kept: usize,
        /// Calls to the medium after which a recovery is said not to end.
        call_limit: u64,
        /// How many contents that fail a checksum are explored for each checksummed range.
        verify_samples: usize,
        /// Bytes that memo and outcomes may take beside the medium and its recording; beyond them the memo starts anew,
        /// and a crash point that alone needs more is sampled and the report says so.
        memory_limit: usize,
        /// Whether what a recovery answered when it was over must be answered again after the next cut. To be turned
        /// off where `recover` goes on and changes what it looked at.
        idempotent: bool,
        /// Whether a clean result that rests on the order of stores to one line is tried without it, for
        /// [`Report::portability`].
        portability_notes: bool,
        /// Whether a flush or fence that prevents the first violation is looked for, by exploring again with it: some
        /// two dozen explorations as far as the violation, and one or a few of the whole.
        suggest: bool,
        /// What the medium of [`Explorer::check`] holds at first.
        base: Base,
    }

    /// Records `work` on a new medium of `len` bytes and explores it.
    pub fn check<O: Clone + Eq + Debug>(
        &self,
        len: ByteLen,
        work: impl FnOnce(&CrashMedia),
        recover: impl Fn(&CrashMedia) -> O,
        allowed: impl Fn(&Point<'_>, &O) -> Result<(), String>,
    ) -> Report {
        let media = self.medium(len);
        work(&media);
        self.explore(&media.recording(), recover, allowed)
    }

    pub(crate) fn medium(&self, len: ByteLen) -> CrashMedia {
        match self.base {
            Base::Zero => CrashMedia::new(len),
            Base::Dirty => CrashMedia::dirty(len),
        }
    }

    /// Explores every crash point of `recording`: `recover` opens each crashed medium and answers what it found,
    /// `allowed` says whether that may be.
    ///
    /// `recover` must be a function of what it reads: no clock, no randomness, no state between calls. A panic in it
    /// is a violation. Cost: see [`Report::executions`].
    pub fn explore<O: Clone + Eq + Debug>(
        &self,
        recording: &Recording,
        recover: impl Fn(&CrashMedia) -> O,
        allowed: impl Fn(&Point<'_>, &O) -> Result<(), String>,
    ) -> Report {
        let mut report = self.explore_under(recording, &recover, &allowed);
        report.portability = self.portability(recording, &report, &recover, &allowed);
        if let Some(first) = report.violations.first_mut() {
            self.advise(first, recording, &recover, &allowed);
        }
        report
    }

    /// Looks for the flush or fence that prevents `violation`, where that is asked for.
    pub(crate) fn advise<O: Clone + Eq + Debug>(
        &self,
        violation: &mut Violation,
        recording: &Recording,
        recover: &impl Fn(&CrashMedia) -> O,
        allowed: &impl Fn(&Point<'_>, &O) -> Result<(), String>,
    ) {
        if self.suggest {
            violation.advice = suggest::seek(violation, recording, |edited, all_kills| {
                let kills = if all_kills {
                    usize::MAX
                } else {
                    self.kill_steps
                };
                let again = self.clone().stop_at_first(true).kill_steps(kills);
                again.explore_under(edited, recover, allowed)
            });
        }
    }

    /// What would fail on media that keep no order within a line, where the result rests on that order.
    fn portability<O: Clone + Eq + Debug>(
        &self,
        recording: &Recording,
        report: &Report,
        recover: &impl Fn(&CrashMedia) -> O,
        allowed: &impl Fn(&Point<'_>, &O) -> Result<(), String>,
    ) -> Option<PortabilityNote> {
        let rests_on_order = match self.model {
            CrashModel::LinePrefix => true,
            CrashModel::WordSubset => !recording.line_ordered.is_empty(),
            CrashModel::Eadr | CrashModel::Page { .. } => false,
        };
        if !rests_on_order || !self.portability_notes || !report.is_clean() {
            return None;
        }
        let unordered = Recording {
            line_ordered: Arc::default(),
            ..recording.clone()
        };
        let strict = self
            .clone()
            .model(CrashModel::WordSubset)
            .stop_at_first(true);
        let mut report = strict.explore_under(&unordered, recover, allowed);
        let first = (!report.violations.is_empty()).then(|| report.violations.swap_remove(0));
        first.map(|violation| PortabilityNote { violation })
    }

    fn explore_under<O: Clone + Eq + Debug>(
        &self,
        recording: &Recording,
        recover: &impl Fn(&CrashMedia) -> O,
        allowed: &impl Fn(&Point<'_>, &O) -> Result<(), String>,
    ) -> Report {
        if let CrashModel::Page { sector } = self.model {
            assert!(
                sector.is_power_of_two() && (512..=65536).contains(&sector),
                "a sector is a power of two from 512 to 65,536 bytes, not {sector}"
            );
        }
        let (lab, moments) = self.prepare(recording, recover);
        assert!(
            !lab.model.keeps_order() || (self.nested_depth as usize) < ERAS,
            "where stores keep an order, power goes again at most {} times, not {}",
            ERAS - 1,
            self.nested_depth
        );
        let media = CrashMedia::of_lab(lab, recording.nature);
        let mut search = Search::new(self, media, recover, allowed);
        let killed = self.chosen_kills(moments.len());
        search.report.exhaustive = true;
        search.report.kill_points = moments.len() as u64;
        let mut next = 0;
        for (number, (event, kind)) in moments.iter().enumerate() {
            let kill = killed.binary_search(&number).is_ok();
            if kind.is_none() && !kill {
                continue;
            }
            search.advance_to(recording, &mut next, *event);
            if search.point(*event, *kind, kill).is_err() {
                search.limited("the first violation ended it");
                break;
            }
        }
        let mut report = search.finish();
        if let Some(names) = &recording.names {
            report.name_words(names);
        }
        report
    }

    /// Runs one crash state again.
    ///
    /// Errors: the line belongs to another recording, or recovery no longer goes that way. A panic of `recover` is
    /// passed on.
    pub fn replay<O>(
        &self,
        recording: &Recording,
        replay: &Replay,
        recover: impl Fn(&CrashMedia) -> O,
    ) -> Result<O, ReplayError> {
        let lab = Lab::new(
            recording.model(self.model),
            self.seed,
            self.call_limit,
            self.verify_samples,
        );
        let media = CrashMedia::of_lab(lab, recording.nature);
        let mut log = (*recording.log).clone();
        let mut answer = None;
        for (number, step) in replay.steps.iter().enumerate() {
            let elsewhere = ReplayError::Elsewhere { step: number };
            let events = log.events.get(..step.event).ok_or(elsewhere.clone())?;
            media.with_lab(|lab| {
                for event in events {
                    lab.model.apply(&log, event);
                }
                let fits = lab.force(&step.words);
                lab.policy = if step.kill {
                    Policy::Latest
                } else {
                    Policy::Oldest
                };
                lab.begin_run();
                fits.then_some(()).ok_or(elsewhere)
            })?;
            answer = Some(recover(&media));
            log = media.with_lab(|lab| {
                lab.take_back();
                if step.kill {
                    lab.abandon(0, 0);
                    lab.model.kill();
                } else {
                    let cells: Vec<u32> = lab.trail.drain(..).map(|word| word.cell).collect();
                    lab.model.cut(&cells);
                }
                std::mem::take(&mut lab.log)
            });
        }
        answer.ok_or(ReplayError::Elsewhere { step: 0 })
    }

    fn chosen_kills(&self, points: usize) -> Vec<usize> {
        if points <= self.kill_steps {
            return (0..points).collect();
        }
        let mut order: Vec<usize> = (0..points).collect();
        order.sort_by_key(|number| crate::trie::mix(self.seed ^ *number as u64));
        order.truncate(self.kill_steps);
        order.sort_unstable();
        order
    }

    /// The laboratory at the first crash point, the words that can differ marked, and all moments of interest: crash
    /// points, and between them those at which a killed process would leave something else visible.
    fn prepare<O>(
        &self,
        recording: &Recording,
        recover: &impl Fn(&CrashMedia) -> O,
    ) -> (Lab, Vec<(usize, Option<PointKind>)>) {
        let mut model = recording.model(self.model);
        let mut keys = Vec::new();
        let mut moments = Vec::new();
        let mut longest = model.len;
        for (index, event) in recording.log.events.iter().enumerate() {
            if index >= recording.first {
                let kind = match event.kind {
                    Kind::Invoke => Some(PointKind::Invoke),
                    Kind::Ack => Some(PointKind::Ack),
                    Kind::SetLen => Some(PointKind::Resize),
                    _ => model.raises(event).then_some(PointKind::Fence),
                };
                // A reaffirmation changes what a later process can settle.
                let visible = stores(event.kind) || event.kind == Kind::Reaffirm;
                if kind.is_some() || visible {
                    moments.push((index, kind));
                }
            }
            if event.kind == Kind::SetLen {
                longest = longest.max(event.value);
                // What a resize cuts off or makes anew differs before and after it.
                let granule = 1 << model.shift;
                let (low, high) = (event.value.min(model.len), event.value.max(model.len));
                keys.extend((low / granule) as u32..high.div_ceil(granule) as u32);
            }
            model.apply(&recording.log, event);
            if index + 1 == recording.first {
                keys.extend(model.pending.iter().map(|pending| pending.cell));
            }
            if index >= recording.first {
                touched(&model, event, &mut keys);
            }
        }
        moments.push((recording.log.events.len(), Some(PointKind::End)));
        let stored = self.stored_by_recovery(model, recording, recover);
        let mut model = recording.model(self.model);
        model.grow(longest);
        for event in &recording.log.events[..recording.first] {
            model.apply(&recording.log, event);
        }
        for cell in keys.into_iter().chain(stored) {
            if let Some(flags) = model.flags.get_mut(cell as usize) {
                *flags |= KEY;
            }
        }
        let mut lab = Lab::new(model, self.seed, self.call_limit, self.verify_samples);
        lab.set_origin();
        (lab, moments)
    }

    /// The words that recovery stores on two images of the end, so that the memo seldom has to start anew.
    fn stored_by_recovery<O>(
        &self,
        model: crate::model::Model,
        recording: &Recording,
        recover: &impl Fn(&CrashMedia) -> O,
    ) -> Vec<u32> {
        let lab = Lab::new(model, self.seed, self.call_limit, self.verify_samples);
        let media = CrashMedia::of_lab(lab, recording.nature);
        for policy in [Policy::Latest, Policy::Oldest] {
            media.with_lab(|lab| {
                lab.policy = policy;
                lab.begin_run();
            });
            // What it answers does not count here; a panic will come again in the exploration.
            drop(quietly(|| recover(&media)));
            media.with_lab(|lab| {
                lab.take_back();
                lab.abandon(0, 0);
                lab.forget();
            });
        }
        media.with_lab(|lab| std::mem::take(&mut lab.new_keys))
    }
}

/// The words that an event stores to.
fn touched(model: &crate::model::Model, event: &crate::event::Event, keys: &mut Vec<u32>) {
    let len = match event.kind {
        Kind::Store => u64::from(event.size),
        Kind::Rmw => 8,
        Kind::Write | Kind::WriteNt | Kind::Fill => u64::from(event.len),
        _ => return,
    };
    let first = event.at >> model.shift;
    let last = (event.at + len - 1) >> model.shift;
    keys.extend(first as u32..=last as u32);
}

impl Lab {
    /// Decides words as a replay says; false where one cannot be so.
    fn force(&mut self, words: &[(u64, u64)]) -> bool {
        words.iter().all(|(at, value)| {
            let cell = (at >> self.model.shift) as usize;
            let Some(flags) = self.model.flags.get(cell) else {
                return false;
            };
            if flags & AMBIGUOUS == 0 {
                return self.model.image[cell] == *value;
            }
            let possible = self.possible(cell as u32).contains(value);
            if possible {
                self.determine(cell as u32, *value);
            }
            possible
        })
    }
}

impl<O, R, A> Search<'_, O, R, A> {
    /// Takes the events of the recording up to `event`.
    fn advance_to(&mut self, recording: &Recording, next: &mut usize, event: usize) {
        let events = &recording.log.events;
        for (index, taken) in events.iter().enumerate().take(event).skip(*next) {
            match taken.kind {
                Kind::Invoke => self.in_flight.push(taken.value),
                Kind::Ack => {
                    self.in_flight.retain(|id| *id != taken.value);
                    self.acked.push(taken.value);
                }
                _ => {}
            }
            if index >= recording.first {
                self.media
                    .with_lab(|lab| lab.model.apply(&recording.log, taken));
            }
        }
        *next = event.max(*next);
        self.before = events.get(event).map(|next| next.place);
    }
}
