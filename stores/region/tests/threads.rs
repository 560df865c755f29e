//! Many threads on one store.

mod tools;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use everline::media::{Mapped, Ram};
use everline::units::ByteLen;
use everline_region::{RegionError, Regions};
use tools::*;

fn shared<T: Send + Sync>() {}

#[test]
fn regions_are_shared_between_threads_where_the_medium_is() {
    shared::<Regions<Ram>>();
    shared::<Regions<Mapped>>();
    shared::<Regions<everline::media::file::FileMedia>>();
}

fn churn(regions: &Regions<Ram>, thread: u8) {
    let mut random = Random(u64::from(thread));
    let mut mine = Vec::new();
    for turn in 0..200u64 {
        match random.below(6) {
            0 | 1 => {
                let data = pattern(1 + random.below(3000) as usize, turn as u8);
                let name = format!("{thread}/{turn}");
                let id = regions.create_with(&data, &named(&name)).expect("space");
                mine.push((id, name, data));
            }
            2 if !mine.is_empty() => {
                let (id, ..) = mine.swap_remove(random.below(mine.len() as u64) as usize);
                regions.destroy(id).expect("there");
                assert!(!regions.exists(id));
            }
            3 if !mine.is_empty() => {
                let index = random.below(mine.len() as u64) as usize;
                let (id, _, data) = &mut mine[index];
                let at = random.below(data.len() as u64) as usize;
                data[at] ^= 0xFF;
                regions
                    .write(*id, at as u64, &data[at..=at])
                    .expect("inside");
            }
            4 if !mine.is_empty() => {
                let index = random.below(mine.len() as u64) as usize;
                let (id, name, data) = &mut mine[index];
                *data = pattern(1 + random.below(2000) as usize, turn as u8);
                *id = regions.put(name, data).expect("space");
            }
            _ => {
                // another thread's region: whole, or gone
                for info in regions.list().expect("a directory").into_iter().take(3) {
                    match regions.read_all(info.id) {
                        Ok(bytes) => assert_eq!(bytes.len() as u64, info.len),
                        Err(RegionError::InvalidRegion { .. }) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
            }
        }
        for (id, name, data) in &mine {
            assert_eq!(regions.read_all(*id).as_ref(), Ok(data), "{name}");
        }
    }
    for (id, name, data) in mine {
        assert_eq!(regions.by_name(&name), Ok(id));
        assert_eq!(regions.read_all(id), Ok(data));
        if thread % 2 == 0 {
            regions.destroy(id).expect("there");
        }
    }
}

#[test]
fn eight_threads_create_destroy_and_read_and_nothing_is_lost() {
    for lanes in [2, 8] {
        let options = everline::engine::CreateOptions {
            lanes: Some(lanes),
            ..pool_options(1)
        };
        let ram = Ram::new(everline::units::ByteLen::new(16 << 20));
        let engine = everline::engine::Engine::create(ram, &options).expect("a pool");
        let regions = Regions::open(engine).expect("no regions yet");
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let regions = &regions;
                scope.spawn(move || churn(regions, thread));
            }
        });
        assert_clean(&regions);
        let listed = regions.list().expect("a directory");
        assert_eq!(regions.count(), Ok(listed.len() as u64));
        let ram = regions.into_engine().abandon();
        let (regions, _) = open(ram);
        assert_eq!(regions.list(), Ok(listed));
        assert_clean(&regions);
    }
}

/// keeps R5: without its gate a reader would see the block of a replaced region while the next one is put into it.
#[test]
fn a_reader_sees_one_region_whole_while_it_is_replaced_again_and_again() {
    const LEN: usize = 100_000;
    let regions = ram(1 << 20);
    regions.put("name", &[0; LEN]).expect("space");
    const READS: u32 = 20;
    let (done, reads) = (std::sync::Mutex::new(false), std::sync::Mutex::new(0));
    let enough = || *reads.lock().expect("nobody panics with it") >= READS;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // A busy machine may let the reader wait: go on until it has read.
            let mut turn = 0u32;
            while turn < 200 || (!enough() && turn < 200_000) {
                turn += 1;
                regions.put("name", &[turn as u8; LEN]).expect("space");
            }
            *done.lock().expect("nobody panics with it") = true;
        });
        while !*done.lock().expect("nobody panics with it") {
            let id = regions.by_name("name").expect("always one");
            match regions.read_all(id) {
                Ok(bytes) => {
                    assert!(bytes.iter().all(|byte| *byte == bytes[0]), "torn");
                    *reads.lock().expect("nobody panics with it") += 1;
                }
                Err(RegionError::InvalidRegion { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        }
    });
    assert!(enough(), "the reader never met a whole region");
    assert_clean(&regions);
}

#[test]
fn whoever_changes_a_region_gets_his_turn_among_busy_readers() {
    const LEN: usize = 256 << 10;
    let regions = on(Ram::new(ByteLen::new(4 << 20)));
    let id = regions.create_with(&[1; LEN], &UNNAMED).expect("space");
    let (reads, over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut bytes = vec![0; LEN];
                while !over.load(Ordering::Relaxed) {
                    regions.read(id, 0, &mut bytes).expect("inside");
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while reads.load(Ordering::Relaxed) < 8 {
            std::thread::yield_now();
        }
        for turn in 0..50u8 {
            let before = reads.load(Ordering::Relaxed);
            regions.write_atomic(id, 0, &[turn; 64]).expect("inside");
            let passed = reads.load(Ordering::Relaxed) - before;
            assert!(passed < 1000, "{passed} reads went past a writer");
        }
        over.store(true, Ordering::Relaxed);
    });
}
