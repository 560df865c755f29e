//! The flush kinds, their names, and the choice among them.
//!
//! The choice is made once per process and cached. `EVERLINE_FLUSH` (with `std`) comes before the probe of the CPU.

use core::fmt;
use core::sync::atomic::{AtomicU8, Ordering};

use crate::rung;

/// The instruction that starts the write-back of a cache line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlushKind {
    /// x86-64 CLWB: writes the line back and may keep it cached.
    Clwb,
    /// x86-64 CLFLUSHOPT: writes the line back and evicts it; flushes overlap.
    ClflushOpt,
    /// x86-64 CLFLUSH: writes the line back and evicts it, one after the other.
    Clflush,
    /// aarch64 DC CVAP: cleans the line to the point of persistence.
    DcCvap,
    /// aarch64 DC CVADP: cleans the line to the point of deep persistence.
    DcCvadp,
    /// riscv64 CBO.CLEAN (Zicbom): cleans the block to memory.
    CboClean,
    /// No instruction known: nothing is written back, only ordered. Not durable.
    Portable,
}

/// 0 before the choice, then 1 + the index into [`FlushKind::ALL`].
static CHOSEN: AtomicU8 = AtomicU8::new(0);

impl FlushKind {
    /// Every kind, of every architecture.
    pub const ALL: [FlushKind; 7] = [
        FlushKind::Clwb,
        FlushKind::ClflushOpt,
        FlushKind::Clflush,
        FlushKind::DcCvap,
        FlushKind::DcCvadp,
        FlushKind::CboClean,
        FlushKind::Portable,
    ];

    /// The kind this process uses: what `EVERLINE_FLUSH` forces, otherwise the best that the CPU reports.
    ///
    /// x86-64 prefers CLWB, then CLFLUSHOPT, then CLFLUSH; aarch64 DC CVADP, then DC CVAP. A forced instruction is
    /// taken even where the CPU does not report it, since tools such as valgrind hide CPUID bits; on a CPU that truly
    /// lacks it the first flush is an illegal instruction. A value that [`FlushKind::forced`] rejects is ignored here:
    /// whoever opens a pool asks `forced` first and reports the error.
    #[must_use]
    pub fn detect() -> FlushKind {
        // Relaxed: the value is the whole message, and choosing twice gives the same answer.
        let cached = CHOSEN.load(Ordering::Relaxed);
        match Self::ALL.get(usize::from(cached).wrapping_sub(1)) {
            Some(&kind) => kind,
            None => Self::choose(),
        }
    }

    #[cold]
    fn choose() -> FlushKind {
        #[cfg(feature = "std")]
        let chosen = match Self::forced() {
            Some(Ok(kind)) => kind,
            Some(Err(_)) | None => rung::probe(),
        };
        #[cfg(not(feature = "std"))]
        let chosen = rung::probe();
        CHOSEN.store(chosen as u8 + 1, Ordering::Relaxed); // Relaxed: see `detect`
        chosen
    }

    /// The kind of that [`name`](FlushKind::name); a hyphen may stand for the blank (`dc-cvap`).
    #[must_use]
    pub fn from_name(name: &str) -> Option<FlushKind> {
        let same = |kind: &FlushKind| {
            let blanked = name
                .bytes()
                .map(|byte| if byte == b'-' { b' ' } else { byte });
            blanked.eq(kind.name().bytes())
        };
        Self::ALL.into_iter().find(same)
    }

    /// The instruction's name in lower case, as `EVERLINE_FLUSH` takes it and reports print it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            FlushKind::Clwb => "clwb",
            FlushKind::ClflushOpt => "clflushopt",
            FlushKind::Clflush => "clflush",
            FlushKind::DcCvap => "dc cvap",
            FlushKind::DcCvadp => "dc cvadp",
            FlushKind::CboClean => "cbo.clean",
            FlushKind::Portable => "portable",
        }
    }

    /// Whether flush and fence make bytes durable on persistent memory. False for [`FlushKind::Portable`] only.
    #[must_use]
    pub const fn is_durable(self) -> bool {
        !matches!(self, FlushKind::Portable)
    }
}

impl fmt::Display for FlushKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::FlushKind;

    #[test]
    fn every_kind_is_found_by_its_name_and_by_no_other() {
        for kind in FlushKind::ALL {
            assert_eq!(FlushKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(FlushKind::from_name("dc-cvap"), Some(FlushKind::DcCvap));
        for stranger in ["", "CLWB", "clwb ", "msync", "clflushop", "clflushoptt"] {
            assert_eq!(FlushKind::from_name(stranger), None, "{stranger:?}");
        }
    }

    #[test]
    fn only_portable_is_not_durable() {
        for kind in FlushKind::ALL {
            assert_eq!(kind.is_durable(), kind != FlushKind::Portable);
        }
    }

    #[test]
    fn the_order_of_all_is_the_order_of_the_enum() {
        for (index, kind) in FlushKind::ALL.into_iter().enumerate() {
            assert_eq!(
                kind as usize, index,
                "the cache of `detect` stores the discriminant"
            );
        }
    }

    #[test]
    fn detect_says_the_same_twice() {
        assert_eq!(FlushKind::detect(), FlushKind::detect());
    }
}
