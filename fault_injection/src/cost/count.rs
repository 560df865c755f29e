//! Counting: one pass over a stretch of the log.

use super::{Ledger, lines, stored};
use crate::event::{Event, Kind};
use crate::media::CrashMedia;
use crate::record::Recording;

/// What one acknowledged operation cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationCost {
    /// Its number.
    pub operation: u64,
    /// What its thread asked of the medium between invoke and ack.
    pub cost: Ledger,
}

impl From<&OperationCost> for Ledger {
    fn from(operation: &OperationCost) -> Self {
        operation.cost.clone()
    }
}

impl From<&Recording> for Ledger {
    fn from(recording: &Recording) -> Self {
        recording.cost()
    }
}

impl Recording {
    /// What was asked of the medium; after [`start_at_last_mark`](Recording::start_at_last_mark), since the mark.
    /// Cost: one pass.
    pub fn cost(&self) -> Ledger {
        cost_since(&self.log.events, self.first, None)
    }

    /// What each acknowledged operation cost, in the order of their acknowledgements: what the thread that invoked
    /// it asked of the medium until then. Cost: one pass over each operation.
    pub fn operation_costs(&self) -> Vec<OperationCost> {
        let mut open: Vec<(u64, usize)> = Vec::new();
        let mut costs = Vec::new();
        for (index, event) in self.log.events.iter().enumerate().skip(self.first) {
            match event.kind {
                Kind::Invoke => open.push((event.value, index)),
                Kind::Ack => {
                    let begun = open.iter().rposition(|(id, _)| *id == event.value);
                    if let Some(begun) = begun {
                        let (operation, from) = open.swap_remove(begun);
                        let thread = Some(self.log.events[from].thread);
                        let cost = cost_since(&self.log.events[..index], from, thread);
                        costs.push(OperationCost { operation, cost });
                    }
                }
                _ => {}
            }
        }
        costs
    }
}

impl CrashMedia {
    /// What `work` asks of this medium, on all threads. Panics: on the medium that recovery runs on.
    pub fn cost_of<R>(&self, work: impl FnOnce() -> R) -> (R, Ledger) {
        let from = self.with_recorder(|recorder| recorder.log.events.len());
        let result = work();
        let cost = self.with_recorder(|recorder| cost_since(&recorder.log.events, from, None));
        (result, cost)
    }
}

/// The ledger of `events` from the index `from` on: of one thread, or of all.
fn cost_since(events: &[Event], from: usize, thread: Option<u16>) -> Ledger {
    let mut ledger = Ledger::default();
    for (index, event) in events.iter().enumerate().skip(from) {
        if thread.is_none_or(|thread| thread == event.thread) {
            ledger.add(events, index, event);
        }
    }
    ledger
}

impl Ledger {
    fn add(&mut self, events: &[Event], index: usize, event: &Event) {
        if let Some((_, len)) = stored(event) {
            self.stores += 1;
            self.bytes += len;
        }
        match event.kind {
            Kind::WriteNt => {
                self.nt_bytes += u64::from(event.len);
                self.nt_lines += lines(event.at, u64::from(event.len)).count() as u64;
            }
            Kind::Rmw => {
                self.rmw += 1;
                // As a counting medium does, which cannot know whether an exchange will store.
                self.bytes += if event.len == 1 { 0 } else { 8 };
            }
            Kind::Flush => self.flushed(event, u64::from(event.len)),
            Kind::Reaffirm => {
                self.flushed(event, lines(event.at, u64::from(event.len)).count() as u64);
            }
            Kind::Fence | Kind::FenceFailed => {
                self.fences += 1;
                self.waits += u64::from(has_pending(&events[..index], event.thread));
                self.syncs_failed += u64::from(event.kind == Kind::FenceFailed);
                self.step(true, event.place, 0);
            }
            _ => {}
        }
    }

    fn flushed(&mut self, event: &Event, lines: u64) {
        self.flushes += 1;
        self.flush_lines += lines;
        self.step(false, event.place, lines);
    }
}

/// Whether `thread` has flushed, or stored past the cache, since its last fence.
fn has_pending(before: &[Event], thread: u16) -> bool {
    let own = before.iter().rev().filter(|event| event.thread == thread);
    let last = own.map(|event| event.kind).find(|kind| {
        matches!(
            kind,
            Kind::Fence
                | Kind::FenceFailed
                | Kind::Kill
                | Kind::Flush
                | Kind::WriteNt
                | Kind::Reaffirm
        )
    });
    matches!(last, Some(Kind::Flush | Kind::WriteNt | Kind::Reaffirm))
}
