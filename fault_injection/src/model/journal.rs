//! Cuts and kills, and taking back what was tried on the model.

use super::order::Residue;
use super::{AMBIGUOUS, Model, Pending};

pub(super) struct Saved {
    cell: u32,
    image: u64,
    ambiguous: bool,
    pending: Option<Pending>,
}

/// Where a journal began and what was set aside for it.
pub(crate) struct JournalMark {
    start: usize,
    id: u32,
    clock: u32,
    cut_at: u32,
    len: u64,
    threads: Vec<(u16, Vec<(u32, u32)>)>,
    cuts: usize,
    residue: Vec<Residue>,
    group: Vec<(u32, u32)>,
}

impl Model {
    /// The process dies: its flushes never count, and its non-temporal stores have left their buffers.
    pub(crate) fn kill(&mut self) {
        self.threads.clear();
        for index in 0..self.pending.len() {
            if self.pending[index].versions.iter().any(|v| v.nt) {
                self.save(self.pending[index].cell);
                let cell = self.pending[index].cell;
                for version in &mut self.pending[index].versions {
                    // W6: its buffers have drained into caches that survive.
                    if version.nt && self.kind == super::CrashModel::Eadr {
                        self.group.push((cell, version.seq));
                    }
                    version.nt = false;
                }
            }
        }
    }

    /// The power goes: what each word may hold is now on the medium. Words already read (`decided`) are what was read.
    pub(crate) fn cut(&mut self, decided: &[u32]) {
        self.threads.clear();
        self.group.clear();
        if self.keeps_order() {
            self.keep_residue(decided);
        }
        for cell in decided {
            if self.slots[*cell as usize] != 0 {
                self.save(*cell);
                self.close(*cell);
            }
        }
        self.cuts.push(self.clock);
        self.cut_at = self.clock;
    }

    pub(super) fn save(&mut self, cell: u32) {
        let at = cell as usize;
        if self.journal_id == 0 || self.journal_stamp[at] == self.journal_id {
            return;
        }
        self.journal_stamp[at] = self.journal_id;
        let saved = Saved {
            cell,
            image: self.image[at],
            ambiguous: self.flags[at] & AMBIGUOUS != 0,
            pending: self.pending_of(cell).cloned(),
        };
        self.journal.push(saved);
    }

    /// Everything from here on can be taken back.
    pub(crate) fn begin_journal(&mut self) -> JournalMark {
        self.journal_last += 1;
        JournalMark {
            start: self.journal.len(),
            id: std::mem::replace(&mut self.journal_id, self.journal_last),
            clock: self.clock,
            cut_at: self.cut_at,
            len: self.len,
            threads: self.threads.clone(),
            cuts: self.cuts.len(),
            residue: self.residue.clone(),
            group: self.group.clone(),
        }
    }

    /// How a word was when the journal that `mark` began first met it.
    pub(crate) fn saved_pending(&self, mark: &JournalMark, cell: u32) -> Option<&Pending> {
        self.journal[mark.start..]
            .iter()
            .find(|saved| saved.cell == cell)
            .and_then(|saved| saved.pending.as_ref())
    }

    /// Takes everything since `mark` back.
    pub(crate) fn roll_back(&mut self, mark: JournalMark) {
        while self.journal.len() > mark.start {
            let saved = self.journal.pop().expect("longer than its start");
            let at = saved.cell as usize;
            if self.slots[at] != 0 {
                self.close(saved.cell);
            }
            if let Some(pending) = saved.pending {
                self.pending.push(pending);
                self.slots[at] = self.pending.len() as u32;
            }
            self.image[at] = saved.image;
            self.flags[at] &= !AMBIGUOUS;
            if saved.ambiguous {
                self.flags[at] |= AMBIGUOUS;
            }
        }
        self.journal_id = mark.id;
        self.clock = mark.clock;
        self.cut_at = mark.cut_at;
        self.len = mark.len;
        self.threads = mark.threads;
        self.cuts.truncate(mark.cuts);
        self.residue = mark.residue;
        self.group = mark.group;
    }
}
