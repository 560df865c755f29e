//! The memo: what recovery read, in its order, and what came of it.
//!
//! A node is the next word (or checksummed range) that recovery reads; an edge is what it found there; a leaf is an
//! outcome. Recovery is a function of what it reads, so a path that was walked once is not executed again.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A hasher for keys that are hashes or small numbers already.
#[derive(Default)]
pub(crate) struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }
    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = mix(self.0 ^ value);
    }
}

pub(crate) type MixMap<K, V> = HashMap<K, V, BuildHasherDefault<Mix>>;

/// The finisher of splitmix64 over a shifted input: a bijection without fixed structure.
pub(crate) fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// What a node stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Not executed yet.
    Unknown,
    /// Recovery reads this word next.
    Read(u32),
    /// Recovery verifies a range next; the index is of [`Trie::verifies`].
    Verify(u32),
    /// Recovery is over; the index is of [`Trie::leaves`].
    Leaf(u32),
}

const NONE: u32 = u32::MAX;

struct Node {
    step: Step,
    first_child: u32,
    first_value: u64,
}

/// A checksummed range in the memo.
pub(crate) struct Verify {
    /// Where the range begins and how long it is.
    pub at: u64,
    pub len: u64,
    /// The words of it that belong to the key and that recovery had neither read nor stored before.
    pub cells: Box<[u32]>,
    /// Contents of `cells`, hashed → whether they match.
    pub verdicts: MixMap<u64, bool>,
}

/// What was found when the crash states inside one execution were explored.
pub(crate) struct NestedMemo {
    /// How many further cuts were explored.
    pub left: u32,
    /// Words whose possible values mattered and were not fixed by the path, with a hash of those values.
    pub needs: Box<[(u32, u64)]>,
    /// Outcomes met, with how much deeper each was met.
    pub met: Box<[(u32, u32)]>,
}

/// The end of a path.
pub(crate) struct Leaf {
    pub outcome: u32,
    /// Whether the execution stored anything: without, there is nothing new inside it.
    pub stores: bool,
    pub nested: Vec<NestedMemo>,
}

/// The memo of one recording.
pub(crate) struct Trie {
    nodes: Vec<Node>,
    /// Edges beyond the first of a node.
    edges: MixMap<(u32, u64), u32>,
    roots: Vec<(u64, u32)>,
    pub verifies: Vec<Verify>,
    pub leaves: Vec<Leaf>,
    extra: usize,
}

impl Trie {
    pub(crate) fn new() -> Self {
        Trie {
            nodes: Vec::new(),
            edges: MixMap::default(),
            roots: Vec::new(),
            verifies: Vec::new(),
            leaves: Vec::new(),
            extra: 0,
        }
    }

    /// Bytes held, near enough.
    pub(crate) fn bytes(&self) -> usize {
        // A hash table is on average two thirds full and keeps a byte of control an entry.
        const EDGE: usize = 40;
        self.nodes.len() * size_of::<Node>()
            + self.edges.len() * EDGE
            + self.leaves.len() * size_of::<Leaf>()
            + self.extra
    }

    /// Counts bytes that hang on a leaf or a checksummed range.
    pub(crate) fn add_bytes(&mut self, bytes: usize) {
        self.extra += bytes;
    }

    fn node(&mut self) -> u32 {
        let id = u32::try_from(self.nodes.len()).expect("bounded by the memory cap");
        self.nodes.push(Node {
            step: Step::Unknown,
            first_child: NONE,
            first_value: 0,
        });
        id
    }

    /// Where every path over a medium of `len` bytes begins.
    pub(crate) fn root(&mut self, len: u64) -> u32 {
        match self.roots.iter().find(|(of, _)| *of == len) {
            Some((_, node)) => *node,
            None => {
                let node = self.node();
                self.roots.push((len, node));
                node
            }
        }
    }

    pub(crate) fn step(&self, node: u32) -> Step {
        self.nodes[node as usize].step
    }

    /// States that `node` is `step`; false where it is something else already: recovery is not deterministic.
    pub(crate) fn expect(&mut self, node: u32, step: Step) -> bool {
        let known = &mut self.nodes[node as usize].step;
        if *known == Step::Unknown {
            *known = step;
        }
        *known == step
    }

    pub(crate) fn set_leaf(&mut self, node: u32, outcome: u32, stores: bool) -> Option<u32> {
        let id = self.leaves.len() as u32;
        match self.step(node) {
            Step::Unknown => {
                self.leaves.push(Leaf {
                    outcome,
                    stores,
                    nested: Vec::new(),
                });
                self.nodes[node as usize].step = Step::Leaf(id);
                Some(id)
            }
            Step::Leaf(id) => Some(id),
            _ => None,
        }
    }

    /// Along the edge `value`, made where it is new.
    pub(crate) fn child(&mut self, node: u32, value: u64) -> u32 {
        let from = &self.nodes[node as usize];
        if from.first_child != NONE && from.first_value == value {
            return from.first_child;
        }
        if from.first_child == NONE {
            let child = self.node();
            let from = &mut self.nodes[node as usize];
            from.first_child = child;
            from.first_value = value;
            return child;
        }
        if let Some(child) = self.edges.get(&(node, value)) {
            return *child;
        }
        let child = self.node();
        self.edges.insert((node, value), child);
        child
    }
}
