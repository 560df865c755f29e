//! Which faults.

use everline::units::{ByteOffset, ByteRange, FLUSH_LINE};

use super::history::{History, PAGE};
use crate::trie::mix;

/// One fault of the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A bit is the other way round.
    BitFlip {
        /// Its byte.
        at: ByteOffset,
        /// Which of the eight.
        bit: u8,
    },
    /// A line holds what it held before it became durable the last time, or several times earlier.
    LostWrite {
        /// The line.
        line: ByteOffset,
        /// How many times.
        back: u32,
    },
    /// As a lost write, and another line holds the bytes.
    Misdirected {
        /// The line that should hold them.
        line: ByteOffset,
        /// The one that does.
        onto: ByteOffset,
    },
    /// A page of 4 KiB holds what it held before it changed the last time, or several times earlier.
    StalePage {
        /// The page.
        page: ByteOffset,
        /// How many times.
        back: u32,
    },
    /// Bytes that cannot be loaded until all of them are stored anew.
    Poison {
        /// Where they lie.
        unit: ByteOffset,
        /// How many.
        bytes: u64,
    },
}

impl Fault {
    /// What kind of fault it is.
    pub fn kind(&self) -> &'static str {
        match self {
            Fault::BitFlip { .. } => "bit flip",
            Fault::LostWrite { .. } => "lost write",
            Fault::Misdirected { .. } => "misdirected write",
            Fault::StalePage { .. } => "stale page",
            Fault::Poison { .. } => "poison",
        }
    }

    /// The first byte that is not as it should be.
    pub fn at(&self) -> ByteOffset {
        match *self {
            Fault::BitFlip { at, .. } => at,
            Fault::LostWrite { line, .. } | Fault::Misdirected { line, .. } => line,
            Fault::StalePage { page, .. } => page,
            Fault::Poison { unit, .. } => unit,
        }
    }
}

/// How many bits of a line are flipped, one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bits {
    None,
    Sampled(u64),
    Every,
}

/// Which faults are tried, one after another.
#[derive(Clone, Debug)]
pub struct FaultPlan {
    bits: Bits,
    back: u32,
    misdirected: u64,
    pages: bool,
    poison: Option<u64>,
    within: Vec<ByteRange>,
    pub(super) while_open: bool,
    pub(super) points: u64,
}

impl Default for FaultPlan {
    fn default() -> Self {
        Self::new()
    }
}

impl FaultPlan {
    /// Every kind: eight bits of each line, two older contents, two wrong places, poison in units of 64 bytes; at the
    /// end of the recording, before the medium is opened and while it is open.
    pub fn new() -> Self {
        FaultPlan {
            bits: Bits::Sampled(8),
            back: 2,
            misdirected: 2,
            pages: true,
            poison: Some(FLUSH_LINE),
            within: Vec::new(),
            while_open: true,
            points: 0,
        }
    }

    /// Bit flips alone, of every bit.
    pub fn every_bit() -> Self {
        FaultPlan {
            bits: Bits::Every,
            ..Self::nothing()
        }
    }

    /// Poison alone, in units of `bytes`.
    ///
    /// Panics: not a power of two of at least 64.
    pub fn poison(bytes: u64) -> Self {
        assert!(
            bytes.is_power_of_two() && bytes >= FLUSH_LINE,
            "poison comes in lines, not in {bytes} bytes"
        );
        FaultPlan {
            poison: Some(bytes),
            ..Self::nothing()
        }
    }

    /// Lost, misdirected and stale writes alone.
    pub fn writes() -> Self {
        FaultPlan {
            back: 2,
            misdirected: 2,
            pages: true,
            ..Self::nothing()
        }
    }

    fn nothing() -> Self {
        FaultPlan {
            bits: Bits::None,
            back: 0,
            misdirected: 0,
            pages: false,
            poison: None,
            ..Self::new()
        }
    }

    /// Only lines in `range`; several ranges add up.
    #[must_use]
    pub fn within(mut self, range: ByteRange) -> Self {
        self.within.push(range);
        self
    }

    /// Only before the medium is opened.
    #[must_use]
    pub fn before_open_only(mut self) -> Self {
        self.while_open = false;
        self
    }

    /// At `points` moments of the recording too, drawn by the seed, with all that was pending lost.
    #[must_use]
    pub fn at_points(mut self, points: u64) -> Self {
        self.points = points;
        self
    }

    fn wants(&self, at: u64) -> bool {
        let line = ByteRange::at(at, FLUSH_LINE).unwrap_or_default();
        let touches = |range: &ByteRange| {
            range.start().get() < line.end().get() && line.start().get() < range.end().get()
        };
        self.within.is_empty() || self.within.iter().any(touches)
    }

    /// The faults of this plan in a medium with that history.
    pub(super) fn faults(&self, history: &History, seed: u64) -> Vec<Fault> {
        let mut faults = Vec::new();
        let lines: Vec<u64> = history.lines().filter(|line| self.wants(*line)).collect();
        for (number, &line) in lines.iter().enumerate() {
            let salt = mix(seed ^ mix(line));
            match self.bits {
                Bits::None => {}
                Bits::Every => faults.extend((0..512).map(|bit| flip(line, bit))),
                Bits::Sampled(count) => {
                    let bits = (0..count).map(|draw| mix(salt ^ draw) % 512);
                    faults.extend(bits.map(|bit| flip(line, bit)));
                }
            }
            let at = ByteOffset::new(line);
            let older = history.line_versions(line).min(self.back);
            faults.extend((1..=older).map(|back| Fault::LostWrite { line: at, back }));
            // The line behind, then drawn ones.
            for wrong in 0..self.misdirected.min(lines.len() as u64 - 1) {
                let step = match wrong {
                    0 => 1,
                    _ => 1 + mix(salt ^ wrong) as usize % (lines.len() - 1),
                };
                let onto = ByteOffset::new(lines[(number + step) % lines.len()]);
                faults.push(Fault::Misdirected { line: at, onto });
            }
        }
        if self.pages {
            for page in history.pages().filter(|page| self.wants_page(*page)) {
                let older = history.page_versions(page).min(self.back);
                let page = ByteOffset::new(page);
                faults.extend((1..=older).map(|back| Fault::StalePage { page, back }));
            }
        }
        if let Some(bytes) = self.poison {
            let mut units: Vec<u64> = lines.iter().map(|line| line & !(bytes - 1)).collect();
            units.dedup();
            faults.extend(units.into_iter().map(|unit| Fault::Poison {
                unit: ByteOffset::new(unit),
                bytes,
            }));
        }
        faults
    }

    fn wants_page(&self, page: u64) -> bool {
        (page..page + PAGE)
            .step_by(FLUSH_LINE as usize)
            .any(|line| self.wants(line))
    }
}

fn flip(line: u64, bit: u64) -> Fault {
    Fault::BitFlip {
        at: ByteOffset::new(line + bit / 8),
        bit: (bit % 8) as u8,
    }
}
