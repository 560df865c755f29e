//! Budgets: what a test allows an operation to cost.

use std::fmt::Write;

use super::Ledger;

/// Asserts what something may cost, in the fields of a [`Ledger`](crate::Ledger) and any comparison.
///
/// ```
/// use everline::media::Media;
/// use everline::units::{ByteLen, ByteOffset, ByteRange, LineRange};
/// use everline_crash::{CrashMedia, expect_cost};
///
/// let media = CrashMedia::new(ByteLen::new(4096));
/// let ((), cost) = media.cost_of(|| {
///     media.store64(ByteOffset::new(64), 7);
///     media.flush(LineRange::covering(ByteRange::at(64, 8).expect("small")));
///     media.fence().expect("no fault asked for");
/// });
/// expect_cost!(cost, flush_lines <= 1, fences == 1, bytes < 9);
/// ```
///
/// The first argument is a ledger, a recording (`&recording`: all of it), an operation's cost, or the
/// [`Cost`](everline::media::Cost) of a counting medium. Panics: where one comparison fails, with all that failed, the
/// whole ledger and the places of its flushes and fences; where a counting medium does not count a field.
#[macro_export]
macro_rules! expect_cost {
    ($thing:expr, $($field:ident $comparison:tt $bound:expr),+ $(,)?) => {{
        let ledger = $crate::Ledger::from($thing);
        ledger.expect(&[$({
            let bound: u64 = $bound;
            $crate::Expectation {
                field: stringify!($field),
                comparison: stringify!($comparison),
                found: ledger.$field,
                bound,
                holds: ledger.$field $comparison bound,
            }
        }),+]);
    }};
}

/// One comparison of [`expect_cost!`](crate::expect_cost).
#[derive(Clone, Copy, Debug)]
pub struct Expectation {
    /// The field of the ledger.
    pub field: &'static str,
    /// `<=`, `==`, `<`, …
    pub comparison: &'static str,
    /// What the ledger says.
    pub found: u64,
    /// What it is compared with.
    pub bound: u64,
    /// Whether it is so.
    pub holds: bool,
}

/// What a counting medium counts.
const COUNTED: [&str; 5] = ["waits", "fences", "flush_lines", "nt_lines", "bytes"];

impl Ledger {
    /// What [`expect_cost!`](crate::expect_cost) calls. Panics: where one does not hold, or was not counted.
    #[track_caller]
    pub fn expect(&self, all: &[Expectation]) {
        let mut broken = String::new();
        for one in all {
            let Expectation {
                field,
                comparison,
                found,
                bound,
                holds,
            } = one;
            assert!(
                !self.counted_by_medium || COUNTED.contains(field),
                "a counting medium does not count `{field}`: record on a CrashMedia to compare it"
            );
            if !holds {
                let stop = if broken.is_empty() { "" } else { ", " };
                let _infallible = write!(
                    broken,
                    "{stop}{field} {comparison} {bound} was expected and it is {found}"
                );
            }
        }
        assert!(broken.is_empty(), "{broken}; in all: {self}");
    }
}
