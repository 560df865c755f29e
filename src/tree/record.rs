//! Records and separators' blocks: read piece by piece, believed when their checksum has spoken (Y5).

use core::cmp::Ordering;
use std_alloc::vec::Vec;

use everline_arch::crc32c;
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use super::source::Source;
use super::{BigValue, Found, KEY_BYTES_MAX, VALUE_BYTES_MAX};
use crate::layout::{
    Corrupt, TREE_INLINE_BYTES_MAX, TREE_RECORD_BIG, TreeBig, TreeRecord, TreeSeparator,
};
use crate::units::ByteOffset;

/// Bytes before a record's key.
pub(super) const HEAD_BYTES: usize = size_of::<TreeRecord>();

/// Bytes that are read at first: most records are not longer, and the lines come in together.
const FIRST_BYTES: usize = 128;

/// Bytes of the further pieces.
const PIECE_BYTES: usize = 256;

/// What a record's head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    crc: u32,
    pub key_len: usize,
    /// Bytes of the value, wherever they lie.
    pub value_len: usize,
    pub big: bool,
}

#[cold]
fn wrong(place: u64, what: &'static str) -> Corrupt {
    Corrupt::new(ByteOffset::new(place), what)
}

pub(super) fn big_mismatch(value: &BigValue) -> Corrupt {
    Corrupt::new(
        value.place,
        "the checksum of a tree's big value does not match",
    )
}

#[cold]
fn mismatch(place: u64) -> Corrupt {
    wrong(place, "the checksum of a tree's record does not match")
}

impl Head {
    /// The head at the start of `bytes`, if such a record can be.
    #[inline(always)]
    pub fn parse(bytes: &[u8], place: u64) -> Result<Self, Corrupt> {
        let head = bytes.first_chunk::<HEAD_BYTES>();
        let head = head.and_then(|bytes| TreeRecord::read_from_bytes(bytes).ok());
        let head = head.unwrap_or_else(TreeRecord::new_zeroed);
        let this = Head {
            crc: head.crc.get(),
            key_len: usize::from(head.key_len.get()),
            value_len: head.value_len.get() as usize,
            big: head.flags.get() & TREE_RECORD_BIG != 0,
        };
        // An empty value never needs a block of its own.
        let lens = match this.big {
            true => 1..=VALUE_BYTES_MAX,
            false => 0..=TREE_INLINE_BYTES_MAX as usize,
        };
        let possible = head.flags.get() & !TREE_RECORD_BIG == 0
            && this.key_len <= KEY_BYTES_MAX
            && lens.contains(&this.value_len);
        if possible {
            Ok(this)
        } else {
            Err(wrong(place, "a tree's record has impossible fields"))
        }
    }

    /// Bytes of the record behind the key.
    #[inline(always)]
    pub fn stored_len(&self) -> usize {
        if self.big {
            size_of::<TreeBig>()
        } else {
            self.value_len
        }
    }

    /// Bytes of the record.
    #[inline(always)]
    pub fn total(&self) -> usize {
        HEAD_BYTES + self.key_len + self.stored_len()
    }

    /// Whether `bytes`, the whole record, are what was stored.
    #[inline(always)]
    pub fn matches(&self, bytes: &[u8], place: u64) -> bool {
        crc32c(TreeRecord::seed(place), &bytes[4..]) == self.crc
    }
}

/// Appends the record of `key` for `place`, with `stored` behind it, the value or a [`TreeBig`].
pub(super) fn encode(
    place: u64,
    key: &[u8],
    stored: &[u8],
    big_len: Option<usize>,
    into: &mut Vec<u8>,
) {
    let start = into.len();
    let mut head = TreeRecord::new_zeroed();
    head.key_len = (key.len() as u16).into();
    head.value_len = (big_len.unwrap_or(stored.len()) as u32).into();
    head.flags = if big_len.is_some() {
        TREE_RECORD_BIG
    } else {
        0
    }
    .into();
    into.extend_from_slice(head.as_bytes());
    into.extend_from_slice(key);
    into.extend_from_slice(stored);
    let crc = crc32c(TreeRecord::seed(place), &into[start + 4..]);
    into[start..start + 4].copy_from_slice(&crc.to_le_bytes());
}

/// The block that the last bytes of a big value's record speak of.
pub(super) fn big_of(head: &Head, stored: &[u8]) -> BigValue {
    let big = TreeBig::read_from_bytes(stored).unwrap_or_else(|_| TreeBig::new_zeroed());
    BigValue {
        place: ByteOffset::new(big.at.get()),
        len: head.value_len,
        crc: big.crc.get(),
    }
}

/// A record that is read piece by piece: the first one is at hand.
struct Pieces<'s, S> {
    source: &'s S,
    place: u64,
    head: Head,
    first: [u8; FIRST_BYTES],
    /// Bytes of `first` that belong to the record.
    known: usize,
}

impl<'s, S: Source> Pieces<'s, S> {
    #[inline(always)]
    fn begin(source: &'s S, place: u64) -> Result<Self, Corrupt> {
        let mut first = [0; FIRST_BYTES];
        let reach = source.reach(place, FIRST_BYTES);
        if reach == FIRST_BYTES {
            source.read(place, 0, &mut first)?;
        } else {
            source.read(place, 0, &mut first[..reach.max(HEAD_BYTES)])?;
        }
        let head = Head::parse(&first, place)?;
        Ok(Pieces {
            source,
            place,
            head,
            first,
            known: head.total().min(reach.max(HEAD_BYTES)),
        })
    }

    /// Hands out bytes `from..to` of the record, behind what is at hand, in pieces.
    #[inline(never)]
    fn rest(
        &self,
        from: usize,
        to: usize,
        mut take: impl FnMut(usize, &[u8]),
    ) -> Result<(), Corrupt> {
        let mut piece = [0; PIECE_BYTES];
        let mut at = from;
        while at < to {
            let len = PIECE_BYTES.min(to - at);
            self.source.read(self.place, at, &mut piece[..len])?;
            take(at, &piece[..len]);
            at += len;
        }
        Ok(())
    }
}

/// Reads the record at `place`, and puts the value into `into` unless it has a block of its own. `None` where the key
/// is another one; then nothing was verified.
#[inline(always)]
pub(super) fn take<S: Source>(
    source: &S,
    place: u64,
    key: &[u8],
    into: Option<&mut Vec<u8>>,
) -> Result<Option<Found>, Corrupt> {
    let pieces = Pieces::begin(source, place)?;
    let head = pieces.head;
    let value_at = HEAD_BYTES + head.key_len;
    if pieces.known < head.total() {
        return take_long(&pieces, key, into);
    }
    let bytes = &pieces.first[..head.total()];
    if &bytes[HEAD_BYTES..value_at] != key {
        return Ok(None);
    }
    if !head.matches(bytes, place) {
        return Err(mismatch(place));
    }
    if let (Some(into), false) = (into, head.big) {
        into.clear();
        into.extend_from_slice(&bytes[value_at..]);
    }
    Ok(Some(found(&head, &bytes[value_at..])))
}

/// What is known of a value by its record; `stored` stands behind the key.
fn found(head: &Head, stored: &[u8]) -> Found {
    Found {
        len: head.value_len,
        big: head.big.then(|| big_of(head, stored)),
    }
}

/// As [`take`] for a record of which only the first bytes are at hand.
#[inline(never)]
fn take_long<S: Source>(
    pieces: &Pieces<'_, S>,
    key: &[u8],
    mut into: Option<&mut Vec<u8>>,
) -> Result<Option<Found>, Corrupt> {
    let head = pieces.head;
    let (value_at, total) = (HEAD_BYTES + head.key_len, head.total());
    let (known_key, known_value) = pieces.first[HEAD_BYTES..pieces.known]
        .split_at(head.key_len.min(pieces.known - HEAD_BYTES));
    let mut crc = crc32c(
        TreeRecord::seed(pieces.place),
        &pieces.first[4..pieces.known],
    );
    let mut same = head.key_len == key.len() && key.starts_with(known_key);
    if same {
        pieces.rest(pieces.known.min(value_at), value_at, |at, piece| {
            crc = crc32c(crc, piece);
            same &= key[at - HEAD_BYTES..].starts_with(piece);
        })?;
    }
    if !same {
        return Ok(None);
    }
    if let Some(into) = &mut into {
        into.clear();
    }
    let (mut stored, mut stored_len) = ([0; size_of::<TreeBig>()], 0);
    let mut keep = |piece: &[u8]| {
        if head.big {
            stored[stored_len..stored_len + piece.len()].copy_from_slice(piece);
            stored_len += piece.len();
        } else if let Some(into) = &mut into {
            into.extend_from_slice(piece);
        }
    };
    keep(known_value);
    pieces.rest(pieces.known.max(value_at), total, |_at, piece| {
        crc = crc32c(crc, piece);
        keep(piece);
    })?;
    if crc == head.crc {
        Ok(Some(found(&head, &stored)))
    } else {
        Err(mismatch(pieces.place))
    }
}

/// How the key of the record at `place` compares with `key`. The record is verified on request.
#[inline(never)]
pub(super) fn compare<S: Source>(
    source: &S,
    place: u64,
    key: &[u8],
    verify: bool,
) -> Result<Ordering, Corrupt> {
    let pieces = Pieces::begin(source, place)?;
    let (known, value_at) = (pieces.known, HEAD_BYTES + pieces.head.key_len);
    let in_first = value_at.min(known);
    let mut crc = crc32c(TreeRecord::seed(place), &pieces.first[4..known]);
    let mut order = Ordering::Equal;
    let mut compared = 0;
    let mut see = |piece: &[u8]| {
        let other = key.get(compared..).unwrap_or_default();
        let len = piece.len().min(other.len());
        order = order.then_with(|| piece[..len].cmp(&other[..len]));
        compared += piece.len();
    };
    see(&pieces.first[HEAD_BYTES..in_first]);
    let end = if verify {
        pieces.head.total()
    } else {
        value_at
    };
    pieces.rest(known.min(end), end, |at, piece| {
        crc = crc32c(crc, piece);
        if at < value_at {
            see(&piece[..piece.len().min(value_at - at)]);
        }
    })?;
    if verify && crc != pieces.head.crc {
        return Err(mismatch(place));
    }
    Ok(order.then(pieces.head.key_len.cmp(&key.len())))
}

/// Bytes of the record at `place`, by its head alone.
#[inline(always)]
pub(super) fn probe<S: Source>(source: &S, place: u64) -> Result<usize, Corrupt> {
    source.window(place, 16)?;
    let words = [source.word(place, 0), source.word(place, 8)];
    let bytes = words.map(u64::to_le_bytes);
    Ok(Head::parse(bytes.as_flattened(), place)?.total())
}

/// Appends the whole record at `place` to `into`, and answers its head.
pub(super) fn append<S: Source>(
    source: &S,
    place: u64,
    into: &mut Vec<u8>,
) -> Result<Head, Corrupt> {
    let pieces = Pieces::begin(source, place)?;
    let start = into.len();
    into.extend_from_slice(&pieces.first[..pieces.known]);
    let total = pieces.head.total();
    if pieces.known < total {
        into.resize(start + total, 0);
        source.read(place, pieces.known, &mut into[start + pieces.known..])?;
    }
    if pieces.head.matches(&into[start..], place) {
        Ok(pieces.head)
    } else {
        Err(mismatch(place))
    }
}

/// Puts the key of the record at `place`, verified, into `into`.
pub(super) fn read_key<S: Source>(
    source: &S,
    place: u64,
    into: &mut Vec<u8>,
) -> Result<(), Corrupt> {
    into.clear();
    let head = append(source, place, into)?;
    into.truncate(HEAD_BYTES + head.key_len);
    into.drain(..HEAD_BYTES);
    Ok(())
}

/// Reads a big value in place of what `into` holds; `false` where its checksum does not match.
pub(super) fn read_big<S: Source>(
    source: &S,
    value: &BigValue,
    into: &mut Vec<u8>,
) -> Result<bool, Corrupt> {
    into.clear();
    if source.reach(value.place.get(), value.len) < value.len {
        return Ok(false);
    }
    into.resize(value.len, 0);
    source.read(value.place.get(), 0, into)?;
    Ok(crc32c(0, into) == value.crc)
}

/// Whether a big value's bytes are what was stored.
pub(super) fn is_right<S: Source>(source: &S, value: &BigValue) -> Result<bool, Corrupt> {
    let mut piece = [0; PIECE_BYTES];
    let (mut crc, mut at) = (0, 0);
    while at < value.len {
        let len = PIECE_BYTES.min(value.len - at);
        source.read(value.place.get(), at, &mut piece[..len])?;
        crc = crc32c(crc, &piece[..len]);
        at += len;
    }
    Ok(crc == value.crc)
}

#[cold]
fn wrong_separator(place: u64) -> Corrupt {
    wrong(place, "the checksum of a tree's separator does not match")
}

/// How the separator of `len` bytes at `place` compares with `key`. It is verified.
pub(super) fn compare_separator<S: Source>(
    source: &S,
    place: u64,
    len: u16,
    key: &[u8],
) -> Result<Ordering, Corrupt> {
    let mut order = Ordering::Equal;
    let mut compared = 0;
    each_separator_piece(source, place, len, |piece| {
        let other = key.get(compared..).unwrap_or_default();
        let common = piece.len().min(other.len());
        order = order.then_with(|| piece[..common].cmp(&other[..common]));
        compared += piece.len();
    })?;
    Ok(order.then(usize::from(len).cmp(&key.len())))
}

/// Puts the separator of `len` bytes at `place` into `into`.
pub(super) fn read_separator<S: Source>(
    source: &S,
    place: u64,
    len: u16,
    into: &mut Vec<u8>,
) -> Result<(), Corrupt> {
    into.clear();
    each_separator_piece(source, place, len, |piece| into.extend_from_slice(piece))
}

fn each_separator_piece<S: Source>(
    source: &S,
    place: u64,
    len: u16,
    mut see: impl FnMut(&[u8]),
) -> Result<(), Corrupt> {
    let mut head = TreeSeparator::new_zeroed();
    source.read(place, 0, head.as_mut_bytes())?;
    let len_fits = head.len.get() == len && usize::from(len) <= KEY_BYTES_MAX;
    if !len_fits || head.zero.get() != 0 {
        return Err(wrong_separator(place));
    }
    let mut crc = head.begin(place);
    let mut piece = [0; PIECE_BYTES];
    let mut at = 0;
    while at < usize::from(len) {
        let step = PIECE_BYTES.min(usize::from(len) - at);
        source.read(place, size_of::<TreeSeparator>() + at, &mut piece[..step])?;
        crc = crc32c(crc, &piece[..step]);
        see(&piece[..step]);
        at += step;
    }
    if crc == head.crc.get() {
        Ok(())
    } else {
        Err(wrong_separator(place))
    }
}
