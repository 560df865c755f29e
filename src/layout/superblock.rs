//! The superblock: what a pool is. Two copies, pages apart, equal in peace; a torn one is normal.

use zerocopy::byteorder::little_endian::{U32, U64};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use super::field::layout_struct;
use super::{Corrupt, Geometry, META_PAGE};
use crate::units::ByteOffset;

/// The format version that this code writes and the newest it reads.
pub const FORMAT_VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"EVRLINE\x01";
const BYTE_ORDER: u32 = 0x0102_0304;

/// A pool's random identity.
pub type PoolId = [u8; 16];

layout_struct! {
    /// Identity, format and geometry of a pool.
    pub struct Superblock, 512 bytes {
        0 => magic: [u8; 8], "`EVRLINE` and 0x01";
        8 => version: U32, "format version, 1";
        12 => byte_order: U32, "0x01020304, read back swapped on a pool of the other byte order";
        16 => generation: U64, "grows by one with every change; the greater valid copy counts";
        24 => pool_id: [u8; 16], "random identity, seeds every checksum in the pool";
        40 => key: [u8; 16], "random key of the region identifiers' check";
        56 => compat: U64, "features that an unknowing reader and writer may ignore";
        64 => ro_compat: U64, "features that an unknowing reader may ignore, a writer not";
        72 => incompat: U64, "features without which nothing may be read";
        80 => layout_name: [u8; 64], "the application's layout name, UTF-8, zero-filled";
        144 => created_s: U64, "seconds since 1970 at create, 0 where no clock was at hand";
        152 => len: U64, "bytes of the pool";
        160 => capacity_max: U64, "bytes to which the pool can grow, fixed at create by the size of the slab map";
        168 => lane_count: U32, "lanes";
        172 => slab_bytes: U32, "bytes of a slab, a power of two";
        176 => ring_bytes: U64, "bytes of a lane's ring, a power of two";
        184 => zero: [u8; 324], "zero";
        508 => crc: U32, "CRC-32 (IEEE) of the bytes before it";
    }
}

bitflags::bitflags! {
    /// Features that an unknowing reader and writer may ignore. None yet.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Compat: u64 {}

    /// Features that an unknowing reader may ignore, a writer not. None yet.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct RoCompat: u64 {}

    /// Features without which nothing may be read. None yet.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Incompat: u64 {}
}

/// A layout name: up to 64 bytes of UTF-8 without a zero byte.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LayoutName([u8; 64]);

impl LayoutName {
    /// The name; `None` where it is too long or holds a zero byte.
    pub fn new(name: &str) -> Option<Self> {
        let mut bytes = [0; 64];
        if name.len() > bytes.len() || name.bytes().any(|byte| byte == 0) {
            return None;
        }
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        Some(LayoutName(bytes))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        let len = self
            .0
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(self.0.len());
        core::str::from_utf8(&self.0[..len]).unwrap_or("(not UTF-8)")
    }
}

impl Default for LayoutName {
    fn default() -> Self {
        LayoutName([0; 64])
    }
}

impl core::fmt::Debug for LayoutName {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(self.as_str(), f)
    }
}

impl core::fmt::Display for LayoutName {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the first bytes of one copy say before anything else is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyError {
    /// Not a superblock at all.
    NotASuperblock([u8; 8]),
    /// Written on a machine of the other byte order.
    OtherEndian,
    /// A format that this code does not know.
    Version {
        /// The version in it.
        found: u32,
    },
    /// A superblock whose checksum or zero fields are wrong.
    Corrupt(Corrupt),
}

impl Superblock {
    /// Where the copies lie.
    pub const AT: [ByteOffset; 2] = [ByteOffset::new(0), ByteOffset::new(META_PAGE)];

    /// A superblock of generation 1 for `geometry`, checksum set.
    pub fn new(
        geometry: &Geometry,
        pool_id: PoolId,
        key: [u8; 16],
        layout: LayoutName,
        created_s: u64,
    ) -> Self {
        let mut this = Superblock::new_zeroed();
        this.magic = MAGIC;
        this.version = FORMAT_VERSION.into();
        this.byte_order = BYTE_ORDER.into();
        this.generation = 1.into();
        this.pool_id = pool_id;
        this.key = key;
        this.layout_name = layout.0;
        this.created_s = created_s.into();
        this.len = geometry.len().into();
        this.capacity_max = geometry.capacity_max().into();
        this.lane_count = geometry.lane_count().into();
        this.slab_bytes = geometry.slab_bytes().into();
        this.ring_bytes = geometry.ring_bytes().into();
        this.seal();
        this
    }

    /// Sets the checksum.
    pub fn seal(&mut self) {
        self.crc = self.expected_crc().into();
    }

    fn expected_crc(&self) -> u32 {
        crc32fast::hash(&self.as_bytes()[..508])
    }

    /// The copy in `bytes`, which lay at `at`.
    pub fn parse(bytes: &[u8; 512], at: ByteOffset) -> Result<Self, CopyError> {
        let this =
            Superblock::read_from_bytes(bytes).map_err(|_| CopyError::NotASuperblock([0; 8]))?;
        if this.magic != MAGIC {
            return Err(CopyError::NotASuperblock(this.magic));
        }
        if this.byte_order.get() == BYTE_ORDER.swap_bytes() {
            return Err(CopyError::OtherEndian);
        }
        if this.version.get() > FORMAT_VERSION {
            return Err(CopyError::Version {
                found: this.version.get(),
            });
        }
        let corrupt = |what| Err(CopyError::Corrupt(Corrupt::new(at, what)));
        if this.version.get() < FORMAT_VERSION {
            return corrupt("the superblock has a format version that never was");
        }
        if this.crc.get() != this.expected_crc() {
            return corrupt("the superblock's checksum does not match");
        }
        if this.byte_order.get() != BYTE_ORDER || this.zero.iter().any(|byte| *byte != 0) {
            return corrupt("the superblock's fixed fields are wrong");
        }
        Ok(this)
    }

    /// This superblock for a pool that has grown to `len`.
    pub fn grown(&self, generation: u64, len: u64) -> Self {
        let mut this = *self;
        this.generation = generation.into();
        this.len = len.into();
        this.seal();
        this
    }

    /// This superblock for the same pool under another identity.
    pub fn adopted(&self, pool_id: PoolId, key: [u8; 16], created_s: u64) -> Self {
        let mut this = *self;
        this.pool_id = pool_id;
        this.key = key;
        this.created_s = created_s.into();
        this.generation = (self.generation.get() + 1).into();
        this.seal();
        this
    }

    /// Whether this is what `newer` was before it grew.
    pub fn is_before(&self, newer: &Superblock) -> bool {
        self.generation.get() < newer.generation.get()
            && self
                .grown(newer.generation.get(), newer.len.get())
                .as_bytes()
                == newer.as_bytes()
    }

    /// The layout name.
    pub fn layout_name(&self) -> LayoutName {
        LayoutName(self.layout_name)
    }
}
