//! Lazy = eager = brute force: the outcomes that the explorer reaches are those of a brute force written apart from it.
//!
//! The reference knows nothing of pending lists: for every prefix of a program it asks, declaratively, which stores
//! some flush and a later fence of one thread must have made durable, and enumerates all that remains.

mod ordered;
mod reference;

use std::cell::RefCell;
use std::collections::BTreeSet;

use everline::media::{Checksum, Media};
use everline::units::{ByteLen, ByteOffset, ByteRange, LineRange};
use everline_crash::{CrashMedia, Explorer, PointKind, on_thread};

use reference::eager;

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
    assert!(report.exhaustive, "{report}");
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

/// What was compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Compared {
    pub programs: u64,
    /// Checksums over many mixtures are sampled, and the report says so: then nothing false, not everything.
    pub sampled: u64,
}

/// A row of random programs under one setting.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub seed: u64,
    /// How many of a thousand programs it takes.
    share: u64,
    depth: u32,
    faults: bool,
}

/// Under word-subset: one cut, failed fences, cuts inside recovery, and once more inside that.
const ROWS: [Row; 5] = [
    Row {
        seed: 0x1A2_B3C4_D5E6,
        share: 400,
        depth: 0,
        faults: false,
    },
    Row {
        seed: 0x77_1234_5678,
        share: 400,
        depth: 0,
        faults: true,
    },
    Row {
        seed: 0xFACE_0000_1111,
        share: 50,
        depth: 1,
        faults: true,
    },
    Row {
        seed: 0xFACE_0000_2222,
        share: 50,
        depth: 1,
        faults: false,
    },
    Row {
        seed: 0xD0_0B1E_0001,
        share: 1,
        depth: 2,
        faults: true,
    },
];

/// Compares `programs` random programs, shared out over all models and settings. Errors: the first that differs.
pub fn compare(programs: u64) -> Result<Compared, String> {
    let mut all = Compared::default();
    for row in ROWS {
        let some = row.compare((programs * row.share).div_ceil(1000))?;
        all.programs += some.programs;
        all.sampled += some.sampled;
    }
    let left = programs.saturating_sub(all.programs).max(2);
    for stores in [false, true] {
        ordered::compare(left.div_ceil(2), stores)?;
        all.programs += left.div_ceil(2);
    }
    Ok(all)
}

impl Row {
    fn compare(&self, count: u64) -> Result<Compared, String> {
        let mut random = Random(self.seed);
        let mut sampled = 0;
        for number in 0..count {
            let program = program(&mut random, self.faults);
            let shape = random.next();
            let expected = eager(&program, shape, self.depth);
            let (found, exact) = lazy(&program, shape, self.depth);
            sampled += u64::from(!exact);
            // A cut after a kill whose recovery stored nothing is a cut without the kill, and is explored as that.
            let known = [&Seen::new(), &Seen::new(), &expected[0]];
            let kinds = if self.depth > 0 { 3 } else { 1 };
            let all_same = (0..kinds).all(|kind| match exact {
                true => same(&expected[kind], &found[kind], known[kind]),
                false => found[kind].is_subset(&expected[kind]),
            });
            if !all_same {
                return Err(format!(
                    "{self:?}, program {number}, shape {shape:#x}: {program:?}"
                ));
            }
        }
        match sampled * 10 < count.max(10) {
            true => Ok(Compared {
                programs: count,
                sampled,
            }),
            false => Err(format!(
                "{self:?}: {sampled} of {count} programs were only sampled"
            )),
        }
    }
}
