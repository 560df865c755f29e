//! The crash models: what each word of the medium may hold after a power cut. Word-subset, which admits most, is
//! written here; `order` narrows it where a medium keeps stores in their order.
//!
//! ```text
//! word:  base ── version ── version ── version (latest, what the program sees)
//!        └ on the medium   └──────── pending: any one of them may have got there ┘
//! ```
//!
//! Invariants
//! W1  after a cut a word holds its base or any pending version, independently of every other word; where stores keep
//!     their order in a line or a sector, what O1 leaves of that.
//! W2  a flush by thread t covers the versions present at the flush; they become the base when t fences (or
//!     does a locked read-modify-write), and versions older than the base are gone.
//! W3  a non-temporal store needs no flush, and no other thread's flush covers it.
//! W4  after a failed fence what it should have settled is pending and clean: only a new store makes it flushable,
//!     one to the word, or to its sector where that is written back whole.
//! W5  a store below the size of a word makes a new version of the whole word from its latest version.
//! W6  where the caches survive, a store is durable once the next event comes.

mod journal;
mod order;
mod settle;

pub(crate) use journal::JournalMark;
pub use order::CrashModel;
pub(crate) use order::ERAS;

use crate::event::{Event, Kind, Log, Place};
use crate::trie::mix;
use journal::Saved;
use order::Residue;

/// The word belongs to the key of the memo: its value can differ between executions.
pub(crate) const KEY: u8 = 1;
/// The word has several possible values and none has been chosen.
pub(crate) const AMBIGUOUS: u8 = 2;
/// The word cannot be loaded.
pub(crate) const POISONED: u8 = 128;

/// A value stored to a word and not yet durable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Version {
    pub value: u64,
    pub place: Place,
    pub seq: u32,
    pub thread: u16,
    pub nt: bool,
}

/// A word with pending versions, or with several possible values on the medium.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub cell: u32,
    /// Versions up to this sequence were lost to a failed fence and are clean (W4).
    dead: u32,
    base: u64,
    /// In the order of their times; those up to the last cut may be on the medium and are no longer pending.
    pub versions: Vec<Version>,
}

impl Pending {
    /// Each possible value once, newest first.
    pub(crate) fn choices(&self, into: &mut Vec<u64>) {
        let start = into.len();
        let newest_first = self.versions.iter().rev().map(|version| version.value);
        let base = std::iter::once(self.base);
        for value in newest_first.chain(base) {
            if !into[start..].contains(&value) {
                into.push(value);
            }
        }
    }

    /// What the word held at time `seq`.
    pub(crate) fn value_at(&self, seq: u32) -> u64 {
        self.versions
            .iter()
            .rev()
            .find(|version| version.seq <= seq)
            .map_or(self.base, |version| version.value)
    }

    /// A hash of what the word may hold, and since when.
    pub(crate) fn hash(&self) -> u64 {
        let versions = self.versions.iter();
        versions.fold(mix(self.base), |hash, version| {
            mix(mix(hash ^ version.value) ^ u64::from(version.seq) ^ (u64::from(version.nt) << 63))
        })
    }

    /// The times at which the word changed.
    pub(crate) fn times(&self, into: &mut Vec<u32>) {
        into.extend(self.versions.iter().map(|version| version.seq));
    }

    fn single(&self) -> Option<u64> {
        let same = self
            .versions
            .iter()
            .all(|version| version.value == self.base);
        same.then_some(self.base)
    }
}

/// The state of every word.
pub(crate) struct Model {
    kind: CrashModel,
    /// log2 of the bytes that never tear.
    pub shift: u32,
    rmw_fences: bool,
    /// What unwritten bytes hold when the medium grows.
    fresh: u8,
    pub len: u64,
    /// The one possible value of each word that is not [`AMBIGUOUS`].
    pub image: Vec<u64>,
    pub flags: Vec<u8>,
    slots: Vec<u32>,
    pub pending: Vec<Pending>,
    spare: Vec<Vec<Version>>,
    threads: Vec<(u16, Vec<(u32, u32)>)>,
    clock: u32,
    /// When the power last went: what was stored until then is on the medium or lost, and not pending.
    cut_at: u32,
    /// When each cut was, the last included.
    cuts: Vec<u32>,
    residue: Vec<Residue>,
    ordered_lines: bool,
    /// What the last event stored, where the caches survive (W6).
    group: Vec<(u32, u32)>,
    journal: Vec<Saved>,
    journal_id: u32,
    journal_last: u32,
    journal_stamp: Vec<u32>,
}

/// How a medium behaves, apart from its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nature {
    pub granule: u64,
    pub rmw_fences: bool,
    pub fresh: u8,
}

impl Model {
    pub(crate) fn new(base: &[u8], nature: Nature, kind: CrashModel) -> Self {
        let mut model = Model {
            kind,
            shift: nature.granule.trailing_zeros(),
            rmw_fences: nature.rmw_fences,
            fresh: nature.fresh,
            len: 0,
            image: Vec::new(),
            flags: Vec::new(),
            slots: Vec::new(),
            pending: Vec::new(),
            spare: Vec::new(),
            threads: Vec::new(),
            clock: 0,
            cut_at: 0,
            cuts: Vec::new(),
            residue: Vec::new(),
            ordered_lines: false,
            group: Vec::new(),
            journal: Vec::new(),
            journal_id: 0,
            journal_last: 0,
            journal_stamp: Vec::new(),
        };
        model.grow(base.len() as u64);
        model.len = base.len() as u64;
        for (cell, bytes) in base.chunks(1 << model.shift).enumerate() {
            model.image[cell] = word_of(bytes);
        }
        model
    }

    /// Makes room for `len` bytes; what is new holds fresh bytes.
    pub(crate) fn grow(&mut self, len: u64) {
        let cells = usize::try_from(len.div_ceil(1 << self.shift)).expect("fits memory");
        assert!(
            cells < u32::MAX as usize,
            "a medium has at most 2^32 - 1 words"
        );
        if cells > self.image.len() {
            self.image.resize(cells, self.fresh_word());
            self.flags.resize(cells, 0);
            self.slots.resize(cells, 0);
            self.journal_stamp.resize(cells, 0);
        }
    }

    pub(crate) fn fresh_word(&self) -> u64 {
        u64::from_le_bytes([self.fresh; 8]) & self.word_mask()
    }

    fn word_mask(&self) -> u64 {
        u64::MAX >> (64 - (8 << self.shift))
    }

    pub(crate) fn pending_of(&self, cell: u32) -> Option<&Pending> {
        match self.slots[cell as usize] {
            0 => None,
            slot => Some(&self.pending[slot as usize - 1]),
        }
    }

    /// The value a program sees.
    pub(crate) fn latest(&self, cell: u32) -> u64 {
        match self.pending_of(cell) {
            Some(Pending { versions, .. }) if !versions.is_empty() => {
                versions[versions.len() - 1].value
            }
            _ => self.image[cell as usize],
        }
    }

    /// Each possible value once, newest first.
    pub(crate) fn choices(&self, cell: u32, into: &mut Vec<u64>) {
        match self.pending_of(cell) {
            Some(pending) if self.flags[cell as usize] & AMBIGUOUS != 0 => pending.choices(into),
            _ => into.push(self.image[cell as usize]),
        }
    }

    /// Whether `event` makes something durable.
    pub(crate) fn raises(&self, event: &Event) -> bool {
        let settles = match event.kind {
            Kind::Fence => self.has_flushed(event.thread),
            Kind::Rmw => self.rmw_fences && self.has_flushed(event.thread),
            Kind::SetLen => true,
            _ => false,
        };
        settles || !self.group.is_empty()
    }

    /// Takes one event of `log`.
    pub(crate) fn apply(&mut self, log: &Log, event: &Event) {
        // One time for all words of an event: between events the medium is at its points of time.
        self.clock += 1;
        self.end_group();
        match event.kind {
            Kind::Store => self.store(event, &event.value.to_le_bytes()[..event.size as usize]),
            Kind::Write | Kind::WriteNt => self.store(event, log.data(event)),
            Kind::Fill => self.fill(event),
            Kind::Rmw => {
                if self.rmw_fences {
                    self.settle(event.thread);
                }
                if event.len == 1 {
                    self.store(event, &event.value.to_le_bytes());
                }
            }
            Kind::Flush if self.kind == CrashModel::Eadr => {}
            Kind::Flush => self.flush(event.thread, event.at, u64::from(event.len)),
            Kind::Fence => self.settle(event.thread),
            Kind::FenceFailed => self.fail(event.thread),
            Kind::Reaffirm => self.reaffirm(event),
            Kind::SetLen => self.set_len(event.value),
            Kind::Kill => self.kill(),
            Kind::Invoke | Kind::Ack | Kind::Mark => {}
        }
    }

    fn store(&mut self, event: &Event, bytes: &[u8]) {
        let granule = 1u64 << self.shift;
        let mut at = event.at;
        let mut rest = bytes;
        while !rest.is_empty() {
            let within = at & (granule - 1);
            let take = (granule - within).min(rest.len() as u64) as usize;
            self.store_part(event, at, &rest[..take]);
            at += take as u64;
            rest = &rest[take..];
        }
    }

    /// Stores bytes that lie in one word (W5).
    fn store_part(&mut self, event: &Event, at: u64, bytes: &[u8]) {
        let cell = (at >> self.shift) as u32;
        let within = (at & ((1 << self.shift) - 1)) as u32;
        let value = merge(self.latest(cell), within, bytes);
        self.push_version(cell, value, event);
    }

    fn fill(&mut self, event: &Event) {
        let bytes = [event.value as u8; 8];
        let granule = 1u64 << self.shift;
        let mut at = event.at;
        let end = event.at + u64::from(event.len);
        while at < end {
            let take = (granule - (at & (granule - 1))).min(end - at);
            self.store_part(event, at, &bytes[..take as usize]);
            at += take;
        }
    }

    fn push_version(&mut self, cell: u32, value: u64, event: &Event) {
        self.save(cell);
        let seq = self.clock;
        let nt = event.kind == Kind::WriteNt;
        let version = Version {
            value,
            place: event.place,
            seq,
            thread: event.thread,
            nt,
        };
        let slot = match self.slots[cell as usize] {
            0 => self.open(cell),
            slot => slot as usize - 1,
        };
        self.pending[slot].versions.push(version);
        if nt {
            self.flushed_by(event.thread).push((cell, seq));
        } else if self.kind == CrashModel::Eadr {
            self.group.push((cell, seq));
        }
        self.refresh(cell);
    }

    fn open(&mut self, cell: u32) -> usize {
        let versions = self.spare.pop().unwrap_or_default();
        self.pending.push(Pending {
            cell,
            dead: 0,
            base: self.image[cell as usize],
            versions,
        });
        self.slots[cell as usize] = self.pending.len() as u32;
        self.pending.len() - 1
    }

    fn close(&mut self, cell: u32) {
        let slot = self.slots[cell as usize] as usize - 1;
        self.slots[cell as usize] = 0;
        let mut gone = self.pending.swap_remove(slot);
        gone.versions.clear();
        self.spare.push(gone.versions);
        if let Some(moved) = self.pending.get(slot) {
            self.slots[moved.cell as usize] = slot as u32 + 1;
        }
    }

    fn refresh(&mut self, cell: u32) {
        let at = cell as usize;
        match self.slots[at] {
            0 => self.flags[at] &= !AMBIGUOUS,
            slot => match self.pending[slot as usize - 1].single() {
                Some(value) => {
                    self.image[at] = value;
                    self.flags[at] &= !AMBIGUOUS;
                }
                None => self.flags[at] |= AMBIGUOUS,
            },
        }
    }

    fn set_len(&mut self, len: u64) {
        let granule = 1u64 << self.shift;
        if len < self.len {
            let keep = len.div_ceil(granule);
            for cell in keep as u32..self.image.len() as u32 {
                self.save(cell);
                if self.slots[cell as usize] != 0 {
                    self.close(cell);
                }
                self.image[cell as usize] = self.fresh_word();
                self.refresh(cell);
            }
        }
        self.grow(len);
        self.len = len;
    }

    /// Chooses a value for an ambiguous word.
    pub(crate) fn determine(&mut self, cell: u32, value: u64) {
        self.image[cell as usize] = value;
        self.flags[cell as usize] &= !AMBIGUOUS;
    }

    /// The bytes of a medium on which each word holds what `choose` picks from its possible values, newest first.
    pub(crate) fn image_bytes(&self, mut choose: impl FnMut(u64, &[u64]) -> u64) -> Vec<u8> {
        let granule = 1usize << self.shift;
        let mut bytes = Vec::with_capacity(self.image.len() * granule);
        let mut choices = Vec::new();
        for cell in 0..self.image.len() {
            choices.clear();
            self.choices(cell as u32, &mut choices);
            let value = match choices[..] {
                [only] => only,
                _ => choose((cell << self.shift) as u64, &choices),
            };
            bytes.extend_from_slice(&value.to_le_bytes()[..granule]);
        }
        bytes.truncate(self.len as usize);
        bytes
    }
}

/// `bytes` laid over `word` from byte `within` on.
pub(crate) fn merge(word: u64, within: u32, bytes: &[u8]) -> u64 {
    if bytes.len() == 8 {
        return word_of(bytes);
    }
    let mut whole = word.to_le_bytes();
    whole[within as usize..][..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(whole)
}

/// Up to eight bytes as a little-endian word.
pub(crate) fn word_of(bytes: &[u8]) -> u64 {
    let mut whole = [0; 8];
    whole[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(whole)
}
