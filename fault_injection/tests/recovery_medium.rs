//! The medium that recovery runs on reads and stores as every other, at every place and size.

use everline::media::Media;
use everline::units::{ByteLen, ByteOffset, ByteRange};
use everline_crash::{CrashMedia, Explorer};

const LEN: usize = 256;

fn base() -> Vec<u8> {
    (0..LEN).map(|at| (at * 37 % 251) as u8).collect()
}

fn at(place: usize) -> ByteOffset {
    ByteOffset::new(place as u64)
}

/// Runs `recover` once, on a medium with some words open and all others as in [`base`].
fn recovered<O: Clone + Eq + std::fmt::Debug>(
    granule: u64,
    recover: impl Fn(&CrashMedia) -> O,
) -> Vec<O> {
    let media = CrashMedia::with_base(base()).tearing_at(granule);
    media.store64(
        at(0),
        u64::from_le_bytes(base()[..8].try_into().expect("eight")),
    );
    let seen = std::cell::RefCell::new(Vec::new());
    let report = Explorer::new().kill_steps(0).nested_depth(0).explore(
        &media.recording(),
        recover,
        |_, answer| {
            seen.borrow_mut().push(answer.clone());
            Ok(())
        },
    );
    report.assert_clean();
    seen.into_inner()
}

#[test]
fn loads_of_every_size_at_every_place_read_what_is_there() {
    for granule in [4, 8] {
        let bytes = base();
        let wrong = recovered(granule, |media| {
            let mut wrong = Vec::new();
            for place in 0..LEN {
                let wanted = |size: usize| {
                    let mut word = [0; 8];
                    word[..size].copy_from_slice(&bytes[place..place + size]);
                    u64::from_le_bytes(word)
                };
                let fits = |size: usize| place % size == 0 && place + size <= LEN;
                let loads = [
                    (1, u64::from(media.load8(at(place)))),
                    (
                        2,
                        if fits(2) {
                            media.load16(at(place)).into()
                        } else {
                            0
                        },
                    ),
                    (
                        4,
                        if fits(4) {
                            media.load32(at(place)).into()
                        } else {
                            0
                        },
                    ),
                    (8, if fits(8) { media.load64(at(place)) } else { 0 }),
                ];
                for (size, found) in loads.into_iter().filter(|(size, _)| fits(*size)) {
                    if found != wanted(size) {
                        wrong.push((place, size));
                    }
                }
            }
            wrong
        });
        assert!(wrong.iter().all(Vec::is_empty), "{granule}: {wrong:?}");
    }
}

#[test]
fn reads_of_any_range_read_what_is_there() {
    for granule in [4, 8] {
        let bytes = base();
        let wrong = recovered(granule, |media| {
            let mut wrong = Vec::new();
            for place in (0..40).chain([LEN - 9]) {
                for len in 0..=(LEN - place).min(21) {
                    let mut found = vec![0; len];
                    media.read(at(place), &mut found);
                    if found != bytes[place..place + len] {
                        wrong.push((place, len));
                    }
                }
            }
            wrong
        });
        assert!(wrong.iter().all(Vec::is_empty), "{granule}: {wrong:?}");
    }
}

#[test]
fn what_recovery_stores_in_part_of_a_word_is_beside_what_was_there() {
    for granule in [4, 8] {
        let wrong = recovered(granule, |media| {
            let mut wanted = base();
            media.store8(at(13), 0xAA);
            media.store16(at(22), 0xBBCC);
            media.store32(at(36), 0xDDEE_FF11);
            media.write(at(61), &[7; 11]);
            media.fill(ByteRange::at(90, 9).expect("small"), 5);
            wanted[13] = 0xAA;
            wanted[22..24].copy_from_slice(&0xBBCCu16.to_le_bytes());
            wanted[36..40].copy_from_slice(&0xDDEE_FF11u32.to_le_bytes());
            wanted[61..72].fill(7);
            wanted[90..99].fill(5);
            let mut found = vec![0; LEN];
            media.read(at(0), &mut found);
            (0..LEN)
                .filter(|at| found[*at] != wanted[*at])
                .collect::<Vec<_>>()
        });
        assert!(wrong.iter().all(Vec::is_empty), "{granule}: {wrong:?}");
    }
}

#[test]
fn what_recovery_cuts_off_and_lets_grow_again_reads_as_fresh() {
    let seen = recovered(8, |media| {
        media.set_len(ByteLen::new(64)).expect("a cut");
        let short = media.len().get();
        media.set_len(ByteLen::new(LEN as u64 + 64)).expect("room");
        let mut found = vec![0; LEN + 64];
        media.read(at(0), &mut found);
        (short, media.len().get(), found)
    });
    let mut wanted = base();
    wanted[64..].fill(0xA1);
    wanted.resize(LEN + 64, 0xA1);
    assert!(
        seen.iter()
            .all(|seen| *seen == (64, LEN as u64 + 64, wanted.clone()))
    );
}

#[test]
fn what_one_recovery_did_is_gone_for_the_next() {
    let media = CrashMedia::with_base(base());
    media.store64(at(8), 1);
    let seen = std::cell::RefCell::new(Vec::new());
    Explorer::new().kill_steps(0).nested_depth(0).explore(
        &media.recording(),
        |media| {
            let found = (
                media.load64(at(8)),
                media.load64(at(128)),
                media.len().get(),
            );
            media.store64(at(128), 77);
            media.set_len(ByteLen::new(136)).expect("a cut");
            found
        },
        |_, found| {
            seen.borrow_mut().push(*found);
            Ok(())
        },
    );
    let word =
        |place: usize| u64::from_le_bytes(base()[place..place + 8].try_into().expect("eight"));
    let (old, far) = (word(8), word(128));
    let seen = seen.into_inner();
    assert!(
        seen.contains(&(1, far, LEN as u64)) && seen.contains(&(old, far, LEN as u64)),
        "{seen:?}"
    );
    assert_eq!(seen.len(), 2, "{seen:?}");
}
