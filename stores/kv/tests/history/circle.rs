//! V6: circles in the graph of who must come before whom.

use std::collections::{BTreeSet, VecDeque};

use super::*;

type Graph = Vec<Vec<(usize, Edge)>>;

impl Checker<'_> {
    /// Finds a shortest circle through one of the transactions that lie on any.
    pub(super) fn no_circle(&self) -> Result<(), Anomaly> {
        let graph = self.graph();
        let circles = components(&graph);
        let Some(component) = circles.into_iter().find(|nodes| nodes.len() > 1) else {
            return Ok(());
        };
        let within: BTreeSet<usize> = component.iter().copied().collect();
        let shortest = component
            .iter()
            .take(64) // each is on some circle; that many tries make a short one likely
            .filter_map(|start| circle_through(&graph, &within, *start))
            .min_by_key(Vec::len);
        Err(Anomaly::Circle(
            shortest.expect("a component of several has a circle"),
        ))
    }

    /// Who must come before whom. Aborted ones are in no serial order.
    fn graph(&self) -> Graph {
        let mut graph: Graph = vec![Vec::new(); self.history.records.len()];
        let mut edge = |from: usize, to: usize, why| {
            if from != NOBODY && to != NOBODY && from != to {
                graph[from].push((to, why));
            }
        };
        for versions in self.versions.values() {
            for pair in versions.windows(2) {
                edge(pair[0].2, pair[1].2, Edge::Overwritten);
            }
        }
        for (index, record) in self.history.records.iter().enumerate() {
            if record.end == End::Aborted {
                continue;
            }
            let reads = record.reads_of_others();
            let snapshots = self.snapshots_of(&reads);
            let (oldest, newest) = snapshots.map_or((0, Sequence::MAX), |found| found.bounds());
            for (key, _) in &reads {
                // Several snapshots can have the reads only where a key was absent more than once: then the earliest
                // writer and the latest overwriter are what is certain.
                let Some(versions) = self.versions.get(key) else {
                    continue;
                };
                let seen = versions.iter().rfind(|version| version.0 <= oldest);
                if let Some(writer) = seen {
                    edge(writer.2, index, Edge::ReadBy);
                }
                let next = versions.iter().find(|version| version.0 > newest);
                if let Some(overwriter) = next {
                    edge(index, overwriter.2, Edge::ReadBefore);
                }
            }
        }
        graph
    }
}

/// A shortest circle through `start` in `within`.
fn circle_through(
    graph: &Graph,
    within: &BTreeSet<usize>,
    start: usize,
) -> Option<Vec<(usize, Edge)>> {
    let mut came: HashMap<usize, (usize, Edge)> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for &(next, why) in &graph[node] {
            if next == start {
                let mut circle = vec![(node, why)];
                while circle[0].0 != start {
                    circle.insert(0, came[&circle[0].0]);
                }
                return Some(circle);
            }
            if within.contains(&next) && !came.contains_key(&next) {
                came.insert(next, (node, why));
                queue.push_back(next);
            }
        }
    }
    None
}

/// Strongly connected components, found without recursion: a history is longer than a stack is deep.
fn components(graph: &Graph) -> Vec<Vec<usize>> {
    const UNSEEN: usize = usize::MAX;
    let len = graph.len();
    let (mut number, mut low, mut on_stack) = (vec![UNSEEN; len], vec![0; len], vec![false; len]);
    let (mut stack, mut found, mut next_number) = (Vec::new(), Vec::new(), 0);
    for root in 0..len {
        if number[root] != UNSEEN {
            continue;
        }
        let mut path = vec![(root, 0)];
        while let Some(&mut (node, ref mut edge)) = path.last_mut() {
            if number[node] == UNSEEN {
                number[node] = next_number;
                low[node] = next_number;
                next_number += 1;
                stack.push(node);
                on_stack[node] = true;
            }
            if let Some(&(next, _)) = graph[node].get(*edge) {
                *edge += 1;
                if number[next] == UNSEEN {
                    path.push((next, 0));
                } else if on_stack[next] {
                    low[node] = low[node].min(number[next]);
                }
                continue;
            }
            path.pop();
            if let Some((parent, _)) = path.last() {
                low[*parent] = low[*parent].min(low[node]);
            }
            if low[node] == number[node] {
                let start = stack
                    .iter()
                    .rposition(|other| *other == node)
                    .expect("pushed above");
                let component = stack.split_off(start);
                component.iter().for_each(|node| on_stack[*node] = false);
                found.push(component);
            }
        }
    }
    found
}
