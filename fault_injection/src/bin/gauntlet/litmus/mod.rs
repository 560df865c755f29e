//! Small shapes, each with the exact set of what a cut may leave under each model: nothing more, nothing less.

mod shapes;

use std::cell::RefCell;
use std::collections::BTreeSet;

use everline::media::Media;
use everline::units::{ByteLen, ByteOffset, ByteRange, LineRange};
use everline_crash::{CrashMedia, CrashModel, Explorer, PointKind, on_thread};

pub use shapes::SHAPES;

const LEN: u64 = 4096;

/// One thing that a program does to the medium.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// A word of eight bytes.
    Store(u64, u64),
    Store8(u64, u8),
    Store16(u64, u16),
    Store32(u64, u32),
    /// So many equal bytes in one bulk store.
    Write(u64, usize, u8),
    Fill(u64, u64, u8),
    /// A word past the cache.
    Nt(u64, u64),
    Or(u64, u64),
    And(u64, u64),
    /// Expected and new.
    Exchange(u64, u64, u64),
    /// The line of a place.
    Flush(u64),
    Fence,
    FailedFence,
    Reaffirm(u64),
    /// On another thread.
    On(u16, &'static [Step]),
    Kill,
    Invoke,
    Ack,
}

/// What words may hold together.
pub type Outcomes = &'static [&'static [u64]];

/// What the medium is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    Plain,
    /// A locked read-modify-write settles nothing.
    NoRmwFences,
    /// Stores tear at four bytes.
    Halves,
}

/// A program, the words that are looked at, and what they may hold.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub name: &'static str,
    pub nature: Nature,
    pub steps: &'static [Step],
    /// What recovery does, where the cut of interest is a second one inside it.
    pub recovery: &'static [Step],
    pub reads: &'static [u64],
    /// Under word-subset, line-prefix, eADR and sectors of 512 bytes.
    pub allowed: [Outcomes; 4],
}

pub const MODELS: [CrashModel; 4] = [
    CrashModel::WordSubset,
    CrashModel::LinePrefix,
    CrashModel::Eadr,
    CrashModel::PAGE,
];

/// Runs `step`; a kill leads to another medium.
fn run(media: &mut CrashMedia, step: &Step) {
    let at = |place: &u64| ByteOffset::new(*place);
    match step {
        Step::Store(place, value) => media.store64(at(place), *value),
        Step::Store8(place, value) => media.store8(at(place), *value),
        Step::Store16(place, value) => media.store16(at(place), *value),
        Step::Store32(place, value) => media.store32(at(place), *value),
        Step::Write(place, len, byte) => media.write(at(place), &vec![*byte; *len]),
        Step::Fill(place, len, byte) => media.fill(range(*place, *len), *byte),
        Step::Nt(place, value) => media.write_nt(at(place), &value.to_le_bytes()),
        Step::Or(place, bits) => drop(media.fetch_or64(at(place), *bits)),
        Step::And(place, bits) => drop(media.fetch_and64(at(place), *bits)),
        Step::Exchange(place, old, new) => drop(media.compare_exchange64(at(place), *old, *new)),
        Step::Flush(place) => media.flush(LineRange::covering(range(*place, 8))),
        Step::Fence => media.fence().expect("no fault asked for"),
        Step::FailedFence => {
            media.fail_next_fences(1);
            media.fence().expect_err("asked for");
        }
        Step::Reaffirm(place) => media.reaffirm(range(*place, 8)),
        Step::On(thread, steps) => on_thread(*thread, || {
            for step in *steps {
                run(media, step);
            }
        }),
        Step::Kill => *media = media.kill(),
        Step::Invoke => media.invoke(1),
        Step::Ack => media.ack(1),
    }
}

fn range(place: u64, len: u64) -> ByteRange {
    ByteRange::at(place, len).expect("small")
}

impl Shape {
    /// What is reached under `model`. Errors: the exploration reported something or was not exhaustive.
    pub fn reached(&self, model: CrashModel) -> Result<BTreeSet<Vec<u64>>, String> {
        let media = CrashMedia::new(ByteLen::new(LEN));
        let mut media = match self.nature {
            Nature::Plain => media,
            Nature::NoRmwFences => media.without_rmw_fences(),
            Nature::Halves => media.tearing_at(4),
        };
        for step in self.steps {
            run(&mut media, step);
        }
        let depth = u32::from(!self.recovery.is_empty());
        let seen = RefCell::new(BTreeSet::new());
        let explorer = Explorer::new()
            .model(model)
            .idempotent(false)
            .portability_notes(false);
        let report = explorer.explore(
            &media.recording(),
            |media| {
                let load = |place: &u64| media.load64(ByteOffset::new(*place));
                let found: Vec<u64> = self.reads.iter().map(load).collect();
                for step in self.recovery {
                    run(&mut media.clone(), step);
                }
                found
            },
            |point, found: &Vec<u64>| {
                if (point.kind, point.depth) == (PointKind::End, depth) {
                    seen.borrow_mut().insert(found.clone());
                }
                Ok(())
            },
        );
        match report.is_clean() && report.exhaustive {
            true => Ok(seen.into_inner()),
            false => Err(report.to_string()),
        }
    }

    /// Whether just what is allowed is reached, under every model; and each model admits what the next one does.
    ///
    /// Errors: where it is not so, and what differs.
    pub fn check(&self) -> Result<(), String> {
        let mut admitted: Option<BTreeSet<Vec<u64>>> = None;
        for (model, allowed) in MODELS.into_iter().zip(self.allowed) {
            let allowed: BTreeSet<Vec<u64>> = allowed.iter().map(|words| words.to_vec()).collect();
            let reached = self.reached(model)?;
            if reached != allowed {
                return Err(format!(
                    "{} under {model}: allowed {allowed:x?}, reached {reached:x?}",
                    self.name
                ));
            }
            // Sectors are apart: they are no hardware's cache.
            if model != CrashModel::PAGE {
                if admitted.is_some_and(|wider| !reached.is_subset(&wider)) {
                    return Err(format!(
                        "{}: {model} admits what a wider model does not",
                        self.name
                    ));
                }
                admitted = Some(reached);
            } else {
                admitted = None;
            }
        }
        Ok(())
    }
}
