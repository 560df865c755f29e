//! The search over one recording: depth first by re-execution, with a memo.
//!
//! ```text
//! point ── explore_state ── leaf ── judge
//!   │            ▲            └──── nested: cut inside that recovery ──┐
//!   │            └─────────────────────────────────────────────────────┘
//!   └ kill ── open on what is visible ── cut inside and after that open ── explore_state
//! ```
//!
//! Invariants
//! S1  every function leaves the laboratory as it found it, the memo aside, also when it ends early.
//! S2  every (crash point, depth, outcome) is judged once; every path to a new outcome is executed.
//! S3  the states inside a recovery are taken as known only where all words that mattered have the same values.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::BuildHasherDefault;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use everline::units::ByteOffset;

use crate::event::{Kind, Log, Place};
use crate::explore::Explorer;
use crate::lab::{Collector, Policy};
use crate::media::CrashMedia;
use crate::model::{AMBIGUOUS, JournalMark, KEY, Pending};
use crate::replay::{Replay, ReplayStep};
use crate::report::{Point, PointKind, Report, Violation, Word};
use crate::trie::{Mix, NestedMemo, Trie};

/// Why a search ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Nothing more is wanted.
    Enough,
    /// Recovery stored a word that the memo did not know: its paths say too little.
    NewKeys,
    /// The memo is full.
    Full,
}

/// Whether a search went to its end.
pub(crate) type Went = Result<(), Stop>;

/// Memos of nested states kept for each leaf.
const NESTED_MEMOS: usize = 8;

enum Outcome<O> {
    Seen(O),
    Panicked(String),
}

/// A crash further out than the current one.
struct Level {
    kill: bool,
    event: usize,
    words: Vec<(u32, u64)>,
    mark: Option<JournalMark>,
}

pub(crate) struct Search<'s, O, R, A> {
    config: &'s Explorer,
    pub media: CrashMedia,
    recover: &'s R,
    allowed: &'s A,
    outcomes: Vec<Outcome<O>>,
    /// Per outcome and class: the last crash point at which it was judged.
    judged: Vec<[u32; CLASSES]>,
    distinct: HashSet<u64, BuildHasherDefault<Mix>>,
    pub report: Report,
    point_number: u32,
    event: usize,
    /// Events of the recording, or of the innermost recovery, before the current crash.
    here: usize,
    kind: PointKind,
    pub before: Option<Place>,
    pub acked: Vec<u64>,
    pub in_flight: Vec<u64>,
    levels: Vec<Level>,
    /// Outcomes met inside each execution under way, with how deep.
    met: Vec<Vec<(u32, u32)>>,
    sampling_only: bool,
}

const CLASSES: usize = 8;

impl<'s, O, R, A> Search<'s, O, R, A> {
    pub(crate) fn new(
        config: &'s Explorer,
        media: CrashMedia,
        recover: &'s R,
        allowed: &'s A,
    ) -> Self {
        Search {
            config,
            media,
            recover,
            allowed,
            outcomes: Vec::new(),
            judged: Vec::new(),
            distinct: HashSet::default(),
            report: Report {
                seed: config.seed,
                log10_states: f64::NEG_INFINITY,
                ..Report::default()
            },
            point_number: 0,
            event: 0,
            here: 0,
            kind: PointKind::End,
            before: None,
            acked: Vec::new(),
            in_flight: Vec::new(),
            levels: Vec::new(),
            met: Vec::new(),
            sampling_only: false,
        }
    }

    pub(crate) fn assume(&mut self, what: &'static str) {
        if !self.report.assumptions.contains(&what) {
            self.report.assumptions.push(what);
        }
    }

    pub(crate) fn finish(mut self) -> Report {
        self.report.executions = self.distinct.len() as u64;
        if self.media.with_lab(|lab| lab.approximated) {
            self.assume("no mixture of versions matches a checksum by accident");
            self.assume("of checksummed contents that do not match, a few stand for all");
        }
        if self.report.log10_states == f64::NEG_INFINITY {
            self.report.log10_states = 0.0;
        }
        self.report
    }

    fn count_states(&mut self) {
        let log10 = self.media.with_lab(|lab| {
            let mut choices = Vec::new();
            let mut log10 = 0.0;
            for pending in &lab.model.pending {
                if lab.model.flags[pending.cell as usize] & AMBIGUOUS != 0 {
                    choices.clear();
                    pending.choices(&mut choices);
                    log10 += (choices.len() as f64).log10();
                }
            }
            log10
        });
        let (high, low) = (
            self.report.log10_states.max(log10),
            self.report.log10_states.min(log10),
        );
        self.report.log10_states = high + (1.0 + 10f64.powf(low - high)).log10();
    }
}

impl<O, R, A> Search<'_, O, R, A>
where
    O: Clone + Eq + Debug,
    R: Fn(&CrashMedia) -> O,
    A: Fn(&Point<'_>, &O) -> Result<(), String>,
{
    /// Explores one moment of the recording: as a crash point where it is one, with a killed process where asked.
    pub(crate) fn point(&mut self, event: usize, kind: Option<PointKind>, kill: bool) -> Went {
        self.point_number += 1;
        self.event = event;
        self.report.kill_steps += u64::from(kill);
        if kind.is_some() {
            self.report.crash_points += 1;
            self.count_states();
        }
        let (mut restarts, mut fills) = (0, 0);
        self.sampling_only = false;
        loop {
            self.here = event;
            let mut went = Ok(());
            if let Some(kind) = kind {
                self.kind = kind;
                went = self.explore_state(self.config.nested_depth);
            }
            if went.is_ok() && kill {
                went = self.kill();
            }
            match went {
                Ok(()) => return Ok(()),
                Err(Stop::Enough) => return Err(Stop::Enough),
                Err(Stop::NewKeys) => {
                    restarts += 1;
                    if restarts > 8 {
                        let flags = |flags: &mut u8| *flags |= KEY;
                        self.media
                            .with_lab(|lab| lab.model.flags.iter_mut().for_each(flags));
                    }
                }
                Err(Stop::Full) => {
                    fills += 1;
                    self.report.exhaustive &= fills < 2;
                    self.sampling_only = fills == 2;
                    if fills > 2 {
                        self.assume("at some crash points the memo was too small for more than a few states");
                        self.media.with_lab(|lab| lab.trie = Trie::new());
                        return Ok(());
                    }
                }
            }
            self.media.with_lab(|lab| lab.trie = Trie::new());
        }
    }

    /// Every state of the medium as it is now, recovered; cuts inside those recoveries `left` deep.
    fn explore_state(&mut self, left: u32) -> Went {
        let (base, trail) = self
            .media
            .with_lab(|lab| (lab.decisions.len(), lab.trail.len()));
        let went = if self.sampling_only {
            Ok(true)
        } else {
            self.every_path(left, base)
        };
        self.media.with_lab(|lab| lab.abandon(base, trail));
        if went? {
            self.report.exhaustive = false;
            let went = self.sample(left, base, trail);
            self.media.with_lab(|lab| {
                lab.abandon(base, trail);
                lab.policy = Policy::All;
            });
            went?;
        }
        Ok(())
    }

    /// Depth first over all paths; true where the budget ended first.
    fn every_path(&mut self, left: u32, base: usize) -> Result<bool, Stop> {
        let budget = self.config.budget_per_point;
        let (mut executed, mut visited) = (0u64, 0u64);
        self.media.with_lab(|lab| {
            lab.policy = Policy::All;
            lab.cursor = lab.trie.root(lab.model.len);
        });
        loop {
            executed += u64::from(self.leaf(left)?);
            visited += 1;
            if !self.media.with_lab(|lab| lab.advance(base)) {
                return Ok(false);
            }
            if executed >= budget || visited >= budget.saturating_mul(64) {
                return Ok(true);
            }
        }
    }

    /// Few deviations first, then seeded mixtures.
    fn sample(&mut self, left: u32, base: usize, trail: usize) -> Went {
        let limit = self.config.budget_per_point.max(16) as usize;
        let mut policies = vec![Policy::Latest, Policy::Oldest];
        self.media.with_lab(|lab| {
            let cells = lab.model.pending.iter().map(|pending| pending.cell);
            let flags = &lab.model.flags;
            let open = cells.filter(|cell| flags[*cell as usize] & AMBIGUOUS != 0);
            let open: Vec<u32> = open.collect();
            // Three quarters of the budget go to one word that deviates, evenly spread.
            let stride = open.len().div_ceil(limit * 3 / 8);
            for cell in open.iter().step_by(stride.max(1)) {
                policies.extend([Policy::LatestBut(*cell), Policy::OldestBut(*cell)]);
            }
        });
        let salt = crate::trie::mix(self.config.seed ^ self.event as u64);
        let seeded = (0..).map(|draw| Policy::Random(crate::trie::mix(salt ^ draw)));
        for policy in policies.into_iter().chain(seeded).take(limit) {
            self.media.with_lab(|lab| {
                lab.policy = policy;
                lab.cursor = lab.trie.root(lab.model.len);
            });
            let went = self.leaf(left);
            self.media.with_lab(|lab| lab.abandon(base, trail));
            went?;
        }
        Ok(())
    }

    /// To the end of one path; whether it had to be executed.
    fn leaf(&mut self, left: u32) -> Result<bool, Stop> {
        let (leaf, executed) = match self.media.with_lab(|lab| lab.walk()) {
            Some(leaf) => {
                self.report.memo_hits += 1;
                (leaf, false)
            }
            None => (self.execute()?, true),
        };
        let (outcome, stores) = self.media.with_lab(|lab| {
            let leaf = &lab.trie.leaves[leaf as usize];
            (leaf.outcome, leaf.stores)
        });
        self.judge(outcome)?;
        if left > 0 && stores {
            self.nested(leaf, executed, left)?;
        }
        Ok(executed)
    }

    /// Runs recovery with what is decided; the leaf it ends in.
    fn execute(&mut self) -> Result<u32, Stop> {
        self.media.with_lab(|lab| lab.begin_run());
        let outcome = match quietly(|| (self.recover)(&self.media)) {
            Ok(seen) => Outcome::Seen(seen),
            Err(message) => Outcome::Panicked(message),
        };
        let outcome = self.intern(outcome);
        let full = self.config.memo_nodes;
        let (leaf, fingerprint) = self.media.with_lab(|lab| {
            lab.take_back();
            let new_keys = std::mem::take(&mut lab.new_keys);
            for cell in &new_keys {
                lab.model.flags[*cell as usize] |= KEY;
            }
            if !new_keys.is_empty() {
                return (Err(Stop::NewKeys), 0);
            }
            if lab.trie.weight() > full {
                return (Err(Stop::Full), 0);
            }
            let stored = lab.log.events.iter().any(|event| stores(event.kind));
            let leaf = (!lab.strayed).then(|| lab.trie.set_leaf(lab.cursor, outcome, stored));
            (Ok(leaf.flatten()), lab.fingerprint)
        });
        match leaf? {
            Some(leaf) => {
                self.distinct.insert(fingerprint);
                Ok(leaf)
            }
            None => {
                self.violate(
                    outcome,
                    "recovery is not deterministic: after equal reads it read something else"
                        .into(),
                );
                Err(Stop::Enough)
            }
        }
    }

    fn intern(&mut self, outcome: Outcome<O>) -> u32 {
        let equal = |known: &Outcome<O>| match (known, &outcome) {
            (Outcome::Seen(known), Outcome::Seen(new)) => known == new,
            (Outcome::Panicked(known), Outcome::Panicked(new)) => known == new,
            _ => false,
        };
        // Equal outcomes need not be one, but each is judged apart: look at the likely ones.
        let recent = self.outcomes.len().saturating_sub(64);
        if let Some(index) = self.outcomes[recent..].iter().position(equal) {
            return (recent + index) as u32;
        }
        self.outcomes.push(outcome);
        self.judged.push([0; CLASSES]);
        self.outcomes.len() as u32 - 1
    }

    fn class(&self, deeper: u32) -> usize {
        let depth = (self.levels.len() + deeper as usize).min(CLASSES / 2 - 1);
        depth + usize::from(self.kind == PointKind::Killed) * (CLASSES / 2)
    }

    fn verdict(&self, outcome: u32, deeper: u32) -> Result<(), String> {
        let point = Point {
            event: self.event,
            kind: self.kind,
            depth: self.levels.len() as u32 + deeper,
            acked: &self.acked,
            in_flight: &self.in_flight,
        };
        match &self.outcomes[outcome as usize] {
            Outcome::Seen(seen) => quietly(|| (self.allowed)(&point, seen))
                .unwrap_or_else(|message| Err(format!("the oracle panicked: {message}"))),
            Outcome::Panicked(message) => Err(format!("recovery panicked: {message}")),
        }
    }

    /// Asks the oracle, once for each crash point, depth and outcome (S2).
    fn judge(&mut self, outcome: u32) -> Went {
        let depth = self.levels.len() as u32;
        for (level, met) in self.met.iter_mut().rev().enumerate() {
            let entry = (outcome, level as u32 + 1);
            if !met.contains(&entry) {
                met.push(entry);
            }
        }
        let class = self.class(0);
        let stamp = &mut self.judged[outcome as usize][class];
        if std::mem::replace(stamp, self.point_number) == self.point_number
            && (depth as usize) < CLASSES / 2
        {
            return Ok(());
        }
        match self.verdict(outcome, 0) {
            Ok(()) => Ok(()),
            Err(reason) => {
                self.violate(outcome, reason);
                match self.config.stop_at_first {
                    true => Err(Stop::Enough),
                    false => Ok(()),
                }
            }
        }
    }

    /// The crash states inside the execution that ends in `leaf`.
    fn nested(&mut self, leaf: u32, executed: bool, left: u32) -> Went {
        if self.nested_is_known(leaf, left) {
            return Ok(());
        }
        if !executed {
            let again = self.execute()?;
            debug_assert_eq!(again, leaf, "one path has one end");
        }
        let exhaustive = std::mem::replace(&mut self.report.exhaustive, true);
        let words = self.innermost_words();
        let (log, mark) = self.media.with_lab(|lab| {
            let log = std::mem::take(&mut lab.log);
            if lab.collectors.len() == lab.collecting {
                lab.collectors.push(Collector::default());
            }
            lab.collectors[lab.collecting].begin(&lab.reads);
            lab.collecting += 1;
            let mark = lab.model.begin_journal();
            lab.model.cut();
            (log, mark)
        });
        self.met.push(Vec::new());
        let went = self.inside(&log, false, words, mark, left - 1);
        let met = self.met.pop().expect("pushed above");
        self.media.with_lab(|lab| {
            lab.log = log;
            lab.collecting -= 1;
            let needs = std::mem::take(&mut lab.collectors[lab.collecting].needs);
            if went.is_ok() {
                let needs = needs
                    .iter()
                    .map(|cell| (*cell, lab.choices_hash(*cell)))
                    .collect();
                let memos = &mut lab.trie.leaves[leaf as usize].nested;
                if memos.len() == NESTED_MEMOS {
                    memos.remove(0);
                }
                memos.push(NestedMemo {
                    left,
                    needs,
                    met: met.into(),
                });
            }
        });
        self.report.exhaustive &= exhaustive;
        went
    }

    /// Whether the states inside that execution are known and allowed (S3).
    fn nested_is_known(&mut self, leaf: u32, left: u32) -> bool {
        let met = self.media.with_lab(|lab| {
            let memos = std::mem::take(&mut lab.trie.leaves[leaf as usize].nested);
            let known = memos.iter().position(|memo| {
                memo.left == left
                    && memo
                        .needs
                        .iter()
                        .all(|(cell, hash)| lab.choices_hash(*cell) == *hash)
            });
            let met = known.map(|index| {
                for (cell, _) in &memos[index].needs {
                    lab.need(*cell);
                }
                memos[index].met.clone()
            });
            lab.trie.leaves[leaf as usize].nested = memos;
            met
        });
        let Some(met) = met else { return false };
        for (outcome, deeper) in &met {
            let class = self.class(*deeper);
            if self.judged[*outcome as usize][class] == self.point_number {
                continue;
            }
            if self.verdict(*outcome, *deeper).is_err() {
                // Explored again, so that the path can be told.
                return false;
            }
            self.judged[*outcome as usize][class] = self.point_number;
        }
        for (level, outer) in self.met.iter_mut().rev().enumerate() {
            for (outcome, deeper) in &met {
                let entry = (*outcome, deeper + level as u32 + 1);
                if !outer.contains(&entry) {
                    outer.push(entry);
                }
            }
        }
        true
    }

    /// Crash points inside and after an execution whose log is `log`, from the model as `mark` left it.
    fn inside(
        &mut self,
        log: &Log,
        kill: bool,
        words: Vec<(u32, u64)>,
        mark: JournalMark,
        left: u32,
    ) -> Went {
        let outer = self.here;
        self.levels.push(Level {
            kill,
            event: outer,
            words,
            mark: Some(mark),
        });
        let went = self.inside_points(log, left);
        let level = self.levels.pop().expect("pushed above");
        self.here = outer;
        let mark = level.mark.expect("set above");
        self.media.with_lab(|lab| lab.model.roll_back(mark));
        went
    }

    fn inside_points(&mut self, log: &Log, left: u32) -> Went {
        let mut stored = false;
        for (index, event) in log.events.iter().enumerate() {
            let raises = self.media.with_lab(|lab| lab.model.raises(event));
            if stored && raises {
                self.inside_point(index, left)?;
            }
            stored |= stores(event.kind);
            self.media.with_lab(|lab| lab.model.apply(log, event));
        }
        if stored {
            self.inside_point(log.events.len(), left)?;
        }
        Ok(())
    }

    fn inside_point(&mut self, index: usize, left: u32) -> Went {
        self.here = index;
        self.report.nested_points += 1;
        self.explore_state(left)
    }

    /// The process dies here: the next opens what is visible, then the power goes in or after that open.
    fn kill(&mut self) -> Went {
        self.kind = PointKind::Killed;
        self.media.with_lab(|lab| {
            lab.policy = Policy::Latest;
            lab.cursor = lab.trie.root(lab.model.len);
        });
        let ran = self.execute();
        let words = self.innermost_words();
        let outcome = ran.map(|leaf| {
            self.media
                .with_lab(|lab| lab.trie.leaves[leaf as usize].outcome)
        });
        let went = outcome.and_then(|outcome| self.judge(outcome));
        let (log, mark) = self.media.with_lab(|lab| {
            lab.abandon(0, 0);
            lab.policy = Policy::All;
            let mark = lab.model.begin_journal();
            lab.model.kill();
            (std::mem::take(&mut lab.log), mark)
        });
        if went.is_err() {
            self.media.with_lab(|lab| lab.model.roll_back(mark));
            return went;
        }
        let left = self.config.nested_depth.saturating_sub(1);
        self.inside(&log, true, words, mark, left)
    }

    /// The words decided since the innermost crash.
    fn innermost_words(&self) -> Vec<(u32, u64)> {
        let outer: usize = self
            .levels
            .iter()
            .filter(|level| !level.kill)
            .map(|level| level.words.len())
            .sum();
        self.media.with_lab(|lab| {
            let decided = lab.trail[outer..].iter();
            decided
                .map(|(cell, _)| (*cell, lab.model.image[*cell as usize]))
                .collect()
        })
    }

    fn violate(&mut self, outcome: u32, reason: String) {
        self.report.violations_met += 1;
        if self.report.violations.len() >= self.config.violations_kept {
            return;
        }
        let here = self.innermost_words();
        let mut words = Vec::new();
        let mut steps = Vec::new();
        self.media.with_lab(|lab| {
            let shift = lab.model.shift;
            let crashes = self
                .levels
                .iter()
                .map(|level| (level.kill, level.event, &level.words, level.mark.as_ref()));
            let live = self.kind == PointKind::Killed && self.levels.is_empty();
            let last = std::iter::once((live, self.here, &here, None));
            for (depth, (kill, event, decided, mark)) in crashes.chain(last).enumerate() {
                steps.push(ReplayStep {
                    kill,
                    event,
                    words: decided
                        .iter()
                        .map(|(cell, value)| (u64::from(*cell) << shift, *value))
                        .collect(),
                });
                for (cell, value) in decided {
                    let pending = match mark {
                        Some(mark) => lab.model.saved_pending(mark, *cell),
                        None => None,
                    };
                    let pending = pending.or_else(|| lab.model.pending_of(*cell));
                    let at = ByteOffset::new(u64::from(*cell) << shift);
                    words.push(told(at, *value, depth as u32, pending));
                }
            }
        });
        let observation = match &self.outcomes[outcome as usize] {
            Outcome::Seen(seen) => format!("{seen:?}"),
            Outcome::Panicked(message) => format!("a panic: {message}"),
        };
        self.report.violations.push(Violation {
            event: self.event,
            kind: self.kind,
            depth: self.levels.len() as u32,
            before: self.before,
            acked: self.acked.clone(),
            in_flight: self.in_flight.clone(),
            reason,
            observation,
            words,
            replay: Replay { steps },
            seed: self.config.seed,
        });
    }
}

/// Whether an event changes what the medium may hold.
pub(crate) fn stores(kind: Kind) -> bool {
    use Kind::{Fill, Rmw, SetLen, Store, Write, WriteNt};
    matches!(kind, Store | Write | WriteNt | Fill | Rmw | SetLen)
}

/// A word's fate for a report.
fn told(at: ByteOffset, value: u64, depth: u32, pending: Option<&Pending>) -> Word {
    let versions = pending.map_or(&[][..], |pending| &pending.versions);
    let kept = versions.iter().rposition(|version| version.value == value);
    let lost = &versions[kept.map_or(0, |index| index + 1)..];
    Word {
        at,
        value,
        depth,
        kept: kept.map(|index| versions[index].place),
        lost: lost.iter().map(|version| version.place).collect(),
    }
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`, and answers the message of its panic instead of printing it.
pub(crate) fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.with(Cell::get) {
                before(info);
            }
        }));
    });
    let outer = QUIET.with(|quiet| quiet.replace(true));
    let result = catch_unwind(AssertUnwindSafe(work));
    QUIET.with(|quiet| quiet.set(outer));
    result.map_err(|payload| {
        let text = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned());
        text.or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic without a message".to_owned())
    })
}
