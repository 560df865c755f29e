//! The checker of histories is checked: good histories pass, and each planted anomaly is told for what it is.

mod history;

use std::collections::BTreeMap;

use history::*;

/// A transaction that begins at `begun`, and commits as `sequence` from `called` to `returned`.
fn committed(begun: Moment, steps: &[Step], sequence: Sequence, called: Moment) -> Record {
    Record {
        called: begun,
        begun: begun + 1,
        steps: steps.to_vec(),
        end: End::Committed {
            sequence,
            called,
            returned: called + 1,
        },
    }
}

fn ended(begun: Moment, steps: &[Step], end: End) -> Record {
    Record {
        called: begun,
        begun: begun + 1,
        steps: steps.to_vec(),
        end,
    }
}

fn history(records: &[Record]) -> History {
    History {
        initial: BTreeMap::from([(1, 10), (2, 20)]),
        floor: 0,
        records: records.to_vec(),
    }
}

fn snapshot_isolation(records: &[Record]) -> Result<(), Anomaly> {
    let history = history(records);
    Checker::new(&history)?.snapshot_isolation()
}

fn serializable(records: &[Record]) -> Result<(), Anomaly> {
    let history = history(records);
    Checker::new(&history)?.serializable()
}

use Step::{Read, Scan, Write};

#[test]
fn one_after_another_is_serializable() {
    let records = [
        committed(
            0,
            &[Read(1, Some(10)), Write(1, Some(11)), Read(1, Some(11))],
            1,
            5,
        ),
        committed(
            10,
            &[Read(1, Some(11)), Write(1, None), Read(1, None)],
            2,
            15,
        ),
        ended(
            20,
            &[Read(1, None), Scan(0, 9, vec![(2, 20)])],
            End::ReadOnly,
        ),
        ended(25, &[Read(2, Some(20)), Write(2, Some(99))], End::Aborted),
        committed(
            30,
            &[
                Scan(0, 9, vec![(2, 20)]),
                Write(1, Some(13)),
                Scan(0, 9, vec![(1, 13), (2, 20)]),
            ],
            3,
            35,
        ),
    ];
    assert_eq!(serializable(&records), Ok(()));
}

#[test]
fn a_reader_of_an_older_snapshot_is_serializable_beside_its_writers() {
    let records = [
        ended(0, &[Read(1, Some(10)), Read(2, Some(20))], End::ReadOnly),
        committed(3, &[Write(1, Some(11))], 1, 5),
        committed(7, &[Read(1, Some(11)), Write(2, Some(21))], 2, 10),
    ];
    assert_eq!(serializable(&records), Ok(()));
}

#[test]
fn a_lost_update_is_rejected() {
    let both = [Read(1, Some(10)), Write(1, Some(11))];
    let records = [
        committed(0, &both, 1, 5),
        committed(2, &[Read(1, Some(10)), Write(1, Some(12))], 2, 8),
    ];
    assert_eq!(
        snapshot_isolation(&records),
        Err(Anomaly::LostUpdate(0, 1, 1))
    );
}

#[test]
fn blind_writes_of_one_key_at_once_are_rejected() {
    let records = [
        committed(0, &[Write(1, Some(11))], 1, 5),
        committed(2, &[Write(1, Some(12))], 2, 8),
    ];
    assert_eq!(
        snapshot_isolation(&records),
        Err(Anomaly::LostUpdate(0, 1, 1))
    );
    let in_turn = [
        committed(0, &[Write(1, Some(11))], 1, 5),
        committed(7, &[Write(1, Some(12))], 2, 9),
    ];
    assert_eq!(snapshot_isolation(&in_turn), Ok(()));
}

#[test]
fn write_skew_is_snapshot_isolation_and_is_not_serializable() {
    let records = [
        committed(
            0,
            &[Read(1, Some(10)), Read(2, Some(20)), Write(1, Some(11))],
            1,
            5,
        ),
        committed(
            2,
            &[Read(1, Some(10)), Read(2, Some(20)), Write(2, Some(21))],
            2,
            8,
        ),
    ];
    assert_eq!(snapshot_isolation(&records), Ok(()));
    let circle = vec![(0, Edge::ReadBefore), (1, Edge::ReadBefore)];
    assert_eq!(serializable(&records), Err(Anomaly::Circle(circle)));
}

#[test]
fn write_skew_by_absence_in_scans_is_not_serializable() {
    let records = [
        committed(0, &[Scan(5, 9, vec![]), Write(6, Some(60))], 1, 5),
        committed(2, &[Scan(5, 9, vec![]), Write(7, Some(70))], 2, 8),
    ];
    assert_eq!(snapshot_isolation(&records), Ok(()));
    assert!(matches!(serializable(&records), Err(Anomaly::Circle(_))));
}

#[test]
fn a_reader_that_sees_the_later_of_a_skew_is_on_the_circle() {
    // The anomaly of a read-only transaction: both writers alone would be serializable.
    let records = [
        committed(
            0,
            &[Read(1, Some(10)), Read(2, Some(20)), Write(1, Some(11))],
            2,
            20,
        ),
        committed(2, &[Read(2, Some(20)), Write(2, Some(21))], 1, 5),
        ended(8, &[Read(1, Some(10)), Read(2, Some(21))], End::ReadOnly),
    ];
    assert_eq!(snapshot_isolation(&records), Ok(()));
    let Err(Anomaly::Circle(circle)) = serializable(&records) else {
        panic!("the circle was not found");
    };
    assert_eq!(circle.len(), 3, "{circle:?}");
}

#[test]
fn a_long_fork_is_rejected() {
    let records = [
        committed(0, &[Write(1, Some(11))], 1, 2),
        committed(0, &[Write(2, Some(21))], 2, 2),
        ended(3, &[Read(1, Some(11)), Read(2, Some(20))], End::ReadOnly),
        ended(3, &[Read(1, Some(10)), Read(2, Some(21))], End::ReadOnly),
    ];
    assert_eq!(snapshot_isolation(&records), Err(Anomaly::NoSnapshot(3)));
}

#[test]
fn a_dirty_read_is_rejected() {
    let of_an_aborted = [
        ended(0, &[Write(1, Some(11))], End::Aborted),
        ended(2, &[Read(1, Some(11))], End::ReadOnly),
    ];
    assert_eq!(
        snapshot_isolation(&of_an_aborted),
        Err(Anomaly::NeverCommitted(1, 1, 11))
    );
    let of_a_later_overwritten = [
        committed(0, &[Write(1, Some(11)), Write(1, Some(12))], 1, 9),
        ended(2, &[Read(1, Some(11))], End::ReadOnly),
    ];
    assert_eq!(
        snapshot_isolation(&of_a_later_overwritten),
        Err(Anomaly::NeverCommitted(1, 1, 11))
    );
    let before_it_commits = [
        committed(0, &[Write(1, Some(11))], 1, 9),
        ended(2, &[Read(1, Some(11))], End::ReadOnly),
    ];
    assert_eq!(
        snapshot_isolation(&before_it_commits),
        Err(Anomaly::Time(1))
    );
    let by_an_aborted = [
        ended(0, &[Write(1, Some(11))], End::Aborted),
        ended(2, &[Read(1, Some(11))], End::Aborted),
    ];
    assert_eq!(
        snapshot_isolation(&by_an_aborted),
        Err(Anomaly::NeverCommitted(1, 1, 11))
    );
}

#[test]
fn a_read_that_is_not_repeatable_is_rejected() {
    let records = [
        ended(0, &[Read(1, Some(10)), Read(1, Some(11))], End::ReadOnly),
        committed(2, &[Write(1, Some(11))], 1, 5),
    ];
    assert_eq!(snapshot_isolation(&records), Err(Anomaly::NoSnapshot(0)));
}

#[test]
fn half_of_a_commit_is_rejected() {
    let records = [
        committed(0, &[Write(1, Some(11)), Write(2, Some(21))], 1, 5),
        ended(3, &[Read(1, Some(11)), Read(2, Some(20))], End::ReadOnly),
    ];
    assert_eq!(snapshot_isolation(&records), Err(Anomaly::NoSnapshot(1)));
}

#[test]
fn a_scan_that_misses_a_key_or_shows_one_twice_is_rejected() {
    let misses = [ended(0, &[Scan(0, 9, vec![(2, 20)])], End::ReadOnly)];
    assert_eq!(snapshot_isolation(&misses), Err(Anomaly::NoSnapshot(0)));
    let twice = [ended(
        0,
        &[Scan(0, 9, vec![(1, 10), (1, 10), (2, 20)])],
        End::ReadOnly,
    )];
    assert_eq!(snapshot_isolation(&twice), Err(Anomaly::Scan(0)));
    let outside = [ended(
        0,
        &[Scan(2, 9, vec![(1, 10), (2, 20)])],
        End::ReadOnly,
    )];
    assert_eq!(snapshot_isolation(&outside), Err(Anomaly::Scan(0)));
    let own_delete = [committed(
        0,
        &[Write(1, None), Scan(0, 9, vec![(1, 10), (2, 20)])],
        1,
        5,
    )];
    assert_eq!(
        snapshot_isolation(&own_delete),
        Err(Anomaly::OwnWrite(0, 1))
    );
}

#[test]
fn an_own_write_that_is_not_seen_is_rejected() {
    let records = [committed(0, &[Write(1, Some(11)), Read(1, Some(10))], 1, 5)];
    assert_eq!(snapshot_isolation(&records), Err(Anomaly::OwnWrite(0, 1)));
}

#[test]
fn a_snapshot_older_than_what_had_returned_is_rejected() {
    let records = [
        committed(0, &[Write(1, Some(11))], 1, 5),
        ended(9, &[Read(1, Some(10))], End::ReadOnly),
    ];
    assert_eq!(snapshot_isolation(&records), Err(Anomaly::Time(1)));
}

#[test]
fn sequences_against_time_or_twice_are_rejected() {
    let against = [
        committed(0, &[Write(1, Some(11))], 2, 5),
        committed(9, &[Write(2, Some(21))], 1, 12),
    ];
    assert_eq!(snapshot_isolation(&against), Err(Anomaly::Order(1, 0)));
    let twice = [
        committed(0, &[Write(1, Some(11))], 1, 5),
        committed(9, &[Write(2, Some(21))], 1, 12),
    ];
    assert_eq!(snapshot_isolation(&twice), Err(Anomaly::Order(0, 1)));
}

#[test]
fn what_a_crash_leaves_is_a_state_within_the_window_or_is_rejected() {
    let history = history(&[
        committed(0, &[Write(1, Some(11))], 1, 5),
        committed(7, &[Write(2, None), Write(3, Some(30))], 2, 9),
        committed(12, &[Write(1, Some(12))], 3, 15),
    ]);
    let checker = Checker::new(&history).expect("in order");
    let left = |pairs: &[(Key, Value)]| pairs.iter().copied().collect::<BTreeMap<_, _>>();
    for sequence in 0..=3 {
        let state = checker.state_at(sequence);
        assert_eq!(checker.state_after(&state, 0, 99), Ok(sequence));
    }
    assert_eq!(checker.state_at(2), left(&[(1, 11), (3, 30)]));
    // One commit without the one before it, half of a commit, a value that nobody wrote.
    for wrong in [
        left(&[(1, 10), (3, 30)]),
        left(&[(1, 11), (2, 20), (3, 30)]),
        left(&[(1, 77), (2, 20)]),
    ] {
        assert_eq!(checker.state_after(&wrong, 0, 99), Err(Anomaly::NotAState));
    }
    let too_old = checker.state_after(&checker.state_at(1), 2, 99);
    assert_eq!(
        too_old,
        Err(Anomaly::Window {
            left: (1, 1),
            allowed: (2, 3)
        })
    );
    let too_new = checker.state_after(&checker.state_at(3), 0, 15);
    assert!(
        matches!(too_new, Err(Anomaly::Window { .. })),
        "{too_new:?}"
    );
}

/// A store that keeps every version, with the isolation asked for and a flaw on demand.
struct Reference {
    versions: BTreeMap<Key, Vec<(Sequence, Option<Value>)>>,
    last: Sequence,
    now: Moment,
    value: Value,
    random: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    /// Read-write conflicts are not looked for.
    Skew,
    /// Neither are those of two writers.
    LostUpdate,
    /// Every tenth read is of the newest version.
    ReadsNewest,
}

/// One that is open: its record, its snapshot, its own writes.
type Open = (Record, Sequence, BTreeMap<Key, Option<Value>>);

impl Reference {
    const KEYS: Key = 12;

    fn draw(&mut self, end: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % end
    }

    fn tick(&mut self) -> Moment {
        self.now += 1;
        self.now
    }

    fn read(&self, key: Key, at: Sequence) -> Option<Value> {
        let versions = self.versions.get(&key)?;
        versions.iter().rfind(|version| version.0 <= at)?.1
    }

    fn step(&mut self, open: &mut Open, flaw: Flaw) {
        let key = self.draw(u64::from(Self::KEYS)) as Key;
        let newest = flaw == Flaw::ReadsNewest && self.draw(10) == 0;
        let at = if newest { self.last } else { open.1 };
        let see = |own: &Open, key| {
            own.2
                .get(&key)
                .copied()
                .unwrap_or_else(|| self.read(key, at))
        };
        match self.random >> 32 & 7 {
            0..3 => open.0.steps.push(Read(key, see(open, key))),
            3 => {
                let to = Self::KEYS.min(key + 4);
                let saw = (key..to).filter_map(|key| Some((key, see(open, key)?)));
                open.0.steps.push(Scan(key, to, saw.collect()));
            }
            kind => {
                self.value += 1;
                let value = (kind < 7).then_some(self.value);
                open.0.steps.push(Write(key, value));
                open.2.insert(key, value);
            }
        }
    }

    fn conflicts(&self, open: &Open, flaw: Flaw) -> bool {
        let newer = |key: &Key| {
            let last = self.versions.get(key).and_then(|versions| versions.last());
            last.is_some_and(|(sequence, _)| *sequence > open.1)
        };
        let writes = open.2.keys().any(newer);
        let reads = open.0.steps.iter().any(|step| match step {
            Read(key, _) => newer(key),
            Scan(from, to, _) => (*from..*to).any(|key| newer(&key)),
            Write(..) => false,
        });
        match flaw {
            Flaw::LostUpdate => false,
            Flaw::Skew => writes,
            _ => writes || reads,
        }
    }

    fn end(&mut self, mut open: Open, flaw: Flaw) -> Record {
        let called = self.tick();
        if open.2.is_empty() {
            open.0.end = End::ReadOnly;
        } else if !self.conflicts(&open, flaw) {
            self.last += 1;
            for (key, value) in &open.2 {
                self.versions
                    .entry(*key)
                    .or_default()
                    .push((self.last, *value));
            }
            let returned = self.tick();
            open.0.end = End::Committed {
                sequence: self.last,
                called,
                returned,
            };
        }
        open.0
    }
}

fn random_history(seed: u64, flaw: Flaw) -> History {
    let mut store = Reference {
        versions: BTreeMap::new(),
        last: 0,
        now: 0,
        value: 0,
        random: seed | 1,
    };
    let mut open: Vec<Open> = Vec::new();
    let mut records = Vec::new();
    while records.len() < 300 {
        if open.len() < 4 {
            let (called, begun) = (store.tick(), store.tick());
            open.push((
                Record {
                    called,
                    begun,
                    steps: Vec::new(),
                    end: End::Aborted,
                },
                store.last,
                BTreeMap::new(),
            ));
        }
        let chosen = store.draw(open.len() as u64) as usize;
        if store.draw(4) > 0 {
            store.step(&mut open[chosen], flaw);
        } else {
            let done = open.swap_remove(chosen);
            records.push(store.end(done, flaw));
        }
    }
    History {
        records,
        ..History::default()
    }
}

#[test]
fn random_histories_of_a_right_store_pass_and_those_of_a_flawed_one_do_not() {
    let mut caught = BTreeMap::new();
    for seed in 1..=200u64 {
        let seed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let judged = |flaw, serializable: bool| {
            let history = random_history(seed, flaw);
            let checker = Checker::new(&history).expect("in order");
            match serializable {
                true => checker.serializable(),
                false => checker.snapshot_isolation(),
            }
        };
        assert_eq!(judged(Flaw::None, true), Ok(()), "seed {seed:#x}");
        assert_eq!(judged(Flaw::Skew, false), Ok(()), "seed {seed:#x}");
        for (name, wrong) in [
            ("skew", judged(Flaw::Skew, true)),
            ("lost update", judged(Flaw::LostUpdate, false)),
            ("reads the newest", judged(Flaw::ReadsNewest, false)),
        ] {
            *caught.entry(name).or_insert(0) += u32::from(wrong.is_err());
        }
    }
    println!("of 200: {caught:?}");
    assert!(caught.values().all(|count| *count > 150), "{caught:?}");
}
