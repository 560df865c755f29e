//! What a checksum tells beyond "wrong": which single byte must have changed, and what a value was hashed behind.
//!
//! CRC-32 is linear: changing one byte changes the sum by something that depends on the byte's place and on the change
//! alone. So the difference between the sum that is stored and the one that belongs to the bytes names the byte, if it was
//! one; no two of them explain the same difference at the lengths that the store uses, but for the sum's own bytes, and
//! where two do, nothing is mended. It also runs backwards: from a sum and the bytes behind, to the state before them.

use everline::layout::{DirectoryEntry, DirectoryRoot, PoolId, RegionTail};

const POLYNOMIAL: u32 = 0xEDB8_8320;

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut state = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            state = (state >> 1) ^ (POLYNOMIAL * (state & 1));
            bit += 1;
        }
        table[byte] = state;
        byte += 1;
    }
    table
};

fn forward(state: u32, byte: u8) -> u32 {
    (state >> 8) ^ TABLE[(state as u8 ^ byte) as usize]
}

fn backward(state: u32, byte: u8) -> u32 {
    let top = (state >> 24) as u8;
    let index = (0..=255u8).find(|index| (TABLE[usize::from(*index)] >> 24) as u8 == top);
    let index = index.unwrap_or_default();
    ((state ^ TABLE[usize::from(index)]) << 8) | u32::from(index ^ byte)
}

/// The state before `bytes`, where the sum over everything up to their end is `sum`.
pub(crate) fn state_before(sum: u32, bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .rev()
        .fold(!sum, |state, byte| backward(state, *byte))
}

/// The four bytes that lead from one state to another.
pub(crate) fn bytes_between(from: u32, to: u32) -> [u8; 4] {
    (from ^ (0..4).fold(to, |state, _| backward(state, 0))).to_le_bytes()
}

/// The state behind a pool id, with which every checksum of the store begins.
pub(crate) fn state_of(pool_id: &PoolId) -> u32 {
    pool_id
        .iter()
        .fold(u32::MAX, |state, byte| forward(state, *byte))
}

/// A pool id behind which the state is the same, so that all checksums are.
pub(crate) fn stand_in(state: u32) -> PoolId {
    let zeros = (0..12).fold(u32::MAX, |state, _| forward(state, 0));
    let mut id = [0; 16];
    id[12..].copy_from_slice(&bytes_between(zeros, state));
    id
}

/// Each change of one of `len` bytes that changes their sum by `difference`: place, and the bits that are wrong.
fn changes(len: usize, difference: u32) -> Vec<(usize, u8)> {
    let mut found = Vec::new();
    for bits in 1..=255 {
        let mut effect = TABLE[usize::from(bits)];
        for at in (0..len).rev() {
            if effect == difference {
                found.push((at, bits));
            }
            effect = forward(effect, 0);
        }
    }
    found
}

/// Whether the difference may be one wrong byte of the stored sum itself.
fn is_one_byte(difference: u32) -> bool {
    difference
        .to_le_bytes()
        .iter()
        .filter(|byte| **byte != 0)
        .count()
        == 1
}

/// The only candidate; `None` where there is none or several.
fn only<T: PartialEq>(candidates: impl IntoIterator<Item = T>) -> Option<T> {
    let mut candidates = candidates.into_iter();
    let first = candidates.next()?;
    candidates.all(|other| other == first).then_some(first)
}

/// The entry of which one byte was changed to make `bytes`.
pub(crate) fn entry(
    bytes: &[u8; size_of::<DirectoryEntry>()],
    pool_id: &PoolId,
    slot: u32,
) -> Option<DirectoryEntry> {
    let damaged = DirectoryEntry::from_bytes(bytes);
    let mut resealed = damaged;
    resealed.seal(pool_id, slot);
    let difference = damaged.crc.get() ^ resealed.crc.get();
    let mut candidates = vec![];
    for (at, bits) in changes(bytes.len() - 4, difference) {
        let mut right = *bytes;
        right[4 + at] ^= bits;
        candidates.push(DirectoryEntry::from_bytes(&right));
    }
    if is_one_byte(difference) {
        candidates.push(resealed);
    }
    if bytes.iter().filter(|byte| **byte != 0).count() == 1 {
        candidates.push(DirectoryEntry::from_bytes(
            &[0; size_of::<DirectoryEntry>()],
        ));
    }
    candidates.retain(|entry| entry.fault(pool_id, slot).is_none());
    let bytes = candidates.iter().map(|entry| entry.bytes().to_vec());
    only(bytes)?;
    candidates.pop()
}

/// The root of which one byte was changed to make `bytes`; its count is not looked at.
pub(crate) fn root(
    bytes: &[u8; size_of::<DirectoryRoot>()],
    pool_id: &PoolId,
) -> Option<DirectoryRoot> {
    const COUNT: std::ops::Range<usize> = 16..40; // what the head's sum leaves out
    let damaged = DirectoryRoot::from_bytes(bytes);
    let mut resealed = damaged;
    resealed.seal(pool_id);
    let difference = damaged.crc.get() ^ resealed.crc.get();
    let mut candidates = vec![*bytes];
    for (at, bits) in changes(bytes.len() - COUNT.len(), difference) {
        let mut right = *bytes;
        right[if at < COUNT.start {
            at
        } else {
            at + COUNT.len()
        }] ^= bits;
        candidates.push(right);
    }
    if is_one_byte(difference) {
        let mut right = *bytes;
        right[16..20].copy_from_slice(&resealed.crc.get().to_le_bytes());
        candidates.push(right);
    }
    let right = candidates.into_iter().filter_map(|mut bytes| {
        // The named gaps hold nothing that could be lost.
        bytes[20..24].fill(0);
        bytes[36..40].fill(0);
        let mut root = DirectoryRoot::from_bytes(&bytes);
        let counted = root.live.get();
        root.set_live(0, pool_id);
        let fits = root.fault(pool_id).is_none();
        root.set_live(counted, pool_id);
        fits.then_some((bytes, root))
    });
    let right: Vec<_> = right.collect();
    only(right.iter().map(|(bytes, _)| bytes))?;
    right.last().map(|(_, root)| *root)
}

/// Name and attributes of which one byte was changed to make `bytes`, which begin with their head and may go on behind
/// their end.
pub(crate) fn tail(bytes: &[u8], pool_id: &PoolId, slot: u32) -> Option<(String, Vec<u8>)> {
    const HEAD: usize = size_of::<RegionTail>();
    let decode = |bytes: &[u8]| {
        let end = RegionTail::bytes_of(bytes.first_chunk()?);
        let (name, attributes) = RegionTail::decode(bytes.get(..end)?, pool_id, slot).ok()?;
        Some((name.to_owned(), attributes.to_vec()))
    };
    let end = RegionTail::bytes_of(bytes.first_chunk()?).min(bytes.len());
    let mut candidates = vec![];
    let mut covered = bytes.get(..end)?.to_vec();
    let stored = u32::from_le_bytes(*bytes.first_chunk()?);
    let mut sum = crc32fast::Hasher::new();
    sum.update(pool_id);
    sum.update(&slot.to_le_bytes());
    sum.update(&covered[4..]);
    let expected = sum.finalize();
    for (at, bits) in changes(covered.len() - 4, stored ^ expected) {
        covered[4 + at] ^= bits;
        candidates.extend(decode(&covered));
        covered[4 + at] ^= bits;
    }
    if is_one_byte(stored ^ expected) {
        covered[..4].copy_from_slice(&expected.to_le_bytes());
        candidates.extend(decode(&covered));
    }
    // A length that was changed moves the end, which the difference knows nothing of.
    let mut whole = bytes.to_vec();
    for at in 4..HEAD {
        for bits in 1..=255 {
            whole[at] ^= bits;
            candidates.extend(decode(&whole));
            whole[at] ^= bits;
        }
    }
    only(candidates)
}

/// The word of which one byte was changed to make `word`, where `is_right` knows a right one.
pub(crate) fn word(word: u64, is_right: impl Fn(u64) -> bool) -> Option<u64> {
    let changed = (0..8).flat_map(|byte| (1..=255u64).map(move |bits| word ^ bits << (8 * byte)));
    only(changed.filter(|word| is_right(*word)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use everline::layout::{ChunkSum, MapWord, SumWord};

    const POOL: PoolId = *b"a pool for tests";

    #[test]
    fn e8_one_changed_byte_of_an_entry_is_found_whatever_it_was() {
        let mut right = DirectoryEntry::live(7, 1_700_000_000);
        right.len = 5000.into();
        right.set_block(1 << 20, 5120);
        right.set_tail(1 << 14);
        right.seal(&POOL, 300);
        let free = {
            let mut free = DirectoryEntry::free_again(9);
            free.seal(&POOL, 300);
            free
        };
        let never = DirectoryEntry::from_bytes(&[0; 48]);
        for right in [right, free, never] {
            for at in 0..48 {
                for bits in 1..=255u8 {
                    let mut bytes: [u8; 48] = right.bytes().try_into().expect("48");
                    bytes[at] ^= bits;
                    let mended = entry(&bytes, &POOL, 300).expect("one byte");
                    assert_eq!(mended.bytes(), right.bytes(), "{at} {bits:#x}");
                }
            }
        }
        let mut bytes: [u8; 48] = right.bytes().try_into().expect("48");
        bytes[9] ^= 1;
        bytes[33] ^= 0x40;
        assert!(entry(&bytes, &POOL, 300).is_none(), "two bytes are a guess");
    }

    #[test]
    fn e8_one_changed_byte_of_a_root_a_name_or_a_map_is_found() {
        let mut right = DirectoryRoot::new(77);
        right.block_count = 3.into();
        for (block, at) in [(0, 1 << 14), (1, 1 << 15), (2, 1 << 16)] {
            right.blocks[block] = at.into();
        }
        right.set_live(5, &POOL);
        right.seal(&POOL);
        let bytes_of = |root: &DirectoryRoot| -> Vec<u8> {
            let (head, count) = (root.head().to_vec(), root.count().to_vec());
            let blocks = root.blocks.iter().flat_map(|at| at.get().to_le_bytes());
            head.into_iter().chain(count).chain(blocks).collect()
        };
        let whole = bytes_of(&right);
        for at in (0..whole.len()).filter(|at| !(24..36).contains(at)) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x5A;
            let mended = root(bytes.as_slice().try_into().expect("1640"), &POOL);
            assert_eq!(bytes_of(&mended.expect("one byte")), whole, "{at}");
        }
        let mut bytes = [0; RegionTail::BYTES_MAX];
        let end = RegionTail::encode("name".as_bytes(), b"attributes", &POOL, 4, &mut bytes);
        for at in 0..end {
            for bits in [1, 0x80, 0xFF] {
                let mut bytes = bytes[..end + 10].to_vec();
                bytes[at] ^= bits;
                let mended = tail(&bytes, &POOL, 4);
                let right = ("name".to_owned(), b"attributes".to_vec());
                assert_eq!(mended, Some(right), "{at} {bits:#x}");
            }
        }
        let map = MapWord::encode(0xB00F, &POOL, 1, 2).0;
        let sum = SumWord::encode(ChunkSum::Sealed(123_456), &POOL, 1, 2).0;
        for at in 0..8 {
            for bits in 1..=255 {
                let flip = bits << (8 * at);
                let is_map = |word: u64| MapWord(word).decode(&POOL, 1, 2).is_some();
                assert_eq!(word(map ^ flip, is_map), Some(map));
                let is_sum = |word: u64| SumWord(word).decode(&POOL, 1, 2).is_some();
                assert_eq!(word(sum ^ flip, is_sum), Some(sum));
            }
        }
    }

    #[test]
    fn k5_checksums_tell_what_they_were_made_behind() {
        let state = state_of(&POOL);
        let sum = |id: &PoolId| crc32fast::hash(&[id, &b"some bytes"[..]].concat());
        assert_eq!(state_before(sum(&POOL), b"some bytes"), state);
        assert_eq!(sum(&stand_in(state)), sum(&POOL));
        let slot = 0xDEAD_BEEFu32.to_le_bytes();
        let behind = slot.iter().fold(state, |state, byte| forward(state, *byte));
        assert_eq!(bytes_between(state, behind), slot);
    }
}
