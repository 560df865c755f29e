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

mod inside;
mod judge;
mod quiet;

pub(crate) use judge::NOT_ONCE;
pub(crate) use quiet::quietly;

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::BuildHasherDefault;

use crate::event::{Kind, Place};
use crate::explore::Explorer;
use crate::lab::Policy;
use crate::media::CrashMedia;
use crate::model::{AMBIGUOUS, JournalMark, KEY};
use crate::report::{Point, PointKind, Report};
use crate::trie::Mix;

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
    /// What recovery answered before the current cut, where it was over by then.
    answered: Option<u32>,
    sampling_only: bool,
    /// Whether the current crash point was covered wholly so far.
    whole: bool,
    /// Executions at this crash point, nested ones with them.
    spent: u64,
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
                model: config.model,
                log10_states: f64::NEG_INFINITY,
                log10_covered: f64::NEG_INFINITY,
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
            answered: None,
            sampling_only: false,
            whole: true,
            spent: 0,
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
        self.report
    }

    /// Says that something stands between this exploration and all states.
    pub(crate) fn limited(&mut self, why: &'static str) {
        self.whole = false;
        self.report.exhaustive = false;
        if !self.report.limits.contains(&why) {
            self.report.limits.push(why);
        }
    }
}

/// The logarithm of a sum, of the logarithms of what is added.
fn log10_sum(a: f64, b: f64) -> f64 {
    let (high, low) = (a.max(b), a.min(b));
    match low == f64::NEG_INFINITY {
        true => high,
        false => high + (1.0 + 10f64.powf(low - high)).log10(),
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
        let mut log10 = f64::NEG_INFINITY;
        if kind.is_some() {
            self.report.crash_points += 1;
            log10 = self.media.with_lab(|lab| lab.model.log10_images());
            self.report.log10_states = log10_sum(self.report.log10_states, log10);
        }
        self.whole = true;
        let went = self.point_until_known(kind, kill);
        if kind.is_some() && self.whole && went.is_ok() {
            self.report.points_whole += 1;
            self.report.log10_covered = log10_sum(self.report.log10_covered, log10);
        }
        went
    }

    /// As often as the memo has to start anew.
    fn point_until_known(&mut self, kind: Option<PointKind>, kill: bool) -> Went {
        let event = self.event;
        let (mut restarts, mut fills) = (0, 0);
        self.sampling_only = false;
        self.spent = 0;
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
                    self.outcomes.clear();
                    self.judged.clear();
                    self.sampling_only = fills == 2;
                    if fills >= 2 {
                        self.limited("the memory limit left some crash points to samples");
                    }
                }
            }
            self.media.with_lab(|lab| lab.forget());
            if fills > 2 {
                return Ok(());
            }
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
            self.limited("the budget of executions left some states to samples");
            let went = self.sample(left, base, trail);
            self.media.with_lab(|lab| {
                lab.abandon(base, trail);
                lab.policy = Policy::All;
            });
            went?;
        }
        Ok(())
    }

    /// How many executions the present state may take: inside a recovery a share, and little once all is spent.
    fn allowance(&self) -> u64 {
        let whole = self.config.budget_per_point;
        match (self.levels.is_empty(), self.spent < whole.saturating_mul(4)) {
            (true, _) => whole,
            (false, true) => (whole / 16).max(32),
            (false, false) => 0,
        }
    }

    /// Depth first over all paths; true where the budget ended first.
    fn every_path(&mut self, left: u32, base: usize) -> Result<bool, Stop> {
        let budget = self.allowance();
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
            if executed >= budget || visited >= budget.saturating_mul(16) {
                return Ok(true);
            }
        }
    }

    /// Few deviations first, then seeded mixtures.
    fn sample(&mut self, left: u32, base: usize, trail: usize) -> Went {
        let limit = self.allowance().max(16) as usize;
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
        self.judge_again(outcome)?;
        self.judge(outcome)?;
        if left > 0 && stores {
            self.nested(leaf, executed, left)?;
        }
        Ok(executed)
    }

    /// Runs recovery with what is decided; the leaf it ends in.
    fn execute(&mut self) -> Result<u32, Stop> {
        self.spent += 1;
        self.media.with_lab(|lab| lab.begin_run());
        let outcome = match quietly(|| (self.recover)(&self.media)) {
            Ok(seen) => Outcome::Seen(seen),
            Err(message) => Outcome::Panicked(message),
        };
        let outcome = self.intern(outcome);
        let limit = self.config.memory_limit;
        let outcomes = self.outcomes.len() * size_of::<Outcome<O>>();
        let (leaf, fingerprint) = self.media.with_lab(|lab| {
            lab.take_back();
            let new_keys = std::mem::take(&mut lab.new_keys);
            for cell in &new_keys {
                lab.model.flags[*cell as usize] |= KEY;
            }
            if !new_keys.is_empty() {
                return (Err(Stop::NewKeys), 0);
            }
            if lab.bytes() + outcomes > limit {
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
                let reason =
                    "recovery is not deterministic: after equal reads it read something else";
                self.violate(outcome, reason.into());
                self.limited("a recovery that is not deterministic cannot be explored further");
                Err(Stop::Enough)
            }
        }
    }
}

/// Whether an event changes what the medium may hold.
pub(crate) fn stores(kind: Kind) -> bool {
    use Kind::{Fill, Rmw, SetLen, Store, Write, WriteNt};
    matches!(kind, Store | Write | WriteNt | Fill | Rmw | SetLen)
}
