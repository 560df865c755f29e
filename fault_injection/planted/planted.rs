//! Which planted bug is on. Only in the copy of the core that the gauntlet builds.

use core::sync::atomic::{AtomicU32, Ordering};

static BUG: AtomicU32 = AtomicU32::new(0);

/// Turns on the bug of this number, and no other; 0 is none.
pub fn plant(number: u32) {
    BUG.store(number, Ordering::Relaxed);
}

/// Whether the bug of this number is on.
#[inline]
pub fn on(number: u32) -> bool {
    BUG.load(Ordering::Relaxed) == number
}
