//! Choices of a generator: all in turn, by a seed, or as a line says.

use crate::trie::mix;

/// What comes after the choices that were given.
#[derive(Clone, Copy, Debug)]
enum Rest {
    First,
    Seeded(u64),
}

/// One choice that was made.
#[derive(Clone, Copy, Debug)]
struct Made {
    value: u64,
    bound: u64,
    ends_only: bool,
}

/// Where a generator takes its decisions from, so that one function serves exhaustive, random and repeated runs.
#[derive(Clone, Debug)]
pub struct Choices {
    given: Vec<u64>,
    made: Vec<Made>,
    rest: Rest,
    /// A given choice was out of its bound: the generator is another one now.
    strayed: bool,
}

impl Choices {
    fn new(given: Vec<u64>, rest: Rest) -> Self {
        Choices {
            given,
            made: Vec::new(),
            rest,
            strayed: false,
        }
    }

    /// The first alternative everywhere.
    pub fn first() -> Self {
        Self::new(Vec::new(), Rest::First)
    }

    pub(crate) fn seeded(seed: u64) -> Self {
        Self::new(Vec::new(), Rest::Seeded(seed))
    }

    pub(crate) fn given(given: Vec<u64>) -> Self {
        Self::new(given, Rest::First)
    }

    fn make(&mut self, bound: u64, ends_only: bool) -> u64 {
        let bound = bound.max(1);
        let value = match (self.given.get(self.made.len()), self.rest) {
            (Some(value), _) => *value,
            (None, Rest::First) => 0,
            (None, Rest::Seeded(seed)) => mix(seed ^ mix(self.made.len() as u64)) % bound,
        };
        self.strayed |= value >= bound;
        let value = value.min(bound - 1);
        self.made.push(Made {
            value,
            bound,
            ends_only,
        });
        value
    }

    /// One of `0..bound`; an exhaustive run takes each in turn. A bound of 0 counts as 1.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.make(bound, false)
    }

    /// One of `0..bound`; an exhaustive run takes the first and the last only.
    pub fn any_below(&mut self, bound: u64) -> u64 {
        self.make(bound, true)
    }

    /// The choices made so far; none where a given one did not fit.
    pub(crate) fn made(&self) -> Option<Vec<u64>> {
        let values = self.made.iter().map(|made| made.value);
        (!self.strayed && self.given.len() <= self.made.len()).then(|| values.collect())
    }

    /// The choices that come after these, in the order of an odometer.
    pub(crate) fn next(&self) -> Option<Choices> {
        let mut made = self.made.clone();
        while let Some(last) = made.pop() {
            let next = match last.ends_only && last.value == 0 {
                true => last.bound - 1,
                false => last.value + 1,
            };
            if next > last.value && next < last.bound {
                let mut given: Vec<u64> = made.iter().map(|made| made.value).collect();
                given.push(next);
                return Some(Choices::given(given));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(generate: impl Fn(&mut Choices) -> (u64, u64)) -> Vec<(u64, u64)> {
        let mut found = Vec::new();
        let mut next = Some(Choices::first());
        while let Some(mut choices) = next {
            found.push(generate(&mut choices));
            next = choices.next();
        }
        found
    }

    #[test]
    fn an_exhaustive_run_makes_every_choice_once() {
        let found = all(|choices| match choices.below(3) {
            0 => (0, choices.below(2)),
            1 => (1, choices.any_below(1000)),
            _ => (2, 0),
        });
        assert_eq!(found, [(0, 0), (0, 1), (1, 0), (1, 999), (2, 0)]);
    }

    #[test]
    fn choices_that_do_not_fit_are_noticed() {
        let mut choices = Choices::given(vec![7]);
        assert_eq!(choices.below(3), 2);
        assert_eq!(choices.made(), None);
        let mut choices = Choices::given(vec![1, 0]);
        choices.below(3);
        assert_eq!(choices.made(), None, "a choice was left over");
    }
}
