//! Raw instructions: the least that the waits and lines of a row take on this machine, measured beside it.

use std::time::{Duration, Instant};

use everline::arch::{self, FlushKind};
use everline::media::Cost;

const LINE: usize = arch::FLUSH_LINE;
/// Lines are taken in turn from so many, as a ring or a heap would.
const LINES: usize = (1 << 20) / LINE;

#[derive(Clone, Copy, Debug)]
#[repr(align(4096))]
struct Page([u8; 4096]);

/// Memory to write back, and the instruction that does it.
#[derive(Debug)]
pub struct Floor {
    kind: FlushKind,
    pages: Vec<Page>,
    source: Page,
    line: usize,
}

impl Default for Floor {
    fn default() -> Self {
        Floor {
            kind: FlushKind::detect(),
            pages: vec![Page([1; 4096]); LINES * LINE / 4096],
            source: Page([0x5a; 4096]),
            line: 0,
        }
    }
}

impl Floor {
    /// The instruction that writes lines back here.
    pub fn kind(&self) -> FlushKind {
        self.kind
    }

    /// The place of the next `count` lines.
    #[inline]
    fn next_lines(&mut self, count: usize) -> *mut u8 {
        if self.line + count > LINES {
            self.line = 0;
        }
        let at = self.line * LINE;
        self.line += count;
        self.pages.as_mut_ptr().cast::<u8>().wrapping_add(at)
    }

    /// Issues the waits and lines of `cost`, spread evenly over its waits, `times` times.
    pub fn time(&mut self, cost: Cost, times: u64) -> Duration {
        let waits = cost.waits.max(1);
        let nt_lines = cost.nt_lines.div_ceil(waits) as usize;
        let lines = cost.lines.div_ceil(waits) as usize;
        let begun = Instant::now();
        for _ in 0..times {
            for _ in 0..cost.waits {
                self.stream(nt_lines);
                self.store_and_flush(lines);
                arch::fence(self.kind);
            }
        }
        begun.elapsed()
    }

    #[inline]
    fn stream(&mut self, lines: usize) {
        let mut left = lines;
        while left > 0 {
            let step = left.min(4096 / LINE);
            let to = self.next_lines(step);
            // SAFETY: whole lines within `pages`, from a private page of at least as many; the kind was detected.
            unsafe { arch::copy_nt(self.kind, to, self.source.0.as_ptr(), step * LINE) };
            left -= step;
        }
    }

    #[inline]
    fn store_and_flush(&mut self, lines: usize) {
        for _ in 0..lines {
            let line = self.next_lines(1);
            // SAFETY: one line within `pages`, from a private page.
            unsafe { arch::copy_in(line, self.source.0.as_ptr(), LINE) };
            // SAFETY: an aligned line within `pages`; the kind was detected.
            unsafe { arch::flush_lines(self.kind, line, 1) };
        }
    }
}
