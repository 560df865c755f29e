//! What operations cost, and how that compares with peers.
//!
//! | module | holds |
//! |---|---|
//! | [`bench`](mod@bench) | the operations, once for every medium: what is counted is what is timed |
//! | [`cost`] | waits, fences, lines and bytes of each operation: the part that does not drift |
//! | [`kv`] | key-value stores: ours, and those behind the feature `stores` |
//! | [`cores`] | which cores the process runs on |
//! | [`windows`] | alternating short windows, medians of ratios: the part that does |
//! | [`floor`] | raw instructions, the least that a row could take on this machine |
//! | [`pmdk`] | libpmem and libpmemobj through a small C shim; absent where they are not installed |
//! | [`regions`] | the operations on regions |
//! | [`rows`] | the rows of the comparison |

pub mod bench;
pub mod cores;
pub mod cost;
pub mod floor;
pub mod kv;
pub mod pmdk;
pub mod regions;
pub mod rows;
pub mod windows;
