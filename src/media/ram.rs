//! Plain memory: for tests and for the memory backend. Volatile, and says so.
#![allow(unsafe_code)]

use core::convert::Infallible;
use std_alloc::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};

use everline_arch::FlushKind;

use super::forward::{forward, forward_accesses};
use super::{Checksum, Domain, Durability, Mapped, Media};
use crate::units::{ByteLen, ByteOffset, ByteRange, LineRange};

/// Alignment of the first byte.
const ALIGN: usize = 4096;

/// What is asked of the allocator: more than that, and it would store zeros to every page instead of handing out pages
/// that the system zeroes when they are first touched.
const ALLOCATED_ALIGN: usize = 16;

/// Zeroed memory of a fixed length that is gone with the process.
#[derive(Debug)]
pub struct Ram {
    mapped: Mapped,
    /// Where the allocation begins, up to a page before the first byte.
    start: *mut u8,
    layout: Layout,
}

impl Ram {
    /// `len` zero bytes; the domain is [`Domain::Volatile`].
    ///
    /// Panics where `len` is not below `isize::MAX`; aborts where memory runs out, as every allocation does.
    pub fn new(len: ByteLen) -> Self {
        Self::with_durability(
            len,
            Durability {
                domain: Domain::Volatile,
                reason: "plain memory",
                flush: FlushKind::detect().name(),
            },
        )
    }

    /// As [`Ram::new`], for memory that the caller knows to survive (battery-backed), or for measurements that
    /// must issue real flushes.
    pub fn assume_persistent(len: ByteLen) -> Self {
        Self::with_durability(
            len,
            Durability {
                domain: Domain::MemoryController,
                reason: "assumed persistent on request",
                flush: FlushKind::detect().name(),
            },
        )
    }

    fn with_durability(len: ByteLen, durability: Durability) -> Self {
        let size = (len.get() as usize).saturating_add(ALIGN);
        let layout =
            Layout::from_size_align(size, ALLOCATED_ALIGN).expect("length fits the address space");
        // SAFETY: the layout has a size above zero.
        let start = unsafe { alloc_zeroed(layout) };
        if start.is_null() {
            handle_alloc_error(layout);
        }
        // Less than the page that was added.
        let base = start.wrapping_add(start.align_offset(ALIGN));
        // SAFETY: the allocation lives until `drop`, is aligned to a page and is reached only through `mapped`.
        let mapped = unsafe { Mapped::new(base, len, FlushKind::detect(), durability) };
        Ram {
            mapped,
            start,
            layout,
        }
    }
}

// SAFETY: the allocation is owned, and `start` is used only to free it; the bytes are `mapped`'s business.
unsafe impl Send for Ram {}
// SAFETY: as above.
unsafe impl Sync for Ram {}

impl Drop for Ram {
    fn drop(&mut self) {
        // SAFETY: allocated in `with_durability` with this layout, and freed only here.
        unsafe { dealloc(self.start, self.layout) }
    }
}

impl Media for Ram {
    type SyncError = Infallible;

    forward_accesses!(|this| this.mapped);
    forward! {
        |this| this.mapped;
        write_nt(at: ByteOffset, bytes: &[u8]);
        flush(lines: LineRange);
        fence() -> Result<(), Infallible>;
    }

    fn reads_zero_when_fresh(&self) -> bool {
        true
    }

    fn verify<C: Checksum>(&self, range: ByteRange, check: &mut C) -> bool {
        self.mapped.verify(range, check)
    }
}
