//! Putting a fault into the medium that recovery runs on, and taking it out again.

use std::fmt;
use std::ops::Range;

use everline::units::ByteOffset;

use super::history::History;
use super::plan::Fault;
use crate::lab::Lab;
use crate::media::{CrashMedia, Inner};
use crate::model::{POISONED, word_of};

/// Bytes that cannot be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Poisoned {
    /// The first word among those asked for that cannot.
    pub at: ByteOffset,
}

impl fmt::Display for Poisoned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is poisoned", self.at)
    }
}

impl std::error::Error for Poisoned {}

/// The words that are poisoned in one execution.
#[derive(Debug, Default)]
pub(crate) struct Poison {
    cells: Range<u32>,
    stored: Vec<bool>,
    /// A load met it: the process is as good as dead.
    pub met: bool,
}

impl Lab {
    /// A load meets poison.
    #[cold]
    pub(crate) fn meet_poison(&mut self, cell: u32) {
        self.poison.met = true;
        let at = ByteOffset::new(u64::from(cell) << self.model.shift);
        panic!("a bus error: {}", Poisoned { at });
    }

    /// A whole word of the poisoned unit was stored; the poison goes with the last one. True while it stays.
    #[cold]
    pub(crate) fn store_to_poison(&mut self, cell: u32) -> bool {
        let cells = self.poison.cells.clone();
        if let Some(stored) = self.poison.stored.get_mut((cell - cells.start) as usize) {
            *stored = true;
        }
        let gone = self.poison.stored.iter().all(|stored| *stored);
        if gone {
            for cell in cells {
                self.model.flags[cell as usize] &= !POISONED;
            }
        }
        !gone
    }

    fn words(&self, at: u64, len: u64) -> Range<u32> {
        let shift = self.model.shift;
        let end = (at + len).min(self.model.len);
        (at >> shift) as u32..end.div_ceil(1 << shift) as u32
    }

    /// The bytes that a fault leaves at each place it changes.
    fn patches(&self, fault: &Fault, history: &History) -> Vec<(u64, Vec<u8>)> {
        match *fault {
            Fault::BitFlip { at, bit } => {
                let cell = (at.get() >> self.model.shift) as usize;
                let within = at.get() & ((1 << self.model.shift) - 1);
                let byte = self.model.image[cell].to_le_bytes()[within as usize];
                vec![(at.get(), vec![byte ^ 1 << bit])]
            }
            Fault::LostWrite { line, back } => {
                vec![(line.get(), history.line(line.get(), back).to_vec())]
            }
            Fault::Misdirected { line, onto } => {
                let (line, onto) = (line.get(), onto.get());
                vec![
                    (onto, history.line(line, 0).to_vec()),
                    (line, history.line(line, 1).to_vec()),
                ]
            }
            Fault::StalePage { page, back } => {
                vec![(page.get(), history.page(page.get(), back).to_vec())]
            }
            Fault::Poison { .. } => Vec::new(),
        }
    }

    /// Puts the fault in, until the execution is taken back.
    pub(super) fn inject(&mut self, fault: &Fault, history: &History) {
        let granule = 1u64 << self.model.shift;
        for (at, bytes) in self.patches(fault, history) {
            for (offset, byte) in bytes.iter().enumerate() {
                let place = at + offset as u64;
                let cell = (place / granule) as u32;
                let Some(word) = self.model.image.get(cell as usize) else {
                    break;
                };
                let mut whole = word.to_le_bytes();
                whole[(place % granule) as usize] = *byte;
                self.slip_in(cell, word_of(&whole[..granule as usize]));
            }
        }
        if let Fault::Poison { unit, bytes } = *fault {
            let cells = self.words(unit.get(), bytes);
            for cell in cells.clone() {
                self.model.flags[cell as usize] |= POISONED;
            }
            self.forget_touched(cells.clone());
            self.poison.stored = vec![false; cells.len()];
            self.poison.cells = cells;
        }
    }

    /// Takes poison out again.
    pub(super) fn cure(&mut self) {
        for cell in self.poison.cells.clone() {
            self.model.flags[cell as usize] &= !POISONED;
        }
        self.poison = Poison::default();
    }

    /// The first word there that cannot be loaded.
    pub(crate) fn first_poisoned(&self, at: u64, len: u64) -> Option<u32> {
        if self.poison.cells.is_empty() {
            return None;
        }
        let mut cells = self.words(at, len);
        cells.find(|cell| self.model.flags[*cell as usize] & POISONED != 0)
    }
}

impl CrashMedia {
    /// As [`read`](everline::media::Media::read), for a program that asks whether it may: the way of a machine-check
    /// handler or of the system's list of bad blocks.
    ///
    /// Errors: some of the bytes are poisoned. `into` then holds what it held.
    pub fn try_read(&self, at: ByteOffset, into: &mut [u8]) -> Result<(), Poisoned> {
        use everline::media::Media;
        let len = into.len() as u64;
        let poisoned = match &*self.lock() {
            Inner::Lab(lab) => lab
                .first_poisoned(at.get(), len)
                .map(|cell| ByteOffset::new(u64::from(cell) << lab.model.shift)),
            Inner::Recorder(_) => None,
        };
        if let Some(at) = poisoned {
            return Err(Poisoned { at });
        }
        self.read(at, into);
        Ok(())
    }
}
