//! The copy itself: chunks, who takes them, and the loop that takes what nobody has stored to.

use core::ops::ControlFlow;
use std_alloc::boxed::Box;
use std_alloc::sync::Arc;
use std_alloc::vec::Vec;

use super::{CHUNK, Preserved, Sink};
use crate::media::{Media, SpaceError};
use crate::sync::{AtomicBool, AtomicU8, Lock, Ordering, relax};
use crate::units::{ByteLen, ByteOffset};

const UNTAKEN: u8 = 0;
const TAKING: u8 = 1;
const TAKEN: u8 = 2;

/// Why there is no whole image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CopyError {
    /// One copy at a time.
    #[error("another copy of this medium is under way; wait for it or cancel it")]
    Running,
    /// The caller ended it.
    #[error("the copy was cancelled")]
    Cancelled,
    /// The sink refused bytes.
    #[error("the copy could not be written: {0}")]
    Sink(SpaceError),
    /// Bytes of the medium could not be read.
    #[error("the copy is not whole, since bytes of the medium could not be read; check its device")]
    Lost,
}

/// What copier and stores share.
pub(super) struct Shared {
    len: u64,
    states: Box<[AtomicU8]>,
    sink: Arc<dyn Sink>,
    /// The copy cannot become whole any more: nothing need be saved for it.
    broken: AtomicBool,
    error: Lock<Option<SpaceError>>,
}

impl Shared {
    pub(super) fn new(len: ByteLen, sink: Arc<dyn Sink>) -> Self {
        let chunks = len.get().div_ceil(CHUNK.get());
        Shared {
            len: len.get(),
            states: (0..chunks).map(|_| AtomicU8::new(UNTAKEN)).collect(),
            sink,
            broken: AtomicBool::new(false),
            error: Lock::new(None),
        }
    }

    /// Waits until each chunk of `len` bytes at `at` is taken, taking it where nobody has begun.
    pub(super) fn save(&self, media: &impl Media, at: ByteOffset, len: u64) {
        let end = at.get().saturating_add(len).min(self.len);
        let chunks = at.get() / CHUNK.get()..end.div_ceil(CHUNK.get());
        for chunk in chunks {
            if len == 0 || self.broken.load(Ordering::Relaxed) {
                return; // Relaxed: a hint, whatever is saved now is of no use
            }
            let mut bytes = Vec::new();
            if self.take(media, chunk, &mut bytes) {
                self.put(chunk, &bytes);
            } else {
                self.wait_until_taken(chunk);
            }
        }
    }

    /// Appends the chunk to `bytes`, if nobody has begun to take it (N1).
    fn take(&self, media: &impl Media, chunk: u64, bytes: &mut Vec<u8>) -> bool {
        let state = &self.states[chunk as usize];
        // AcqRel: who finds it begun sees that a store is inside, and waits for it when the copy ends.
        let taking = state.compare_exchange(UNTAKEN, TAKING, Ordering::AcqRel, Ordering::Acquire);
        if taking.is_err() {
            return false;
        }
        let at = chunk * CHUNK.get();
        let held = bytes.len();
        bytes.resize(held + CHUNK.get().min(self.len - at) as usize, 0);
        media.read(ByteOffset::new(at), &mut bytes[held..]);
        state.store(TAKEN, Ordering::Release); // Release pairs with the acquire in `wait_until_taken`
        true
    }

    fn wait_until_taken(&self, chunk: u64) {
        let mut turn = 0;
        // Acquire pairs with the release in `take`: the bytes were read before they change (N2).
        while self.states[chunk as usize].load(Ordering::Acquire) != TAKEN {
            relax(turn);
            turn = turn.saturating_add(1);
        }
    }

    /// Hands on the chunks from `first` on, leaving out those that are all zeros; a failure ends the copy (N3).
    fn put(&self, first: u64, bytes: &[u8]) {
        let chunk = CHUNK.get() as usize;
        let is_zero = |piece: &[u8]| piece.iter().all(|byte| *byte == 0);
        let mut from = 0;
        while from < bytes.len() {
            let pieces = bytes[from..].chunks(chunk);
            let run: usize = pieces
                .take_while(|piece| !is_zero(piece))
                .map(<[u8]>::len)
                .sum();
            if run == 0 {
                from = (from + chunk).min(bytes.len());
                continue;
            }
            let at = ByteOffset::new(first * CHUNK.get() + from as u64);
            if let Err(error) = self.sink.put(at, &bytes[from..from + run]) {
                self.error.lock().get_or_insert(error);
                self.broken.store(true, Ordering::Relaxed); // Relaxed: a hint, the lock holds the error
                return;
            }
            from += run;
        }
    }

    fn outcome(&self) -> Result<(), CopyError> {
        match *self.error.lock() {
            Some(error) => Err(CopyError::Sink(error)),
            None => Ok(()),
        }
    }
}

/// A copy under way; it ends when it is dropped.
#[must_use = "the copy ends when it is dropped"]
pub struct ImageCopy<'p, M: Media> {
    of: &'p Preserved<M>,
    shared: Arc<Shared>,
    ended: bool,
}

impl<M: Media> core::fmt::Debug for ImageCopy<'_, M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ImageCopy")
            .field("len", &self.shared.len)
            .finish_non_exhaustive()
    }
}

impl<'p, M: Media> ImageCopy<'p, M> {
    pub(super) fn new(of: &'p Preserved<M>, shared: Arc<Shared>) -> Self {
        ImageCopy {
            of,
            shared,
            ended: false,
        }
    }

    /// Bytes of the image.
    pub fn len(&self) -> ByteLen {
        ByteLen::new(self.shared.len)
    }

    /// Whether the image has no bytes.
    pub fn is_empty(&self) -> bool {
        self.shared.len == 0
    }

    /// Hands every byte of the image to the sink that was given to [`Preserved::begin_copy`], while others store.
    ///
    /// The buffer holds `piece` bytes, rounded up to whole chunks; 0 means the whole image. After each piece `proceed`
    /// is told how many bytes are done, and says whether to go on.
    ///
    /// Errors: [`CopyError::Cancelled`], [`CopyError::Sink`], [`CopyError::Lost`]; the sink holds a part then. Stores
    /// are never harmed. Cost: reads the medium once, no wait.
    pub fn run(
        mut self,
        piece: u64,
        mut proceed: impl FnMut(ByteLen) -> ControlFlow<()>,
    ) -> Result<(), CopyError> {
        let shared = Arc::clone(&self.shared);
        let chunks = shared.states.len() as u64;
        let in_piece = match piece {
            0 => chunks,
            piece => piece.div_ceil(CHUNK.get()),
        };
        let mut bytes = Vec::new();
        let mut next = 0;
        while next < chunks {
            let end = chunks.min(next.saturating_add(in_piece));
            self.copy_piece(next, end, &mut bytes);
            shared.outcome()?;
            next = end;
            let done = ByteLen::new(shared.len.min(next * CHUNK.get()));
            if proceed(done).is_break() {
                return Err(CopyError::Cancelled);
            }
        }
        // keeps N2: once the copy has ended nobody waits for a chunk that a store has begun to take and not read yet
        for chunk in 0..chunks {
            shared.wait_until_taken(chunk);
        }
        // Whoever took a chunk by a store hands it on before it leaves.
        self.end();
        shared.outcome()?;
        match self.of.inner().intact() {
            true => Ok(()),
            false => Err(CopyError::Lost),
        }
    }

    fn end(&mut self) {
        if !core::mem::replace(&mut self.ended, true) {
            self.of.end_copy();
        }
    }

    /// Takes what is left of chunks `[first, end)` and hands on each run of it at once.
    fn copy_piece(&self, first: u64, end: u64, bytes: &mut Vec<u8>) {
        let mut run = first;
        for chunk in first..end {
            if !self.shared.take(self.of.inner(), chunk, bytes) {
                self.shared.put(run, bytes);
                bytes.clear();
                run = chunk + 1;
            }
        }
        self.shared.put(run, bytes);
        bytes.clear();
    }
}

impl<M: Media> Drop for ImageCopy<'_, M> {
    fn drop(&mut self) {
        self.end();
    }
}
