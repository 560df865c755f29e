//! Which flush or fence would prevent a violation: put into a copy of the recording and explored again before it is told.
//!
//! | part | what |
//! |---|---|
//! | `candidates` | what might help: from the stores that were lost, the one that was kept, and the crash point |
//! | `edit` | a copy of the recording as if the program had one more flush or fence at one of its places |
//!
//! An edit is one of the source: it is made wherever the recording comes by that place. Candidates are tried smallest
//! first, each up to the crash point of the violation, and those that pass on the whole recording.

mod candidates;
mod edit;

use std::fmt;
use std::panic::Location;

use everline::units::{ByteOffset, FLUSH_LINE};

use crate::record::Recording;
use crate::report::{PointKind, Report, Violation};
use candidates::candidates;
use edit::{Edit, Where};

/// A flush or fence that prevents a violation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// The lines to flush, by where each begins, as they are the first time; empty where a fence is enough.
    pub flush: Vec<ByteOffset>,
    /// Whether a fence is needed.
    pub fence: bool,
    /// Before `place`, or right after it.
    pub before: bool,
    /// Where it belongs.
    pub place: &'static Location<'static>,
    /// The stores that the flush is for.
    pub stores: Vec<&'static Location<'static>>,
    /// Whether what is stored is called by name, as in files: then flush and fence are one sync.
    pub sync: bool,
    /// Whether the whole recording is clean with it; if not, then up to the crash point of this violation, and others
    /// come after it.
    pub whole: bool,
    /// Whether exploring again covered every state, as [`Report::exhaustive`] says.
    pub exhaustive: bool,
}

/// What was found when a fix was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advice {
    /// This prevents it: it was tried.
    Insert(Suggestion),
    /// None of so many single insertions into the workload prevents it.
    NoneOf(usize),
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Advice::Insert(suggestion) => suggestion.fmt(f),
            Advice::NoneOf(0) => write!(
                f,
                "no flush, fence or sync in the workload prevents it: nothing that it stored was lost here"
            ),
            Advice::NoneOf(tried) => write!(
                f,
                "no single flush, fence or sync in the workload prevents it ({tried} tried): look at the order of its \
                 stores, at what is stored in one piece, or at recovery"
            ),
        }
    }
}

impl fmt::Display for Suggestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "would be prevented by: ")?;
        if self.sync {
            let changed: Vec<String> = self.stores.iter().map(|place| place.to_string()).collect();
            write!(f, "sync what is changed at {}", changed.join(" and "))?;
            match self.before {
                true => write!(f, ", before {}", self.place)?,
                false => write!(f, " right after it")?,
            }
            return self.tell_trial(f);
        }
        if let Some(first) = self.flush.first() {
            write!(f, "flush {:#x}", first.get())?;
            if let Some(last) = self.flush.last().filter(|last| last != &first) {
                write!(f, "..{:#x}", last.get() + FLUSH_LINE)?;
            }
        }
        match (self.flush.is_empty(), self.fence) {
            (true, _) => write!(f, "fence")?,
            (false, true) => write!(f, ", and fence,")?,
            (false, false) => {}
        }
        let side = if self.before { "before" } else { "after" };
        write!(f, " {side} {}", self.place)?;
        let others = self.stores.iter().filter(|place| **place != self.place);
        for (number, store) in others.enumerate() {
            let stop = if number == 0 {
                ", for what is stored at"
            } else {
                " and"
            };
            write!(f, "{stop} {store}")?;
        }
        self.tell_trial(f)
    }
}

impl Suggestion {
    fn tell_trial(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let covered = if self.exhaustive { "" } else { " in part" };
        match self.whole {
            true => write!(f, " (verified by exploring again{covered})"),
            false => write!(
                f,
                " (verified by exploring again{covered} up to here; other violations come later)"
            ),
        }
    }
}

/// Kills at all moments are tried for a violation after one; in a longer recording that would take too long.
const EVENTS_WITH_KILLS: usize = 4096;

/// Looks for a single insertion that prevents `violation`, which `recording` led to. `explore` explores a recording as
/// it was explored before; with all kills where it is told so.
pub(crate) fn seek(
    violation: &Violation,
    recording: &Recording,
    explore: impl Fn(&Recording, bool) -> Report,
) -> Option<Advice> {
    let killed = violation.kind == PointKind::Killed;
    if killed && violation.event > EVENTS_WITH_KILLS {
        return None;
    }
    let mut candidates = candidates(violation, recording);
    if recording.names.is_some() {
        // Who writes files can only sync what was written.
        candidates.retain(|edit| edit.fence && !edit.stores.is_empty());
    }
    let mut up_to_here = None;
    for edit in &candidates {
        let edited = edit.applied(recording, violation.event);
        let here = explore(&edited.up_to_here(), killed);
        if !here.is_clean() {
            continue;
        }
        let all = explore(&edited.recording, false);
        if all.is_clean() {
            let exhaustive = all.exhaustive;
            return Some(Advice::Insert(edit.told(recording, true, exhaustive)));
        }
        up_to_here.get_or_insert_with(|| edit.told(recording, false, here.exhaustive));
    }
    Some(match up_to_here {
        Some(suggestion) => Advice::Insert(suggestion),
        None => Advice::NoneOf(candidates.len()),
    })
}

impl Edit {
    fn told(&self, recording: &Recording, whole: bool, exhaustive: bool) -> Suggestion {
        let lines = self.first_flush(recording);
        Suggestion {
            flush: lines
                .flat_map(|(at, lines)| (0..lines).map(move |line| at + line * FLUSH_LINE))
                .map(ByteOffset::new)
                .collect(),
            fence: self.fence,
            before: self.at == Where::Before || self.follows_a_find(recording),
            place: self.place,
            stores: self.stores.clone(),
            sync: recording.names.is_some(),
            whole,
            exhaustive,
        }
    }
}
