//! What an exploration found, in words that lead to the fault.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use everline::units::ByteOffset;

use crate::model::CrashModel;
use crate::replay::Replay;
use crate::suggest::Advice;

/// What is about to happen where the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PointKind {
    /// A fence (or a locked read-modify-write) that makes something durable.
    Fence,
    /// A change of length.
    Resize,
    /// An operation begins.
    Invoke,
    /// An operation is acknowledged.
    Ack,
    /// Nothing: the recording is over.
    End,
    /// The process died here. At depth 0 the next one opened what was visible; below, the power went in or after
    /// that open.
    Killed,
}

impl fmt::Display for PointKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PointKind::Fence => "before a fence",
            PointKind::Resize => "before a change of length",
            PointKind::Invoke => "before an operation begins",
            PointKind::Ack => "before an acknowledgement",
            PointKind::End => "at the end",
            PointKind::Killed => "where the process was killed",
        })
    }
}

/// A crash point, as the oracle sees it.
#[derive(Clone, Copy, Debug)]
pub struct Point<'a> {
    /// How many events of the recording had happened.
    pub event: usize,
    /// What was about to happen.
    pub kind: PointKind,
    /// How many times power went again inside a recovery.
    pub depth: u32,
    /// Operations acknowledged, in order: these must survive.
    pub acked: &'a [u64],
    /// Operations begun and not acknowledged: each all or nothing.
    pub in_flight: &'a [u64],
}

/// What a word is called, by where it lies and what it held, where words stand for something else.
#[derive(Clone)]
pub(crate) struct Names(pub Arc<dyn Fn(u64, u64) -> String + Send + Sync>);

/// A word that recovery read and that could have held something else.
#[derive(Clone, Debug)]
pub struct Word {
    /// Where it lies.
    pub at: ByteOffset,
    /// What lies there and what it held, where the word stands for something else: a file's length or sector.
    pub name: Option<String>,
    /// What recovery found.
    pub value: u64,
    /// Which cut left it so: 0 is the first.
    pub depth: u32,
    /// The store that reached the medium; none where nothing pending did.
    pub kept: Option<&'static Location<'static>>,
    /// Later stores to it, which did not reach the medium.
    pub lost: Vec<&'static Location<'static>>,
}

/// A crash state that the oracle refuses.
#[derive(Clone, Debug)]
pub struct Violation {
    /// How many events of the recording had happened.
    pub event: usize,
    /// What was about to happen.
    pub kind: PointKind,
    /// How many times power went again inside a recovery.
    pub depth: u32,
    /// The event that was about to happen.
    pub before: Option<&'static Location<'static>>,
    /// Operations acknowledged.
    pub acked: Vec<u64>,
    /// Operations in flight.
    pub in_flight: Vec<u64>,
    /// What the oracle said, or how recovery failed.
    pub reason: String,
    /// What recovery answered.
    pub observation: String,
    /// The words that made the difference.
    pub words: Vec<Word>,
    /// Which flush or fence prevents it; of the first violation, where
    /// [`Explorer::suggest`](crate::Explorer::suggest) asks for it.
    pub advice: Option<Advice>,
    /// How to get there again.
    pub replay: Replay,
    /// The seed of the exploration.
    pub seed: u64,
}

const SHOWN_WORDS: usize = 16;
const SHOWN_CHARS: usize = 240;

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", shortened(&self.reason))?;
        self.tell_crash(f)?;
        write!(f, "  replay (seed {:#x}): {}", self.seed, self.replay)
    }
}

impl Violation {
    /// Where the power went and what it left, without the reason and without the replay line.
    pub(crate) fn tell_crash(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  power cut after {} events, {}", self.event, self.kind)?;
        if let Some(place) = self.before {
            write!(f, " at {place}")?;
        }
        if self.depth > 0 {
            write!(f, ", and again {} deep in recovery", self.depth)?;
        }
        writeln!(f)?;
        writeln!(
            f,
            "  acknowledged {:?}, in flight {:?}; recovery answered {}",
            self.acked,
            self.in_flight,
            shortened(&self.observation)
        )?;
        for word in self.words.iter().take(SHOWN_WORDS) {
            match &word.name {
                Some(name) => write!(f, "  {name}: ")?,
                None => write!(f, "  {} held {:#x}: ", word.at, word.value)?,
            }
            match word.kept {
                Some(place) => write!(f, "durable, stored at {place}")?,
                None => write!(f, "nothing pending had reached it")?,
            }
            for place in word.lost.iter().rev().take(2) {
                write!(f, "; lost, stored at {place}")?;
            }
            writeln!(f)?;
        }
        if self.words.len() > SHOWN_WORDS {
            writeln!(f, "  and {} more words", self.words.len() - SHOWN_WORDS)?;
        }
        if let Some(advice) = &self.advice {
            writeln!(f, "  {advice}")?;
        }
        Ok(())
    }
}

/// At most a line or two of a text that the code under test made.
fn shortened(text: &str) -> std::borrow::Cow<'_, str> {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{} …", &text[..end]).into(),
        None => text.into(),
    }
}

/// A clean result rests on x86's order of the stores to one line.
#[derive(Clone, Debug)]
pub struct PortabilityNote {
    /// What goes wrong where words of one line are independent: on Arm, past the cache, in files.
    pub violation: Violation,
}

impl fmt::Display for PortabilityNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not portable: this relies on x86's order of stores to one line; without it: {}",
            self.violation
        )
    }
}

/// What an exploration did and found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Crash points of the recording.
    pub crash_points: u64,
    /// Distinct images on which recovery ran and the oracle was asked.
    pub executions: u64,
    /// Paths whose outcome was known from an equal path, and was only judged again.
    pub memo_hits: u64,
    /// Crash points inside recoveries.
    pub nested_points: u64,
    /// Process kills tried.
    pub kill_steps: u64,
    /// Moments at which a killed process leaves something else visible; fewer kills than that were sampled.
    pub kill_points: u64,
    /// Decimal logarithm of the number of images that power cuts at the crash points can leave, nested ones apart.
    pub log10_states: f64,
    /// Crash points at which that number was covered wholly, and the cuts inside their recoveries too.
    pub points_whole: u64,
    /// Decimal logarithm of the number of images at the points that were covered wholly.
    pub log10_covered: f64,
    /// What kept the exploration from covering all states; empty where it was exhaustive.
    pub limits: Vec<&'static str>,
    /// Whether every state that a power cut at a crash point or inside a recovery can leave was covered, under the
    /// assumptions; false where a budget cut something short. Kills are counted apart.
    pub exhaustive: bool,
    /// The first violations, at most [`Explorer::violations_kept`](crate::Explorer::violations_kept).
    pub violations: Vec<Violation>,
    /// All violations that were met: one for each crash point, depth and outcome.
    pub violations_met: u64,
    /// Where a clean result rests on the order of stores to one line and does not hold without.
    pub portability: Option<PortabilityNote>,
    /// What a power cut could leave.
    pub model: CrashModel,
    /// What the result rests on.
    pub assumptions: Vec<&'static str>,
    /// The seed that all sampling came from.
    pub seed: u64,
}

impl Report {
    /// Calls the words of its violations by their names.
    pub(crate) fn name_words(&mut self, names: &Names) {
        for word in self.violations.iter_mut().flat_map(|v| &mut v.words) {
            word.name = Some((names.0)(word.at.get(), word.value));
        }
    }

    /// Whether something ran and nothing was refused.
    pub fn is_clean(&self) -> bool {
        self.executions > 0 && self.violations_met == 0
    }

    /// Panics with the report unless it is clean.
    #[track_caller]
    pub fn assert_clean(&self) {
        assert!(self.is_clean(), "{self}");
    }
}

impl Report {
    /// What share of the states was covered, in words.
    fn coverage(&self) -> String {
        if self.exhaustive {
            return "exhaustive".into();
        }
        let whole = match self.log10_covered - self.log10_states {
            share if share.is_finite() => format!("10^{share:.1} of the states"),
            _ => "none of the states for certain".into(),
        };
        format!(
            "not exhaustive ({} of {} crash points wholly, {whole}: {})",
            self.points_whole,
            self.crash_points,
            self.limits.join("; ")
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} crash points ({} nested, {} of {} kills), {} executions, {} known, 10^{:.1} states, {}, seed {:#x}",
            self.model,
            self.crash_points,
            self.nested_points,
            self.kill_steps,
            self.kill_points,
            self.executions,
            self.memo_hits,
            self.log10_states,
            self.coverage(),
            self.seed,
        )?;
        if self.executions == 0 {
            write!(f, "\nnothing ran")?;
        }
        if let Some(note) = &self.portability {
            write!(f, "\n{note}")?;
        }
        for assumption in &self.assumptions {
            write!(f, "\nassumed: {assumption}")?;
        }
        if self.violations_met > 0 {
            write!(f, "\n{} violations, the first:", self.violations_met)?;
        }
        for violation in self.violations.iter().take(3) {
            write!(f, "\n{violation}")?;
        }
        Ok(())
    }
}
