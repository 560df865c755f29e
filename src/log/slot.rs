//! Reads and writes checkpoint slots (I3).

use zerocopy::{FromZeros, IntoBytes};

use crate::layout::{Geometry, PoolId, SlotHeader};
use crate::media::{Checksum, Media};
use crate::units::ByteOffset;

/// The numbers of a slot without its heads, which are read one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Which of the two.
    pub index: usize,
    /// Grows with every checkpoint.
    pub generation: u64,
    /// Grows with every open.
    pub epoch: u64,
    /// Commits up to this timestamp are durable at home.
    pub cut: u64,
}

struct SlotSum {
    pool_id: PoolId,
    sum: crc32fast::Hasher,
    fed: usize,
    stored: u32,
}

const CRC_AT: usize = core::mem::offset_of!(SlotHeader, crc);

impl SlotSum {
    fn new(pool_id: PoolId) -> Self {
        let mut this = SlotSum {
            pool_id,
            sum: crc32fast::Hasher::new(),
            fed: 0,
            stored: 0,
        };
        this.reset();
        this
    }
}

impl Checksum for SlotSum {
    fn reset(&mut self) {
        self.sum = crc32fast::Hasher::new();
        self.sum.update(&self.pool_id);
        self.fed = 0;
    }

    fn update(&mut self, bytes: &[u8]) {
        for (index, byte) in bytes.iter().enumerate() {
            // The stored checksum counts as zero in the sum.
            let place = self.fed + index;
            if (CRC_AT..CRC_AT + 4).contains(&place) {
                let shift = 8 * (place - CRC_AT);
                self.stored = self.stored & !(0xff << shift) | u32::from(*byte) << shift;
            }
        }
        let hole = |place: usize| place.saturating_sub(self.fed).min(bytes.len());
        let (before, after) = (hole(CRC_AT), hole(CRC_AT + 4));
        self.sum.update(&bytes[..before]);
        self.sum.update(&bytes[after..]);
        self.fed += bytes.len();
    }

    fn matches(&self) -> bool {
        self.sum.clone().finalize() == self.stored
    }
}

impl Slot {
    /// Slot `index` of a pool, if it is whole.
    pub fn load<M: Media>(
        media: &M,
        geometry: &Geometry,
        pool_id: &PoolId,
        index: usize,
    ) -> Option<Slot> {
        if !media.verify(
            SlotHeader::slot_range(geometry, index),
            &mut SlotSum::new(*pool_id),
        ) {
            return None;
        }
        let at = geometry.slot_at(index).get();
        let generation = media.load64(ByteOffset::new(at));
        let lane_count = media.load32(ByteOffset::new(at + 24));
        if lane_count != geometry.lane_count() || generation & 1 != index as u64 || generation == 0
        {
            return None;
        }
        let epoch = media.load64(ByteOffset::new(at + 8));
        let cut = media.load64(ByteOffset::new(at + 16));
        Some(Slot {
            index,
            generation,
            epoch,
            cut,
        })
    }

    /// The head of `lane` in the slot.
    pub fn head<M: Media>(&self, media: &M, geometry: &Geometry, lane: u32) -> u64 {
        media.load64(SlotHeader::head_at(geometry, self.index, lane))
    }

    /// Writes the slot past the cache: feeds `put` with places and bytes that together are the whole slot.
    pub fn emit(
        &self,
        geometry: &Geometry,
        pool_id: &PoolId,
        head_of: impl Fn(u32) -> u64,
        mut put: impl FnMut(ByteOffset, &[u8]),
    ) {
        let mut header = SlotHeader::new_zeroed();
        header.generation = self.generation.into();
        header.epoch = self.epoch.into();
        header.cut = self.cut.into();
        header.lane_count = geometry.lane_count().into();
        let mut sum = crc32fast::Hasher::new();
        sum.update(pool_id);
        sum.update(&header.as_bytes()[..CRC_AT]);
        sum.update(&header.as_bytes()[CRC_AT + 4..]);
        const HEADS_A_LINE: u32 = 8;
        let mut lane = 0;
        while lane < geometry.lane_count() {
            let mut line = [0u8; 64];
            let count = HEADS_A_LINE.min(geometry.lane_count() - lane);
            for (index, bytes) in line.chunks_exact_mut(8).take(count as usize).enumerate() {
                bytes.copy_from_slice(&head_of(lane + index as u32).to_le_bytes());
            }
            let line = &line[..8 * count as usize];
            sum.update(line);
            put(SlotHeader::head_at(geometry, self.index, lane), line);
            lane += count;
        }
        header.crc = sum.finalize().into();
        put(geometry.slot_at(self.index), header.as_bytes());
    }
}
