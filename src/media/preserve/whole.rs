//! [`Preserved`] as a medium: what it holds, with the image saved before each store.

use super::Preserved;
use crate::media::forward::forward;
use crate::media::{Checksum, Durability, Mapped, Media, SpaceError};
use crate::units::{ByteLen, ByteOffset, ByteRange, LineRange};

/// Stores of words, each of which saves first.
macro_rules! saving {
    ($($name:ident($($arg:ident: $type:ty),*; $len:expr) $(-> $answer:ty)?;)*) => {
        $(#[inline]
        #[track_caller]
        fn $name(&self, at: ByteOffset, $($arg: $type),*) $(-> $answer)? {
            self.preserve(at, $len);
            self.inner.$name(at, $($arg),*)
        })*
    };
}

impl<M: Media> Media for Preserved<M> {
    type SyncError = M::SyncError;

    #[inline]
    fn loads_from(&self) -> Option<&Mapped> {
        self.inner.loads_from()
    }

    forward! {
        |this| this.inner;
        len() -> ByteLen;
        durability() -> Durability;
        tear_granule() -> u64;
        reads_zero_when_fresh() -> bool;
        load8(at: ByteOffset) -> u8;
        load16(at: ByteOffset) -> u16;
        load32(at: ByteOffset) -> u32;
        load64(at: ByteOffset) -> u64;
        read(at: ByteOffset, into: &mut [u8]);
        flush(lines: LineRange);
        fence() -> Result<(), Self::SyncError>;
        drain();
        back(range: ByteRange) -> Result<(), SpaceError>;
        set_len(len: ByteLen) -> Result<(), SpaceError>;
        intact() -> bool;
        reaffirm(range: ByteRange);
    }

    saving! {
        store8(value: u8; 1);
        store16(value: u16; 2);
        store32(value: u32; 4);
        store64(value: u64; 8);
        fetch_or64(bits: u64; 8) -> u64;
        fetch_and64(bits: u64; 8) -> u64;
        compare_exchange64(current: u64, new: u64; 8) -> Result<u64, u64>;
        write(bytes: &[u8]; bytes.len() as u64);
        write_nt(bytes: &[u8]; bytes.len() as u64);
    }

    #[inline]
    #[track_caller]
    fn fill(&self, range: ByteRange, byte: u8) {
        self.preserve(range.start(), range.len().get());
        self.inner.fill(range, byte);
    }

    fn verify<C: Checksum>(&self, range: ByteRange, check: &mut C) -> bool {
        self.inner.verify(range, check)
    }
}
