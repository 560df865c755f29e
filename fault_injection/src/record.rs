//! The recording half of the medium: the live image and the log of what was asked of it.

use std::sync::Arc;

use everline::media::SpaceError;

use crate::cost::Hint;
use crate::event::{Kind, Log, Place};
use crate::model::{CrashModel, Model, Nature};
use crate::report::Names;
use crate::trie::mix;

const BACKING_UNIT: u64 = 4096;

/// A frozen log: what an [`Explorer`](crate::Explorer) explores.
#[derive(Clone)]
pub struct Recording {
    pub(crate) base: Arc<Vec<u8>>,
    pub(crate) log: Arc<Log>,
    pub(crate) nature: Nature,
    pub(crate) first: usize,
    /// Ranges whose lines rely on the order of their stores.
    pub(crate) line_ordered: Arc<Vec<(u64, u64)>>,
    /// What its words are called in a report.
    pub(crate) names: Option<Names>,
    pub(crate) hints: Arc<Vec<Hint>>,
}

impl Recording {
    /// How many events it holds.
    pub fn events(&self) -> usize {
        self.log.events.len()
    }

    /// Crash points are taken only after the last [`mark`](crate::CrashMedia::mark); what came before still
    /// determines what is pending. Without a mark nothing changes.
    #[must_use]
    pub fn start_at_last_mark(mut self) -> Self {
        let marks = self.log.events.iter().rposition(|e| e.kind == Kind::Mark);
        self.first = marks.map_or(self.first, |mark| mark + 1);
        self
    }

    pub(crate) fn model(&self, kind: CrashModel) -> Model {
        let mut model = Model::new(&self.base, self.nature, kind);
        for (at, len) in self.line_ordered.iter() {
            model.order_lines(*at, *len);
        }
        model
    }
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording")
            .field("bytes", &self.base.len())
            .field("events", &self.log.events.len())
            .field("first", &self.first)
            .finish()
    }
}

/// Which of the possible images a [`cut`](crate::CrashMedia::cut) leaves.
pub enum Cut<'a> {
    /// Nothing pending has reached the medium.
    AllLost,
    /// Everything stored has reached the medium.
    AllKept,
    /// Each word holds one of its possible values, by the seed.
    Seeded(u64),
    /// The words of the chosen lines (by where each begins) hold what was stored last; all others lose everything.
    Keep(&'a dyn Fn(everline::units::ByteOffset) -> bool),
}

impl Cut<'_> {
    /// The bytes that this cut leaves of `model`.
    pub(crate) fn image(&self, model: &Model) -> Vec<u8> {
        model.image_bytes(|at, choices| {
            let (newest, oldest) = (choices[0], choices[choices.len() - 1]);
            match self {
                Cut::AllLost => oldest,
                Cut::AllKept => newest,
                Cut::Seeded(seed) => choices[(mix(seed ^ mix(at)) % choices.len() as u64) as usize],
                Cut::Keep(keep) => {
                    let line = everline::units::round_down(at, everline::units::FLUSH_LINE);
                    match keep(everline::units::ByteOffset::new(line)) {
                        true => newest,
                        false => oldest,
                    }
                }
            }
        })
    }
}

impl std::fmt::Debug for Cut<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Cut::AllLost => f.write_str("AllLost"),
            Cut::AllKept => f.write_str("AllKept"),
            Cut::Seeded(seed) => write!(f, "Seeded({seed})"),
            Cut::Keep(_) => f.write_str("Keep(..)"),
        }
    }
}

pub(crate) struct Recorder {
    base: Arc<Vec<u8>>,
    pub live: Vec<u8>,
    pub log: Log,
    pub nature: Nature,
    pub fences: u64,
    failing_at: Vec<u64>,
    failing_next: u64,
    back_left: Option<u64>,
    backed: Vec<bool>,
    pub line_ordered: Vec<(u64, u64)>,
    pub hints: Vec<Hint>,
    folded: Option<(Box<Model>, usize)>,
}

impl Recorder {
    pub(crate) fn new(base: Vec<u8>, nature: Nature) -> Self {
        Recorder {
            live: base.clone(),
            base: Arc::new(base),
            log: Log::default(),
            nature,
            fences: 0,
            failing_at: Vec::new(),
            failing_next: 0,
            back_left: None,
            backed: Vec::new(),
            line_ordered: Vec::new(),
            hints: Vec::new(),
            folded: None,
        }
    }

    pub(crate) fn recording(&self) -> Recording {
        Recording {
            base: self.base.clone(),
            log: Arc::new(self.log.clone()),
            nature: self.nature,
            first: 0,
            line_ordered: Arc::new(self.line_ordered.clone()),
            names: None,
            hints: Arc::new(self.hints.clone()),
        }
    }

    /// The same medium under a new process.
    pub(crate) fn killed(&self, place: Place) -> Recorder {
        let mut log = self.log.clone();
        log.push(Kind::Kill, 0, 0, 0, place);
        Recorder {
            base: self.base.clone(),
            live: self.live.clone(),
            log,
            nature: self.nature,
            fences: self.fences,
            failing_at: Vec::new(),
            failing_next: 0,
            back_left: self.back_left,
            backed: self.backed.clone(),
            line_ordered: self.line_ordered.clone(),
            hints: self.hints.clone(),
            folded: None,
        }
    }

    /// The model after everything recorded so far.
    fn folded(&mut self) -> &Model {
        let (model, done) = match &mut self.folded {
            Some((model, done)) => (model, done),
            none => {
                let fresh = Model::new(&self.base, self.nature, CrashModel::WordSubset);
                let fresh = Box::new(fresh);
                let (model, done) = none.insert((fresh, 0));
                (model, done)
            }
        };
        for event in &self.log.events[*done..] {
            model.apply(&self.log, event);
        }
        *done = self.log.events.len();
        model
    }

    /// The bytes that a cut now leaves.
    pub(crate) fn crashed(&mut self, cut: &Cut<'_>) -> Vec<u8> {
        match cut {
            Cut::AllKept => self.live.clone(),
            cut => cut.image(self.folded()),
        }
    }

    pub(crate) fn lay(&mut self, at: u64, bytes: &[u8]) {
        self.live[at as usize..][..bytes.len()].copy_from_slice(bytes);
    }

    pub(crate) fn fail_at(&mut self, from_now: u64) {
        self.failing_at.push(self.fences + from_now);
    }

    pub(crate) fn fail_next(&mut self, count: u64) {
        self.failing_next = count;
    }

    /// Counts a fence; true where it is to fail.
    pub(crate) fn fence_fails(&mut self) -> bool {
        let number = self.fences;
        self.fences += 1;
        let asked = self.failing_at.contains(&number);
        if self.failing_next > 0 {
            self.failing_next -= 1;
            return true;
        }
        asked
    }

    pub(crate) fn limit_backing(&mut self, bytes: u64) {
        self.back_left = Some(bytes);
    }

    pub(crate) fn back(&mut self, at: u64, len: u64) -> Result<(), SpaceError> {
        let Some(left) = self.back_left else {
            return Ok(());
        };
        if len == 0 {
            return Ok(());
        }
        let units = (at / BACKING_UNIT) as usize..=((at + len - 1) / BACKING_UNIT) as usize;
        if self.backed.len() <= *units.end() {
            self.backed.resize(units.end() + 1, false);
        }
        let fresh = units.clone().filter(|unit| !self.backed[*unit]).count() as u64;
        let cost = fresh * BACKING_UNIT;
        if cost > left {
            return Err(SpaceError::NoSpace);
        }
        self.back_left = Some(left - cost);
        self.backed[units].fill(true);
        Ok(())
    }

    pub(crate) fn set_len(&mut self, len: u64, place: Place) {
        self.log.push(Kind::SetLen, 0, 0, len, place);
        let len = usize::try_from(len).expect("fits memory");
        self.live.resize(len, self.nature.fresh);
    }
}
