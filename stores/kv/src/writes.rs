//! What a transaction has written: a log in memory, of which a savepoint keeps the beginning.
//!
//! ```text
//! log     | put a | put b | delete a | put c |     later entries win
//! bytes   | key value | key value | key | key value |
//! newest  hash ─▶ last entry with it ─▶ the one before ─▶ …      from some entries on
//! ```

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Entries that are searched one by one; more of them get an index.
const SEARCHED: usize = 16;

const NONE: u32 = u32::MAX;
const DELETED: usize = usize::MAX;

/// One put or delete.
#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u64,
    /// Where the key begins; the value follows it.
    at: usize,
    /// `DELETED` for none.
    value_len: usize,
    key_len: u32,
    space: u32,
    /// The entry before with the same hash, where there is an index.
    previous: u32,
}

/// A put or delete, as others see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Write<'w> {
    pub space: u32,
    pub hash: u64,
    pub key: &'w [u8],
    /// `None` deletes.
    pub value: Option<&'w [u8]>,
}

/// The writes of one transaction, in their order.
#[derive(Debug, Default)]
pub(crate) struct WriteSet {
    log: Vec<Entry>,
    bytes: Vec<u8>,
    newest: HashMap<u64, u32, BuildHasherDefault<Hashed>>,
}

/// Hands a hash on as it is.
#[derive(Debug, Default)]
pub(crate) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// What was written up to some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    entries: usize,
    bytes: usize,
}

impl WriteSet {
    pub fn is_empty(&self) -> bool {
        self.log.is_empty()
    }

    pub fn len(&self) -> usize {
        self.log.len()
    }

    /// Bytes of keys and values.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub fn push(&mut self, space: u32, hash: u64, key: &[u8], value: Option<&[u8]>) {
        if self.log.len() == SEARCHED {
            self.index_all();
        }
        let number = self.log.len() as u32;
        let previous = match self.log.len() >= SEARCHED {
            true => self.newest.insert(hash, number).unwrap_or(NONE),
            false => NONE,
        };
        let at = self.bytes.len();
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value.unwrap_or_default());
        self.log.push(Entry {
            hash,
            at,
            value_len: value.map_or(DELETED, <[u8]>::len),
            key_len: key.len() as u32,
            space,
            previous,
        });
    }

    fn index_all(&mut self) {
        self.newest.clear();
        for number in 0..self.log.len() {
            let previous = self.newest.insert(self.log[number].hash, number as u32);
            self.log[number].previous = previous.unwrap_or(NONE);
        }
    }

    /// What the set says about a key: nothing, that it is deleted, or its value.
    pub fn get(&self, space: u32, hash: u64, key: &[u8]) -> Option<Option<&[u8]>> {
        if self.log.len() <= SEARCHED {
            let mut entries = self.log.iter().rev();
            let entry = entries.find(|entry| self.is(entry, space, hash, key))?;
            return Some(self.value(entry));
        }
        let mut number = *self.newest.get(&hash)?;
        loop {
            let entry = self.log.get(number as usize)?;
            if self.is(entry, space, hash, key) {
                return Some(self.value(entry));
            }
            number = entry.previous;
        }
    }

    fn is(&self, entry: &Entry, space: u32, hash: u64, key: &[u8]) -> bool {
        entry.hash == hash && entry.space == space && self.key(entry) == key
    }

    fn key(&self, entry: &Entry) -> &[u8] {
        &self.bytes[entry.at..entry.at + entry.key_len as usize]
    }

    fn value(&self, entry: &Entry) -> Option<&[u8]> {
        let at = entry.at + entry.key_len as usize;
        (entry.value_len != DELETED).then(|| &self.bytes[at..at + entry.value_len])
    }

    fn write(&self, entry: &Entry) -> Write<'_> {
        Write {
            space: entry.space,
            hash: entry.hash,
            key: self.key(entry),
            value: self.value(entry),
        }
    }

    /// Every write in its order; a key may come several times.
    pub fn iter(&self) -> impl Iterator<Item = Write<'_>> {
        self.log.iter().map(|entry| self.write(entry))
    }

    /// The last write of each key of `space`, in the order of keys.
    pub fn sorted(&self, space: u32) -> Vec<Write<'_>> {
        let own = self.log.iter().filter(|entry| entry.space == space);
        let mut writes: Vec<Write<'_>> = own.map(|entry| self.write(entry)).collect();
        // The sort is stable: of one key the last write comes last.
        writes.sort_by(|one, other| one.key.cmp(other.key));
        let mut last = Vec::with_capacity(writes.len());
        for (index, write) in writes.iter().enumerate() {
            if writes
                .get(index + 1)
                .is_none_or(|next| next.key != write.key)
            {
                last.push(*write);
            }
        }
        last
    }

    pub fn mark(&self) -> Mark {
        Mark {
            entries: self.log.len(),
            bytes: self.bytes.len(),
        }
    }

    /// Takes back what was written since `mark`.
    pub fn truncate(&mut self, mark: Mark) {
        while self.log.len() > mark.entries.max(SEARCHED) {
            let Some(entry) = self.log.pop() else { break };
            match entry.previous {
                NONE => self.newest.remove(&entry.hash),
                previous => self.newest.insert(entry.hash, previous),
            };
        }
        // What is left is searched one by one until it grows again, and then indexed anew.
        self.log.truncate(mark.entries);
        self.bytes.truncate(mark.bytes);
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn hash(key: &[u8]) -> u64 {
        // Many keys share a hash, so that chains are walked.
        u64::from(key[0] % 7)
    }

    #[test]
    fn the_last_write_of_a_key_counts_and_a_savepoint_keeps_the_beginning() {
        let mut random = 1_u64;
        let mut next = move |end: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) % end
        };
        for _ in 0..200 {
            let mut set = WriteSet::default();
            let mut model: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
            let mut marks = Vec::new();
            for _ in 0..next(120) {
                let key = vec![next(40) as u8];
                match next(10) {
                    0 => marks.push((set.mark(), model.clone())),
                    1 if !marks.is_empty() => {
                        let at = next(marks.len() as u64) as usize;
                        let (mark, then) = marks[at].clone();
                        marks.truncate(at + 1);
                        set.truncate(mark);
                        model = then;
                    }
                    2 | 3 => {
                        set.push(0, hash(&key), &key, None);
                        model.insert(key, None);
                    }
                    _ => {
                        let value = vec![next(256) as u8; next(5) as usize];
                        set.push(0, hash(&key), &key, Some(&value));
                        model.insert(key, Some(value));
                    }
                }
                for key in 0..40_u8 {
                    let found = set.get(0, hash(&[key]), &[key]);
                    let known = model.get(&vec![key]).map(Option::as_deref);
                    assert_eq!(found, known);
                }
            }
            let sorted: Vec<_> = set.sorted(0);
            let sorted: BTreeMap<_, _> = sorted
                .into_iter()
                .map(|write| (write.key.to_vec(), write.value.map(<[u8]>::to_vec)))
                .collect();
            assert_eq!(sorted, model);
            assert!(set.sorted(1).is_empty());
        }
    }
}
