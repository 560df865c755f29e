//! What the log holds, record by record, for a person to look at.

use super::Log;
use super::walk::walkers;
use crate::layout::{Corrupt, Op, RecordKind};
use crate::media::Media;
use crate::mem::Full;
use crate::pool::Pool;
use crate::units::ByteOffset;

/// A record that counts: behind its lane's durable head, whole, and in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// The lane that it lies in.
    pub lane: u32,
    /// What it is.
    pub kind: RecordKind,
    /// Where it lies in the pool.
    pub at: ByteOffset,
    /// Its bytes, without padding.
    pub len: u64,
    /// The timestamp (LSN) of a commit; none of another record.
    pub timestamp: Option<u64>,
}

/// What a walk through the log meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogItem {
    /// A record; its ops follow.
    Record(LogEntry),
    /// An op of the record before it.
    Op(Op),
}

impl Log {
    /// Visits every record that no checkpoint has retired, lane by lane, in the order in which it was appended. Commits of
    /// all lanes in the order of their timestamps are the history since the last checkpoint.
    ///
    /// Holds a checkpoint up meanwhile; records that are being appended may be seen or not. Errors: a record that counts
    /// and cannot be right. Cost: reads the records, no wait.
    pub fn records<M: Media>(
        &self,
        pool: &Pool<M>,
        mut visit: impl FnMut(LogItem),
    ) -> Result<(), Corrupt> {
        let state = self.checkpoint.lock();
        let (media, geometry) = (pool.media(), &pool.geometry());
        let lanes = walkers(media, geometry, pool.id(), &state.slot);
        let Ok(mut lanes) = lanes.map_err(|Full| ()) else {
            unreachable!("the open has made room for as many lanes")
        };
        for index in 0..lanes.len() {
            let Some(walker) = lanes.get_mut(index) else {
                break;
            };
            while let Some(record) = walker.next(media, geometry)? {
                let is_commit = record.kind == RecordKind::Commit;
                visit(LogItem::Record(LogEntry {
                    lane: index as u32,
                    kind: record.kind,
                    at: record.at,
                    len: record.len,
                    timestamp: is_commit.then_some(record.timestamp),
                }));
                if matches!(record.kind, RecordKind::Commit | RecordKind::Undo) {
                    record.ops(media, geometry, |op, _| {
                        visit(LogItem::Op(op));
                        Ok(())
                    })?;
                }
            }
        }
        Ok(())
    }
}
