//! A pool with room to work in, and the operations that are counted and timed on it.

use everline::alloc::Request;
use everline::engine::{CreateOptions, Engine};
use everline::layout::RootSlot;
use everline::media::Media;
use everline::persist::{View, fence};
use everline::tx::{Tx, TxError};
use everline::units::{ByteOffset, ByteRange};

/// Bytes that the operations spread their ranges over.
pub const AREA_BYTES: u64 = 1 << 20;
/// Ranges of one transaction lie so far apart: no two share a line or its neighbour.
const APART_BYTES: u64 = 256;
/// The longest value that is written at once.
const VALUE_BYTES_MAX: usize = 64 << 10;

/// An open pool with an area of [`AREA_BYTES`].
#[derive(Debug)]
pub struct Bench<M> {
    /// The pool.
    pub engine: Engine<M>,
    area: ByteOffset,
    at: u64,
    values: Box<[u8]>,
}

/// The outcome of an operation.
pub type Outcome<M> = Result<(), TxError<<M as Media>::SyncError>>;

impl<M: Media> Bench<M> {
    /// Reserves the area, and one object of 64 bytes so that a slab of that class is in use.
    pub fn new(engine: Engine<M>) -> Result<Self, TxError<M::SyncError>> {
        let mut tx = engine.begin()?;
        let area = tx.alloc(Request::new(AREA_BYTES))?.start();
        let first = tx.alloc(Request::new(64))?.start();
        let slot = RootSlot::user(0).expect("one of 48");
        tx.set_root(slot, first)?;
        tx.commit()?;
        Ok(Bench {
            engine,
            area,
            at: 0,
            values: vec![0x5a; VALUE_BYTES_MAX].into(),
        })
    }

    /// The next `N` ranges of `len` bytes each.
    #[inline]
    fn ranges<const N: usize>(&mut self, len: u64) -> [ByteRange; N] {
        let stride = len.next_multiple_of(APART_BYTES);
        if self.at + stride * N as u64 > AREA_BYTES {
            self.at = 0;
        }
        let first = self.area.get() + self.at;
        self.at += stride * N as u64;
        core::array::from_fn(|index| {
            ByteRange::at(first + stride * index as u64, len).expect("inside the area")
        })
    }

    #[inline]
    fn value(&self, len: u64) -> &[u8] {
        &self.values[..len as usize]
    }

    /// Begins and commits.
    #[inline]
    pub fn empty(&mut self) -> Outcome<M> {
        self.engine.begin()?.commit().map(|_receipt| ())
    }

    /// Stages `N` values of `len` bytes and commits.
    #[inline]
    pub fn staged<const N: usize>(&mut self, len: u64) -> Outcome<M> {
        let ranges = self.ranges::<N>(len);
        let mut tx = self.engine.begin()?;
        stage(&mut tx, &ranges, self.value(len))?;
        tx.commit().map(|_receipt| ())
    }

    /// Stages `N` values of `len` bytes and aborts.
    #[inline]
    pub fn abort_staged<const N: usize>(&mut self, len: u64) -> Outcome<M> {
        let ranges = self.ranges::<N>(len);
        let mut tx = self.engine.begin()?;
        stage(&mut tx, &ranges, self.value(len))?;
        tx.abort()
    }

    /// Changes `N` ranges of `len` bytes under the undo log and commits.
    #[inline]
    pub fn undo<const N: usize>(&mut self, len: u64) -> Outcome<M> {
        let ranges = self.ranges::<N>(len);
        let mut tx = self.engine.begin()?;
        change(&mut tx, &ranges, self.value(len))?;
        tx.commit().map(|_receipt| ())
    }

    /// Changes `N` ranges of `len` bytes under the undo log and aborts.
    #[inline]
    pub fn abort_undo<const N: usize>(&mut self, len: u64) -> Outcome<M> {
        let ranges = self.ranges::<N>(len);
        let mut tx = self.engine.begin()?;
        change(&mut tx, &ranges, self.value(len))?;
        tx.abort()
    }

    /// Allocates `count` objects of 64 bytes in one transaction; `keep` learns their places.
    #[inline]
    pub fn alloc(&mut self, count: u32, mut keep: impl FnMut(ByteOffset)) -> Outcome<M> {
        let mut tx = self.engine.begin()?;
        for _ in 0..count {
            keep(tx.alloc(Request::new(64))?.start());
        }
        tx.commit().map(|_receipt| ())
    }

    /// Allocates an object of 64 bytes, fills it, and links it from a word in the area.
    #[inline]
    pub fn alloc_init_link(&mut self) -> Result<ByteOffset, TxError<M::SyncError>> {
        let [link] = self.ranges::<1>(8);
        let mut tx = self.engine.begin()?;
        let object = tx.alloc(Request::new(64))?.start();
        tx.write(object, self.value(64))?;
        tx.write(link.start(), &object.get().to_le_bytes())?;
        tx.commit()?;
        Ok(object)
    }

    /// Allocates `bytes` bytes.
    pub fn alloc_bytes(&mut self, bytes: u64) -> Result<ByteOffset, TxError<M::SyncError>> {
        let mut tx = self.engine.begin()?;
        let object = tx.alloc(Request::new(bytes))?.start();
        tx.commit()?;
        Ok(object)
    }

    /// Frees `objects` in one transaction.
    pub fn free(&mut self, objects: &[ByteOffset]) -> Outcome<M> {
        let mut tx = self.engine.begin()?;
        for object in objects {
            tx.free(*object)?;
        }
        tx.commit().map(|_receipt| ())
    }

    /// Commits `members` members of one word each as a group.
    pub fn group(&mut self, members: u32) -> Outcome<M> {
        let ranges: Vec<_> = (0..members).map(|_| self.ranges::<1>(8)).collect();
        let value = self.value(8);
        let mut tx = self.engine.begin()?;
        for [range] in ranges {
            tx.member(|tx| tx.write(range.start(), value))?;
        }
        tx.commit().map(|_receipt| ())
    }

    /// Reserves 64 bytes, stores into them if `fill`, then publishes or cancels.
    pub fn reserve(&mut self, fill: bool, publish: bool) -> Outcome<M> {
        let mut reservation = self.engine.reserve(Request::new(64))?;
        if fill {
            reservation.write(reservation.block().start(), self.value(64))?;
        }
        if publish {
            let mut tx = self.engine.begin()?;
            tx.publish(reservation)?;
            tx.commit()?;
        } else {
            reservation.cancel();
        }
        Ok(())
    }

    /// Allocates 4 KiB and fills it past the log.
    pub fn alloc_fresh_4kib(&mut self) -> Outcome<M> {
        let mut tx = self.engine.begin()?;
        let object = tx.alloc(Request::new(4096))?.start();
        tx.write_fresh(object, self.value(4096))?;
        tx.commit().map(|_receipt| ())
    }

    /// Writes `len` durable bytes without a transaction.
    #[inline]
    pub fn write_durable(&mut self, len: u64) -> Outcome<M> {
        let [range] = self.ranges::<1>(len);
        self.engine.write_durable(range.start(), self.value(len))
    }

    /// Stores, flushes and fences `len` bytes by hand.
    #[inline]
    pub fn persist(&mut self, len: u64) -> Outcome<M> {
        let [range] = self.ranges::<1>(len);
        let view = View::new(self.engine.pool().media());
        let dirty = view.write(range.start(), self.value(len)).expect("inside");
        fence(dirty.flush()).map_err(TxError::Sync)?;
        Ok(())
    }

    /// Stores an object of 64 bytes by hand, makes it durable, then publishes its place and makes that durable.
    pub fn publish(&mut self) -> Outcome<M> {
        let [object, slot] = self.ranges::<2>(64);
        let view = View::new(self.engine.pool().media());
        let flushed = view
            .write_nt(object.start(), self.value(64))
            .expect("inside");
        let durable = fence(flushed).map_err(TxError::Sync)?;
        let link = view.publish(slot.start(), &durable).expect("a whole word");
        fence(link.flush()).map_err(TxError::Sync)?;
        Ok(())
    }
}

/// Stages `value` for each of `ranges`.
#[inline]
fn stage<M: Media>(tx: &mut Tx<'_, M>, ranges: &[ByteRange], value: &[u8]) -> Outcome<M> {
    ranges
        .iter()
        .try_for_each(|range| tx.write(range.start(), value))
}

/// Snapshots `ranges` in one batch and stores `value` to each in place.
#[inline]
fn change<M: Media>(tx: &mut Tx<'_, M>, ranges: &[ByteRange], value: &[u8]) -> Outcome<M> {
    let mut place = tx.snapshot(ranges)?;
    ranges
        .iter()
        .try_for_each(|range| place.store(range.start(), value))
}

/// How the pools of the cost table are shaped: nothing in the table fills half a ring, so that no checkpoint runs
/// unasked.
pub fn cost_pool() -> CreateOptions {
    CreateOptions {
        len: Some(16 << 20),
        lanes: Some(2),
        ring_bytes: Some(256 << 10),
        ..CreateOptions::default()
    }
}
