//! A medium whose bytes of one moment can be copied while stores go on.
//!
//! ```text
//! begin_copy ─ a quiet moment ─┐
//! copier   chunk 0 ─► chunk 1 ─► chunk 2 ─► …        reads a chunk that is still as it was, hands it to the sink
//! store           into chunk 7: reads it first, hands it to the sink, then stores
//! ```
//!
//! A chunk is 64 KiB. While no copy runs, a store costs one load and one branch more; while one runs, a small lock,
//! and for the first store into each chunk the copy of that chunk.
//!
//! Invariants
//! N1  a chunk goes `Untaken` → `Taking` → `Taken`, once, by one thread, and its bytes are read in between.
//! N2  a store that begins after [`Preserved::begin_copy`] reaches its bytes only when their chunks are `Taken`: with
//!     N1 the image is what the bytes were at that moment.
//! N3  a sink that fails ends the copy, and no store and no fence ever sees it.
//! N4  once a copy is dropped, its sink is not used any more.
//! Crash: nothing here is durable; what the sink holds is whole only when [`ImageCopy::run`] has answered `Ok`.

mod copy;
mod whole;

pub use copy::{CopyError, ImageCopy};

use std_alloc::sync::Arc;

use super::{Media, SpaceError};
use crate::sync::{AtomicBool, AtomicUsize, Lock, Ordering, relax};
use crate::units::{ByteLen, ByteOffset};
use copy::Shared;

/// Where the bytes of an image go.
pub trait Sink: Send + Sync {
    /// Takes `bytes` of the image from `at` on. Each byte of the image comes at most once, in any order and from any
    /// thread; chunks of 64 KiB that are all zeros do not come.
    fn put(&self, at: ByteOffset, bytes: &[u8]) -> Result<(), SpaceError>;
}

/// A medium that can be copied as it was at one moment.
pub struct Preserved<M> {
    inner: M,
    /// Whether a copy is under way.
    copying: AtomicBool,
    copy: Lock<Option<Arc<Shared>>>,
    /// Stores that are using the copy.
    inside: AtomicUsize,
}

/// Counts a store in as long as it has the copy.
struct Inside<'p> {
    shared: Option<Arc<Shared>>,
    count: &'p AtomicUsize,
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.shared = None; // before it counts as left (N4)
        self.count.fetch_sub(1, Ordering::Release); // Release pairs with the acquire in `end_copy`
    }
}

impl<M: Media> Preserved<M> {
    /// `inner`, with no copy under way.
    pub fn new(inner: M) -> Self {
        Preserved {
            inner,
            copying: AtomicBool::new(false),
            copy: Lock::new(None),
            inside: AtomicUsize::new(0),
        }
    }

    /// The medium inside. Stores made to it directly are not kept out of an image.
    pub fn inner(&self) -> &M {
        &self.inner
    }

    /// Gives the medium inside back.
    pub fn into_inner(self) -> M {
        self.inner
    }

    /// Fixes the image: the bytes at this moment, as long as the medium is now. They go to `sink` when
    /// [`ImageCopy::run`] is called, and before that where somebody stores.
    ///
    /// To be called while nobody stores, and with whoever stores later having learnt of it (a lock does both). A store
    /// that is under way meanwhile may be in the image, in part or not at all. Dropping the answer ends the copy.
    ///
    /// Errors: [`CopyError::Running`]. Cost: a byte of memory for each chunk, no read.
    pub fn begin_copy(&self, sink: Arc<dyn Sink>) -> Result<ImageCopy<'_, M>, CopyError> {
        let mut slot = self.copy.lock();
        if slot.is_some() {
            return Err(CopyError::Running);
        }
        let shared = Arc::new(Shared::new(self.inner.len(), sink));
        *slot = Some(Arc::clone(&shared));
        // Relaxed: the caller's lock orders it before later stores.
        self.copying.store(true, Ordering::Relaxed);
        drop(slot);
        Ok(ImageCopy::new(self, shared))
    }

    /// Saves what a store to `len` bytes at `at` is about to change (N2).
    #[inline(always)]
    fn preserve(&self, at: ByteOffset, len: u64) {
        // Relaxed: see `begin_copy`.
        if self.copying.load(Ordering::Relaxed) {
            self.preserve_slowly(at, len);
        }
    }

    #[cold]
    #[inline(never)]
    fn preserve_slowly(&self, at: ByteOffset, len: u64) {
        let slot = self.copy.lock();
        let Some(shared) = slot.as_ref().map(Arc::clone) else {
            return;
        };
        // Relaxed, with the lock held: who ends the copy takes the lock before it looks (N4).
        self.inside.fetch_add(1, Ordering::Relaxed);
        let inside = Inside {
            shared: Some(shared),
            count: &self.inside,
        };
        drop(slot);
        if let Some(shared) = &inside.shared {
            shared.save(&self.inner, at, len);
        }
    }

    /// Ends the copy that is under way: nobody is using its sink when this returns (N4).
    fn end_copy(&self) {
        self.copying.store(false, Ordering::Relaxed); // Relaxed: a store that misses it finds no copy
        drop(self.copy.lock().take());
        let mut turn = 0;
        // Acquire pairs with the release in `Inside::drop`.
        while self.inside.load(Ordering::Acquire) != 0 {
            relax(turn);
            turn = turn.saturating_add(1);
        }
    }
}

impl<M: Media + core::fmt::Debug> core::fmt::Debug for Preserved<M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Preserved").field(&self.inner).finish()
    }
}

/// Bytes of a chunk.
pub const CHUNK: ByteLen = ByteLen::new(if cfg!(loom) { 64 } else { 64 << 10 });

#[cfg(all(test, feature = "std", not(loom)))]
mod tests;
