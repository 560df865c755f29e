//! A hundred thousand keys, and power cuts while they come and go.

mod world;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use everline::engine::CreateOptions;
use everline::units::ByteLen;
use everline_crash::{CrashMedia, Cut};
use everline_kv::{Store, StoreOptions};
use world::{Random, depth, small};

const POOL: ByteLen = ByteLen::new(48 << 20);
const KEYS: u64 = 100_000;
/// Keys of one commit.
const AT_ONCE: u64 = 50;

type On = Store<CrashMedia>;

/// Neighbours in number are nowhere near in order, so that leaves split everywhere.
fn key(number: u64) -> [u8; 8] {
    let mut random = Random(number);
    let mut key = random.next().to_be_bytes();
    key[6..].copy_from_slice(&(number as u16).to_be_bytes());
    key
}

fn options() -> StoreOptions {
    StoreOptions {
        tree: StoreOptions::default().tree,
        ..small()
    }
}

/// Puts or deletes `from..to`, as many at once; says through `done` how many commits have returned.
fn change(store: &On, from: u64, to: u64, put: bool, done: &AtomicU64) {
    for first in (from..to).step_by(AT_ONCE as usize) {
        let tx = store.begin().expect("open");
        for number in first..first + AT_ONCE {
            match put {
                true => tx.put(key(number), number.to_le_bytes()).expect("open"),
                false => assert!(tx.delete(key(number)).expect("open")),
            }
        }
        tx.commit().expect("room");
        done.fetch_add(1, Ordering::SeqCst);
    }
}

/// Holds an image against the numbers whose keys must be there: those of whole commits, in their order.
fn assert_left(
    cut: CrashMedia,
    commits: std::ops::RangeInclusive<u64>,
    there: impl Fn(u64) -> BTreeSet<u64>,
) {
    let store = world::open(cut, &options()).expect("a store after a crash");
    let problems = world::problems(&store);
    assert!(problems.is_empty(), "{problems:#?}");
    let count = store.count().expect("no damage");
    let found = commits
        .clone()
        .find(|commits| there(*commits).len() as u64 == count);
    let found =
        found.unwrap_or_else(|| panic!("{count} keys are not whole commits of {commits:?}"));
    let there = there(found);
    let mut value = Vec::new();
    for number in 0..KEYS {
        let here = store.get_into(key(number), &mut value).expect("no damage");
        assert_eq!(here, there.contains(&number), "key {number}");
        assert!(!here || value == number.to_le_bytes());
    }
}

/// Runs `work` and cuts the power meanwhile; answers images with the commits that may be in them.
fn cut_while(
    media: &CrashMedia,
    cuts: usize,
    done: &AtomicU64,
    work: impl FnOnce() + Send,
) -> Vec<(CrashMedia, u64, u64)> {
    thread::scope(|scope| {
        let working = scope.spawn(work);
        let (mut random, mut images) = (Random(5), Vec::new());
        while !working.is_finished() {
            let least = done.load(Ordering::SeqCst);
            if images.len() < cuts {
                let cut = media.cut(Cut::Seeded(random.next()));
                images.push((cut, least, done.load(Ordering::SeqCst) + 1));
            }
            // Cuts come all along the way, however fast it goes.
            while !working.is_finished()
                && done.load(Ordering::SeqCst)
                    < least + 1 + random.below(2 * KEYS / AT_ONCE / cuts as u64)
            {
                thread::yield_now();
            }
        }
        working.join().expect("no panic");
        images
    })
}

#[test]
fn h9_a_hundred_thousand_keys_come_and_go_and_no_cut_leaves_half_of_a_commit() {
    let cuts = depth(6, 8, 40);
    let media = CrashMedia::new(POOL);
    let pool = CreateOptions::default();
    let store = world::create_with(media.clone(), &options(), &pool);
    let done = AtomicU64::new(0);
    let images = cut_while(&media, cuts, &done, || change(&store, 0, KEYS, true, &done));
    assert!(images.len() >= cuts / 2, "{} cuts", images.len());
    for (cut, least, most) in images {
        assert_left(cut, least..=most, |commits| {
            (0..commits * AT_ONCE).collect()
        });
    }
    // And they go again, but for the last tenth.
    drop(store);
    let media = media.cut(Cut::AllLost);
    let store = world::open(media.clone(), &options()).expect("a store");
    assert_eq!(store.count().expect("no damage"), KEYS);
    done.store(0, Ordering::SeqCst);
    let images = cut_while(&media, cuts / 2, &done, || {
        change(&store, 0, KEYS / 10 * 9, false, &done)
    });
    for (cut, least, most) in images {
        assert_left(cut, least..=most, |commits| {
            (commits * AT_ONCE..KEYS).collect()
        });
    }
    let left = (KEYS / 10 * 9..KEYS).collect::<BTreeSet<_>>();
    drop(store);
    assert_left(media.cut(Cut::AllLost), 0..=0, |_| left.clone());
}
