//! Eight threads move money between accounts while others count it, the power goes at random, and the sum stays.

mod world;

use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use everline::units::ByteLen;
use everline_crash::{CrashMedia, Cut};
use everline_kv::{Direction, Isolation, KvError, ManualClock, Mode, Store, StoreOptions};
use world::{Random, depth, small};

const POOL: ByteLen = ByteLen::new(4 << 20);
const ACCOUNTS: u64 = 32;
const EACH: u64 = 1_000;
const THREADS: u64 = 8;

type On = Store<CrashMedia>;

fn account(number: u64) -> Vec<u8> {
    format!("account {number:02}").into_bytes()
}

fn amount(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}

/// Moves some money; answers whether it came to that. A conflict is tried again.
fn transfer(store: &On, isolation: Isolation, random: &mut Random) -> bool {
    let from = random.below(ACCOUNTS);
    let to = (from + 1 + random.below(ACCOUNTS - 1)) % ACCOUNTS;
    for _ in 0..1000 {
        let tx = store.begin_with(isolation).expect("open");
        let balance = |number| {
            let bytes = tx.get(account(number)).expect("a young snapshot");
            amount(&bytes.expect("accounts stay"))
        };
        let (has, had) = (balance(from), balance(to));
        let moved = random.below(100).min(has);
        tx.put(account(from), (has - moved).to_le_bytes())
            .expect("open");
        tx.put(account(to), (had + moved).to_le_bytes())
            .expect("open");
        match tx.commit() {
            Ok(_) => return moved > 0,
            Err(KvError::Conflict { .. }) => thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
    panic!("a thousand conflicts in a row")
}

/// The sum in one snapshot.
fn sum(store: &On) -> u64 {
    let tx = store.begin().expect("open");
    let all = (Bound::Unbounded::<&[u8]>, Bound::Unbounded);
    let entries = tx.scan::<&[u8]>(all, Direction::Forward);
    let amounts: Vec<u64> = entries
        .map(|entry| amount(&entry.expect("a young snapshot").1))
        .collect();
    assert_eq!(amounts.len() as u64, ACCOUNTS);
    amounts.iter().sum()
}

fn check_left(cut: CrashMedia, options: &StoreOptions) {
    let store = world::open(cut, options).expect("a store after a crash");
    let problems = world::problems(&store);
    assert!(problems.is_empty(), "{problems:#?}");
    assert_eq!(
        sum(&store),
        ACCOUNTS * EACH,
        "money came or went with the power"
    );
}

fn bank(options: &StoreOptions, isolation: Isolation, transfers: u64) {
    let media = CrashMedia::new(POOL);
    let store = world::create(media.clone(), options);
    let tx = store.begin().expect("open");
    for number in 0..ACCOUNTS {
        tx.put(account(number), EACH.to_le_bytes()).expect("open");
    }
    tx.commit().expect("room");
    store.sync().expect("no failing fence");
    let (done, moved, counted) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let cuts = thread::scope(|scope| {
        let (store, media, done, moved, counted) = (&store, &media, &done, &moved, &counted);
        let tellers: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn(move || {
                    let mut random = Random(0xBA_2C ^ thread << 32);
                    for _ in 0..transfers / THREADS {
                        moved.fetch_add(
                            u64::from(transfer(store, isolation, &mut random)),
                            Ordering::Relaxed,
                        );
                    }
                })
            })
            .collect();
        scope.spawn(move || {
            while !done.load(Ordering::SeqCst) {
                assert_eq!(
                    sum(store),
                    ACCOUNTS * EACH,
                    "a snapshot is not of one moment"
                );
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        let clock = scope.spawn(move || {
            let (mut random, mut cuts) = (Random(7), Vec::new());
            while !done.load(Ordering::SeqCst) {
                store.run_due().expect("no failing fence");
                if cuts.len() < 24 && random.below(8) == 0 {
                    cuts.push(media.cut(Cut::Seeded(random.next())));
                }
                thread::sleep(Duration::from_millis(1));
            }
            cuts
        });
        let told: Vec<_> = tellers.into_iter().map(|teller| teller.join()).collect();
        done.store(true, Ordering::SeqCst);
        told.into_iter()
            .for_each(|outcome| outcome.expect("no panic"));
        clock.join().expect("no panic")
    });
    let moved = moved.into_inner();
    println!(
        "{moved} transfers, {} counts, {} crashes",
        counted.into_inner(),
        cuts.len()
    );
    assert!(moved > transfers / 2 && !cuts.is_empty());
    assert_eq!(store.transactions().len(), 0, "a transaction was left open");
    cuts.into_iter().for_each(|cut| check_left(cut, options));
    drop(store);
    check_left(media.cut(Cut::AllLost), options);
}

fn transfers() -> u64 {
    depth(8_000, 16_000, 80_000)
}

#[test]
fn f18_eight_threads_move_money_and_no_crash_makes_or_loses_any() {
    bank(&small(), Isolation::Snapshot, transfers());
}

#[test]
fn f18_serializable_transactions_move_money_as_well() {
    bank(&small(), Isolation::Serializable, transfers() / 2);
}

#[test]
fn f18_g12_money_stays_while_commits_are_made_durable_behind_them() {
    // The clock stands at zero but for what passes here: every flush is by size, by tick or by hand.
    let clock = ManualClock::new();
    let options = StoreOptions {
        mode: Mode::Async,
        flush_interval: Duration::from_millis(1),
        window_bytes_max: 4 << 10,
        clock: clock.clock(),
        ..small()
    };
    let ticking = AtomicBool::new(true);
    thread::scope(|scope| {
        scope.spawn(|| {
            while ticking.load(Ordering::SeqCst) {
                clock.advance(Duration::from_millis(1));
                thread::sleep(Duration::from_millis(1));
            }
        });
        bank(&options, Isolation::Snapshot, transfers() / 2);
        ticking.store(false, Ordering::SeqCst);
    });
}
