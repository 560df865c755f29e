//! Who must wait for whom (Q1), and how many there may be (Q2).
//!
//! Each entry counts the earlier entries that it must wait for. When one ends, the later ones that waited for it count
//! down, and whoever reaches zero is ready. An entry waits only for earlier ones, so that the first is always ready or
//! running (Q5). Each step is one pass over the table, which holds `queue_depth` entries at most.

use std::collections::{BTreeMap, VecDeque};

use super::operation::Touch;

/// What waits or runs, in issue order.
pub(super) struct Table<W> {
    entries: BTreeMap<u64, Entry<W>>,
    ready: VecDeque<u64>,
    next: u64,
    /// Rooms that were given out and not filled yet.
    promised: usize,
    depth: usize,
}

struct Entry<W> {
    touch: Touch,
    /// Earlier entries that must end first.
    waits_for: usize,
    /// Taken by whoever runs it.
    work: Option<W>,
}

/// The right to put one entry into the table.
#[must_use = "a room that is not filled is lost"]
pub(super) struct Room(());

impl<W> Table<W> {
    pub fn new(depth: usize) -> Self {
        Table {
            entries: BTreeMap::new(),
            ready: VecDeque::new(),
            next: 0,
            promised: 0,
            depth,
        }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn room(&mut self) -> Option<Room> {
        if self.entries.len() + self.promised >= self.depth {
            return None;
        }
        self.promised += 1;
        Some(Room(()))
    }

    /// Puts work in. Where `here` is set and nothing is in its way, it is given back at once to be run.
    pub fn put(&mut self, _room: Room, touch: Touch, work: W, here: bool) -> (u64, Option<W>) {
        self.promised -= 1;
        let number = self.next;
        self.next += 1;
        let earlier = self.entries.values();
        let waits_for = earlier
            .filter(|entry| entry.touch.conflicts(&touch))
            .count();
        let (work, now) = match (waits_for, here) {
            (0, true) => (None, Some(work)),
            (0, false) => {
                self.ready.push_back(number);
                (Some(work), None)
            }
            _ => (Some(work), None),
        };
        let entry = Entry {
            touch,
            waits_for,
            work,
        };
        self.entries.insert(number, entry);
        (number, now)
    }

    /// The next entry that can run.
    pub fn take(&mut self) -> Option<(u64, W)> {
        let number = self.ready.pop_front()?;
        let work = self.entries.get_mut(&number)?.work.take()?;
        Some((number, work))
    }

    /// Takes an entry out that has run; answers how many became ready.
    pub fn end(&mut self, number: u64) -> usize {
        let Some(ended) = self.entries.remove(&number) else {
            return 0;
        };
        let before = self.ready.len();
        for (later, entry) in self.entries.range_mut(number..) {
            if entry.touch.conflicts(&ended.touch) {
                entry.waits_for -= 1;
                if entry.waits_for == 0 {
                    self.ready.push_back(*later);
                }
            }
        }
        self.ready.len() - before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RegionId;

    #[test]
    fn entries_run_in_issue_order_where_they_meet_and_side_by_side_elsewhere() {
        let id = RegionId::from_bytes([1; 16]);
        let mut table = Table::new(4);
        let put = |table: &mut Table<char>, touch, name| {
            let room = table.room().expect("there is room");
            table.put(room, touch, name, false)
        };
        put(&mut table, Touch::write(id, 0, 4), 'a');
        put(&mut table, Touch::write(id, 2, 4), 'b');
        put(&mut table, Touch::write(id, 8, 4), 'c');
        put(&mut table, Touch::Region(id), 'd');
        assert!(table.room().is_none(), "full");
        assert_eq!(table.take(), Some((0, 'a')));
        assert_eq!(table.take(), Some((2, 'c')));
        assert_eq!(table.take(), None);
        assert_eq!(table.end(2), 0);
        assert_eq!(table.end(0), 1);
        assert_eq!(table.take(), Some((1, 'b')));
        assert_eq!(table.end(1), 1);
        assert_eq!(table.take(), Some((3, 'd')));
        assert_eq!(table.end(3), 0);
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn work_that_may_run_at_once_does_so_only_where_nothing_is_in_its_way() {
        let id = RegionId::from_bytes([1; 16]);
        let mut table = Table::new(4);
        let room = table.room().expect("empty");
        assert_eq!(
            table.put(room, Touch::write(id, 0, 4), 'a', true),
            (0, Some('a'))
        );
        let room = table.room().expect("there is room");
        assert_eq!(table.put(room, Touch::read(id, 0, 4), 'b', true), (1, None));
        assert_eq!(table.take(), None, "it waits for the one that runs");
        assert_eq!(table.end(0), 1);
        assert_eq!(table.take(), Some((1, 'b')));
        assert_eq!(table.end(7), 0, "nobody has that number");
    }
}
