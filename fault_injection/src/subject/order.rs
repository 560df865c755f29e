//! Which states a set of operations may have led to: durable linearizability.
//!
//! Every acknowledged operation has happened, each one in flight may have, in some order in which no operation
//! comes before another that was acknowledged before it began.

use super::Subject;
use crate::event::Kind;
use crate::record::Recording;

/// When an operation ran, in events of its recording.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    pub invoked: usize,
    /// None where it was never acknowledged.
    pub acked: Option<usize>,
}

/// The operations of a recording and when they ran.
pub(crate) struct Order<S: Subject> {
    /// The states that the first operation may have met.
    pub starts: Vec<S::Model>,
    pub ops: Vec<S::Op>,
    spans: Vec<Span>,
}

/// One state, and the operations that lead to it, in order.
pub(crate) struct Candidate<M> {
    pub model: M,
    pub path: Vec<usize>,
}

impl<M: Clone> Clone for Candidate<M> {
    fn clone(&self) -> Self {
        Candidate {
            model: self.model.clone(),
            path: self.path.clone(),
        }
    }
}

/// More orders than that cannot be judged.
const ORDERS_MAX: usize = 100_000;

impl<S: Subject> Order<S> {
    pub(crate) fn new(starts: Vec<S::Model>, ops: Vec<S::Op>, recording: &Recording) -> Self {
        let mut spans = vec![Span::default(); ops.len()];
        for (index, event) in recording.log.events.iter().enumerate() {
            let Some(span) = spans.get_mut(event.value as usize) else {
                continue;
            };
            match event.kind {
                Kind::Invoke => span.invoked = index,
                Kind::Ack => span.acked = Some(index),
                _ => {}
            }
        }
        Order { starts, ops, spans }
    }

    /// Every state that may be left where `acked` were acknowledged and `in_flight` were not; none where there are
    /// too many orders. Ids that are not of an operation are passed over.
    pub(crate) fn possible(
        &self,
        acked: &[u64],
        in_flight: &[u64],
    ) -> Option<Vec<Candidate<S::Model>>> {
        let known = |ids: &[u64]| -> Vec<usize> {
            let ids = ids.iter().map(|id| *id as usize);
            ids.filter(|id| *id < self.ops.len()).collect()
        };
        let mut walk = Walk {
            order: self,
            must: known(acked),
            may: known(in_flight),
            found: Vec::new(),
        };
        for start in &self.starts {
            walk.from(Candidate {
                model: start.clone(),
                path: Vec::new(),
            });
        }
        (walk.found.len() <= ORDERS_MAX).then_some(walk.found)
    }
}

struct Walk<'o, S: Subject> {
    order: &'o Order<S>,
    must: Vec<usize>,
    may: Vec<usize>,
    found: Vec<Candidate<S::Model>>,
}

impl<S: Subject> Walk<'_, S> {
    fn from(&mut self, mut here: Candidate<S::Model>) {
        // One after another as long as there is no choice, so that long workloads need no deep stack.
        loop {
            if self.found.len() > ORDERS_MAX {
                return;
            }
            if self.must.iter().all(|op| here.path.contains(op)) {
                self.found.push(here.clone());
            }
            let next = self.next(&here.path);
            match next[..] {
                [] => return,
                [only] => self.take(&mut here, only),
                _ => {
                    for op in next {
                        let mut there = here.clone();
                        self.take(&mut there, op);
                        self.from(there);
                    }
                    return;
                }
            }
        }
    }

    fn take(&self, here: &mut Candidate<S::Model>, op: usize) {
        S::step(&mut here.model, &self.order.ops[op]);
        here.path.push(op);
    }

    /// Operations that may come next: nothing that is still to come was acknowledged before they began.
    fn next(&self, path: &[usize]) -> Vec<usize> {
        let open = |op: &&usize| !path.contains(op);
        let spans = &self.order.spans;
        let first_ack = self
            .must
            .iter()
            .filter(open)
            .filter_map(|op| spans[*op].acked)
            .min();
        let all = self.must.iter().chain(&self.may).filter(open);
        all.copied()
            .filter(|op| first_ack.is_none_or(|ack| spans[*op].invoked < ack))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::Choices;
    use crate::{CrashMedia, explore::Base};

    struct Letters;
    impl Subject for Letters {
        type Medium = CrashMedia;
        type Op = char;
        type Model = String;
        type View = String;
        fn format(_: CrashMedia) -> Self {
            Letters
        }
        fn apply(&mut self, _: &char) -> Result<(), String> {
            Ok(())
        }
        fn recover(_: CrashMedia) -> Result<(Self, String), String> {
            Ok((Letters, String::new()))
        }
        fn step(model: &mut String, op: &char) {
            model.push(*op);
        }
        fn view(model: &String) -> String {
            model.clone()
        }
        fn generate(_: usize, _: &mut Choices) -> char {
            'a'
        }
    }

    /// Events in order: `+0` begins operation 0, `-0` acknowledges it.
    fn possible(events: &str, acked: &[u64], in_flight: &[u64]) -> Vec<String> {
        let media = Letters::media(Base::Zero);
        for event in events.split(' ') {
            let id = event[1..].parse().expect("a number");
            match event.starts_with('+') {
                true => media.invoke(id),
                false => media.ack(id),
            }
        }
        let order: Order<Letters> =
            Order::new(vec![String::new()], vec!['a', 'b', 'c'], &media.recording());
        let found = order.possible(acked, in_flight).expect("few orders");
        let mut found: Vec<String> = found.into_iter().map(|found| found.model).collect();
        found.sort();
        found
    }

    #[test]
    fn one_after_another_gives_one_order() {
        assert_eq!(possible("+0 -0 +1 -1 +2", &[0, 1], &[]), ["ab"]);
        assert_eq!(possible("+0 -0 +1 -1 +2", &[0, 1], &[2]), ["ab", "abc"]);
    }

    #[test]
    fn operations_that_overlap_come_in_either_order() {
        assert_eq!(possible("+0 +1 -0 -1 +2", &[0, 1], &[]), ["ab", "ba"]);
        assert_eq!(possible("+0 +1 -1 +2 -2", &[1, 2], &[]), ["bc"]);
        // What is in flight may have happened at any time since it began.
        let found = possible("+0 +1 -1 +2 -2", &[1, 2], &[0]);
        assert_eq!(found, ["abc", "bac", "bc", "bca"]);
    }
}
