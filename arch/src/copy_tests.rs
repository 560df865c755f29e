//! Every bulk copy at every offset and length: the range is right, and no byte beside it changes (A5).

use crate::{FlushKind, copy_in, copy_nt, copy_out, fence, fill, rung};

const OFFSETS: usize = 128;
const LEN_MAX: usize = 300;
const GUARD: u8 = 0xA5;

/// Room for every offset and length, with guards behind, starting at a line.
#[repr(align(64))]
struct Arena([u8; OFFSETS + LEN_MAX + 64]);

impl Arena {
    fn guarded() -> Arena {
        Arena([GUARD; OFFSETS + LEN_MAX + 64])
    }

    #[track_caller]
    fn assert_only(&self, at: usize, expected: &[u8]) {
        let (before, rest) = self.0.split_at(at);
        let (inside, behind) = rest.split_at(expected.len());
        let len = expected.len();
        assert!(
            before.iter().all(|&byte| byte == GUARD),
            "a byte before {at}+{len} changed"
        );
        assert_eq!(inside, expected, "{at}+{len}");
        assert!(
            behind.iter().all(|&byte| byte == GUARD),
            "a byte behind {at}+{len} changed"
        );
    }
}

/// Calls `check` with every target offset and length, and a source at a shifted alignment.
fn for_every_offset_and_length(check: impl Fn(usize, &[u8])) {
    let (offset_step, len_step) = if cfg!(miri) { (13, 29) } else { (1, 1) };
    let source: [u8; LEN_MAX + 16] = core::array::from_fn(|at| (at % 160) as u8 + 1);
    for at in (0..OFFSETS).step_by(offset_step) {
        for len in (0..=LEN_MAX).step_by(len_step) {
            let from = (at * 5 + len) % 16;
            check(at, &source[from..from + len]);
        }
    }
}

fn kinds_to_run() -> impl Iterator<Item = FlushKind> {
    [rung::probe(), FlushKind::Portable].into_iter()
}

#[test]
fn copy_nt_writes_its_range_and_nothing_else() {
    for kind in kinds_to_run() {
        for_every_offset_and_length(|at, source| {
            let mut arena = Arena::guarded();
            // SAFETY: offset plus length fit the arena, which is whole lines; the kind was probed.
            unsafe {
                copy_nt(
                    kind,
                    arena.0.as_mut_ptr().wrapping_add(at),
                    source.as_ptr(),
                    source.len(),
                )
            };
            fence(kind);
            arena.assert_only(at, source);
        });
    }
}

#[test]
fn copy_in_writes_its_range_and_nothing_else() {
    for_every_offset_and_length(|at, source| {
        let mut arena = Arena::guarded();
        // SAFETY: offset plus length fit the arena; nobody else touches it.
        unsafe {
            copy_in(
                arena.0.as_mut_ptr().wrapping_add(at),
                source.as_ptr(),
                source.len(),
            )
        };
        arena.assert_only(at, source);
    });
}

#[test]
fn copy_out_writes_its_range_and_nothing_else() {
    for_every_offset_and_length(|at, source| {
        let mut arena = Arena::guarded();
        // SAFETY: offset plus length fit the arena; nobody else touches it.
        unsafe {
            copy_out(
                arena.0.as_mut_ptr().wrapping_add(at),
                source.as_ptr(),
                source.len(),
            )
        };
        arena.assert_only(at, source);
    });
}

#[test]
fn fill_writes_its_range_and_nothing_else() {
    let expected = [0x5C; LEN_MAX];
    for_every_offset_and_length(|at, source| {
        let mut arena = Arena::guarded();
        // SAFETY: offset plus length fit the arena; nobody else touches it.
        unsafe { fill(arena.0.as_mut_ptr().wrapping_add(at), 0x5C, source.len()) };
        arena.assert_only(at, &expected[..source.len()]);
    });
}

#[test]
fn long_copies_of_whole_lines_are_exact() {
    #[repr(align(64))]
    struct Lines([u8; 8192]);
    let source: [u8; 8192] = crate::crc_tests::noise(5);
    for kind in kinds_to_run() {
        for lines in [1, 2, 3, 4, 5, 16, 127, 128] {
            let mut target = Lines([GUARD; 8192]);
            // SAFETY: at most 128 lines of 128; the kind was probed.
            unsafe { copy_nt(kind, target.0.as_mut_ptr(), source.as_ptr(), lines * 64) };
            fence(kind);
            assert_eq!(
                target.0[..lines * 64],
                source[..lines * 64],
                "{kind}, {lines} lines"
            );
            assert!(
                target.0[lines * 64..].iter().all(|&byte| byte == GUARD),
                "{kind}, {lines} lines"
            );
        }
    }
}
