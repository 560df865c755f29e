//! Every way to put bytes into regions and to get them out, where nothing fails.

mod tools;

use everline::media::{Counted, Media, Ram};
use everline::units::ByteLen;
use everline_region::{Extent, RegionError, RegionId, RegionOptions, Regions, WriteMode};
use tools::*;
use zerocopy::FromZeros;

const MODES: [WriteMode; 3] = [WriteMode::Durable, WriteMode::Volatile, WriteMode::Atomic];

#[track_caller]
fn assert_bytes<M: Media>(regions: &Regions<M>, id: RegionId, expected: &[u8]) {
    assert!(
        regions.read_all(id).expect("there") == expected,
        "other bytes than were written"
    );
}

#[test]
fn b2_a_growable_region_is_as_long_as_its_highest_write() {
    let regions = ram(8 << 20);
    let id = regions.create(0, &GROWABLE).expect("a slot");
    assert_eq!(
        (regions.size(id), regions.read_all(id)),
        (Ok(0), Ok(Vec::new()))
    );
    let (first, second) = (pattern(1024, 1), pattern(1024, 2));
    regions.write(id, 0, &first).expect("space");
    regions.write(id, 1024, &second).expect("space");
    assert_eq!(regions.size(id), Ok(2048));
    regions.write(id, 1 << 20, b"far").expect("space");
    assert_eq!(regions.size(id), Ok((1 << 20) + 3));
    let mut expected = [first, second].concat();
    expected.resize(1 << 20, 0);
    expected.extend_from_slice(b"far");
    assert_bytes(&regions, id, &expected);
    assert!(
        regions.info(id).expect("there").written < 200 << 10,
        "the hole has no bytes of its own"
    );

    // Doubling: a thousand appends move it a dozen times, and a refused one changes nothing.
    let id = regions.create(0, &GROWABLE).expect("a slot");
    let (mut places, mut expected) = (Vec::new(), Vec::new());
    for number in 0..1000u32 {
        let piece = pattern(100, number as u8);
        regions
            .write(id, expected.len() as u64, &piece)
            .expect("space");
        expected.extend(piece);
        places.push(regions.info(id).expect("there").at);
    }
    places.dedup();
    assert!(places.len() < 16, "{} blocks", places.len());
    assert_bytes(&regions, id, &expected);
    let refused = regions.write(id, 1 << 40, b"x");
    assert!(
        matches!(refused, Err(RegionError::NoSpace { .. })),
        "{refused:?}"
    );
    assert_bytes(&regions, id, &expected);
    let (reopened, _) = open(regions.into_engine().abandon());
    assert_bytes(&reopened, id, &expected);
    assert_clean(&reopened);
}

#[test]
fn b3_a_new_region_reads_zero_over_used_space() {
    for len in [1u64, 100, 3000, 40_000, 200_000] {
        let regions = ram(1 << 20);
        let all = fill(&regions, len);
        for id in &all {
            regions
                .write(*id, 0, &vec![0xFF; len as usize])
                .expect("inside");
        }
        for id in &all {
            regions.destroy(*id).expect("there");
        }
        let again = fill(&regions, len);
        assert_eq!(all.len(), again.len(), "the same space");
        for id in &again {
            assert_bytes(&regions, *id, &vec![0; len as usize]);
        }
        let id = again[0];
        // a small write makes one chunk its own; the rest of it reads zero all the same
        regions.write(id, len / 2, b"!").expect("inside");
        let mut expected = vec![0; len as usize];
        expected[len as usize / 2] = b'!';
        assert_bytes(&regions, id, &expected);
        for id in again {
            regions.destroy(id).expect("there");
        }
        assert_clean(&regions);
    }
}

#[test]
fn b7_a_scatter_write_spreads_one_buffer_in_list_order() {
    let regions = ram(1 << 20);
    for mode in MODES {
        let id = regions.create(20, &UNNAMED).expect("space");
        let list = [Extent::new(0, 3), Extent::new(10, 2)];
        regions.scatter(id, b"abcde", &list, mode).expect("inside");
        assert_bytes(&regions, id, b"abc\0\0\0\0\0\0\0de\0\0\0\0\0\0\0\0");
        // and once more where the bytes are the region's own already
        regions.scatter(id, b"vwxyz", &list, mode).expect("inside");
        assert_bytes(&regions, id, b"vwx\0\0\0\0\0\0\0yz\0\0\0\0\0\0\0\0");
    }
}

#[test]
fn b8_a_gather_read_collects_the_same_list() {
    let regions = ram(1 << 20);
    let id = regions
        .create_with(b"abc.......de", &UNNAMED)
        .expect("space");
    let mut into = [0; 5];
    let list = [Extent::new(0, 3), Extent::new(10, 2)];
    regions.gather(id, &list, &mut into).expect("inside");
    assert_eq!(&into, b"abcde");
}

#[test]
fn b9_three_buffers_go_to_two_ranges_and_come_back() {
    let regions = ram(1 << 20);
    for mode in MODES {
        let id = regions.create(100, &UNNAMED).expect("space");
        let list = [Extent::new(7, 4), Extent::new(50, 8)];
        let sources: [&[u8]; 3] = [b"abc", b"defgh", b"ijkl"];
        regions
            .write_vectored(id, &sources, &list, mode)
            .expect("inside");
        let (mut one, mut two) = ([0; 5], [0; 7]);
        regions
            .read_vectored(id, &list, &mut [&mut one, &mut two])
            .expect("inside");
        assert_eq!((&one, &two), (b"abcde", b"fghijkl"));
        let mut whole = vec![0; 100];
        whole[7..11].copy_from_slice(b"abcd");
        whole[50..58].copy_from_slice(b"efghijkl");
        assert_bytes(&regions, id, &whole);
    }
}

#[test]
fn b10_the_later_of_two_overlapping_segments_is_there() {
    let regions = ram(1 << 20);
    for mode in MODES {
        for written in [false, true] {
            let id = regions.create(6, &UNNAMED).expect("space");
            if written {
                regions.write(id, 0, b"......").expect("inside");
            }
            let list = [Extent::new(0, 4), Extent::new(2, 4)];
            regions
                .scatter(id, b"aaaabbbb", &list, mode)
                .expect("inside");
            assert_bytes(&regions, id, b"aabbbb");
        }
    }
}

#[test]
fn b11_nothing_to_write_is_written_without_a_wait_or_a_lock() {
    let regions = on(Counted::new(Ram::assume_persistent(ByteLen::new(1 << 20))));
    let id = regions.create(100, &UNNAMED).expect("space");
    let growable = regions.create(0, &GROWABLE).expect("space");
    let counted = regions.engine().pool().media();
    let ((), cost) = counted.cost_of(|| {
        // A view is no lock, and neither is any of these.
        let view = regions.view(growable).expect("there");
        for _ in 0..10_000 {
            for mode in MODES {
                assert_eq!(regions.write_list(id, &[], mode), Ok(()));
                assert_eq!(
                    regions.write_list(id, &[(5, b""), (100, b"")], mode),
                    Ok(())
                );
                assert_eq!(regions.scatter(id, b"", &[], mode), Ok(()));
                assert_eq!(regions.scatter(id, b"", &[Extent::new(5, 0)], mode), Ok(()));
                assert_eq!(regions.write_with(growable, 1 << 40, b"", mode), Ok(()));
            }
            assert_eq!(regions.persist_list(id, &[]), Ok(()));
            assert_eq!(regions.persist(id, 100, 0), Ok(()));
            assert_eq!(regions.gather(id, &[], &mut []), Ok(()));
        }
        drop(view);
    });
    assert_eq!(cost.waits, 0);
    assert_eq!(regions.size(growable), Ok(0));
    regions.destroy(id).expect("there");
    let invalid = Err(RegionError::InvalidRegion { id });
    assert_eq!(regions.write_list(id, &[], WriteMode::Durable), invalid);
    assert_eq!(regions.scatter(id, b"", &[], WriteMode::Durable), invalid);
    assert_eq!(regions.persist_list(id, &[]), invalid);
    assert_eq!(regions.gather(id, &[], &mut []), invalid);
    drop(regions.into_engine().close().expect("no failing fence"));
}

#[test]
fn b12_a_list_that_does_not_sum_up_is_refused_untouched() {
    let regions = ram(1 << 20);
    let id = regions.create_with(&[7; 20], &UNNAMED).expect("space");
    let refused = |outcome| matches!(outcome, Err(RegionError::InvalidArgument { .. }));
    for mode in MODES {
        for list in [
            vec![Extent::new(0, 3), Extent::new(10, 3)],
            vec![Extent::new(0, 3)],
            vec![],
            vec![Extent::new(0, u64::MAX), Extent::new(0, 6)],
        ] {
            assert!(refused(regions.scatter(id, b"abcde", &list, mode)));
            assert!(refused(regions.write_vectored(
                id,
                &[b"abc", b"de"],
                &list,
                mode
            )));
            let mut into = [9; 5];
            assert!(refused(regions.gather(id, &list, &mut into)));
            assert_eq!(into, [9; 5]);
        }
    }
    assert_bytes(&regions, id, &[7; 20]);
}

#[test]
fn b13_one_bad_segment_refuses_the_whole_list() {
    let regions = ram(1 << 20);
    let id = regions.create_with(&[7; 20], &UNNAMED).expect("space");
    let out = |outcome| matches!(outcome, Err(RegionError::OutOfBounds { .. }));
    for mode in MODES {
        for bad in [19, 20, u64::MAX - 1, u64::MAX] {
            let pieces: [(u64, &[u8]); 2] = [(0, b"good"), (bad, b"xx")];
            assert!(out(regions.write_list(id, &pieces, mode)), "{bad}");
            let list = [Extent::new(0, 4), Extent::new(bad, 2)];
            assert!(out(regions.scatter(id, b"goodxx", &list, mode)), "{bad}");
            assert!(
                out(regions.write_vectored(id, &[b"goodxx"], &list, mode)),
                "{bad}"
            );
            let mut into = [9; 6];
            assert!(out(regions.gather(id, &list, &mut into)), "{bad}");
            assert_eq!(into, [9; 6]);
            assert!(out(regions.persist_list(id, &list)), "{bad}");
        }
    }
    assert_bytes(&regions, id, &[7; 20]);
    let growable = regions.create(0, &GROWABLE).expect("a slot");
    assert!(out(regions.write(growable, u64::MAX, b"xx")));
    assert_eq!(regions.size(growable), Ok(0));
}

#[test]
fn b14_a_part_is_read_from_wherever_it_lies() {
    let regions = ram(1 << 20);
    let data = pattern(200_000, 3);
    let id = regions.create_with(&data, &UNNAMED).expect("space");
    for at in [0, 10, 65_530, 199_990] {
        let mut part = [0; 10];
        regions.read(id, at as u64, &mut part).expect("inside");
        assert_eq!(part, data[at..at + 10]);
    }
}

#[test]
fn b19_a_failed_create_with_data_leaves_nothing() {
    let regions = on(Counted::new(Ram::assume_persistent(ByteLen::new(
        256 << 10,
    ))));
    regions.create(10, &named("taken")).expect("space");
    let before = regions.engine().stats().expect("stats").heap;
    let taken = regions.create_with(&pattern(5000, 1), &named("taken"));
    assert!(matches!(taken, Err(RegionError::AlreadyExists { .. })));
    let large = regions.create_with(&pattern(1 << 20, 1), &UNNAMED);
    assert!(matches!(large, Err(RegionError::NoSpace { .. })));
    assert_eq!(regions.engine().stats().expect("stats").heap, before);
    assert_eq!(regions.count(), Ok(1));
    let counted = regions.engine().pool().media();
    let (id, cost) = counted.cost_of(|| regions.create_with(&pattern(5000, 1), &UNNAMED));
    assert!(cost.waits <= 2, "{cost:?}");
    assert_bytes(&regions, id.expect("space"), &pattern(5000, 1));
    assert_clean(&regions);
}

#[test]
fn b31_attributes_are_set_kept_and_found_again() {
    let regions = ram(1 << 20);
    let options = RegionOptions {
        attributes: Some(b"kind=index"),
        ..named("name")
    };
    let id = regions.create(10, &options).expect("space");
    assert_eq!(regions.attributes(id).as_deref(), Ok(&b"kind=index"[..]));
    let longest = pattern(1024, 4);
    regions.set_attributes(id, &longest).expect("they fit");
    regions.rename(id, "other").expect("free");
    let (regions, _) = open(regions.into_engine().close().expect("no failing fence"));
    assert_eq!(regions.attributes(id), Ok(longest));
    assert_eq!(regions.by_name("other"), Ok(id));
    assert_eq!(regions.info(id).expect("there").attributes_len, 1024);
    let too_long = regions.set_attributes(id, &[0; 1025]);
    let error = RegionError::AttributesTooLong {
        len: 1025,
        max: 1024,
    };
    assert_eq!(too_long, Err(error));
    regions.unname(id).expect("there");
    assert_eq!(regions.info(id).expect("there").name, None);
    assert!(regions.by_name("other").is_err());
    regions.set_attributes(id, b"").expect("none fit");
    assert_eq!(regions.attributes(id), Ok(Vec::new()));
    assert_clean(&regions);
    regions.destroy(id).expect("there");
    assert_clean(&regions);
}

#[test]
fn b32_an_alignment_stays_where_a_region_grows_and_moves() {
    let regions = ram(4 << 20);
    for align in [64, 256, 4096] {
        let options = RegionOptions {
            align: Some(align),
            ..GROWABLE
        };
        let id = regions.create(0, &options).expect("a slot");
        for turn in 0..12u32 {
            let at = regions.size(id).expect("there");
            regions
                .write(id, at, &pattern(40 << (turn / 2), 1))
                .expect("space");
            assert_eq!(regions.info(id).expect("there").at.get() % align, 0);
        }
        regions.resize(id, 300_000).expect("space");
        let copy = regions.copy(id).expect("space");
        for id in [id, copy] {
            let info = regions.info(id).expect("there");
            assert_eq!((info.at.get() % align, info.align), (0, align));
        }
    }
}

#[test]
fn b33_a_view_reads_in_place_and_keeps_the_block() {
    let regions = ram(1 << 20);
    let id = regions
        .create_with(&pattern(10_000, 1), &UNNAMED)
        .expect("space");
    let view = regions.view(id).expect("there");
    assert_eq!((view.len(), view.id()), (10_000, id));
    assert_eq!(view.load8(1), Ok(pattern(10_000, 1)[1]));
    let word = pattern(10_000, 1)[16..24].try_into().expect("8 bytes");
    assert_eq!(view.load64(16), Ok(u64::from_le_bytes(word)));
    assert!(matches!(
        view.load64(9),
        Err(RegionError::InvalidArgument { .. })
    ));
    assert!(matches!(
        view.load64(9_996),
        Err(RegionError::OutOfBounds { .. })
    ));
    assert_eq!(view.equals(100, &pattern(10_000, 1)[100..9000]), Ok(true));
    view.write_at(100, b"changed").expect("inside");
    assert_eq!(view.equals(100, b"changed"), Ok(true));
    assert_eq!(view.equals(100, b"changes"), Ok(false));
    view.persist(100, 7).expect("inside");
    let pointer = view.as_ptr().expect("plain memory");
    assert!(!pointer.is_null());
    let mut copied = Vec::new();
    view.copy_to(0, 10_000, |piece| copied.extend_from_slice(piece))
        .expect("inside");
    assert_bytes(&regions, id, &copied);

    let in_use = |outcome| matches!(outcome, Err(RegionError::InUse { views: 1, .. }));
    assert!(in_use(regions.destroy(id)));
    assert!(in_use(regions.resize(id, 5)));
    assert!(in_use(regions.resize(id, 500_000)));
    assert!(in_use(regions.compact(id).map(drop)));
    regions.rename(id, "name").expect("a name moves nothing");
    assert!(in_use(regions.put("name", b"other").map(drop)));
    regions.write(id, 0, b"written beside it").expect("inside");
    assert_eq!(view.equals(0, b"written beside it"), Ok(true));
    drop(view);
    regions.destroy(id).expect("nobody looks");

    // zeros that were never stored are there for a view as well
    let id = regions.create(200_000, &UNNAMED).expect("space");
    assert_eq!(regions.info(id).expect("there").written, 0);
    let view = regions.view(id).expect("space");
    assert_eq!(view.equals(0, &[0; 200_000]), Ok(true));
    drop(view);
    assert_clean(&regions);
}

#[test]
fn b34_resize_keeps_the_prefix_and_new_bytes_read_zero() {
    let regions = ram(4 << 20);
    for options in [UNNAMED, GROWABLE, CHECKED] {
        let id = regions
            .create_with(&pattern(1000, 1), &options)
            .expect("space");
        let mut expected = pattern(1000, 1);
        for len in [
            500,
            1000,
            3000,
            100_000,
            70_000,
            700_000,
            10,
            64 << 10,
            1,
            300_000,
        ] {
            regions.resize(id, len as u64).expect("space");
            expected.resize(len, 0);
            assert_eq!(regions.size(id), Ok(len as u64));
            assert_bytes(&regions, id, &expected);
            let at = len / 3;
            regions.write(id, at as u64, b"!").expect("inside");
            expected[at] = b'!';
        }
        assert_bytes(&regions, id, &expected);
        let refused = regions.resize(id, 1 << 40);
        assert!(
            matches!(refused, Err(RegionError::NoSpace { .. })),
            "{refused:?}"
        );
        assert_bytes(&regions, id, &expected);
        let empty = regions.resize(id, 0);
        assert_eq!(empty.is_ok(), options.growable);
        assert_clean(&regions);
        regions.destroy(id).expect("there");
        assert_clean(&regions);
    }
}

#[derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable)]
struct Large {
    number: u64,
    bytes: [u8; 8 << 20],
    behind: u64,
}

#[test]
fn b35_a_struct_of_8_mb_makes_the_round_trip() {
    let regions = ram(20 << 20);
    let mut large = Large::new_box_zeroed().expect("memory");
    (large.number, large.behind) = (7, 9);
    large.bytes.copy_from_slice(&pattern(8 << 20, 5));
    let id = regions
        .create(size_of::<Large>() as u64, &UNNAMED)
        .expect("space");
    regions.store(id, 0, &*large).expect("inside");
    let back: Box<Large> = regions.load(id, 0).expect("inside");
    assert_eq!((back.number, back.behind), (7, 9));
    assert!(back.bytes == large.bytes);
    assert!(matches!(
        regions.load::<Large>(id, 1),
        Err(RegionError::OutOfBounds { .. })
    ));
}

#[test]
fn b36_a_region_beyond_16_gib_in_a_sparse_pool() {
    const GIB: u64 = 1 << 30;
    let file = OnFile::new();
    let regions = file.create(20 * GIB);
    let id = regions.create(17 * GIB, &named("large")).expect("space");
    let data = pattern(100_000, 6);
    let at = 16 * GIB - 50_000;
    regions.write(id, at, &data).expect("inside");
    let mut into = vec![1; 100_000];
    regions.read(id, 9 * GIB, &mut into).expect("inside");
    assert!(into.iter().all(|byte| *byte == 0), "never written");
    // as a killed process leaves it
    drop(regions);
    let regions = file.open();
    assert_eq!(regions.size(id), Ok(17 * GIB));
    regions.read(id, at, &mut into).expect("inside");
    assert_eq!(into, data);
    use std::os::unix::fs::MetadataExt;
    let blocks = std::fs::metadata(file.path()).expect("a file").blocks();
    assert!(
        blocks * 512 < 256 << 20,
        "{blocks} blocks: what was not written takes no space"
    );
    assert_clean(&regions);
}

#[test]
fn b37_a_copy_has_the_same_bytes_in_this_pool_and_in_another() {
    let regions = ram(8 << 20);
    let other = ram(8 << 20);
    let sparse = regions.create(500_000, &UNNAMED).expect("space");
    regions
        .write(sparse, 300_000, &pattern(5000, 1))
        .expect("inside");
    let checked = regions
        .create_with(&pattern(9000, 2), &CHECKED)
        .expect("space");
    let growable = regions.create(0, &GROWABLE).expect("a slot");
    let grown = regions.create(0, &GROWABLE).expect("a slot");
    regions.write(grown, 70_000, b"end").expect("space");
    let empty = regions.put("empty", b"").expect("a slot");
    for id in [sparse, checked, growable, grown, empty] {
        regions.set_attributes(id, b"attributes").expect("they fit");
        let expected = regions.read_all(id).expect("there");
        let copy = regions.copy(id).expect("space");
        let abroad = regions.copy_to(id, &other, None).expect("space");
        assert_bytes(&regions, copy, &expected);
        assert_bytes(&other, abroad, &expected);
        let old = regions.info(id).expect("there");
        let new = regions.info(copy).expect("there");
        assert_eq!(
            (new.name, new.len, new.growable),
            (None, old.len, old.growable)
        );
        assert_eq!((new.checked, new.written), (old.checked, old.written));
        assert_eq!(regions.attributes(copy).as_deref(), Ok(&b"attributes"[..]));
        assert_eq!(other.attributes(abroad).as_deref(), Ok(&b"attributes"[..]));
        if old.len > 0 {
            regions.write(copy, 0, b"#").expect("inside");
            assert_bytes(&regions, id, &expected);
        }
    }
    for regions in [&regions, &other] {
        let report = regions.scrub_all(|_, _| (), |bad| panic!("{bad:?}"));
        assert!(report.is_ok_and(|report| report.regions > 0));
        assert_clean(regions);
    }
}

#[test]
fn a_batch_resizes_writes_and_copies_together() {
    let regions = ram(4 << 20);
    for options in [UNNAMED, CHECKED] {
        let id = regions
            .create_with(&pattern(1000, 1), &options)
            .expect("space");
        let mut expected = pattern(1000, 1);
        let mut batch = regions.batch().expect("a lane");
        batch.write_atomic(id, 900, b"logged").expect("inside");
        batch.resize(id, 902).expect("space");
        batch.resize(id, 950).expect("space");
        batch.write_atomic(id, 10, b"again").expect("inside");
        let copy = batch.copy(id).expect("space");
        batch
            .write_atomic(id, 0, b"not in the copy")
            .expect("inside");
        batch.set_attributes(id, b"batched").expect("they fit");
        batch.commit().expect("room in the log");
        expected[900..906].copy_from_slice(b"logged");
        expected.truncate(902);
        expected.resize(950, 0);
        expected[10..15].copy_from_slice(b"again");
        assert_bytes(&regions, copy, &expected);
        expected[..15].copy_from_slice(b"not in the copy");
        assert_bytes(&regions, id, &expected);
        assert_clean(&regions);
        let (reopened, _) = open(regions_clone(&regions));
        assert_bytes(&reopened, id, &expected);
        let report = reopened.scrub_all(|_, _| (), |bad| panic!("{bad:?}"));
        assert!(report.is_ok());
        assert_clean(&reopened);
    }
}

/// The pool as a killed process would leave it.
fn regions_clone(regions: &Regions<Ram>) -> Ram {
    let media = regions.engine().pool().media();
    let copy = Ram::new(media.len());
    let mut bytes = vec![0; media.len().get() as usize];
    media.read(everline::units::ByteOffset::ZERO, &mut bytes);
    copy.write(everline::units::ByteOffset::ZERO, &bytes);
    copy
}
