//! The reference for word-subset: declarative, by brute force, without pending lists.

use super::{Op, Program, Seen, WORDS, Words, recover_on};
use std::collections::BTreeSet;

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

pub(super) fn eager(program: &Program, shape: u64, depth: u32) -> [Seen; 3] {
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
