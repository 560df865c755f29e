//! For code that knows no [`Media`](everline::media::Media) and stores to a plain byte slice: a region that calls at its
//! flushes and fences, and is compared there with what it held before.
//!
//! | part | what |
//! |---|---|
//! | `region` | [`RawRegion`]: the slice, its hooks, what recovery has looked at |
//! | `buffer` | bytes at a steady address, another one under recovery |
//! | here | [`check`], [`explore`] and [`replay`], as [`Explorer`] has them |
//!
//! Invariants
//! R1  at each barrier (flush, fence, invoke, ack, declare, mark, end) each word that changed becomes a store; those of one
//!     interval have no order among them. A word stored twice in an interval is seen once, with its last value: a crash
//!     between the two is not explored. More barriers see more.
//! R2  such a store bears the place of the barrier that found it; it was made before.
//! R3  recovery decides the words of the ranges that it asks for, no others.
//! R4  the slice of recovery and that of the workload never share an address, so that an address that was stored is
//!     of no use afterwards.

mod buffer;
mod region;

use std::cell::RefCell;
use std::fmt::Debug;
use std::panic::Location;

use everline::units::ByteLen;

use crate::event::Place;
use crate::explore::Explorer;
use crate::media::CrashMedia;
use crate::record::Recording;
use crate::replay::{Replay, ReplayError};
use crate::report::{Point, Report};

pub use region::{RawRegion, Undeclared};

/// What a result rests on beside the rest.
const ASSUMED: &str = "a raw region sees what is stored between two barriers as stores without order, each word once; \
                       a store is named by the barrier after it";

/// Records `work` on a new region of `len` bytes and explores it: as [`Explorer::check`].
///
/// ```
/// use everline::units::ByteLen;
/// use everline_crash::{Explorer, raw};
///
/// let report = raw::check(
///     &Explorer::new(),
///     ByteLen::new(4096),
///     |region| {
///         region.bytes_mut(64..72).copy_from_slice(&7u64.to_le_bytes());
///         region.persist(64..72).expect("no fault asked for");
///         region.bytes_mut(..8)[0] = 1; // says that it is valid
///         region.persist(0..8).expect("no fault asked for");
///     },
///     |region| (region.bytes(..8)[0] == 1).then(|| region.bytes(64..72)[0]),
///     |_, seen| if matches!(seen, None | Some(7)) { Ok(()) } else { Err("valid, and not there".into()) },
/// );
/// report.assert_clean();
/// ```
#[track_caller]
pub fn check<O: Clone + Eq + Debug>(
    explorer: &Explorer,
    len: ByteLen,
    work: impl FnOnce(&mut RawRegion),
    recover: impl Fn(&mut RawRegion) -> O,
    allowed: impl Fn(&Point<'_>, &O) -> Result<(), String>,
) -> Report {
    let mut region = RawRegion::on(explorer.medium(len));
    work(&mut region);
    region.compare(Location::caller());
    explore(explorer, &region.media().recording(), recover, allowed)
}

/// Explores a recording of a region: as [`Explorer::explore`].
#[track_caller]
pub fn explore<O: Clone + Eq + Debug>(
    explorer: &Explorer,
    recording: &Recording,
    recover: impl Fn(&mut RawRegion) -> O,
    allowed: impl Fn(&Point<'_>, &O) -> Result<(), String>,
) -> Report {
    let mut report = explorer.explore(recording, on_raw(recover, Location::caller()), allowed);
    report.assumptions.push(ASSUMED);
    report
}

/// Runs one crash state of a region again: as [`Explorer::replay`].
#[track_caller]
pub fn replay<O>(
    explorer: &Explorer,
    recording: &Recording,
    replay: &Replay,
    recover: impl Fn(&mut RawRegion) -> O,
) -> Result<O, ReplayError> {
    explorer.replay(recording, replay, on_raw(recover, Location::caller()))
}

/// Recovery on a region, as one on a medium. One region serves all runs: making one for each would cost more than most
/// recoveries.
fn on_raw<O>(recover: impl Fn(&mut RawRegion) -> O, end: Place) -> impl Fn(&CrashMedia) -> O {
    let region: RefCell<Option<RawRegion>> = RefCell::new(None);
    move |media| {
        let mut region = region.borrow_mut();
        let region = match &mut *region {
            Some(region) => {
                region.open_again(media);
                region
            }
            none => none.insert(RawRegion::recovering(media)),
        };
        let answer = recover(region);
        region.compare(end);
        answer
    }
}
