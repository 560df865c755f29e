//! The volatile side of the slots: a lock for each, what its region is, who looks at it, and whether the log may hold
//! bytes of it. Made in pages at the first touch of one of their slots.

use std::sync::OnceLock;

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use everline::layout::DirectoryEntry;
use everline::sync::{AtomicU32, AtomicU64, Ordering};
use everline::units::{ByteOffset, Padded};

use crate::RegionId;
use crate::chunks::Chunks;

/// Slots of a page.
const PAGE: u32 = 256;
/// Rows of pages, each twice as long as the one before it: together a page for every 32-bit number.
const ROWS: usize = 25;

type Page = OnceLock<Box<[Padded<Slot>]>>;

/// Slots by number.
#[derive(Debug)]
pub(crate) struct Slots {
    rows: [OnceLock<Box<[Page]>>; ROWS],
}

/// What is volatile of a slot.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// Shared by whoever uses the region's bytes; exclusive while a commit changes its entry (R5).
    /// Fair: whoever changes the region gets his turn however many go on reading it.
    state: RwLock<Option<Live>>,
    /// Timestamp of the last commit that logged bytes of the region; 0 where none is above the cut (R6).
    logged: AtomicU64,
    /// Views that lead into the block (R7).
    views: AtomicU32,
}

/// What is known of a slot's region; as committed.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub id: RegionId,
    pub number: u32,
    /// Bytes from the start that are the region's own, and neither need a checksum nor a look at the map.
    pub ready: u64,
    pub entry_at: ByteOffset,
    pub entry: DirectoryEntry,
    pub chunks: Chunks,
}

fn place_of(number: u32) -> (usize, usize, usize) {
    let page = number / PAGE + 1;
    let row = page.ilog2();
    (
        row as usize,
        (page - (1 << row)) as usize,
        (number % PAGE) as usize,
    )
}

impl Slots {
    pub fn new() -> Self {
        Slots {
            rows: [const { OnceLock::new() }; ROWS],
        }
    }

    /// The slot, if its page was made.
    #[inline]
    pub fn get(&self, number: u32) -> Option<&Slot> {
        let (row, page, index) = place_of(number);
        let page = self.rows[row].get()?[page].get()?;
        Some(&page[index].0)
    }

    /// Hands every slot whose page was made to `visit`, until that fails.
    pub fn each<E>(&self, mut visit: impl FnMut(&Slot) -> Result<(), E>) -> Result<(), E> {
        let rows = self.rows.iter().filter_map(OnceLock::get);
        let pages = rows.flat_map(|row| row.iter().filter_map(OnceLock::get));
        pages
            .flat_map(|page| page.iter())
            .try_for_each(|slot| visit(&slot.0))
    }

    /// The slot; `number` is one of the directory's, so that nobody fills the memory by guessing.
    pub fn get_or_make(&self, number: u32) -> &Slot {
        let (row, page, index) = place_of(number);
        let row = self.rows[row].get_or_init(|| (0..1usize << row).map(|_| Page::new()).collect());
        let page = row[page].get_or_init(|| (0..PAGE).map(|_| Padded::default()).collect());
        &page[index].0
    }
}

impl Slot {
    #[inline]
    pub fn share(&self) -> RwLockReadGuard<'_, Option<Live>> {
        // Whoever panicked while holding it has committed or not; what is known was changed only after.
        self.state.read()
    }

    pub fn hold(&self) -> RwLockWriteGuard<'_, Option<Live>> {
        self.state.write()
    }

    pub fn views(&self) -> u32 {
        // Acquire pairs with the release in `leave`: what a view did to the bytes comes before they move.
        self.views.load(Ordering::Acquire)
    }

    /// One view more; the caller shares the slot, so that nobody is moving its block.
    pub fn look(&self) {
        self.views.fetch_add(1, Ordering::Relaxed); // Relaxed: the lock orders it
    }

    pub fn leave(&self) {
        self.views.fetch_sub(1, Ordering::Release); // pairs with `views`
    }

    /// A commit with this timestamp logged bytes of the region; the caller holds the slot.
    pub fn note_logged(&self, timestamp: u64) {
        self.logged.fetch_max(timestamp, Ordering::Relaxed); // Relaxed: the lock orders it
    }

    /// Whether a record above `cut` may speak of the region's bytes (R6); the caller shares the slot.
    #[inline]
    pub fn is_logged(&self, cut: impl FnOnce() -> u64) -> bool {
        let logged = self.logged.load(Ordering::Relaxed); // Relaxed: the lock orders it
        if logged == 0 {
            return false;
        }
        if logged > cut() {
            return true;
        }
        // Relaxed: another sharer may have done so already; holders are shut out.
        let _was = self
            .logged
            .compare_exchange(logged, 0, Ordering::Relaxed, Ordering::Relaxed);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_a_slot_of_its_own() {
        let slots = Slots::new();
        let numbers = [0, 1, 255, 256, 257, 767, 768, 1 << 20, u32::MAX];
        for number in numbers {
            assert!(
                slots
                    .get(number)
                    .is_none_or(|slot| slot.logged.load(Ordering::Relaxed) == 0)
            );
            slots.get_or_make(number).note_logged(u64::from(number) + 1);
        }
        for number in numbers {
            let slot = slots.get(number).expect("just made");
            assert!(slot.is_logged(|| u64::from(number)), "{number}");
            assert!(!slot.is_logged(|| u64::from(number) + 1), "{number}");
        }
        assert!(size_of::<Padded<Slot>>() <= 256);
    }
}
