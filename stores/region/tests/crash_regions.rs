//! Power cuts at every crash point: regions with their names are there or not, written bytes are there.

mod tools;

use everline::engine::{Engine, OpenOptions};
use everline::units::ByteLen;
use everline_crash::{CrashMedia, Cut, Depth, Explorer, Point, Report};
use everline_region::{RegionId, Regions};
use tools::*;

/// The smallest pool there is.
const POOL: ByteLen = ByteLen::new(64 << 10);

/// Name and bytes of every region, or what is wrong.
type Seen = Result<Vec<(String, Vec<u8>)>, Vec<String>>;

fn explorer() -> Explorer {
    let desk = Explorer::new()
        .budget_per_point(48)
        .kill_steps(6)
        .nested_depth(0);
    let merge = Explorer::new().budget_per_point(1024).nested_depth(0);
    Depth::from_env().pick(desk, merge, Explorer::new().nested_depth(1))
}

fn see(media: &CrashMedia) -> Seen {
    let refused = |error: String| vec![error];
    let (engine, _) = Engine::open(media.clone(), &OpenOptions::default())
        .map_err(|error| refused(error.to_string()))?;
    let regions = Regions::open(engine).map_err(|error| refused(error.to_string()))?;
    let problems = problems(&regions);
    if !problems.is_empty() {
        return Err(problems);
    }
    let list = regions.list().map_err(|error| refused(error.to_string()))?;
    assert_eq!(regions.count(), Ok(list.len() as u64));
    let mut seen = Vec::new();
    for info in list {
        let name = info.name.unwrap_or_default();
        if !name.is_empty() {
            assert_eq!(regions.by_name(&name), Ok(info.id));
        }
        let bytes = regions
            .read_all(info.id)
            .map_err(|error| refused(error.to_string()))?;
        seen.push((name, bytes));
    }
    seen.sort();
    Ok(seen)
}

type On = Regions<CrashMedia>;
/// A change, and what is there once it is done.
type Change<'c> = (&'c dyn Fn(&On), &'c [(&'c str, &'c [u8])]);

/// Runs `changes` one after another behind `set_up`, and cuts the power everywhere in between: all that is
/// acknowledged must be there, and the one in flight whole or not at all.
fn explore(set_up: impl FnOnce(&On), before: &[(&str, &[u8])], changes: &[Change<'_>]) -> Report {
    let media = CrashMedia::new(POOL);
    let regions = on(media.clone());
    set_up(&regions);
    media.mark();
    for (number, (change, _)) in changes.iter().enumerate() {
        media.invoke(number as u64);
        change(&regions);
        media.ack(number as u64);
    }
    let owned = |state: &[(&str, &[u8])]| -> Vec<(String, Vec<u8>)> {
        let mut state: Vec<_> = state
            .iter()
            .map(|(name, bytes)| (name.to_string(), bytes.to_vec()))
            .collect();
        state.sort();
        state
    };
    let states: Vec<_> = std::iter::once(owned(before))
        .chain(changes.iter().map(|(_, after)| owned(after)))
        .collect();
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

fn id(regions: &On, name: &str) -> RegionId {
    regions.by_name(name).expect("there")
}

#[test]
fn b20_b30_the_first_region_and_its_directory_appear_together() {
    let report = explore(
        |_| {},
        &[],
        &[
            (
                &|r| drop(r.create_with(b"first bytes", &named("first"))),
                &[("first", b"first bytes")],
            ),
            (
                &|r| drop(r.create(20, &named("zeros"))),
                &[("first", b"first bytes"), ("zeros", &[0; 20])],
            ),
        ],
    );
    assert!(report.crash_points > 4, "{report}");
}

#[test]
fn b30_rename_and_delete_are_atomic() {
    explore(
        |r| {
            r.put("one", b"1111").expect("space");
            r.put("two", b"22222222").expect("space");
        },
        &[("one", b"1111"), ("two", b"22222222")],
        &[
            (
                &|r| r.rename(id(r, "one"), "uno").expect("free"),
                &[("uno", b"1111"), ("two", b"22222222")],
            ),
            (
                &|r| r.destroy(id(r, "two")).expect("there"),
                &[("uno", b"1111")],
            ),
            (
                &|r| r.rename(id(r, "uno"), "two").expect("free again"),
                &[("two", b"1111")],
            ),
            (&|r| r.destroy(id(r, "two")).expect("there"), &[]),
        ],
    );
}

#[test]
fn b20_a_replaced_region_is_the_old_or_the_new_one() {
    explore(
        |r| {
            r.put("name", &pattern(200, 1)).expect("space");
        },
        &[("name", &pattern(200, 1))],
        &[
            (
                &|r| {
                    r.put("name", &pattern(900, 2)).expect("space");
                },
                &[("name", &pattern(900, 2))],
            ),
            (
                &|r| {
                    r.put("name", &pattern(100, 3)).expect("space");
                },
                &[("name", &pattern(100, 3))],
            ),
            // into blocks that were just freed: what the log holds of them is covered
            (
                &|r| {
                    r.put("name", &pattern(200, 4)).expect("space");
                },
                &[("name", &pattern(200, 4))],
            ),
        ],
    );
}

#[test]
fn b30_changes_on_both_sides_of_a_checkpoint_are_atomic() {
    let checkpoint = |r: &On| {
        r.engine().checkpoint().expect("no failing fence");
    };
    explore(
        |r| {
            r.put("one", b"1111").expect("space");
        },
        &[("one", b"1111")],
        &[
            (&checkpoint, &[("one", b"1111")]),
            (
                &|r| {
                    r.put("one", b"after").expect("space");
                },
                &[("one", b"after")],
            ),
            (&checkpoint, &[("one", b"after")]),
            (&|r| r.destroy(id(r, "one")).expect("there"), &[]),
            (&checkpoint, &[]),
        ],
    );
}

fn reuse_of_a_logged_block(make: impl Fn(&On, u64) -> RegionId) {
    let media = CrashMedia::new(POOL);
    let regions = on(media.clone());
    regions.put("first", b"a directory").expect("space");
    // The log holds bytes for the block, and that it is free; both are above the cut.
    let len = 3000;
    let mut tx = regions.engine().begin().expect("a lane");
    let block = tx.alloc(everline::alloc::Request::new(len)).expect("space");
    tx.write(block.start(), &[0xDD; 200]).expect("in the heap");
    tx.commit().expect("room in the log");
    let mut tx = regions.engine().begin().expect("a lane");
    tx.free(block.start()).expect("live");
    tx.commit().expect("room in the log");
    media.mark();
    media.invoke(0);
    let id = make(&regions, len);
    assert_eq!(regions.info(id).expect("there").at, block.start());
    media.ack(0);
    media.invoke(1);
    regions.write(id, 64, &[0x11; 64]).expect("inside");
    media.ack(1);
    let (zeros, mut written) = (vec![0; len as usize], vec![0; len as usize]);
    written[64..128].fill(0x11);
    let bytes = |seen: &Seen| match seen {
        Ok(seen) => seen
            .iter()
            .find(|(name, _)| name == "second")
            .map(|(_, bytes)| bytes.clone()),
        Err(problems) => panic!("{problems:?}"),
    };
    let report = explorer().explore(
        &media.recording().start_at_last_mark(),
        see,
        |point, seen| {
            let seen = bytes(seen);
            let right = match point.acked.len() {
                0 => seen.is_none_or(|bytes| bytes == zeros),
                1 => seen.is_some_and(|bytes| {
                    bytes.iter().zip(&written).all(|(b, w)| *b == 0 || b == w)
                }),
                _ => seen.as_ref() == Some(&written),
            };
            right
                .then_some(())
                .ok_or_else(|| format!("{:?}", point.acked))
        },
    );
    report.assert_clean();
}

#[test]
fn keeps_i6_what_the_log_holds_of_a_block_never_comes_back_over_a_region_in_it() {
    reuse_of_a_logged_block(|r, len| r.create(len, &named("second")).expect("space"));
    reuse_of_a_logged_block(|r, len| {
        let zeros = vec![0; len as usize];
        r.create_with(&zeros, &named("second")).expect("space")
    });
}

#[test]
fn b30_a_batch_is_all_or_nothing() {
    explore(
        |r| {
            r.put("kept", b"kept").expect("space");
        },
        &[("kept", b"kept")],
        &[(
            &|r| {
                let mut batch = r.batch().expect("a lane");
                batch.put("kept", b"changed").expect("space");
                let made = batch.create_with(b"made", &named("made")).expect("space");
                batch.rename(made, "renamed").expect("free");
                batch.commit().expect("room in the log");
            },
            &[("kept", b"changed"), ("renamed", b"made")],
        )],
    );
}

#[test]
fn b20_a_directory_that_grows_loses_nothing() {
    let names: Vec<String> = (0..16).map(|number| format!("{number:02}")).collect();
    let mut before: Vec<(&str, &[u8])> = names.iter().map(|n| (n.as_str(), &b"x"[..])).collect();
    let start = before.clone();
    before.push(("the seventeenth", b"y"));
    let media = CrashMedia::new(ByteLen::new(128 << 10));
    let regions = on(media.clone());
    for name in &names {
        regions.put(name, b"x").expect("space");
    }
    media.mark();
    media.invoke(0);
    regions.put("the seventeenth", b"y").expect("space");
    media.ack(0);
    let owned = |state: &[(&str, &[u8])]| -> Seen {
        Ok(state
            .iter()
            .map(|(name, bytes)| (name.to_string(), bytes.to_vec()))
            .collect())
    };
    let (start, end) = (owned(&start), owned(&before));
    let report = explorer().explore(
        &media.recording().start_at_last_mark(),
        see,
        |point, seen| match (point.acked.is_empty(), point.in_flight.is_empty()) {
            (true, true) if *seen == start => Ok(()),
            (true, false) if *seen == start || *seen == end => Ok(()),
            (false, true) if *seen == end => Ok(()),
            _ => Err("neither before nor after".to_owned()),
        },
    );
    report.assert_clean();
}

#[test]
fn b16_a_write_is_durable_when_it_returns() {
    for len in [1usize, 64, 2047, 2048, 2049] {
        let media = CrashMedia::new(POOL);
        let regions = on(media.clone());
        let id = regions.create(len as u64 + 3, &UNNAMED).expect("space");
        media.mark();
        let data = pattern(len, 7);
        media.invoke(0);
        regions.write(id, 3, &data).expect("inside");
        media.ack(0);
        let (old, mut new) = (vec![0; len + 3], vec![0; len + 3]);
        new[3..].copy_from_slice(&data);
        let report = explorer().explore(
            &media.recording().start_at_last_mark(),
            |media| {
                let (regions, _) = open(media.clone());
                // the identifier is the same after a crash, row B28
                regions.read_all(id).expect("there")
            },
            |point, bytes| {
                let word_by_word = bytes
                    .iter()
                    .zip(old.iter().zip(&new))
                    .all(|(byte, (old, new))| byte == old || byte == new);
                match point.acked.is_empty() {
                    true if word_by_word => Ok(()),
                    false if *bytes == new => Ok(()),
                    _ => Err(format!("{len} bytes are not what was written")),
                }
            },
        );
        report.assert_clean();
    }
}

#[test]
fn b16_any_size_by_any_path_is_durable() {
    let media = CrashMedia::new(ByteLen::new(8 << 20));
    let regions = on(media.clone());
    for len in [1usize, 64, 2047, 2048, 2049, 1 << 20] {
        let (data, over) = (pattern(len, 1), pattern(len, 2));
        let written = regions.create(len as u64, &UNNAMED).expect("space");
        regions.write(written, 0, &over).expect("inside");
        let made = regions.create_with(&data, &UNNAMED).expect("space");
        let put = regions.put("put", &data).expect("space");
        regions.write(put, 0, &over).expect("inside");
        regions.write(put, len as u64 / 2, b"!").expect("inside");
        for cut in [Cut::AllLost, Cut::Seeded(len as u64), Cut::AllKept] {
            let (after, _) = open(media.cut(cut));
            assert_eq!(after.read_all(written).as_ref(), Ok(&over), "{len}");
            assert_eq!(after.read_all(made).as_ref(), Ok(&data), "{len}");
            let mut changed = over.clone();
            changed[len / 2] = b'!';
            assert_eq!(after.read_all(put), Ok(changed), "{len}");
        }
    }
}

#[test]
fn b28_identifiers_survive_crashes_and_kills() {
    let media = CrashMedia::new(ByteLen::new(256 << 10));
    let regions = on(media.clone());
    let made: Vec<(RegionId, Vec<u8>)> = (0..20u8)
        .map(|number| {
            let data = pattern(30 * usize::from(number) + 1, number);
            let id = regions
                .create_with(&data, &named(&number.to_string()))
                .expect("space");
            (id, data)
        })
        .collect();
    regions.destroy(made[4].0).expect("there");
    for media in [
        media.cut(Cut::AllLost),
        media.cut(Cut::Seeded(1)),
        media.kill(),
    ] {
        let (after, _) = open(media);
        for (number, (id, data)) in made.iter().enumerate() {
            assert_eq!(after.exists(*id), number != 4);
            if number != 4 {
                assert_eq!(after.by_name(&number.to_string()), Ok(*id));
                assert_eq!(after.read_all(*id).as_ref(), Ok(data));
            }
        }
        assert_clean(&after);
    }
}
