//! Operations on keys by themselves.

mod tools;

use std::collections::BTreeMap;

use everline::media::{Counted, Ram};
use everline::units::ByteLen;
use everline_kv::{Condition, Direction, KEY_BYTES_MAX, KvError, StoreOptions, VALUE_BYTES_MAX};
use tools::*;

#[test]
fn h1_put_and_get_survive_a_killed_process() {
    let store = ram(4 << 20, &small());
    assert_eq!(store.get("key"), Ok(None));
    let receipt = store.put("key", "value").expect("space");
    assert!(receipt.durable && receipt.ticket.is_none() && receipt.lsn > 0);
    let (store, _) = kill(store, &small());
    assert_eq!(store.get("key"), Ok(some("value")));
    let mut into = bytes("what was there");
    assert_eq!(store.get_into("other", &mut into), Ok(false));
    assert_eq!(store.get_into("key", &mut into), Ok(true));
    assert_eq!(into, b"value");
    assert_clean(&store);
}

#[test]
fn h2_the_second_delete_answers_false() {
    let store = ram(1 << 20, &small());
    store.put("key", "value").expect("space");
    assert_eq!(store.delete("key"), Ok(true));
    assert_eq!(store.delete("key"), Ok(false));
    assert_eq!(store.get("key"), Ok(None));
    assert_eq!(store.count(), Ok(0));
    assert_clean(&store);
}

#[test]
fn h3_a_thousand_overwrites_of_every_size_leak_nothing() {
    let store = ram(8 << 20, &small());
    let mut random = Random(3);
    let used = |store: &everline_kv::Store<Ram>| store.metrics().expect("whole").used_size;
    store.put("key", "").expect("space");
    let before = used(&store);
    for round in 0..1000 {
        // Smaller and larger than what lies in a record, and the same again.
        let len = random.below(if round % 3 == 0 { 20_000 } else { 100 });
        let value = vec![round as u8; len as usize];
        store.put("key", &value).expect("space");
        assert_eq!(store.get("key"), Ok(Some(value.clone())));
        store.put("key", &value).expect("space");
        assert_eq!(store.value_len("key"), Ok(Some(len)));
    }
    store.put("key", "").expect("space");
    assert_eq!(used(&store), before);
    assert_clean(&store);
}

#[test]
fn h4_an_empty_value_is_not_an_absent_one() {
    let store = ram(1 << 20, &small());
    store.put("empty", "").expect("space");
    let (store, _) = kill(store, &small());
    assert_eq!(store.get("empty"), Ok(some("")));
    assert_eq!(store.get("absent"), Ok(None));
    assert_eq!(
        (store.exists("empty"), store.exists("absent")),
        (Ok(true), Ok(false))
    );
    assert_eq!(
        (store.value_len("empty"), store.value_len("absent")),
        (Ok(Some(0)), Ok(None))
    );
    // The empty key is a key.
    store.put("", "of the empty key").expect("space");
    assert_eq!(store.get(""), Ok(some("of the empty key")));
    assert_eq!(store.count(), Ok(2));
}

#[test]
fn h5_keys_and_values_are_any_bytes() {
    let store = ram(1 << 20, &small());
    let keys: [&[u8]; 6] = [b"\xFF\xFE", b"\0", b"\0\0", b"\xFF", b"a\0b", b"\n\t\"'"];
    for key in keys {
        let value: Vec<u8> = key.iter().rev().copied().chain([0xFF, 0xFE, 0]).collect();
        store.put(key, &value).expect("space");
        assert_eq!(store.get(key), Ok(Some(value)));
    }
    let (store, _) = reopen(store, &small());
    let mut sorted: Vec<_> = keys.iter().map(|key| key.to_vec()).collect();
    sorted.sort();
    assert_eq!(all(&store).into_keys().collect::<Vec<_>>(), sorted);
}

#[test]
fn h6_limits_of_keys_and_values_are_typed() {
    let store = ram(4 << 20, &small());
    let longest = vec![b'k'; KEY_BYTES_MAX];
    store.put(&longest, "value").expect("at the limit");
    assert_eq!(store.get(&longest), Ok(some("value")));
    let too_long = vec![b'k'; KEY_BYTES_MAX + 1];
    let refused = KvError::KeyTooLong {
        len: KEY_BYTES_MAX + 1,
        max: KEY_BYTES_MAX,
    };
    assert_eq!(
        store.put(&too_long, "value").map(drop),
        Err(refused.clone())
    );
    assert_eq!(store.get(&too_long), Err(refused.clone()));
    assert_eq!(store.delete(&too_long), Err(refused.clone()));
    let tx = store.begin().expect("open");
    assert_eq!(tx.put(&too_long, "value"), Err(refused.clone()));
    assert_eq!(tx.get(&too_long), Err(refused));
    assert_eq!(tx.put("key", "value"), Ok(()));
    drop(tx);

    // At the limit of values only the pool's space is in the way; above it nothing is looked at.
    let value = vec![0; VALUE_BYTES_MAX + 1];
    let refused = KvError::ValueTooLong {
        len: VALUE_BYTES_MAX + 1,
        max: VALUE_BYTES_MAX,
    };
    assert_eq!(store.put("key", &value).map(drop), Err(refused.clone()));
    assert_eq!(
        store.begin().expect("open").put("key", &value),
        Err(refused)
    );
    let outcome = store.put("key", &value[1..]).map(drop);
    assert!(
        matches!(outcome, Err(KvError::NoSpace { .. })),
        "{outcome:?}"
    );
    assert_eq!(store.count(), Ok(1));
    assert_clean(&store);
}

#[test]
fn h6_a_value_at_the_limit_is_stored_whole() {
    let store = ram(
        (VALUE_BYTES_MAX + (64 << 20)) as u64,
        &StoreOptions::default(),
    );
    let mut value = vec![0x5A; VALUE_BYTES_MAX];
    value[VALUE_BYTES_MAX - 1] = 1;
    store.put("key", &value).expect("space");
    let found = store.get("key").expect("whole");
    assert!(found.as_deref() == Some(&*value));
}

#[test]
fn h7_a_thousand_keys_in_order_by_prefix_and_range_both_ways() {
    let store = ram(8 << 20, &small());
    let mut model = BTreeMap::new();
    let mut random = Random(7);
    while model.len() < 1000 {
        let number = random.below(100_000);
        let key = format!(
            "{}/{number:05}",
            ["apple", "berry", "cherry"][(number % 3) as usize]
        );
        store.put(&key, number.to_string()).expect("space");
        model.insert(key.into_bytes(), number.to_string().into_bytes());
    }
    let (store, _) = reopen(store, &small());
    assert_eq!(store.count(), Ok(1000));
    assert_eq!(all(&store), model);
    let berries: Vec<_> = model
        .iter()
        .filter(|(key, _)| key.starts_with(b"berry/"))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let scanned: Result<Vec<_>, _> = store.scan_prefix("berry/", Direction::Forward).collect();
    assert_eq!(scanned, Ok(berries.clone()));
    let mut backward: Vec<_> = store
        .scan_prefix("berry/", Direction::Backward)
        .collect::<Result<_, _>>()
        .expect("whole");
    backward.reverse();
    assert_eq!(backward, berries);

    for _ in 0..50 {
        let (one, other) = (random.below(100_000), random.below(100_000));
        let range =
            format!("apple/{one:05}").into_bytes()..format!("cherry/{other:05}").into_bytes();
        let expected: Vec<_> = model
            .range(range.clone())
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let forward: Result<Vec<_>, _> = store.scan(range.clone(), Direction::Forward).collect();
        assert_eq!(forward, Ok(expected.clone()));
        let backward: Result<Vec<_>, _> = store.scan(range.clone(), Direction::Backward).collect();
        assert_eq!(backward, Ok(expected.iter().rev().cloned().collect()));
        let inclusive = range.start.clone()..=range.end.clone();
        let expected = model.range(inclusive.clone()).count();
        assert_eq!(store.scan(inclusive, Direction::Forward).count(), expected);
    }
    let backwards = b"b".to_vec()..b"a".to_vec();
    assert_eq!(store.scan(backwards, Direction::Forward).count(), 0);
    assert_eq!(store.scan::<Vec<u8>>(.., Direction::Backward).count(), 1000);
    for (key, value) in model.iter().take(100) {
        assert_eq!(store.exists(key), Ok(true));
        assert_eq!(store.value_len(key), Ok(Some(value.len() as u64)));
    }
    assert_clean(&store);
}

#[test]
fn h8_conditional_puts_and_append() {
    let store = ram(1 << 20, &small());
    assert_eq!(store.put_if("key", Condition::Present, "no"), Ok(false));
    assert_eq!(store.get("key"), Ok(None));
    assert_eq!(store.put_if("key", Condition::Absent, "one"), Ok(true));
    assert_eq!(store.put_if("key", Condition::Absent, "no"), Ok(false));
    assert_eq!(store.put_if("key", Condition::Present, "two"), Ok(true));
    assert_eq!(store.compare_and_swap("key", "one", "no"), Ok(false));
    assert_eq!(store.compare_and_swap("key", "two", "three"), Ok(true));
    assert_eq!(store.compare_and_swap("other", "", "no"), Ok(false));
    assert_eq!(store.get("key"), Ok(some("three")));
    assert_eq!(store.append("key", " four"), Ok(10));
    assert_eq!(store.append("new", "begins"), Ok(6));
    assert_eq!(store.append("new", ""), Ok(6));
    assert_eq!(store.append("key", vec![b'.'; 300]), Ok(310));
    let (store, _) = kill(store, &small());
    let value = store.get("key").expect("whole").expect("there");
    assert!(value.starts_with(b"three four...") && value.len() == 310);
    assert_eq!(store.get("new"), Ok(some("begins")));

    let tx = store.begin().expect("open");
    assert_eq!(tx.put_if("new", Condition::Absent, "no"), Ok(false));
    assert_eq!(tx.compare_and_swap("new", "begins", "goes on"), Ok(true));
    assert_eq!(tx.append("new", "!"), Ok(8));
    assert_eq!(tx.put_if("fresh", Condition::Absent, ""), Ok(true));
    assert_eq!(tx.put_if("fresh", Condition::Absent, "no"), Ok(false));
    assert!(tx.commit().is_ok());
    assert_eq!(store.get("new"), Ok(some("goes on!")));
    assert_clean(&store);
}

#[test]
fn h8_of_many_threads_that_swap_each_swap_counts_once() {
    let store = ram(4 << 20, &small());
    store.put("n", 0_u64.to_le_bytes()).expect("space");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..250 {
                    loop {
                        let old = store.get("n").expect("whole").expect("there");
                        let number = u64::from_le_bytes(old[..].try_into().expect("8 bytes"));
                        let new = (number + 1).to_le_bytes();
                        if store.compare_and_swap("n", &old, new).expect("space") {
                            break;
                        }
                    }
                    store.append("log", ".").expect("space");
                }
            });
        }
    });
    assert_eq!(store.get("n"), Ok(Some(1000_u64.to_le_bytes().to_vec())));
    assert_eq!(store.value_len("log"), Ok(Some(1000)));
    assert_clean(&store);
}

#[test]
fn h10_a_small_put_writes_its_record_and_not_the_store() {
    let len = 100 << 20;
    let media = Counted::new(Ram::assume_persistent(ByteLen::new(len)));
    let store = create_on(media, &StoreOptions::default());
    for number in 0..40_000_u64 {
        let tx = store.begin().expect("open");
        for key in 0..20 {
            let key = (number * 20 + key)
                .wrapping_mul(0x9E37_79B9_7F4A_7C15)
                .to_be_bytes();
            tx.put(key, [1; 60]).expect("in memory");
        }
        if tx.commit().is_err() {
            break; // the pool is full enough
        }
        if store.count().expect("whole") >= 200_000 {
            break;
        }
    }
    store.checkpoint().expect("no failing fence");
    let media = store.regions().engine().pool().media();
    let mut most = 0;
    for number in 0..200_u64 {
        let key = (number * 97)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .to_be_bytes();
        let (_, cost) = media.cost_of(|| store.put(key, [2]).expect("space"));
        assert_eq!(cost.waits, 1);
        let (_, at_home) = media.cost_of(|| store.checkpoint().expect("no failing fence"));
        let slots = 2 * 4096; // the checkpoint's own
        let lines = cost.lines + cost.nt_lines + at_home.lines;
        most = most.max(lines * 64 + slots.min(at_home.nt_lines * 64));
    }
    assert!(most < 4096, "{most} bytes for a put of one byte");
}

#[test]
fn h12_a_cache_computes_what_it_misses_and_keeps_it() {
    let options = small();
    let store = ram(4 << 20, &options);
    let mut computed = 0;
    let mut compute = |number: u64| {
        computed += 1;
        (number * number).to_string()
    };
    let mut look_up = |store: &everline_kv::Store<Ram>, number: u64| {
        let key = format!("square/{number}");
        match store.get(&key).expect("whole") {
            Some(hit) => hit,
            None => {
                let value = compute(number).into_bytes();
                store.put(&key, &value).expect("space");
                value
            }
        }
    };
    for number in [3, 4, 3, 5, 4] {
        assert_eq!(
            look_up(&store, number),
            (number * number).to_string().into_bytes()
        );
    }
    let (store, _) = kill(store, &options);
    assert_eq!(look_up(&store, 5), b"25");
    assert_eq!(computed, 3);
}

#[test]
fn keyspaces_are_apart_and_can_be_dropped() {
    let store = ram(8 << 20, &small());
    let stock = store.create_space("stock").expect("space");
    let empty = store.create_space("empty").expect("space");
    assert!(matches!(
        store.create_space("stock"),
        Err(KvError::SpaceExists { .. })
    ));
    assert!(matches!(
        store.create_space(""),
        Err(KvError::BadSpaceName { .. })
    ));
    assert!(matches!(
        store.space("other"),
        Err(KvError::NoSuchSpace { .. })
    ));
    for number in 0..500_u32 {
        stock.put(number.to_be_bytes(), "in stock").expect("space");
    }
    store.put("key", "default").expect("space");
    stock.put("key", vec![1; 3000]).expect("space");
    assert_eq!((empty.get("key"), empty.count()), (Ok(None), Ok(0)));
    assert_eq!(store.get("key"), Ok(some("default")));
    let (store, _) = reopen(store_only(store, stock, empty), &small());
    assert_eq!(store.spaces(), ["", "empty", "stock"]);
    let stock = store.space("stock").expect("there");
    assert_eq!(stock.count(), Ok(501));
    let tx = store.begin().expect("open");
    tx.on(&stock).put("key", "late").expect("in memory");
    assert_eq!(store.drop_space("stock"), Ok(()));
    let gone = KvError::NoSuchSpace {
        name: "stock".into(),
    };
    assert_eq!(stock.get("key"), Err(gone.clone()));
    assert_eq!(stock.put("key", "").map(drop), Err(gone.clone()));
    assert_eq!(stock.count(), Err(gone.clone()));
    assert_eq!(tx.commit().map(drop), Err(gone));
    assert!(matches!(
        store.drop_space("stock"),
        Err(KvError::NoSuchSpace { .. })
    ));
    assert_clean(&store);
    let again = store.create_space("stock").expect("space");
    assert_eq!(again.count(), Ok(0));
    assert_clean(&store);
}

/// Drops handles to keyspaces.
fn store_only<T>(store: everline_kv::Store<Ram>, one: T, other: T) -> everline_kv::Store<Ram> {
    drop((one, other));
    store
}

#[test]
fn every_operation_waits_as_often_as_it_says() {
    let media = Counted::new(Ram::assume_persistent(ByteLen::new(8 << 20)));
    let store = create_on(media, &StoreOptions::default());
    let media = store.regions().engine().pool().media();
    let waits = |work: &dyn Fn()| media.cost_of(work).1.waits;
    let put = waits(&|| drop(store.put("key", [1; 100]).expect("space")));
    let over = waits(&|| drop(store.put("key", [2; 100]).expect("space")));
    let append = waits(&|| assert_eq!(store.append("key", [2; 100]), Ok(200)));
    let delete = waits(&|| assert_eq!(store.delete("key"), Ok(true)));
    let many = waits(&|| {
        let tx = store.begin().expect("open");
        (0..20_u8).for_each(|key| tx.put([key], [key; 100]).expect("in memory"));
        tx.commit().expect("space");
    });
    assert_eq!([put, over, append, delete, many], [1; 5]);
    let big = waits(&|| drop(store.put("big", vec![1; 10_000]).expect("space")));
    assert_eq!(big, 2);
    let nothing = waits(&|| {
        assert_eq!(store.delete("absent"), Ok(false));
        assert_eq!(store.put_if("big", Condition::Absent, ""), Ok(false));
        store.get("big").expect("whole");
        assert_eq!(store.scan_prefix("", Direction::Forward).count(), 21);
        store
            .begin()
            .expect("open")
            .commit()
            .expect("nothing to do");
        store.sync().expect("nothing to do");
    });
    assert_eq!(nothing, 0);
}

#[test]
fn a_pool_has_one_open_store() {
    let store = ram(1 << 20, &small());
    let regions = std::sync::Arc::clone(store.regions());
    let other = everline_kv::Store::open(std::sync::Arc::clone(&regions), &small());
    assert!(matches!(other, Err(KvError::AlreadyOpen)));
    store.put("key", "value").expect("space");
    assert_eq!(store.close(), Ok(()));
    let other = everline_kv::Store::open(regions, &small()).expect("the first is closed");
    assert_eq!(other.get("key"), Ok(some("value")));
    assert_eq!(store.get("key"), Err(KvError::Closed));
}

#[test]
fn a_long_read_is_not_made_to_begin_again_by_its_neighbours() {
    let store = ram(64 << 20, &small());
    let big = vec![0x77; 16 << 20];
    store.put("b", &big).expect("space");
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0_u64;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                store.put("a", number.to_le_bytes()).expect("space");
                number += 1;
            }
        });
        for _ in 0..5 {
            assert!(store.get("b") == Ok(Some(big.clone())));
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_clean(&store);
}
