//! Running a workload on a recording medium.

use super::{Medium, Order, Subject};
use crate::explore::Base;
use crate::media::CrashMedia;
use crate::record::{Cut, Recording};
use crate::search::quietly;
use crate::trie::mix;

/// The id under which making the engine is invoked and acknowledged.
pub(crate) const FORMAT: u64 = u64::MAX;

/// A workload that ran.
pub(crate) struct Recorded<S: Subject> {
    pub recording: Recording,
    pub order: Order<S>,
    /// What the medium holds when everything went well.
    pub after: CrashMedia,
}

/// Makes an engine and runs `ops` on it; crash points begin behind the making where there is something behind it.
///
/// Errors: an operation failed or panicked although nothing was wrong with the medium.
pub(crate) fn record<S: Subject>(base: Base, ops: &[S::Op]) -> Result<Recorded<S>, String> {
    let media = S::media(base);
    media.invoke(FORMAT);
    let mut engine = quietly(|| S::format(S::Medium::of(media.clone())))
        .map_err(|panic| format!("making the engine panicked: {panic}"))?;
    media.ack(FORMAT);
    if !ops.is_empty() {
        media.mark();
    }
    for (id, op) in ops.iter().enumerate() {
        media.invoke(id as u64);
        match quietly(|| engine.apply(op)) {
            Ok(Ok(())) => media.ack(id as u64),
            Ok(Err(error)) => {
                return Err(format!("{op:?} failed without a fault: {error}"));
            }
            Err(panic) => return Err(format!("{op:?} panicked: {panic}")),
        }
    }
    drop(engine);
    let recording = media.recording().start_at_last_mark();
    Ok(Recorded {
        order: Order::new(vec![S::Model::default()], ops.to_vec(), &recording),
        recording,
        after: clean(&media),
    })
}

/// The medium as the next process finds it where no power was lost.
pub(crate) fn clean(media: &CrashMedia) -> CrashMedia {
    media.cut(Cut::AllKept)
}

/// A hash of what was asked of the medium, threads counted in the order in which they came.
pub(crate) fn hash_of(recording: &Recording) -> u64 {
    let mut threads: Vec<u16> = Vec::new();
    let mut hash = mix(recording.base.len() as u64);
    for event in &recording.log.events {
        let known = threads.iter().position(|thread| *thread == event.thread);
        let thread = known.unwrap_or_else(|| {
            threads.push(event.thread);
            threads.len() - 1
        });
        let shape = u64::from(event.len) << 32 | u64::from(event.size) << 16;
        let kind = (event.kind as u64) << 24 | thread as u64;
        let value = match event.kind {
            crate::event::Kind::Write | crate::event::Kind::WriteNt => {
                let bytes = recording.log.data(event);
                bytes
                    .iter()
                    .fold(0, |hash, byte| mix(hash ^ u64::from(*byte)))
            }
            _ => event.value,
        };
        for part in [event.at, value, shape | kind] {
            hash = mix(hash ^ part);
        }
    }
    hash
}
