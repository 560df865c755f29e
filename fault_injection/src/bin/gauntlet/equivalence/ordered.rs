//! Media that keep stores in their order: what the explorer reaches is what a brute force written apart from it reaches,
//! on random small programs, after one cut and after a second one inside recovery.
//!
//! The reference knows no progress and no eras. It lists, for a program that begins on a known image, each unit's
//! groups of stores, which of them a flush and a later fence of one thread made durable, and enumerates the rest; a
//! second cut is the same question asked of recovery's own program, on each image that the first cut left.

use std::cell::RefCell;
use std::collections::BTreeSet;

use everline::media::Media;
use everline::units::{ByteLen, ByteOffset, ByteRange, LineRange};
use everline_crash::{CrashMedia, CrashModel, Explorer, PointKind, on_thread};

const WORDS: usize = 6;
type Words = [u64; WORDS];

#[derive(Clone, Copy, Debug)]
enum Op {
    Store(usize, u64),
    /// The first two words of a unit, in one bulk store.
    Bulk(usize, u64),
    Flush(usize),
    Fence,
}

type Program = Vec<(u16, Op)>;

/// Three words in each of two units, the third as far behind the others as the unit allows.
#[derive(Clone, Copy)]
struct Shape {
    model: CrashModel,
    unit: u64,
}

impl Shape {
    fn place(self, word: usize) -> u64 {
        let within = [0, 8, self.unit - 8];
        (word as u64 / 3) * self.unit + within[word % 3]
    }

    fn line_of(self, word: usize) -> LineRange {
        LineRange::covering(ByteRange::at(self.place(word), 8).expect("small"))
    }

    fn run(self, media: &CrashMedia, thread: u16, op: Op) {
        on_thread(thread, || match op {
            Op::Store(word, value) => media.store64(ByteOffset::new(self.place(word)), value),
            Op::Bulk(word, value) => {
                let bytes: Vec<u8> = (0..2).flat_map(|n| (value + n).to_le_bytes()).collect();
                media.write(ByteOffset::new(self.place(word / 3 * 3)), &bytes);
            }
            Op::Flush(word) => media.flush(self.line_of(word)),
            Op::Fence => media.fence().expect("no fault asked for"),
        });
    }

    /// What a cut after `program` can leave, where the medium held `base` for certain.
    fn images(self, base: &Words, program: &[(u16, Op)]) -> BTreeSet<Words> {
        let parts: Vec<Vec<[u64; 3]>> = (0..2)
            .map(|unit| self.images_of(unit, base, program))
            .collect();
        let mut whole = BTreeSet::new();
        for a in &parts[0] {
            for b in &parts[1] {
                whole.insert([a[0], a[1], a[2], b[0], b[1], b[2]]);
            }
        }
        whole
    }

    fn images_of(self, unit: usize, base: &Words, program: &[(u16, Op)]) -> Vec<[u64; 3]> {
        let ours = |word: usize| word / 3 == unit;
        // Each store to the unit: when, and which words to what.
        let mut groups: Vec<(usize, Vec<(usize, u64)>)> = Vec::new();
        for (time, (_, op)) in program.iter().enumerate() {
            match *op {
                Op::Store(word, value) if ours(word) => {
                    groups.push((time, vec![(word % 3, value)]))
                }
                Op::Bulk(word, value) if ours(word) => {
                    groups.push((time, (0..2).map(|n| (n, value + n as u64)).collect()));
                }
                _ => {}
            }
        }
        let certain = groups
            .iter()
            .filter(|(time, _)| self.is_certain(unit, *time, program));
        let certain = certain.count();
        let mut images = Vec::new();
        for done in certain..=groups.len() {
            let mut image = [base[unit * 3], base[unit * 3 + 1], base[unit * 3 + 2]];
            for (_, stores) in &groups[..done] {
                stores
                    .iter()
                    .for_each(|(word, value)| image[*word] = *value);
            }
            let next = groups.get(done).map_or(&[][..], |(_, stores)| stores);
            for subset in 0..1u32 << next.len() {
                let mut torn = image;
                for (bit, (word, value)) in next.iter().enumerate() {
                    if subset >> bit & 1 == 1 {
                        torn[*word] = *value;
                    }
                }
                images.push(torn);
            }
        }
        images
    }

    /// Whether a store to `unit` at `time` is durable at the end.
    fn is_certain(self, unit: usize, time: usize, program: &[(u16, Op)]) -> bool {
        if self.model == CrashModel::Eadr {
            // The next event of any kind comes after it is done.
            return time + 1 < program.len();
        }
        program.iter().enumerate().any(|(flushed, (thread, op))| {
            let covers = matches!(op, Op::Flush(word) if word / 3 == unit) && flushed > time;
            let later = &program[flushed + 1..];
            covers
                && later
                    .iter()
                    .any(|(by, op)| by == thread && matches!(op, Op::Fence))
        })
    }
}

const SHAPES: [Shape; 4] = [
    Shape {
        model: CrashModel::LinePrefix,
        unit: 64,
    },
    Shape {
        model: CrashModel::Page { sector: 512 },
        unit: 512,
    },
    Shape {
        model: CrashModel::Page { sector: 4096 },
        unit: 4096,
    },
    Shape {
        model: CrashModel::Eadr,
        unit: 64,
    },
];

struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn program(&mut self, len: u64) -> Program {
        (0..len)
            .map(|_| {
                let word = self.below(WORDS as u64) as usize;
                let value = 10 * (1 + self.below(3));
                let op = match self.below(10) {
                    0..4 => Op::Store(word, value),
                    4..6 => Op::Bulk(word, value),
                    6..8 => Op::Flush(word),
                    _ => Op::Fence,
                };
                (self.below(2) as u16, op)
            })
            .collect()
    }
}

/// Reads a word, others by what it found there, and goes on by what it found in all.
#[derive(Clone, Debug)]
struct Recovery {
    first: usize,
    reads: [Vec<usize>; 2],
    then: [Program; 2],
}

impl Recovery {
    fn random(random: &mut Random, stores: bool) -> Self {
        let mut reads = || {
            let mut words: Vec<usize> = (0..WORDS).filter(|_| random.below(2) > 0).collect();
            for index in (1..words.len()).rev() {
                words.swap(index, random.below(index as u64 + 1) as usize);
            }
            words
        };
        let reads = [reads(), reads()];
        let mut then = || {
            let len = if stores { 1 + random.below(4) } else { 0 };
            random.program(len)
        };
        Recovery {
            then: [then(), then()],
            first: random.below(WORDS as u64) as usize,
            reads,
        }
    }

    fn look(&self, image: impl Fn(usize) -> u64) -> Vec<u64> {
        let first = image(self.first);
        let others = &self.reads[(first / 10 % 2) as usize];
        std::iter::once(first)
            .chain(others.iter().map(|word| image(*word)))
            .collect()
    }

    fn follow(&self, seen: &[u64]) -> &Program {
        &self.then[(seen.iter().sum::<u64>() / 10 % 2) as usize]
    }
}

type Outcomes = BTreeSet<Vec<u64>>;

/// What the explorer reaches at the end of `program` and, one cut deeper, inside its recovery.
fn explored(shape: Shape, program: &Program, recovery: &Recovery) -> [Outcomes; 2] {
    let media = CrashMedia::new(ByteLen::new(2 * shape.unit));
    for (thread, op) in program {
        shape.run(&media, *thread, *op);
    }
    let seen = RefCell::new([Outcomes::new(), Outcomes::new()]);
    let report = Explorer::new()
        .model(shape.model)
        .idempotent(false)
        .portability_notes(false)
        .kill_steps(0)
        .explore(
            &media.recording(),
            |media| {
                let word = |word| media.load64(ByteOffset::new(shape.place(word)));
                let found = recovery.look(word);
                for (thread, op) in recovery.follow(&found) {
                    shape.run(media, *thread, *op);
                }
                found
            },
            |point, found: &Vec<u64>| {
                if point.kind == PointKind::End {
                    seen.borrow_mut()[point.depth as usize].insert(found.clone());
                }
                Ok(())
            },
        );
    report.assert_clean();
    assert!(report.exhaustive, "{report}");
    seen.into_inner()
}

/// The same by brute force.
fn reference(shape: Shape, program: &Program, recovery: &Recovery) -> [Outcomes; 2] {
    let mut outcomes = [Outcomes::new(), Outcomes::new()];
    for image in shape.images(&[0; WORDS], program) {
        let found = recovery.look(|word| image[word]);
        let own = recovery.follow(&found);
        outcomes[0].insert(found);
        if !own
            .iter()
            .any(|(_, op)| matches!(op, Op::Store(..) | Op::Bulk(..)))
        {
            continue;
        }
        for moment in 1..=own.len() {
            for again in shape.images(&image, &own[..moment]) {
                outcomes[1].insert(recovery.look(|word| again[word]));
            }
        }
    }
    outcomes
}

/// Compares so many random programs; `stores`: recovery changes what it found. Errors: the first that differs.
pub(super) fn compare(programs: u64, stores: bool) -> Result<(), String> {
    let mut several = 0;
    for seed in 0..programs {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let shape = SHAPES[random.below(SHAPES.len() as u64) as usize];
        let len = 1 + random.below(9);
        let program = random.program(len);
        let recovery = Recovery::random(&mut random, stores);
        let lazy = explored(shape, &program, &recovery);
        if lazy != reference(shape, &program, &recovery) {
            return Err(format!(
                "seed {seed}, {}: {program:?} {recovery:?}",
                shape.model
            ));
        }
        several += u64::from(lazy[0].len() > 2);
    }
    match several > programs / 4 {
        true => Ok(()),
        false => Err(format!(
            "only {several} of {programs} programs had a choice"
        )),
    }
}
