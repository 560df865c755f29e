//! Volatile shared state: atomics and a lock behind one facade, so that loom can drive them.
//!
//! On-media words do not pass here; they are reached through [`crate::media::Media`] only.

#[allow(
    unsafe_code,
    reason = "the cell behind the lock; duties S1 and S2 in its docs"
)]
mod lock;
mod monotone;

pub use lock::{Guard, Lock};
pub use monotone::Monotone;

#[cfg(all(not(loom), target_has_atomic = "64"))]
pub use core::sync::atomic::AtomicU64;
#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering, fence};
#[cfg(loom)]
pub use loom::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
#[cfg(all(not(loom), not(target_has_atomic = "64")))]
pub use portable_atomic::AtomicU64;

/// One turn of a loop that waits for another thread: spins, then yields, then sleeps for 50 µs at a time.
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
        match turn {
            0..=64 => {}
            65..=1024 => std::thread::yield_now(),
            _ => std::thread::sleep(std::time::Duration::from_micros(50)),
        }
        #[cfg(not(feature = "std"))]
        let _ = turn;
    }
}
