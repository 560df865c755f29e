//! Which thread goes on at each decision.

use crate::trie::mix;

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Who could go on; the one that held the baton first, where it could.
    pub options: Vec<usize>,
    pub taken: usize,
    /// Whether the one that held the baton could have gone on: another is then a preemption.
    pub preempts: bool,
    /// Preemptions before this decision.
    before: u32,
}

/// How decisions are made once the given ones are used up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rest {
    /// The first option: on with the same thread.
    First,
    /// By a seed; at each place one in so many preempts.
    Seeded { seed: u64, one_in: u64 },
}

/// Makes the decisions of one schedule.
#[derive(Debug)]
pub(crate) struct Chooser {
    given: Vec<usize>,
    rest: Rest,
    bound: u32,
    preemptions: u32,
    pub frames: Vec<Frame>,
    /// A given decision was none of the options.
    pub strayed: bool,
}

impl Chooser {
    /// `given` are the threads to take at the first decisions; at most `bound` preemptions.
    pub(crate) fn new(given: Vec<usize>, rest: Rest, bound: u32) -> Self {
        Chooser {
            given,
            rest,
            bound,
            preemptions: 0,
            frames: Vec::new(),
            strayed: false,
        }
    }

    /// One of `options`; a decision is only what leaves a choice.
    pub(crate) fn choose(&mut self, preempts: bool, mut options: Vec<usize>) -> usize {
        if preempts && self.preemptions >= self.bound {
            options.truncate(1);
        }
        if options.len() == 1 {
            return options[0];
        }
        let number = self.frames.len();
        let taken = match self.given.get(number) {
            Some(wanted) => {
                let found = options.iter().position(|option| option == wanted);
                self.strayed |= found.is_none();
                found.unwrap_or(0)
            }
            None => self.drawn(number, preempts, options.len()),
        };
        let before = self.preemptions;
        self.preemptions += u32::from(preempts && taken > 0);
        let thread = options[taken];
        self.frames.push(Frame {
            options,
            taken,
            preempts,
            before,
        });
        thread
    }

    fn drawn(&self, number: usize, preempts: bool, options: usize) -> usize {
        let Rest::Seeded { seed, one_in } = self.rest else {
            return 0;
        };
        let draw = mix(seed ^ mix(number as u64));
        match preempts {
            true if draw % one_in != 0 => 0,
            true => 1 + (mix(draw) % (options as u64 - 1)) as usize,
            false => (mix(draw) % options as u64) as usize,
        }
    }
}

/// The threads that `frames` took, up to the last one that was not the first option.
pub(crate) fn decisions(frames: &[Frame]) -> Vec<usize> {
    let last = frames.iter().rposition(|frame| frame.taken > 0);
    let frames = &frames[..last.map_or(0, |last| last + 1)];
    frames
        .iter()
        .map(|frame| frame.options[frame.taken])
        .collect()
}

/// The schedule after the one that `frames` tell, depth first; none where it was the last. The first preemption lies
/// at a decision whose number leaves `slice.0` when divided by `slice.1`.
pub(crate) fn next(mut frames: Vec<Frame>, slice: (u64, u64)) -> Option<Vec<usize>> {
    while let Some(last) = frames.last_mut() {
        last.taken += 1;
        let (taken, first_preemption) = (last.taken, last.preempts && last.before == 0);
        let number = frames.len() as u64 - 1;
        let mine = !first_preemption || number % slice.1 == slice.0;
        if mine && taken < frames[number as usize].options.len() {
            let threads = frames.iter().map(|frame| frame.options[frame.taken]);
            return Some(threads.collect());
        }
        frames.pop();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two threads of `len` calls each, a decision before every call.
    fn run(given: Vec<usize>, bound: u32, len: usize) -> (Vec<usize>, Vec<Frame>) {
        let mut chooser = Chooser::new(given, Rest::First, bound);
        let mut left = [len; 2];
        let mut order = Vec::new();
        let mut current = None;
        while left != [0, 0] {
            let mut options: Vec<usize> = (0..2).filter(|thread| left[*thread] > 0).collect();
            let goes_on = current.filter(|thread| left[*thread] > 0);
            if let Some(thread) = goes_on {
                options.sort_by_key(|option| *option != thread);
            }
            let next = chooser.choose(goes_on.is_some(), options);
            order.push(next);
            left[next] -= 1;
            current = Some(next);
        }
        (order, chooser.frames)
    }

    fn all(bound: u32, len: usize, slice: (u64, u64)) -> Vec<Vec<usize>> {
        let mut orders = Vec::new();
        let mut given = Some(Vec::new());
        while let Some(plan) = given {
            let (order, frames) = run(plan, bound, len);
            orders.push(order);
            given = next(frames, slice);
        }
        orders.sort();
        orders.dedup();
        orders
    }

    #[test]
    fn without_a_bound_every_interleaving_comes_once() {
        assert_eq!(all(9, 3, (0, 1)).len(), 20);
        assert_eq!(all(0, 3, (0, 1)).len(), 2);
        // One preemption: after one or two of the three calls of whoever begins.
        assert_eq!(all(1, 3, (0, 1)).len(), 2 + 2 * 2);
    }

    #[test]
    fn slices_together_are_the_whole() {
        let mut parts: Vec<_> = (0..3).flat_map(|part| all(2, 4, (part, 3))).collect();
        parts.sort();
        parts.dedup();
        assert_eq!(parts, all(2, 4, (0, 1)));
    }

    #[test]
    fn decisions_lead_to_the_same_order_again() {
        let mut chooser = Chooser::new(Vec::new(), Rest::Seeded { seed: 5, one_in: 2 }, 9);
        for _ in 0..6 {
            chooser.choose(true, vec![0, 1]);
        }
        let given = decisions(&chooser.frames);
        let mut again = Chooser::new(given, Rest::First, 9);
        for _ in 0..6 {
            again.choose(true, vec![0, 1]);
        }
        assert_eq!(again.frames, chooser.frames);
        assert!(!again.strayed);
    }
}
