//! The mapping: file pages at the start of a reserved address range, and the accesses to them.
//!
//! ```text
//! base                    base + len                         base + capacity
//!  | pages of the file       | nothing yet: growth maps here     |
//! ```
//!
//! Invariants
//! M1  the base never moves; growth maps behind the old end.
//! M2  every byte below `len` is mapped from the file as long as the mapping lives.
#![allow(
    unsafe_code,
    reason = "promises the mapping to `Mapped`, and flushes lines of it"
)]

use std::fs::File;

use everline_arch::{self as arch, FlushKind};

use super::plan::{Plan, Route};
use super::sys::{self, Reservation, Sharing};
use crate::media::{Domain, Durability, Errno, Mapped, Media};
use crate::units::{ByteLen, FLUSH_LINE, LineRange, round_up};

/// A file in memory.
#[derive(Debug)]
pub(super) struct Mapping {
    pub(super) mapped: Mapped,
    /// [`FlushKind::Portable`] where no instruction is wanted: msync, volatile, or caches that drain themselves.
    flush_kind: FlushKind,
    /// [`FlushKind::Portable`] where a fence is not an instruction.
    fence_kind: FlushKind,
    sharing: Sharing,
    reservation: Reservation,
}

impl Mapping {
    /// Maps the whole of `file`, `len` bytes, with room to grow to `capacity`.
    pub(super) fn new(
        file: &File,
        len: ByteLen,
        capacity: ByteLen,
        plan: &Plan,
    ) -> Result<Self, Errno> {
        let pages = whole_pages(len)?;
        let reservation = Reservation::new(whole_pages(capacity)?.max(pages))?;
        reservation.map(file, 0, pages, plan.sharing)?;
        let fence_kind = match plan.route {
            Route::Instruction => plan.instruction,
            Route::Msync | Route::Nothing => FlushKind::Portable,
        };
        let durability = plan.durability;
        // SAFETY:
        // - mapped: M2, and the reservation lives in the same value;
        // - aligned: a reservation begins at a huge page;
        // - reached only so: nothing else of the process knows the reservation's addresses.
        let mapped = unsafe { Mapped::new(reservation.base(), len, fence_kind, durability) };
        Ok(Mapping {
            mapped,
            flush_kind: if durability.domain == Domain::CpuCache {
                FlushKind::Portable
            } else {
                fence_kind
            },
            fence_kind,
            sharing: plan.sharing,
            reservation,
        })
    }

    /// Maps what lies between the old and the new end of `file`, which already has the new length (M1).
    pub(super) fn grow(&self, file: &File, len: ByteLen) -> Result<(), Errno> {
        let mapped = whole_pages(self.mapped.len())?;
        let wanted = whole_pages(len)?;
        if wanted > mapped {
            self.reservation
                .map(file, mapped, wanted - mapped, self.sharing)?;
        }
        // SAFETY: the pages up to the new length are mapped now (M2); the other duties hold as in `new`.
        unsafe { self.mapped.resize(len) };
        Ok(())
    }

    /// Whether `len` bytes fit the reserved addresses.
    pub(super) fn has_room_for(&self, len: ByteLen) -> bool {
        whole_pages(len).is_ok_and(|pages| pages <= self.reservation.capacity())
    }

    /// Bytes of addresses, whole pages.
    pub(super) fn capacity(&self) -> ByteLen {
        ByteLen::new(self.reservation.capacity())
    }

    /// Writes the mapped pages `[at, at + len)` to the file and waits.
    pub(super) fn sync(&self, at: u64, len: u64) -> Result<(), Errno> {
        self.reservation.sync(at, len)
    }

    /// Reads all pages in ahead of time.
    pub(super) fn prefault(&self) {
        if let Ok(pages) = whole_pages(self.mapped.len()) {
            self.reservation.prefault(0, pages);
        }
    }

    /// The first address.
    pub(super) fn base(&self) -> *mut u8 {
        self.mapped.base()
    }

    /// Whether lines are written back by instruction.
    #[inline(always)]
    pub(super) fn flushes_by_instruction(&self) -> bool {
        self.flush_kind != FlushKind::Portable
    }

    /// Starts write-back of `lines`, which are not empty, by instruction, or hands them to `otherwise`.
    /// Panics unless the last of them begins inside the medium.
    #[inline(always)]
    #[track_caller]
    pub(super) fn flush(&self, lines: LineRange, otherwise: impl FnOnce(LineRange)) {
        let len = self.mapped.len();
        let last = lines.start().get() + (lines.count().get() - 1) * FLUSH_LINE;
        if last >= len.get() {
            flush_leaves(lines, len);
        }
        let first = self.base().wrapping_add(lines.start().get() as usize);
        let count = lines.count().get() as usize;
        // The best kind has an arm of its own, so that the compiler makes one dispatch of this choice and the one
        // inside: `tests/disassembly.rs` counts.
        match self.flush_kind {
            FlushKind::Portable => otherwise(lines),
            // SAFETY:
            // - aligned: the base and every line begin at a multiple of a line;
            // - mapped: the last line begins below `len`, and pages are mapped whole (M2);
            // - known to the CPU: the kind comes from `FlushKind::detect`.
            FlushKind::Clwb => unsafe { arch::flush_lines(FlushKind::Clwb, first, count) },
            // SAFETY: as above.
            kind => unsafe { arch::flush_lines(kind, first, count) },
        }
    }

    /// Waits for the flushes of this thread, where that takes an instruction.
    #[inline(always)]
    pub(super) fn fence(&self) {
        arch::fence(self.fence_kind);
    }
}

/// Wraps a private copy of a file for reading and for scratch stores.
pub(super) fn wrap_private(copy: &mut memmap2::MmapMut, durability: Durability) -> Mapped {
    let len = ByteLen::of(copy);
    // SAFETY:
    // - mapped: the caller keeps `copy` beside the result and drops it later;
    // - aligned: a mapping begins at a page;
    // - reached only so: the caller does not touch `copy` again.
    unsafe { Mapped::new(copy.as_mut_ptr(), len, FlushKind::Portable, durability) }
}

/// `len` in whole pages.
pub(super) fn whole_pages(len: ByteLen) -> Result<u64, Errno> {
    round_up(len.get(), sys::page_bytes()).ok_or(Errno(libc::EFBIG))
}

#[cold]
#[inline(never)]
#[track_caller]
fn flush_leaves(lines: LineRange, len: ByteLen) -> ! {
    panic!(
        "a flush of {} lines at {} leaves a medium of {len}",
        lines.count().get(),
        lines.start()
    )
}
