//! A transaction's volatile memory: the COMMIT record under construction.

#[cfg(feature = "alloc")]
use std_alloc::vec::Vec;

use crate::alloc::{StageFull, Staging};
use crate::layout::{Op, OpKind, OpWord, RECORD_HEADER_BYTES, RECORD_UNIT};
use crate::units::{ByteLen, ByteOffset, ByteRange, round_up};

/// Bytes that grow where there is an allocator, or are what the caller lent.
#[derive(Debug)]
pub(super) enum Buffer<'b> {
    #[cfg(feature = "alloc")]
    Owned(Vec<u8>),
    Lent(&'b mut [u8]),
}

impl Buffer<'_> {
    /// At least `len` bytes.
    #[inline]
    pub fn ensure(&mut self, len: usize) -> Result<(), StageFull> {
        match self {
            #[cfg(feature = "alloc")]
            Buffer::Owned(bytes) => {
                if bytes.len() < len {
                    bytes.resize(len.next_power_of_two().max(1024), 0);
                }
                Ok(())
            }
            Buffer::Lent(bytes) => {
                if bytes.len() < len {
                    Err(StageFull)
                } else {
                    Ok(())
                }
            }
        }
    }

    #[inline]
    pub fn bytes(&self) -> &[u8] {
        match self {
            #[cfg(feature = "alloc")]
            Buffer::Owned(bytes) => bytes,
            Buffer::Lent(bytes) => bytes,
        }
    }

    #[inline]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            #[cfg(feature = "alloc")]
            Buffer::Owned(bytes) => bytes,
            Buffer::Lent(bytes) => bytes,
        }
    }
}

/// A record in the making: header space, then ops in wire format.
#[derive(Debug)]
pub(super) struct Stage<'b> {
    buffer: Buffer<'b>,
    /// Bytes of header and ops.
    len: usize,
    /// Where the last op begins, if it may still be merged with.
    last: Option<usize>,
    /// Whether any op sets or clears bits.
    bits: bool,
    /// From the first to the last byte that any op speaks of.
    hull: Option<ByteRange>,
}

impl<'b> Stage<'b> {
    pub fn new(buffer: Buffer<'b>) -> Self {
        Stage {
            buffer,
            len: RECORD_HEADER_BYTES,
            last: None,
            bits: false,
            hull: None,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len == RECORD_HEADER_BYTES
    }

    /// Bytes of header and ops so far.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn has_bits(&self) -> bool {
        self.bits
    }

    pub fn capacity(&self) -> usize {
        self.buffer.bytes().len()
    }

    /// Room for a whole record of `len` bytes with its padding.
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
        self.ensure(self.len + head + body)?;
        let at = self.len;
        let bytes = self.buffer.bytes_mut();
        bytes[at..at + 8].copy_from_slice(&word.0.to_le_bytes());
        if let Some(long) = long {
            bytes[at + 8..at + 16].copy_from_slice(&long.to_le_bytes());
        }
        self.last = Some(at);
        self.len = at + head + body;
        self.hull = Some(match self.hull {
            None => range,
            Some(hull) => {
                let start = hull.start().min(range.start()).get();
                let end = hull.end().max(range.end()).get();
                ByteRange::at(start, end - start).unwrap_or(hull)
            }
        });
        Ok(at + head)
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
        if let Some((op, at)) = self.last_op() {
            if op.kind == OpKind::Write && op.range == range {
                fill(&mut self.buffer.bytes_mut()[at..at + len]);
                return Ok(());
            }
        }
        let at = self.begin_op(OpKind::Write, range, padded)?;
        let value = &mut self.buffer.bytes_mut()[at..at + padded];
        value[len..].fill(0);
        fill(&mut value[..len]);
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

    fn mask_op(&mut self, kind: OpKind, word: ByteOffset, mask: u64) -> Result<(), StageFull> {
        let range = ByteRange::new(word, ByteLen::new(8)).ok_or(StageFull)?;
        self.bits = true;
        if let Some((op, at)) = self.last_op() {
            if op.kind == kind && op.range == range {
                let merged = load(self.buffer.bytes(), at) | mask;
                self.buffer.bytes_mut()[at..at + 8].copy_from_slice(&merged.to_le_bytes());
                return Ok(());
            }
        }
        let at = self.begin_op(kind, range, 8)?;
        self.buffer.bytes_mut()[at..at + 8].copy_from_slice(&mask.to_le_bytes());
        Ok(())
    }

    /// The last op and where its body begins, if it may still be merged with.
    #[inline]
    fn last_op(&self) -> Option<(Op, usize)> {
        let at = self.last?;
        let op = op_at(self.buffer.bytes(), at)?;
        Some((op, at + op.body as usize))
    }

    /// What is staged from here on can be dropped by itself.
    pub fn savepoint(&mut self) -> usize {
        self.last = None;
        self.len
    }

    /// Drops what was staged behind `savepoint`.
    pub fn truncate(&mut self, savepoint: usize) {
        self.len = savepoint;
        self.last = None;
    }

    /// Visits the ops in `[from, to)` and their bodies, in order.
    pub fn ops(&self, from: usize, to: usize) -> Ops<'_> {
        Ops {
            bytes: &self.buffer.bytes()[..to],
            at: from,
        }
    }

    /// The SET and CLEAR ops staged from `from` on.
    pub fn bit_ops(&self, from: usize) -> impl Iterator<Item = (OpKind, ByteOffset, u64)> {
        self.ops(from, self.len)
            .filter_map(|(op, body)| match op.kind {
                OpKind::Set | OpKind::Clear => Some((op.kind, op.range.start(), load(body, 0))),
                OpKind::Write | OpKind::Cover => None,
            })
    }

    /// Lays what is staged over `bytes`, which were read at `range`.
    #[inline]
    pub fn overlay(&self, range: ByteRange, bytes: &mut [u8]) {
        if self.hull.and_then(|hull| hull.intersect(range)).is_none() {
            return;
        }
        for (op, body) in self.ops(RECORD_HEADER_BYTES, self.len) {
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

    /// A store in place at `range` is younger than what is staged for the same bytes. Ops before `floor` are left
    /// alone, since they outlive what is staged behind it: a younger op speaks for them.
    pub fn patch(&mut self, range: ByteRange, value: &[u8], floor: usize) -> Result<(), StageFull> {
        if self.hull.and_then(|hull| hull.intersect(range)).is_none() {
            return Ok(());
        }
        let (mut older, mut whole) = (false, false);
        let mut at = RECORD_HEADER_BYTES;
        while at < self.len {
            let Some(op) = op_at(&self.buffer.bytes()[..self.len], at) else {
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
    pub fn record(&mut self) -> (u64, &mut [u8]) {
        let len = self.len;
        let padded = len.div_ceil(RECORD_UNIT as usize) * RECORD_UNIT as usize;
        let bytes = &mut self.buffer.bytes_mut()[..padded];
        bytes[len..].fill(0);
        (len as u64, bytes)
    }

    /// Gives the memory back.
    #[cfg(feature = "alloc")]
    pub fn into_buffer(self) -> Buffer<'b> {
        self.buffer
    }
}

impl Staging for Stage<'_> {
    fn write(&mut self, at: ByteOffset, bytes: &[u8]) -> Result<(), StageFull> {
        let range = ByteRange::new(at, ByteLen::of(bytes)).ok_or(StageFull)?;
        self.bits = true;
        self.write_with(range, |value| value.copy_from_slice(bytes))
    }

    fn set(&mut self, word: ByteOffset, mask: u64) -> Result<(), StageFull> {
        self.mask_op(OpKind::Set, word, mask)
    }

    fn clear(&mut self, word: ByteOffset, mask: u64) -> Result<(), StageFull> {
        self.mask_op(OpKind::Clear, word, mask)
    }

    fn mark(&self) -> u64 {
        self.len as u64
    }

    fn drop_from(&mut self, mark: u64) {
        self.truncate(mark as usize);
    }

    fn overlay64(&self, at: ByteOffset, home: u64) -> u64 {
        if !self.bits {
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

/// Iterates ops with their bodies.
pub(super) struct Ops<'s> {
    bytes: &'s [u8],
    at: usize,
}

impl<'s> Iterator for Ops<'s> {
    type Item = (Op, &'s [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let op = op_at(self.bytes, self.at)?;
        let body = self
            .bytes
            .get(self.at + op.body as usize..self.at + op.stride() as usize)?;
        self.at += op.stride() as usize;
        Some((op, body))
    }
}

#[inline]
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
#[inline]
pub(super) fn load(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}
