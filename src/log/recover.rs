//! Brings a pool to its last committed state: redo what committed, undo what did not.
//!
//! Physical and idempotent: a power cut at any step leaves a pool from which the same recovery starts again.
//!
//! 1. scan: walk every lane from its durable head; check every op; flush what is believed; fence (I13, I12).
//! 2. redo COMMITs above the cut of all lanes in timestamp order, but for what is masked (I4, I6).
//! 3. undo, newest record first, the one open transaction each lane may have.
//! 4. flush every replayed line, fence; then one slot with epoch + 1, fence (I5).

use super::lane::Lane;
use super::mask::{ALWAYS, Masks, Source};
use super::replay::{redo, undo};
use super::slot::Slot;
use super::walk::{Walker, walkers};
use super::{CheckpointState, Log, damage};
use crate::layout::{Corrupt, Geometry, OpKind, RECORD_UNIT, RecordKind, SlotHeader, Superblock};
use crate::media::{Media, SpaceError};
use crate::mem::{Array, Full, LANES_WITHOUT_ALLOC, List};
use crate::persist::Pending;
use crate::pool::Pool;
use crate::sync::{AtomicU64, Lock};
use crate::units::{ByteOffset, ByteRange, Padded};

use super::place::{Ring, padded_range};
use super::record::{Record, seed};

/// What recovery found and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Committed transactions whose homes were stored again.
    pub redone: u64,
    /// Open transactions whose before-images were restored.
    pub undone: u64,
    /// Bytes of log that were read.
    pub log_bytes: u64,
    /// Opens of the pool, this one included.
    pub epoch: u64,
    /// The highest timestamp (LSN) seen.
    pub last_timestamp: u64,
    /// The checkpoint slot that was not whole, torn by a power cut or damaged later, and has been stored anew. Nothing
    /// had been built on it.
    pub mended_slot: Option<usize>,
}

/// Why recovery stopped; the pool is as recoverable as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoverError<E: core::error::Error + 'static> {
    /// A believed record, or both checkpoint slots, cannot be right.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// Space behind a replayed range could not be secured.
    #[error(transparent)]
    Space(#[from] SpaceError),
    /// A fence failed.
    #[error("a fence failed: {0}")]
    Sync(E),
    /// This build has no memory for so many lanes.
    #[error("the pool has {0} lanes, more than a build without `alloc` can serve")]
    TooManyLanes(u32),
}

/// What the scan learnt of a lane.
#[derive(Clone, Copy, Debug, Default)]
struct LaneScan {
    tail: u64,
    last_undo: ByteOffset,
    undo_count: u64,
}

type Scans = Array<LaneScan, LANES_WITHOUT_ALLOC>;

/// Recovers the log of `pool`.
///
/// Errors: see [`RecoverError`]; nothing was changed by `Corrupt` and `TooManyLanes`. Cost: two waits for a log
/// without work, three with. Crash: at any step the next recovery reaches the same state.
pub fn recover<M: Media>(
    pool: &Pool<M>,
) -> Result<(Log, RecoveryReport), RecoverError<M::SyncError>> {
    let (media, geometry) = (pool.media(), &pool.geometry());
    let slot = newest_slot(pool)?;
    damage::check(media, geometry, pool.id(), &slot)?;
    let too_many = |Full| RecoverError::TooManyLanes(geometry.lane_count());

    let mut report = RecoveryReport {
        last_timestamp: slot.cut,
        mended_slot: Some(1 - slot.index)
            .filter(|other| Slot::load(media, geometry, pool.id(), *other).is_none()),
        ..RecoveryReport::default()
    };
    let mut masks = Masks::new();
    let mut believed = Pending::new(media);
    believed.reaffirm(SlotHeader::slot_range(geometry, slot.index));
    for at in Superblock::AT {
        believed
            .reaffirm(ByteRange::at(at.get(), size_of::<Superblock>() as u64).unwrap_or_default());
    }
    let mut lanes = walkers(media, geometry, pool.id(), &slot).map_err(too_many)?;
    let mut scans = Scans::from_fn(lanes.len(), |_| LaneScan::default()).map_err(too_many)?;
    for index in 0..lanes.len() {
        if let (Some(walker), Some(scan)) = (lanes.get_mut(index), scans.get_mut(index)) {
            *scan = scan_lane(
                media,
                geometry,
                walker,
                slot.cut,
                &mut masks,
                &mut believed,
                &mut report,
            )?;
        }
    }
    masks.seal();
    believed.fence().map_err(RecoverError::Sync)?; // keeps I13

    let mut replayed = Pending::new(media);
    let source = Source {
        media,
        geometry,
        #[cfg(not(feature = "alloc"))]
        pool_id: pool.id(),
        slot: &slot,
    };
    let lanes = walkers(media, geometry, pool.id(), &slot).map_err(too_many)?;
    redo_all(&source, lanes, &masks, &mut replayed)?;
    for scan in scans.iter() {
        undo(media, geometry, scan.last_undo, scan.undo_count, |range| {
            replayed.flush(range)
        })?;
    }
    replayed.fence().map_err(RecoverError::Sync)?; // keeps I5: homes first

    let new = Slot {
        index: 1 - slot.index,
        generation: slot.generation + 1,
        epoch: slot.epoch + 1,
        cut: report.last_timestamp,
    };
    let mut retire = Pending::new(media);
    let tail_of = |lane: u32| scans.get(lane as usize).map_or(0, |scan| scan.tail);
    new.emit(geometry, pool.id(), tail_of, |at, bytes| {
        retire.write_nt(at, bytes)
    });
    retire.fence().map_err(RecoverError::Sync)?;
    report.epoch = new.epoch;
    let log = log_at(pool, new, new.cut, tail_of).map_err(too_many)?;
    Ok((log, report))
}

/// The volatile side of a log whose newest slot is `slot` and whose lanes go on at their tails.
pub(super) fn log_at<M: Media>(
    pool: &Pool<M>,
    slot: Slot,
    last_timestamp: u64,
    tail_of: impl Fn(u32) -> u64,
) -> Result<Log, Full> {
    let geometry = &pool.geometry();
    Ok(Log {
        next_timestamp: Padded(AtomicU64::new(last_timestamp + 1)),
        lanes: Array::from_fn(geometry.lane_count() as usize, |lane| {
            let lane = lane as u32;
            Padded(Lane::new(
                Ring::of(geometry, lane),
                seed(pool.id(), slot.epoch, lane),
                tail_of(lane),
            ))
        })?,
        gate: Lock::new(()),
        checkpoint: Lock::new(CheckpointState {
            slot,
            extensions: List::new(),
        }),
    })
}

pub(super) fn newest_slot<M: Media>(pool: &Pool<M>) -> Result<Slot, Corrupt> {
    let geometry = &pool.geometry();
    let load = |index| Slot::load(pool.media(), geometry, pool.id(), index);
    let slot = match (load(0), load(1)) {
        (Some(a), Some(b)) => {
            if a.generation > b.generation {
                a
            } else {
                b
            }
        }
        (Some(slot), None) | (None, Some(slot)) => slot,
        (None, None) => {
            return Err(Corrupt::new(
                geometry.slot_at(0),
                "neither checkpoint slot is whole",
            ));
        }
    };
    // Numbers that leave no room to count on cannot have been written here.
    const SANE: u64 = 1 << 62;
    let sane = |value: u64| value < SANE;
    let heads =
        (0..geometry.lane_count()).all(|lane| sane(slot.head(pool.media(), geometry, lane)));
    if sane(slot.generation) && sane(slot.epoch) && sane(slot.cut) && heads {
        Ok(slot)
    } else {
        Err(Corrupt::new(
            geometry.slot_at(slot.index),
            "the checkpoint slot holds impossible numbers",
        ))
    }
}

/// Step 1 for one lane.
fn scan_lane<M: Media>(
    media: &M,
    geometry: &Geometry,
    walker: &mut Walker,
    cut: u64,
    masks: &mut Masks,
    believed: &mut Pending<'_, M>,
    report: &mut RecoveryReport,
) -> Result<LaneScan, Corrupt> {
    let mut scan = LaneScan::default();
    while let Some(record) = walker.next(media, geometry)? {
        believed.reaffirm(padded_range(record.at, record.len));
        report.log_bytes += record.units() * RECORD_UNIT;
        match record.kind {
            RecordKind::Pad => {}
            RecordKind::Extend => masks.add(record.extension(media, geometry)?, ALWAYS),
            RecordKind::Undo => {
                record.ops(media, geometry, |op, _| match op.kind {
                    OpKind::Write => Ok(()),
                    _ => Err(Corrupt::new(
                        record.at,
                        "an UNDO record holds something else than before-images",
                    )),
                })?;
                // Recovery follows this chain before it can look at it again.
                if record.timestamp != scan.last_undo.get() {
                    return Err(Corrupt::new(
                        record.at,
                        "an UNDO record leads to another than the one before it",
                    ));
                }
                scan.last_undo = record.at;
                scan.undo_count += 1;
            }
            RecordKind::Commit => {
                let timestamp = record.timestamp;
                if timestamp >= 1 << 62 {
                    return Err(Corrupt::new(
                        record.at,
                        "a COMMIT record holds an impossible timestamp",
                    ));
                }
                record.ops(media, geometry, |op, _| {
                    if op.kind == OpKind::Cover && timestamp > cut {
                        masks.add(op.range, timestamp);
                    }
                    Ok(())
                })?;
                (scan.undo_count, scan.last_undo) = (0, ByteOffset::ZERO);
                report.redone += u64::from(timestamp > cut);
                report.last_timestamp = report.last_timestamp.max(timestamp);
            }
        }
    }
    report.undone += u64::from(scan.undo_count > 0);
    scan.tail = walker.place().back_in_ring().sequence;
    Ok(scan)
}

/// Step 2: merges all lanes by timestamp.
fn redo_all<M: Media>(
    source: &Source<'_, M>,
    mut lanes: Array<Walker, LANES_WITHOUT_ALLOC>,
    masks: &Masks,
    replayed: &mut Pending<'_, M>,
) -> Result<(), RecoverError<M::SyncError>> {
    let Source {
        media,
        geometry,
        slot,
        ..
    } = *source;
    let count = lanes.len();
    let mut next = Array::<_, LANES_WITHOUT_ALLOC>::from_fn(count, |_| None)
        .map_err(|Full| RecoverError::TooManyLanes(geometry.lane_count()))?;
    let advance = |lanes: &mut Array<Walker, LANES_WITHOUT_ALLOC>, index| match lanes.get_mut(index)
    {
        Some(walker) => walker.next_commit(media, geometry, slot.cut),
        None => Ok(None),
    };
    for index in 0..count {
        if let Some(next) = next.get_mut(index) {
            *next = advance(&mut lanes, index)?;
        }
    }
    loop {
        let earliest = (0..count)
            .filter_map(|index| {
                next.get(index)
                    .copied()
                    .flatten()
                    .map(|record: Record| (record, index))
            })
            .min_by_key(|(record, _)| record.timestamp);
        let Some((record, index)) = earliest else {
            return Ok(());
        };
        let mut space = Ok(());
        record.ops(media, geometry, |op, body| {
            space = space.and(media.back(op.range));
            if space.is_ok() {
                redo(source, masks, record.timestamp, &op, body)?;
                // keeps I13: equal or not, since a killed process may have left it visible and not durable
                replayed.flush(op.range);
            }
            Ok(())
        })?;
        space?;
        if let Some(next) = next.get_mut(index) {
            *next = advance(&mut lanes, index)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::layout::{Geometry, RootSlot};
    use crate::log::record::may_change;
    use crate::units::{ByteLen, ByteOffset, ByteRange};

    #[test]
    fn ops_may_change_roots_slab_map_and_heap_and_nothing_else() {
        let geometry =
            Geometry::with_defaults(1 << 20, None, None, None, None).expect("a common size");
        let word = |at: u64| ByteRange::new(ByteOffset::new(at), ByteLen::new(8)).expect("small");
        assert!(may_change(
            &geometry,
            word(RootSlot::REGIONS.at(&geometry).get())
        ));
        assert!(may_change(
            &geometry,
            word(geometry.slab_map().start().get())
        ));
        assert!(may_change(&geometry, word(geometry.heap_at().get())));
        for at in [
            0,
            4096,
            geometry.slot_at(0).get(),
            geometry.ring_at(0).get(),
            geometry.shared_at().get() + 512,
        ] {
            assert!(!may_change(&geometry, word(at)), "{at:#x}");
        }
        assert!(!may_change(&geometry, word(geometry.len() - 4)));
    }
}
