//! Power cuts at every crash point of commits, keyspaces, joint transactions and flushes: what is acknowledged is there, what
//! is in flight is there whole or not at all, and nothing is lost in the heap.

mod tools;

use std::collections::BTreeMap;

use everline::units::ByteLen;
use everline_crash::{CrashMedia, Depth, Explorer, Point, Report};
use everline_kv::{ManualClock, Mode, Store, StoreOptions};
use tools::*;

/// The smallest pool there is.
const POOL: ByteLen = ByteLen::new(64 << 10);

type On = Store<CrashMedia>;
/// Keys with their values, those of a keyspace behind its name; keyspaces and regions as entries of their own.
type Content = BTreeMap<String, String>;
/// Everything in the pool, or what is wrong.
type Seen = Result<Content, Vec<String>>;
/// A change, and what is there once it is done.
type Change<'c> = (&'c dyn Fn(&On), &'c [(&'c str, &'c str)]);

fn explorer() -> Explorer {
    let desk = Explorer::new()
        .budget_per_point(48)
        .kill_steps(6)
        .nested_depth(0);
    let merge = Explorer::new().budget_per_point(256).nested_depth(0);
    Depth::from_env().pick(desk, merge, Explorer::new().nested_depth(1))
}

fn text(bytes: &[u8]) -> String {
    match bytes {
        [first, rest @ ..] if bytes.len() > 40 && rest.iter().all(|byte| byte == first) => {
            format!("{}x{}", bytes.len(), char::from(*first))
        }
        bytes => String::from_utf8_lossy(bytes).into_owned(),
    }
}

fn content(store: &On) -> Content {
    let mut content = Content::new();
    for name in store.spaces() {
        let space = store.space(&name).expect("listed");
        if !name.is_empty() {
            content.insert(format!("{name}/"), "a keyspace".into());
        }
        let keys = all(&space);
        assert_eq!(space.count(), Ok(keys.len() as u64));
        for (key, value) in keys {
            assert_eq!(space.get(&key), Ok(Some(value.clone())));
            let key = if name.is_empty() {
                text(&key)
            } else {
                format!("{name}/{}", text(&key))
            };
            content.insert(key, text(&value));
        }
    }
    for info in store.regions().list().expect("a directory") {
        let bytes = store.regions().read_all(info.id).expect("there");
        let name = info.name.expect("every region here has one");
        content.insert(format!("region {name}"), text(&bytes));
    }
    content
}

fn see(media: &CrashMedia) -> Seen {
    let (store, _) = try_open_on(media.clone(), &small()).map_err(|error| vec![error])?;
    let problems = problems(&store);
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(content(&store))
}

fn owned(state: &[(&str, &str)]) -> Content {
    let own = |(key, value): &(&str, &str)| (key.to_string(), value.to_string());
    state.iter().map(own).collect()
}

/// Runs `changes` one after another behind `set_up`, and cuts the power everywhere in between.
fn explore_with(
    options: &StoreOptions,
    set_up: impl FnOnce(&On),
    before: &[(&str, &str)],
    changes: &[Change<'_>],
) -> Report {
    let media = CrashMedia::new(POOL);
    let store = create_on(media.clone(), options);
    set_up(&store);
    assert_eq!(content(&store), owned(before));
    media.mark();
    let mut states = vec![owned(before)];
    for (number, (change, after)) in changes.iter().enumerate() {
        media.invoke(number as u64);
        change(&store);
        media.ack(number as u64);
        states.push(owned(after));
        assert_eq!(content(&store), owned(after));
    }
    let allowed = |point: &Point<'_>, seen: &Seen| {
        let done = point.acked.len();
        let may = done..=done + point.in_flight.len();
        match seen {
            Ok(seen) if states[may.clone()].contains(seen) => Ok(()),
            Ok(_) => Err(format!("none of the states {may:?}")),
            Err(problems) => Err(problems.join("; ")),
        }
    };
    let report = explorer().explore(&media.recording().start_at_last_mark(), see, allowed);
    println!("{report}");
    report.assert_clean();
    report
}

fn explore(set_up: impl FnOnce(&On), before: &[(&str, &str)], changes: &[Change<'_>]) -> Report {
    explore_with(&small(), set_up, before, changes)
}

fn put(store: &On, key: &str, value: impl AsRef<[u8]>) {
    store.put(key, value).expect("space");
}

#[test]
fn f2_h1_what_is_committed_is_there_after_a_crash() {
    let report = explore(
        |_| {},
        &[],
        &[
            (&|s| put(s, "a", "1"), &[("a", "1")]),
            (&|s| put(s, "a", "2"), &[("a", "2")]),
            (
                &|s| {
                    let tx = s.begin().expect("open");
                    tx.put("b", "3").expect("in memory");
                    tx.put("c", "4").expect("in memory");
                    tx.commit().expect("nobody else");
                },
                &[("a", "2"), ("b", "3"), ("c", "4")],
            ),
        ],
    );
    assert!(report.crash_points > 4, "{report}");
}

#[test]
fn f3_a_transfer_between_two_accounts_is_whole_at_every_point() {
    explore(
        |s| {
            put(s, "mine", "100");
            put(s, "yours", "0");
        },
        &[("mine", "100"), ("yours", "0")],
        &[
            (
                &|s| {
                    let tx = s.begin().expect("open");
                    tx.put("mine", "70").expect("in memory");
                    tx.put("yours", "30").expect("in memory");
                    tx.commit().expect("nobody else");
                },
                &[("mine", "70"), ("yours", "30")],
            ),
            (
                &|s| {
                    let tx = s.begin().expect("open");
                    assert_eq!(tx.delete("mine"), Ok(true));
                    tx.put("yours", "100").expect("in memory");
                    tx.commit().expect("nobody else");
                },
                &[("yours", "100")],
            ),
        ],
    );
}

#[test]
fn f12_g11_a_delete_is_durable_when_it_returns() {
    explore(
        |s| {
            put(s, "a", "1");
            put(s, "b", vec![b'v'; 200]);
            put(s, "c", "3");
        },
        &[("a", "1"), ("b", "200xv"), ("c", "3")],
        &[
            (
                &|s| {
                    let tx = s.begin().expect("open");
                    assert_eq!(tx.delete("a"), Ok(true));
                    tx.commit().expect("nobody else");
                },
                &[("b", "200xv"), ("c", "3")],
            ),
            (&|s| assert_eq!(s.delete("b"), Ok(true)), &[("c", "3")]),
            (&|s| assert_eq!(s.delete("c"), Ok(true)), &[]),
        ],
    );
}

#[test]
fn g11_a_sync_commit_is_durable_when_it_returns() {
    explore(
        |s| put(s, "a", "1"),
        &[("a", "1")],
        &[
            (
                &|s| assert!(s.put("b", "2").expect("space").durable),
                &[("a", "1"), ("b", "2")],
            ),
            (
                &|s| assert_eq!(s.append("a", "+"), Ok(2)),
                &[("a", "1+"), ("b", "2")],
            ),
            (
                &|s| assert_eq!(s.compare_and_swap("b", "2", ""), Ok(true)),
                &[("a", "1+"), ("b", "")],
            ),
        ],
    );
}

#[test]
fn h4_an_empty_value_and_an_absent_one_differ_after_a_crash() {
    explore(
        |s| put(s, "full", "value"),
        &[("full", "value")],
        &[
            (
                &|s| put(s, "empty", ""),
                &[("empty", ""), ("full", "value")],
            ),
            (&|s| put(s, "full", ""), &[("empty", ""), ("full", "")]),
            (
                &|s| assert_eq!(s.delete("empty"), Ok(true)),
                &[("full", "")],
            ),
        ],
    );
}

#[test]
fn h3_values_that_change_their_size_leave_nothing_behind() {
    explore(
        |s| put(s, "k", "inline"),
        &[("k", "inline")],
        &[
            (&|s| put(s, "k", vec![b'b'; 300]), &[("k", "300xb")]),
            (&|s| put(s, "k", vec![b'c'; 1500]), &[("k", "1500xc")]),
            (&|s| put(s, "k", "small"), &[("k", "small")]),
        ],
    );
}

#[test]
fn g9_a_checkpoint_beside_an_open_transaction_takes_nothing_of_it() {
    let media = CrashMedia::new(POOL);
    let store = create_on(media.clone(), &small());
    put(&store, "a", "1");
    media.mark();
    let tx = store.begin().expect("open");
    tx.put("a", "2").expect("in memory");
    tx.put("b", "2").expect("in memory");
    store.checkpoint().expect("no failing fence");
    media.invoke(0);
    tx.commit().expect("nobody else");
    media.ack(0);
    store.checkpoint().expect("no failing fence");
    let (before, after) = (owned(&[("a", "1")]), owned(&[("a", "2"), ("b", "2")]));
    let allowed = |point: &Point<'_>, seen: &Seen| {
        let none = point.acked.is_empty();
        let all = !none || !point.in_flight.is_empty();
        match seen {
            Ok(seen) if (none && *seen == before) || (all && *seen == after) => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    };
    let report = explorer().explore(&media.recording().start_at_last_mark(), see, allowed);
    println!("{report}");
    report.assert_clean();
}

#[test]
fn the_store_and_its_keyspaces_appear_and_go_whole() {
    explore(
        |s| put(s, "a", "1"),
        &[("a", "1")],
        &[
            (
                &|s| drop(s.create_space("s").expect("space")),
                &[("a", "1"), ("s/", "a keyspace")],
            ),
            (
                &|s| {
                    let tx = s.begin().expect("open");
                    tx.put("a", "2").expect("in memory");
                    let space = s.space("s").expect("there");
                    tx.on(&space).put("k", "both").expect("in memory");
                    tx.commit().expect("nobody else");
                },
                &[("a", "2"), ("s/", "a keyspace"), ("s/k", "both")],
            ),
            (&|s| s.drop_space("s").expect("there"), &[("a", "2")]),
        ],
    );
}

#[test]
fn a_new_store_is_empty_or_not_there() {
    let media = CrashMedia::new(POOL);
    let engine = everline::engine::Engine::create(media.clone(), &pool_options()).expect("a pool");
    let regions = std::sync::Arc::new(everline_region::Regions::open(engine).expect("none yet"));
    media.mark();
    let store = Store::open(regions, &small()).expect("a store");
    put(&store, "first", "1");
    let states = [owned(&[]), owned(&[("first", "1")])];
    let allowed = |_: &Point<'_>, seen: &Seen| match seen {
        Ok(seen) if states.contains(seen) => Ok(()),
        seen => Err(format!("{seen:?}")),
    };
    let report = explorer().explore(&media.recording().start_at_last_mark(), see, allowed);
    println!("{report}");
    report.assert_clean();
}

#[test]
fn f14_h11_keys_and_regions_commit_together() {
    explore(
        |s| {
            put(s, "catalogue/old", "to be replaced");
            s.regions().put("old", b"old bytes").expect("space");
        },
        &[
            ("catalogue/old", "to be replaced"),
            ("region old", "old bytes"),
        ],
        &[
            (
                &|s| {
                    let mut tx = s.begin().expect("open");
                    tx.put("catalogue/new", "id").expect("in memory");
                    let mut joint = tx.join().expect("nobody else");
                    let id = joint
                        .batch()
                        .create_with(b"new bytes", &Default::default())
                        .expect("space");
                    joint.batch().rename(id, "new").expect("free");
                    let at = everline::alloc::Request::new(24);
                    let own = joint.tx().alloc(at).expect("space").start();
                    joint.tx().free(own).expect("just allocated");
                    joint.keys().put("count", "1").expect("in memory");
                    assert!(joint.commit().expect("space").durable);
                },
                &[
                    ("catalogue/new", "id"),
                    ("catalogue/old", "to be replaced"),
                    ("count", "1"),
                    ("region new", "new bytes"),
                    ("region old", "old bytes"),
                ],
            ),
            (
                &|s| {
                    let mut tx = s.begin().expect("open");
                    let mut joint = tx.join().expect("nobody else");
                    let old = s.regions().by_name("old");
                    joint.batch().destroy(old.expect("there")).expect("there");
                    assert_eq!(joint.keys().delete("catalogue/old"), Ok(true));
                    joint.commit().expect("space");
                },
                &[
                    ("catalogue/new", "id"),
                    ("count", "1"),
                    ("region new", "new bytes"),
                ],
            ),
            (
                &|s| {
                    let mut tx = s.begin().expect("open");
                    let mut joint = tx.join().expect("nobody else");
                    joint.batch().put("third", b"never").expect("space");
                    joint.keys().put("count", "never").expect("in memory");
                    joint.abort().expect("open");
                },
                &[
                    ("catalogue/new", "id"),
                    ("count", "1"),
                    ("region new", "new bytes"),
                ],
            ),
        ],
    );
}

#[test]
fn g12_g13_a_flush_leaves_a_prefix_of_whole_commits() {
    for mode in [Mode::Async, Mode::Periodic] {
        let clock = ManualClock::new();
        let options = StoreOptions {
            mode,
            clock: clock.clock(),
            ..small()
        };
        let media = CrashMedia::new(POOL);
        let store = create_on(media.clone(), &options);
        media.mark();
        let mut states = vec![Content::new()];
        for round in 0..3 {
            for number in 0..3 {
                let tx = store.begin().expect("open");
                tx.put("n", format!("{round}.{number}")).expect("in memory");
                tx.put(format!("{number}"), format!("{round}"))
                    .expect("in memory");
                tx.commit().expect("nobody else");
                states.push(content(&store));
            }
            clock.advance(options.flush_interval);
            media.invoke(round);
            store.run_due().expect("no failing fence");
            media.ack(round);
        }
        let allowed = |point: &Point<'_>, seen: &Seen| {
            let durable = 3 * point.acked.len();
            let made = durable + 3 * point.in_flight.len();
            match seen {
                Ok(seen) if states[durable..=made].contains(seen) => Ok(()),
                seen => Err(format!(
                    "{seen:?} is none of the states {durable} to {made}"
                )),
            }
        };
        let report = explorer().explore(&media.recording().start_at_last_mark(), see, allowed);
        println!("{report}");
        report.assert_clean();
    }
}

#[test]
fn h11_a_catalogue_of_regions_survives_opening_again() {
    let store = ram(4 << 20, &small());
    let mut made = Vec::new();
    for number in 0..40 {
        let mut tx = store.begin().expect("open");
        let mut joint = tx.join().expect("nobody else");
        let data = vec![number as u8; 100 + number];
        let id = joint
            .batch()
            .create_with(&data, &Default::default())
            .expect("space");
        let key = format!("blob/{number:03}");
        joint.keys().put(&key, id.to_string()).expect("in memory");
        joint.commit().expect("space");
        made.push((key, data));
    }
    let (store, _) = reopen(store, &small());
    for (key, data) in made {
        let id = store.get(&key).expect("whole").expect("there");
        let id = String::from_utf8(id)
            .expect("text")
            .parse()
            .expect("an identifier");
        assert_eq!(store.regions().read_all(id), Ok(data));
    }
    assert_clean(&store);
}
