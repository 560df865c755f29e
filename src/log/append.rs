//! Puts records into a lane: finds room, pads, extends, writes past the cache. Fences are the caller's.

use everline_arch::crc32c;

use super::lane::{Cursor, Lane};
use super::place::{Place, units_of};
use super::{Lent, Log};
use crate::layout::{RECORD_HEADER_BYTES, RECORD_UNIT, RecordHeader, RecordKind};
use crate::media::Media;
use crate::persist::Pending;
use crate::pool::Pool;
use crate::units::{ByteOffset, ByteRange};

/// Why a record found no room; nothing was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendError<E> {
    /// The ring is full of what cannot be checkpointed yet, and no block could be lent.
    Full {
        /// Bytes that were needed.
        needed: u64,
    },
    /// A fence of a checkpoint failed.
    Sync(E),
}

/// The longest record: its length has 32 bits, padding included.
const RECORD_BYTES_MAX: u64 = u32::MAX as u64 - RECORD_UNIT;

/// A record of `len` bytes; then, for certain, one of up to `closing` bytes to end the transaction with (I11).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub len: u64,
    pub closing: u64,
}

/// A record's kind and what its `timestamp` field holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Framed {
    /// With its commit timestamp.
    Commit(u64),
    /// Linked to the transaction's UNDO before it.
    Undo,
}

/// Where a record goes: behind a PAD or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fit {
    pad: bool,
    place: Place,
}

/// Room for a record of `units` at `place`, leaving a unit for an EXTEND behind it.
#[inline]
fn fit(lane: &Lane, place: &Place, units: u64, head: u64) -> Option<Fit> {
    let room = place.room(&lane.ring);
    if place.extension.is_some() {
        return (units < room).then_some(Fit {
            pad: false,
            place: *place,
        });
    }
    let pad = units > room;
    let place = if pad { place.behind(room) } else { *place };
    // keeps I3: never past the durable head
    let fits = units <= lane.ring.units && place.sequence + units < head + lane.ring.units;
    fits.then_some(Fit { pad, place })
}

impl Log {
    #[inline]
    fn has_room(&self, cursor: &Cursor, room: Room) -> bool {
        let lane = self.lane(cursor.lane);
        let head = lane.head();
        let units = units_of(room.len);
        fit(lane, &cursor.place, units, head).is_some_and(|found| {
            room.closing == 0
                || fit(
                    lane,
                    &found.place.behind(units),
                    units_of(room.closing),
                    head,
                )
                .is_some()
        })
    }

    /// Makes sure that `room` can be appended at `cursor`: checkpoints, then asks `lend` for a heap block of at
    /// least so many bytes and chains it with an EXTEND under the fence of `pending`.
    ///
    /// Errors: nothing was appended. Cost: no wait; two where a checkpoint was needed.
    #[inline]
    pub(crate) fn secure<M: Media>(
        &self,
        pool: &Pool<M>,
        cursor: &mut Cursor,
        room: Room,
        pending: &mut Pending<'_, M>,
        mut retired: impl FnMut(ByteRange),
        lend: impl FnOnce(u64) -> Option<ByteRange>,
    ) -> Result<(), AppendError<M::SyncError>> {
        if room.len > RECORD_BYTES_MAX {
            return Err(AppendError::Full { needed: room.len });
        }
        if self.has_room(cursor, room) {
            return Ok(());
        }
        self.make_room(pool, cursor, room, pending, &mut retired, lend)
    }

    #[cold]
    #[inline(never)]
    fn make_room<M: Media>(
        &self,
        pool: &Pool<M>,
        cursor: &mut Cursor,
        room: Room,
        pending: &mut Pending<'_, M>,
        mut retired: &mut dyn FnMut(ByteRange),
        lend: impl FnOnce(u64) -> Option<ByteRange>,
    ) -> Result<(), AppendError<M::SyncError>> {
        let needed = room.len + room.closing;
        if cursor.place.extension.is_none() {
            let full = |outcome: Result<_, M::SyncError>| outcome.map_err(AppendError::Sync);
            full(self.checkpoint_past(pool, cursor.lane, &mut retired))?;
            if self.has_room(cursor, room) {
                return Ok(());
            }
        }
        // keeps I3: an EXTEND itself fits, since every other record leaves a unit for it
        let lane = self.lane(cursor.lane);
        let own = match cursor.place.extension {
            None => cursor.place.sequence < lane.head() + lane.ring.units,
            Some(_) => cursor.place.room(&lane.ring) > 0,
        };
        let units = units_of(room.len) + units_of(room.closing) + 2;
        let block = if own { lend(units * RECORD_UNIT) } else { None };
        let block = block.ok_or(AppendError::Full { needed })?;
        let lent = Lent {
            lane: cursor.lane,
            sequence: cursor.place.sequence,
            block,
        };
        if self.checkpoint.lock().extensions.push(lent).is_err() {
            retired(block);
            return Err(AppendError::Full { needed });
        }
        let mut record = [0u8; RECORD_UNIT as usize];
        let body = &mut record[RECORD_HEADER_BYTES..];
        body[..8].copy_from_slice(&block.start().get().to_le_bytes());
        body[8..16].copy_from_slice(&block.len().get().to_le_bytes());
        let len = RECORD_HEADER_BYTES as u64 + 16;
        put_small(lane, cursor, RecordKind::Extend, len, &mut record, pending);
        cursor.place = cursor.place.extended_by(block);
        Ok(())
    }

    /// Appends the record in `bytes`, whose first 40 bytes are the header's and whose length is `len`, padded
    /// with zeros to 64; room for it was secured. The fence of `pending` makes it durable.
    #[inline]
    pub(crate) fn append<M: Media>(
        &self,
        cursor: &mut Cursor,
        framed: Framed,
        len: u64,
        bytes: &mut [u8],
        pending: &mut Pending<'_, M>,
    ) {
        let lane = self.lane(cursor.lane);
        let units = units_of(len);
        let Some(found) = fit(lane, &cursor.place, units, lane.head()) else {
            unreachable!("room for every record is secured before it is built")
        };
        if found.pad {
            let mut pad = [0u8; RECORD_UNIT as usize];
            let len = RECORD_HEADER_BYTES as u64;
            put_small(lane, cursor, RecordKind::Pad, len, &mut pad, pending);
        }
        let at = found.place.at(&lane.ring);
        let (kind, timestamp) = match framed {
            Framed::Commit(timestamp) => (RecordKind::Commit, timestamp),
            Framed::Undo => (RecordKind::Undo, cursor.last_undo.get()),
        };
        let words = RecordHeader::words(
            kind,
            len as u32,
            found.place.sequence,
            timestamp,
            cursor.transaction,
            found.place.unit(),
        );
        put(lane.seed, at, &words, len, bytes, pending);
        match framed {
            Framed::Commit(_) => cursor.place = found.place.behind_commit(units),
            Framed::Undo => {
                cursor.place = found.place.behind(units);
                cursor.last_undo = at;
                cursor.undo_count += 1;
            }
        }
    }
}

/// Puts a PAD or an EXTEND where the cursor stands.
#[cold]
#[inline(never)]
fn put_small<M: Media>(
    lane: &Lane,
    cursor: &Cursor,
    kind: RecordKind,
    len: u64,
    bytes: &mut [u8; RECORD_UNIT as usize],
    pending: &mut Pending<'_, M>,
) {
    let place = &cursor.place;
    let (sequence, unit) = (place.sequence, place.unit());
    let words = RecordHeader::words(kind, len as u32, sequence, 0, cursor.transaction, unit);
    let at = place.at(&lane.ring);
    put(lane.seed, at, &words, len, bytes, pending);
}

/// Puts the header in front of the record in `bytes`, and the record at `at`.
#[inline(always)]
fn put<M: Media>(
    seed: u32,
    at: ByteOffset,
    words: &[u64; RECORD_HEADER_BYTES / 8],
    len: u64,
    bytes: &mut [u8],
    pending: &mut Pending<'_, M>,
) {
    let Some(header) = bytes.first_chunk_mut::<RECORD_HEADER_BYTES>() else {
        unreachable!("a record is no shorter than its header")
    };
    for (place, word) in header.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    let sum = crc32c(seed, &bytes[4..len as usize]);
    bytes[..8].copy_from_slice(&(words[0] | u64::from(sum)).to_le_bytes());
    let whole = units_of(len) * RECORD_UNIT;
    pending.write_nt(at, &bytes[..whole as usize]);
}
