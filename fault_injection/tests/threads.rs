//! Threads and power cuts together: planted races are caught and told, structures without them are clean under every
//! schedule with two preemptions.

use std::sync::Mutex;

use everline::media::Media;
use everline::units::{ByteOffset, ByteRange, LineRange};
use everline_crash::{
    Base, Choices, CrashMedia, Explorer, Oracle, ReplayError, Shared, Subject, Summary,
};

#[track_caller]
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

/// A persistent linked list: nodes {value, next} in lines of their own, appended by compare-exchange on the last link.
///
/// An append makes the link that it goes behind durable first, since another thread may have stored it just now;
/// without that it is m30: the node, durable and acknowledged, hangs on a link that is not.
struct List<const SETTLES_LINK: bool>(CrashMedia, Mutex<u64>);

const HEAD: u64 = 0;
const NODES: u64 = 1024;

impl<const SETTLES_LINK: bool> List<SETTLES_LINK> {
    /// The link behind the last node, and the one that leads to that node.
    fn last_links(media: &CrashMedia) -> (u64, u64) {
        let (mut before, mut link) = (HEAD, HEAD);
        loop {
            match get(media, link) {
                0 => return (before, link),
                node => (before, link) = (link, node + 8),
            }
        }
    }
}

impl<const SETTLES_LINK: bool> Shared for List<SETTLES_LINK> {
    fn apply_shared(&self, value: &u64) -> Result<(), String> {
        let List(media, next) = self;
        let node = {
            let mut next = next.lock().expect("no panic holds it");
            *next += 64;
            *next - 64
        };
        put(media, node, *value);
        put(media, node + 8, 0);
        flush(media, node, 16);
        fence(media)?;
        loop {
            let (before, link) = Self::last_links(media);
            if SETTLES_LINK {
                flush(media, before, 8);
                fence(media)?;
            }
            let appended = media.compare_exchange64(ByteOffset::new(link), 0, node);
            if appended.is_ok() {
                flush(media, link, 8);
                return fence(media);
            }
        }
    }
}

impl<const SETTLES_LINK: bool> Subject for List<SETTLES_LINK> {
    type Medium = CrashMedia;
    type Op = u64;
    type Model = Vec<u64>;
    type View = Vec<u64>;
    const BYTES: u64 = 4096;

    fn media(_: Base) -> CrashMedia {
        CrashMedia::new(everline::units::ByteLen::new(4096)).without_rmw_fences()
    }
    fn format(media: CrashMedia) -> Self {
        List(media, Mutex::new(NODES))
    }
    fn apply(&mut self, value: &u64) -> Result<(), String> {
        self.apply_shared(value)
    }
    fn recover(media: CrashMedia) -> Result<(Self, Vec<u64>), String> {
        let (mut found, mut top, mut link) = (Vec::new(), NODES, HEAD);
        loop {
            flush(&media, link, 8);
            match get(&media, link) {
                0 => break,
                node => {
                    found.push(get(&media, node));
                    top = top.max(node + 64);
                    link = node + 8;
                }
            }
        }
        fence(&media)?;
        found.sort_unstable();
        Ok((List(media, Mutex::new(top)), found))
    }
    fn step(model: &mut Vec<u64>, value: &u64) {
        model.push(*value);
        model.sort_unstable();
    }
    fn view(model: &Vec<u64>) -> Vec<u64> {
        model.clone()
    }
    fn generate(step: usize, _: &mut Choices) -> u64 {
        step as u64 + 1
    }
}

const SOUND: u8 = 0;
const UNLOCKS_EARLY: u8 = 1;
const DEADLOCKS: u8 = 2;
const NO_LOCK: u8 = 3;

/// Two counters under a lock; `Add` adds to the first, `Copy` sets the second to the first.
struct Locked<const BUG: u8> {
    media: CrashMedia,
    locks: [Mutex<()>; 2],
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Add(u64),
    Copy,
}

impl<const BUG: u8> Shared for Locked<BUG> {
    fn apply_shared(&self, step: &Step) -> Result<(), String> {
        let order = match (BUG, step) {
            (DEADLOCKS, Step::Copy) => [1, 0],
            _ => [0, 1],
        };
        let first = self.locks[order[0]].lock().expect("no panic holds it");
        if BUG == DEADLOCKS {
            get(&self.media, 0);
            fence(&self.media)?;
        }
        let second = self.locks[order[1]].lock().expect("no panic holds it");
        let guards = match BUG {
            NO_LOCK => {
                drop((first, second));
                None
            }
            _ => Some((first, second)),
        };
        let media = &self.media;
        let (place, value) = match step {
            Step::Add(value) => {
                let old = get(media, 0);
                if BUG == NO_LOCK {
                    fence(media)?;
                }
                (0, old + value)
            }
            Step::Copy => (64, get(media, 0)),
        };
        put(media, place, value);
        flush(media, place, 8);
        let guards = match BUG {
            UNLOCKS_EARLY => {
                drop(guards);
                None
            }
            _ => guards,
        };
        fence(media)?;
        drop(guards);
        Ok(())
    }
}

impl<const BUG: u8> Subject for Locked<BUG> {
    type Medium = CrashMedia;
    type Op = Step;
    type Model = [u64; 2];
    type View = [u64; 2];
    const BYTES: u64 = 4096;

    fn format(media: CrashMedia) -> Self {
        Locked {
            media,
            locks: Default::default(),
        }
    }
    fn apply(&mut self, step: &Step) -> Result<(), String> {
        self.apply_shared(step)
    }
    fn recover(media: CrashMedia) -> Result<(Self, [u64; 2]), String> {
        let view = [get(&media, 0), get(&media, 64)];
        flush(&media, 0, 72);
        fence(&media)?;
        Ok((Self::format(media), view))
    }
    fn step(model: &mut [u64; 2], step: &Step) {
        match step {
            Step::Add(value) => model[0] += value,
            Step::Copy => model[1] = model[0],
        }
    }
    fn view(model: &[u64; 2]) -> [u64; 2] {
        *model
    }
    fn generate(step: usize, choices: &mut Choices) -> Step {
        match choices.below(2) {
            0 => Step::Add(1 << step.min(40)),
            _ => Step::Copy,
        }
    }
}

#[track_caller]
fn told<S: Shared>(summary: &Summary, setup: &[S::Op], programs: &[Vec<S::Op>]) {
    println!("{summary}\n");
    let finding = summary.finding();
    assert!(finding.operations.len() <= 3, "{summary}");
    let explorer = Explorer::new();
    let again = explorer
        .threads::<S>()
        .replay(&finding.line, setup, programs);
    let verdict = again.expect("its own line").verdict;
    assert_eq!(verdict, Err(finding.reason.clone()), "{summary}");
}

#[test]
fn m30_a_node_appended_behind_a_link_that_is_not_durable_is_lost_with_it() {
    let programs = [vec![1, 2], vec![3, 4]];
    let explorer = Explorer::new();
    let summary = explorer.threads::<List<false>>().all(&[], &programs);
    told::<List<false>>(&summary, &[], &programs);
    let finding = summary.finding();
    assert_eq!(finding.oracle, Oracle::LostAck, "{summary}");
}

#[test]
fn a_list_that_settles_the_link_it_goes_behind_is_clean() {
    let explorer = Explorer::new();
    let summary = explorer
        .threads::<List<true>>()
        .all(&[9], &[vec![1, 2], vec![3]]);
    summary.assert_clean();
    println!("{summary}");
    let threads = summary.threads.as_ref().expect("threads");
    assert!(threads.schedules > 100 && threads.whole, "{summary}");
    assert!(summary.executions > 300, "{summary}");
}

#[test]
fn m31_a_lock_released_before_its_data_is_durable_shows_what_may_be_lost() {
    let programs = [vec![Step::Add(1), Step::Add(2)], vec![Step::Copy]];
    let explorer = Explorer::new();
    let summary = explorer
        .threads::<Locked<UNLOCKS_EARLY>>()
        .all(&[], &programs);
    told::<Locked<UNLOCKS_EARLY>>(&summary, &[], &programs);
    let races = &summary.threads.as_ref().expect("threads").races;
    let race = races
        .iter()
        .find(|race| race.confirmed)
        .expect("a confirmed race");
    assert!(race.to_string().contains("tests/threads.rs:"), "{race}");
    assert!(race.load.line() != race.store.line(), "{race}");
}

#[test]
fn a_lock_held_until_its_data_is_durable_is_clean_under_every_schedule() {
    let programs = [
        vec![Step::Add(1), Step::Copy],
        vec![Step::Add(2), Step::Copy],
    ];
    let explorer = Explorer::new();
    let summary = explorer.threads::<Locked<SOUND>>().all(&[], &programs);
    summary.assert_clean();
    println!("{summary}");
    let threads = summary.threads.as_ref().expect("threads");
    assert!(threads.blocked > 0, "threads meet at the lock: {summary}");
    assert!(threads.races.is_empty(), "{summary}");
    assert_eq!(threads.strayed, 0, "{summary}");
}

#[test]
fn an_update_without_a_lock_is_lost_without_any_crash() {
    let programs = [vec![Step::Add(1)], vec![Step::Add(2)]];
    let explorer = Explorer::new();
    let one = explorer.threads::<Locked<NO_LOCK>>().preemptions(0);
    assert!(
        one.all(&[], &programs).is_clean(),
        "no preemption, no lost update"
    );
    let summary = explorer.threads::<Locked<NO_LOCK>>().all(&[], &programs);
    assert_eq!(summary.finding().oracle, Oracle::Clean, "{summary}");
}

#[test]
fn threads_that_wait_for_one_another_are_named_and_do_not_hang() {
    let programs = [vec![Step::Add(1)], vec![Step::Copy]];
    let explorer = Explorer::new();
    let summary = explorer.threads::<Locked<DEADLOCKS>>().all(&[], &programs);
    let finding = summary.finding();
    assert_eq!(finding.oracle, Oracle::Deadlock, "{summary}");
    assert!(finding.reason.contains("thread 0 after") && finding.reason.contains("thread 1 after"));
}

#[test]
fn drawn_schedules_find_the_race_of_three_threads() {
    let programs = [vec![1, 2], vec![3], vec![4, 5]];
    let explorer = Explorer::new();
    let summary = explorer
        .threads::<List<false>>()
        .random(&[], &programs, 0..400);
    told::<List<false>>(&summary, &[], &programs);
    let sound = explorer.threads::<List<true>>();
    let summary = sound.random(&[], &programs, 0..40);
    summary.assert_clean();
    assert!(!summary.is_exhaustive(), "{summary}");
}

#[test]
fn slices_cover_the_schedules_and_none_alone_is_the_whole() {
    let programs = [vec![Step::Add(1)], vec![Step::Copy]];
    let explorer = Explorer::new();
    let threads = explorer.threads::<Locked<SOUND>>().all(&[], &programs);
    let whole = threads.threads.expect("threads").schedules;
    let mut parts = 0;
    for part in 0..3 {
        let sliced = explorer.threads::<Locked<SOUND>>().slice(part, 3);
        let summary = sliced.all(&[], &programs);
        assert!(summary.is_clean() && !summary.is_exhaustive(), "{summary}");
        parts += summary.threads.expect("threads").schedules;
    }
    // The schedules without a preemption come in each slice: whoever begins.
    assert!(parts >= whole && parts <= whole + 4, "{parts} and {whole}");
}

#[test]
fn a_line_of_another_version_or_engine_is_refused() {
    let programs = [vec![Step::Add(1)], vec![Step::Copy]];
    let explorer = Explorer::new();
    let threads = explorer.threads::<Locked<SOUND>>();
    let refused = threads.replay("everline-threads/0 setup=", &[], &programs);
    assert!(
        matches!(refused, Err(ReplayError::Version { .. })),
        "{refused:?}"
    );
    let line = "everline-threads/1 setup= programs=0/0 turns= bound=2 at=points log=1 everline-crash/1 cut@9";
    let refused = threads.replay(line, &[], &programs);
    assert!(
        matches!(refused, Err(ReplayError::Workload { .. })),
        "{refused:?}"
    );
    let line = "everline-threads/1 setup=4 programs=0/0 turns= bound=2 at=points log=1";
    let refused = threads.replay(line, &[], &programs);
    assert!(
        matches!(refused, Err(ReplayError::Workload { .. })),
        "{refused:?}"
    );
}
