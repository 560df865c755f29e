//! Engines through their six functions: sound ones are clean over every short workload, each planted bug is caught
//! by the oracle that is meant for it, shrunk, and runs again from its line.

use std::sync::atomic::{AtomicU64, Ordering};

use everline::media::Media;
use everline::units::{ByteOffset, ByteRange, LineRange};
use everline_crash::{Account, Base, Choices, CrashMedia, Explorer, Oracle, ReplayError, Subject};

fn get(media: &CrashMedia, place: u64) -> u64 {
    media.load64(ByteOffset::new(place))
}

#[track_caller]
fn put(media: &CrashMedia, place: u64, value: u64) {
    media.store64(ByteOffset::new(place), value);
}

#[track_caller]
fn flush(media: &CrashMedia, place: u64, len: u64) {
    media.flush(LineRange::covering(
        ByteRange::at(place, len).expect("small"),
    ));
}

#[track_caller]
fn fence(media: &CrashMedia) -> Result<(), String> {
    media.fence().map_err(|error| error.to_string())
}

#[track_caller]
fn persist(media: &CrashMedia, place: u64, value: u64) -> Result<(), String> {
    put(media, place, value);
    flush(media, place, 8);
    fence(media)
}

const NONE: u8 = 0;
const LOST_ACK: u8 = 1;
const REPLAYED_TWICE: u8 = 2;
const ADDED_AGAIN: u8 = 3;
const HANGS: u8 = 4;
const PANICS: u8 = 5;
const LEFT_BUSY: u8 = 6;
const WAVERS: u8 = 7;
const WRONG_SUM: u8 = 8;
const REFUSES: u8 = 9;
const UNSTEADY_WORK: u8 = 10;
const FORGETS_AFTER_RECOVERY: u8 = 11;
const BAD_FORMAT: u8 = 12;

/// Two counters in lines of their own, behind a redo record {sequence, counter, delta, old value, sum}.
struct Counters<const BUG: u8> {
    media: CrashMedia,
    recovered: bool,
}

#[derive(Clone, Debug)]
enum Count {
    Set(u64, u64),
    Add(u64),
}

const DONE: u64 = 0;
const MAGIC: u64 = 8;
const BUSY: u64 = 64;
const RECORD: u64 = 128;
const HOME: u64 = 1024;

fn home(counter: u64) -> u64 {
    HOME + 64 * counter
}

fn sum(words: &[u64]) -> u64 {
    let fold = |sum: u64, word: &u64| (sum ^ word).wrapping_mul(0x0100_0000_01B3);
    words.iter().fold(0xCBF2_9CE4_8422_2325, fold)
}

static TURNS: AtomicU64 = AtomicU64::new(0);

impl<const BUG: u8> Counters<BUG> {
    fn record(&self) -> Option<[u64; 5]> {
        let words: [u64; 5] =
            std::array::from_fn(|word| get(&self.media, RECORD + 8 * word as u64));
        (words[4] == sum(&words[..4])).then_some(words)
    }

    /// A fence, unless it is the one that the bug leaves out.
    fn settle(&self) -> Result<(), String> {
        match BUG == LOST_ACK || BUG == FORGETS_AFTER_RECOVERY && self.recovered {
            true => Ok(()),
            false => fence(&self.media),
        }
    }

    fn finish(&self, record: [u64; 5], again: bool) -> Result<(), String> {
        let [sequence, counter, delta, old, _] = record;
        let at = home(counter % 2);
        let new = match again && matches!(BUG, REPLAYED_TWICE | ADDED_AGAIN) {
            true => get(&self.media, at).wrapping_add(delta),
            false => old.wrapping_add(delta),
        };
        put(&self.media, at, new);
        flush(&self.media, at, 8);
        self.settle()?;
        if again && BUG == ADDED_AGAIN {
            return Ok(());
        }
        put(&self.media, DONE, sequence);
        flush(&self.media, DONE, 8);
        self.settle()
    }
}

impl<const BUG: u8> Subject for Counters<BUG> {
    type Medium = CrashMedia;
    type Op = Count;
    type Model = [u64; 2];
    type View = [u64; 2];
    const BYTES: u64 = 4096;

    fn format(media: CrashMedia) -> Self {
        for place in [DONE, BUSY, RECORD, RECORD + 32, home(0), home(1)] {
            put(&media, place, 0);
            flush(&media, place, 8);
        }
        if BUG != BAD_FORMAT {
            fence(&media).expect("no fault asked for");
        }
        persist(&media, MAGIC, 0xC0FFEE).expect("no fault asked for");
        Counters {
            media,
            recovered: false,
        }
    }

    fn apply(&mut self, op: &Count) -> Result<(), String> {
        let media = &self.media;
        if BUG == LEFT_BUSY {
            if get(media, BUSY) == 1 {
                return Err("busy".into());
            }
            persist(media, BUSY, 1)?;
        }
        let (counter, delta) = match *op {
            Count::Set(counter, value) => (counter, value.wrapping_sub(get(media, home(counter)))),
            Count::Add(counter) if BUG == WRONG_SUM => (counter, 11),
            Count::Add(counter) => (counter, 10),
        };
        let salt = match BUG {
            UNSTEADY_WORK => TURNS.fetch_add(1, Ordering::Relaxed) << 8,
            _ => 0,
        };
        let mut words = [
            get(media, DONE) + 1,
            counter | salt,
            delta,
            get(media, home(counter)),
            0,
        ];
        words[4] = sum(&words[..4]);
        for (word, value) in words.iter().enumerate() {
            put(media, RECORD + 8 * word as u64, *value);
        }
        flush(media, RECORD, 40);
        self.settle()?;
        self.finish(words, false)?;
        match BUG {
            LEFT_BUSY => persist(media, BUSY, 0),
            _ => Ok(()),
        }
    }

    fn recover(media: CrashMedia) -> Result<(Self, [u64; 2]), String> {
        if get(&media, MAGIC) != 0xC0FFEE {
            return Err("no counters here".into());
        }
        let mut engine = Counters {
            media,
            recovered: false,
        };
        let media = &engine.media;
        let mut record = engine.record();
        while record.is_none() && BUG == HANGS && get(media, RECORD) != 0 {
            record = engine.record();
        }
        if BUG == PANICS {
            assert!(record.is_some() || get(media, RECORD) == 0, "a torn record");
        }
        if BUG == REFUSES && record.is_none() && get(media, RECORD) != 0 {
            return Err("a torn record".into());
        }
        if BUG == WAVERS {
            get(media, home(TURNS.fetch_add(1, Ordering::Relaxed) % 2));
        }
        if let Some(words) = record {
            if words[0] == get(media, DONE) + 1 {
                engine.finish(words, true)?;
            }
        }
        let view = [get(media, home(0)), get(media, home(1))];
        engine.recovered = true;
        Ok((engine, view))
    }

    fn step(model: &mut [u64; 2], op: &Count) {
        match *op {
            Count::Set(counter, value) => model[counter as usize] = value,
            Count::Add(counter) => model[counter as usize] += 10,
        }
    }

    fn view(model: &[u64; 2]) -> [u64; 2] {
        *model
    }

    fn generate(step: usize, choices: &mut Choices) -> Count {
        match choices.below(2) {
            0 => Count::Set(choices.below(2), 1 + step as u64),
            _ => Count::Add(choices.below(2)),
        }
    }
}

/// Four owned blocks in a heap of eight; the bitmap is made anew from the owners at each recovery.
struct Blocks<const BUG: u8, const ASKS: u8> {
    media: CrashMedia,
}

const REBUILDS_NOT: u8 = 1;
const MARKS_TOO_LITTLE: u8 = 2;
const ACCOUNT: u8 = 1;
const FILL: u8 = 2;
const BITS: u64 = 0;
const OWNERS: u64 = 512;
const HEAP: u64 = 1024;

impl<const BUG: u8, const ASKS: u8> Blocks<BUG, ASKS> {
    fn owned(&self) -> [u64; 4] {
        std::array::from_fn(|owner| get(&self.media, OWNERS + 64 * owner as u64))
    }

    fn take(&self) -> Option<u64> {
        let bits = get(&self.media, BITS);
        let block = (0..8).find(|block| bits & 1 << block == 0)?;
        persist(&self.media, BITS, bits | 1 << block).ok()?;
        Some(block)
    }
}

impl<const BUG: u8, const ASKS: u8> Subject for Blocks<BUG, ASKS> {
    type Medium = CrashMedia;
    type Op = (usize, bool);
    type Model = [bool; 4];
    type View = [bool; 4];
    const BYTES: u64 = 4096;

    fn format(media: CrashMedia) -> Self {
        Blocks { media }
    }

    fn apply(&mut self, (owner, owns): &(usize, bool)) -> Result<(), String> {
        let place = OWNERS + 64 * *owner as u64;
        let old = get(&self.media, place);
        match (old, owns) {
            (0, true) => {
                let block = self.take().ok_or("no room")?;
                persist(&self.media, place, block + 1)
            }
            (1.., false) => {
                persist(&self.media, place, 0)?;
                let bits = get(&self.media, BITS);
                persist(&self.media, BITS, bits & !(1 << (old - 1)))
            }
            _ => Ok(()),
        }
    }

    fn recover(media: CrashMedia) -> Result<(Self, [bool; 4]), String> {
        let engine = Blocks { media };
        let owned = engine.owned();
        // A killed process may have left owners that are visible and not durable: what is told must be.
        flush(&engine.media, OWNERS, 256);
        fence(&engine.media)?;
        let marks = owned.iter().filter(|block| **block > 0);
        let mut bits = marks.fold(0, |bits, block| bits | 1 << (block - 1));
        if BUG == MARKS_TOO_LITTLE && owned.iter().filter(|block| **block > 0).count() == 2 {
            bits &= bits - 1;
        }
        if BUG != REBUILDS_NOT {
            persist(&engine.media, BITS, bits)?;
        }
        Ok((engine, owned.map(|block| block > 0)))
    }

    fn step(model: &mut [bool; 4], (owner, owns): &(usize, bool)) {
        model[*owner] = *owns;
    }

    fn view(model: &[bool; 4]) -> [bool; 4] {
        *model
    }

    fn generate(_: usize, choices: &mut Choices) -> (usize, bool) {
        (choices.below(3) as usize, choices.below(2) == 0)
    }

    fn probe() -> Option<(usize, bool)> {
        Some((3, true))
    }

    fn account(&mut self) -> Option<Account> {
        let bits = get(&self.media, BITS);
        let extent = |block: u64| (HEAP + 64 * block, 64);
        let owned = self.owned().into_iter().filter(|block| *block > 0);
        let free = (0..8).filter(|block| bits & 1 << block == 0);
        (ASKS == ACCOUNT).then(|| Account {
            heap: (HEAP, 512),
            live: owned.map(|block| extent(block - 1)).collect(),
            free: free.map(extent).collect(),
        })
    }

    fn fill(&mut self) -> Option<u64> {
        (ASKS == FILL).then(|| std::iter::from_fn(|| self.take()).count() as u64)
    }
}

#[test]
fn a_sound_engine_is_clean_over_all_workloads_of_up_to_three_operations() {
    for base in [Base::Zero, Base::Dirty] {
        let explorer = Explorer::new().base(base);
        let summary = explorer.subject::<Counters<NONE>>().second_lives(3).all(3);
        summary.assert_clean();
        assert_eq!(summary.workloads, 1 + 4 + 16 + 64);
        assert!(summary.is_exhaustive(), "{summary}");
        assert!(summary.to_string().contains("verified"), "{summary}");
        assert!(
            summary.executions > 1_000 && summary.second_lives > 100,
            "{summary}"
        );
        println!("{summary}");
    }
    Explorer::new()
        .subject::<Blocks<NONE, ACCOUNT>>()
        .all(2)
        .assert_clean();
    Explorer::new()
        .subject::<Blocks<NONE, FILL>>()
        .all(2)
        .assert_clean();
}

#[test]
fn a_sound_engine_is_clean_over_long_drawn_workloads() {
    let explorer = Explorer::new();
    let trials = explorer.subject::<Counters<NONE>>().second_lives(2);
    let summary = trials.random(0..20, 30);
    summary.assert_clean();
    assert!(
        !summary.is_exhaustive() && !summary.to_string().contains("verified"),
        "{summary}"
    );
    let blocks = explorer.subject::<Blocks<NONE, FILL>>();
    blocks.random(0..10, 12).assert_clean();
}

/// The bug is found among drawn workloads of twelve operations, by its oracle; what is told is short and runs again.
#[track_caller]
fn caught<S: Subject>(oracle: Oracle) {
    caught_by::<S>(&Explorer::new().call_limit(20_000), oracle);
}

#[track_caller]
fn caught_by<S: Subject>(explorer: &Explorer, oracle: Oracle) {
    let mut told = Vec::new();
    for drawn in [true, false] {
        let trials = explorer.subject::<S>();
        let summary = match drawn {
            true => trials.random(0..40, 12),
            false => trials.all(3),
        };
        assert!(!summary.is_clean());
        let finding = summary.finding();
        assert_eq!(finding.oracle, oracle, "{summary}");
        assert!(finding.operations.len() <= 3, "{summary}");
        assert!(!drawn || finding.shrunk_from == 12, "{summary}");
        let replayed = explorer
            .replay_subject::<S>(&finding.line)
            .expect("its own line");
        let reason = replayed.verdict.expect_err("still broken");
        assert_eq!(reason, finding.reason, "{}", finding.line);
        if let Some(violation) = &finding.violation {
            let named = violation.words.iter().all(|word| word.at.get() < S::BYTES);
            assert!(
                named && summary.to_string().contains("tests/subject.rs:"),
                "{summary}"
            );
        }
        told.push(finding.to_string());
    }
    println!("{}\n", told[0]);
}

#[test]
fn an_acknowledged_operation_that_was_not_fenced_is_lost() {
    // A killed process shows the same in another way: what the next one told is not durable either.
    let power_alone = Explorer::new().kill_steps(0);
    caught_by::<Counters<LOST_ACK>>(&power_alone, Oracle::LostAck);
    caught::<Counters<LOST_ACK>>(Oracle::Idempotence);
}

#[test]
fn a_record_that_adds_again_after_a_cut_in_recovery_is_neither_all_nor_nothing() {
    caught::<Counters<REPLAYED_TWICE>>(Oracle::Atomicity);
}

#[test]
fn a_recovery_that_adds_again_each_time_is_not_idempotent() {
    caught::<Counters<ADDED_AGAIN>>(Oracle::Idempotence);
}

#[test]
fn a_recovery_that_hangs_is_told_not_to_end() {
    caught::<Counters<HANGS>>(Oracle::Endless);
}

#[test]
fn a_recovery_that_panics_is_a_finding() {
    caught::<Counters<PANICS>>(Oracle::Panic);
}

#[test]
fn an_engine_that_refuses_its_own_medium_is_found() {
    caught::<Counters<REFUSES>>(Oracle::Refused);
}

#[test]
fn an_engine_that_is_left_busy_does_not_work_on() {
    caught::<Counters<LEFT_BUSY>>(Oracle::Unusable);
}

#[test]
fn an_engine_that_forgets_to_fence_after_a_recovery_is_found_in_its_second_life() {
    caught::<Counters<FORGETS_AFTER_RECOVERY>>(Oracle::LostAck);
    let explorer = Explorer::new();
    let blind = explorer.subject::<Counters<FORGETS_AFTER_RECOVERY>>();
    blind.second_lives(0).all(2).assert_clean();
}

#[test]
fn a_leaked_block_is_missed_in_the_account_and_in_the_room() {
    caught::<Blocks<REBUILDS_NOT, ACCOUNT>>(Oracle::Account);
    caught::<Blocks<REBUILDS_NOT, FILL>>(Oracle::Leak);
}

#[test]
fn a_live_block_that_is_free_as_well_does_not_add_up() {
    let explorer = Explorer::new();
    let summary = explorer
        .subject::<Blocks<MARKS_TOO_LITTLE, ACCOUNT>>()
        .second_lives(0)
        .all(2);
    // No crash is needed: a clean reopen shows it.
    assert_eq!(summary.finding().oracle, Oracle::Clean, "{summary}");
    assert!(summary.finding().reason.contains("overlaps"), "{summary}");
}

#[test]
fn an_engine_and_a_model_that_differ_without_a_crash_are_told_so() {
    let explorer = Explorer::new();
    let summary = explorer.subject::<Counters<WRONG_SUM>>().random(0..10, 8);
    let finding = summary.finding();
    assert_eq!(
        (finding.oracle, finding.operations.len()),
        (Oracle::Clean, 1),
        "{summary}"
    );
    let replayed = explorer.replay_subject::<Counters<WRONG_SUM>>(&finding.line);
    assert_eq!(
        replayed.expect("its own line").verdict,
        Err(finding.reason.clone())
    );
}

#[test]
fn an_engine_whose_making_is_cut_short_is_absent_or_whole() {
    let explorer = Explorer::new().base(Base::Dirty);
    let summary = explorer.subject::<Counters<BAD_FORMAT>>().all(1);
    assert!(
        summary.finding().operations.is_empty(),
        "the making alone: {summary}"
    );
    let replayed = explorer.replay_subject::<Counters<BAD_FORMAT>>(&summary.finding().line);
    assert!(replayed.expect("its own line").verdict.is_err());
}

#[test]
fn a_recovery_that_wavers_is_named() {
    let explorer = Explorer::new();
    let summary = explorer.subject::<Counters<WAVERS>>().all(2);
    assert_eq!(
        summary.finding().oracle,
        Oracle::NotDeterministic,
        "{summary}"
    );
}

#[test]
fn a_workload_that_does_something_else_when_run_again_is_named() {
    let explorer = Explorer::new();
    let summary = explorer.subject::<Counters<UNSTEADY_WORK>>();
    // It is sound but for that, so only a line shows it.
    summary.all(1).assert_clean();
    let line = "everline-subject/1 ops=0.0@0 log=1 everline-crash/1 cut@30";
    let refused = explorer.replay_subject::<Counters<UNSTEADY_WORK>>(line);
    assert!(
        matches!(refused, Err(ReplayError::Workload { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_line_of_another_version_or_another_workload_is_refused_with_the_reason() {
    let explorer = Explorer::new();
    let replay = |line: &str| explorer.replay_subject::<Counters<NONE>>(line);
    let refused = replay("everline-subject/7 ops=0.0@0 log=0").expect_err("another version");
    assert!(
        refused.to_string().contains("everline-subject/1"),
        "{refused}"
    );
    let refused = replay("everline-subject/1 ops=5.0@0 log=0 everline-crash/1 cut@3");
    assert!(
        matches!(refused, Err(ReplayError::Workload { .. })),
        "{refused:?}"
    );
    let refused = replay("everline-subject/1 ops=0.0@0 log=12 everline-crash/1 cut@3");
    assert!(
        refused
            .expect_err("another recording")
            .to_string()
            .contains("hash")
    );
}

#[test]
fn slices_together_are_the_whole_and_none_alone_is_verified() {
    let explorer = Explorer::new();
    let whole = explorer.subject::<Counters<NONE>>().all(2);
    let (mut workloads, mut executions) = (0, 0);
    for part in 0..5 {
        let summary = explorer.subject::<Counters<NONE>>().slice(part, 5).all(2);
        assert!(summary.is_clean() && !summary.is_exhaustive(), "{summary}");
        assert!(!summary.to_string().contains("verified"), "{summary}");
        assert!(summary.to_string().contains('%'), "{summary}");
        workloads += summary.workloads;
        executions += summary.executions;
    }
    assert_eq!((workloads, executions), (whole.workloads, whole.executions));
}

#[test]
fn an_exploration_cut_short_is_never_called_verified() {
    let explorer = Explorer::new().budget_per_point(2);
    let summary = explorer.subject::<Counters<NONE>>().all(1);
    assert!(summary.is_clean() && !summary.is_exhaustive(), "{summary}");
    assert!(
        summary.to_string().contains("cut short and sampled"),
        "{summary}"
    );
}

#[test]
fn where_nothing_ran_nothing_is_clean() {
    let summary = Explorer::new().subject::<Counters<NONE>>().random(0..0, 5);
    assert!(
        !summary.is_clean() && summary.to_string().contains("nothing ran"),
        "{summary}"
    );
}

#[test]
fn a_given_workload_is_shrunk_to_its_own_operations() {
    let ops = [
        Count::Add(0),
        Count::Set(1, 5),
        Count::Add(0),
        Count::Add(1),
    ];
    let explorer = Explorer::new();
    let trials = explorer.subject::<Counters<REPLAYED_TWICE>>();
    let summary = trials.given(&ops);
    let finding = summary.finding();
    assert_eq!(
        (finding.operations.len(), finding.shrunk_from),
        (1, 4),
        "{summary}"
    );
    let replayed = trials.replay(&finding.line, &ops).expect("its own line");
    assert_eq!(replayed.verdict, Err(finding.reason.clone()));
}

#[test]
fn a_finding_says_which_fence_prevents_it() {
    let explorer = Explorer::new();
    let trials = explorer.subject::<Counters<FORGETS_AFTER_RECOVERY>>();
    let told = trials.all(3).finding().to_string();
    let fence = format!("would be prevented by: fence after {}:", file!());
    assert!(told.contains(&fence), "{told}");
}
