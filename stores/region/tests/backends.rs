//! The operations on regions end alike on every kind of target: mapped file, explicit input and output, memory.
#![cfg(unix)]

mod tools;

use std::collections::HashSet;

use everline_region::{
    Counts, Extent, RegionError, RegionId, RegionOptions, Target, TargetKind, WriteMode,
};
use tools::backends::for_each_backend;
use tools::*;

const MIB: u64 = 1 << 20;

fn all(target: &Target, id: RegionId) -> Vec<u8> {
    target.read_all(id).expect("there")
}

fn growable() -> RegionOptions<'static> {
    RegionOptions {
        growable: true,
        ..UNNAMED
    }
}

#[test]
fn a18_b1_b27_b28_identifiers_are_distinct_sixteen_bytes_and_stay() {
    for_each_backend(|backend| {
        let target = backend.open(4 * MIB);
        let ids: Vec<RegionId> = (0..1000)
            .map(|_| target.create(8, &UNNAMED).expect("space"))
            .collect();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 1000);
        for (number, id) in ids.iter().enumerate() {
            target
                .write(*id, 0, &(number as u64).to_le_bytes())
                .expect("inside");
        }
        let target = backend.reopen(target);
        for (number, id) in ids.iter().enumerate() {
            let kept = RegionId::from_bytes(*id.as_bytes());
            assert_eq!(kept, *id);
            assert_eq!(id.to_string().parse(), Ok(*id));
            assert_eq!(all(&target, kept), (number as u64).to_le_bytes());
        }
        let target = backend.reopen_unclean(target);
        assert_eq!(all(&target, ids[77]), 77u64.to_le_bytes());
        assert_clean(&target);
    });
}

#[test]
fn a18_b2_a_growable_region_ends_at_its_highest_written_byte() {
    for_each_backend(|backend| {
        let target = backend.open(8 * MIB);
        let id = target.create(0, &growable()).expect("space");
        target.write(id, 0, &pattern(1024, 1)).expect("it grows");
        target.write(id, 1024, &pattern(1024, 2)).expect("it grows");
        assert_eq!(target.size(id), Ok(2048));
        target.write(id, MIB, b"far").expect("it grows");
        let target = backend.reopen(target);
        assert_eq!(target.size(id), Ok(MIB + 3));
        let bytes = all(&target, id);
        assert_eq!(bytes[..1024], pattern(1024, 1));
        assert_eq!(bytes[1024..2048], pattern(1024, 2));
        assert!(bytes[2048..MIB as usize].iter().all(|byte| *byte == 0));
        assert_eq!(&bytes[MIB as usize..], b"far");
        assert_clean(&target);
    });
}

#[test]
fn a18_b3_b4_b5_new_regions_are_zero_and_bad_sizes_change_nothing() {
    for_each_backend(|backend| {
        let target = backend.open(2 * MIB);
        let id = target.create_with(&[0xFF; 5000], &UNNAMED).expect("space");
        target.destroy(id).expect("there");
        let id = target.create(5000, &UNNAMED).expect("space");
        assert_eq!(all(&target, id), [0; 5000]);
        let before = target.space().expect("readable");
        assert_eq!(target.create(0, &UNNAMED), Err(RegionError::InvalidSize));
        for len in [u64::MAX, u64::MAX - 7, 1 << 48, 2 * MIB] {
            let refused = target.create(len, &UNNAMED);
            assert!(
                matches!(refused, Err(RegionError::NoSpace { .. })),
                "{len}: {refused:?}"
            );
        }
        let after = target.space().expect("readable");
        assert_eq!(
            (after.used_bytes, after.free_bytes, after.regions),
            (before.used_bytes, before.free_bytes, before.regions)
        );
    });
}

#[test]
fn a18_b6_b14_writes_and_reads_touch_exactly_their_bytes() {
    for_each_backend(|backend| {
        let target = backend.open(2 * MIB);
        let id = target.create(1000, &UNNAMED).expect("space");
        target.write(id, 100, b"hundred").expect("inside");
        target.write(id, 500, b"five hundred").expect("inside");
        let target = backend.reopen(target);
        let mut expected = vec![0; 1000];
        expected[100..107].copy_from_slice(b"hundred");
        expected[500..512].copy_from_slice(b"five hundred");
        assert_eq!(all(&target, id), expected);
        let mut part = [0; 10];
        target.read(id, 498, &mut part).expect("inside");
        assert_eq!(part, expected[498..508]);
    });
}

#[test]
fn a18_b7_b8_b9_b10_b12_lists_scatter_gather_and_later_ones_win() {
    for_each_backend(|backend| {
        let target = backend.open(2 * MIB);
        let id = target.create(64, &UNNAMED).expect("space");
        let list = [Extent::new(0, 3), Extent::new(10, 2)];
        for mode in [WriteMode::Durable, WriteMode::Volatile, WriteMode::Atomic] {
            target.write(id, 0, &[0; 64]).expect("inside");
            target.scatter(id, b"abcde", &list, mode).expect("inside");
            let bytes = all(&target, id);
            assert_eq!((&bytes[..3], &bytes[10..12]), (&b"abc"[..], &b"de"[..]));
            let mut gathered = [0; 5];
            target.gather(id, &list, &mut gathered).expect("inside");
            assert_eq!(&gathered, b"abcde");
            target
                .scatter(
                    id,
                    b"12345678",
                    &[Extent::new(0, 4), Extent::new(2, 4)],
                    mode,
                )
                .expect("inside");
            assert_eq!(&all(&target, id)[..6], b"125678", "the later segment wins");
            let sources: [&[u8]; 3] = [b"ab", b"cdef", b"g"];
            let ranges = [Extent::new(20, 5), Extent::new(40, 2)];
            target
                .write_vectored(id, &sources, &ranges, mode)
                .expect("inside");
            let (mut one, mut two, mut three) = ([0; 1], [0; 5], [0; 1]);
            let mut targets: [&mut [u8]; 3] = [&mut one, &mut two, &mut three];
            target
                .read_vectored(id, &ranges, &mut targets)
                .expect("inside");
            assert_eq!((&one, &two, &three), (b"a", b"bcdef", b"g"));
        }
        let before = all(&target, id);
        let refused = target.scatter(id, b"abcdef", &list, WriteMode::Durable);
        assert!(
            matches!(refused, Err(RegionError::InvalidArgument { .. })),
            "{refused:?}"
        );
        let refused = target.gather(id, &list, &mut [0; 4]);
        assert!(
            matches!(refused, Err(RegionError::InvalidArgument { .. })),
            "{refused:?}"
        );
        assert_eq!(all(&target, id), before);
    });
}

#[test]
fn a18_b11_empty_operations_do_nothing_and_hold_nothing() {
    for_each_backend(|backend| {
        let target = backend.open(2 * MIB);
        let id = target.create(8, &UNNAMED).expect("space");
        for _ in 0..20_000 {
            target.write(id, 8, b"").expect("nothing to do");
            target.read(id, 0, &mut []).expect("nothing to do");
            target.persist(id, 4, 0).expect("nothing to do");
            target
                .scatter(id, b"", &[], WriteMode::Durable)
                .expect("nothing to do");
            target.gather(id, &[], &mut []).expect("nothing to do");
        }
        let target = backend.reopen(target);
        target.destroy(id).expect("nothing is held");
    });
}

#[test]
fn a18_b13_out_of_range_writes_nothing() {
    for_each_backend(|backend| {
        let target = backend.open(2 * MIB);
        let id = target.create(100, &UNNAMED).expect("space");
        let data = pattern(100, 9);
        target.write(id, 0, &data).expect("inside");
        for (at, len) in [
            (99, 2),
            (100, 1),
            (101, 0),
            (u64::MAX, 2),
            (u64::MAX, 1),
            (0, 101),
        ] {
            let bytes = vec![1; len as usize];
            let out = Err(RegionError::OutOfBounds {
                id,
                at,
                len,
                region_len: 100,
            });
            assert_eq!(target.write(id, at, &bytes), out);
            assert_eq!(target.read(id, at, &mut vec![0; len as usize]), out);
            assert_eq!(target.persist(id, at, len), out);
            for mode in [WriteMode::Durable, WriteMode::Volatile, WriteMode::Atomic] {
                assert_eq!(target.write_with(id, at, &bytes, mode), out);
                let list: [(u64, &[u8]); 2] = [(0, b"good"), (at, &bytes)];
                assert_eq!(target.write_list(id, &list, mode), out);
            }
        }
        assert_eq!(all(&target, id), data);
    });
}

#[test]
fn a18_b15_b16_b17_b18_every_mode_of_writing_is_there_after_reopening() {
    for_each_backend(|backend| {
        let mut target = backend.open(16 * MIB);
        for len in [1, 64, 2047, 2048, 2049, 1 << 20] {
            for mode in [WriteMode::Durable, WriteMode::Volatile, WriteMode::Atomic] {
                let id = target.create(len, &UNNAMED).expect("space");
                let data = pattern(len as usize, len as u8);
                target.write_with(id, 0, &data, mode).expect("inside");
                assert_eq!(all(&target, id), data, "visible at once");
                if mode == WriteMode::Volatile {
                    target
                        .persist_list(id, &[Extent::new(0, len)])
                        .expect("inside");
                }
                target = backend.reopen_unclean(target);
                assert_eq!(all(&target, id), data, "{len} {mode:?}");
                target.destroy(id).expect("there");
            }
        }
        assert_clean(&target);
    });
}

#[test]
fn a18_b19_b23_b24_b25_space_comes_back_and_old_identifiers_never() {
    for_each_backend(|backend| {
        let target = backend.open(MIB);
        let first = fill(&target, 3000);
        let refused = target.create_with(&[1; 3000], &named("too much"));
        assert!(matches!(refused, Err(RegionError::NoSpace { .. })));
        assert_eq!(
            target.count(),
            Ok(first.len() as u64),
            "a failed create leaves nothing"
        );
        for id in &first {
            target.destroy(*id).expect("there");
        }
        assert_eq!(fill(&target, 3000).len(), first.len());
        let old = first[3];
        let invalid = Err(RegionError::InvalidRegion { id: old });
        assert_eq!(target.destroy(old), invalid);
        assert_eq!(target.write(old, 0, b"x"), invalid);
        assert_eq!(target.read(old, 0, &mut [0]), invalid);
        assert_eq!(target.persist(old, 0, 1), invalid);
        assert_eq!(target.resize(old, 1), invalid);
        assert_eq!(target.size(old).map(drop), invalid);
        assert_eq!(target.info(old).map(drop), invalid);
        assert!(!target.exists(old));
        assert_clean(&target);
    });
}

#[test]
fn a18_b26_forged_identifiers_are_never_accepted() {
    for_each_backend(|backend| {
        let target = backend.open(MIB);
        let ids: Vec<RegionId> = (0..20)
            .map(|_| target.create(64, &UNNAMED).expect("space"))
            .collect();
        let mut random = Random(26);
        let mut forged = vec![[0; 16], [234; 16], [0xFF; 16]];
        for id in &ids {
            for bit in 0..128 {
                let mut bytes = *id.as_bytes();
                bytes[bit / 8] ^= 1 << (bit % 8);
                forged.push(bytes);
            }
            let mut shifted = *id.as_bytes();
            shifted.rotate_left(1);
            forged.push(shifted);
        }
        for _ in 0..100_000 {
            let (one, other) = (random.next().to_le_bytes(), random.next().to_le_bytes());
            forged.push(std::array::from_fn(|at| {
                if at < 8 { one[at] } else { other[at - 8] }
            }));
        }
        let before: Vec<Vec<u8>> = ids.iter().map(|id| all(&target, *id)).collect();
        for bytes in forged {
            let id = RegionId::from_bytes(bytes);
            let invalid = Err(RegionError::InvalidRegion { id });
            assert_eq!(target.write(id, 0, b"x"), invalid);
            assert_eq!(target.read(id, 0, &mut [0]), invalid);
            assert_eq!(target.persist(id, 0, 1), invalid);
            assert_eq!(target.destroy(id), invalid);
            assert_eq!(target.size(id).map(drop), invalid);
        }
        let after: Vec<Vec<u8>> = ids.iter().map(|id| all(&target, *id)).collect();
        assert_eq!(before, after);
    });
}

#[test]
fn a18_b20_b22_b29_b30_b31_regions_are_listed_named_and_described() {
    for_each_backend(|backend| {
        let target = backend.open(2 * MIB);
        let ids: Vec<RegionId> = (0..10)
            .map(|number| {
                target
                    .create(100 + number, &named(&format!("r{number}")))
                    .expect("space")
            })
            .collect();
        let refused = target.create(8, &named("r3"));
        assert!(matches!(refused, Err(RegionError::AlreadyExists { .. })));
        target.set_attributes(ids[4], b"what it is").expect("short");
        target.rename(ids[5], "renamed").expect("free");
        for id in &ids[..3] {
            target.destroy(*id).expect("there");
        }
        let target = backend.reopen(target);
        let listed = target.list().expect("a directory");
        let names: Vec<_> = listed
            .iter()
            .map(|info| info.name.clone().expect("named"))
            .collect();
        assert_eq!(names, ["r3", "r4", "renamed", "r6", "r7", "r8", "r9"]);
        assert_eq!(
            listed.iter().map(|info| info.len).collect::<Vec<_>>(),
            (103..110).collect::<Vec<_>>()
        );
        assert_eq!(target.attributes(ids[4]).expect("there"), b"what it is");
        assert_eq!(target.by_name("renamed"), Ok(ids[5]));
        assert!(matches!(
            target.by_name("r5"),
            Err(RegionError::NotFound { .. })
        ));
        assert!(target.exists(ids[3]) && !target.exists(ids[2]));
    });
}

#[test]
fn a18_b21_b32_alignment_is_honoured_and_told() {
    for_each_backend(|backend| {
        let target = backend.open(2 * MIB);
        for align in [64, 256, 4096] {
            let options = RegionOptions {
                align: Some(align),
                ..UNNAMED
            };
            let id = target.create(1000, &options).expect("space");
            let info = target.info(id).expect("there");
            assert_eq!(info.at.get() % align, 0);
            assert!(info.len == 1000 && info.capacity >= 1000);
        }
        for align in [0, 100, 8192] {
            let options = RegionOptions {
                align: Some(align),
                ..UNNAMED
            };
            assert_eq!(
                target.create(1000, &options),
                Err(RegionError::BadAlign { align })
            );
        }
    });
}

#[test]
fn a18_b34_b37_resize_keeps_the_beginning_and_a_copy_is_equal() {
    for_each_backend(|backend| {
        let target = backend.open(4 * MIB);
        let data = pattern(100_000, 3);
        let id = target.create_with(&data, &UNNAMED).expect("space");
        target.resize(id, 300_000).expect("space");
        let mut expected = data.clone();
        expected.resize(300_000, 0);
        assert_eq!(all(&target, id), expected);
        target.resize(id, 50_000).expect("shorter");
        target.resize(id, 60_000).expect("longer");
        expected.truncate(50_000);
        expected.resize(60_000, 0);
        let copy = target.copy(id).expect("space");
        let target = backend.reopen(target);
        assert_eq!(all(&target, id), expected);
        assert_eq!(all(&target, copy), expected);
        target.write(copy, 0, b"its own").expect("inside");
        assert_eq!(all(&target, id), expected, "no cross-talk");
        assert_clean(&target);
    });
}

#[test]
fn a18_e3_k13_a_full_pool_keeps_what_it_has_and_takes_more_after_a_destroy() {
    for_each_backend(|backend| {
        let target = backend.open(512 << 10);
        let ids = fill(&target, 2000);
        for (number, id) in ids.iter().enumerate() {
            match target.write(*id, 0, &pattern(2000, number as u8)) {
                Ok(()) => {}
                Err(other) => panic!("{}: {other}", backend.name()),
            }
        }
        let target = backend.reopen(target);
        for (number, id) in ids.iter().enumerate() {
            assert_eq!(all(&target, *id), pattern(2000, number as u8));
        }
        target.destroy(ids[7]).expect("there");
        target.create(2000, &UNNAMED).expect("space again");
        assert_clean(&target);
    });
}

#[test]
fn a18_e6_a_pool_grows_while_it_is_open_and_at_open_when_asked() {
    for_each_backend(|backend| {
        let mut config = backend.config(16 * MIB);
        config.max_size = Some(64 * MIB);
        let target = Target::open(config.clone()).expect("made");
        let id = target.put("a", &pattern(5000, 1)).expect("space");
        let before = target.space().expect("readable");
        target.engine().grow(32 * MIB).expect("within its capacity");
        let after = target.space().expect("readable");
        assert_eq!(after.size_bytes, 32 * MIB);
        assert_eq!(after.free_bytes, before.free_bytes + 16 * MIB);
        assert_eq!(all(&target, id), pattern(5000, 1));
        if backend.kind == TargetKind::Memory {
            return;
        }
        target.close().expect("whole");
        config.size = Some(48 * MIB);
        let target = Target::open(config.clone()).expect("there");
        assert_eq!(
            target.report().configured_len,
            Some(48 * MIB),
            "reported, not done"
        );
        assert_eq!(target.report().len, 32 * MIB);
        drop(target);
        config.grow_if_smaller = true;
        let target = Target::open(config.clone()).expect("asked for");
        let report = target.report();
        assert_eq!(
            (report.len, report.grown_from, report.configured_len),
            (48 * MIB, Some(32 * MIB), None)
        );
        assert_eq!(
            std::fs::metadata(backend.path()).expect("there").len(),
            48 * MIB
        );
        assert_eq!(all(&target, id), pattern(5000, 1));
        drop(target);
        config.size = Some(65 * MIB);
        let error = Target::open(config)
            .expect_err("beyond its capacity")
            .to_string();
        assert!(error.contains("grow"), "{error}");
        let target = backend.open(48 * MIB);
        assert_eq!(target.report().len, 48 * MIB, "as it was");
        assert_clean(&target);
    });
}

#[test]
fn e11_a_known_mix_of_operations_gives_exact_numbers() {
    for_each_backend(|backend| {
        let target = backend.open(4 * MIB);
        let other = Target::open(everline_region::TargetConfig::memory(MIB)).expect("memory");
        assert_eq!(target.counts(), Counts::default());
        let id = target.create(1000, &UNNAMED).expect("space");
        let with = target
            .create_with(&[1; 300], &named("with"))
            .expect("space");
        target.put("with", &[2; 40]).expect("space");
        target.write(id, 0, &[3; 100]).expect("inside");
        target.write_volatile(id, 0, &[3; 10]).expect("inside");
        target.write_atomic(id, 0, &[3; 20]).expect("inside");
        target
            .scatter(
                id,
                &[4; 5],
                &[Extent::new(0, 3), Extent::new(10, 2)],
                WriteMode::Atomic,
            )
            .expect("inside");
        target.persist(id, 0, 100).expect("inside");
        target
            .persist_list(id, &[Extent::new(0, 1), Extent::new(5, 1)])
            .expect("inside");
        target.read(id, 0, &mut [0; 7]).expect("inside");
        target.read_all(id).expect("there");
        target
            .gather(id, &[Extent::new(0, 3), Extent::new(10, 2)], &mut [0; 5])
            .expect("inside");
        let copy = target.copy(id).expect("space");
        target.destroy(copy).expect("there");
        // What is refused is not counted, and neither is a batch that was aborted.
        target.write(id, 999, &[1; 2]).expect_err("outside");
        target.read(with, 0, &mut [0]).expect_err("replaced");
        target.create(0, &UNNAMED).expect_err("no bytes");
        target.create(8, &named("with")).expect_err("taken");
        let mut batch = target.batch().expect("a lane");
        batch.put("gone", b"gone").expect("space");
        batch.abort().expect("nothing to restore");
        let mut batch = target.batch().expect("a lane");
        batch.create(10, &UNNAMED).expect("space");
        batch.create(10, &named("with")).expect_err("taken");
        batch.write_atomic(id, 0, &[1; 6]).expect("inside");
        batch.commit().expect("room");
        let expected = Counts {
            reads: 3,
            bytes_read: 7 + 1000 + 5,
            writes: 2 + 4 + 1,
            bytes_written: 300 + 40 + 100 + 10 + 20 + 5 + 6,
            atomic_writes: 3,
            persists: 2,
            creates: 5,
            destroys: 2,
        };
        assert_eq!(target.counts(), expected, "{}", backend.name());
        assert_eq!(other.counts(), Counts::default(), "each pool has its own");
        let target = backend.reopen(target);
        if backend.kind != TargetKind::Memory {
            assert_eq!(
                target.counts(),
                Counts::default(),
                "since the pool was opened"
            );
        }
    });
}

/// The same operations in the same order leave the same regions on every kind of target.
#[test]
fn a18_random_operations_end_alike_on_every_kind() {
    let outcomes = std::cell::RefCell::new(Vec::new());
    for_each_backend(|backend| {
        let mut random = Random(18);
        let mut target = backend.open(64 * MIB);
        let mut live: Vec<RegionId> = Vec::new();
        let mut log = Vec::new();
        for turn in 0..600u64 {
            match random.below(9) {
                0..=2 => {
                    let len = 1 + random.below(30_000);
                    let options = RegionOptions {
                        growable: random.below(2) == 0,
                        ..UNNAMED
                    };
                    match target.create(len, &options) {
                        Ok(id) => live.push(id),
                        Err(error) => log.push(format!("{turn} {error}")),
                    }
                }
                3 if !live.is_empty() => {
                    let id = live.swap_remove(random.below(live.len() as u64) as usize);
                    target.destroy(id).expect("there");
                }
                4..=6 if !live.is_empty() => {
                    let id = live[random.below(live.len() as u64) as usize];
                    let mode = [WriteMode::Durable, WriteMode::Volatile, WriteMode::Atomic]
                        [random.below(3) as usize];
                    let (at, len) = (random.below(30_000), random.below(6000));
                    let outcome =
                        target.write_with(id, at, &pattern(len as usize, turn as u8), mode);
                    log.push(format!("{turn} {}", outcome.is_ok()));
                }
                7 if !live.is_empty() => {
                    let id = live[random.below(live.len() as u64) as usize];
                    let outcome = target.resize(id, 1 + random.below(40_000));
                    log.push(format!("{turn} {}", outcome.is_ok()));
                }
                8 if turn % 5 == 0 => target = backend.reopen(target),
                _ => log.push(format!("{turn} {:?}", target.count())),
            }
        }
        assert_clean(&target);
        let bytes: Vec<Vec<u8>> = live.iter().map(|id| all(&target, *id)).collect();
        outcomes.borrow_mut().push((log, bytes));
    });
    let outcomes = outcomes.into_inner();
    for outcome in &outcomes[1..] {
        assert_eq!(outcome.0, outcomes[0].0, "the same answers");
        assert!(outcome.1 == outcomes[0].1, "the same bytes");
    }
}
