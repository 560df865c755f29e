//! Non-temporal copies: MOVNTI, MOVNTDQ and its AVX2 and AVX-512 forms.
//!
//! ```text
//! |hh|wwwwwww|LLLLLLLLLLLLLLLL|LLLLLLLLLLLLLLLL|www|tt|
//!  h head, t tail: plain stores + flush; w 8-byte MOVNTI; L whole lines
//! ```
//!
//! Invariants
//! - S1  every byte is streamed, or lies in a line flushed after all stores to it;
//! - S2  an aligned 8-byte word is stored by one instruction, so it cannot tear below the fail-atomic unit;
//! - S3  all stores are assembly, so a race on the target is no undefined behaviour.

use core::arch::asm;
use core::arch::x86_64::__m128i;

use super::copy::copy_in;
use super::cpu::Features;
use super::flush::flush_lines;
use crate::edges::{Lines, WORD, WordSpan};
use crate::{FLUSH_LINE, FlushKind, cached};

/// From so many lines on, a loop over wide registers repays its dispatch.
const WIDE_LINES_MIN: usize = 4;

/// Safety: as [`crate::copy_nt`].
#[inline(always)]
pub unsafe fn copy_nt(kind: FlushKind, dst: *mut u8, src: *const u8, len: usize) {
    if kind != FlushKind::Portable && (dst.addr() | len) % FLUSH_LINE == 0 {
        // SAFETY: whole aligned lines, as just checked.
        unsafe { stream_lines(dst, src, len / FLUSH_LINE) }
    } else {
        // SAFETY: the duties are the same.
        unsafe { stream_any(kind, dst, src, len) }
    }
}

/// Any kind, a range of any alignment: edges, words, lines. Safety: as [`crate::copy_nt`].
unsafe fn stream_any(kind: FlushKind, dst: *mut u8, src: *const u8, len: usize) {
    if kind == FlushKind::Portable {
        // SAFETY: the duties are the same.
        return unsafe { cached::copy_nt(kind, dst, src, len) };
    }
    let span = WordSpan::of(dst.addr(), len);
    let body = dst.wrapping_add(span.head_bytes);
    let body_src = src.wrapping_add(span.head_bytes);
    let body_bytes = span.words * WORD;
    // SAFETY: the body is whole aligned words within the range (E1).
    unsafe { stream_words_and_lines(body, body_src, span.words) };
    // SAFETY: the head is the first bytes of the range.
    unsafe { copy_in(dst, src, span.head_bytes) };
    // SAFETY: the tail is the last bytes of the range.
    unsafe {
        copy_in(
            body.wrapping_add(body_bytes),
            body_src.wrapping_add(body_bytes),
            span.tail_bytes,
        )
    };
    for line in edge_lines(dst.addr(), len, span).into_iter().flatten() {
        // SAFETY: the line covers an edge of the range, so it is mapped (duty 3); the kind runs (duty 4).
        unsafe { flush_lines(kind, dst.with_addr(line), 1) };
    }
}

/// The lines that hold plainly stored edges, each once: the only ones to flush (S1).
fn edge_lines(addr: usize, len: usize, span: WordSpan) -> [Option<usize>; 2] {
    let line_of = |byte: usize| byte - Lines::covering(byte, 1).before;
    let head = (span.head_bytes > 0).then(|| line_of(addr));
    let tail = (span.tail_bytes > 0).then(|| line_of(addr + len - 1));
    [head, tail.filter(|_| tail != head)]
}

/// Safety: `dst` is aligned to 8; as [`crate::copy_nt`] for `words` words.
#[inline(always)]
unsafe fn stream_words_and_lines(dst: *mut u8, src: *const u8, words: usize) {
    let words_to_line = dst.addr().wrapping_neg() % FLUSH_LINE / WORD;
    let before = words.min(words_to_line);
    let lines = (words - before) * WORD / FLUSH_LINE;
    let at = before * WORD;
    let end = at + lines * FLUSH_LINE;
    // SAFETY: the first `before` words of the range.
    unsafe { stream_words(dst, src, before) };
    // SAFETY: line-aligned unless `lines` is 0, and within the range.
    unsafe { stream_lines(dst.wrapping_add(at), src.wrapping_add(at), lines) };
    // SAFETY: the words that are left.
    unsafe {
        stream_words(
            dst.wrapping_add(end),
            src.wrapping_add(end),
            words - end / WORD,
        )
    };
}

/// Safety: `dst` is aligned to 8; as [`crate::copy_nt`] for `words` words.
#[inline(always)]
unsafe fn stream_words(dst: *mut u8, src: *const u8, words: usize) {
    for at in (0..words * WORD).step_by(WORD) {
        // SAFETY: within the readable source.
        let word = unsafe { src.wrapping_add(at).cast::<u64>().read_unaligned() };
        // SAFETY: within the writable target. Not `nomem`: it writes memory.
        unsafe {
            asm!(
                "movnti [{0}], {1}",
                in(reg) dst.wrapping_add(at), in(reg) word,
                options(nostack, preserves_flags)
            )
        };
    }
}

/// Safety: `dst` is line-aligned (unless `lines` is 0); as [`crate::copy_nt`] for `lines` lines.
#[inline(always)]
unsafe fn stream_lines(dst: *mut u8, src: *const u8, lines: usize) {
    let wide = lines >= WIDE_LINES_MIN;
    if wide && Features::get().avx512() {
        // SAFETY: the duties are the same; AVX-512 was probed, and there is a line.
        unsafe { stream_lines_avx512(dst, src, lines) }
    } else if wide && Features::get().avx2() {
        // SAFETY: the duties are the same; AVX2 was probed, and there is a line.
        unsafe { stream_lines_avx2(dst, src, lines) }
    } else {
        for at in (0..lines * FLUSH_LINE).step_by(FLUSH_LINE) {
            // SAFETY: one aligned line within the range.
            unsafe { stream_line(dst.wrapping_add(at), src.wrapping_add(at)) };
        }
    }
}

/// Safety: `dst` is line-aligned; as [`crate::copy_nt`] for one line.
#[inline(always)]
unsafe fn stream_line(dst: *mut u8, src: *const u8) {
    // SAFETY: one line of the readable source.
    let [a, b, c, d] = unsafe { src.cast::<[__m128i; 4]>().read_unaligned() };
    // SAFETY: one line of the writable target, 16-byte aligned. Not `nomem`: it writes memory.
    unsafe {
        asm!(
            "movntdq [{dst}], {a}",
            "movntdq [{dst} + 16], {b}",
            "movntdq [{dst} + 32], {c}",
            "movntdq [{dst} + 48], {d}",
            dst = in(reg) dst, a = in(xmm_reg) a, b = in(xmm_reg) b, c = in(xmm_reg) c, d = in(xmm_reg) d,
            options(nostack, preserves_flags)
        );
    }
}

/// One instruction a line: it leaves the core whole, so no write-combining buffer is ever flushed half-full.
///
/// Safety: as [`stream_lines`]; the CPU has AVX-512, and `lines` is not 0.
#[inline(always)]
unsafe fn stream_lines_avx512(dst: *mut u8, src: *const u8, lines: usize) {
    // SAFETY: reads and writes `lines` lines from pointers the caller vouches for; VZEROUPPER clears the upper parts
    // of the first sixteen vector registers, so all of them are named as clobbered.
    unsafe {
        asm!(
            "2:",
            "vmovdqu64 zmm0, [{src}]",
            "vmovntdq [{dst}], zmm0",
            "add {src}, 64",
            "add {dst}, 64",
            "dec {lines}",
            "jnz 2b",
            "vzeroupper",
            src = inout(reg) src => _, dst = inout(reg) dst => _, lines = inout(reg) lines => _,
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _,
            out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            options(nostack)
        );
    }
}

/// Safety: as [`stream_lines`]; the CPU has AVX2, and `lines` is not 0.
#[inline(always)]
unsafe fn stream_lines_avx2(dst: *mut u8, src: *const u8, lines: usize) {
    // SAFETY: reads and writes `lines` lines from pointers the caller vouches for; VZEROUPPER clears the upper halves
    // of all vector registers, so all are named as clobbered.
    unsafe {
        asm!(
            "2:",
            "vmovdqu ymm0, [{src}]",
            "vmovdqu ymm1, [{src} + 32]",
            "vmovntdq [{dst}], ymm0",
            "vmovntdq [{dst} + 32], ymm1",
            "add {src}, 64",
            "add {dst}, 64",
            "dec {lines}",
            "jnz 2b",
            "vzeroupper",
            src = inout(reg) src => _, dst = inout(reg) dst => _, lines = inout(reg) lines => _,
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _,
            out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            options(nostack)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{
        FLUSH_LINE, Features, WORD, WordSpan, edge_lines, stream_lines_avx2, stream_lines_avx512,
    };

    #[repr(align(64))]
    struct Lines([u8; 9 * FLUSH_LINE]);

    type Loop = unsafe fn(*mut u8, *const u8, usize);

    /// The best loop hides the others in every other test.
    #[test]
    fn j1_every_loop_that_this_cpu_runs_copies_its_lines_and_nothing_else() {
        let source: [u8; 9 * FLUSH_LINE] = core::array::from_fn(|at| at as u8 ^ 0x5a);
        let loops: [(bool, Loop); 2] = [
            (Features::get().avx2(), stream_lines_avx2),
            (Features::get().avx512(), stream_lines_avx512),
        ];
        for (_, stream) in loops.into_iter().filter(|(runs, _)| *runs) {
            for lines in 1..=7 {
                let mut target = Lines([0xee; 9 * FLUSH_LINE]);
                // An unaligned source, as callers have.
                let from = &source[1..];
                let to = target.0.as_mut_ptr().wrapping_add(FLUSH_LINE);
                // SAFETY: the CPU has the instructions; lines 1 to 7 of nine, from a source as long.
                unsafe { stream(to, from.as_ptr(), lines) };
                let end = FLUSH_LINE * (1 + lines);
                assert_eq!(target.0[FLUSH_LINE..end], from[..lines * FLUSH_LINE]);
                assert!(target.0[..FLUSH_LINE].iter().all(|byte| *byte == 0xee));
                assert!(target.0[end..].iter().all(|byte| *byte == 0xee));
            }
        }
    }

    #[test]
    fn j2_exactly_the_lines_with_plain_edges_are_flushed_once() {
        for addr in 1024..1024 + 2 * FLUSH_LINE {
            for len in 0..=300 {
                let flushed = edge_lines(addr, len, WordSpan::of(addr, len));
                let streamed_from = addr.next_multiple_of(WORD);
                let streamed_until = (addr + len) / WORD * WORD;
                let plain =
                    (addr..addr + len).filter(|at| *at < streamed_from || *at >= streamed_until);
                let mut expected = [None; 2];
                for line in plain.map(|at| at / FLUSH_LINE * FLUSH_LINE) {
                    if !expected.contains(&Some(line)) {
                        let slot = expected
                            .iter()
                            .position(Option::is_none)
                            .expect("two edges at most");
                        expected[slot] = Some(line);
                    }
                }
                let mut found = flushed;
                found.sort_by_key(|line| line.unwrap_or(usize::MAX));
                assert_eq!(found, expected, "{addr}+{len}");
            }
        }
    }

    #[test]
    fn j2_aligned_words_and_empty_ranges_need_no_flush() {
        for (addr, len) in [(64, 0), (65, 0), (64, 64), (8, 16), (56, 16)] {
            assert_eq!(
                edge_lines(addr, len, WordSpan::of(addr, len)),
                [None, None],
                "{addr}+{len}"
            );
        }
    }
}
