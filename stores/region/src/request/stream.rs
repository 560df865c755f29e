//! Transfers in pieces: from a source into a region, from a region into a sink, of any length, through buffers of any
//! size, while no more memory is used than the configured buffers have.
//!
//! ```text
//! source ─▶ [helper thread] ─ buffers ─▶ [worker] ─▶ region          region ─▶ [worker] ─ buffers ─▶ [helper] ─▶ sink
//! ```
//!
//! The two sides work at the same time. A side waits for a buffer only while the other, or another transfer, has one
//! to give back, so that one buffer in all is enough.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, ScopedJoinHandle};

use everline::media::Media;

use super::buffers::{Buffers, Lent};
use super::operation::{Operation, Outcome, Touch};
use super::{Request, Requests};
use crate::segments::Limit;
use crate::{Extent, RegionError, RegionId, Regions};

/// Why a streamed transfer stopped. The pieces before it have arrived.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferError<E: std::error::Error + 'static> {
    /// The region.
    #[error(transparent)]
    Region(RegionError<E>),
    /// The source or the sink failed.
    #[error("after {done} of {total} bytes the other side failed: {reason}")]
    Stream {
        /// Bytes that had arrived.
        done: u64,
        /// Bytes of the transfer.
        total: u64,
        /// The kind of its error.
        kind: io::ErrorKind,
        /// What it said.
        reason: String,
    },
}

impl<T: Send + 'static, E: std::error::Error + Clone + Send + 'static> Outcome
    for Result<T, TransferError<E>>
{
    type Error = TransferError<E>;

    fn error(&self) -> Option<&TransferError<E>> {
        self.as_ref().err()
    }

    fn panicked() -> Self {
        Err(TransferError::Region(RegionError::Panicked))
    }
}

type Transferred<M, S> = (
    Result<u64, TransferError<<M as Media>::SyncError>>,
    Option<S>,
);

/// A filled buffer: how much of it, and where in the region it belongs. Wherever it is dropped, the buffer goes back.
struct Piece<'b> {
    at: u64,
    len: usize,
    buffer: Lent<'b>,
}

/// Cuts segments into pieces that fit a buffer, one after the other.
struct Cut {
    segments: std::vec::IntoIter<Extent>,
    /// What is left of the segment that is being cut.
    now: Extent,
}

impl Cut {
    fn new(segments: Vec<Extent>) -> Self {
        Cut {
            segments: segments.into_iter(),
            now: Extent::default(),
        }
    }

    /// The next piece, with a buffer that is still to be filled. Waits for a buffer.
    fn piece<'b>(&mut self, buffers: &'b Buffers) -> Option<Piece<'b>> {
        while self.now.len == 0 {
            self.now = self.segments.next()?;
        }
        let Extent { at, len: left } = self.now;
        let buffer = buffers.take(left);
        let len = left.min(buffer.len() as u64);
        self.now = Extent::new(at + len, left - len);
        Some(Piece {
            at,
            len: len as usize,
            buffer,
        })
    }
}

fn total(segments: &[Extent]) -> u64 {
    segments
        .iter()
        .fold(0, |sum: u64, segment| sum.saturating_add(segment.len))
}

fn failed<E: std::error::Error + 'static>(
    done: u64,
    total: u64,
    error: &io::Error,
) -> TransferError<E> {
    TransferError::Stream {
        done,
        total,
        kind: error.kind(),
        reason: error.to_string(),
    }
}

impl<M: Media + Send + Sync + 'static> Requests<M> {
    /// Fills `segments` of the region from `source`, in their order; durable when it
    /// answers, with the number of bytes and the source.
    ///
    /// Errors: every segment is checked before the first byte is read; the source failed or ended early. Cost: one
    /// wait for each piece, which is as long as a buffer or ends with its segment. Crash: pieces that have arrived
    /// are durable, each aligned word of the one under way is old or new.
    pub fn write_from<S: Read + Send + 'static>(
        &self,
        id: RegionId,
        segments: Vec<Extent>,
        mut source: S,
    ) -> Request<Transferred<M, S>> {
        let buffers = Arc::clone(self.buffers());
        let touch = Touch::list(id, &segments, true);
        self.issue(Operation::new(touch, move |regions| {
            let outcome = fill(regions, &buffers, id, segments, &mut source);
            (outcome, Some(source))
        }))
    }

    /// Hands `segments` of the region to `sink`, in their order; answers with the number of bytes and the sink.
    ///
    /// Errors: every segment is checked before the first byte is written; the sink failed. Cost: no wait.
    pub fn read_to<S: Write + Send + 'static>(
        &self,
        id: RegionId,
        segments: Vec<Extent>,
        mut sink: S,
    ) -> Request<Transferred<M, S>> {
        let buffers = Arc::clone(self.buffers());
        let touch = Touch::list(id, &segments, false);
        self.issue(Operation::new(touch, move |regions| {
            let outcome = drain(regions, &buffers, id, segments, &mut sink);
            (outcome, Some(sink))
        }))
    }
}

/// Refuses a transfer of which any segment leaves the region; writes may leave one that grows.
fn check_segments<M: Media>(
    regions: &Regions<M>,
    id: RegionId,
    segments: &[Extent],
    writes: bool,
) -> Result<(), RegionError<M::SyncError>> {
    let info = regions.info(id)?;
    let limit = Limit {
        len: info.len,
        grows: writes && info.growable,
    };
    let mut segments = segments.iter();
    segments.try_for_each(|segment| limit.check(id, segment.at, segment.len))
}

/// What became of a helper thread.
fn joined<T, E: std::error::Error + 'static>(
    helper: ScopedJoinHandle<'_, T>,
) -> Result<T, TransferError<E>> {
    let panicked = |_| TransferError::Region(RegionError::Panicked);
    helper.join().map_err(panicked)
}

fn fill<M: Media + Sync>(
    regions: &Regions<M>,
    buffers: &Buffers,
    id: RegionId,
    segments: Vec<Extent>,
    source: &mut (impl Read + Send),
) -> Result<u64, TransferError<M::SyncError>> {
    check_segments(regions, id, &segments, true).map_err(TransferError::Region)?;
    let total = total(&segments);
    let (send, receive) = mpsc::channel();
    thread::scope(|scope| {
        let helper = thread::Builder::new()
            .spawn_scoped(scope, move || {
                read_pieces(buffers, Cut::new(segments), source, &send)
            })
            .map_err(|error| failed(0, total, &error))?;
        let mut done = 0;
        let written = receive.iter().try_for_each(|piece| {
            regions.write(id, piece.at, &piece.buffer[..piece.len])?;
            done += piece.len as u64;
            Ok(())
        });
        // The helper finds nobody to send to, and ends.
        drop(receive);
        let read = joined(helper)?;
        written.map_err(TransferError::Region)?;
        read.map_err(|error| failed(done, total, &error))?;
        Ok(done)
    })
}

/// The helper's side: buffer after buffer, until the source has given everything or nobody wants more.
fn read_pieces<'b>(
    buffers: &'b Buffers,
    mut cut: Cut,
    source: &mut impl Read,
    send: &Sender<Piece<'b>>,
) -> io::Result<()> {
    while let Some(mut piece) = cut.piece(buffers) {
        source.read_exact(&mut piece.buffer[..piece.len])?;
        if send.send(piece).is_err() {
            break;
        }
    }
    Ok(())
}

fn drain<M: Media + Sync>(
    regions: &Regions<M>,
    buffers: &Buffers,
    id: RegionId,
    segments: Vec<Extent>,
    sink: &mut (impl Write + Send),
) -> Result<u64, TransferError<M::SyncError>> {
    check_segments(regions, id, &segments, false).map_err(TransferError::Region)?;
    let total = total(&segments);
    let (send, receive) = mpsc::channel();
    thread::scope(|scope| {
        let helper = thread::Builder::new()
            .spawn_scoped(scope, move || write_pieces(sink, &receive))
            .map_err(|error| failed(0, total, &error))?;
        let mut cut = Cut::new(segments);
        let mut read = Ok(());
        while let Some(mut piece) = cut.piece(buffers) {
            read = regions.read(id, piece.at, &mut piece.buffer[..piece.len]);
            if read.is_err() || send.send(piece).is_err() {
                break;
            }
        }
        // The helper finds that nothing more comes, and ends.
        drop(send);
        let (done, written) = joined(helper)?;
        read.map_err(TransferError::Region)?;
        written.map_err(|error| failed(done, total, &error))?;
        Ok(done)
    })
}

/// The helper's side: writes what comes, until nothing more comes or the sink fails; answers how much went through.
fn write_pieces(sink: &mut impl Write, receive: &Receiver<Piece<'_>>) -> (u64, io::Result<()>) {
    let mut done = 0;
    let outcome = receive.iter().try_for_each(|piece| {
        sink.write_all(&piece.buffer[..piece.len])?;
        done += piece.len as u64;
        Ok(())
    });
    (done, outcome.and_then(|()| sink.flush()))
}
