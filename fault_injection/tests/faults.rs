//! Faults of the medium on small structures: sound ones answer with an error or with the right data, planted ones are
//! caught and their lines run again.

use everline::media::Media;
use everline::units::{ByteLen, ByteOffset, ByteRange, LineRange};
use everline_crash::{
    Answer, CrashMedia, Explorer, FaultPlan, FaultReport, Faulted, Judged, Recording, ReplayError,
};

const LEN: ByteLen = ByteLen::new(16 << 10);
const ROOT: u64 = 0;
const LEAVES: u64 = 4096;
const COUNT: u64 = 6;

fn get(media: &CrashMedia, place: u64) -> u64 {
    media.load64(ByteOffset::new(place))
}

#[track_caller]
fn persist(media: &CrashMedia, place: u64, words: &[u64]) -> Result<(), String> {
    for (word, value) in words.iter().enumerate() {
        media.store64(ByteOffset::new(place + 8 * word as u64), *value);
    }
    let range = ByteRange::at(place, 8 * words.len() as u64).expect("small");
    media.flush(LineRange::covering(range));
    media.fence().map_err(|error| error.to_string())
}

fn sum(words: &[u64]) -> u64 {
    let fold = |sum: u64, word: &u64| (sum ^ word).wrapping_mul(0x0100_0000_01B3).rotate_left(17);
    words.iter().fold(0xCBF2_9CE4_8422_2325, fold)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bug {
    Sound,
    /// m37: a root that cannot be loaded counts as empty.
    PoisonIsEmpty,
    /// m38: checksums are verified at open, and not when data are read.
    VerifiedAtOpenOnly,
    /// No checksum at all over the leaves.
    NotVerified,
    /// A length from the medium is believed.
    LoopsOnCount,
    Panics,
}
use Bug::*;

/// Leaves {value, sum with its place} under a root {count, sum over all sums, sum of both}, in a page of its own.
struct Store {
    media: CrashMedia,
    bug: Bug,
}

fn leaf(index: u64) -> u64 {
    LEAVES + 64 * index
}

impl Store {
    fn set(media: &CrashMedia, index: u64, value: u64) {
        persist(media, leaf(index), &[value, sum(&[value, index])]).expect("no fault yet");
        let sums: Vec<u64> = (0..COUNT).map(|at| get(media, leaf(at) + 8)).collect();
        let root = [COUNT, sum(&sums)];
        persist(media, ROOT, &[root[0], root[1], sum(&root)]).expect("no fault yet");
    }

    fn open(media: &CrashMedia, bug: Bug) -> Result<Store, String> {
        let store = Store {
            media: media.clone(),
            bug,
        };
        store.verify()?;
        Ok(store)
    }

    fn verify(&self) -> Result<u64, String> {
        let mut bytes = [0; 24];
        let read = self.media.try_read(ByteOffset::new(ROOT), &mut bytes);
        match (read, self.bug) {
            (Err(_), PoisonIsEmpty) => return Ok(0),
            (Err(poisoned), _) => return Err(poisoned.to_string()),
            (Ok(()), _) => {}
        }
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight"));
        let (count, over, own) = (word(0), word(8), word(16));
        if self.bug == LoopsOnCount {
            let mut left = count;
            while left != 0 {
                left -= 1;
                self.media.load64(ByteOffset::new(ROOT));
            }
        }
        if self.bug == Panics {
            assert_eq!(count, COUNT, "a count");
        }
        if own != sum(&[count, over]) || count != COUNT {
            return Err("the root is damaged".into());
        }
        let sums: Vec<u64> = (0..COUNT)
            .map(|at| get(&self.media, leaf(at) + 8))
            .collect();
        if over != sum(&sums) && self.bug != NotVerified {
            return Err("a leaf is not the one that the root names".into());
        }
        for index in 0..COUNT {
            self.leaf(index)?;
        }
        Ok(COUNT)
    }

    fn leaf(&self, index: u64) -> Result<u64, String> {
        let value = get(&self.media, leaf(index));
        let sound = get(&self.media, leaf(index) + 8) == sum(&[value, index]);
        match sound || self.bug == NotVerified {
            true => Ok(value),
            false => Err(format!("leaf {index} is damaged")),
        }
    }

    fn values(&self) -> Result<Vec<u64>, String> {
        let count = match self.bug {
            VerifiedAtOpenOnly => COUNT,
            _ => self.verify()?,
        };
        let value = |index| match self.bug {
            VerifiedAtOpenOnly => Ok(get(&self.media, leaf(index))),
            _ => self.leaf(index),
        };
        (0..count).map(value).collect()
    }
}

fn recorded() -> Recording {
    let media = CrashMedia::new(LEN);
    for round in 0..3 {
        for index in 0..COUNT {
            Store::set(&media, index, 100 * round + index);
        }
    }
    media.recording()
}

fn expected() -> Vec<u64> {
    (0..COUNT).map(|index| 200 + index).collect()
}

fn right(_: &Faulted<'_>, values: &Vec<u64>) -> Result<Judged, String> {
    match *values == expected() {
        true => Ok(Judged::Right),
        false => Err(format!("expected {:?}", expected())),
    }
}

fn faults(bug: Bug, plan: &FaultPlan) -> FaultReport {
    let explorer = Explorer::new().call_limit(20_000);
    let open = |media: &CrashMedia| Store::open(media, bug);
    explorer.faults(&recorded(), plan, open, |store| store.values(), right)
}

fn plans() -> [FaultPlan; 4] {
    [
        FaultPlan::new(),
        FaultPlan::every_bit(),
        FaultPlan::writes(),
        FaultPlan::poison(256),
    ]
}

#[test]
fn a_store_that_verifies_what_it_reads_answers_with_errors_or_right_data() {
    let mut kinds = 0;
    for plan in plans() {
        let report = faults(Sound, &plan);
        report.assert_clean();
        println!("{report}");
        // Bits that nothing reads leave the data right; all others are found.
        assert!(report.errors + report.died > 0, "{report}");
        kinds = kinds.max(report.kinds.len());
    }
    assert_eq!(kinds, 5, "every kind of fault");
    let bits = faults(Sound, &FaultPlan::every_bit());
    assert_eq!(bits.tried, 2 * 512 * (COUNT + 1), "{bits}");
    // Root: three words of eight matter; leaves: two. Each flipped bit of them is an error, before and while open.
    assert_eq!(bits.errors, 2 * 64 * (3 + 2 * COUNT), "{bits}");
}

#[track_caller]
fn caught(bug: Bug, plan: &FaultPlan, kind: &str) -> FaultReport {
    let report = faults(bug, plan);
    assert!(!report.is_clean(), "{bug:?} escaped: {report}");
    let violation = &report.violations[0];
    println!("{violation}\n");
    assert_eq!(violation.fault.kind(), kind, "{report}");
    let place = violation.place.expect("the line was stored");
    assert!(place.file().ends_with("tests/faults.rs"), "{report}");
    let explorer = Explorer::new().call_limit(20_000);
    let open = |media: &CrashMedia| Store::open(media, bug);
    let again = explorer.replay_fault(&recorded(), &violation.line, open, |store| store.values());
    match again.expect("its own line") {
        Answer::Data(data) => assert_eq!(format!("{data:?}"), violation.observation),
        Answer::Panicked(panic) => assert!(violation.reason.ends_with(&panic), "{panic}"),
        other => panic!("{other:?} instead of {violation}"),
    }
    report
}

#[test]
fn m37_poison_that_is_taken_for_nothing_is_wrong_data() {
    let report = caught(PoisonIsEmpty, &FaultPlan::poison(64), "poison");
    assert_eq!(report.violations[0].observation, "[]");
    assert_eq!(report.violations[0].fault.at(), ByteOffset::new(ROOT));
    assert!(
        report.died > 0,
        "poisoned leaves are loaded without asking: {report}"
    );
}

#[test]
fn m38_a_checksum_that_is_verified_at_open_only_misses_what_happens_later() {
    let report = caught(VerifiedAtOpenOnly, &FaultPlan::every_bit(), "bit flip");
    assert!(
        report
            .violations
            .iter()
            .all(|violation| violation.while_open),
        "{report}"
    );
    faults(
        VerifiedAtOpenOnly,
        &FaultPlan::every_bit().before_open_only(),
    )
    .assert_clean();
}

#[test]
fn data_without_a_checksum_are_wrong_after_each_kind_of_fault() {
    for (plan, kind) in [
        (FaultPlan::every_bit(), "bit flip"),
        (FaultPlan::writes(), "misdirected write"),
    ] {
        caught(NotVerified, &plan, kind);
    }
    let writes = faults(NotVerified, &FaultPlan::writes());
    let kinds: Vec<_> = writes.violations.iter().map(|it| it.fault.kind()).collect();
    assert!(kinds.contains(&"lost write"), "{writes}");
    let page = ByteRange::at(LEAVES, 4096).expect("small");
    let stale = faults(NotVerified, &FaultPlan::writes().within(page));
    assert!(stale.kinds.contains_key("stale page"), "{stale}");
}

#[test]
fn a_fault_that_leads_to_a_hang_or_a_panic_is_a_violation() {
    let report = caught(LoopsOnCount, &FaultPlan::every_bit(), "bit flip");
    assert!(
        report.violations[0].reason.contains("does not end"),
        "{report}"
    );
    let report = caught(Panics, &FaultPlan::every_bit(), "bit flip");
    assert!(report.violations[0].reason.contains("a count"), "{report}");
}

#[test]
fn poison_stays_until_all_of_it_is_stored_anew() {
    let media = CrashMedia::new(LEN);
    persist(&media, 0, &[1; 8]).expect("no fault asked for");
    let recording = media.recording();
    let run = |words: u64| {
        let open = |media: &CrashMedia| {
            for word in 0..words {
                media.store64(ByteOffset::new(8 * word), 7);
            }
            Ok(media.clone())
        };
        let plan = FaultPlan::poison(64).before_open_only();
        let look = |media: &mut CrashMedia| Ok(get(media, 0));
        Explorer::new().faults(&recording, &plan, open, look, |_, seen| match *seen {
            7 => Ok(Judged::Right),
            other => Err(other.to_string()),
        })
    };
    assert_eq!((run(8).right, run(8).died), (1, 0));
    assert_eq!((run(7).right, run(7).died), (0, 1));
    assert_eq!(run(0).died, 1);
}

#[test]
fn faults_at_moments_of_the_recording_know_what_was_acknowledged() {
    let media = CrashMedia::new(LEN);
    for id in 0..8 {
        media.invoke(id);
        persist(&media, 0, &[id, sum(&[id])]).expect("no fault asked for");
        media.ack(id);
    }
    let plan = FaultPlan::every_bit().at_points(12);
    let look = |media: &mut CrashMedia| match (get(media, 0), get(media, 8)) {
        (value, own) if own == sum(&[value]) => Ok(value),
        (0, 0) => Ok(0),
        _ => Err("torn".to_owned()),
    };
    let report = Explorer::new().faults(
        &media.recording(),
        &plan,
        |media| Ok(media.clone()),
        look,
        |faulted, value| {
            let acked = faulted.point.acked.len() as u64;
            let highest = acked + faulted.point.in_flight.len() as u64;
            match acked <= value + 1 && *value < highest.max(1) {
                true => Ok(Judged::Right),
                false => Err(format!("{value}, and {acked} were acknowledged")),
            }
        },
    );
    report.assert_clean();
    assert!(report.tried > 2 * 512 * 6, "{report}");
}

#[test]
fn an_excuse_is_counted_and_nothing_tried_is_not_clean() {
    let excuse = |_: &Faulted<'_>, _: &Vec<u64>| Ok(Judged::Excused("no checksum"));
    let open = |media: &CrashMedia| Store::open(media, NotVerified);
    let plan = FaultPlan::every_bit();
    let report = Explorer::new().faults(&recorded(), &plan, open, |store| store.values(), excuse);
    assert!(
        report.is_clean() && report.excused["no checksum"] > 0,
        "{report}"
    );
    let nowhere = FaultPlan::every_bit().within(ByteRange::at(12288, 64).expect("small"));
    let report = faults(Sound, &nowhere);
    assert!(
        !report.is_clean() && report.to_string().contains("nothing ran"),
        "{report}"
    );
}

#[test]
fn a_line_of_another_version_or_recording_is_refused() {
    let replay = |line: &str| {
        let open = |media: &CrashMedia| Store::open(media, Sound);
        Explorer::new().replay_fault(&recorded(), line, open, |store| store.values())
    };
    let refused = replay("everline-fault/3 log=1");
    assert!(
        matches!(refused, Err(ReplayError::Version { .. })),
        "{refused:?}"
    );
    let refused = replay("everline-fault/1 log=1 at=3 when=open fault=flip@0.1");
    assert!(
        matches!(refused, Err(ReplayError::Workload { .. })),
        "{refused:?}"
    );
}

/// m39: whether an operation whose fence failed is acknowledged all the same.
fn counted(ignores: bool) -> everline_crash::FenceFaults {
    Explorer::new().fence_faults(
        || (CrashMedia::new(LEN), ()),
        |media, ()| {
            for id in 1..=4 {
                media.invoke(id);
                let done = persist(media, 64 * id, &[id, sum(&[id])]);
                match done {
                    Ok(()) => media.ack(id),
                    Err(_) if ignores => media.ack(id),
                    // After a failed sync nothing is known about anything later either.
                    Err(_) => return,
                }
            }
        },
        |media| {
            let sound =
                |id: &u64| get(media, 64 * id + 8) == sum(&[*id]) && get(media, 64 * id) == *id;
            let found: Vec<u64> = (1..=4).filter(sound).collect();
            media.flush(LineRange::covering(ByteRange::at(0, 512).expect("small")));
            media.fence().expect("no fault asked for");
            found
        },
        |point, found| match point.acked.iter().all(|id| found.contains(id)) {
            true => Ok(()),
            false => Err(format!("{:?} acknowledged, {found:?} found", point.acked)),
        },
    )
}

#[test]
fn m39_a_failed_fence_that_is_ignored_loses_what_was_acknowledged() {
    let sound = counted(false);
    sound.assert_clean();
    println!("{sound}");
    assert_eq!((sound.fences, sound.reports.len()), (4, 4));
    let ignoring = counted(true);
    assert!(!ignoring.is_clean());
    assert!(
        ignoring.reports.iter().all(|report| !report.is_clean()),
        "each of them: {ignoring}"
    );
    assert!(
        ignoring.to_string().contains("tests/faults.rs:"),
        "{ignoring}"
    );
}

#[test]
fn a_fault_that_recovery_stored_over_is_gone_for_the_next() {
    let media = CrashMedia::new(LEN);
    persist(&media, 0, &[1]).expect("no fault asked for");
    // Answers the flag it found and sets it right, so that the place of the fault is stored to.
    let open = |media: &CrashMedia| {
        let found = get(media, 0);
        media.store64(ByteOffset::new(0), 1);
        Ok(found)
    };
    let plan = FaultPlan::every_bit().before_open_only();
    let wrong = std::cell::RefCell::new(Vec::new());
    Explorer::new().faults(
        &media.recording(),
        &plan,
        open,
        |found| Ok(*found),
        |_, found: &u64| {
            wrong.borrow_mut().push(found ^ 1);
            Ok(Judged::Right)
        },
    );
    let wrong = wrong.into_inner();
    assert!(wrong.len() >= 64);
    assert!(
        wrong.iter().all(|bits| bits.count_ones() <= 1),
        "one fault at a time"
    );
}
