//! What a reading of the code has found: each test is one way in which the store was wrong.

mod tools;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use everline::media::{Media, Ram};
use everline::units::{ByteLen, ByteOffset};
use everline_crash::CrashMedia;
use everline_kv::{Direction, KvError, ManualClock, Mode, StoreOptions};
use tools::slow::Slow;
use tools::*;

/// Does `work` while another thread does `meanwhile` again and again.
fn beside<T>(mut meanwhile: impl FnMut() + Send, work: impl FnOnce() -> T) -> T {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                meanwhile();
            }
        });
        std::thread::sleep(Duration::from_millis(20)); // the other one is at work by now
        let done = work();
        stop.store(true, Ordering::Relaxed);
        done
    })
}

#[test]
fn a_big_value_is_read_while_its_neighbours_are_written() {
    let store = ram(64 << 20, &small());
    let big = vec![7_u8; 8 << 20];
    store.put("k", &big).expect("space");
    let mut number = 0_u64;
    let neighbours = || {
        number += 1;
        store.put("l", number.to_le_bytes()).expect("space");
    };
    beside(neighbours, || {
        let begun = Instant::now();
        for _ in 0..5 {
            assert!(store.get("k").expect("whole") == Some(big.clone()));
        }
        assert!(begun.elapsed() < Duration::from_secs(60));
    });
}

#[test]
fn a_big_value_is_read_while_it_is_replaced_itself() {
    for mode in [Mode::Sync, Mode::Async] {
        let store = ram(
            64 << 20,
            &StoreOptions {
                mode,
                flush_interval: Duration::from_millis(4),
                ..small()
            },
        );
        let value = |byte: u8| vec![byte; 1 << 20];
        store.put("k", value(0)).expect("space");
        let mut byte = 0_u8;
        let replace = || {
            byte = byte.wrapping_add(1);
            store.put("k", value(byte)).expect("space");
        };
        beside(replace, || {
            for _ in 0..30 {
                let found = store.get("k").expect("whole").expect("always there");
                assert!(found.len() == 1 << 20 && found.iter().all(|byte| *byte == found[0]));
            }
        });
    }
}

#[test]
fn who_reads_a_dropped_keyspace_is_told_that_and_not_of_damage() {
    let store = ram(4 << 20, &small());
    let space = store.create_space("gone").expect("space");
    for number in 0..500_u32 {
        space.put(number.to_be_bytes(), [1; 40]).expect("space");
    }
    let tx = store.begin().expect("open");
    let mut scan = space.scan_prefix("", Direction::Forward);
    assert!(scan.next_entry().expect("there").is_some());
    store.drop_space("gone").expect("there");
    // Others have its blocks now.
    for number in 0..3000_u32 {
        store.put(number.to_be_bytes(), [0xEE; 40]).expect("space");
    }
    let key = 77_u32.to_be_bytes();
    let gone = |error: KvError<_>| assert!(matches!(error, KvError::NoSuchSpace { .. }), "{error}");
    gone(space.get(key).expect_err("dropped"));
    gone(space.value_len(key).expect_err("dropped"));
    gone(space.count().expect_err("dropped"));
    gone(tx.on(&space).get(key).expect_err("dropped"));
    gone(tx.on(&space).count().expect_err("dropped"));
    gone(
        space
            .scan_prefix("", Direction::Backward)
            .next_entry()
            .expect_err("dropped"),
    );
    loop {
        match scan.next_entry() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the scan does not know that the keyspace is gone"),
            Err(error) => break gone(error),
        }
    }
}

#[test]
fn memory_of_the_caller_is_empty_where_there_is_no_value() {
    for mode in [Mode::Sync, Mode::Async] {
        let clock = ManualClock::new();
        let store = ram(
            1 << 20,
            &StoreOptions {
                mode,
                clock: clock.clock(),
                ..small()
            },
        );
        let mut into = bytes("before");
        assert!(!store.get_into("none", &mut into).expect("sound") && into.is_empty());
        let old = store.begin().expect("open");
        store.put("late", "value").expect("space");
        store.delete("late").expect("space");
        into = bytes("before");
        assert!(!store.get_into("late", &mut into).expect("sound") && into.is_empty());
        into = bytes("before");
        assert!(!old.get_into("late", &mut into).expect("sound") && into.is_empty());
        let tx = store.begin().expect("open");
        tx.put("own", "value").expect("open");
        tx.delete("own").expect("open");
        into = bytes("before");
        assert!(!tx.get_into("own", &mut into).expect("sound") && into.is_empty());
    }
}

#[test]
fn no_commit_of_the_core_is_followed_by_another_above_the_limit_of_the_log() {
    let options = StoreOptions {
        mode: Mode::Periodic,
        clock: ManualClock::new().clock(),
        max_log_size: Some(1024),
        ..small()
    };
    let store = ram(8 << 20, &options);
    let used = || store.regions().engine().log().status().used_bytes;
    for round in 0..8_u8 {
        store
            .create_space(&format!("space {round}"))
            .expect("space");
        assert!(used() <= 1024, "{}", used());
    }
    let space = store.space("space 3").expect("there");
    for number in 0..2000_u32 {
        space.put(number.to_be_bytes(), [1; 60]).expect("in memory");
    }
    store.drop_space("space 3").expect("there");
    assert!(used() <= 1024, "{}", used());
}

#[test]
fn who_changes_nothing_in_a_group_makes_no_conflicts() {
    let slow = Slow {
        inner: Ram::assume_persistent(ByteLen::new(4 << 20)),
        pause: Duration::from_millis(5),
    };
    let store = create_on(slow, &small());
    for round in 0..20_u32 {
        let key = [b"absent".as_slice(), &round.to_be_bytes()].concat();
        let tx = store.begin().expect("open");
        tx.put(&key, "mine").expect("open");
        // Deletes of what is not there share a group with puts of other keys.
        std::thread::scope(|scope| {
            for thread in 0..6_u8 {
                let (store, key) = (&store, &key);
                scope.spawn(move || match thread % 2 {
                    0 => assert_eq!(store.delete(key), Ok(false)),
                    _ => drop(store.put([thread], [thread]).expect("space")),
                });
            }
        });
        tx.commit().expect("nobody has changed the key");
    }
}

#[test]
fn a_transaction_refuses_keyspaces_of_another_store() {
    let (one, other) = (ram(1 << 20, &small()), ram(1 << 20, &small()));
    other.put("key", "theirs").expect("space");
    let tx = one.begin().expect("open");
    let foreign =
        |error: KvError<_>| assert!(matches!(error, KvError::ForeignSpace { .. }), "{error}");
    let on = tx.on(&other);
    foreign(on.put("key", "value").expect_err("foreign"));
    foreign(on.get("key").expect_err("foreign"));
    foreign(on.delete("key").expect_err("foreign"));
    foreign(on.append("key", "value").expect_err("foreign"));
    foreign(on.count().expect_err("foreign"));
    foreign(
        on.scan_prefix("", Direction::Backward)
            .next_entry()
            .expect_err("foreign"),
    );
    tx.on(&one).put("key", "value").expect("its own");
    tx.commit().expect("nobody else");
    assert_eq!(
        (one.get("key"), other.get("key")),
        (Ok(some("value")), Ok(some("theirs")))
    );
}

#[test]
fn a_closed_store_holds_its_pool_no_more_and_a_second_close_waits_for_the_first() {
    for _ in 0..50 {
        let options = StoreOptions {
            mode: Mode::Async,
            flush_interval: Duration::from_millis(1),
            checkpoint_interval: Some(Duration::from_millis(1)),
            ..small()
        };
        let slow = Slow {
            inner: Ram::assume_persistent(ByteLen::new(1 << 20)),
            pause: Duration::from_micros(300),
        };
        let store = create_on(slow, &options);
        let regions = std::sync::Arc::clone(store.regions());
        for number in 0..20_u8 {
            store.put([number], "value").expect("in memory");
        }
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    store.close().expect("no failing fence");
                    assert_eq!(regions.engine().log().status().used_bytes, 0);
                });
            }
        });
        drop(store);
        assert_eq!(std::sync::Arc::strong_count(&regions), 1);
    }
}

#[test]
fn a_store_whose_medium_has_failed_has_nothing_to_do_in_the_background() {
    let media = CrashMedia::new(ByteLen::new(256 << 10));
    let options = StoreOptions {
        mode: Mode::Async,
        flush_interval: Duration::from_millis(4),
        checkpoint_interval: Some(Duration::from_millis(4)),
        ..small()
    };
    let store = create_on(media.clone(), &options);
    media.fail_next_fences(1);
    let receipt = store.put("key", "value").expect("in memory");
    let ticket = receipt.ticket.expect("not durable yet");
    assert!(ticket.wait().is_err_and(|error| error.is_fatal()));
    assert!(store.put("next", "").is_err());
    assert!(store.close().is_err_and(|error| error.is_fatal()));
}

#[test]
fn deletes_make_room_for_a_window_that_has_none() {
    for mode in [Mode::Async, Mode::Periodic] {
        let options = StoreOptions {
            mode,
            clock: ManualClock::new().clock(),
            ..small()
        };
        let store = ram(256 << 10, &options);
        store.put("first", "1").expect("in memory");
        for number in 0..8_u8 {
            store.put([number], vec![1; 100 << 10]).expect("in memory");
        }
        let tx = store.begin().expect("open");
        tx.put("last", "2").expect("open");
        assert!(tx.commit().is_ok());
        assert!(matches!(store.sync(), Err(KvError::Behind { .. })));
        assert!(matches!(store.put("next", ""), Err(KvError::Behind { .. })));
        for number in 1..5_u8 {
            assert_eq!(store.delete([number]), Ok(true));
        }
        let tx = store.begin().expect("open");
        (5..8_u8).for_each(|number| assert_eq!(tx.delete([number]), Ok(true)));
        assert!(tx.commit().is_ok());
        assert_eq!(store.sync(), Ok(()));
        store.put("next", "3").expect("in memory");
        let (store, _) = reopen(store, &options);
        assert_eq!(store.count(), Ok(4));
        assert_clean(&store);
    }
}

#[test]
fn a_late_commit_beside_a_damaged_value_is_noted_whole_or_not_at_all() {
    let clock = ManualClock::new();
    let options = StoreOptions {
        mode: Mode::Periodic,
        clock: clock.clock(),
        ..small()
    };
    let store = ram(1 << 20, &options);
    store.put("a", "sound").expect("in memory");
    store.put("b", vec![0xB7; 5000]).expect("in memory");
    store.sync().expect("no failing fence");
    let media = store.regions().engine().pool().media();
    let len = media.len().get();
    let mut pool = vec![0; len as usize];
    media.read(ByteOffset::ZERO, &mut pool);
    let at = pool
        .windows(64)
        .position(|bytes| bytes == [0xB7; 64])
        .expect("its block");
    media.store8(ByteOffset::new(at as u64), 0);
    assert!(matches!(store.get("b"), Err(KvError::Corrupt(_))));
    let old = store.begin().expect("open");
    let tx = store.begin().expect("open");
    tx.put("a", "new").expect("open");
    tx.put("b", "new").expect("open");
    assert!(tx.commit().is_ok(), "what it replaces need not be sound");
    assert_eq!(
        (store.get("a"), store.get("b")),
        (Ok(some("new")), Ok(some("new")))
    );
    assert!(matches!(old.get("a"), Err(KvError::SnapshotTooOld { .. })));
}
