//! What a set of workloads came to.

use std::fmt;

use super::Finding;
use crate::report::Report;
use crate::threads::Threads;

/// What was run, how much of what was asked for, and what was found.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Workloads that ran.
    pub workloads: u64,
    /// Workloads that were asked for, those of other slices with them.
    pub planned: u64,
    /// Crashed and recovered engines that were worked on and crashed again.
    pub second_lives: u64,
    /// What became of schedules, where there were threads.
    pub threads: Option<Threads>,
    /// Crash points.
    pub crash_points: u64,
    /// Crash states that were recovered and judged.
    pub executions: u64,
    /// Paths whose outcome was known.
    pub memo_hits: u64,
    /// Crash points inside recoveries.
    pub nested_points: u64,
    /// Process kills.
    pub kill_steps: u64,
    /// Explorations that a budget cut short.
    pub cut_short: u64,
    /// What is broken; the first is shrunk, and ends the run.
    pub findings: Vec<Finding>,
    /// What the result rests on.
    pub assumptions: Vec<&'static str>,
    /// Where all sampling came from.
    pub seed: u64,
    /// Whether the workloads were drawn rather than all taken.
    pub drawn: bool,
}

impl Summary {
    pub(crate) fn add(&mut self, report: &Report) {
        self.crash_points += report.crash_points;
        self.executions += report.executions;
        self.memo_hits += report.memo_hits;
        self.nested_points += report.nested_points;
        self.kill_steps += report.kill_steps;
        self.cut_short += u64::from(!report.exhaustive);
        for assumption in &report.assumptions {
            if !self.assumptions.contains(assumption) {
                self.assumptions.push(assumption);
            }
        }
    }

    /// Whether something ran and nothing is broken.
    pub fn is_clean(&self) -> bool {
        self.workloads > 0 && self.executions > 0 && self.findings.is_empty()
    }

    /// Whether every planned workload ran, and every state of each was covered.
    pub fn is_exhaustive(&self) -> bool {
        let threads = self.threads.as_ref();
        self.is_clean()
            && !self.drawn
            && self.workloads == self.planned
            && self.cut_short == 0
            && threads.is_none_or(|threads| threads.whole && threads.strayed == 0)
    }

    /// Panics with the summary unless it is clean.
    #[track_caller]
    pub fn assert_clean(&self) {
        assert!(self.is_clean(), "{self}");
    }

    /// The one finding.
    ///
    /// Panics: there is none.
    #[track_caller]
    pub fn finding(&self) -> &Finding {
        assert!(!self.findings.is_empty(), "nothing was found: {self}");
        &self.findings[0]
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} workloads", self.workloads, self.planned)?;
        if self.drawn {
            write!(f, " (drawn)")?;
        } else if self.workloads < self.planned {
            let share = 100.0 * self.workloads as f64 / self.planned as f64;
            write!(f, " ({share:.1} %)")?;
        }
        if let Some(threads) = &self.threads {
            write!(f, ", {threads}")?;
        }
        write!(
            f,
            ", {} second lives, {} crash points ({} nested, {} kills), {} executions, {} known, ",
            self.second_lives,
            self.crash_points,
            self.nested_points,
            self.kill_steps,
            self.executions,
            self.memo_hits,
        )?;
        match self.cut_short {
            _ if self.is_exhaustive() => write!(f, "verified: every state of every workload")?,
            0 => write!(f, "no exploration cut short")?,
            cut => write!(f, "{cut} explorations cut short and sampled")?,
        }
        write!(f, ", seed {:#x}", self.seed)?;
        if self.executions == 0 {
            write!(f, "\nnothing ran")?;
        }
        for assumption in &self.assumptions {
            write!(f, "\nassumed: {assumption}")?;
        }
        for finding in &self.findings {
            write!(f, "\n{finding}")?;
        }
        Ok(())
    }
}
