//! The directory of regions: a root object, and blocks of entries that double in size, so that a slot's entry is
//! found with one look into the root.

use zerocopy::byteorder::little_endian::{U32, U64};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use super::PoolId;
use super::field::layout_struct;

const MAGIC: [u8; 8] = *b"REGIONS\x01";

/// Blocks that a directory can have: together one slot for nearly every 32-bit number.
pub const DIRECTORY_BLOCKS_MAX: usize = 28;

/// Entries of the first block; each further block has twice as many as the one before it.
pub const DIRECTORY_BLOCK_ENTRIES: u64 = 16;

/// Bytes of the longest name of a region.
pub const REGION_NAME_BYTES_MAX: usize = 255;

layout_struct! {
    /// Root of the directory of regions; root slot 0 leads to it.
    pub struct DirectoryRoot, 256 bytes {
        0 => magic: [u8; 8], "`REGIONS` and 0x01";
        8 => live: U64, "live regions";
        16 => namespace: U32, "namespace of the regions' identifiers";
        20 => block_count: U32, "blocks of entries";
        24 => crc: U32, "CRC-32 (IEEE) of pool id and the other fields";
        28 => zero: U32, "zero";
        32 => blocks: [U64; 28], "places of the blocks; block i holds the next 16 * 2^i slots; 0 behind the last";
    }
}

layout_struct! {
    /// One slot of the directory of regions.
    pub struct DirectoryEntry, 320 bytes {
        0 => crc: U32, "CRC-32 (IEEE) of pool id, slot (4 bytes) and the bytes from `generation` to the name's last; 0 where never used";
        4 => generation: U32, "grows by one each time a region takes the slot; 0 where never used";
        8 => state: u8, "0 never used, 1 live, 2 free again";
        9 => name_len: u8, "bytes of the name, 0 for none";
        10 => zero: [u8; 6], "zero";
        16 => at: U64, "place of the region's block, 0 where the region has no bytes";
        24 => len: U64, "bytes of the region";
        32 => capacity: U64, "bytes of its block";
        40 => created_s: U64, "seconds since 1970 at create, 0 where no clock was at hand";
        48 => name: [u8; 255], "the name, UTF-8; what stands behind its last byte means nothing";
        303 => zero2: [u8; 17], "zero";
    }
}

/// Bytes of an entry before its name.
pub const DIRECTORY_ENTRY_HEAD: usize = core::mem::offset_of!(DirectoryEntry, name);

/// What a slot of the directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryState {
    /// Nothing, ever.
    NeverUsed,
    /// A region.
    Live,
    /// Nothing any more.
    FreeAgain,
}

impl DirectoryRoot {
    /// Where [`DirectoryRoot::counts`] stand in the root.
    pub const COUNTS_AT: u64 = 8;

    /// The root that lies in `bytes`.
    pub fn from_bytes(bytes: &[u8; size_of::<DirectoryRoot>()]) -> Self {
        Self::read_from_bytes(bytes).unwrap_or_else(|_| Self::new_zeroed())
    }

    /// The bytes that a change of the number of regions or blocks touches, the blocks' places apart.
    pub fn counts(&self) -> &[u8] {
        &self.as_bytes()[Self::COUNTS_AT as usize..28]
    }

    /// A directory without blocks, checksum not set.
    pub fn new(namespace: u32) -> Self {
        let mut this = DirectoryRoot::new_zeroed();
        this.magic = MAGIC;
        this.namespace = namespace.into();
        this
    }

    /// Where the place of block `block` stands in the root.
    pub const fn block_word(block: usize) -> u64 {
        core::mem::offset_of!(DirectoryRoot, blocks) as u64 + 8 * block as u64
    }

    /// Entries of block `block`.
    pub const fn block_entries(block: usize) -> u64 {
        DIRECTORY_BLOCK_ENTRIES << block
    }

    /// Slots of the first `blocks` blocks.
    pub const fn slots_of(blocks: usize) -> u64 {
        (DIRECTORY_BLOCK_ENTRIES << blocks) - DIRECTORY_BLOCK_ENTRIES
    }

    /// The block that holds `slot`, and bytes from the block's start to its entry.
    pub const fn place_of(slot: u32) -> (usize, u64) {
        let from_one = slot as u64 + DIRECTORY_BLOCK_ENTRIES;
        let block = (from_one / DIRECTORY_BLOCK_ENTRIES).ilog2() as usize;
        let index = slot as u64 - Self::slots_of(block);
        (block, index * size_of::<DirectoryEntry>() as u64)
    }

    fn expected_crc(&self, pool_id: &PoolId) -> u32 {
        const CRC_AT: usize = core::mem::offset_of!(DirectoryRoot, crc);
        let mut sum = crc32fast::Hasher::new();
        sum.update(pool_id);
        sum.update(&self.as_bytes()[..CRC_AT]);
        sum.update(&self.as_bytes()[CRC_AT + 4..]);
        sum.finalize()
    }

    /// Sets the checksum.
    pub fn seal(&mut self, pool_id: &PoolId) {
        self.crc = self.expected_crc(pool_id).into();
    }

    /// What cannot be right in it.
    pub fn fault(&self, pool_id: &PoolId) -> Option<&'static str> {
        let count = self.block_count.get() as usize;
        if self.magic != MAGIC {
            Some("no directory of regions stands where root slot 0 leads")
        } else if self.crc.get() != self.expected_crc(pool_id) {
            Some("the region directory's checksum does not match")
        } else if count > DIRECTORY_BLOCKS_MAX
            || self.zero.get() != 0
            || self.blocks.iter().skip(count).any(|at| at.get() != 0)
            || self.live.get() > Self::slots_of(count)
        {
            Some("the region directory's fields do not agree")
        } else {
            None
        }
    }
}

impl DirectoryEntry {
    /// The entry that lies in `bytes`.
    pub fn from_bytes(bytes: &[u8; size_of::<DirectoryEntry>()]) -> Self {
        Self::read_from_bytes(bytes).unwrap_or_else(|_| Self::new_zeroed())
    }

    /// What the slot holds; `None` for a state that does not exist.
    pub fn state(&self) -> Option<EntryState> {
        match self.state {
            0 => Some(EntryState::NeverUsed),
            1 => Some(EntryState::Live),
            2 => Some(EntryState::FreeAgain),
            _ => None,
        }
    }

    /// A live entry without a name, checksum not set.
    pub fn live(generation: u32, created_s: u64) -> Self {
        let mut this = DirectoryEntry::new_zeroed();
        this.generation = generation.into();
        this.state = 1;
        this.created_s = created_s.into();
        this
    }

    /// An entry whose region is gone, checksum not set.
    pub fn free_again(generation: u32) -> Self {
        let mut this = DirectoryEntry::new_zeroed();
        this.generation = generation.into();
        this.state = 2;
        this
    }

    /// Takes the first 255 bytes of `name`.
    pub fn set_name(&mut self, name: &[u8]) {
        let len = name.len().min(REGION_NAME_BYTES_MAX);
        self.name_len = len as u8;
        self.name[..len].copy_from_slice(&name[..len]);
    }

    /// The name's bytes.
    pub fn name(&self) -> &[u8] {
        &self.name[..usize::from(self.name_len)]
    }

    /// The bytes that mean something: all up to the name's last.
    pub fn used_bytes(&self) -> &[u8] {
        &self.as_bytes()[..DIRECTORY_ENTRY_HEAD + usize::from(self.name_len)]
    }

    fn expected_crc(&self, pool_id: &PoolId, slot: u32) -> u32 {
        let mut sum = crc32fast::Hasher::new();
        sum.update(pool_id);
        sum.update(&slot.to_le_bytes());
        sum.update(&self.used_bytes()[4..]);
        sum.finalize()
    }

    /// Sets the checksum.
    pub fn seal(&mut self, pool_id: &PoolId, slot: u32) {
        self.crc = self.expected_crc(pool_id, slot).into();
    }

    /// What cannot be right in it, its bytes behind the name apart.
    pub fn fault(&self, pool_id: &PoolId, slot: u32) -> Option<&'static str> {
        let head = &self.as_bytes()[..DIRECTORY_ENTRY_HEAD];
        match self.state() {
            Some(EntryState::NeverUsed) => head
                .iter()
                .any(|byte| *byte != 0)
                .then_some("an entry of the region directory that was never used is not empty"),
            Some(_) if self.crc.get() != self.expected_crc(pool_id, slot) => {
                Some("a region directory entry's checksum does not match")
            }
            Some(_) if self.zero != [0; 6] || self.generation.get() == 0 => {
                Some("a region directory entry's fields do not agree")
            }
            Some(EntryState::Live) if self.len.get() > self.capacity.get() => {
                Some("a region is longer than its block")
            }
            Some(EntryState::Live) if (self.at.get() == 0) != (self.capacity.get() == 0) => {
                Some("a region's place and capacity do not agree")
            }
            Some(_) if core::str::from_utf8(self.name()).is_err() => {
                Some("a region's name is not UTF-8")
            }
            Some(_) => None,
            None => Some("a region directory entry has an unknown state"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_has_one_place_and_blocks_follow_each_other() {
        let entry = size_of::<DirectoryEntry>() as u64;
        let mut expected = (0, 0);
        for slot in 0..5000 {
            assert_eq!(DirectoryRoot::place_of(slot), expected, "slot {slot}");
            expected.1 += entry;
            if expected.1 == DirectoryRoot::block_entries(expected.0) * entry {
                expected = (expected.0 + 1, 0);
            }
        }
        let last = DirectoryRoot::slots_of(DIRECTORY_BLOCKS_MAX) - 1;
        let last = u32::try_from(last).expect("slots are 32-bit numbers");
        assert_eq!(DirectoryRoot::place_of(last).0, DIRECTORY_BLOCKS_MAX - 1);
    }

    #[test]
    fn a_flipped_bit_in_root_or_entry_is_seen() {
        let pool_id = [7; 16];
        let mut root = DirectoryRoot::new(3);
        root.seal(&pool_id);
        assert_eq!(root.fault(&pool_id), None);
        assert!(root.fault(&[8; 16]).is_some());
        let mut entry = DirectoryEntry::live(1, 0);
        entry.set_name(b"name");
        entry.seal(&pool_id, 5);
        assert_eq!(entry.fault(&pool_id, 5), None);
        assert!(entry.fault(&pool_id, 6).is_some());
        for bit in 0..8 * (DIRECTORY_ENTRY_HEAD + 4) {
            let mut flipped = entry;
            flipped.as_mut_bytes()[bit / 8] ^= 1 << (bit % 8);
            assert!(flipped.fault(&pool_id, 5).is_some(), "bit {bit}");
        }
    }
}
