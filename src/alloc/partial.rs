//! Slabs that probably have a free object, by class: a hint, checked where it is used.

use crate::layout::CLASS_COUNT_MAX;

#[cfg(feature = "alloc")]
use std_alloc::{vec, vec::Vec};

#[cfg(not(feature = "alloc"))]
use crate::mem::List;

/// Stacks of slabs. Without `alloc` they are short, and what does not fit is found again by scanning.
#[derive(Debug)]
pub(super) struct Partials {
    #[cfg(feature = "alloc")]
    stacks: Vec<Vec<u32>>,
    /// By slab: in which class's stack it was put last, counted from 1; 0 is none. What an earlier class's stack
    /// still holds of it is stale.
    #[cfg(feature = "alloc")]
    listed: Vec<u8>,
    #[cfg(not(feature = "alloc"))]
    stacks: [List<u32, 4>; CLASS_COUNT_MAX],
    /// A slab was dropped for lack of room.
    dropped: bool,
}

impl Partials {
    pub fn new() -> Self {
        Partials {
            #[cfg(feature = "alloc")]
            stacks: vec![Vec::new(); CLASS_COUNT_MAX],
            #[cfg(feature = "alloc")]
            listed: Vec::new(),
            #[cfg(not(feature = "alloc"))]
            stacks: core::array::from_fn(|_| List::new()),
            dropped: false,
        }
    }

    /// Lists `slab` for `class` unless it is listed there.
    pub fn push(&mut self, class: u8, slab: u64) {
        #[cfg(feature = "alloc")]
        {
            let index = slab as usize;
            if self.listed.len() <= index {
                self.listed.resize(index + 1, 0);
            }
            if self.listed[index] != class + 1 {
                self.listed[index] = class + 1;
                self.stacks[usize::from(class)].push(slab as u32);
            }
        }
        #[cfg(not(feature = "alloc"))]
        {
            let stack = &mut self.stacks[usize::from(class)];
            if !stack.as_slice().contains(&(slab as u32)) && stack.push(slab as u32).is_err() {
                self.dropped = true;
            }
        }
    }

    /// The slab to try first.
    pub fn top(&self, class: u8) -> Option<u64> {
        #[cfg(feature = "alloc")]
        let stack = self.stacks[usize::from(class)].as_slice();
        #[cfg(not(feature = "alloc"))]
        let stack = self.stacks[usize::from(class)].as_slice();
        stack.last().map(|slab| u64::from(*slab))
    }

    /// Takes the top off: it has no free object, or is of another class by now.
    pub fn pop(&mut self, class: u8) {
        if let Some(_slab) = self.stacks[usize::from(class)].pop() {
            #[cfg(feature = "alloc")]
            if self.listed[_slab as usize] == class + 1 {
                self.listed[_slab as usize] = 0;
            }
        }
    }

    /// Whether a scan may find slabs that were dropped; forgets it.
    pub fn take_dropped(&mut self) -> bool {
        core::mem::take(&mut self.dropped)
    }
}
