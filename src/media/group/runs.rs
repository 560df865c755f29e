//! Runs of dirty pages: a few of them kept apart, more of them count as "the whole file".

/// Runs kept apart before the rest is given up as too scattered; scattered runs are one fdatasync anyway.
const RUNS_MAX: usize = 8;

/// Whole pages `[start, end)`, in bytes from the start of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(in crate::media) struct PageRun {
    pub(in crate::media) start: u64,
    pub(in crate::media) end: u64,
}

/// Disjoint runs that do not touch, in no order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Runs {
    list: [PageRun; RUNS_MAX],
    count: usize,
    scattered: bool,
}

/// What one sync has to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::media) enum Batch {
    /// One run, on which all that is to be synced lies.
    One(PageRun),
    /// Several: the whole file.
    Many,
}

impl Runs {
    /// No pages.
    pub(super) const EMPTY: Runs = Runs {
        list: [PageRun { start: 0, end: 0 }; RUNS_MAX],
        count: 0,
        scattered: false,
    };

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0 && !self.scattered
    }

    /// Adds the pages of `run`, joining it with every run that it meets or touches.
    pub(super) fn add(&mut self, mut run: PageRun) {
        let mut at = 0;
        while at < self.count {
            let other = self.list[at];
            if run.start <= other.end && other.start <= run.end {
                run.start = run.start.min(other.start);
                run.end = run.end.max(other.end);
                self.count -= 1;
                self.list[at] = self.list[self.count];
                at = 0; // the grown run may touch one that was passed already
            } else {
                at += 1;
            }
        }
        if self.count == RUNS_MAX {
            self.scattered = true;
            return;
        }
        self.list[self.count] = run;
        self.count += 1;
    }

    /// Adds all pages of `other`.
    pub(super) fn join(&mut self, other: &Runs) {
        self.scattered |= other.scattered;
        for run in &other.list[..other.count] {
            self.add(*run);
        }
    }

    /// What to sync; `None` for no pages.
    pub(super) fn batch(self) -> Option<Batch> {
        match (self.count, self.scattered) {
            (0, false) => None,
            (1, false) => Some(Batch::One(self.list[0])),
            _ => Some(Batch::Many),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(pages: &[(u64, u64)]) -> Runs {
        let mut runs = Runs::EMPTY;
        for &(start, end) in pages {
            runs.add(PageRun { start, end });
        }
        runs
    }

    #[test]
    fn runs_that_meet_or_touch_become_one_in_whatever_order_they_come() {
        let whole = Some(Batch::One(PageRun { start: 1, end: 4 }));
        assert_eq!(runs(&[(1, 2), (2, 3), (3, 4)]).batch(), whole);
        assert_eq!(runs(&[(1, 2), (3, 4), (2, 3)]).batch(), whole);
        assert_eq!(runs(&[(3, 4), (1, 4)]).batch(), whole);
    }

    #[test]
    fn runs_apart_are_one_sync_of_the_file() {
        assert_eq!(runs(&[(1, 2), (3, 4)]).batch(), Some(Batch::Many));
        assert_eq!(runs(&[]).batch(), None);
    }

    #[test]
    fn too_many_runs_lose_their_places_and_no_page() {
        let many: std::vec::Vec<_> = (0..20).map(|at| (at * 2, at * 2 + 1)).collect();
        let mut scattered = runs(&many);
        scattered.add(PageRun { start: 0, end: 100 });
        assert_eq!(scattered.batch(), Some(Batch::Many));
        let mut joined = Runs::EMPTY;
        joined.join(&scattered);
        assert!(!joined.is_empty());
        assert_eq!(joined.batch(), Some(Batch::Many));
    }
}
