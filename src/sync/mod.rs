//! Volatile shared state: atomics and a lock behind one facade, so that loom can drive them.
//!
//! On-media words do not pass here; they are reached through [`crate::media::Media`] only.
#![allow(
    clippy::disallowed_types,
    reason = "this is the one place that names the raw atomics"
)]

#[allow(
    unsafe_code,
    reason = "the cell behind the lock; duties S1 and S2 in its docs"
)]
mod lock;

pub use lock::{Guard, Lock};

#[cfg(not(loom))]
pub use core::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
#[cfg(loom)]
pub use loom::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};

/// One turn of a loop that waits for another thread.
#[inline]
pub fn relax(turn: u32) {
    #[cfg(loom)]
    {
        let _ = turn;
        loom::thread::yield_now();
    }
    #[cfg(not(loom))]
    {
        core::hint::spin_loop();
        #[cfg(feature = "std")]
        if turn > 64 {
            std::thread::yield_now();
        }
        #[cfg(not(feature = "std"))]
        let _ = turn;
    }
}
