//! Puts records into a lane: finds room, pads, extends, writes past the cache. Fences are the caller's.

use everline_arch::crc32c;
use zerocopy::{FromZeros, IntoBytes};

use super::lane::{Cursor, Lane};
use super::place::{Place, units_of};
use super::{Lent, Log};
use crate::layout::{RECORD_HEADER_BYTES, RECORD_UNIT, RecordHeader, RecordKind};
use crate::media::Media;
use crate::persist::Pending;
use crate::pool::Pool;
use crate::units::ByteRange;

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
    pub(crate) fn secure<M: Media>(
        &self,
        pool: &Pool<M>,
        cursor: &mut Cursor,
        room: Room,
        pending: &mut Pending<'_, M>,
        mut retired: impl FnMut(ByteRange),
        lend: impl FnOnce(u64) -> Option<ByteRange>,
    ) -> Result<(), AppendError<M::SyncError>> {
        if self.has_room(cursor, room) {
            return Ok(());
        }
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
        self.put(
            cursor,
            &cursor.place,
            RecordKind::Extend,
            0,
            len,
            &mut record,
            pending,
        );
        cursor.place = cursor.place.extended_by(block);
        Ok(())
    }

    /// Appends the record in `bytes`, whose first 40 bytes are the header's and whose length is `len`, padded
    /// with zeros to 64; room for it was secured. The fence of `pending` makes it durable.
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
            let place = cursor.place;
            self.put(
                cursor,
                &place,
                RecordKind::Pad,
                0,
                RECORD_HEADER_BYTES as u64,
                &mut pad,
                pending,
            );
        }
        let at = found.place.at(&lane.ring);
        match framed {
            Framed::Commit(timestamp) => {
                self.put(
                    cursor,
                    &found.place,
                    RecordKind::Commit,
                    timestamp,
                    len,
                    bytes,
                    pending,
                );
                cursor.place = found.place.behind_commit(units);
            }
            Framed::Undo => {
                let earlier = cursor.last_undo.get();
                self.put(
                    cursor,
                    &found.place,
                    RecordKind::Undo,
                    earlier,
                    len,
                    bytes,
                    pending,
                );
                cursor.place = found.place.behind(units);
                cursor.last_undo = at;
                cursor.undo_count += 1;
            }
        }
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "the fields of one record, each named once"
    )]
    fn put<M: Media>(
        &self,
        cursor: &Cursor,
        place: &Place,
        kind: RecordKind,
        timestamp: u64,
        len: u64,
        bytes: &mut [u8],
        pending: &mut Pending<'_, M>,
    ) {
        let lane = self.lane(cursor.lane);
        let mut header = RecordHeader::new_zeroed();
        header.len = (len as u32).into();
        header.sequence = place.sequence.into();
        header.timestamp = timestamp.into();
        header.transaction = cursor.transaction.into();
        header.kind = kind.code().into();
        header.unit = place.unit().into();
        bytes[..RECORD_HEADER_BYTES].copy_from_slice(header.as_bytes());
        let sum = crc32c(lane.seed, &bytes[4..len as usize]);
        bytes[..4].copy_from_slice(&sum.to_le_bytes());
        let whole = units_of(len) * RECORD_UNIT;
        pending.write_nt(place.at(&lane.ring), &bytes[..whole as usize]);
    }
}
