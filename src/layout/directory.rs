//! The directory of regions: a root object, and blocks of entries that double in size every eighth, so that a slot's
//! entry is found with one look into the root and no more than about an eighth of the entries stand empty.

use zerocopy::byteorder::little_endian::{U32, U64};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use super::PoolId;
use super::REGION_SUM_SHIFT;
use super::field::layout_struct;

const MAGIC: [u8; 8] = *b"REGIONS\x02";
const MAGIC_BEFORE: [u8; 8] = *b"REGIONS\x01";

/// Blocks that a directory can have: together one slot for nearly every 32-bit number.
pub const DIRECTORY_BLOCKS_MAX: usize = 200;

/// Entries of each of the first eight blocks; each further eight have twice as many as the eight before them.
pub const DIRECTORY_BLOCK_ENTRIES: u64 = 16;

/// Blocks of one size.
const BLOCKS_OF_A_SIZE: u64 = 8;

/// Slots of the first eight blocks.
const FIRST_SLOTS: u64 = BLOCKS_OF_A_SIZE * DIRECTORY_BLOCK_ENTRIES;

layout_struct! {
    /// Root of the directory of regions; root slot 0 leads to it.
    pub struct DirectoryRoot, 1640 bytes {
        0 => magic: [u8; 8], "`REGIONS` and 0x02";
        8 => namespace: U32, "namespace of the regions' identifiers";
        12 => block_count: U32, "blocks of entries";
        16 => crc: U32, "CRC-32 (IEEE) of pool id, `magic`, `namespace`, `block_count` and `blocks`";
        20 => zero: U32, "zero";
        24 => live: U64, "live regions";
        32 => live_crc: U32, "CRC-32 (IEEE) of pool id and `live`";
        36 => zero2: U32, "zero";
        40 => blocks: [U64; 200], "places of the blocks; block i holds the next 16 * 2^(i/8) slots; 0 behind the last";
    }
}

layout_struct! {
    /// One slot of the directory of regions.
    pub struct DirectoryEntry, 48 bytes {
        0 => crc: U32, "CRC-32 (IEEE) of pool id, slot (4 bytes) and the entry's other bytes; 0 where never used";
        4 => generation: U32, "grows by one each time a region takes the slot; 0 where never used";
        8 => at: [u8; 6], "place of the region's block, 0 where it has none";
        14 => state: u8, "0 never used, 1 live, 2 free again";
        15 => flags: u8, "1 growable, 2 checked, 4 written: without a map, every byte of the block is the region's own";
        16 => len: U64, "bytes of the region";
        24 => capacity: [u8; 6], "bytes of its block";
        30 => chunk_shift: u8, "a word or bit of the map speaks of 2^this bytes; 0 where there is no map";
        31 => align_shift: u8, "its block is aligned to 2^this bytes on request; 0 for no request";
        32 => tail: [u8; 6], "place of its name and attributes, 0 where it has neither";
        38 => map: [u8; 6], "place of its map of written chunks, or of its table of sums; 0 for none";
        44 => created_s: U32, "seconds since 1970 at create, 0 where no clock was at hand";
    }
}

/// Set in [`DirectoryEntry::flags`]: the region grows with its writes.
pub const REGION_GROWABLE: u8 = 1;
/// Set in [`DirectoryEntry::flags`]: its chunks have checksums.
pub const REGION_CHECKED: u8 = 2;
/// Set in [`DirectoryEntry::flags`]: there is no map, and every byte of the block is the region's own.
pub const REGION_WRITTEN: u8 = 4;

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

fn load48(bytes: &[u8; 6]) -> u64 {
    let mut word = [0; 8];
    word[..6].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

fn store48(value: u64) -> [u8; 6] {
    let [a, b, c, d, e, f, ..] = value.to_le_bytes();
    [a, b, c, d, e, f]
}

impl DirectoryRoot {
    /// Where [`DirectoryRoot::head`] stands in the root.
    pub const HEAD_AT: u64 = 0;
    /// Where [`DirectoryRoot::count`] stands in the root.
    pub const COUNT_AT: u64 = 24;

    /// The root that lies in `bytes`.
    pub fn from_bytes(bytes: &[u8; size_of::<DirectoryRoot>()]) -> Self {
        Self::read_from_bytes(bytes).unwrap_or_else(|_| Self::new_zeroed())
    }

    /// Whether bytes look like the first ones of a root, right or not.
    pub fn is_marked(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC)
    }

    /// What a further block changes, its place apart.
    pub fn head(&self) -> &[u8] {
        &self.as_bytes()[..Self::COUNT_AT as usize]
    }

    /// What a change of the number of regions changes.
    pub fn count(&self) -> &[u8] {
        &self.as_bytes()[Self::COUNT_AT as usize..40]
    }

    /// A directory without blocks, checksums not set.
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
        DIRECTORY_BLOCK_ENTRIES << (block as u64 / BLOCKS_OF_A_SIZE)
    }

    /// Slots of the first `blocks` blocks.
    pub const fn slots_of(blocks: usize) -> u64 {
        let (doubled, rest) = (
            blocks as u64 / BLOCKS_OF_A_SIZE,
            blocks as u64 % BLOCKS_OF_A_SIZE,
        );
        FIRST_SLOTS * ((1 << doubled) - 1) + rest * (DIRECTORY_BLOCK_ENTRIES << doubled)
    }

    /// The block that holds `slot`, and bytes from the block's start to its entry.
    pub const fn place_of(slot: u32) -> (usize, u64) {
        let doubled = (slot as u64 / FIRST_SLOTS + 1).ilog2() as u64;
        let inside = slot as u64 - FIRST_SLOTS * ((1 << doubled) - 1);
        let entries = DIRECTORY_BLOCK_ENTRIES << doubled;
        let block = BLOCKS_OF_A_SIZE * doubled + inside / entries;
        (
            block as usize,
            inside % entries * size_of::<DirectoryEntry>() as u64,
        )
    }

    fn expected_crc(&self, pool_id: &PoolId) -> u32 {
        const CRC_AT: usize = core::mem::offset_of!(DirectoryRoot, crc);
        let mut sum = crc32fast::Hasher::new();
        sum.update(pool_id);
        sum.update(&self.as_bytes()[..CRC_AT]);
        sum.update(self.blocks.as_bytes());
        sum.finalize()
    }

    fn expected_live_crc(&self, pool_id: &PoolId) -> u32 {
        let mut sum = crc32fast::Hasher::new();
        sum.update(pool_id);
        sum.update(self.live.as_bytes());
        sum.finalize()
    }

    /// Sets the checksum of all but the count.
    pub fn seal(&mut self, pool_id: &PoolId) {
        self.crc = self.expected_crc(pool_id).into();
    }

    /// Sets the count and its checksum.
    pub fn set_live(&mut self, live: u64, pool_id: &PoolId) {
        self.live = live.into();
        self.live_crc = self.expected_live_crc(pool_id).into();
    }

    /// What cannot be right in it.
    pub fn fault(&self, pool_id: &PoolId) -> Option<&'static str> {
        let count = self.block_count.get() as usize;
        if self.magic == MAGIC_BEFORE {
            Some(
                "the region directory is of a layout from before the first release, which no release reads: copy the regions with the build that made them",
            )
        } else if self.magic != MAGIC {
            Some("no directory of regions stands where root slot 0 leads")
        } else if self.crc.get() != self.expected_crc(pool_id) {
            Some("the region directory's checksum does not match")
        } else if self.live_crc.get() != self.expected_live_crc(pool_id) {
            Some("the region directory's count has a wrong checksum")
        } else if count > DIRECTORY_BLOCKS_MAX
            || self.zero.get() != 0
            || self.zero2.get() != 0
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

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        self.as_bytes()
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

    /// Whether the slot holds a region.
    pub fn is_live(&self) -> bool {
        self.state() == Some(EntryState::Live)
    }

    /// A live entry of a region without a block, checksum not set.
    pub fn live(generation: u32, created_s: u64) -> Self {
        let mut this = DirectoryEntry::new_zeroed();
        this.generation = generation.into();
        this.state = 1;
        this.created_s = u32::try_from(created_s).unwrap_or(0).into();
        this
    }

    /// An entry whose region is gone, checksum not set.
    pub fn free_again(generation: u32) -> Self {
        let mut this = DirectoryEntry::new_zeroed();
        this.generation = generation.into();
        this.state = 2;
        this
    }

    /// Place and bytes of the block.
    pub fn block(&self) -> (u64, u64) {
        (load48(&self.at), load48(&self.capacity))
    }

    /// Sets place and bytes of the block, both below 2^48.
    pub fn set_block(&mut self, at: u64, capacity: u64) {
        (self.at, self.capacity) = (store48(at), store48(capacity));
    }

    /// Place of name and attributes; 0 for none.
    pub fn tail(&self) -> u64 {
        load48(&self.tail)
    }

    /// Sets the place of name and attributes.
    pub fn set_tail(&mut self, at: u64) {
        self.tail = store48(at);
    }

    /// Place of the map and the shift of its chunks; 0 for none.
    pub fn map(&self) -> (u64, u8) {
        (load48(&self.map), self.chunk_shift)
    }

    /// Sets the place of the map and the shift of its chunks.
    pub fn set_map(&mut self, at: u64, chunk_shift: u8) {
        (self.map, self.chunk_shift) = (store48(at), chunk_shift);
    }

    /// Whether a flag is set.
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The alignment that was asked for.
    pub fn align(&self) -> Option<u64> {
        (self.align_shift != 0).then(|| 1 << self.align_shift)
    }

    fn expected_crc(&self, pool_id: &PoolId, slot: u32) -> u32 {
        let mut bytes = [0; size_of::<PoolId>() + size_of::<DirectoryEntry>()];
        bytes[..16].copy_from_slice(pool_id);
        bytes[16..20].copy_from_slice(&slot.to_le_bytes());
        bytes[20..].copy_from_slice(&self.as_bytes()[4..]);
        crc32fast::hash(&bytes)
    }

    /// Sets the checksum.
    pub fn seal(&mut self, pool_id: &PoolId, slot: u32) {
        self.crc = self.expected_crc(pool_id, slot).into();
    }

    /// What cannot be right in it.
    pub fn fault(&self, pool_id: &PoolId, slot: u32) -> Option<&'static str> {
        const FLAGS: u8 = REGION_GROWABLE | REGION_CHECKED | REGION_WRITTEN;
        if self.state == 0 {
            return self
                .as_bytes()
                .iter()
                .any(|byte| *byte != 0)
                .then_some("an entry of the region directory that was never used is not empty");
        }
        if self.crc.get() != self.expected_crc(pool_id, slot) {
            return Some("a region directory entry's checksum does not match");
        }
        let ((at, capacity), (map, shift)) = (self.block(), self.map());
        match self.state() {
            None => Some("a region directory entry has an unknown state"),
            _ if self.generation.get() == 0
                || self.flags & !FLAGS != 0
                || self.align_shift > 12 =>
            {
                Some("a region directory entry's fields do not agree")
            }
            Some(EntryState::Live) if self.len.get() > capacity => {
                Some("a region is longer than its block")
            }
            Some(EntryState::Live) if (at == 0) != (capacity == 0) => {
                Some("a region's place and capacity do not agree")
            }
            Some(EntryState::Live)
                if (map == 0) != (shift == 0)
                    || !matches!(shift, 0 | 12..=47)
                    || (self.has(REGION_CHECKED) && !matches!(shift, 0 | REGION_SUM_SHIFT)) =>
            {
                Some("a region's map and its chunks do not agree")
            }
            Some(_) => None,
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
        for slot in 0..50_000 {
            if expected.1 == 0 {
                assert_eq!(DirectoryRoot::slots_of(expected.0), u64::from(slot));
            }
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
        root.set_live(0, &pool_id);
        root.seal(&pool_id);
        assert_eq!(root.fault(&pool_id), None);
        assert!(root.fault(&[8; 16]).is_some());
        for bit in 0..8 * size_of::<DirectoryRoot>() {
            let mut flipped = root;
            flipped.as_mut_bytes()[bit / 8] ^= 1 << (bit % 8);
            assert!(flipped.fault(&pool_id).is_some(), "bit {bit}");
        }
        let mut entry = DirectoryEntry::live(1, 0);
        entry.set_block(1 << 40, 4096);
        entry.seal(&pool_id, 5);
        assert_eq!(entry.fault(&pool_id, 5), None);
        assert_eq!(entry.block(), (1 << 40, 4096));
        assert!(entry.fault(&pool_id, 6).is_some());
        for bit in 0..8 * size_of::<DirectoryEntry>() {
            let mut flipped = entry;
            flipped.as_mut_bytes()[bit / 8] ^= 1 << (bit % 8);
            assert!(flipped.fault(&pool_id, 5).is_some(), "bit {bit}");
        }
    }
}
