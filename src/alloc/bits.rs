//! A sparse set of bits in on-media words.

use crate::mem::Full;
use crate::units::ByteOffset;

#[cfg(feature = "alloc")]
use std_alloc::collections::BTreeMap;

#[cfg(not(feature = "alloc"))]
use crate::mem::List;

/// Bits by word; a word without bits is not kept. Up to 32 words without `alloc`.
#[derive(Debug, Default)]
pub(super) struct Bits {
    #[cfg(feature = "alloc")]
    words: BTreeMap<u64, u64>,
    #[cfg(not(feature = "alloc"))]
    words: List<(u64, u64), 32>,
}

impl Bits {
    pub fn new() -> Self {
        Bits::default()
    }

    /// The bits of the word at `word`.
    pub fn of(&self, word: ByteOffset) -> u64 {
        #[cfg(feature = "alloc")]
        {
            self.words.get(&word.get()).copied().unwrap_or(0)
        }
        #[cfg(not(feature = "alloc"))]
        {
            self.words
                .as_slice()
                .iter()
                .find(|entry| entry.0 == word.get())
                .map_or(0, |entry| entry.1)
        }
    }

    /// Adds `mask` to the word at `word`.
    pub fn add(&mut self, word: ByteOffset, mask: u64) -> Result<(), Full> {
        #[cfg(feature = "alloc")]
        {
            *self.words.entry(word.get()).or_insert(0) |= mask;
            Ok(())
        }
        #[cfg(not(feature = "alloc"))]
        {
            match self
                .words
                .as_mut_slice()
                .iter_mut()
                .find(|entry| entry.0 == word.get())
            {
                Some(entry) => {
                    entry.1 |= mask;
                    Ok(())
                }
                None => self.words.push((word.get(), mask)),
            }
        }
    }

    /// Takes `mask` from the word at `word`.
    pub fn remove(&mut self, word: ByteOffset, mask: u64) {
        #[cfg(feature = "alloc")]
        if let Some(bits) = self.words.get_mut(&word.get()) {
            *bits &= !mask;
            if *bits == 0 {
                self.words.remove(&word.get());
            }
        }
        #[cfg(not(feature = "alloc"))]
        {
            for entry in self
                .words
                .as_mut_slice()
                .iter_mut()
                .filter(|entry| entry.0 == word.get())
            {
                entry.1 &= !mask;
            }
            self.words.retain(|entry| entry.1 != 0);
        }
    }

    /// Whether any bit of a word in `[from, to)` is in the set.
    pub fn any_in(&self, from: ByteOffset, to: ByteOffset) -> bool {
        #[cfg(feature = "alloc")]
        {
            self.words.range(from.get()..to.get()).next().is_some()
        }
        #[cfg(not(feature = "alloc"))]
        {
            self.words
                .as_slice()
                .iter()
                .any(|entry| (from.get()..to.get()).contains(&entry.0))
        }
    }
}
