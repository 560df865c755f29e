//! The durability domain: what a fence on a medium really reaches.

use core::fmt;

/// Where bytes are when a fence returns, weakest first, so that a policy can ask for "at least".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Domain {
    /// Nothing survives a power cut: tmpfs, plain memory, private mappings.
    Volatile,
    /// A device accepted them through a system call (msync, fdatasync).
    Device,
    /// The memory controller has them and drains on power loss (ADR): lines must be flushed.
    MemoryController,
    /// CPU caches drain on power loss (eADR, global persistent flush): flushes are not needed, fences are.
    CpuCache,
}

impl Domain {
    /// The word that reports use.
    pub const fn name(self) -> &'static str {
        match self {
            Domain::Volatile => "volatile",
            Domain::Device => "device",
            Domain::MemoryController => "memory_controller",
            Domain::CpuCache => "cpu_cache",
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A domain, why it is that one, and by which instruction or call it is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durability {
    /// What a fence reaches.
    pub domain: Domain,
    /// Why, in words for a person.
    pub reason: &'static str,
    /// The write-back instruction or system call in use.
    pub flush: &'static str,
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {} ({})", self.domain, self.flush, self.reason)
    }
}
