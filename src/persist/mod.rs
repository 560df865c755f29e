//! Dirty → Flushed → Durable, consumed by value; one fence for many; a publish asks for a Durable.
//!
//! ```text
//! View::write ──▶ Dirty ──flush──▶ Flushed ──fence──▶ Durable ──publish──▶ Dirty (the slot)
//! View::write_nt ──────────────────▶ Flushed
//! ```
//!
//! Invariants
//! P1  [`fence`] and [`Pending::fence`] are the only callers of the medium's fence.
//! P2  a [`Flushed`] stays on the thread that flushed it, since a fence orders only its own thread.
//! P3  nothing is published before what it points to is durable: [`View::publish`] borrows a [`Durable`].
//! Crash: a `Dirty` or `Flushed` range may hold, word by word, any value stored since it was last durable.
//!
//! ```
//! use everline::media::{Media, Ram};
//! use everline::persist::{View, fence};
//! use everline::units::{ByteLen, ByteOffset};
//!
//! let ram = Ram::new(ByteLen::new(4096));
//! let view = View::new(&ram);
//! let body = view.write(ByteOffset::new(256), b"hello")?.flush();
//! let mark = view.write_nt(ByteOffset::new(512), &[1; 64])?;
//! let (body, _mark) = fence((body, mark))?; // one wait for both
//! let slot = view.publish(ByteOffset::new(64), &body)?.flush();
//! fence(slot)?;
//! assert_eq!(ram.load64(ByteOffset::new(64)), 256);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod fence;
mod pending;
mod view;

pub use fence::{FenceAll, fence};
pub use pending::Pending;
pub use view::{Dirty, Durable, Flushed, View, ViewError};
