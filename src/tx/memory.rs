//! A transaction's volatile memory: the COMMIT record under construction.

#[cfg(feature = "alloc")]
use std_alloc::vec::Vec;

use crate::alloc::{Overlay, StageFull, Staging};
use crate::layout::{Op, OpKind, OpWord, RECORD_HEADER_BYTES, RECORD_UNIT};
use crate::units::{ByteLen, ByteOffset, ByteRange, round_up};

/// Bytes that grow where there is an allocator, or are what the caller lent.
#[derive(Debug)]
pub(super) enum Buffer<'b> {
    #[cfg(feature = "alloc")]
    Grows(&'b mut Vec<u8>),
    Lent(&'b mut [u8]),
}

impl Buffer<'_> {
    /// At least `len` bytes.
    #[inline]
    pub fn ensure(&mut self, len: usize) -> Result<(), StageFull> {
        if self.bytes().len() >= len {
            return Ok(());
        }
        match self {
            #[cfg(feature = "alloc")]
            Buffer::Grows(bytes) => {
                enlarge(bytes, len);
                Ok(())
            }
            Buffer::Lent(_) => Err(StageFull),
        }
    }

    #[inline]
    pub fn bytes(&self) -> &[u8] {
        match self {
            #[cfg(feature = "alloc")]
            Buffer::Grows(bytes) => bytes,
            Buffer::Lent(bytes) => bytes,
        }
    }

    #[inline]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            #[cfg(feature = "alloc")]
            Buffer::Grows(bytes) => bytes,
            Buffer::Lent(bytes) => bytes,
        }
    }
}

#[cfg(feature = "alloc")]
#[cold]
#[inline(never)]
fn enlarge(bytes: &mut Vec<u8>, len: usize) {
    bytes.resize(len.next_power_of_two().max(1024), 0);
}

/// What is known of a record in the making, beside its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draft {
    /// Bytes of header and ops.
    len: usize,
    /// Where the last op begins, or 0 where it may not be merged with.
    last: usize,
    /// That op's first word.
    last_word: OpWord,
    /// Whether any op sets or clears bits.
    bits: bool,
    /// From the first byte that any op speaks of to the place behind the last.
    hull: (u64, u64),
    /// Ops from here on say what homes hold already.
    stored: usize,
}

impl Draft {
    /// Nothing is staged.
    pub const EMPTY: Draft = Draft {
        len: RECORD_HEADER_BYTES,
        last: 0,
        last_word: OpWord(0),
        bits: false,
        hull: (u64::MAX, 0),
        stored: usize::MAX,
    };

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == RECORD_HEADER_BYTES
    }

    /// Bytes of header and ops so far.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Ops from here on say what their homes hold already, staged changes before them included.
    #[inline]
    pub fn mark_stored(&mut self) {
        self.stored = self.len;
    }

    /// Whether the op at `at` says what its home holds already.
    #[inline]
    pub fn is_stored(&self, at: usize) -> bool {
        at >= self.stored
    }

    #[inline]
    pub fn has_bits(&self) -> bool {
        self.bits
    }

    #[inline]
    fn may_touch(&self, range: ByteRange) -> bool {
        range.start().get() < self.hull.1 && self.hull.0 < range.end().get()
    }
}

/// What a transaction has staged, to read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Staged<'b> {
    pub draft: &'b Draft,
    pub bytes: &'b [u8],
}

impl<'b> Staged<'b> {
    /// The ops from `from` on and their bodies, in order.
    #[inline]
    pub fn ops(&self, from: usize) -> Ops<'b> {
        Ops {
            bytes: &self.bytes[..self.draft.len],
            at: from,
        }
    }

    /// The SET and CLEAR ops staged from `from` on.
    pub fn bit_ops(&self, from: usize) -> impl Iterator<Item = (OpKind, ByteOffset, u64)> + 'b {
        self.ops(from).filter_map(|(op, body)| match op.kind {
            OpKind::Set | OpKind::Clear => Some((op.kind, op.range.start(), load(body, 0))),
            OpKind::Write | OpKind::Cover => None,
        })
    }

    /// Lays what is staged over `bytes`, which were read at `range`.
    #[inline]
    pub fn overlay(&self, range: ByteRange, bytes: &mut [u8]) {
        if self.draft.may_touch(range) {
            overlay(&self.bytes[..self.draft.len], range, bytes);
        }
    }
}

impl Overlay for Staged<'_> {
    fn overlay64(&self, at: ByteOffset, home: u64) -> u64 {
        if !self.draft.bits {
            return home;
        }
        let mut bytes = home.to_le_bytes();
        self.overlay(
            ByteRange::new(at, ByteLen::new(8)).unwrap_or_default(),
            &mut bytes,
        );
        u64::from_le_bytes(bytes)
    }
}

/// A record in the making: header space, then ops in wire format.
#[derive(Debug)]
pub(super) struct Stage<'b> {
    pub draft: &'b mut Draft,
    pub buffer: Buffer<'b>,
}

impl Stage<'_> {
    /// What is staged, to read.
    #[inline]
    pub fn staged(&self) -> Staged<'_> {
        Staged {
            draft: self.draft,
            bytes: self.buffer.bytes(),
        }
    }

    /// Room for a whole record of `len` bytes with its padding.
    #[inline]
    pub fn ensure(&mut self, len: usize) -> Result<(), StageFull> {
        let padded = round_up(len as u64, RECORD_UNIT).ok_or(StageFull)?;
        self.buffer.ensure(padded as usize)
    }

    /// Starts an op and answers where its body goes.
    #[inline]
    fn begin_op(
        &mut self,
        kind: OpKind,
        range: ByteRange,
        body: usize,
    ) -> Result<usize, StageFull> {
        let (word, long) = OpWord::encode(kind, range);
        let head = if long.is_some() { 16 } else { 8 };
        let at = self.draft.len;
        self.ensure(at + head + body)?;
        let bytes = self.buffer.bytes_mut();
        bytes[at..at + 8].copy_from_slice(&word.0.to_le_bytes());
        if let Some(long) = long {
            bytes[at + 8..at + 16].copy_from_slice(&long.to_le_bytes());
        }
        let (from, to) = self.draft.hull;
        self.draft.hull = (from.min(range.start().get()), to.max(range.end().get()));
        self.draft.last = at;
        self.draft.last_word = word;
        self.draft.len = at + head + body;
        Ok(at + head)
    }

    /// Where the last op's body begins, if that op is of this kind and range and may be merged with.
    #[inline]
    fn same_as_last(&self, kind: OpKind, range: ByteRange) -> Option<usize> {
        let (word, long) = OpWord::encode(kind, range);
        if self.draft.last == 0 || self.draft.last_word != word {
            return None;
        }
        let body = self.draft.last + 8;
        match long {
            None => Some(body),
            Some(long) => (load(self.buffer.bytes(), body) == long).then_some(body + 8),
        }
    }

    /// A WRITE whose value `fill` puts into place.
    #[inline]
    pub fn write_with(
        &mut self,
        range: ByteRange,
        fill: impl FnOnce(&mut [u8]),
    ) -> Result<(), StageFull> {
        let len = range.len().get() as usize;
        if len == 0 {
            return Ok(());
        }
        let padded = len.div_ceil(8) * 8;
        let at = match self.same_as_last(OpKind::Write, range) {
            Some(at) => at,
            None => self.begin_op(OpKind::Write, range, padded)?,
        };
        let value = &mut self.buffer.bytes_mut()[at..at + padded];
        if padded > len {
            value[len..].fill(0);
        }
        fill(&mut value[..len]);
        Ok(())
    }

    /// A WRITE of what `read` finds at home for `range`, with what had been `staged` laid over it, so that the
    /// order of ops does not matter.
    pub fn write_home(
        &mut self,
        range: ByteRange,
        staged: &Draft,
        read: impl FnOnce(&mut [u8]),
    ) -> Result<(), StageFull> {
        let len = range.len().get() as usize;
        let padded = len.div_ceil(8) * 8;
        let at = self.begin_op(OpKind::Write, range, padded)?;
        // keeps the op as it is: a later write of the same range is a later op
        self.draft.last = 0;
        let (before, value) = self.buffer.bytes_mut()[..at + padded].split_at_mut(at);
        if padded > len {
            value[len..].fill(0);
        }
        read(&mut value[..len]);
        if staged.may_touch(range) {
            overlay(&before[..staged.len], range, &mut value[..len]);
        }
        Ok(())
    }

    /// A COVER.
    pub fn cover(&mut self, range: ByteRange) -> Result<(), StageFull> {
        if range.is_empty() {
            Ok(())
        } else {
            self.begin_op(OpKind::Cover, range, 0).map(|_at| ())
        }
    }

    #[inline]
    fn mask_op(&mut self, kind: OpKind, word: ByteOffset, mask: u64) -> Result<(), StageFull> {
        let range = ByteRange::new(word, ByteLen::new(8)).ok_or(StageFull)?;
        self.draft.bits = true;
        if let Some(at) = self.same_as_last(kind, range) {
            let merged = load(self.buffer.bytes(), at) | mask;
            self.buffer.bytes_mut()[at..at + 8].copy_from_slice(&merged.to_le_bytes());
            return Ok(());
        }
        let at = self.begin_op(kind, range, 8)?;
        self.buffer.bytes_mut()[at..at + 8].copy_from_slice(&mask.to_le_bytes());
        Ok(())
    }

    /// What is staged from here on can be dropped by itself.
    pub fn savepoint(&mut self) -> usize {
        self.draft.last = 0;
        self.draft.len
    }

    /// Drops what was staged behind `savepoint`.
    pub fn truncate(&mut self, savepoint: usize) {
        self.draft.len = savepoint;
        self.draft.last = 0;
    }

    /// A store in place at `range` is younger than what is staged for the same bytes. Ops before `floor` are left
    /// alone, since they outlive what is staged behind it: a younger op speaks for them.
    #[inline]
    pub fn patch(&mut self, range: ByteRange, value: &[u8], floor: usize) -> Result<(), StageFull> {
        if self.draft.may_touch(range) {
            self.patch_ops(range, value, floor)
        } else {
            Ok(())
        }
    }

    fn patch_ops(&mut self, range: ByteRange, value: &[u8], floor: usize) -> Result<(), StageFull> {
        let (mut older, mut whole) = (false, false);
        let mut at = RECORD_HEADER_BYTES;
        while at < self.draft.len {
            let Some(op) = op_at(&self.buffer.bytes()[..self.draft.len], at) else {
                return Ok(());
            };
            if let (OpKind::Write, Some(common)) = (op.kind, op.range.intersect(range)) {
                if at < floor {
                    older = true;
                } else {
                    whole |= common == range;
                    let from = (common.start().get() - range.start().get()) as usize;
                    let into = at
                        + op.body as usize
                        + (common.start().get() - op.range.start().get()) as usize;
                    let count = common.len().get() as usize;
                    self.buffer.bytes_mut()[into..into + count]
                        .copy_from_slice(&value[from..from + count]);
                }
            }
            at += op.stride() as usize;
        }
        if older && !whole {
            self.write_with(range, |bytes| bytes.copy_from_slice(value))?;
        }
        Ok(())
    }

    /// The record's bytes with padding; ready for a header.
    #[inline]
    pub fn record(&mut self) -> (u64, &mut [u8]) {
        let len = self.draft.len;
        let padded = len.div_ceil(RECORD_UNIT as usize) * RECORD_UNIT as usize;
        let bytes = self.buffer.bytes_mut();
        zero_padding(bytes, len, padded);
        (len as u64, &mut bytes[..padded])
    }
}

impl Staging for Stage<'_> {
    fn write(&mut self, at: ByteOffset, bytes: &[u8]) -> Result<(), StageFull> {
        let range = ByteRange::new(at, ByteLen::of(bytes)).ok_or(StageFull)?;
        self.draft.bits = true;
        self.write_with(range, |value| value.copy_from_slice(bytes))
    }

    fn set(&mut self, word: ByteOffset, mask: u64) -> Result<(), StageFull> {
        self.mask_op(OpKind::Set, word, mask)
    }

    fn clear(&mut self, word: ByteOffset, mask: u64) -> Result<(), StageFull> {
        self.mask_op(OpKind::Clear, word, mask)
    }

    fn mark(&self) -> u64 {
        self.draft.len as u64
    }

    fn drop_from(&mut self, mark: u64) {
        self.truncate(mark as usize);
    }
}

impl Overlay for Stage<'_> {
    fn overlay64(&self, at: ByteOffset, home: u64) -> u64 {
        self.staged().overlay64(at, home)
    }
}

/// Zeros for `bytes[len..padded]`, less than a unit; a fixed number of them where there is room, since that takes
/// three stores and no call.
#[inline]
pub(super) fn zero_padding(bytes: &mut [u8], len: usize, padded: usize) {
    const MOST: usize = RECORD_UNIT as usize - 8;
    match bytes.get_mut(len..len + MOST) {
        Some(padding) => padding.fill(0),
        None => zero_few(&mut bytes[len..padded]),
    }
}

#[cold]
#[inline(never)]
fn zero_few(padding: &mut [u8]) {
    padding.fill(0);
}

/// Lays the ops of a record's bytes over `bytes`, which were read at `range`.
fn overlay(record: &[u8], range: ByteRange, bytes: &mut [u8]) {
    let ops = Ops {
        bytes: record,
        at: RECORD_HEADER_BYTES,
    };
    for (op, body) in ops {
        let Some(common) = op.range.intersect(range) else {
            continue;
        };
        let into = (common.start().get() - range.start().get()) as usize;
        let from = (common.start().get() - op.range.start().get()) as usize;
        let count = common.len().get() as usize;
        let target = &mut bytes[into..into + count];
        match op.kind {
            OpKind::Cover => {}
            OpKind::Write => target.copy_from_slice(&body[from..from + count]),
            OpKind::Set => target
                .iter_mut()
                .zip(&body[from..])
                .for_each(|(byte, mask)| *byte |= mask),
            OpKind::Clear => target
                .iter_mut()
                .zip(&body[from..])
                .for_each(|(byte, mask)| *byte &= !mask),
        }
    }
}

/// Iterates ops with their bodies.
pub(super) struct Ops<'s> {
    bytes: &'s [u8],
    at: usize,
}

impl Ops<'_> {
    /// Where the next op begins.
    #[inline]
    pub fn at(&self) -> usize {
        self.at
    }
}

impl<'s> Iterator for Ops<'s> {
    type Item = (Op, &'s [u8]);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let op = op_at(self.bytes, self.at)?;
        let body = self
            .bytes
            .get(self.at + op.body as usize..self.at + op.stride() as usize)?;
        self.at += op.stride() as usize;
        Some((op, body))
    }
}

#[inline(always)]
fn op_at(bytes: &[u8], at: usize) -> Option<Op> {
    if at + 8 > bytes.len() {
        return None;
    }
    let word = OpWord(load(bytes, at));
    let long = if word.is_long() && at + 16 <= bytes.len() {
        load(bytes, at + 8)
    } else {
        0
    };
    word.decode(long)
}

/// The little-endian word at `at`.
#[inline(always)]
pub(super) fn load(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}
