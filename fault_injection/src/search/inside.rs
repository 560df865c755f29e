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
        let (log, mark) = self.media.with_lab(|lab| {
            let log = std::mem::take(&mut lab.log);
            if lab.collectors.len() == lab.collecting {
                lab.collectors.push(Collector::default());
            }
            lab.collectors[lab.collecting].begin(&lab.reads);
            lab.collecting += 1;
            let mark = lab.model.begin_journal();
            lab.model.cut(words.iter().map(|(cell, _)| *cell));
            (log, mark)
        });
        self.met.push(Vec::new());
        let went = self.inside(&log, false, words, mark, left - 1);
        let met = self.met.pop().expect("pushed above");
        self.media.with_lab(|lab| {
            lab.log = log;
            lab.collecting -= 1;
            let needs = std::mem::take(&mut lab.collectors[lab.collecting].needs);
            if went.is_ok() {
                let needs = needs
                    .iter()
                    .map(|cell| (*cell, lab.choices_hash(*cell)))
                    .collect();
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
    pub(super) fn inside(
        &mut self,
        log: &Log,
        kill: bool,
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
        let went = self.inside_points(log, left);
        let level = self.levels.pop().expect("pushed above");
        self.here = outer;
        let mark = level.mark.expect("set above");
        self.media.with_lab(|lab| lab.model.roll_back(mark));
        went
    }

    pub(super) fn inside_points(&mut self, log: &Log, left: u32) -> Went {
        let mut stored = false;
        for (index, event) in log.events.iter().enumerate() {
            let raises = self.media.with_lab(|lab| lab.model.raises(event));
            if stored && raises {
                self.inside_point(index, left)?;
            }
            stored |= stores(event.kind);
            self.media.with_lab(|lab| lab.model.apply(log, event));
        }
        if stored {
            self.inside_point(log.events.len(), left)?;
        }
        Ok(())
    }

    pub(super) fn inside_point(&mut self, index: usize, left: u32) -> Went {
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
        let went = outcome.and_then(|outcome| self.judge(outcome));
        let (log, mark) = self.media.with_lab(|lab| {
            lab.abandon(0, 0);
            lab.policy = Policy::All;
            let mark = lab.model.begin_journal();
            lab.model.kill();
            (std::mem::take(&mut lab.log), mark)
        });
        if went.is_err() || known.is_some() {
            self.media.with_lab(|lab| lab.model.roll_back(mark));
            return went;
        }
        let left = self.config.nested_depth.saturating_sub(1);
        self.inside(&log, true, words, mark, left)
    }
}
