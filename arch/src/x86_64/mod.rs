//! x86-64: CLWB, CLFLUSHOPT, CLFLUSH, SFENCE; streaming stores; string copies; the CRC32 instruction.
//!
//! | file | holds |
//! |---|---|
//! | `cpu.rs` | the CPUID probe, cached |
//! | `flush.rs` | flush and fence |
//! | `stream.rs` | non-temporal copies |
//! | `copy.rs` | bulk copies and fills |
//! | `crc.rs` | CRC-32C |

mod copy;
mod cpu;
mod crc;
mod flush;
mod stream;

pub use copy::{copy_in, copy_out, fill};
pub use crc::crc32c_state;
pub use flush::{FAMILY, fence, flush_lines, prefetch, probe};
pub use stream::copy_nt;
