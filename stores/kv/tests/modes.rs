//! When commits become durable: modes, checkpoints, limits of the log.

mod tools;

use std::sync::Arc;
use std::time::Duration;

use everline::engine::{Engine, OpenOptions};
use everline::media::Ram;
use everline::units::ByteLen;
use everline_crash::{CrashMedia, Cut};
use everline_kv::{KvError, ManualClock, Mode, Store, StoreOptions};
use everline_region::Regions;
use tools::slow::Slow;
use tools::*;

const INTERVAL: Duration = Duration::from_secs(1);

fn with_clock(mode: Mode, clock: &ManualClock) -> StoreOptions {
    StoreOptions {
        mode,
        flush_interval: INTERVAL,
        clock: clock.clock(),
        ..small()
    }
}

fn on_crash(options: &StoreOptions) -> (CrashMedia, Store<CrashMedia>) {
    let media = CrashMedia::new(ByteLen::new(256 << 10));
    let store = create_on(media.clone(), options);
    (media, store)
}

/// What a power cut leaves, in three ways: all of them must agree.
fn after_cut(media: &CrashMedia) -> State {
    let cuts = [Cut::AllLost, Cut::AllKept, Cut::Seeded(5)];
    let mut states = cuts.map(|cut| {
        let (store, _) = open_on(media.cut(cut), &small());
        assert_clean(&store);
        all(&store)
    });
    assert_eq!(states[0], states[1]);
    assert_eq!(states[0], states[2]);
    std::mem::take(&mut states[0])
}

fn state(keys: &[(&str, &str)]) -> State {
    let own = |(key, value): &(&str, &str)| (bytes(key), bytes(value));
    keys.iter().map(own).collect()
}

#[test]
fn g1_timestamps_grow_across_checkpoints_and_openings() {
    let mut store = ram(1 << 20, &small());
    let mut last = 0;
    for round in 0..6_u8 {
        let mut sequence = 0;
        for number in 0..5_u8 {
            let receipt = store.put([round, number], "value").expect("space");
            assert!(receipt.lsn > last && receipt.sequence > sequence);
            (last, sequence) = (receipt.lsn, receipt.sequence);
        }
        let tx = store.begin().expect("open");
        tx.put("tx", [round]).expect("in memory");
        let receipt = tx.commit().expect("nobody else");
        assert!(receipt.lsn > last);
        last = receipt.lsn;
        match round % 3 {
            0 => drop(store.checkpoint().expect("no failing fence")),
            1 => store = reopen(store, &small()).0,
            _ => store = kill(store, &small()).0,
        }
    }
}

#[test]
fn g7_a_checkpoint_on_demand_empties_the_log() {
    for enable_wal in [true, false] {
        let options = StoreOptions {
            enable_wal,
            ..with_clock(Mode::Sync, &ManualClock::new())
        };
        let (media, store) = on_crash(&options);
        for number in 0..30_u8 {
            store.put([number], vec![number; 100]).expect("space");
        }
        let tx = store.begin().expect("open");
        tx.put("open", "not committed").expect("in memory");
        store.checkpoint().expect("no failing fence");
        let log = store.regions().engine().log().status();
        assert_eq!(log.used_bytes, 0);
        assert_eq!(after_cut(&media).len(), 30, "wal {enable_wal}");
        assert!(tx.commit().is_ok());
    }
}

#[test]
fn g8_checkpoints_by_interval_and_by_the_size_of_the_log() {
    let options = StoreOptions {
        max_log_size: Some(4096),
        ..small()
    };
    let store = ram(4 << 20, &options);
    let log = |store: &Store<Ram>| store.regions().engine().log().status();
    let (mut most, mut record) = (0, 0);
    let mut before = log(&store).used_bytes;
    let (mut cut, mut checkpoints) = (log(&store).cut, 0);
    for number in 0..200_u32 {
        store.put(number.to_be_bytes(), [1; 100]).expect("space");
        let status = log(&store);
        record = record.max(status.used_bytes.saturating_sub(before));
        most = most.max(status.used_bytes);
        before = status.used_bytes;
        checkpoints += u32::from(status.cut > cut);
        cut = status.cut;
    }
    assert!(most <= 4096 + record, "{most} bytes, records of {record}");
    assert!(checkpoints >= 3, "{checkpoints}");

    let clock = ManualClock::new();
    let options = StoreOptions {
        checkpoint_interval: Some(Duration::from_secs(60)),
        ..with_clock(Mode::Sync, &clock)
    };
    let store = ram(1 << 20, &options);
    store.put("key", "value").expect("space");
    clock.advance(Duration::from_secs(59));
    store.run_due().expect("nothing due");
    assert!(log(&store).used_bytes > 0);
    clock.advance(Duration::from_secs(1));
    store.run_due().expect("no failing fence");
    assert_eq!(log(&store).used_bytes, 0);
    store.put("key", "again").expect("space");
    store.run_due().expect("nothing due");
    assert!(log(&store).used_bytes > 0);
}

#[test]
fn g8_a_thread_checkpoints_by_the_systems_clock_and_ends_with_the_store() {
    let options = StoreOptions {
        checkpoint_interval: Some(Duration::from_millis(20)),
        ..small()
    };
    let store = ram(1 << 20, &options);
    store.put("key", "value").expect("space");
    let used = |store: &Store<Ram>| store.regions().engine().log().status().used_bytes;
    for _ in 0..500 {
        if used(&store) == 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(used(&store), 0);
    let media = abandon(store); // waits for the thread to let go
    let (store, report) = open_on(media, &small());
    assert_eq!((store.count(), report.recovery.redone), (Ok(1), 0));
}

#[test]
fn g12_async_commits_are_durable_within_the_interval() {
    let clock = ManualClock::new();
    let (media, store) = on_crash(&with_clock(Mode::Async, &clock));
    let receipt = store.put("one", "1").expect("in memory");
    assert!(!receipt.durable && receipt.lsn == 0);
    let ticket = receipt.ticket.expect("not durable yet");
    assert_eq!(ticket.is_durable(), Ok(false));
    assert_eq!(store.get("one"), Ok(some("1")));
    store.run_due().expect("nothing due");
    assert_eq!(after_cut(&media), state(&[]));

    let tx = store.begin().expect("open");
    tx.put("two", "2").expect("in memory");
    assert_eq!(tx.delete("one"), Ok(true));
    tx.commit().expect("nobody else");
    clock.advance(INTERVAL);
    store.run_due().expect("no failing fence");
    assert_eq!(ticket.is_durable(), Ok(true));
    assert_eq!(ticket.wait(), Ok(()));
    assert!(store.ticket().is_none());
    assert_eq!(after_cut(&media), state(&[("two", "2")]));
}

#[test]
fn g12_a_crash_of_async_leaves_a_prefix_no_older_than_the_window() {
    let clock = ManualClock::new();
    let media = CrashMedia::new(ByteLen::new(512 << 10));
    let store = create_on(media.clone(), &with_clock(Mode::Async, &clock));
    let mut random = Random(12);
    let mut committed: Vec<(Duration, State)> = vec![(Duration::ZERO, State::new())];
    let mut now = Duration::ZERO;
    for round in 0..120_u64 {
        let tx = store.begin().expect("open");
        let mut next = committed.last().expect("one").1.clone();
        for _ in 0..1 + random.below(3) {
            let key = vec![random.below(20) as u8];
            if random.below(4) == 0 {
                tx.delete(&key).expect("in memory");
                next.remove(&key);
            } else {
                tx.put(&key, round.to_le_bytes()).expect("in memory");
                next.insert(key, round.to_le_bytes().to_vec());
            }
        }
        tx.commit().expect("nobody else");
        committed.push((now, next));
        let step = Duration::from_millis(random.below(300));
        clock.advance(step);
        now += step;
        store.run_due().expect("no failing fence");
        if round % 5 != 0 {
            continue;
        }
        let (crashed, _) = open_on(media.cut(Cut::Seeded(round)), &small());
        let found = all(&crashed);
        let prefix = committed.iter().rposition(|(_, state)| *state == found);
        let prefix = prefix.expect("a state between two commits");
        let lost = committed.get(prefix + 1);
        assert!(
            lost.is_none_or(|(at, _)| now - *at <= INTERVAL),
            "round {round}"
        );
        assert_clean(&crashed);
    }
}

#[test]
fn g12_a_thread_flushes_by_the_systems_clock() {
    let options = StoreOptions {
        mode: Mode::Async,
        flush_interval: Duration::from_millis(40),
        ..small()
    };
    let store = ram(1 << 20, &options);
    let receipt = store.put("key", "value").expect("in memory");
    let ticket = receipt.ticket.expect("not durable yet");
    assert_eq!(ticket.wait(), Ok(()));
    let waiting = store.put("other", "value").expect("in memory").ticket;
    let waiting = waiting.expect("not durable yet");
    let polled = std::pin::pin!(waiting);
    let waker = std::task::Waker::noop();
    let context = &mut std::task::Context::from_waker(waker);
    // Whatever the first poll finds, the flush comes by itself.
    if std::future::Future::poll(polled, context).is_pending() {
        store
            .ticket()
            .map_or(Ok(()), |ticket| ticket.wait())
            .expect("no failing fence");
    }
    let (store, _) = kill(store, &small());
    assert_eq!(store.count(), Ok(2));
}

#[test]
fn g13_periodic_commits_are_durable_at_the_tick_and_not_before() {
    let clock = ManualClock::new();
    clock.advance(INTERVAL * 7);
    let (media, store) = on_crash(&with_clock(Mode::Periodic, &clock));
    clock.advance(INTERVAL / 2);
    store.put("key", "value").expect("in memory");
    clock.advance(INTERVAL / 2 - Duration::from_nanos(1));
    store.run_due().expect("nothing due");
    assert_eq!(after_cut(&media), state(&[]));
    clock.advance(Duration::from_nanos(1));
    store.run_due().expect("no failing fence");
    assert_eq!(after_cut(&media), state(&[("key", "value")]));
    assert!(store.ticket().is_none());
}

#[test]
fn l4_async_is_durable_before_the_tick_and_periodic_only_at_it() {
    let durable_at = |mode| {
        let clock = ManualClock::new();
        let (media, store) = on_crash(&with_clock(mode, &clock));
        store.put("key", "value").expect("in memory");
        (0..=20_u32).find(|_| {
            store.run_due().expect("no failing fence");
            let durable = !after_cut(&media).is_empty();
            if !durable {
                clock.advance(INTERVAL / 20);
            }
            durable
        })
    };
    let (soon, tick) = (durable_at(Mode::Async), durable_at(Mode::Periodic));
    assert!(
        soon.is_some_and(|steps| steps > 0 && steps < 20),
        "{soon:?}"
    );
    assert_eq!(tick, Some(20));
}

#[test]
fn g14_without_a_log_a_checkpoint_makes_durable_and_nothing_is_torn() {
    let clock = ManualClock::new();
    let options = StoreOptions {
        enable_wal: false,
        ..with_clock(Mode::Async, &clock)
    };
    let (media, store) = on_crash(&options);
    store.put("before", "1").expect("in memory");
    store.checkpoint().expect("no failing fence");
    let tx = store.begin().expect("open");
    for number in 0..20_u8 {
        tx.put([number], vec![number; 90]).expect("in memory");
    }
    tx.commit().expect("nobody else");
    clock.advance(INTERVAL * 100);
    store.run_due().expect("nothing due");
    assert_eq!(after_cut(&media), state(&[("before", "1")]));
    let lsn = store.regions().engine().log().status().last_timestamp;
    store.checkpoint().expect("no failing fence");
    let after = store.regions().engine().log().status().last_timestamp;
    assert_eq!(after, lsn + 1, "all of it in one transaction");
    assert_eq!(after_cut(&media).len(), 21);
}

#[test]
fn g15_what_recovery_did_is_not_done_again() {
    let store = ram(1 << 20, &small());
    for number in 0..20_u8 {
        store.put([number], [number]).expect("space");
    }
    let (store, first) = kill(store, &small());
    assert_eq!(first.recovery.redone, 21, "the store itself, and each put");
    let (store, second) = kill(store, &small());
    assert_eq!(second.recovery.redone, 0);
    assert_eq!(store.count(), Ok(20));
}

#[test]
fn g16_recovery_takes_time_that_is_measured() {
    let pause = Duration::from_millis(1);
    let media = Slow {
        inner: Ram::assume_persistent(ByteLen::new(1 << 20)),
        pause,
    };
    let store = create_on(media, &small());
    store.put("key", "value").expect("space");
    let begun = std::time::Instant::now();
    let media = abandon(store);
    let regions = {
        let (engine, _) =
            everline::engine::Engine::open(media, &Default::default()).expect("a pool");
        std::sync::Arc::new(everline_region::Regions::open(engine).expect("no regions"))
    };
    let options = StoreOptions {
        recovery_time: begun.elapsed(),
        ..small()
    };
    let store = Store::open(regions, &options).expect("a store");
    let metrics = store.metrics().expect("whole");
    assert!(metrics.recovery_time_ms >= 2.0, "{metrics:?}");

    // Through a file: the time of pool and store together.
    let dir = tempfile::tempdir().expect("a directory for tests");
    let path = dir.path().join("pool.pmem");
    let opened = everline_kv::open(&path).expect("a store");
    opened.put("key", "value").expect("space");
    drop(opened); // as a killed process leaves it
    let opened = everline_kv::open(&path).expect("a store");
    assert!(opened.metrics().expect("whole").recovery_time_ms > 0.0);
    assert_eq!(opened.get("key"), Ok(some("value")));
}

#[test]
fn i5_a_write_on_a_slow_medium_takes_at_least_its_sync() {
    let media = Slow {
        inner: Ram::assume_persistent(ByteLen::new(1 << 20)),
        pause: Duration::from_millis(1),
    };
    let store = create_on(media, &small());
    for number in 0..10_u8 {
        store.put([number], [number]).expect("space");
    }
    let metrics = store.metrics().expect("whole");
    assert!(metrics.avg_write_latency_us >= 1000.0, "{metrics:?}");
    assert!(metrics.write_latency.p50_us >= 900.0 && metrics.write_latency.max_us >= 1000.0);
    assert_eq!((metrics.num_writes, metrics.num_reads), (10, 0));
}

#[test]
fn threads_that_commit_at_the_same_time_share_a_sync() {
    let media = everline::media::Counted::new(Slow {
        inner: Ram::assume_persistent(ByteLen::new(4 << 20)),
        pause: Duration::from_millis(5),
    });
    let store = create_on(media, &small());
    let media = store.regions().engine().pool().media();
    let ((), cost) = media.cost_of(|| {
        std::thread::scope(|scope| {
            for thread in 0..8_u8 {
                let store = &store;
                scope.spawn(move || {
                    for round in 0..20_u8 {
                        store.put([thread, round], [round]).expect("space");
                    }
                });
            }
        });
    });
    assert_eq!(store.count(), Ok(160));
    assert!(cost.waits <= 80, "{} waits for 160 commits", cost.waits);
    assert_clean(&store);
}

#[test]
fn a_window_that_cannot_be_flushed_is_told_and_goes_on_when_there_is_room() {
    let options = with_clock(Mode::Periodic, &ManualClock::new());
    let store = ram(256 << 10, &options);
    let blocker = store
        .regions()
        .create_with(&vec![1; 100 << 10], &Default::default())
        .expect("space");
    store.put("small", "1").expect("in memory");
    let receipt = store.put("large", vec![1; 100 << 10]).expect("in memory");
    let ticket = receipt.ticket.expect("not durable yet");
    let outcome = store.sync();
    assert!(
        matches!(outcome, Err(KvError::Behind { .. })),
        "{outcome:?}"
    );
    assert!(matches!(ticket.is_durable(), Err(KvError::Behind { .. })));
    assert!(matches!(
        store.put("next", "2"),
        Err(KvError::Behind { .. })
    ));
    assert_eq!(
        store.get("small"),
        Ok(some("1")),
        "what was committed is read"
    );
    assert_eq!(store.value_len("large"), Ok(Some(100 << 10)));
    store.regions().destroy(blocker).expect("there");
    assert_eq!(store.sync(), Ok(()));
    assert_eq!(ticket.wait(), Ok(()));
    store.put("next", "2").expect("in memory");
    let (store, _) = reopen(store, &options);
    assert_eq!(store.count(), Ok(3));
    assert_clean(&store);
}

#[test]
fn a_failed_sync_of_the_window_is_told_by_its_ticket() {
    let (media, store) = on_crash(&with_clock(Mode::Async, &ManualClock::new()));
    let receipt = store.put("key", "value").expect("in memory");
    let ticket = receipt.ticket.expect("not durable yet");
    media.fail_next_fences(1);
    let outcome = store.sync();
    assert!(
        outcome.as_ref().is_err_and(KvError::is_fatal),
        "{outcome:?}"
    );
    assert!(ticket.wait().is_err_and(|error| error.is_fatal()));
    assert!(matches!(store.put("next", ""), Err(KvError::Behind { .. })));
    assert_eq!(store.get("key"), Ok(some("value")));
}

#[test]
fn a_pool_that_nobody_may_write_to_takes_no_commits_in_any_mode() {
    let store = ram(1 << 20, &small());
    store.put("key", "value").expect("space");
    store.close().expect("no failing fence");
    let mut media = abandon(store);
    for mode in [Mode::Sync, Mode::Async, Mode::Periodic] {
        let options = OpenOptions {
            read_only: true,
            ..OpenOptions::default()
        };
        let (engine, _) = Engine::open(media, &options).expect("a pool");
        let regions = Arc::new(Regions::open(engine).expect("no regions"));
        let options = with_clock(mode, &ManualClock::new());
        let store = Store::open(regions, &options).expect("a store");
        assert_eq!(store.put("key", "new").map(drop), Err(KvError::ReadOnly));
        let tx = store.begin().expect("open");
        tx.put("key", "new").expect("in memory");
        assert_eq!(tx.commit().map(drop), Err(KvError::ReadOnly));
        assert_eq!(store.get("key"), Ok(some("value")));
        assert_eq!(store.close(), Ok(()));
        media = abandon(store);
    }
}

#[test]
fn g8_the_log_of_a_flush_is_limited_too() {
    let options = StoreOptions {
        max_log_size: Some(2048),
        ..with_clock(Mode::Periodic, &ManualClock::new())
    };
    let store = ram(4 << 20, &options);
    for round in 0..20_u8 {
        for number in 0..20_u8 {
            store.put([round, number], [1; 60]).expect("in memory");
        }
        store.sync().expect("no failing fence");
        let used = store.regions().engine().log().status().used_bytes;
        assert!(used <= 2048, "{used}");
    }
}

#[test]
fn readers_writers_and_scans_agree_while_windows_are_flushed() {
    let options = StoreOptions {
        mode: Mode::Async,
        flush_interval: Duration::from_millis(4),
        ..small()
    };
    let store = ram(8 << 20, &options);
    let tx = store.begin().expect("open");
    (0..30_u8).for_each(|key| tx.put([key], 0_u64.to_le_bytes()).expect("in memory"));
    tx.commit().expect("nobody else");
    let sums = |state: State| -> u64 {
        let number = |value: Vec<u8>| u64::from_le_bytes(value[..].try_into().expect("8 bytes"));
        state.into_values().map(number).fold(0, u64::wrapping_add)
    };
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..2_u64 {
            let (store, stop) = (&store, &stop);
            scope.spawn(move || {
                let mut random = Random(thread);
                for _ in 0..1500 {
                    let tx = store.begin().expect("open");
                    let (one, other) = ([random.below(30) as u8], [random.below(30) as u8]);
                    let read = |key| {
                        let value = tx.get(key).expect("open").expect("there");
                        u64::from_le_bytes(value[..].try_into().expect("8 bytes"))
                    };
                    tx.put(one, read(one).wrapping_add(7).to_le_bytes())
                        .expect("in memory");
                    tx.put(other, read(other).wrapping_sub(7).to_le_bytes())
                        .expect("in memory");
                    match tx.commit() {
                        Ok(_) => {}
                        Err(error) => assert!(error.is_retryable(), "{error}"),
                    }
                }
                stop.store(true, std::sync::atomic::Ordering::SeqCst);
            });
        }
        while !stop.load(std::sync::atomic::Ordering::SeqCst) {
            assert_eq!(sums(seen(&store.begin().expect("open"))), 0);
            assert_eq!(sums(all_forward(&store)), 0);
            assert_eq!(store.count(), Ok(30));
        }
    });
    assert_eq!(sums(all(&store)), 0);
    let (store, _) = reopen(store, &small());
    assert_eq!(sums(all(&store)), 0);
    assert_clean(&store);
}

fn all_forward(store: &Store<Ram>) -> State {
    let scan = store.scan_prefix("", everline_kv::Direction::Forward);
    scan.collect::<Result<_, _>>().expect("not too old")
}
