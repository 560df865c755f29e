//! The shortest workload that still breaks the same promise, and the plainest crash of it.

use super::Subject;
use super::examine::{Lives, Problem, examine};
use super::line::Token;
use super::summary::Summary;
use crate::explore::Explorer;

/// Workloads tried at most, so that a slow engine's failure is told within minutes.
const TRIES: u32 = 400;
/// First crashes tried where the promise was broken after one.
const LIVES: u64 = 6;
/// Violations among which the plainest is chosen.
const CHOSEN_FROM: usize = 1024;

pub(crate) struct Shrunk {
    pub tokens: Vec<Token>,
    pub problem: Problem,
}

struct Shrink<'s, S: Subject> {
    quick: Explorer,
    thorough: Explorer,
    given: &'s [S::Op],
    tries: u32,
    best: Shrunk,
}

/// Shrinks a workload that has `problem`.
pub(crate) fn shrink<S: Subject>(
    explorer: &Explorer,
    tokens: &[Token],
    given: &[S::Op],
    problem: Problem,
) -> Shrunk {
    let mut shrink: Shrink<'_, S> = Shrink {
        quick: explorer.clone().stop_at_first(true).suggest(false),
        thorough: explorer.clone().violations_kept(CHOSEN_FROM),
        given,
        tries: 0,
        best: Shrunk {
            tokens: tokens.to_vec(),
            problem,
        },
    };
    shrink.fewer_operations();
    shrink.lower_choices();
    shrink.fewer_second_operations();
    let lives = match &shrink.best.problem.life {
        Some(life) => Lives::Just(life.clone()),
        None => Lives::Drawn(0),
    };
    let tokens = &shrink.best.tokens;
    let wanted = Some(shrink.best.problem.oracle());
    let mut unused = Summary::default();
    let told = examine::<S>(&shrink.thorough, tokens, given, &lives, wanted, &mut unused);
    if let Some(problem) = told {
        shrink.best.problem = problem;
    }
    shrink.best
}

impl<S: Subject> Shrink<'_, S> {
    /// Whether `tokens` break the same promise; they are the best ones then.
    fn takes(&mut self, tokens: Vec<Token>) -> bool {
        let lives = match &self.best.problem.life {
            Some(_) => Lives::Drawn(LIVES),
            None => Lives::Drawn(0),
        };
        self.takes_with(tokens, &lives)
    }

    fn takes_with(&mut self, tokens: Vec<Token>, lives: &Lives) -> bool {
        if self.tries == TRIES {
            return false;
        }
        self.tries += 1;
        let mut unused = Summary::default();
        let oracle = self.best.problem.oracle();
        let mut look = |explorer, wanted| {
            examine::<S>(explorer, &tokens, self.given, lives, wanted, &mut unused)
        };
        let found = match look(&self.quick, None) {
            // The first one met is another promise: look among all.
            Some(other) if other.oracle() != oracle => look(&self.thorough, Some(oracle)),
            found => found,
        };
        let Some(problem) = found.filter(|found| found.oracle() == oracle) else {
            return false;
        };
        self.best = Shrunk { tokens, problem };
        true
    }

    /// Delta debugging: halves first, then ever smaller pieces.
    fn fewer_operations(&mut self) {
        let mut piece = self.best.tokens.len().div_ceil(2);
        while piece > 0 && !self.best.tokens.is_empty() {
            let mut at = 0;
            let mut took = false;
            while at < self.best.tokens.len() {
                let mut fewer = self.best.tokens.clone();
                fewer.drain(at..(at + piece).min(fewer.len()));
                // The empty workload is the making of the engine: another matter.
                if !fewer.is_empty() && self.takes(fewer) {
                    took = true;
                } else {
                    at += piece;
                }
            }
            if !took || piece > self.best.tokens.len() {
                piece = match piece {
                    1 => 0,
                    _ => piece.div_ceil(2),
                };
            }
        }
    }

    /// Each choice as early as can be, since a generator names its simplest first.
    fn lower_choices(&mut self) {
        for index in 0..self.best.tokens.len() {
            let Token::Chosen { choices, .. } = &self.best.tokens[index] else {
                continue;
            };
            // The first choice is which operation it is: that stays.
            for choice in 1..choices.len() {
                for lower in [0, 1] {
                    let mut tokens = self.best.tokens.clone();
                    let Token::Chosen { choices, .. } = &mut tokens[index] else {
                        break;
                    };
                    match choices.get_mut(choice) {
                        Some(value) if *value > lower => *value = lower,
                        _ => continue,
                    }
                    if self.takes(tokens) {
                        break;
                    }
                }
            }
        }
    }

    fn fewer_second_operations(&mut self) {
        let mut index = 0;
        while let Some(life) = self.best.problem.life.clone() {
            if index >= life.ops.len() {
                return;
            }
            let mut fewer = life;
            fewer.ops.remove(index);
            let tokens = self.best.tokens.clone();
            if !self.takes_with(tokens, &Lives::Just(fewer)) {
                index += 1;
            }
        }
    }
}
