//! Poison: a failed fence is final until the pool is opened anew (O3).

use crate::sync::{AtomicBool, Ordering};

/// Whether a pool may still be stored to.
#[derive(Debug)]
pub struct Health {
    poisoned: AtomicBool,
}

impl Health {
    pub(crate) fn new() -> Self {
        Health {
            poisoned: AtomicBool::new(false),
        }
    }

    /// Whether a fence has failed since open.
    #[inline]
    pub fn is_poisoned(&self) -> bool {
        // Acquire pairs with the release in `settle`.
        self.poisoned.load(Ordering::Acquire)
    }

    /// Passes a fence's outcome on, and remembers a failure.
    #[inline]
    pub fn settle<E>(&self, outcome: Result<(), E>) -> Result<(), E> {
        if outcome.is_err() {
            self.poison();
        }
        outcome
    }

    /// Refuses every store from now on.
    pub(crate) fn poison(&self) {
        // Release pairs with the acquire in `is_poisoned`.
        self.poisoned.store(true, Ordering::Release);
    }
}
