//! Plain memory: for tests and for the memory backend. Volatile, and says so.
#![allow(unsafe_code)]

use core::convert::Infallible;
use std_alloc::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};

use everline_arch::FlushKind;

use super::forward::{forward, forward_accesses};
use super::{Checksum, Domain, Durability, Mapped, Media, SpaceError};
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
    layout: Layout,
    /// Bytes of the allocation before the first byte, less than a page.
    lead: usize,
}

/// An allocation that has an aligned run of `len` bytes in it.
fn layout_of(len: ByteLen) -> Option<Layout> {
    let size = usize::try_from(len.get()).ok()?.checked_add(ALIGN)?;
    Layout::from_size_align(size, ALLOCATED_ALIGN).ok()
}

fn plain() -> Durability {
    Durability {
        domain: Domain::Volatile,
        reason: "plain memory",
        flush: FlushKind::detect().name(),
    }
}

fn persistent() -> Durability {
    Durability {
        domain: Domain::MemoryController,
        reason: "assumed persistent on request",
        flush: FlushKind::detect().name(),
    }
}

impl Ram {
    /// `len` zero bytes; the domain is [`Domain::Volatile`].
    ///
    /// Panics where `len` is not below `isize::MAX`; aborts where memory runs out, as every allocation does.
    pub fn new(len: ByteLen) -> Self {
        Self::with_durability(len, plain)
    }

    /// As [`Ram::new`], for memory that the caller knows to survive (battery-backed), or for measurements that
    /// must issue real flushes.
    pub fn assume_persistent(len: ByteLen) -> Self {
        Self::with_durability(len, persistent)
    }

    /// As [`Ram::new`], or [`Ram::assume_persistent`], for a length that came from outside: where there is not so much
    /// memory it answers [`SpaceError::NoSpace`].
    pub fn try_new(len: ByteLen, assume_persistent: bool) -> Result<Self, SpaceError> {
        let layout = layout_of(len).ok_or(SpaceError::NoSpace)?;
        let durability: fn() -> Durability = match assume_persistent {
            true => persistent,
            false => plain,
        };
        Self::on(layout, len, durability).ok_or(SpaceError::NoSpace)
    }

    fn with_durability(len: ByteLen, durability: fn() -> Durability) -> Self {
        let layout = layout_of(len).expect("length fits the address space");
        Self::on(layout, len, durability).unwrap_or_else(|| handle_alloc_error(layout))
    }

    fn on(layout: Layout, len: ByteLen, durability: fn() -> Durability) -> Option<Self> {
        // SAFETY: the layout has a size above zero.
        let start = unsafe { alloc_zeroed(layout) };
        if start.is_null() {
            return None;
        }
        let lead = start.align_offset(ALIGN);
        let base = start.wrapping_add(lead);
        // SAFETY: the allocation lives until `drop`, is aligned to a page and is reached only through `mapped`.
        let mapped = unsafe { Mapped::new(base, len, FlushKind::detect(), durability()) };
        Some(Ram {
            mapped,
            layout,
            lead,
        })
    }
}

impl Drop for Ram {
    fn drop(&mut self) {
        let start = self.mapped.base().wrapping_sub(self.lead);
        // SAFETY: allocated in `on` with this layout, and freed only here.
        unsafe { dealloc(start, self.layout) }
    }
}

impl Media for Ram {
    type SyncError = Infallible;

    #[inline]
    fn loads_from(&self) -> Option<&Mapped> {
        Some(&self.mapped)
    }

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
