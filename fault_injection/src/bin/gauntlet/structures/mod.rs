//! Small reference structures, each with bugs that can be planted in it and a clean form.
//!
//! The real layers carry most planted bugs (`fault_injection/planted`). Here are those that have no home there, and a
//! few more, so that the laboratory is tested where no source tree is at hand and where a test must be quick.

mod based;
mod fat_pointer;
mod flagged;
mod grown;
mod in_line;
mod poisoned;
mod publish;
mod redo;
mod ring;
mod shared;
mod typed;
mod undo;
mod wal;

use everline::media::{Checksum, Media};
use everline::units::{ByteLen, ByteOffset, ByteRange, LineRange};
use everline_crash::{Base, CrashMedia, CrashModel, Explorer, Point, Report};

const LEN: ByteLen = ByteLen::new(4096);

/// A planted bug; numbers are those of the project's list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bug {
    Clean,
    M01,
    M02,
    M03,
    M05,
    M06,
    M08,
    M09,
    M11,
    M12,
    M13,
    M14,
    M15,
    M17,
    M18,
    M24,
    M27,
    M28,
    M29,
    M30,
    M31,
    M37,
    /// What recovery believes, it does not first make durable.
    Unaffirmed,
}
use Bug::*;

#[track_caller]
fn put(media: &CrashMedia, place: u64, value: u64) {
    media.store64(ByteOffset::new(place), value);
}

fn get(media: &CrashMedia, place: u64) -> u64 {
    media.load64(ByteOffset::new(place))
}

#[track_caller]
fn flush(media: &CrashMedia, place: u64, len: u64) {
    media.flush(LineRange::covering(
        ByteRange::at(place, len).expect("small"),
    ));
}

#[track_caller]
fn fence(media: &CrashMedia) {
    media.fence().expect("no fault asked for");
}

#[track_caller]
fn persist(media: &CrashMedia, place: u64, value: u64) {
    put(media, place, value);
    flush(media, place, 8);
    fence(media);
}

/// FNV over bytes, against a wanted value.
pub struct Sum {
    pub want: u64,
    pub have: u64,
}

impl Checksum for Sum {
    fn reset(&mut self) {
        self.have = 0xCBF2_9CE4_8422_2325;
    }
    fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.have = (self.have ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }
    fn matches(&self) -> bool {
        self.want == self.have
    }
}

fn sum_of(words: &[u64]) -> u64 {
    let mut sum = Sum { want: 0, have: 0 };
    sum.reset();
    for word in words {
        sum.update(&word.to_le_bytes());
    }
    sum.have
}

fn verified(media: &CrashMedia, place: u64, len: u64, want: u64) -> bool {
    let range = ByteRange::at(place, len).expect("small");
    media.verify(range, &mut Sum { want, have: 0 })
}

fn expect<T: PartialEq + std::fmt::Debug>(seen: &T, one_of: &[T]) -> Result<(), String> {
    match one_of.contains(seen) {
        true => Ok(()),
        false => Err(format!("{seen:?} is none of {one_of:?}")),
    }
}

/// How many of operations 1, 2, … must have survived, and how many may have.
fn bounds(point: &Point<'_>) -> std::ops::RangeInclusive<u64> {
    let acked = point.acked.len() as u64;
    acked..=acked + point.in_flight.len() as u64
}

/// Every bug, with what is wrong and the oracle that is to catch it.
pub const BUGS: [(Bug, &str, &str); 22] = [
    (M01, "the undo entry is not flushed", "A"),
    (M02, "no fence between the entry and the data", "A"),
    (M03, "the root is published before the object", "A,X"),
    (M05, "no fence at the acknowledgement", "A"),
    (M06, "the first line of two is flushed", "A"),
    (M08, "a place and a length tear", "A,X"),
    (M09, "a record and its flag in one bulk store", "A"),
    (
        M11,
        "a payload past the cache and a plain flag in one line",
        "A",
    ),
    (M12, "a checksum without the sequence, in a ring", "A"),
    (M13, "a checksum without the length", "A,X"),
    (M14, "the flag before the payload, in one line", "A"),
    (M15, "payload, then flag, in one line without a fence", "A"),
    (M17, "the log truncated before its replay is durable", "A"),
    (M18, "recovery does not flush what it replayed", "A"),
    (M24, "a log that relies on zeros", "A,X"),
    (M27, "a header that runs ahead of the file's length", "X"),
    (M28, "an address instead of an offset", "X"),
    (M29, "an enumeration read without a look at its value", "X"),
    (M30, "a link behind a pointer that is not durable", "D"),
    (M31, "a lock released before the persist", "D"),
    (M37, "a poisoned header taken for zeros", "M"),
    (Unaffirmed, "believed and not first made durable", "A"),
];

/// The structure that carries `bug`, explored by the defaults; all of them for none.
pub fn run(bug: Bug) -> Vec<Report> {
    match bug {
        Clean => vec![
            undo::report(Clean),
            publish::report(Clean),
            fat_pointer::report(Clean),
            flagged::report(Clean),
            ring::report(Clean),
            wal::report(Clean),
            redo::report(Clean),
            in_line::report(Clean, CrashModel::WordSubset),
            grown::report(Clean),
            based::report(Clean),
            typed::report(Clean),
            shared::inserts(Clean),
            shared::locks(Clean),
            poisoned::report(Clean),
        ],
        M01 | M02 | M05 | M18 | M24 => vec![undo::report(bug)],
        M03 | M06 => vec![publish::report(bug)],
        M08 => vec![fat_pointer::report(bug)],
        M09 => vec![flagged::report(bug)],
        M11 | M14 | M15 => vec![in_line::report(bug, CrashModel::WordSubset)],
        M12 => vec![ring::report(bug)],
        M13 => vec![wal::report(bug)],
        M17 | Unaffirmed => vec![redo::report(bug)],
        M27 => vec![grown::report(bug)],
        M28 => vec![based::report(bug)],
        M29 => vec![typed::report(bug)],
        M30 => vec![shared::inserts(bug)],
        M31 => vec![shared::locks(bug)],
        M37 => vec![poisoned::report(bug)],
    }
}

/// M15's structure where stores to a line keep their order.
pub fn in_line_ordered() -> Report {
    in_line::report(M15, CrashModel::LinePrefix)
}
