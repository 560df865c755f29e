//! The allocator's laws, as a user of the engine sees them.

mod image_tools;

use everline::alloc::{AllocError, FreeError, Request};
use everline::engine::{CreateOptions, Engine, OpenOptions};
use everline::media::Ram;
use everline::tx::TxError;
use everline::units::ByteRange;
use image_tools::{KIB, MIB, SMALLEST, assert_sound, create, fixed, range, reopen};

/// Allocates objects of `bytes`, one transaction each, until there is no space.
fn fill(engine: &Engine<Ram>, bytes: u64) -> Vec<ByteRange> {
    let mut blocks = Vec::new();
    loop {
        let mut tx = engine.begin().expect("a lane");
        match tx.alloc(Request::new(bytes)) {
            Ok(block) => {
                tx.commit().expect("committed");
                blocks.push(block);
            }
            Err(TxError::Alloc(AllocError::NoSpace { bytes: asked })) => {
                assert_eq!(asked, bytes);
                return blocks;
            }
            Err(other) => panic!("{other}"),
        }
    }
}

fn free_all(engine: &Engine<Ram>, blocks: &[ByteRange]) {
    for block in blocks {
        let mut tx = engine.begin().expect("a lane");
        tx.free(block.start()).expect("live");
        tx.commit().expect("committed");
    }
}

fn assert_disjoint(blocks: &[ByteRange]) {
    let mut sorted = blocks.to_vec();
    sorted.sort_by_key(|block| block.start());
    for pair in sorted.windows(2) {
        assert!(
            pair[0].end() <= pair[1].start(),
            "{} meets {}",
            pair[0],
            pair[1]
        );
    }
}

#[test]
fn fill_destroy_fill_holds_the_same_number_whatever_the_sizes_before() {
    let sizes = [
        16, 32, 48, 64, 100, 128, 500, 1000, 3000, 4096, 9000, 20_000,
    ];
    for (len, slab_bytes) in [(SMALLEST, 4096), (256 * KIB, 16 << 10), (256 * KIB, 4096)] {
        let options = CreateOptions {
            slab_bytes: Some(slab_bytes),
            ..fixed()
        };
        let fresh: Vec<usize> = sizes
            .iter()
            .map(|bytes| fill(&create(len, &options), *bytes).len())
            .collect();
        let mut engine = create(len, &options);
        let empty = engine.stats().expect("sound").heap;
        for round in 0..2 {
            for (bytes, expected) in sizes.iter().zip(&fresh) {
                let blocks = fill(&engine, *bytes);
                assert_disjoint(&blocks);
                assert_eq!(
                    blocks.len(),
                    *expected,
                    "{len} bytes, objects of {bytes}, round {round}"
                );
                assert_sound(&engine);
                free_all(&engine, &blocks);
                assert_sound(&engine);
                assert_eq!(engine.stats().expect("sound").heap, empty);
            }
            engine = reopen(engine);
        }
    }
}

#[test]
fn emptied_slabs_come_back_however_many_there_are_at_once() {
    let options = CreateOptions {
        slab_bytes: Some(4096),
        ..fixed()
    };
    let engine = create(2 * MIB, &options);
    let whole = engine.pool().geometry().object_bytes_max();
    let small = fill(&engine, 1000);
    free_all(&engine, &small);
    assert_sound(&engine);
    let mut tx = engine.begin().expect("a lane");
    let block = tx.alloc(Request::new(whole)).expect("all of it is free");
    tx.commit().expect("committed");
    assert_eq!(block.len().get(), whole);
    assert_sound(&reopen(engine));
}

#[test]
fn emptied_slabs_of_a_pool_with_one_lane_are_there_for_the_next_transaction() {
    let options = CreateOptions {
        lanes: Some(1),
        ..fixed()
    };
    let engine = create(SMALLEST, &options);
    let small = fill(&engine, 64);
    free_all(&engine, &small);
    let mut tx = engine.begin().expect("the lane");
    let refused = tx.alloc(Request::new(20_000));
    assert!(matches!(
        refused,
        Err(TxError::Alloc(AllocError::NoSpace { .. }))
    ));
    drop(tx);
    let mut memory = [0; 1024];
    let mut tx = engine.begin_in(&mut memory).expect("the lane");
    tx.alloc(Request::new(20_000)).expect("space by now");
    tx.commit().expect("committed");
    assert_sound(&reopen(engine));
}

#[test]
fn a_reservation_finds_every_free_object_that_an_allocation_would() {
    let options = CreateOptions {
        slab_bytes: Some(4096),
        ..fixed()
    };
    let engine = create(MIB, &options);
    let blocks = fill(&engine, 64);
    free_all(&engine, &blocks[blocks.len() - 3..]);
    let engine = reopen(engine);
    let mut reserved = Vec::new();
    loop {
        match engine.reserve(Request::new(64)) {
            Ok(reservation) => reserved.push(reservation),
            Err(TxError::Alloc(AllocError::NoSpace { .. })) => break,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(reserved.len(), 3);
    drop(reserved);
    assert_eq!(fill(&engine, 64).len(), 3);
    assert_sound(&engine);
}

#[test]
fn a_reservation_gets_slabs_that_were_emptied_by_another_class() {
    let engine = create(SMALLEST, &fixed());
    let blocks = fill(&engine, 64);
    free_all(&engine, &blocks);
    assert!(engine.reserve(Request::new(1000)).is_ok());
    assert_sound(&engine);
}

#[test]
fn a_reservation_that_nothing_can_serve_is_refused() {
    let engine = create(SMALLEST, &fixed());
    fill(&engine, 3000);
    for bytes in [1, 64, 3000, 5000, 20_000] {
        let refused = engine.reserve(Request::new(bytes)).map(drop);
        assert_eq!(refused, Err(AllocError::NoSpace { bytes }.into()));
    }
    assert_sound(&engine);
}

#[test]
fn reservations_leave_no_trace_until_they_are_published() {
    let engine = create(MIB, &fixed());
    let before = engine.stats().expect("sound").heap;
    for bytes in [16, 200, 5000, 40_000] {
        let request = Request::new(bytes);
        engine.reserve(request).expect("space").cancel();
        let mut kept = engine.reserve(request).expect("space");
        let other = engine.reserve(request).expect("space");
        assert!(kept.block().intersect(other.block()).is_none());
        drop(other);
        kept.write(kept.block().start(), &[7; 16]).expect("inside");
        let beyond = kept.block().end();
        assert!(matches!(
            kept.write(beyond, &[1]),
            Err(TxError::OutOfBounds { .. })
        ));
        assert_eq!(engine.stats().expect("sound").heap, before);

        // An abort makes a published block free again; a commit makes it live with its bytes.
        let mut tx = engine.begin().expect("a lane");
        let block = tx.publish(kept).expect("room");
        tx.abort().expect("memory does not fail");
        assert!(matches!(
            engine.begin().expect("a lane").free(block.start()),
            Err(TxError::Free(_))
        ));
        assert_eq!(engine.stats().expect("sound").heap, before);
        let mut kept = engine.reserve(request).expect("space");
        kept.write(kept.block().start(), &[9; 16]).expect("inside");
        let mut tx = engine.begin().expect("a lane");
        let block = tx.publish(kept).expect("room");
        tx.commit().expect("committed");
        assert_eq!(
            image_tools::bytes_at(&engine, block.start(), 16),
            [9; 16],
            "{bytes}"
        );
        assert_eq!(engine.stats().expect("sound").heap.objects, 1);
        free_all(&engine, &[block]);
        assert_sound(&engine);
    }
    assert_eq!(engine.stats().expect("sound").heap, before);
}

#[test]
fn a_reservation_of_one_pool_is_refused_by_another() {
    let (ours, theirs) = (create(SMALLEST, &fixed()), create(SMALLEST, &fixed()));
    let foreign = theirs.reserve(Request::new(64)).expect("space");
    let mut tx = ours.begin().expect("a lane");
    assert!(matches!(
        tx.publish(foreign),
        Err(TxError::OutOfBounds { .. })
    ));
    tx.commit().expect("nothing in it");
    assert_eq!(ours.stats().expect("sound").heap.objects, 0);
    assert_sound(&ours);
    assert_sound(&theirs);
}

#[test]
fn every_alignment_up_to_a_page_is_kept_and_others_are_refused() {
    let engine = create(MIB, &fixed());
    for bytes in [
        1, 15, 16, 17, 63, 64, 65, 127, 128, 129, 1000, 4096, 5000, 16_384, 40_000,
    ] {
        let request = Request::new(bytes);
        let natural = if bytes < 64 { 16 } else { 64 };
        let asked = (0..=12).map(|power| 1u64 << power);
        let aligned = asked.map(|align| (request.with_align(align), align));
        for (request, align) in aligned.chain([(request, natural)]) {
            let mut tx = engine.begin().expect("a lane");
            let block = tx.alloc(request).expect("space");
            assert!(
                block.start().is_aligned(align),
                "{bytes} at {align}: {block}"
            );
            assert!(block.len().get() >= bytes);
            tx.commit().expect("committed");
            free_all(&engine, &[block]);
        }
        let mut tx = engine.begin().expect("a lane");
        for align in [0, 3, 100, 4095, 8192, u64::MAX, 1 << 63] {
            let refused = tx.alloc(request.with_align(align));
            assert_eq!(refused, Err(AllocError::BadAlign { align }.into()));
        }
    }
    assert_eq!(engine.stats().expect("sound").heap.objects, 0);
    assert_sound(&engine);
}

#[test]
fn a_request_one_byte_on_either_side_of_a_class_gets_what_fits() {
    let engine = create(MIB, &fixed());
    let sizes: Vec<u64> = engine
        .heap()
        .classes()
        .shapes()
        .iter()
        .map(|shape| shape.object_bytes.into())
        .collect();
    let slab = u64::from(engine.pool().geometry().slab_bytes());
    let huge = [slab, 2 * slab, 3 * slab];
    for border in sizes.into_iter().chain(huge) {
        for bytes in [border - 1, border, border + 1] {
            let mut tx = engine.begin().expect("a lane");
            let block = tx.alloc(Request::new(bytes)).expect("space");
            assert!(block.len().get() >= bytes);
            assert_eq!(tx.object_at(block.start()).expect("live").range, block);
            tx.commit().expect("committed");
            assert_eq!(
                engine.stats().expect("sound").heap.used_bytes,
                block.len().get()
            );
            assert_sound(&engine);
            free_all(&engine, &[block]);
        }
    }
}

#[test]
fn j5_double_foreign_and_interior_frees_are_refused_and_change_nothing() {
    let engine = create(MIB, &fixed());
    let slab = u64::from(engine.pool().geometry().slab_bytes());
    let mut tx = engine.begin().expect("a lane");
    let small = tx.alloc(Request::new(100)).expect("space");
    let huge = tx.alloc(Request::new(3 * slab)).expect("space");
    let neighbour = tx.alloc(Request::new(100)).expect("space");
    tx.commit().expect("committed");
    let before = image_tools::image_of(engine.pool().media());

    let geometry = engine.pool().geometry();
    let foreign = [
        0,
        8,
        4096,
        geometry.shared_at().get(),
        geometry.heap_at().get() - 1,
        small.start().get() + 1,
        small.start().get() + 16,
        small.start().get() - 1,
        huge.start().get() + 1,
        huge.start().get() + 64,
        huge.start().get() + slab,
        huge.start().get() + 2 * slab,
        geometry.slab_at(geometry.slab_count()).get(),
        geometry.len(),
        u64::MAX,
    ];
    let mut tx = engine.begin().expect("a lane");
    for at in foreign.map(everline::units::ByteOffset::new) {
        assert_eq!(tx.free(at), Err(FreeError::Foreign { at }.into()), "{at}");
        assert!(tx.object_at(at).is_err());
    }
    tx.commit().expect("nothing in it");
    assert!(image_tools::image_of(engine.pool().media()) == before);

    for block in [small, huge] {
        let at = block.start();
        let double = Err(FreeError::DoubleFree { at }.into());
        // Twice in one transaction, in two at once, and after the commit.
        let mut first = engine.begin().expect("a lane");
        first.free(at).expect("live");
        assert_eq!(first.free(at), double);
        let mut second = engine.begin().expect("another lane");
        assert_eq!(second.free(at), double);
        second.abort().expect("memory does not fail");
        first.abort().expect("memory does not fail");
        // The abort gave it back, so that one may free it now.
        let mut third = engine.begin().expect("a lane");
        third.free(at).expect("live again");
        third.commit().expect("committed");
        assert_eq!(engine.begin().expect("a lane").free(at), double);
        assert_sound(&engine);
    }
    let live = engine.begin().expect("a lane").object_at(neighbour.start());
    assert_eq!(live.expect("untouched").range, neighbour);
    assert_eq!(engine.stats().expect("sound").heap.objects, 1);
}

#[test]
fn an_object_freed_in_the_transaction_that_made_it_never_was() {
    let engine = create(MIB, &fixed());
    let before = engine.stats().expect("sound").heap;
    for bytes in [16, 64, 3000, 50_000] {
        for commit in [true, false] {
            let mut tx = engine.begin().expect("a lane");
            let block = tx.alloc(Request::new(bytes)).expect("space");
            tx.free(block.start()).expect("its own");
            assert!(tx.free(block.start()).is_err());
            if commit {
                tx.commit().map(|_receipt| ()).expect("committed");
            } else {
                tx.abort().expect("memory does not fail");
            }
            assert_eq!(engine.stats().expect("sound").heap, before);
            assert_sound(&engine);
        }
    }
}

#[test]
fn a_block_that_a_failed_member_snapshotted_nobody_gets_before_the_group_ends() {
    for bytes in [1000u64, 5000] {
        for end in ["crash", "commit", "abort"] {
            let engine = create(SMALLEST, &fixed());
            // Others have a slab of the class, so that the member takes a bit of it and no slab.
            let first = engine.begin().and_then(|mut tx| {
                tx.alloc(Request::new(bytes))?;
                tx.commit()
            });
            first.expect("space");
            let mut group = engine.begin().expect("a lane");
            let mut taken = None;
            let failed: Result<(), TxError<_>> = group.member(|tx| {
                let block = tx.alloc(Request::new(bytes))?;
                tx.snapshot(&[block])?.fill(block, 1)?;
                taken = Some(block);
                Err(TxError::NoLane)
            });
            assert!(failed.is_err());
            let blocks: Vec<ByteRange> = fill(&engine, bytes);
            assert!(!blocks.contains(&taken.expect("space")));
            for block in &blocks {
                let mut tx = engine.begin().expect("another lane");
                tx.write_fresh(block.start(), &vec![7; bytes as usize])
                    .expect("inside");
                tx.commit().expect("committed");
            }
            match end {
                "commit" => drop(group.commit().expect("committed")),
                "abort" => group.abort().expect("memory does not fail"),
                _ => std::mem::forget(group),
            }
            let engine = if end == "crash" {
                Engine::open(engine.abandon(), &OpenOptions::default())
                    .expect("recoverable")
                    .0
            } else {
                engine
            };
            for block in &blocks {
                let found = image_tools::bytes_at(&engine, block.start(), bytes as usize);
                assert!(found == vec![7; bytes as usize], "{end}: {block}");
            }
            // And then it is free again.
            assert!(
                fill(&engine, bytes).contains(&taken.expect("space")),
                "{end}"
            );
            assert_sound(&engine);
        }
    }
}

#[test]
fn what_a_transaction_frees_nobody_gets_before_it_commits() {
    let engine = create(SMALLEST, &fixed());
    let blocks = fill(&engine, 1000);
    let mut freeing = engine.begin().expect("a lane");
    freeing.free(blocks[0].start()).expect("live");
    let mut other = engine.begin().expect("another lane");
    let refused = other.alloc(Request::new(1000));
    assert!(matches!(
        refused,
        Err(TxError::Alloc(AllocError::NoSpace { .. }))
    ));
    freeing.commit().expect("committed");
    assert_eq!(other.alloc(Request::new(1000)), Ok(blocks[0]));
    other.abort().expect("memory does not fail");
    assert_sound(&engine);
}

#[test]
fn e1_used_free_and_overhead_are_the_pool_to_the_byte_open_after_open() {
    let mut engine = create(MIB, &fixed());
    let start = engine.stats().expect("sound").heap;
    let mut live: Vec<ByteRange> = Vec::new();
    for round in 0..4u64 {
        for bytes in [10, 64, 100, 2000, 9000, 30_000] {
            let mut tx = engine.begin().expect("a lane");
            live.push(tx.alloc(Request::new(bytes + round)).expect("space"));
            tx.commit().expect("committed");
        }
        let gone = live.remove(round as usize);
        free_all(&engine, &[gone]);
        let before = engine.stats().expect("sound").heap;
        let used: u64 = live.iter().map(|block| block.len().get()).sum();
        assert_eq!(before.used_bytes, used);
        assert_eq!(before.objects, live.len() as u64);
        assert_sound(&engine);
        engine = reopen(engine);
        assert_eq!(engine.stats().expect("sound").heap, before);
    }
    free_all(&engine, &live);
    assert_eq!(engine.stats().expect("sound").heap, start);
}

#[test]
fn eight_threads_on_eight_lanes_neither_lose_nor_share_an_object() {
    let options = CreateOptions {
        lanes: Some(8),
        ring_bytes: Some(8 * KIB),
        ..fixed()
    };
    let engine = create(4 * MIB, &options);
    let survivors: Vec<(ByteRange, u8)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..8u8)
            .map(|worker| {
                let engine = &engine;
                scope.spawn(move || churn(engine, worker))
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("no panic"))
            .collect()
    });
    let blocks: Vec<_> = survivors.iter().map(|(block, _)| *block).collect();
    assert_disjoint(&blocks);
    for engine in [engine].map(reopen) {
        assert_sound(&engine);
        assert_eq!(
            engine.stats().expect("sound").heap.objects,
            survivors.len() as u64
        );
        for (block, fill) in &survivors {
            let bytes = image_tools::bytes_at(&engine, block.start(), block.len().get() as usize);
            assert!(bytes.iter().all(|byte| byte == fill), "{block} of {fill}");
        }
    }
}

/// Allocates, fills, checks and frees; answers what is live in the end.
fn churn(engine: &Engine<Ram>, worker: u8) -> Vec<(ByteRange, u8)> {
    let mut random = image_tools::Random::seeded(u64::from(worker) + 1);
    let mut live: Vec<(ByteRange, u8)> = Vec::new();
    for turn in 0..400u64 {
        let mut tx = engine.begin().expect("a lane");
        let mut gone = None;
        if live.len() > 20 || (random.below(3) == 0 && !live.is_empty()) {
            let (block, fill) = live.remove(random.below(live.len() as u64) as usize);
            let bytes = image_tools::bytes_at(engine, block.start(), block.len().get() as usize);
            assert!(bytes.iter().all(|byte| *byte == fill), "{block} of {fill}");
            tx.free(block.start()).expect("live");
            gone = Some((block, fill));
        }
        let bytes = [16, 24, 64, 80, 300, 2000, 20_000][random.below(7) as usize];
        let block = tx.alloc(Request::new(bytes)).expect("space");
        let fill = worker << 4 | (turn % 16) as u8;
        tx.write(block.start(), &vec![fill; block.len().get() as usize])
            .expect("inside");
        if random.below(8) == 0 {
            tx.abort().expect("memory does not fail");
            live.extend(gone);
        } else {
            tx.commit().expect("committed");
            live.push((block, fill));
        }
    }
    live
}

#[test]
fn a_failing_step_leaves_the_rest_of_its_transaction_alone() {
    let engine = create(SMALLEST, &fixed());
    let mut tx = engine.begin().expect("a lane");
    let block = tx.alloc(Request::new(64)).expect("space");
    tx.write(block.start(), &[5; 64]).expect("inside");
    assert_eq!(tx.alloc(Request::new(0)), Err(AllocError::ZeroSize.into()));
    assert!(matches!(
        tx.alloc(Request::new(u64::MAX)),
        Err(TxError::Alloc(AllocError::TooLarge { .. }))
    ));
    assert!(matches!(
        tx.write(everline::units::ByteOffset::new(u64::MAX), &[1; 2]),
        Err(TxError::OutOfBounds { .. })
    ));
    assert!(
        tx.snapshot(&[range(everline::units::ByteOffset::ZERO, 8)])
            .is_err()
    );
    tx.commit().expect("committed");
    assert_eq!(image_tools::bytes_at(&engine, block.start(), 64), [5; 64]);
    assert_sound(&engine);
}
