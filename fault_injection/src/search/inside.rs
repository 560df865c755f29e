//! Crash states inside an execution: after a cut inside recovery, and after a killed process.

use std::fmt::Debug;

use super::{Level, NESTED_MEMOS, Search, Went, stores};
use crate::event::Log;
use crate::lab::{Collector, Policy};
use crate::media::CrashMedia;
use crate::model::JournalMark;
use crate::report::{Point, PointKind};
use crate::trie::NestedMemo;

impl<O, R, A> Search<'_, O, R, A>
where
    O: Clone + Eq + Debug,
    R: Fn(&CrashMedia) -> O,
    A: Fn(&Point<'_>, &O) -> Result<(), String>,
{
    /// The crash states inside the execution that ends in `leaf`.
    pub(super) fn nested(&mut self, leaf: u32, executed: bool, left: u32) -> Went {
        if self.nested_is_known(leaf, left) {
            return Ok(());
        }
        if !executed {
            let again = self.execute()?;
            debug_assert_eq!(again, leaf, "one path has one end");
        }
        let words = self.innermost_words();
        let (log, mark, era) = self.media.with_lab(|lab| {
            let log = std::mem::take(&mut lab.log);
            if lab.collectors.len() == lab.collecting {
                lab.collectors.push(Collector::default());
            }
            lab.collectors[lab.collecting].begin(&lab.reads);
            lab.collecting += 1;
            let mark = lab.model.begin_journal();
            let cells: Vec<u32> = words.iter().map(|(cell, _)| *cell).collect();
            lab.model.cut(&cells);
            (log, mark, std::mem::replace(&mut lab.era, lab.trail.len()))
        });
        self.met.push(Vec::new());
        let outcome = self
            .media
            .with_lab(|lab| lab.trie.leaves[leaf as usize].outcome);
        let went = self.inside(&log, (false, outcome), words, mark, left - 1);
        let met = self.met.pop().expect("pushed above");
        self.media.with_lab(|lab| {
            lab.log = log;
            lab.era = era;
            lab.collecting -= 1;
            let needs = std::mem::take(&mut lab.collectors[lab.collecting].needs);
            if went.is_ok() {
                let needs: Box<[(u32, u64)]> = needs
                    .iter()
                    .map(|cell| (*cell, lab.choices_hash(*cell)))
                    .collect();
                lab.trie.add_bytes(16 * needs.len() + 8 * met.len() + 64);
                let memos = &mut lab.trie.leaves[leaf as usize].nested;
                if memos.len() == NESTED_MEMOS {
                    memos.remove(0);
                }
                memos.push(NestedMemo {
                    left,
                    needs,
                    met: met.into(),
                });
            }
        });
        went
    }

    /// Whether the states inside that execution are known and allowed (S3).
    pub(super) fn nested_is_known(&mut self, leaf: u32, left: u32) -> bool {
        let met = self.media.with_lab(|lab| {
            let memos = std::mem::take(&mut lab.trie.leaves[leaf as usize].nested);
            let known = memos.iter().position(|memo| {
                memo.left == left
                    && memo
                        .needs
                        .iter()
                        .all(|(cell, hash)| lab.choices_hash(*cell) == *hash)
            });
            let met = known.map(|index| {
                for (cell, _) in &memos[index].needs {
                    lab.need(*cell);
                }
                memos[index].met.clone()
            });
            lab.trie.leaves[leaf as usize].nested = memos;
            met
        });
        let Some(met) = met else { return false };
        for (outcome, deeper) in &met {
            if !self.answers_as_before(*outcome) {
                return false;
            }
            let class = self.class(*deeper);
            if self.judged[*outcome as usize][class] == self.point_number {
                continue;
            }
            if self.verdict(*outcome, *deeper).is_err() {
                // Explored again, so that the path can be told.
                return false;
            }
            self.judged[*outcome as usize][class] = self.point_number;
        }
        for (level, outer) in self.met.iter_mut().rev().enumerate() {
            for (outcome, deeper) in &met {
                let entry = (*outcome, deeper + level as u32 + 1);
                if !outer.contains(&entry) {
                    outer.push(entry);
                }
            }
        }
        true
    }

    /// Crash points inside and after an execution whose log is `log`, from the model as `mark` left it.
    fn inside(
        &mut self,
        log: &Log,
        (kill, outcome): (bool, u32),
        words: Vec<(u32, u64)>,
        mark: JournalMark,
        left: u32,
    ) -> Went {
        let outer = self.here;
        self.levels.push(Level {
            kill,
            event: outer,
            words,
            mark: Some(mark),
        });
        let went = self.inside_points(log, outcome, left);
        let level = self.levels.pop().expect("pushed above");
        self.here = outer;
        let mark = level.mark.expect("set above");
        self.media.with_lab(|lab| lab.model.roll_back(mark));
        went
    }

    fn inside_points(&mut self, log: &Log, outcome: u32, left: u32) -> Went {
        let mut stored = false;
        for (index, event) in log.events.iter().enumerate() {
            let raises = self.media.with_lab(|lab| lab.model.raises(event));
            if stored && raises {
                self.inside_point(index, left)?;
            }
            stored |= stores(event.kind);
            self.media.with_lab(|lab| lab.model.apply(log, event));
        }
        if !stored {
            return Ok(());
        }
        let before = self.answered;
        if self.config.idempotent {
            // What an earlier recovery answered binds this one too.
            self.answered = before.or(Some(outcome));
        }
        let went = self.inside_point(log.events.len(), left);
        self.answered = before;
        went
    }

    fn inside_point(&mut self, index: usize, left: u32) -> Went {
        self.here = index;
        self.report.nested_points += 1;
        self.explore_state(left)
    }

    /// The process dies here: the next opens what is visible, then the power goes in or after that open.
    pub(super) fn kill(&mut self) -> Went {
        self.kind = PointKind::Killed;
        self.media.with_lab(|lab| {
            lab.policy = Policy::Latest;
            lab.cursor = lab.trie.root(lab.model.len);
        });
        let known = self.media.with_lab(|lab| {
            let leaf = lab.walk()?;
            Some(&lab.trie.leaves[leaf as usize])
                .filter(|leaf| !leaf.stores)
                .map(|leaf| leaf.outcome)
        });
        // A path that is known and stores nothing leaves nothing new to cut.
        let outcome = match known {
            Some(outcome) => Ok(outcome),
            None => self.execute().map(|leaf| {
                self.media
                    .with_lab(|lab| lab.trie.leaves[leaf as usize].outcome)
            }),
        };
        let words = self.innermost_words();
        let went = outcome.and_then(|outcome| self.judge(outcome).map(|()| outcome));
        let (log, mark) = self.media.with_lab(|lab| {
            lab.abandon(0, 0);
            lab.policy = Policy::All;
            let mark = lab.model.begin_journal();
            lab.model.kill();
            (std::mem::take(&mut lab.log), mark)
        });
        let outcome = match went {
            Ok(outcome) if known.is_none() => outcome,
            _ => {
                self.media.with_lab(|lab| lab.model.roll_back(mark));
                return went.map(|_| ());
            }
        };
        let left = self.config.nested_depth.saturating_sub(1);
        self.inside(&log, (true, outcome), words, mark, left)
    }
}
