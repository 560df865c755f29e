//! Power cuts at every crash point of every way to write: what was acknowledged is there, what was atomic is whole.

mod tools;

use everline::units::ByteLen;
use everline_crash::{CrashMedia, Cut, Depth, Explorer, Point};
use everline_region::{Extent, RegionId, RegionOptions, Regions, WriteMode};
use tools::*;

type On = Regions<CrashMedia>;

const POOL: ByteLen = ByteLen::new(256 << 10);

fn explorer() -> Explorer {
    let desk = Explorer::new()
        .budget_per_point(64)
        .kill_steps(6)
        .nested_depth(0);
    let merge = Explorer::new().budget_per_point(1024).nested_depth(0);
    Depth::from_env().pick(desk, merge, Explorer::new().nested_depth(1))
}

/// Bytes of the region, and what is wrong with anything.
type Seen = Result<Vec<u8>, Vec<String>>;

fn see(media: &CrashMedia, id: RegionId) -> Seen {
    let (regions, _) = open(media.clone());
    let mut problems = problems(&regions);
    let scrubbed = regions.scrub_all(|_, _| (), |bad| problems.push(format!("{bad:?}")));
    problems.extend(scrubbed.err().map(|error| error.to_string()));
    if !problems.is_empty() {
        return Err(problems);
    }
    let bytes = regions
        .read_all(id)
        .map_err(|error| vec![error.to_string()])?;
    // goes on to work
    regions
        .write(id, 0, &bytes)
        .map_err(|error| vec![error.to_string()])?;
    Ok(bytes)
}

/// One change of a region that is there, cut everywhere; `judge` says whether what is left may be, before (0) and after
/// (1) its acknowledgement.
fn explore(
    set_up: impl FnOnce(&On) -> RegionId,
    change: impl FnOnce(&On, RegionId),
    judge: impl Fn(usize, &[u8]) -> bool,
) {
    let media = CrashMedia::new(POOL);
    let regions = on(media.clone());
    let id = set_up(&regions);
    media.mark();
    media.invoke(0);
    change(&regions, id);
    media.ack(0);
    let allowed = |point: &Point<'_>, seen: &Seen| match seen {
        Err(problems) => Err(problems.join("; ")),
        Ok(bytes) if judge(point.acked.len(), bytes) => Ok(()),
        Ok(bytes) => Err(format!(
            "{} acknowledged, {} bytes are left",
            point.acked.len(),
            bytes.len()
        )),
    };
    let recording = media.recording().start_at_last_mark();
    let report = explorer().explore(&recording, |media| see(media, id), allowed);
    report.assert_clean();
}

/// Each byte is the old or the new one.
fn mixed(bytes: &[u8], old: &[u8], new: &[u8]) -> bool {
    bytes.len() == old.len()
        && bytes
            .iter()
            .zip(old.iter().zip(new))
            .all(|(byte, (old, new))| byte == old || byte == new)
}

const KINDS: [RegionOptions<'static>; 2] = [UNNAMED, CHECKED];

#[test]
fn b16_a_write_to_any_kind_of_chunk_is_durable_when_it_returns() {
    for options in KINDS {
        for (len, at, bytes) in [
            (20u64, 4u64, 9usize),
            (9000, 4090, 12),
            (9000, 8, 8000),
            (70_000, 65_530, 40),
        ] {
            let mut new = vec![0; len as usize];
            new[at as usize..at as usize + bytes].copy_from_slice(&pattern(bytes, 7));
            let zeros = vec![0; len as usize];
            // never written, and written before
            explore(
                |r| r.create(len, &options).expect("space"),
                |r, id| r.write(id, at, &pattern(bytes, 7)).expect("inside"),
                |done, seen| seen == new || (done == 0 && mixed(seen, &zeros, &new)),
            );
            let old = pattern(len as usize, 1);
            let mut over = old.clone();
            over[at as usize..at as usize + bytes].copy_from_slice(&pattern(bytes, 7));
            explore(
                |r| r.create_with(&old, &options).expect("space"),
                |r, id| r.write(id, at, &pattern(bytes, 7)).expect("inside"),
                |done, seen| seen == over || (done == 0 && mixed(seen, &old, &over)),
            );
        }
    }
}

#[test]
fn b18_an_atomic_write_is_all_or_nothing_as_a_list_too() {
    for options in KINDS {
        let old = pattern(9000, 1);
        let mut new = old.clone();
        let pieces: [(u64, &[u8]); 3] = [(10, b"one"), (4094, b"across"), (8990, b"the end")];
        for (at, bytes) in pieces {
            new[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
        }
        explore(
            |r| r.create_with(&old, &options).expect("space"),
            |r, id| r.write_atomic_list(id, &pieces).expect("inside"),
            |done, seen| seen == new || (done == 0 && seen == old),
        );
        // large beside the region: by a copy
        let large = pattern(8600, 9);
        let mut copied = old.clone();
        copied[100..8700].copy_from_slice(&large);
        explore(
            |r| r.create_with(&old, &options).expect("space"),
            |r, id| r.write_atomic(id, 100, &large).expect("inside"),
            |done, seen| seen == copied || (done == 0 && seen == old),
        );
        // where nothing was ever written
        let mut fresh = vec![0; 9000];
        fresh[4000..4200].copy_from_slice(&large[..200]);
        explore(
            |r| r.create(9000, &options).expect("space"),
            |r, id| r.write_atomic(id, 4000, &large[..200]).expect("inside"),
            |done, seen| seen == fresh || (done == 0 && seen == [0; 9000]),
        );
    }
}

#[test]
fn keeps_r6_a_direct_write_behind_an_atomic_one_stays() {
    let old = pattern(600, 1);
    let mut new = old.clone();
    new[100..300].fill(3);
    for persist in [false, true] {
        explore(
            |r| {
                let id = r.create_with(&old, &UNNAMED).expect("space");
                r.engine().checkpoint().expect("no failing fence");
                r.write_atomic(id, 0, &[2; 600]).expect("inside");
                r.write_atomic(id, 0, &old).expect("inside");
                id
            },
            |r, id| match persist {
                false => r.write(id, 100, &[3; 200]).expect("inside"),
                true => {
                    r.write_volatile(id, 100, &[3; 200]).expect("inside");
                    r.persist(id, 100, 200).expect("inside");
                }
            },
            // Before the acknowledgement a recovery may redo the atomic write of the same bytes.
            |done, seen| seen == new || (done == 0 && mixed(seen, &old, &new)),
        );
    }
}

#[test]
fn b15_what_is_persisted_of_a_volatile_write_is_certain() {
    for options in KINDS {
        let old = pattern(9000, 1);
        let mut new = old.clone();
        new[..8192].fill(0xEE);
        let half = 4096;
        explore(
            |r| r.create_with(&old, &options).expect("space"),
            |r, id| {
                r.write_volatile(id, 0, &[0xEE; 8192]).expect("inside");
                let list = [Extent::new(0, 100), Extent::new(100, half - 100)];
                r.persist_list(id, &list).expect("inside");
            },
            |done, seen| {
                let half = half as usize;
                mixed(seen, &old, &new) && (done == 0 || seen[..half] == new[..half])
            },
        );
    }
}

#[test]
fn b17_a_volatile_write_is_visible_at_once_and_durable_after_persist() {
    let media = CrashMedia::new(POOL);
    let regions = on(media.clone());
    let id = regions.create_with(&[1; 640], &UNNAMED).expect("space");
    regions.write_volatile(id, 0, &[2; 640]).expect("inside");
    assert_eq!(regions.read_all(id).expect("there"), [2; 640]);
    let (lost, _) = open(media.cut(Cut::AllLost));
    assert_eq!(
        lost.read_all(id).expect("there"),
        [1; 640],
        "nothing was promised"
    );
    for seed in 0..20 {
        let (some, _) = open(media.cut(Cut::Seeded(seed)));
        let bytes = some.read_all(id).expect("there");
        assert!(
            bytes.chunks(8).all(|word| word == [1; 8] || word == [2; 8]),
            "aligned words"
        );
    }
    regions.persist(id, 0, 640).expect("inside");
    let (kept, _) = open(media.cut(Cut::AllLost));
    assert_eq!(kept.read_all(id).expect("there"), [2; 640]);
}

#[test]
fn b2_a_region_that_grows_has_its_old_or_its_new_length_and_the_bytes_of_it() {
    for checked in [false, true] {
        let options = RegionOptions {
            checked,
            ..GROWABLE
        };
        for mode in [WriteMode::Durable, WriteMode::Volatile, WriteMode::Atomic] {
            for (first, at, bytes) in [
                (0usize, 0u64, 100usize),
                (50, 50, 30),
                (50, 40, 5000),
                (50, 5000, 10),
                (5000, 4000, 3000),
            ] {
                let old = pattern(first, 1);
                let mut new = old.clone();
                new.resize((at as usize + bytes).max(first), 0);
                new[at as usize..][..bytes].copy_from_slice(&pattern(bytes, 2));
                explore(
                    |r| {
                        let id = r.create(0, &options).expect("a slot");
                        r.write(id, 0, &old).expect("space");
                        id
                    },
                    |r, id| {
                        r.write_with(id, at, &pattern(bytes, 2), mode)
                            .expect("space")
                    },
                    |done, seen| {
                        let prefix = old.len().min(new.len());
                        let before = seen.len() == old.len() && mixed(seen, &old, &new[..prefix]);
                        seen == new || (done == 0 && before)
                    },
                );
            }
        }
    }
}

#[test]
fn b34_a_resize_is_atomic_and_keeps_the_prefix() {
    for options in [UNNAMED, CHECKED] {
        for (from, to) in [
            (100usize, 40usize),
            (40, 60),
            (40, 9000),
            (9000, 5000),
            (5000, 5001),
        ] {
            let old = pattern(from, 1);
            let mut new = old.clone();
            new.resize(to, 0);
            explore(
                |r| {
                    let id = r
                        .create_with(&pattern(from + 30, 9), &options)
                        .expect("space");
                    r.resize(id, from as u64).expect("space");
                    r.write(id, 0, &old).expect("inside");
                    id
                },
                |r, id| r.resize(id, to as u64).expect("space"),
                |done, seen| seen == new || (done == 0 && seen == old),
            );
        }
    }
}

#[test]
fn b33_what_a_view_has_persisted_is_there_when_every_other_line_is_lost() {
    let media = CrashMedia::new(POOL);
    let regions = on(media.clone());
    let id = regions.create(5000, &UNNAMED).expect("space");
    let view = regions.view(id).expect("space");
    view.write_at(100, &[1; 300]).expect("inside");
    view.write_at(2000, &[2; 300]).expect("inside");
    view.persist(100, 300).expect("inside");
    let (after, _) = open(media.cut(Cut::AllLost));
    let bytes = after.read_all(id).expect("there");
    assert_eq!(bytes[100..400], [1; 300]);
    assert_eq!(bytes[2048..2240], [0; 192], "the control: never persisted");
}

#[test]
fn b19_b37_a_region_and_a_copy_come_whole_or_not_at_all() {
    for options in KINDS {
        let media = CrashMedia::new(POOL);
        let regions = on(media.clone());
        let data = pattern(5000, 1);
        let id = regions.create_with(&data, &options).expect("space");
        media.mark();
        media.invoke(0);
        regions.copy(id).expect("space");
        media.ack(0);
        media.invoke(1);
        regions.create_with(&data, &options).expect("space");
        media.ack(1);
        let see = |media: &CrashMedia| {
            let (regions, _) = open(media.clone());
            let list = regions.list().expect("a directory");
            let right = list
                .iter()
                .all(|info| regions.read_all(info.id).as_ref() == Ok(&data));
            (list.len(), right, problems(&regions))
        };
        let allowed = |point: &Point<'_>, seen: &(usize, bool, Vec<String>)| {
            let done = 1 + point.acked.len();
            let count = done..=done + point.in_flight.len();
            match seen {
                (len, true, problems) if problems.is_empty() && count.contains(len) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        };
        let report = explorer().explore(&media.recording().start_at_last_mark(), see, allowed);
        report.assert_clean();
    }
}

#[test]
fn e9_a_crash_neither_raises_a_false_alarm_nor_hides_a_flipped_bit() {
    // `see` scrubs at every crash point of all the tests above; here a bit flips in what each crash left.
    let media = CrashMedia::new(POOL);
    let regions = on(media.clone());
    let id = regions
        .create_with(&pattern(9000, 1), &CHECKED)
        .expect("space");
    media.mark();
    regions
        .write(id, 100, b"small, through the log")
        .expect("inside");
    let large = everline_crash::CrashMedia::clone(&media);
    drop(large);
    for seed in 0..40 {
        let cut = media.cut(Cut::Seeded(seed));
        let (after, _) = open(cut);
        let at = after.info(id).expect("there").at;
        for byte in [0u64, 100, 4095, 4096, 8999] {
            let place = everline::units::ByteOffset::new(at.get() + byte);
            let medium = after.engine().pool().media();
            use everline::media::Media;
            let right = medium.load8(place);
            medium.store8(place, right ^ 0x10);
            let mut found = Vec::new();
            after
                .scrub(id, |_, _| (), |bad| found.push((bad.id, bad.at)))
                .expect("checked");
            assert_eq!(found, [(id, byte / 4096 * 4096)]);
            medium.store8(place, right);
        }
    }
}
