//! Transactions: what they see of each other, and what becomes of them.

mod tools;

use std::time::Duration;

use everline::media::Ram;
use everline::units::ByteLen;
use everline_crash::{CrashMedia, Cut};
use everline_kv::{
    Direction, Isolation, KvError, ManualClock, Mode, SpaceKey, Store, StoreOptions, TxState,
};
use tools::*;

/// Every mode, with a clock that stands still.
fn every_mode(test: impl Fn(&Store<Ram>)) {
    for (mode, enable_wal) in [
        (Mode::Sync, true),
        (Mode::Async, true),
        (Mode::Periodic, true),
        (Mode::Sync, false),
    ] {
        let options = StoreOptions {
            mode,
            enable_wal,
            clock: ManualClock::new().clock(),
            ..small()
        };
        let store = ram(4 << 20, &options);
        test(&store);
        assert_clean(&store);
        let before = all(&store);
        let (store, _) = reopen(store, &options);
        assert_eq!(all(&store), before, "{mode:?}");
    }
}

#[test]
fn f1_identifiers_are_unique_and_states_observable() {
    every_mode(|store| {
        let (one, other) = (store.begin().expect("open"), store.begin().expect("open"));
        assert_ne!(one.id(), other.id());
        assert_eq!(
            (one.state(), other.state()),
            (TxState::Active, TxState::Active)
        );
        let states = |store: &Store<Ram>| -> Vec<_> {
            let open = store.transactions();
            open.iter().map(|info| (info.id, info.state)).collect()
        };
        let both = [(one.id(), TxState::Active), (other.id(), TxState::Active)];
        assert_eq!(states(store), both);
        one.put("key", "value").expect("in memory");
        let id = one.id();
        one.commit().expect("nobody else");
        assert_eq!(states(store), [(other.id(), TxState::Active)]);
        other.abort().expect("open");
        assert!(states(store).is_empty());
        assert!(store.begin().expect("open").id() > id);
        let metrics = store.metrics().expect("whole");
        let counted = (metrics.committed_transactions, metrics.aborted_transactions);
        assert_eq!(counted, (1, 2));
    });
}

#[test]
fn f1_a_transaction_that_is_being_committed_is_preparing() {
    let media = tools::slow::Slow {
        inner: Ram::assume_persistent(ByteLen::new(4 << 20)),
        pause: Duration::from_millis(300),
    };
    let store = create_on(media, &small());
    let tx = store.begin().expect("open");
    tx.put("key", "value").expect("in memory");
    std::thread::scope(|scope| {
        let commit = scope.spawn(|| tx.commit().map(drop));
        let mut seen = false;
        while !commit.is_finished() {
            seen |= store
                .transactions()
                .iter()
                .any(|info| info.state == TxState::Preparing);
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(seen);
        assert_eq!(commit.join().expect("no panic"), Ok(()));
    });
}

#[test]
fn f4_an_abort_leaves_the_state_exactly_as_before() {
    every_mode(|store| {
        for number in 0..50_u8 {
            store
                .put([number], vec![number; usize::from(number) * 3])
                .expect("space");
        }
        let before = all(store);
        let hash = |store: &Store<Ram>| {
            let media = store.regions().engine().pool().media();
            let mut image = vec![0; everline::media::Media::len(media).get() as usize];
            everline::media::Media::read(media, everline::units::ByteOffset::ZERO, &mut image);
            crc_of(&image)
        };
        let hash_before = hash(store);
        let tx = store.begin().expect("open");
        for number in 0..100_u8 {
            tx.put([number], "changed").expect("in memory");
        }
        for number in 0..50_u8 {
            assert_eq!(tx.delete([number]), Ok(true));
        }
        tx.abort().expect("open");
        assert_eq!(all(store), before);
        assert_eq!(hash(store), hash_before, "not one byte of the pool changed");
    });
}

/// A hash that is good enough to tell two images apart.
fn crc_of(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[test]
fn f5_an_abort_does_not_overwrite_what_others_committed() {
    every_mode(|store| {
        store.put("k", "old").expect("space");
        let (t1, t2) = (store.begin().expect("open"), store.begin().expect("open"));
        t2.put("k", "T2").expect("in memory");
        t1.put("k", "T1").expect("in memory");
        t1.commit().expect("first");
        t2.abort().expect("open");
        assert_eq!(store.get("k"), Ok(some("T1")));
    });
}

#[test]
fn f6_a_transaction_reads_its_own_writes_and_deletes() {
    every_mode(|store| {
        store.put("old", "committed").expect("space");
        let tx = store.begin().expect("open");
        tx.put("k", "one").expect("in memory");
        assert_eq!(tx.get("k"), Ok(some("one")));
        tx.put("k", "two").expect("in memory");
        assert_eq!(tx.get("k"), Ok(some("two")));
        assert_eq!(tx.delete("k"), Ok(true));
        assert_eq!(tx.get("k"), Ok(None));
        assert_eq!(tx.delete("k"), Ok(false));
        assert_eq!(tx.get("old"), Ok(some("committed")));
        assert_eq!(tx.delete("old"), Ok(true));
        assert_eq!((tx.get("old"), tx.exists("old")), (Ok(None), Ok(false)));
        assert_eq!(tx.count(), Ok(0));
        tx.put("new", "").expect("in memory");
        assert_eq!(tx.value_len("new"), Ok(Some(0)));
        tx.commit().expect("nobody else");
        assert_eq!((store.get("k"), store.get("old")), (Ok(None), Ok(None)));
        assert_eq!(store.get("new"), Ok(some("")));
    });
}

#[test]
fn f6_scans_of_a_transaction_show_its_own_writes_in_order_both_ways() {
    every_mode(|store| {
        for number in (0..60_u8).step_by(2) {
            store.put([number], "committed").expect("space");
        }
        let tx = store.begin().expect("open");
        for number in (0..60_u8).step_by(3) {
            tx.put([number], "own").expect("in memory");
        }
        for number in (0..60_u8).step_by(10) {
            assert_eq!(tx.delete([number]), Ok(true));
        }
        let value = |number: u8| match number {
            number if number % 10 == 0 => None,
            number if number % 3 == 0 => Some(bytes("own")),
            number if number % 2 == 0 => Some(bytes("committed")),
            _ => None,
        };
        let expected: Vec<_> = (7..50)
            .filter_map(|number| Some((vec![number], value(number)?)))
            .collect();
        let range = vec![7]..vec![50];
        let forward: Result<Vec<_>, _> = tx.scan(range.clone(), Direction::Forward).collect();
        assert_eq!(forward, Ok(expected.clone()));
        let backward: Result<Vec<_>, _> = tx.scan(range, Direction::Backward).collect();
        assert_eq!(backward, Ok(expected.into_iter().rev().collect()));
        tx.abort().expect("open");
    });
}

#[test]
fn f7_nobody_sees_what_is_not_committed() {
    every_mode(|store| {
        store.put("k", "old").expect("space");
        let tx = store.begin().expect("open");
        tx.put("k", "new").expect("in memory");
        tx.put("fresh", "new").expect("in memory");
        let other = store.begin().expect("open");
        for _ in 0..2 {
            assert_eq!(store.get("k"), Ok(some("old")));
            assert_eq!(store.exists("fresh"), Ok(false));
            assert_eq!(other.get("k"), Ok(some("old")));
            assert_eq!(seen(&other).len(), 1);
        }
        tx.commit().expect("nobody else");
        assert_eq!(store.get("k"), Ok(some("new")));
        assert_eq!(other.get("k"), Ok(some("old")));
    });
}

#[test]
fn f8_write_write_conflict_lets_exactly_one_commit() {
    every_mode(|store| {
        store.put("n", "0").expect("space");
        let (one, other) = (store.begin().expect("open"), store.begin().expect("open"));
        assert_eq!(
            (one.get("n"), other.get("n")),
            (Ok(some("0")), Ok(some("0")))
        );
        one.put("n", "1").expect("in memory");
        other.put("n", "2").expect("in memory");
        let id = other.id();
        assert!(one.commit().is_ok());
        let refused = KvError::Conflict {
            transaction: id,
            space: String::new(),
            key: bytes("n"),
        };
        assert_eq!(other.commit().map(drop), Err(refused));
        assert_eq!(store.get("n"), Ok(some("1")));

        // A key that was absent, and one that an operation by itself changed, are no different.
        let (one, other) = (store.begin().expect("open"), store.begin().expect("open"));
        one.put("new", "1").expect("in memory");
        other.put("new", "2").expect("in memory");
        assert_eq!(store.delete("n"), Ok(true));
        other.put("n", "3").expect("in memory");
        assert!(one.commit().is_ok());
        assert!(is_conflict(other.commit()));
    });
}

#[test]
fn f8_serializable_refuses_what_read_what_has_changed() {
    every_mode(|store| {
        store.put("a", "1").expect("space");
        store.put("b", "1").expect("space");
        // Write skew: each reads both and writes the other one.
        let skew = |isolation| {
            let one = store.begin_with(isolation).expect("open");
            let other = store.begin_with(isolation).expect("open");
            for tx in [&one, &other] {
                tx.get("a").expect("open");
                tx.get("b").expect("open");
            }
            one.put("a", "0").expect("in memory");
            other.put("b", "0").expect("in memory");
            assert!(one.commit().is_ok());
            other.commit().map(drop)
        };
        assert_eq!(skew(Isolation::Snapshot), Ok(()));
        assert!(is_conflict(skew(Isolation::Serializable)));

        // An absent key that has come, and a range into which one has come.
        let absent = store.begin_with(Isolation::Serializable).expect("open");
        let range = store.begin_with(Isolation::Serializable).expect("open");
        let beside = store.begin_with(Isolation::Serializable).expect("open");
        let reader = store.begin_with(Isolation::Serializable).expect("open");
        assert_eq!(absent.get("m"), Ok(None));
        assert_eq!(range.scan_prefix("", Direction::Backward).count(), 2);
        assert_eq!(
            beside
                .scan(bytes("a")..bytes("b"), Direction::Forward)
                .count(),
            1
        );
        assert_eq!(reader.get("m"), Ok(None));
        store.put("m", "phantom").expect("space");
        for (tx, refused) in [(absent, true), (range, true), (beside, false)] {
            tx.put("unrelated", tx.id().to_string()).expect("in memory");
            assert_eq!(is_conflict(tx.commit()), refused);
        }
        assert!(reader.commit().is_ok(), "who only reads saw one moment");
    });
}

#[test]
fn f8_transactions_that_wait_together_are_decided_one_after_another() {
    let media = tools::slow::Slow {
        inner: Ram::assume_persistent(ByteLen::new(4 << 20)),
        pause: Duration::from_millis(3),
    };
    let store = create_on(media, &small());
    let number = |value: Option<Vec<u8>>| -> u64 {
        let value = value.expect("there");
        u64::from_le_bytes(value[..].try_into().expect("8 bytes"))
    };
    store.put("n", 0_u64.to_le_bytes()).expect("space");
    for key in ["a", "b"] {
        store.put(key, 20_u64.to_le_bytes()).expect("space");
    }
    let added = std::sync::atomic::AtomicU64::new(0);
    let taken = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..8_usize {
            let (store, added, taken) = (&store, &added, &taken);
            scope.spawn(move || {
                for round in 0..15 {
                    let tx = store.begin().expect("open");
                    let n = number(tx.get("n").expect("open"));
                    tx.put("n", (n + 1).to_le_bytes()).expect("in memory");
                    let committed = tx.commit().is_ok();
                    added.fetch_add(committed.into(), std::sync::atomic::Ordering::SeqCst);

                    // As long as the two together have something, one of them gives: the other is only read.
                    let tx = store.begin_with(Isolation::Serializable).expect("open");
                    let (own, other) = [("a", "b"), ("b", "a")][(thread + round) % 2];
                    let there = number(tx.get(own).expect("open"));
                    if there + number(tx.get(other).expect("open")) < 20 || there == 0 {
                        continue;
                    }
                    tx.put(own, (there - 1).to_le_bytes()).expect("in memory");
                    let committed = tx.commit().is_ok();
                    taken.fetch_add(committed.into(), std::sync::atomic::Ordering::SeqCst);
                }
            });
        }
    });
    let (added, taken) = (added.into_inner(), taken.into_inner());
    assert_eq!(number(store.get("n").expect("whole")), added);
    let left = ["a", "b"].map(|key| number(store.get(key).expect("whole")));
    assert_eq!(left[0] + left[1], 40 - taken);
    assert!(
        left[0] + left[1] >= 19,
        "{left:?}: somebody took what was not there"
    );
    assert!(added > 0 && taken > 0);
    assert_clean(&store);
}

#[test]
fn f9_reads_repeat_and_scans_show_one_moment() {
    every_mode(|store| {
        for number in 0..40_u8 {
            store.put([number], "old").expect("space");
        }
        let big = vec![7; 500];
        store.put("big", &big).expect("space");
        let before = all(store);
        let tx = store.begin().expect("open");
        assert_eq!(tx.get([3]), Ok(some("old")));
        let mut scan = store.scan_prefix("", Direction::Forward);
        let mut scanned = vec![scan.next().expect("40 of them").expect("whole")];
        for number in 0..60_u8 {
            match number % 3 {
                0 => drop(store.put([number], "new").expect("space")),
                1 => drop(store.delete([number]).expect("space")),
                _ => drop(store.put([number], vec![1; 200]).expect("space")),
            }
        }
        store.put("big", "small").expect("space");
        assert_eq!(tx.get([3]), Ok(some("old")));
        assert_eq!(tx.get([50]), Ok(None));
        assert_eq!(tx.get("big"), Ok(Some(big)));
        assert_eq!(seen(&tx), before);
        assert_eq!(tx.count(), Ok(41));
        scanned.extend(scan.map(|entry| entry.expect("not too old")));
        assert_eq!(scanned.into_iter().collect::<State>(), before);
        assert_ne!(all(store), before);
    });
}

#[test]
fn f9_a_snapshot_that_needs_more_than_memory_allows_is_told() {
    for mode in [Mode::Sync, Mode::Periodic] {
        let options = StoreOptions {
            version_bytes_max: 4096,
            mode,
            clock: ManualClock::new().clock(),
            ..small()
        };
        let store = ram(8 << 20, &options);
        store.put("k", "old").expect("space");
        store.put("still", "here").expect("space");
        let tx = store.begin().expect("open");
        tx.put("own", "write").expect("in memory");
        for number in 0..200_u32 {
            store
                .put("k", number.to_le_bytes())
                .expect("a reader fills nothing");
        }
        assert!(matches!(tx.get("k"), Err(KvError::SnapshotTooOld { .. })));
        let mut scan = tx.scan_prefix("", Direction::Forward);
        assert!(matches!(
            scan.next(),
            Some(Err(KvError::SnapshotTooOld { .. }))
        ));
        assert!(scan.next().is_none());
        drop(scan);
        assert_eq!(tx.get("own"), Ok(some("write")));
        assert!(matches!(tx.commit(), Err(KvError::SnapshotTooOld { .. })));
        assert_eq!(store.exists("own"), Ok(false));
        let next = store.begin().expect("open");
        assert_eq!(next.get("still"), Ok(some("here")));
        next.put("own", "write").expect("in memory");
        assert!(next.commit().is_ok());
    }
}

#[test]
fn f10_a_transaction_that_has_ended_refuses_everything() {
    every_mode(|store| {
        let mut tx = store.begin().expect("open");
        tx.put("k", "v").expect("in memory");
        let savepoint = tx.savepoint().expect("open");
        tx.join().expect("nobody else").commit().expect("space");
        let ended = KvError::Finished {
            id: tx.id(),
            state: TxState::Committed,
        };
        assert_eq!(tx.state(), TxState::Committed);
        assert_eq!(tx.get("k"), Err(ended.clone()));
        assert_eq!(tx.put("k", "late"), Err(ended.clone()));
        assert_eq!(tx.delete("k"), Err(ended.clone()));
        assert_eq!(tx.savepoint().map(drop), Err(ended.clone()));
        assert_eq!(tx.rollback_to(&savepoint), Err(ended.clone()));
        assert_eq!(tx.join().map(drop), Err(ended.clone()));
        let mut scan = tx.scan_prefix("", Direction::Forward);
        assert_eq!(scan.next(), Some(Err(ended.clone())));
        drop(scan);
        assert_eq!(tx.commit().map(drop), Err(ended));
        assert_eq!(store.get("k"), Ok(some("v")));

        let mut tx = store.begin().expect("open");
        drop(tx.join().expect("nobody else"));
        let ended = KvError::Finished {
            id: tx.id(),
            state: TxState::Aborted,
        };
        assert_eq!(tx.get("k"), Err(ended.clone()));
        assert_eq!(tx.abort(), Err(ended));
    });
}

#[test]
fn f11_a_commit_without_space_leaves_the_old_state_and_no_lock() {
    let store = ram(256 << 10, &small());
    store.put("k", "old").expect("space");
    let before = all(&store);
    let tx = store.begin().expect("open");
    tx.put("k", "new").expect("in memory");
    for number in 0..200_u32 {
        tx.put(number.to_be_bytes(), vec![1; 4000])
            .expect("in memory");
    }
    let outcome = tx.commit().map(drop);
    assert!(
        matches!(
            outcome,
            Err(KvError::NoSpace { .. } | KvError::LogFull { .. })
        ),
        "{outcome:?}"
    );
    assert_eq!(all(&store), before);
    assert!(store.transactions().is_empty());
    let outcome = store.put("large", vec![1; 1 << 20]).map(drop);
    assert!(
        matches!(outcome, Err(KvError::NoSpace { .. })),
        "{outcome:?}"
    );
    let tx = store.begin().expect("open");
    tx.put("k", "next").expect("in memory");
    assert!(tx.commit().is_ok());
    assert_eq!(store.get("k"), Ok(some("next")));
    assert_clean(&store);
}

#[test]
fn f11_a_failed_sync_is_typed_and_sticks_until_the_pool_is_opened_again() {
    let media = CrashMedia::new(ByteLen::new(256 << 10));
    let store = create_on(media.clone(), &small());
    store.put("k", "old").expect("space");
    media.fail_next_fences(1);
    let tx = store.begin().expect("open");
    tx.put("k", "new").expect("in memory");
    tx.put("l", "new").expect("in memory");
    assert!(matches!(tx.commit(), Err(KvError::Sync(_))));
    assert_eq!(store.get("k"), Ok(some("old")), "reads go on");
    assert_eq!(store.put("k", "later").map(drop), Err(KvError::Poisoned));
    let tx = store.begin().expect("open");
    tx.put("k", "later").expect("in memory");
    assert_eq!(tx.commit().map(drop), Err(KvError::Poisoned));
    assert!(store.transactions().is_empty());
    for seed in 0..50 {
        let (store, _) = open_on(media.cut(Cut::Seeded(seed)), &small());
        let state = (
            store.get("k").expect("whole"),
            store.get("l").expect("whole"),
        );
        let allowed = [(some("old"), None), (some("new"), some("new"))];
        assert!(allowed.contains(&state), "{state:?}");
        assert!(store.put("k", "next").is_ok());
        assert_clean(&store);
    }
}

#[test]
fn f11_a_member_of_a_group_that_fails_harms_no_other() {
    let media = tools::slow::Slow {
        inner: Ram::assume_persistent(ByteLen::new(1 << 20)),
        pause: Duration::from_millis(20),
    };
    let store = create_on(media, &small());
    std::thread::scope(|scope| {
        for thread in 0..6_u8 {
            let store = &store;
            scope.spawn(move || {
                for round in 0..4_u8 {
                    if thread == 0 {
                        let outcome = store.put("too large", vec![0; 2 << 20]).map(drop);
                        assert!(
                            matches!(outcome, Err(KvError::NoSpace { .. })),
                            "{outcome:?}"
                        );
                    } else {
                        store.put([thread, round], [round]).expect("space");
                    }
                }
            });
        }
    });
    assert_eq!(store.count(), Ok(20));
    assert_clean(&store);
}

#[test]
fn f13_open_transactions_are_aborted_by_drop_panic_and_close() {
    every_mode(|store| {
        store.put("k", "old").expect("space");
        drop(store.begin().expect("open").put("k", "dropped"));
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let tx = store.begin().expect("open");
            tx.put("k", "panicked").expect("in memory");
            panic!("on purpose");
        }));
        assert!(panicked.is_err());
        assert_eq!(store.get("k"), Ok(some("old")));
        let aborted = |store: &Store<Ram>| store.metrics().expect("whole").aborted_transactions;
        assert_eq!(aborted(store), 2);
    });
    // Closed with one open: it is aborted, later commits of others are kept.
    let store = ram(1 << 20, &small());
    store.put("k", "old").expect("space");
    let tx = store.begin().expect("open");
    tx.put("k", "never").expect("in memory");
    store.put("other", "kept").expect("space");
    let before = store.metrics().expect("whole");
    assert_eq!(
        (before.active_transactions, before.aborted_transactions),
        (1, 0)
    );
    assert_eq!(store.close(), Ok(()));
    assert_eq!(tx.state(), TxState::Aborted);
    let after = store.metrics().expect("whole");
    assert_eq!(
        (after.active_transactions, after.aborted_transactions),
        (0, 1)
    );
    assert!(matches!(
        tx.get("k"),
        Err(KvError::Closed | KvError::Finished { .. })
    ));
    assert!(tx.commit().is_err());
    assert_eq!(store.get("k"), Err(KvError::Closed));
    assert_eq!(store.put("k", "").map(drop), Err(KvError::Closed));
    assert!(matches!(store.begin(), Err(KvError::Closed)));
    let (store, report) = open_on(abandon(store), &small());
    assert_eq!(report.recovery.redone, 0);
    assert_eq!(
        (store.get("k"), store.get("other")),
        (Ok(some("old")), Ok(some("kept")))
    );
}

#[test]
fn f16_an_inner_rollback_keeps_the_outer_writes() {
    every_mode(|store| {
        store.put("k", "committed").expect("space");
        let tx = store.begin().expect("open");
        tx.put("outer", "1").expect("in memory");
        let outer = tx.savepoint().expect("open");
        tx.put("k", "inner").expect("in memory");
        assert_eq!(tx.delete("outer"), Ok(true));
        let inner = tx.savepoint().expect("open");
        for number in 0..40_u8 {
            tx.put([number], "innermost").expect("in memory");
        }
        tx.rollback_to(&inner).expect("its own");
        assert_eq!((tx.get([3]), tx.get("outer")), (Ok(None), Ok(None)));
        assert_eq!(tx.get("k"), Ok(some("inner")));
        tx.rollback_to(&outer).expect("its own");
        assert_eq!(tx.get("k"), Ok(some("committed")));
        assert_eq!(tx.get("outer"), Ok(some("1")));
        let gone = KvError::UnknownSavepoint { id: tx.id() };
        assert_eq!(tx.rollback_to(&inner), Err(gone));
        tx.put("later", "2").expect("in memory");
        tx.rollback_to(&outer).expect("again");
        tx.put("last", "3").expect("in memory");
        let other = store.begin().expect("open");
        assert!(matches!(
            other.rollback_to(&outer),
            Err(KvError::UnknownSavepoint { .. })
        ));
        tx.commit().expect("nobody else");
        let expected = [("k", "committed"), ("last", "3"), ("outer", "1")];
        let expected: State = expected
            .map(|(key, value)| (bytes(key), bytes(value)))
            .into();
        assert_eq!(all(store), expected);
    });
}

#[test]
fn f18_eight_threads_move_money_while_the_power_goes() {
    const ACCOUNTS: u64 = 12;
    const TOTAL: u64 = ACCOUNTS * 100;
    let number = |value: Option<Vec<u8>>| -> u64 {
        let value = value.expect("there");
        u64::from_le_bytes(value[..].try_into().expect("8 bytes"))
    };
    let media = CrashMedia::new(ByteLen::new(512 << 10));
    let store = create_on(media.clone(), &small());
    let tx = store.begin().expect("open");
    for account in 0..ACCOUNTS {
        tx.put(account.to_be_bytes(), 100_u64.to_le_bytes())
            .expect("in memory");
    }
    tx.commit().expect("nobody else");
    let sum = |state: State| -> u64 { state.into_values().map(|value| number(Some(value))).sum() };
    let transfer = |store: &Store<CrashMedia>, random: &mut Random| -> bool {
        let isolation = [Isolation::Snapshot, Isolation::Serializable][random.below(2) as usize];
        let tx = store.begin_with(isolation).expect("open");
        let (from, to) = (random.below(ACCOUNTS), random.below(ACCOUNTS));
        let (from, to) = (from.to_be_bytes(), to.to_be_bytes());
        let there = number(tx.get(from).expect("open"));
        let amount = random.below(there + 1);
        tx.put(from, (there - amount).to_le_bytes())
            .expect("in memory");
        let other = number(tx.get(to).expect("open"));
        tx.put(to, (other + amount).to_le_bytes())
            .expect("in memory");
        match tx.commit() {
            Ok(_) => true,
            Err(error) => {
                assert!(error.is_retryable(), "{error}");
                false
            }
        }
    };
    let done = std::sync::atomic::AtomicUsize::new(0);
    let mut cuts = Vec::new();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (store, done, transfer, sum) = (&store, &done, &transfer, &sum);
            scope.spawn(move || {
                let mut random = Random(18 + thread);
                let mut moved = 0;
                while moved < 60 {
                    moved += u32::from(transfer(store, &mut random));
                    let seen = seen(&store.begin().expect("open"));
                    assert_eq!(sum(seen), TOTAL, "seed {}", 18 + thread);
                }
                done.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            });
        }
        while done.load(std::sync::atomic::Ordering::SeqCst) < 8 {
            cuts.push(media.cut(Cut::Seeded(cuts.len() as u64)));
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    assert_eq!(sum(all(&store)), TOTAL);
    assert!(store.transactions().is_empty());
    assert_clean(&store);
    println!("{} cuts", cuts.len());
    for media in cuts.into_iter().take(60) {
        let (store, _) = open_on(media, &small());
        assert_eq!(sum(all(&store)), TOTAL);
        assert!(transfer(&store, &mut Random(1)));
        assert_clean(&store);
    }
}

#[test]
fn l7_open_transactions_show_what_they_have_read_and_written() {
    let clock = ManualClock::new();
    let options = StoreOptions {
        clock: clock.clock(),
        ..small()
    };
    let store = ram(1 << 20, &options);
    let stock = store.create_space("stock").expect("space");
    store.put("a", "1").expect("space");
    let one = store.begin().expect("open");
    clock.advance(Duration::from_secs(3));
    let other = store.begin_with(Isolation::Serializable).expect("open");
    one.get("a").expect("open");
    one.get("absent").expect("open");
    one.get("a").expect("open");
    one.put("b", "2").expect("in memory");
    one.on(&stock).put("c", "3").expect("in memory");
    assert_eq!(other.scan_prefix("", Direction::Forward).count(), 1);
    assert_eq!(other.on(&stock).delete("none"), Ok(false));
    clock.advance(Duration::from_secs(1));
    let key = |space: &str, key: &str| SpaceKey {
        space: space.into(),
        key: bytes(key),
    };
    let open = store.transactions();
    assert_eq!(open.len(), 2);
    assert_eq!((open[0].id, open[1].id), (one.id(), other.id()));
    assert_eq!(open[0].state, TxState::Active);
    assert_eq!(open[0].age, Duration::from_secs(4));
    assert_eq!(open[1].age, Duration::from_secs(1));
    assert_eq!(open[0].reads, [key("", "a"), key("", "absent")]);
    assert_eq!(open[0].writes, [key("", "b"), key("stock", "c")]);
    assert_eq!(open[1].reads, [key("stock", "none")]);
    assert_eq!((open[1].other_reads, open[1].writes.len()), (1, 0));
    assert_eq!(open[1].isolation, Isolation::Serializable);
    one.commit().expect("nobody else");
    other.abort().expect("open");
    assert!(store.transactions().is_empty());
}
