//! A small lock: one word, no allocation, works without an operating system.
//!
//! Invariants
//! S1  the value is reached only through a [`Guard`], and at most one guard exists at a time.
//! S2  what one holder wrote is seen by the next (release on drop, acquire on lock).

use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

use super::{AtomicBool, Ordering, relax};

#[cfg(not(loom))]
use core::cell::UnsafeCell;
#[cfg(loom)]
use loom::cell::UnsafeCell;

/// A value that one thread at a time may hold. Waiting spins, then yields to the scheduler.
pub struct Lock<T> {
    held: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY:
// - shared: S1 gives out one guard at a time, so `&Lock` never yields two references to the value;
// - moved: the value may be used and dropped on another thread, hence `T: Send`.
unsafe impl<T: Send> Sync for Lock<T> {}
// SAFETY:
// - owned: sending the lock sends the value, hence `T: Send`.
unsafe impl<T: Send> Send for Lock<T> {}

/// Access to the value of a [`Lock`]; stays on its thread and releases when dropped.
pub struct Guard<'l, T> {
    lock: &'l Lock<T>,
    #[cfg(loom)]
    pointer: Option<loom::cell::MutPtr<T>>,
    on_this_thread: PhantomData<*const ()>,
}

impl<T> Lock<T> {
    /// An unheld lock around `value`.
    pub fn new(value: T) -> Self {
        Lock {
            held: AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// The guard, if nobody holds the lock.
    #[inline]
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        if self.held.load(Ordering::Relaxed) {
            return None;
        }
        // Acquire pairs with the release in `Guard::drop` (S2).
        if self
            .held
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            return None;
        }
        Some(Guard {
            lock: self,
            #[cfg(loom)]
            pointer: Some(self.value.get_mut()),
            on_this_thread: PhantomData,
        })
    }

    /// The guard, once nobody else holds the lock.
    #[inline]
    pub fn lock(&self) -> Guard<'_, T> {
        let mut turn = 0;
        loop {
            if let Some(guard) = self.try_lock() {
                return guard;
            }
            relax(turn);
            turn = turn.saturating_add(1);
        }
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        #[cfg(not(loom))]
        // SAFETY:
        // - exclusive: this guard is the only one (S1), and `&self` forbids `deref_mut` meanwhile;
        // - live: the lock outlives the guard that borrows it.
        unsafe {
            &*self.lock.value.get()
        }
        #[cfg(loom)]
        // SAFETY:
        // - exclusive and live: as above; loom checks it.
        unsafe {
            self.pointer.as_ref().expect("held until drop").deref()
        }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        #[cfg(not(loom))]
        // SAFETY:
        // - exclusive: this guard is the only one (S1), and `&mut self` makes this reference the only one;
        // - live: the lock outlives the guard that borrows it.
        unsafe {
            &mut *self.lock.value.get()
        }
        #[cfg(loom)]
        // SAFETY:
        // - exclusive and live: as above; loom checks it.
        unsafe {
            self.pointer.as_ref().expect("held until drop").deref()
        }
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        #[cfg(loom)]
        {
            // Loom counts the access as over only when its pointer is gone.
            self.pointer = None;
        }
        // Release pairs with the acquire in `try_lock` (S2).
        self.lock.held.store(false, Ordering::Release);
    }
}

impl<T> fmt::Debug for Guard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_gives_no_second_guard() {
        let lock = Lock::new(1);
        let guard = lock.try_lock().expect("nobody holds it");
        assert!(lock.try_lock().is_none());
        drop(guard);
        *lock.lock() += 1;
        assert_eq!(*lock.lock(), 2);
    }
}
