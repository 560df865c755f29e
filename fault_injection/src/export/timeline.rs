//! The timeline: one row for each event, a lane for each thread and for each line, and on the lanes what becomes of a
//! store.
//!
//! ```text
//!                               thread 0   0x0   0x40
//!   0 store 8 at 0x40  a.rs:12             │      ●
//!   1 flush 0x40       a.rs:13             │      ▲   each store down to the flush that covers it
//!   2 fence            a.rs:14      ■──────┼──────┘   each flush to the fence that completes it
//! ```

mod draw;
mod gather;

use crate::record::Recording;
use gather::Picture;

/// Rows and lanes of lines that are drawn; a picture says so where there are more.
const ROWS: usize = 512;
const LINES: usize = 48;

impl Recording {
    /// A picture of store → flush → fence as SVG, for a browser: the first 512 events, after
    /// [`start_at_last_mark`](Recording::start_at_last_mark) those since the mark, on the first 48 lines that they touch;
    /// it says what it leaves out. A mark that is pointed at tells all of its event. Red stores were never flushed, amber
    /// ones not fenced, green ones are durable at the end of what is shown.
    pub fn timeline_svg(&self) -> String {
        let picture = Picture::of(self);
        picture.svg()
    }
}
