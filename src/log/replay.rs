//! Stores logged ops to their homes: after a commit, and again in recovery.

use super::mask::{Masks, Source};
use super::record::Record;
use crate::layout::{Corrupt, Geometry, Op, OpKind, RECORD_HEADER_BYTES, RecordHeader};
use crate::media::Media;
use crate::units::{ByteLen, ByteOffset, ByteRange};

/// Stores the value of a WRITE for `part` of its range; the value begins at `body`.
fn copy_part<M: Media>(media: &M, op: &Op, body: ByteOffset, part: ByteRange) {
    const PIECE: u64 = 256;
    let mut buffer = [0u8; PIECE as usize];
    let mut done = 0;
    while done < part.len().get() {
        let step = PIECE.min(part.len().get() - done);
        let to = part.start().get() + done;
        let from = body.get() + (to - op.range.start().get());
        let piece = &mut buffer[..step as usize];
        media.read(ByteOffset::new(from), piece);
        media.write(ByteOffset::new(to), piece);
        done += step;
    }
}

/// Stores one op of a commit with `timestamp`, but for what is masked. COVER stores nothing.
pub(super) fn redo<M: Media>(
    source: &Source<'_, M>,
    masks: &Masks,
    timestamp: u64,
    op: &Op,
    body: ByteOffset,
) -> Result<(), Corrupt> {
    let media = source.media;
    match op.kind {
        OpKind::Cover => Ok(()),
        OpKind::Write => masks.unmasked(source, op.range, timestamp, &mut |part| {
            copy_part(media, op, body, part)
        }),
        OpKind::Set | OpKind::Clear => {
            let mut bits = 0;
            let start = op.range.start().get();
            masks.unmasked(source, op.range, timestamp, &mut |part| {
                for byte in part.start().get() - start..part.end().get() - start {
                    bits |= 0xff << (8 * byte);
                }
            })?;
            bits &= media.load64(body);
            if op.kind == OpKind::Set {
                media.fetch_or64(op.range.start(), bits);
            } else {
                media.fetch_and64(op.range.start(), !bits);
            }
            Ok(())
        }
    }
}

/// Restores the before-images of one transaction, newest record first: `last` and the records it leads to.
/// `visit` learns each range that was restored.
pub(crate) fn undo<M: Media>(
    media: &M,
    geometry: &Geometry,
    last: ByteOffset,
    count: u64,
    mut visit: impl FnMut(ByteRange),
) -> Result<(), Corrupt> {
    let mut at = last;
    for _ in 0..count {
        let field = |offset: usize| ByteOffset::new(at.get() + offset as u64);
        let len = u64::from(media.load32(field(core::mem::offset_of!(RecordHeader, len))));
        let earlier = media.load64(field(core::mem::offset_of!(RecordHeader, timestamp)));
        let record = Record {
            kind: crate::layout::RecordKind::Undo,
            at,
            len,
            timestamp: earlier,
            transaction: 0,
        };
        record.ops(media, geometry, |op, body| {
            copy_part(media, &op, body, op.range);
            visit(op.range);
            Ok(())
        })?;
        let whole = ByteRange::new(
            ByteOffset::new(earlier),
            ByteLen::new(RECORD_HEADER_BYTES as u64),
        );
        if !whole.is_some_and(|range| geometry.whole().contains(range)) {
            return Err(Corrupt::new(at, "an UNDO record leads outside the pool"));
        }
        at = ByteOffset::new(earlier);
    }
    Ok(())
}
