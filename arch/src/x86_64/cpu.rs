//! What this CPU can do, by CPUID, asked once.
//!
//! Stable Rust cannot detect CLWB and CLFLUSHOPT, and detects nothing without `std`; hence our own probe. Bits are from
//! the Intel SDM, volume 2A, "CPUID".

use core::arch::asm;
use core::arch::x86_64::{__cpuid, __cpuid_count};
use core::sync::atomic::{AtomicU8, Ordering};

/// A set of abilities.
#[derive(Clone, Copy)]
pub struct Features(u8);

/// 0 before the probe; afterwards [`Features::PROBED`] is set.
static CACHED: AtomicU8 = AtomicU8::new(0);

impl Features {
    const PROBED: u8 = 1;
    const CLFLUSH: u8 = 1 << 1;
    const CLFLUSHOPT: u8 = 1 << 2;
    const CLWB: u8 = 1 << 3;
    const AVX2: u8 = 1 << 4;
    const CRC32: u8 = 1 << 5;
    const CARRYLESS: u8 = 1 << 6;
    const AVX512: u8 = 1 << 7;

    /// The abilities of this CPU.
    #[inline(always)]
    pub fn get() -> Features {
        match CACHED.load(Ordering::Relaxed) {
            0 => probe(),
            bits => Features(bits),
        }
    }

    pub fn clflush(self) -> bool {
        self.0 & Self::CLFLUSH != 0
    }

    pub fn clflushopt(self) -> bool {
        self.0 & Self::CLFLUSHOPT != 0
    }

    pub fn clwb(self) -> bool {
        self.0 & Self::CLWB != 0
    }

    /// AVX2, and the system saves its registers.
    #[inline(always)]
    pub fn avx2(self) -> bool {
        self.0 & Self::AVX2 != 0
    }

    /// AVX-512 (foundation), and the system saves its registers.
    #[inline(always)]
    pub fn avx512(self) -> bool {
        self.0 & Self::AVX512 != 0
    }

    /// The CRC32 instruction of SSE4.2.
    #[inline(always)]
    pub fn crc32(self) -> bool {
        self.0 & Self::CRC32 != 0
    }

    /// PCLMULQDQ.
    #[inline(always)]
    pub fn carryless(self) -> bool {
        self.0 & Self::CARRYLESS != 0
    }
}

#[cold]
#[inline(never)]
#[allow(
    unused_unsafe,
    reason = "the CPUID intrinsics are unsafe in Rust 1.85 and safe in later ones"
)]
fn probe() -> Features {
    // SAFETY: every x86-64 CPU has CPUID, with leaf 0.
    let leaf_max = unsafe { __cpuid(0) }.eax;
    // SAFETY: as above; leaf 1 exists on every x86-64 CPU.
    let leaf1 = unsafe { __cpuid(1) };
    let leaf7_ebx = if leaf_max >= 7 {
        // SAFETY: as above. An unknown leaf would answer with another leaf's bits, hence the check.
        unsafe { __cpuid_count(7, 0) }.ebx
    } else {
        0
    };
    let has = |register: u32, bit: u32| (register >> bit) & 1 != 0;
    let saved = if has(leaf1.ecx, 27) && has(leaf1.ecx, 28) {
        // SAFETY: bit 27 (OSXSAVE) says that XGETBV is enabled.
        unsafe { xgetbv_0() }
    } else {
        0
    };
    // XCR0: SSE and AVX state; for AVX-512 the mask registers and all of the ZMM state, too.
    let saves = |state: u32| saved & state == state;
    let bits = [
        (Features::CLFLUSH, has(leaf1.edx, 19)),
        (Features::CLFLUSHOPT, has(leaf7_ebx, 23)),
        (Features::CLWB, has(leaf7_ebx, 24)),
        (Features::AVX2, has(leaf7_ebx, 5) && saves(0b110)),
        (Features::AVX512, has(leaf7_ebx, 16) && saves(0b1110_0110)),
        (Features::CRC32, has(leaf1.ecx, 20)),
        (Features::CARRYLESS, has(leaf1.ecx, 1)),
    ];
    let found = bits
        .iter()
        .filter(|(_, has)| *has)
        .fold(Features::PROBED, |all, (bit, _)| all | bit);
    CACHED.store(found, Ordering::Relaxed); // Relaxed: every thread finds the same
    Features(found)
}

/// The register sets that the system saves. Safety: CPUID reports OSXSAVE.
unsafe fn xgetbv_0() -> u32 {
    let low: u32;
    // SAFETY: the instruction is enabled by the caller's duty; it writes EAX and EDX only.
    unsafe {
        asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") _, options(nomem, nostack, preserves_flags))
    }
    low
}
