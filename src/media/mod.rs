//! The medium: every store, flush and fence of every layer above goes through [`Media`].
//!
//! Nobody hands out `&mut T` into a pool. That is what lets the laboratory see every store, and lets production
//! compile to bare instructions: the trait is a generic parameter everywhere and never a `dyn`.
//!
//! Invariants
//! V1  a store is durable only after a flush of its line (or a non-temporal store) and then a fence, both by
//!     one thread; until then each aligned 8-byte word of it holds, independently, any value stored to it since
//!     it last became durable.
//! V2  bulk operations may tear where two threads meet on one range, and are never undefined behaviour.
//! V3  a range outside the medium is the caller's mistake and panics before any byte is touched; offsets that
//!     come from an image are checked by the layer that reads them.

mod counted;
mod domain;
mod error;
#[cfg(all(feature = "std", unix, not(loom)))]
pub mod file;
mod forward;
#[cfg(all(feature = "std", unix, not(loom)))]
mod group;
#[cfg(all(feature = "std", unix, not(loom)))]
pub mod io;
mod mapped;
#[cfg(feature = "alloc")]
pub mod preserve;
#[cfg(feature = "alloc")]
mod ram;

pub use counted::{Cost, Counted};
pub use domain::{Domain, Durability};
pub use error::{Errno, SpaceError};
pub use mapped::Mapped;
#[cfg(feature = "alloc")]
pub use ram::Ram;

use crate::units::{ByteLen, ByteOffset, ByteRange, LineRange};
use forward::{forward, forward_accesses};

/// A checksum that [`Media::verify`] feeds piece by piece.
pub trait Checksum {
    /// Forgets everything fed so far.
    fn reset(&mut self);
    /// Takes the next bytes.
    fn update(&mut self, bytes: &[u8]);
    /// Whether what was fed is what was expected.
    fn matches(&self) -> bool;
}

/// Byte-addressable memory with explicit durability.
///
/// Shapes: places are bytes from the start; multi-byte loads and stores are little-endian and aligned to their
/// size. Panics: every access outside `[0, len())` and every misaligned word access panics (V3). Cost: nothing
/// but [`Media::fence`] waits.
pub trait Media {
    /// What a fence may fail with: [`core::convert::Infallible`] where it is an instruction.
    type SyncError: core::error::Error + Clone + Send + Sync + 'static;

    /// Length in bytes.
    fn len(&self) -> ByteLen;

    /// Whether the medium has no bytes.
    fn is_empty(&self) -> bool {
        self.len() == ByteLen::ZERO
    }

    /// What survives a power cut here, and why.
    fn durability(&self) -> Durability;

    /// Aligned bytes that never tear; 8 on every mainstream machine. A bare publish needs at least 8.
    fn tear_granule(&self) -> u64 {
        crate::units::FAIL_ATOMIC
    }

    /// Whether bytes that were never stored since the medium was made are known to read zero.
    fn reads_zero_when_fresh(&self) -> bool {
        false
    }

    /// Loads one byte.
    fn load8(&self, at: ByteOffset) -> u8;
    /// Loads an aligned 2-byte word.
    fn load16(&self, at: ByteOffset) -> u16;
    /// Loads an aligned 4-byte word.
    fn load32(&self, at: ByteOffset) -> u32;
    /// Loads an aligned 8-byte word (acquire).
    fn load64(&self, at: ByteOffset) -> u64;

    /// Stores one byte.
    fn store8(&self, at: ByteOffset, value: u8);
    /// Stores an aligned 2-byte word.
    fn store16(&self, at: ByteOffset, value: u16);
    /// Stores an aligned 4-byte word.
    fn store32(&self, at: ByteOffset, value: u32);
    /// Stores an aligned 8-byte word (release).
    fn store64(&self, at: ByteOffset, value: u64);

    /// Sets bits of an aligned word in one step; answers the old value.
    fn fetch_or64(&self, at: ByteOffset, bits: u64) -> u64;
    /// Keeps only `bits` of an aligned word in one step; answers the old value.
    fn fetch_and64(&self, at: ByteOffset, bits: u64) -> u64;
    /// Replaces `current` by `new` in one step; `Err` carries what was there instead.
    fn compare_exchange64(&self, at: ByteOffset, current: u64, new: u64) -> Result<u64, u64>;

    /// Copies bytes out of the medium.
    fn read(&self, at: ByteOffset, into: &mut [u8]);
    /// Copies bytes into the medium with ordinary stores.
    fn write(&self, at: ByteOffset, bytes: &[u8]);
    /// Copies bytes into the medium past the cache: the next fence of this thread makes them durable, no flush.
    fn write_nt(&self, at: ByteOffset, bytes: &[u8]);
    /// Stores `byte` to every byte of `range` with ordinary stores.
    fn fill(&self, range: ByteRange, byte: u8);

    /// The mapping that loads and reads go to, where they do nothing else: who reads many words asks once, and is spared the
    /// way through the wrappers.
    fn loads_from(&self) -> Option<&Mapped> {
        None
    }

    /// Where the bytes of `range` lie in this process's memory, as long as the medium lives and keeps its length; `None`
    /// where they do not lie there as they are.
    fn address(&self, range: ByteRange) -> Option<*const u8> {
        let _ = range;
        None
    }

    /// Starts write-back of `lines`; durable after the next fence of this thread.
    fn flush(&self, lines: LineRange);

    /// Waits for this thread's flushes and non-temporal stores. The only operation that waits.
    ///
    /// Errors: where a fence is a system call it can fail; then nothing is known about what is durable, the
    /// caller poisons its pool and never retries.
    fn fence(&self) -> Result<(), Self::SyncError>;

    /// Pushes what fences have accepted through a device's own buffers, where the medium has such.
    fn drain(&self) {}

    /// Makes sure that storage really stands behind `range`, so that a store to it cannot fail later.
    fn back(&self, range: ByteRange) -> Result<(), SpaceError> {
        let _ = range;
        Ok(())
    }

    /// Changes the length; the new length is durable on success, also where it is the present one.
    fn set_len(&self, len: ByteLen) -> Result<(), SpaceError> {
        if len == self.len() {
            return Ok(());
        }
        Err(SpaceError::Unsupported)
    }

    /// Whether every byte read so far was the medium's own: `false` for good once zeros stood in for bytes that could
    /// not be read. Whoever is about to believe what it read, and does not fence, asks this first.
    fn intact(&self) -> bool {
        true
    }

    /// Makes bytes that are visible also durable at this thread's next fence, even where an earlier sync of
    /// them failed. Files store them again with their own bytes first, since a failed sync leaves pages clean.
    fn reaffirm(&self, range: ByteRange) {
        self.flush(LineRange::covering(range));
    }

    /// Feeds the bytes of `range` to `check` and answers whether it matches. The laboratory explores each
    /// version of the range that matches and one that does not, instead of every mixture of words.
    fn verify<C: Checksum>(&self, range: ByteRange, check: &mut C) -> bool {
        const PIECE: u64 = 256;
        check.reset();
        let mut buffer = [0u8; PIECE as usize];
        let mut done = 0;
        while done < range.len().get() {
            let step = PIECE.min(range.len().get() - done);
            let piece = &mut buffer[..step as usize];
            self.read(ByteOffset::new(range.start().get() + done), piece);
            check.update(piece);
            done += step;
        }
        check.matches()
    }
}

/// A borrowed medium is a medium.
impl<M: Media> Media for &M {
    type SyncError = M::SyncError;

    forward_accesses!(|this| (**this));
    forward! {
        |this| (**this);
        tear_granule() -> u64;
        reads_zero_when_fresh() -> bool;
        write_nt(at: ByteOffset, bytes: &[u8]);
        flush(lines: LineRange);
        fence() -> Result<(), Self::SyncError>;
        drain();
        back(range: ByteRange) -> Result<(), SpaceError>;
        set_len(len: ByteLen) -> Result<(), SpaceError>;
        intact() -> bool;
        reaffirm(range: ByteRange);
    }

    fn verify<C: Checksum>(&self, range: ByteRange, check: &mut C) -> bool {
        (**self).verify(range, check)
    }
}
