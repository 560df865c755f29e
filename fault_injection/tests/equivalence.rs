//! Lazy = eager: the outcomes that the explorer reaches are those of a brute force written apart from it.
//!
//! The reference knows nothing of pending lists: for every prefix of a program it asks, declaratively, which stores
//! some flush and a later fence of one thread must have made durable, and enumerates all that remains.

use std::cell::RefCell;
use std::collections::BTreeSet;

use everline::media::{Checksum, Media};
use everline::units::{ByteLen, ByteOffset, ByteRange, LineRange};
use everline_crash::{CrashMedia, Explorer, PointKind, on_thread};

const WORDS: usize = 4;
/// Two words in each of two lines.
const PLACES: [u64; WORDS] = [0, 8, 64, 72];
const LEN: u64 = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Store64(usize, u64),
    Store32(usize, u64, u32),
    Nt(usize, u64),
    Pair(usize, u64),
    Or(usize, u64),
    CasFails(usize),
    Flush(usize),
    Fence,
    FailedFence,
    Reaffirm(usize),
    Invoke(u64),
    Ack(u64),
    /// The process dies; only in programs that the reference puts together.
    Kill,
}

type Program = Vec<(u16, Op)>;
type Words = [u64; WORDS];

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 20
    }
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

fn program(random: &mut Random, faults: bool) -> Program {
    let mut open: Vec<u64> = Vec::new();
    let mut next = 0;
    (0..3 + random.below(8))
        .map(|_| {
            let word = random.below(if faults { 2 } else { WORDS as u64 }) as usize;
            let value = 1 + random.below(3);
            let op = match random.below(16) {
                0..4 if faults => Op::Flush(word),
                4..6 if faults => Op::FailedFence,
                6 if faults => Op::Reaffirm(word),
                7 if faults => Op::CasFails(word),
                0..4 | 8 => Op::Store64(word, value),
                4 => Op::Store32(word, random.below(2), value as u32),
                5 | 9 => Op::Nt(word, value),
                6 => Op::Pair(word & 2, value),
                7 => Op::Or(word, value),
                10..12 => Op::Flush(word),
                12..14 => Op::Fence,
                14 if !open.is_empty() => Op::Ack(open.pop().expect("not empty")),
                _ => {
                    next += 1;
                    open.push(next);
                    Op::Invoke(next)
                }
            };
            (random.below(2) as u16, op)
        })
        .collect()
}

fn line_of(word: usize) -> LineRange {
    LineRange::covering(ByteRange::at(PLACES[word], 8).expect("small"))
}

fn run(media: &CrashMedia, thread: u16, op: Op) {
    let at = |word: usize| ByteOffset::new(PLACES[word]);
    on_thread(thread, || match op {
        Op::Store64(word, value) => media.store64(at(word), value),
        Op::Store32(word, half, value) => {
            media.store32(ByteOffset::new(PLACES[word] + 4 * half), value);
        }
        Op::Nt(word, value) => media.write_nt(at(word), &value.to_le_bytes()),
        Op::Pair(word, value) => media.write(at(word), &[value as u8; 16]),
        Op::Or(word, value) => drop(media.fetch_or64(at(word), value)),
        Op::CasFails(word) => drop(media.compare_exchange64(at(word), u64::MAX, 9)),
        Op::Flush(word) => media.flush(line_of(word)),
        Op::Fence => media.fence().expect("no fault asked for"),
        Op::FailedFence => {
            media.fail_fence_at(0);
            media.fence().expect_err("asked for");
        }
        Op::Reaffirm(word) => media.reaffirm(ByteRange::at(PLACES[word], 8).expect("small")),
        Op::Invoke(id) => media.invoke(id),
        Op::Ack(id) => media.ack(id),
        Op::Kill => unreachable!("the explorer kills on its own"),
    });
}

/// The reference: possible values of each word after `program`, on a medium where each may hold `before`.
fn possible(
    before: &[BTreeSet<u64>; WORDS],
    start: &Words,
    program: &[(u16, Op)],
) -> [BTreeSet<u64>; WORDS] {
    // Versions of each word: (time, thread, non-temporal, value).
    let mut versions: [Vec<(usize, u16, bool, u64)>; WORDS] = Default::default();
    let mut seen = *start;
    for (time, (thread, op)) in program.iter().enumerate() {
        let stores: Vec<(usize, bool, u64)> = match *op {
            Op::Store64(word, value) => vec![(word, false, value)],
            Op::Store32(word, half, value) => {
                let shift = 32 * half;
                let kept = seen[word] & !(0xFFFF_FFFF << shift);
                vec![(word, false, kept | u64::from(value) << shift)]
            }
            Op::Nt(word, value) => vec![(word, true, value)],
            Op::Pair(word, value) => {
                let wide = u64::from_le_bytes([value as u8; 8]);
                vec![(word, false, wide), (word + 1, false, wide)]
            }
            Op::Or(word, value) => vec![(word, false, seen[word] | value)],
            Op::Reaffirm(word) if !versions[word].is_empty() => vec![(word, false, seen[word])],
            _ => vec![],
        };
        for (word, nt, value) in stores {
            seen[word] = value;
            versions[word].push((time, *thread, nt, value));
        }
    }
    let flushes = |op: Op, word: usize| match op {
        Op::Flush(of) | Op::Reaffirm(of) => of / 2 == word / 2,
        _ => false,
    };
    let fences = |op: Op| matches!(op, Op::Fence | Op::Or(..) | Op::CasFails(_));
    std::array::from_fn(|word| {
        // Which versions some fence has settled: newest wins.
        let mut durable: Option<usize> = None;
        let mut clean_until: Option<usize> = None;
        for (now, (thread, op)) in program.iter().enumerate() {
            let failed = *op == Op::FailedFence;
            if !fences(*op) && !failed {
                continue;
            }
            // What this fence covers: since the thread's fence before, its own NT stores and what its flushes saw.
            let since = since_fence(program, now, *thread);
            let mut covered: Option<usize> = None;
            for (index, version) in versions[word].iter().enumerate() {
                let (time, by, nt, _) = *version;
                if nt && by == *thread && (since..now).contains(&time) {
                    covered = Some(index);
                }
            }
            for at in since..now {
                if program[at].0 != *thread || !flushes(program[at].1, word) {
                    continue;
                }
                // A reaffirmation stores before it flushes.
                let own = |time: usize| {
                    time < at || (time == at && matches!(program[at].1, Op::Reaffirm(_)))
                };
                let newest = versions[word].iter().rposition(|(time, by, nt, _)| {
                    own(*time) && (!nt || by == thread || drained(program, *time, at))
                });
                let clean_then = clean_at(program, &versions[word], word, at);
                let dirty = newest.filter(|newest| clean_then.is_none_or(|clean| *newest > clean));
                covered = covered.max(dirty);
            }
            let Some(covered) = covered else { continue };
            if failed {
                clean_until = clean_until.max(Some(covered));
            } else if clean_until.is_none_or(|clean| covered > clean) {
                durable = durable.max(Some(covered));
            }
        }
        let mut values: BTreeSet<u64> = BTreeSet::new();
        if durable.is_none() {
            values.extend(&before[word]);
        }
        let first = durable.unwrap_or(0);
        values.extend(
            versions[word][first.min(versions[word].len())..]
                .iter()
                .map(|v| v.3),
        );
        values
    })
}

/// Where what a fence of `thread` at `now` may cover begins: behind its fence before, or the death of its process.
fn since_fence(program: &[(u16, Op)], now: usize, thread: u16) -> usize {
    use Op::{CasFails, FailedFence, Fence, Kill, Or};
    let ends = |(by, op): &(u16, Op)| match op {
        Kill => true,
        Fence | FailedFence | Or(..) | CasFails(_) => *by == thread,
        _ => false,
    };
    program[..now].iter().rposition(ends).map_or(0, |at| at + 1)
}

/// Whether a process died between the two: its buffers have drained into the cache.
fn drained(program: &[(u16, Op)], stored: usize, flushed: usize) -> bool {
    program[stored..flushed]
        .iter()
        .any(|(_, op)| *op == Op::Kill)
}

/// The newest version that a failed fence before `at` left clean.
fn clean_at(
    program: &[(u16, Op)],
    versions: &[(usize, u16, bool, u64)],
    word: usize,
    at: usize,
) -> Option<usize> {
    let before = &program[..at];
    let mut clean = None;
    for (now, (thread, op)) in before.iter().enumerate() {
        if *op != Op::FailedFence {
            continue;
        }
        let since = since_fence(before, now, *thread);
        for (step, (by, op)) in before.iter().enumerate().take(now).skip(since) {
            if by != thread {
                continue;
            }
            let covered = match *op {
                Op::Flush(of) | Op::Reaffirm(of) if of / 2 == word / 2 => {
                    let reaffirm = matches!(op, Op::Reaffirm(_));
                    versions.iter().rposition(|(time, by, nt, _)| {
                        (*time < step || (*time == step && reaffirm))
                            && (!nt || by == thread || drained(program, *time, step))
                    })
                }
                Op::Nt(..) => versions.iter().rposition(|(time, ..)| *time == step),
                _ => None,
            };
            clean = clean.max(covered);
        }
    }
    clean
}

fn every(sets: &[BTreeSet<u64>; WORDS]) -> Vec<Words> {
    let mut all = vec![[0; WORDS]];
    for word in 0..WORDS {
        all = all
            .iter()
            .flat_map(|start| {
                sets[word].iter().map(move |value| {
                    let mut next = *start;
                    next[word] = *value;
                    next
                })
            })
            .collect();
    }
    all
}

/// A recovery: reads in an order that depends on what it finds, and mends. The same text runs on both sides.
fn recover(
    load: &mut dyn FnMut(usize) -> u64,
    verify: &mut dyn FnMut(u64) -> bool,
    shape: u64,
    act: &mut dyn FnMut(Op),
) -> Vec<u64> {
    let mut seen = Vec::new();
    let first = (shape % 4) as usize;
    seen.push(load(first));
    let second = (first + 1 + (seen[0] % 3) as usize) % WORDS;
    seen.push(load(second));
    if shape & 4 != 0 || seen[1] & 1 == 1 {
        let third = (second + 1) % WORDS;
        seen.push(load(third));
    }
    if shape & 256 != 0 {
        seen.push(u64::from(verify(seen[0] % 3)));
    }
    if shape & 8 != 0 {
        let home = (shape >> 4) as usize % WORDS;
        if shape & 1024 != 0 {
            act(Op::Reaffirm(second));
        }
        act(Op::Store64(home, seen[0] + 1));
        if shape & 64 != 0 {
            act(Op::Flush(home));
            act(Op::Fence);
        }
        let flag = (home + 1) % WORDS;
        act(Op::Store32(flag, 0, 7));
        if shape & 128 != 0 {
            act(Op::Nt(home, 5));
        }
        act(Op::Flush(flag));
        act(Op::Fence);
        seen.push(load(flag));
        if shape & 512 != 0 {
            seen.push(u64::from(verify(1)));
            seen.push(load(0));
        }
    }
    seen
}

/// A weak checksum: many mixtures match.
struct Modulo {
    want: u64,
    have: u64,
}

impl Checksum for Modulo {
    fn reset(&mut self) {
        self.have = 0;
    }
    fn update(&mut self, bytes: &[u8]) {
        self.have += bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    }
    fn matches(&self) -> bool {
        self.have % 3 == self.want
    }
}

/// What was reached: events before the crash, acknowledged, in flight, answer of recovery.
type Seen = BTreeSet<(usize, Vec<u64>, Vec<u64>, Vec<u64>)>;

/// Runs recovery on plain words; what it saw and what it did.
fn recover_on(words: &Words, shape: u64) -> (Vec<u64>, Program) {
    let live = RefCell::new(*words);
    let done = RefCell::new(Vec::new());
    let mut verify = |want| {
        let live = live.borrow();
        let bytes = live[..2].iter().flat_map(|word| word.to_le_bytes());
        bytes.map(u64::from).sum::<u64>() % 3 == want
    };
    let mut load = |word: usize| live.borrow()[word];
    let seen = recover(&mut load, &mut verify, shape, &mut |op| {
        let mut live = live.borrow_mut();
        match op {
            Op::Store64(word, value) | Op::Nt(word, value) => live[word] = value,
            Op::Store32(word, _, value) => {
                live[word] = live[word] & !0xFFFF_FFFF | u64::from(value);
            }
            _ => {}
        }
        done.borrow_mut().push((0, op));
    });
    (seen, done.into_inner())
}

fn eager(program: &Program, shape: u64, depth: u32) -> [Seen; 3] {
    let nested = depth > 0;
    let zero = std::array::from_fn(|_| BTreeSet::from([0]));
    let (mut outer, mut inner, mut killed) = (Seen::new(), Seen::new(), Seen::new());
    for end in 0..=program.len() {
        let prefix = &program[..end];
        let mut acked = Vec::new();
        let mut open = Vec::new();
        for (_, op) in prefix {
            match op {
                Op::Invoke(id) => open.push(*id),
                Op::Ack(id) => {
                    open.retain(|other| other != id);
                    acked.push(*id);
                }
                _ => {}
            }
        }
        if nested {
            let (seen, done) = recover_on(&latest(prefix), shape);
            killed.insert((end, acked.clone(), open.clone(), seen));
            for cut in 0..=done.len() {
                let mut whole = prefix.to_vec();
                whole.push((0, Op::Kill));
                whole.extend(&done[..cut]);
                for words in every(&possible(&zero, &[0; WORDS], &whole)) {
                    let (seen, done) = recover_on(&words, shape);
                    let mut meet = |seen| {
                        killed.insert((end, acked.clone(), open.clone(), seen));
                    };
                    meet(seen);
                    deeper(&words, &done, shape, depth - 1, &mut meet);
                }
            }
        }
        for words in every(&possible(&zero, &[0; WORDS], prefix)) {
            let (seen, done) = recover_on(&words, shape);
            outer.insert((end, acked.clone(), open.clone(), seen));
            deeper(&words, &done, shape, depth, &mut |seen| {
                inner.insert((end, acked.clone(), open.clone(), seen));
            });
        }
    }
    inner.extend(outer.iter().cloned());
    [outer, inner, killed]
}

/// What recoveries see after cuts inside a recovery of `words` that did `done`, and inside those.
fn deeper(words: &Words, done: &Program, shape: u64, depth: u32, meet: &mut dyn FnMut(Vec<u64>)) {
    if depth == 0 {
        return;
    }
    let before = words.map(|value| BTreeSet::from([value]));
    for cut in 0..=done.len() {
        for again in every(&possible(&before, words, &done[..cut])) {
            let (seen, done) = recover_on(&again, shape);
            meet(seen);
            deeper(&again, &done, shape, depth - 1, meet);
        }
    }
}

/// What a program sees at its end.
fn latest(program: &[(u16, Op)]) -> Words {
    let mut words = [0; WORDS];
    for (_, op) in program {
        match *op {
            Op::Store64(word, value) | Op::Nt(word, value) => words[word] = value,
            Op::Store32(word, half, value) => {
                let kept = words[word] & !(0xFFFF_FFFF << (32 * half));
                words[word] = kept | u64::from(value) << (32 * half);
            }
            Op::Pair(word, value) => {
                words[word] = u64::from_le_bytes([value as u8; 8]);
                words[word + 1] = words[word];
            }
            Op::Or(word, value) => words[word] |= value,
            _ => {}
        }
    }
    words
}

fn lazy(program: &Program, shape: u64, depth: u32) -> ([Seen; 3], bool) {
    let media = CrashMedia::new(ByteLen::new(LEN));
    for (thread, op) in program {
        run(&media, *thread, *op);
    }
    let found = RefCell::new([Seen::new(), Seen::new(), Seen::new()]);
    let report = Explorer::new()
        .idempotent(false)
        .nested_depth(depth)
        .kill_steps(if depth > 0 { usize::MAX } else { 0 })
        .explore(
            &media.recording(),
            |media| {
                recover(
                    &mut |word| media.load64(ByteOffset::new(PLACES[word])),
                    &mut |want| {
                        let range = ByteRange::at(0, 16).expect("small");
                        media.verify(range, &mut Modulo { want, have: 0 })
                    },
                    shape,
                    &mut |op| run(media, 0, op),
                )
            },
            |point, seen| {
                let entry = (
                    point.event,
                    point.acked.to_vec(),
                    point.in_flight.to_vec(),
                    seen.clone(),
                );
                let [outer, inner, killed] = &mut *found.borrow_mut();
                match (point.kind, point.depth) {
                    (PointKind::Killed, _) => drop(killed.insert(entry)),
                    (_, 0) => drop(outer.insert(entry)),
                    _ => drop(inner.insert(entry)),
                }
                Ok(())
            },
        );
    report.assert_clean();
    assert!(report.exhaustive);
    let [outer, mut inner, killed] = found.into_inner();
    inner.extend(outer.iter().cloned());
    ([outer, inner, killed], report.assumptions.is_empty())
}

/// At each crash point exactly the same; and the crash points that were left out would add nothing.
fn same(expected: &Seen, found: &Seen, known: &Seen) -> bool {
    let points: BTreeSet<usize> = found.iter().map(|entry| entry.0).collect();
    let there = |seen: &Seen| -> Seen {
        let all = seen.iter().chain(known);
        all.filter(|entry| points.contains(&entry.0))
            .cloned()
            .collect()
    };
    let anywhere = |seen: &Seen| -> BTreeSet<_> {
        seen.iter()
            .map(|(_, acked, open, answer)| (acked.clone(), open.clone(), answer.clone()))
            .collect()
    };
    there(expected) == there(found)
        && anywhere(&there_and(expected, known)) == anywhere(&there_and(found, known))
}

fn there_and(seen: &Seen, known: &Seen) -> Seen {
    seen.iter().chain(known).cloned().collect()
}

fn compare(seed: u64, count: u64, depth: u32, faults: bool) {
    // A long run: EVERLINE_CRASH_FACTOR=100 cargo test --release -p everline-crash --test equivalence
    let factor = std::env::var("EVERLINE_CRASH_FACTOR").ok();
    let count = count * factor.and_then(|text| text.parse().ok()).unwrap_or(1);
    let mut random = Random(seed);
    let mut inexact = 0;
    for number in 0..count {
        let program = program(&mut random, faults);
        let shape = random.next();
        let expected = eager(&program, shape, depth);
        let (found, exact) = lazy(&program, shape, depth);
        inexact += u64::from(!exact);
        // A cut after a kill whose recovery stored nothing is a cut without the kill, and is explored as that.
        let known = [&Seen::new(), &Seen::new(), &expected[0]];
        let kinds = if depth > 0 { 3 } else { 1 };
        let all_same = (0..kinds).all(|kind| match exact {
            true => same(&expected[kind], &found[kind], known[kind]),
            false => found[kind].is_subset(&expected[kind]),
        });
        assert!(
            all_same,
            "seed {seed:#x}, program {number}, shape {shape:#x}: {program:?}"
        );
    }
    // Checksums over many mixtures are sampled, and the report says so: then nothing false, not everything.
    assert!(inexact * 10 < count, "{inexact} of {count}");
    println!("seed {seed:#x}: {count} programs, {inexact} sampled, depth {depth}");
}

#[test]
fn lazy_exploration_reaches_exactly_what_brute_force_reaches() {
    compare(0x1A2_B3C4_D5E6, 2500, 0, false);
}

#[test]
fn failed_fences_leave_exactly_what_the_reference_says() {
    compare(0x77_1234_5678, 2500, 0, true);
}

#[test]
fn nested_cuts_reach_exactly_what_brute_force_reaches() {
    compare(0xFACE_0000_1111, 600, 1, true);
    compare(0xFACE_0000_2222, 600, 1, false);
}

#[test]
fn cuts_nested_twice_reach_exactly_what_brute_force_reaches() {
    compare(0xD0_0B1E_0001, 15, 2, true);
}
