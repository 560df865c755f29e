//! Log records: 64-byte-aligned, checksummed as a whole, believed only at the one place they were written for.
//!
//! ```text
//! | header 40 B | op word | value ... | op word | mask | op word | ... zeros to the next 64 bytes |
//! ```

use zerocopy::byteorder::little_endian::{U16, U32, U64};

use super::field::layout_struct;
use crate::units::{ByteOffset, ByteRange};

/// Records begin and end at multiples of this many bytes; a lane's sequence counts in it.
pub const RECORD_UNIT: u64 = 64;

/// Bytes before the first op.
pub const RECORD_HEADER_BYTES: usize = size_of::<RecordHeader>();

/// The longest value whose length fits the op word; longer ones carry a length word.
pub const VALUE_BYTES_MAX: u64 = (1 << 13) - 1;

layout_struct! {
    /// Head of a log record. The checksum is CRC-32C, seeded with pool id, epoch and lane, of everything behind it.
    pub struct RecordHeader, 40 bytes {
        0 => crc: U32, "CRC-32C, seeded with pool id, epoch (8 bytes) and lane (4 bytes), of bytes 4 to len";
        4 => len: U32, "bytes of the record, header included, padding to 64 not";
        8 => sequence: U64, "place in the lane in 64-byte units, never reused; of a record in an extension: that of the EXTEND in the ring";
        16 => timestamp: U64, "COMMIT: the commit timestamp (LSN); UNDO: place in the pool of this transaction's UNDO before it, or 0";
        24 => transaction: U64, "the lane's sequence when the transaction began";
        32 => kind: U16, "1 COMMIT, 2 UNDO, 3 EXTEND, 4 PAD";
        34 => zero: U16, "zero";
        36 => unit: U32, "0 in the ring; in an extension 1 + place in 64-byte units, counted on through chained extensions";
    }
}

impl RecordHeader {
    /// The header as five words, its checksum zero: records are built by whole aligned words, which the checksum
    /// and the copy into the log take straight from the store buffer.
    pub const fn words(
        kind: RecordKind,
        len: u32,
        sequence: u64,
        timestamp: u64,
        transaction: u64,
        unit: u32,
    ) -> [u64; 5] {
        [
            (len as u64) << 32,
            sequence,
            timestamp,
            transaction,
            kind.code() as u64 | (unit as u64) << 32,
        ]
    }
}

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// A transaction is durable: its ops follow.
    Commit,
    /// Before-images of ranges that are about to be stored to in place.
    Undo,
    /// The log goes on in a heap block.
    Extend,
    /// Nothing until the end of the ring.
    Pad,
}

impl RecordKind {
    /// The number on media.
    pub const fn code(self) -> u16 {
        match self {
            RecordKind::Commit => 1,
            RecordKind::Undo => 2,
            RecordKind::Extend => 3,
            RecordKind::Pad => 4,
        }
    }

    /// The kind behind a number.
    pub const fn of(code: u16) -> Option<Self> {
        match code {
            1 => Some(RecordKind::Commit),
            2 => Some(RecordKind::Undo),
            3 => Some(RecordKind::Extend),
            4 => Some(RecordKind::Pad),
            _ => None,
        }
    }
}

/// What an op in a COMMIT or UNDO does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpKind {
    /// Bytes for a range (in UNDO: the before-image). The value follows, padded to 8 bytes.
    Write,
    /// Bits to set in the word at the place. The mask follows.
    Set,
    /// Bits to clear in the word at the place. The mask follows.
    Clear,
    /// The range was made durable at home before this record: older ops leave it alone.
    Cover,
}

/// An op's first word: place (48 bits), kind (3 bits), length (13 bits, 0: a length word follows).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpWord(pub u64);

/// An op, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op {
    /// What it does.
    pub kind: OpKind,
    /// The bytes of the pool it speaks of; 8 for `Set` and `Clear`.
    pub range: ByteRange,
    /// Where its value or mask begins, in bytes from the op's first word.
    pub body: u64,
}

impl Op {
    /// Bytes from this op's first word to the next op's.
    #[inline]
    pub const fn stride(&self) -> u64 {
        match self.kind {
            OpKind::Write => self.body + self.range.len().get().div_ceil(8) * 8,
            OpKind::Set | OpKind::Clear => self.body + 8,
            OpKind::Cover => self.body,
        }
    }
}

impl OpWord {
    /// The word or two words that begin an op.
    #[inline]
    pub const fn encode(kind: OpKind, range: ByteRange) -> (OpWord, Option<u64>) {
        let code = match kind {
            OpKind::Write => 1u64,
            OpKind::Set => 2,
            OpKind::Clear => 3,
            OpKind::Cover => 4,
        };
        let len = range.len().get();
        let word = range.start().get() | code << 48;
        if len > 0 && len <= VALUE_BYTES_MAX {
            (OpWord(word | len << 51), None)
        } else {
            (OpWord(word), Some(len))
        }
    }

    /// Whether a length word follows.
    pub const fn is_long(self) -> bool {
        self.0 >> 51 == 0
    }

    /// The op; `long` is the word behind it, used where [`OpWord::is_long`]. `None` where no op has such a word.
    #[inline]
    pub const fn decode(self, long: u64) -> Option<Op> {
        let kind = match self.0 >> 48 & 7 {
            1 => OpKind::Write,
            2 => OpKind::Set,
            3 => OpKind::Clear,
            4 => OpKind::Cover,
            _ => return None,
        };
        let (len, body) = if self.is_long() {
            (long, 16)
        } else {
            (self.0 >> 51, 8)
        };
        let at = self.0 & ((1 << 48) - 1);
        match (kind, len) {
            (OpKind::Set | OpKind::Clear, 8) if at & 7 == 0 => {}
            (OpKind::Set | OpKind::Clear, _) | (_, 0) => return None,
            _ => {}
        }
        match ByteRange::new(ByteOffset::new(at), crate::units::ByteLen::new(len)) {
            Some(range) => Some(Op { kind, range, body }),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_header_are_its_fields() {
        use zerocopy::FromBytes;

        let words = RecordHeader::words(RecordKind::Undo, 1, 2, 3, 4, 5);
        let bytes = words.map(u64::to_le_bytes);
        let header = RecordHeader::read_from_bytes(bytes.as_flattened()).expect("of that length");
        assert_eq!((header.crc.get(), header.len.get()), (0, 1));
        assert_eq!((header.sequence.get(), header.timestamp.get()), (2, 3));
        assert_eq!((header.transaction.get(), header.kind.get()), (4, 2));
        assert_eq!((header.zero.get(), header.unit.get()), (0, 5));
    }

    #[test]
    fn every_op_word_decodes_to_what_was_encoded() {
        for kind in [OpKind::Write, OpKind::Set, OpKind::Clear, OpKind::Cover] {
            for len in [1, 7, 8, 64, VALUE_BYTES_MAX, VALUE_BYTES_MAX + 1, 1 << 40] {
                let range = ByteRange::at(0x7fff_ffff_ff00, len).expect("in reach");
                let (word, long) = OpWord::encode(kind, range);
                assert_eq!(word.is_long(), long.is_some());
                let decoded = word.decode(long.unwrap_or(0));
                let is_bits = matches!(kind, OpKind::Set | OpKind::Clear);
                match decoded {
                    Some(op) => assert_eq!((op.kind, op.range), (kind, range)),
                    None => assert!(is_bits && len != 8),
                }
            }
        }
        assert_eq!(OpWord(0).decode(0), None);
    }
}
