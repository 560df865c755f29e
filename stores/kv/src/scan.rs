//! Scans: the leaves of a tree, one after another, corrected for the moment that is read.
//!
//! ```text
//! leaf          a  b     d  e        copied out, whole by its version
//! window           b'       f        what is not in the tree yet (weaker modes)
//! history       a°                   what was there at the snapshot, for keys changed since
//! own writes             d†          of the transaction
//! answer        a° b'       e  f
//! ```
//!
//! The window is locked before the leaf is read, so that nothing can move from the one to the other in between; the history is
//! asked after both, so that it knows every change that they may show.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Bound, Range};
use std::sync::Arc;

use everline::media::Media;
use everline::tree::{Chunk, Value};

use crate::Direction;
use crate::KvError;
use crate::bounds::Bounds;
use crate::core::{Core, Outcome};
use crate::counters::Event;
use crate::space_state::SpaceState;
use crate::transaction::Transaction;

/// A key with its value, as a scan lends them.
pub type Entry<'e> = (&'e [u8], &'e [u8]);

/// A row of keys with their values, as they are at one moment.
///
/// Read it with [`Scan::next_entry`], which lends, or as an [`Iterator`], which copies. It blocks nobody.
/// Errors: [`KvError::SnapshotTooOld`] where others have changed more than memory was given to keep; the keyspace was
/// dropped; damage. After an error there is nothing more.
pub struct Scan<'s, M: Media> {
    core: &'s Core<M>,
    space: Arc<SpaceState>,
    view: View<'s, M>,
    direction: Direction,
    /// What was not loaded yet.
    rest: Bounds,
    done: bool,
    chunk: Chunk,
    /// Entries of `chunk` that are left.
    in_chunk: Range<usize>,
    /// What else there is to say about the keys of the chunk.
    instead: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    in_instead: Range<usize>,
    /// A value that was read from a block of its own.
    big: Vec<u8>,
    /// Its place among the reads of a transaction.
    noted: Option<usize>,
}

/// Who scans.
enum View<'s, M: Media> {
    /// A scan by itself, with a snapshot of its own.
    Snapshot(u64),
    Transaction(&'s Transaction<M>),
    /// A transaction of another store than the keyspace's: it sees nothing of it.
    Foreign,
}

/// Where the next entry is.
#[derive(Clone, Copy)]
enum Next {
    Chunk(usize),
    Instead(usize),
}

impl<M: Media> fmt::Debug for Scan<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan")
            .field("space", &self.space.name)
            .field("direction", &self.direction)
            .field("rest", &self.rest)
            .finish_non_exhaustive()
    }
}

impl<'s, M: Media> Scan<'s, M> {
    pub(crate) fn newest(
        core: &'s Core<M>,
        space: &Arc<SpaceState>,
        bounds: Bounds,
        direction: Direction,
    ) -> Self {
        let view = View::Snapshot(core.open_snapshot());
        Scan::new(core, space, view, bounds, direction)
    }

    pub(crate) fn of_transaction(
        tx: &'s Transaction<M>,
        space: &Arc<SpaceState>,
        own: bool,
        bounds: Bounds,
        direction: Direction,
    ) -> Self {
        let view = match own {
            true => View::Transaction(tx),
            false => View::Foreign,
        };
        Scan::new(&tx.core, space, view, bounds, direction)
    }

    fn new(
        core: &'s Core<M>,
        space: &Arc<SpaceState>,
        view: View<'s, M>,
        bounds: Bounds,
        direction: Direction,
    ) -> Self {
        core.counters.add(Event::Reads, 1);
        Scan {
            core,
            space: Arc::clone(space),
            view,
            direction,
            done: bounds.ends().is_none(),
            rest: bounds,
            chunk: Chunk::default(),
            in_chunk: 0..0,
            instead: Vec::new(),
            in_instead: 0..0,
            big: Vec::new(),
            noted: None,
        }
    }

    fn snapshot(&self) -> u64 {
        match self.view {
            View::Snapshot(snapshot) => snapshot,
            View::Transaction(tx) => tx.shared.snapshot,
            View::Foreign => 0,
        }
    }

    /// The next key with its value; `None` at the end. Cost: no wait; an allocation only where a value lies in a block of its
    /// own or others have changed what is read.
    pub fn next_entry(&mut self) -> Outcome<Option<Entry<'_>>, M> {
        loop {
            let Some(next) = self.next()? else {
                return Ok(None);
            };
            match next {
                Next::Chunk(index) if !self.is_whole(index)? => {}
                Next::Instead(index) if self.instead[index].1.is_none() => {}
                next => return Ok(self.entry(next)),
            }
        }
    }

    /// Goes on to the next key without its value.
    pub(crate) fn next_key(&mut self) -> Outcome<Option<()>, M> {
        loop {
            match self.next()? {
                None => return Ok(None),
                Some(Next::Instead(index)) if self.instead[index].1.is_none() => {}
                Some(_) => return Ok(Some(())),
            }
        }
    }

    fn entry(&self, next: Next) -> Option<Entry<'_>> {
        match next {
            Next::Chunk(index) => {
                let (key, value) = self.chunk.entry(index);
                match value {
                    Value::Inline(value) => Some((key, value)),
                    Value::Big(_) => Some((key, &self.big)),
                }
            }
            Next::Instead(index) => {
                let (key, value) = &self.instead[index];
                value.as_ref().map(|value| (&**key, &**value))
            }
        }
    }

    /// Reads the value of an entry, where that has a block of its own; `false`: there is no such key at the snapshot.
    fn is_whole(&mut self, index: usize) -> Outcome<bool, M> {
        let (key, value) = self.chunk.entry(index);
        let Value::Big(place) = value else {
            return Ok(true);
        };
        let (core, space) = (self.core, &self.space);
        let reader = space.tree.reader(core.engine(), &core.versions);
        if space.still(reader.read_big(&place, &mut self.big))? {
            return Ok(true);
        }
        // Changed since: what it was is known to the history.
        core.get_at(self.snapshot(), space, key, &mut self.big)
    }

    /// The next entry of chunk and corrections, in the order of keys.
    fn next(&mut self) -> Outcome<Option<Next>, M> {
        loop {
            if let Some(next) = self.pick() {
                return Ok(Some(next));
            }
            if self.done {
                return Ok(None);
            }
            if let Err(error) = self.load() {
                self.done = true;
                (self.in_chunk, self.in_instead) = (0..0, 0..0);
                return Err(error);
            }
        }
    }

    #[inline]
    fn pick(&mut self) -> Option<Next> {
        let forward = self.direction == Direction::Forward;
        let first = |range: &Range<usize>| match forward {
            true => range.start,
            false => range.end - 1,
        };
        let take = |range: &mut Range<usize>| match forward {
            true => range.start += 1,
            false => range.end -= 1,
        };
        let order = match (self.in_chunk.is_empty(), self.in_instead.is_empty()) {
            (true, true) => return None,
            (false, true) => Ordering::Less,
            (true, false) => Ordering::Greater,
            (false, false) => {
                let (key, _) = self.chunk.entry(first(&self.in_chunk));
                let order = key.cmp(&self.instead[first(&self.in_instead)].0);
                if forward { order } else { order.reverse() }
            }
        };
        if order != Ordering::Greater {
            let index = first(&self.in_chunk);
            take(&mut self.in_chunk);
            if order == Ordering::Less {
                return Some(Next::Chunk(index));
            }
        }
        let index = first(&self.in_instead);
        take(&mut self.in_instead);
        Some(Next::Instead(index))
    }

    /// Loads the next leaf and what is to be said about its keys.
    fn load(&mut self) -> Outcome<(), M> {
        let core = self.core;
        core.serving()?;
        match self.view {
            View::Snapshot(_) => {}
            View::Transaction(tx) => drop(tx.active()?),
            View::Foreign => {
                return Err(KvError::ForeignSpace {
                    name: self.space.name.clone(),
                });
            }
        }
        let mut instead = BTreeMap::new();
        let overlay = core.window.as_ref().map(|window| window.overlay.read());
        let reader = self.space.tree.reader(core.engine(), &core.versions);
        let read = match self.direction {
            Direction::Forward => {
                let from = self.rest.lower.as_ref().map(Vec::as_slice);
                reader.chunk_from(from, &mut self.chunk)
            }
            Direction::Backward => {
                let to = self.rest.upper.as_ref().map(Vec::as_slice);
                reader.chunk_before(to, &mut self.chunk)
            }
        };
        self.space.still(read)?;
        let span = self.pass_chunk();
        if let Some(overlay) = overlay {
            for (key, late) in overlay.range(self.space.id, &span) {
                let value = late.value.as_deref().map(<[u8]>::to_vec);
                instead.insert(key.to_vec(), value);
            }
        }
        self.add_past(&span, &mut instead)?;
        self.add_own(span, &mut instead)?;
        self.instead = instead.into_iter().collect();
        self.in_instead = 0..self.instead.len();
        Ok(())
    }

    /// Keys that others have changed since the snapshot, as they were.
    fn add_past(
        &self,
        span: &Bounds,
        instead: &mut BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    ) -> Outcome<(), M> {
        let snapshot = self.snapshot();
        let history = self.core.history.lock();
        let Some(past) = history.range(snapshot, self.space.id, span) else {
            return Err(KvError::SnapshotTooOld {
                snapshot,
                oldest: history.floor(),
            });
        };
        for (key, value) in past {
            instead.insert(key.to_vec(), value.as_deref().map(<[u8]>::to_vec));
        }
        Ok(())
    }

    /// What the transaction itself has written; notes what it reads with that.
    fn add_own(
        &mut self,
        span: Bounds,
        instead: &mut BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    ) -> Outcome<(), M> {
        let View::Transaction(tx) = self.view else {
            return Ok(());
        };
        let mut inner = tx.active()?;
        inner.touch(&self.space);
        if !inner.writes.is_empty() {
            for write in inner.writes.sorted(self.space.id) {
                if span.contains(write.key) {
                    instead.insert(write.key.to_vec(), write.value.map(<[u8]>::to_vec));
                }
            }
        }
        let forward = self.direction == Direction::Forward;
        match self.noted {
            Some(number) => {
                let end = if forward { span.upper } else { span.lower };
                inner.reads.reach(number, forward, end);
            }
            None => {
                let all = tx.shared.is_serializable();
                self.noted = inner.reads.range(self.space.id, span, all);
            }
        }
        Ok(())
    }

    /// The keys that the chunk speaks of; what is behind them is left for later.
    fn pass_chunk(&mut self) -> Bounds {
        let mut span = self.rest.clone();
        let count = self.chunk.len();
        match self.direction {
            Direction::Forward => {
                match self
                    .chunk
                    .upper()
                    .filter(|upper| self.rest.is_below_upper(upper))
                {
                    Some(upper) => {
                        span.upper = Bound::Excluded(upper.to_vec());
                        self.rest.lower = Bound::Included(upper.to_vec());
                    }
                    None => self.done = true,
                }
                let inside = |index: &usize| span.is_below_upper(self.chunk.entry(*index).0);
                self.in_chunk = 0..(0..count).take_while(inside).count();
            }
            Direction::Backward => {
                match self
                    .chunk
                    .lower()
                    .filter(|lower| self.rest.is_above_lower(lower))
                {
                    Some(lower) => {
                        span.lower = Bound::Included(lower.to_vec());
                        self.rest.upper = Bound::Excluded(lower.to_vec());
                    }
                    None => self.done = true,
                }
                let outside = |index: &usize| !span.is_above_lower(self.chunk.entry(*index).0);
                self.in_chunk = (0..count).take_while(outside).count()..count;
            }
        }
        self.done |= self.rest.ends().is_none();
        span
    }
}

impl<M: Media> Iterator for Scan<'_, M> {
    type Item = Outcome<(Vec<u8>, Vec<u8>), M>;

    fn next(&mut self) -> Option<Self::Item> {
        let own = |(key, value): Entry<'_>| (key.to_vec(), value.to_vec());
        self.next_entry().map(|entry| entry.map(own)).transpose()
    }
}

impl<M: Media> Drop for Scan<'_, M> {
    fn drop(&mut self) {
        if let View::Snapshot(snapshot) = self.view {
            self.core.close_snapshot(snapshot);
        }
    }
}
