//! A medium whose fences take their time.

use std::time::Duration;

use everline::media::{Checksum, Durability, Media, SpaceError};
use everline::units::{ByteLen, ByteOffset, ByteRange, LineRange};

/// Another medium with `pause` at each fence.
#[derive(Debug)]
pub struct Slow<M> {
    pub inner: M,
    pub pause: Duration,
}

macro_rules! hand_on {
    ($($name:ident($($arg:ident: $type:ty),*) $(-> $answer:ty)?;)*) => {
        $(fn $name(&self, $($arg: $type),*) $(-> $answer)? {
            self.inner.$name($($arg),*)
        })*
    };
}

impl<M: Media> Media for Slow<M> {
    type SyncError = M::SyncError;

    fn fence(&self) -> Result<(), Self::SyncError> {
        std::thread::sleep(self.pause);
        self.inner.fence()
    }

    hand_on! {
        len() -> ByteLen;
        durability() -> Durability;
        tear_granule() -> u64;
        reads_zero_when_fresh() -> bool;
        load8(at: ByteOffset) -> u8;
        load16(at: ByteOffset) -> u16;
        load32(at: ByteOffset) -> u32;
        load64(at: ByteOffset) -> u64;
        store8(at: ByteOffset, value: u8);
        store16(at: ByteOffset, value: u16);
        store32(at: ByteOffset, value: u32);
        store64(at: ByteOffset, value: u64);
        fetch_or64(at: ByteOffset, bits: u64) -> u64;
        fetch_and64(at: ByteOffset, bits: u64) -> u64;
        compare_exchange64(at: ByteOffset, current: u64, new: u64) -> Result<u64, u64>;
        read(at: ByteOffset, into: &mut [u8]);
        write(at: ByteOffset, bytes: &[u8]);
        write_nt(at: ByteOffset, bytes: &[u8]);
        fill(range: ByteRange, byte: u8);
        flush(lines: LineRange);
        drain();
        back(range: ByteRange) -> Result<(), SpaceError>;
        set_len(len: ByteLen) -> Result<(), SpaceError>;
        intact() -> bool;
        reaffirm(range: ByteRange);
    }

    fn verify<C: Checksum>(&self, range: ByteRange, check: &mut C) -> bool {
        self.inner.verify(range, check)
    }
}
