//! What threads share of a lane, and what its holder alone knows.

use super::homes::Homes;
use super::place::{Place, Ring};
use super::{Log, LogStatus};
use crate::layout::RECORD_UNIT;
use crate::sync::{AtomicU64, Guard, Lock, Ordering};
use crate::units::ByteOffset;

/// No timestamp is in flight.
const IDLE: u64 = u64::MAX;

/// What threads share of a lane.
#[derive(Debug)]
pub(crate) struct Lane {
    pub ring: Ring,
    /// The checksum's start for this lane's records.
    pub seed: u32,
    /// A lower bound of the timestamp in flight, or [`IDLE`].
    in_flight: AtomicU64,
    /// Every transaction before this sequence has ended and stored its homes.
    done: AtomicU64,
    /// Durable head: ring space before it may be reused (I3).
    head: AtomicU64,
    homes: Lock<Homes>,
}

impl Lane {
    pub fn new(ring: Ring, seed: u32, tail: u64) -> Self {
        Lane {
            ring,
            seed,
            in_flight: AtomicU64::new(IDLE),
            done: AtomicU64::new(tail),
            head: AtomicU64::new(tail),
            homes: Lock::new(Homes::default()),
        }
    }

    #[inline]
    pub fn head(&self) -> u64 {
        // Acquire pairs with the release in `pass_head`: the space before it is no longer read.
        self.head.load(Ordering::Acquire)
    }

    #[inline]
    pub fn done(&self) -> u64 {
        // Acquire pairs with the release in `Log::settle`: records before it are written, homes stored.
        self.done.load(Ordering::Acquire)
    }

    /// What the lane's commits have stored to.
    #[inline]
    pub fn homes(&self) -> Guard<'_, Homes> {
        self.homes.lock()
    }

    pub fn pass_head(&self, head: u64) {
        // Release pairs with the acquire in `head`.
        self.head.store(head, Ordering::Release);
    }
}

/// The append position of a lane; belongs to whoever holds the lane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor {
    pub lane: u32,
    /// Where the next record goes.
    pub place: Place,
    /// The lane's sequence when the present transaction began: its number.
    pub transaction: u64,
    /// The present transaction's last UNDO record, and how many it has.
    pub last_undo: ByteOffset,
    pub undo_count: u64,
}

impl Cursor {
    /// The position at the tail of `lane`, which has no transaction open.
    pub fn new(lane: u32, tail: u64) -> Self {
        let place = Place::in_ring(tail);
        Cursor {
            lane,
            place,
            transaction: tail,
            last_undo: ByteOffset::ZERO,
            undo_count: 0,
        }
    }

    /// Begins a transaction at the present position.
    #[inline]
    pub fn begin(&mut self) {
        self.transaction = self.place.sequence;
        self.last_undo = ByteOffset::ZERO;
        self.undo_count = 0;
    }
}

impl Log {
    #[inline]
    pub(crate) fn lane(&self, lane: u32) -> &Lane {
        match self.lanes.get(lane as usize) {
            Some(lane) => &lane.0,
            None => unreachable!("lanes are numbered by the pool's own geometry"),
        }
    }

    /// How many lanes this build serves.
    pub fn lane_count(&self) -> u32 {
        self.lanes.len() as u32
    }

    /// The sequence at which `lane` goes on.
    pub(crate) fn tail(&self, lane: u32) -> u64 {
        self.lane(lane).done()
    }

    /// Draws the next timestamp for a transaction on `lane`; it is in flight until [`Log::settle`] (I8).
    #[inline]
    pub(crate) fn draw_timestamp(&self, lane: u32) -> u64 {
        let next = &self.next_timestamp.0;
        // Relaxed load: a lower bound is enough. Release store: it takes the place of the IDLE that published the
        // lane's earlier homes, and whoever sees it must see those homes too. What publishes this store itself is
        // the read-modify-write below.
        self.lane(lane)
            .in_flight
            .store(next.load(Ordering::Relaxed), Ordering::Release);
        // AcqRel: whoever sees a later timestamp (`cut`) also sees that this lane is in flight.
        next.fetch_add(1, Ordering::AcqRel)
    }

    /// The list to which the commit on `lane` that has stored its homes adds them, before [`Log::settle`] (C1).
    #[inline]
    pub(crate) fn homes(&self, lane: u32) -> Guard<'_, Homes> {
        self.lane(lane).homes()
    }

    /// Ends the transaction whose homes are stored and listed: its records may be checkpointed from now on.
    #[inline]
    pub(crate) fn settle(&self, cursor: &Cursor) {
        let lane = self.lane(cursor.lane);
        // Release pairs with the acquire in `done`.
        lane.done.store(cursor.place.sequence, Ordering::Release);
        // Release pairs with the acquire in `cut`: idle means that `done` and the homes are seen.
        lane.in_flight.store(IDLE, Ordering::Release);
    }

    /// The highest timestamp up to which every transaction has stored its homes.
    pub(super) fn cut(&self) -> u64 {
        // Acquire pairs with `draw_timestamp`: lanes that drew a smaller one are seen in flight, or settled.
        let mut lowest = self.next_timestamp.0.load(Ordering::Acquire);
        for lane in self.lanes.iter() {
            lowest = lowest.min(lane.0.in_flight.load(Ordering::Acquire)); // pairs with `settle`
        }
        lowest - 1
    }

    /// Epoch, timestamps and fill.
    pub fn status(&self) -> LogStatus {
        let slot = self.checkpoint.lock().slot;
        let used = self
            .lanes
            .iter()
            .map(|lane| lane.0.done() - lane.0.head())
            .sum::<u64>();
        let capacity = self.lanes.iter().map(|lane| lane.0.ring.units).sum::<u64>();
        LogStatus {
            epoch: slot.epoch,
            // Acquire: as in `cut`.
            last_timestamp: self.next_timestamp.0.load(Ordering::Acquire) - 1,
            cut: slot.cut,
            used_bytes: used * RECORD_UNIT,
            capacity_bytes: capacity * RECORD_UNIT,
        }
    }

    /// Whether `lane`'s ring is more than half full.
    #[inline]
    pub(crate) fn wants_checkpoint(&self, lane: u32) -> bool {
        let lane = self.lane(lane);
        // Relaxed: a hint.
        let head = lane.head.load(Ordering::Relaxed);
        lane.done.load(Ordering::Relaxed) - head > lane.ring.units / 2
    }
}
