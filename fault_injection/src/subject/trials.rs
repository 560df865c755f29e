//! Workloads of a subject: all short ones, drawn ones, given ones, and one again.

use std::marker::PhantomData;

use super::examine::{Lives, Problem, examine, ops_of};
use super::judge::Judge;
use super::line::{Line, Token};
use super::lives;
use super::record::{Recorded, hash_of, record};
use super::shrink::{Shrunk, shrink};
use super::{Again, Choices, Oracle, Replayed, Subject, Summary};
use crate::explore::Explorer;
use crate::record::Recording;
use crate::replay::{Replay, ReplayError};
use crate::trie::mix;

/// Runs workloads of one kind of engine; made by [`Explorer::subject`].
///
/// The first broken promise ends a run: its workload is shrunk and told.
#[derive(Debug)]
pub struct Trials<'e, S> {
    explorer: &'e Explorer,
    slice: (u64, u64),
    second_lives: u64,
    subject: PhantomData<fn() -> S>,
}

impl Explorer {
    /// Workloads of the engine `S`.
    pub fn subject<S: Subject>(&self) -> Trials<'_, S> {
        Trials {
            explorer: self,
            slice: (0, 1),
            second_lives: 1,
            subject: PhantomData,
        }
    }

    /// Runs the line of a [`Finding`](super::Finding) again: the same workload, byte for byte, and the same crash.
    ///
    /// Errors: the line is of another version, or engine or generator do other things now.
    pub fn replay_subject<S: Subject>(&self, line: &str) -> Result<Replayed, ReplayError> {
        self.subject::<S>().replay(line, &[])
    }
}

impl<S: Subject> Trials<'_, S> {
    /// Only workloads number `part`, `part + parts`, …: slices can run one by one, and together they are the whole.
    ///
    /// Panics: `part` is not below `parts`.
    #[must_use]
    pub fn slice(mut self, part: u64, parts: u64) -> Self {
        assert!(part < parts, "slice {part} of {parts}");
        self.slice = (part, parts);
        self
    }

    /// How many times for each workload a crashed engine is recovered, worked on, and crashed again; 1 at first.
    #[must_use]
    pub fn second_lives(mut self, second_lives: u64) -> Self {
        self.second_lives = second_lives;
        self
    }

    /// Every workload of up to `longest` operations, beginning with the making of the engine alone.
    pub fn all(&self, longest: usize) -> Summary {
        let steps: Vec<Vec<Token>> = (0..longest).map(every_token::<S>).collect();
        let mut planned = 0u64;
        let mut whole = 1u64;
        for step in &steps {
            planned += whole;
            whole *= step.len() as u64;
        }
        planned += whole;
        let mut summary = self.summary(planned, false);
        for number in (self.slice.0..planned).step_by(self.slice.1 as usize) {
            let tokens = workload(&steps, number);
            if self.run(&tokens, &[], &mut summary) {
                break;
            }
        }
        summary
    }

    /// One workload of `len` operations for each seed.
    pub fn random(&self, seeds: std::ops::Range<u64>, len: usize) -> Summary {
        let mut summary = self.summary(seeds.end.saturating_sub(seeds.start), true);
        let mine = |seed: &u64| seed % self.slice.1 == self.slice.0;
        for seed in seeds.filter(mine) {
            let salt = mix(self.explorer.seed ^ mix(seed));
            let draw = |step| Token::drawn::<S>(step, mix(salt ^ step as u64));
            let tokens: Vec<Token> = (0..len).map(draw).collect();
            if self.run(&tokens, &[], &mut summary) {
                break;
            }
        }
        summary
    }

    /// This workload. Its line is run again by [`Trials::replay`] with the same operations.
    pub fn given(&self, ops: &[S::Op]) -> Summary {
        let mut summary = self.summary(1, false);
        let tokens: Vec<Token> = (0..ops.len()).map(Token::Given).collect();
        self.run(&tokens, ops, &mut summary);
        summary
    }

    fn summary(&self, planned: u64, drawn: bool) -> Summary {
        Summary {
            planned,
            drawn,
            seed: self.explorer.seed,
            ..Summary::default()
        }
    }

    /// Whether a promise is broken, and so the run over.
    fn run(&self, tokens: &[Token], given: &[S::Op], summary: &mut Summary) -> bool {
        summary.workloads += 1;
        let lives = Lives::Drawn(self.second_lives);
        let Some(problem) = examine::<S>(self.explorer, tokens, given, &lives, None, summary)
        else {
            return false;
        };
        if let Some(wavers) = wavers::<S>(self.explorer, tokens, given) {
            let problem = Problem {
                reason: format!("{}: {wavers}", Oracle::NotDeterministic),
                ..problem
            };
            let finding = problem.finding(tokens, tokens.len());
            summary.findings.push(finding);
            return true;
        }
        let Shrunk {
            tokens: few,
            problem,
        } = shrink::<S>(self.explorer, tokens, given, problem);
        let finding = problem.finding(&few, tokens.len());
        summary.findings.push(finding);
        true
    }

    /// Runs a line again; `given` are the operations that its workload was made of, if it was a given one.
    ///
    /// Errors: the line is of another version, or engine, generator or operations are others now.
    pub fn replay(&self, line: &str, given: &[S::Op]) -> Result<Replayed, ReplayError> {
        let line = Line::parse(line)?;
        let other = |why: &str| ReplayError::Workload {
            why: why.to_owned(),
        };
        let ops = ops_of::<S>(&line.ops, given);
        let ops = ops.ok_or_else(|| other("the generator does not make these operations"))?;
        let base = self.explorer.base;
        let Some(crash) = &line.crash else {
            return Ok(self.replayed_without_crash(&line, given));
        };
        let recorded = record::<S>(base, &ops).map_err(|why| other(&why))?;
        let Recorded {
            recording, order, ..
        } = recorded;
        let judge = Judge::of_new(base, order);
        let Some(life) = &line.life else {
            return self.replayed(&line, &recording, &judge, crash);
        };
        let second = ops_of::<S>(&life.ops, given);
        let second = second.ok_or_else(|| other("the generator does not make these operations"))?;
        let lived = lives::live(self.explorer, &recording, &judge, life, &second);
        match lived.map_err(|why| other(&why))? {
            Some((recording, judge)) => self.replayed(&line, &recording, &judge, crash),
            None => Err(other("the first recovery goes another way")),
        }
    }

    fn replayed(
        &self,
        line: &Line,
        recording: &Recording,
        judge: &Judge<S>,
        crash: &Replay,
    ) -> Result<Replayed, ReplayError> {
        let now = hash_of(recording);
        if now != line.log {
            return Err(ReplayError::Workload {
                why: format!("what it stores has hash {now:x}, and {:x} then", line.log),
            });
        }
        (Again {
            explorer: self.explorer,
            recording,
            judge,
        })
        .crash(crash)
    }

    fn replayed_without_crash(&self, line: &Line, given: &[S::Op]) -> Replayed {
        let lives = match &line.life {
            Some(life) => Lives::Just(life.clone()),
            None => Lives::Drawn(0),
        };
        let mut unused = Summary::default();
        let found = examine::<S>(self.explorer, &line.ops, given, &lives, None, &mut unused);
        let verdict = found.map_or(Ok(()), |problem| Err(problem.reason));
        Replayed {
            observation: "no crash".into(),
            verdict,
        }
    }
}

/// In which way the workload is another one when it runs again; none where it is the same.
fn wavers<S: Subject>(explorer: &Explorer, tokens: &[Token], given: &[S::Op]) -> Option<String> {
    let ops = ops_of::<S>(tokens, given)?;
    let run = || record::<S>(explorer.base, &ops).ok();
    let (first, second) = (run()?.recording, run()?.recording);
    if hash_of(&first) == hash_of(&second) {
        return None;
    }
    let pairs = first.log.events.iter().zip(&second.log.events);
    let differs = |(a, b): &(&crate::event::Event, &crate::event::Event)| {
        (a.kind, a.at, a.len, a.value) != (b.kind, b.at, b.len, b.value)
    };
    Some(match pairs.clone().position(|pair| differs(&pair)) {
        Some(index) => format!(
            "the workload, run again, does something else at {}",
            second.log.events[index].place
        ),
        None => "the workload, run again, does something else".into(),
    })
}

/// Every operation that the generator makes for place `step`.
fn every_token<S: Subject>(step: usize) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut next = Some(Choices::first());
    while let Some(mut choices) = next {
        S::generate(step, &mut choices);
        tokens.push(Token::Chosen {
            step,
            choices: choices.made().expect("its own choices fit"),
        });
        next = choices.next();
    }
    tokens
}

/// Workload `number` in the order: none, each of one operation, each of two, …
fn workload(steps: &[Vec<Token>], number: u64) -> Vec<Token> {
    let mut rest = number;
    let mut whole = 1u64;
    let mut len = 0;
    while rest >= whole {
        rest -= whole;
        whole *= steps[len].len() as u64;
        len += 1;
    }
    let mut tokens = Vec::new();
    for step in steps[..len].iter().rev() {
        tokens.push(step[(rest % step.len() as u64) as usize].clone());
        rest /= step.len() as u64;
    }
    tokens.reverse();
    tokens
}
