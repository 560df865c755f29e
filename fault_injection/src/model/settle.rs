//! What makes pending versions durable: flushes that a fence of their thread completes, and what a failed one leaves.

use super::Model;
use crate::event::Event;
use everline::units::FLUSH_LINE;

impl Model {
    pub(super) fn has_flushed(&self, thread: u16) -> bool {
        self.threads
            .iter()
            .any(|(number, flushed)| *number == thread && !flushed.is_empty())
    }

    pub(super) fn flushed_by(&mut self, thread: u16) -> &mut Vec<(u32, u32)> {
        let found = self
            .threads
            .iter()
            .position(|(number, _)| *number == thread);
        let index = found.unwrap_or_else(|| {
            self.threads.push((thread, Vec::new()));
            self.threads.len() - 1
        });
        &mut self.threads[index].1
    }

    /// Covers the versions present now (W2), but for other threads' non-temporal ones (W3) and clean ones (W4).
    pub(super) fn flush(&mut self, thread: u16, at: u64, lines: u64) {
        let (mut first, mut end) = (at, at + lines * FLUSH_LINE);
        if let Some(unit) = self.write_back_unit() {
            first &= !(unit - 1);
            end = end.next_multiple_of(unit);
        }
        let end = (end >> self.shift).min(self.image.len() as u64) as u32;
        let first = (first >> self.shift) as u32;
        if self.keeps_order() {
            self.revive(first, end);
        }
        let mut flushed = std::mem::take(self.flushed_by(thread));
        for cell in first..end {
            let Some(pending) = self.pending_of(cell) else {
                continue;
            };
            let covered = pending
                .versions
                .iter()
                .rev()
                .find(|version| !version.nt || version.thread == thread);
            let settled = pending.dead.max(self.cut_at);
            if let Some(version) = covered.filter(|version| version.seq > settled) {
                flushed.push((cell, version.seq));
            }
        }
        *self.flushed_by(thread) = flushed;
    }

    /// Where stores keep their order in a unit, a new store makes the whole unit dirty again: what a failed sync
    /// left clean goes with it (W4).
    fn revive(&mut self, first: u32, end: u32) {
        let mut cell = first;
        while cell < end {
            let Some(unit) = self.unit_of(cell) else {
                cell += 1;
                continue;
            };
            let cells = unit.start..unit.end.min(self.image.len() as u32);
            let stored_again = cells.clone().any(|cell| {
                self.pending_of(cell).is_some_and(|pending| {
                    let settled = pending.dead.max(self.cut_at);
                    pending.versions.last().is_some_and(|v| v.seq > settled)
                })
            });
            for clean in cells.filter(|_| stored_again) {
                if self.pending_of(clean).is_some_and(|p| p.dead > 0) {
                    self.save(clean);
                    let slot = self.slots[clean as usize] as usize - 1;
                    self.pending[slot].dead = 0;
                }
            }
            cell = unit.end;
        }
    }

    pub(super) fn settle(&mut self, thread: u16) {
        let mut flushed = std::mem::take(self.flushed_by(thread));
        for (cell, seq) in flushed.drain(..) {
            self.settle_version(cell, seq);
        }
        *self.flushed_by(thread) = flushed;
    }

    /// Stores that have reached a durable cache are what the medium holds (W6).
    pub(super) fn end_group(&mut self) {
        let mut group = std::mem::take(&mut self.group);
        for (cell, seq) in group.drain(..) {
            self.settle_version(cell, seq);
        }
        self.group = group;
    }

    fn settle_version(&mut self, cell: u32, seq: u32) {
        let slot = self.slots[cell as usize];
        if slot == 0 {
            return;
        }
        let pending = &self.pending[slot as usize - 1];
        if seq <= pending.dead {
            return;
        }
        let Some(index) = pending.versions.iter().position(|v| v.seq == seq) else {
            return;
        };
        self.save(cell);
        let pending = &mut self.pending[slot as usize - 1];
        pending.base = pending.versions[index].value;
        pending.versions.drain(..=index);
        if pending.versions.is_empty() {
            self.image[cell as usize] = pending.base;
            self.close(cell);
        }
        self.refresh(cell);
    }

    pub(super) fn fail(&mut self, thread: u16) {
        for (cell, seq) in std::mem::take(self.flushed_by(thread)) {
            let slot = self.slots[cell as usize];
            if slot != 0 {
                self.save(cell);
                let pending = &mut self.pending[slot as usize - 1];
                pending.dead = pending.dead.max(seq);
            }
        }
    }

    pub(super) fn reaffirm(&mut self, event: &Event) {
        if event.len == 0 {
            return;
        }
        let end = event.at + u64::from(event.len);
        let first = event.at >> self.shift;
        let last = (end - 1) >> self.shift;
        for cell in first as u32..=last as u32 {
            // Storing a word's own bytes again makes a version only where one is pending already.
            let newest = self.pending_of(cell).and_then(|p| p.versions.last());
            if newest.is_some_and(|version| version.seq > self.cut_at) {
                let value = self.latest(cell);
                self.push_version(cell, value, event);
            }
        }
        let line = event.at & !(FLUSH_LINE - 1);
        let lines = (end - line).div_ceil(FLUSH_LINE);
        self.flush(event.thread, line, lines);
    }
}
