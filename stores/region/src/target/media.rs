//! One medium for every kind of target, so that every operation on regions exists once.

use everline::media::file::{FileMedia, LocalFile, PrivateMedia};
use everline::media::io::IoMedia;
use everline::media::{Checksum, Durability, Errno, Mapped, Media, Ram, SpaceError};
use everline::units::{ByteLen, ByteOffset, ByteRange, LineRange};

/// What a target stores to. A call costs one branch more than a call of the medium inside.
#[derive(Debug)]
pub enum TargetMedia {
    /// A mapped file.
    Pmem(FileMedia),
    /// A file that is read and written explicitly, or a private copy of one.
    File(IoMedia<LocalFile>),
    /// Volatile memory.
    Memory(Ram),
    /// A private mapping of a file: stores change no byte of it.
    ReadOnly(PrivateMedia),
}

/// Runs `$call` on whichever medium is inside.
macro_rules! on {
    ($this:expr, $media:ident => $call:expr) => {
        match $this {
            TargetMedia::Pmem($media) => $call,
            TargetMedia::File($media) => $call,
            TargetMedia::Memory($media) => $call,
            TargetMedia::ReadOnly($media) => $call,
        }
    };
}

/// The named operations, handed to whichever medium is inside.
macro_rules! forward {
    ($($name:ident($($arg:ident: $type:ty),*) $(-> $answer:ty)?;)*) => {
        $(#[inline]
        #[track_caller]
        fn $name(&self, $($arg: $type),*) $(-> $answer)? {
            on!(self, media => media.$name($($arg),*))
        })*
    };
}

impl Media for TargetMedia {
    /// `EIO` and the like where the medium is a file; none where it is memory.
    type SyncError = Errno;

    forward! {
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
        address(range: ByteRange) -> Option<*const u8>;
        flush(lines: LineRange);
        drain();
        back(range: ByteRange) -> Result<(), SpaceError>;
        set_len(len: ByteLen) -> Result<(), SpaceError>;
        intact() -> bool;
        reaffirm(range: ByteRange);
    }

    #[inline]
    fn loads_from(&self) -> Option<&Mapped> {
        on!(self, media => media.loads_from())
    }

    #[inline]
    fn fence(&self) -> Result<(), Errno> {
        match self {
            TargetMedia::Pmem(file) => file.fence(),
            TargetMedia::File(file) => file.fence(),
            TargetMedia::ReadOnly(copy) => copy.fence(),
            TargetMedia::Memory(ram) => ram.fence().map_err(|never| match never {}),
        }
    }

    fn verify<C: Checksum>(&self, range: ByteRange, check: &mut C) -> bool {
        on!(self, media => media.verify(range, check))
    }
}
