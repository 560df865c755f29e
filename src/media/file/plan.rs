//! The decision: what a place's facts make of a file there. Pure; `probe.rs` gathers the facts.
//!
//! | facts | domain | reached by |
//! |---|---|---|
//! | `MAP_SYNC`, platform says `cpu_cache` | cpu_cache | fence instruction |
//! | `MAP_SYNC` | memory_controller | flush and fence instructions |
//! | `MAP_SYNC`, no known instruction | device | msync |
//! | assumed persistent on request | memory_controller | flush and fence instructions |
//! | a file system or device in memory | volatile | nothing |
//! | anything else | device | msync |

use everline_arch::FlushKind;

use super::sys::Sharing;
use crate::media::{Domain, Durability};

/// What sort of file system it is, as far as durability goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// On a local device.
    Local,
    /// In memory: tmpfs, ramfs, a RAM disk.
    Memory,
    /// Network or user space: promises nothing about mappings.
    Foreign,
}

/// What the platform says of persistent memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PlatformDomain {
    /// Flush to the memory controller.
    MemoryController,
    /// The caches drain by themselves.
    CpuCache,
}

/// Everything that the decision depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) class: Class,
    pub(super) map_sync: bool,
    pub(super) platform: Option<PlatformDomain>,
    pub(super) instruction: FlushKind,
    pub(super) assume_persistent: bool,
}

/// How a fence makes things durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Flush and fence instructions.
    Instruction,
    /// msync at the fence.
    Msync,
    /// Not at all.
    Nothing,
}

/// How the file is mapped and made durable.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) sharing: Sharing,
    pub(super) route: Route,
    pub(super) instruction: FlushKind,
    pub(super) durability: Durability,
}

impl Facts {
    /// The decision.
    pub(super) fn plan(&self) -> Plan {
        let sharing = if self.map_sync {
            Sharing::Synchronous
        } else {
            Sharing::Shared
        };
        let (route, domain, reason) = self.decide();
        Plan {
            sharing,
            route,
            instruction: self.instruction,
            durability: Durability {
                domain,
                reason,
                flush: match route {
                    Route::Instruction => self.instruction.name(),
                    Route::Msync => "msync",
                    Route::Nothing => "nothing",
                },
            },
        }
    }

    fn decide(&self) -> (Route, Domain, &'static str) {
        let flushes = self.instruction.is_durable();
        if self.map_sync && flushes {
            return match self.platform {
                Some(PlatformDomain::CpuCache) => (
                    Route::Instruction,
                    Domain::CpuCache,
                    "persistent memory mapped with MAP_SYNC; the platform drains CPU caches on power loss",
                ),
                Some(PlatformDomain::MemoryController) => (
                    Route::Instruction,
                    Domain::MemoryController,
                    "persistent memory mapped with MAP_SYNC; the platform drains the memory controller on power loss",
                ),
                None => (
                    Route::Instruction,
                    Domain::MemoryController,
                    "persistent memory mapped with MAP_SYNC; the platform names no persistence domain",
                ),
            };
        }
        if self.assume_persistent {
            return (
                Route::Instruction,
                Domain::MemoryController,
                "assumed persistent on request",
            );
        }
        match (self.class, self.map_sync) {
            (Class::Memory, _) => (
                Route::Nothing,
                Domain::Volatile,
                "the file system keeps its files in memory",
            ),
            (Class::Foreign, _) => (
                Route::Msync,
                Domain::Device,
                "a network or user-space file system accepted by request; what msync reaches is up to it",
            ),
            (Class::Local, true) => (
                Route::Msync,
                Domain::Device,
                "persistent memory, but this CPU has no write-back instruction that we know",
            ),
            (Class::Local, false) => (
                Route::Msync,
                Domain::Device,
                "a file system without MAP_SYNC; a fence writes pages to the device",
            ),
        }
    }

    /// What a person could change to get more.
    pub(super) fn advice(&self, dax_capable: bool) -> &'static str {
        match (self.decide().1, self.class) {
            (Domain::Volatile, _) => {
                "move the pool to a file system on a device; if this memory is battery-backed, open with assume_persistent"
            }
            (Domain::CpuCache, _) => "nothing: this is the best there is",
            (Domain::MemoryController, _) if !self.map_sync => {
                "nothing is known to survive a power cut here except by your word; for real durability use a device"
            }
            (Domain::MemoryController, _) => "nothing: stores are durable by CPU instructions",
            (Domain::Device, Class::Foreign) => "use a local file system",
            (Domain::Device, _) if self.map_sync => "use a CPU with CLWB, DC CVAP or CBO.CLEAN",
            (Domain::Device, _) if dax_capable => {
                "the device is persistent memory: mount its file system with -o dax for fences without a system call"
            }
            (Domain::Device, _) => {
                "nothing for safety; for faster fences use persistent memory mounted with -o dax"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            class: Class::Local,
            map_sync: false,
            platform: None,
            instruction: FlushKind::Clwb,
            assume_persistent: false,
        }
    }

    fn reached(facts: Facts) -> (Domain, Route) {
        let plan = facts.plan();
        (plan.durability.domain, plan.route)
    }

    #[test]
    fn a21_each_kind_of_place_gets_its_own_domain() {
        let dax = Facts {
            map_sync: true,
            ..facts()
        };
        let with = |platform| Facts {
            platform: Some(platform),
            ..dax
        };
        assert_eq!(reached(facts()), (Domain::Device, Route::Msync));
        assert_eq!(reached(dax), (Domain::MemoryController, Route::Instruction));
        assert_eq!(
            reached(with(PlatformDomain::MemoryController)),
            (Domain::MemoryController, Route::Instruction)
        );
        assert_eq!(
            reached(with(PlatformDomain::CpuCache)),
            (Domain::CpuCache, Route::Instruction)
        );
        let tmpfs = Facts {
            class: Class::Memory,
            ..facts()
        };
        assert_eq!(reached(tmpfs), (Domain::Volatile, Route::Nothing));
    }

    #[test]
    fn persistence_is_assumed_only_on_request_and_said_so() {
        let tmpfs = Facts {
            class: Class::Memory,
            assume_persistent: true,
            ..facts()
        };
        assert_eq!(
            reached(tmpfs),
            (Domain::MemoryController, Route::Instruction)
        );
        assert_eq!(
            tmpfs.plan().durability.reason,
            "assumed persistent on request"
        );
    }

    #[test]
    fn persistent_memory_without_a_flush_instruction_goes_through_msync() {
        let old_cpu = Facts {
            map_sync: true,
            instruction: FlushKind::Portable,
            ..facts()
        };
        assert_eq!(reached(old_cpu), (Domain::Device, Route::Msync));
    }
}
