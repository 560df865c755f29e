//! Verifies a whole tree (Y1 to Y5) and visits what it owns.

use std_alloc::vec::Vec;

use super::node::Node;
use super::source::{Medium, Source};
use super::{BigValue, Outcome, Tree, record};
use crate::layout::{Corrupt, TreeRoot, TreeSeparator, tree_head};
use crate::media::Media;
use crate::tx::Manager;
use crate::units::{ByteLen, ByteOffset, ByteRange};

/// What a check saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TreeCheck {
    /// Keys.
    pub keys: u64,
    /// Levels.
    pub height: u8,
    /// Leaves.
    pub leaves: u64,
    /// Nodes above the leaves.
    pub inner_nodes: u64,
    /// Values with a block of their own.
    pub big_values: u64,
    /// Bytes of keys and values.
    pub payload_bytes: u64,
    /// Bytes of leaf slots in use, of all there are, in thousandths.
    pub leaf_fill_permille: u64,
}

/// A node that is still to be looked at, with the separators around it.
struct Below {
    place: u64,
    level: u8,
    lower: Option<Vec<u8>>,
    upper: Option<Vec<u8>>,
}

struct Walk<'w, M> {
    medium: Medium<'w, M>,
    tree: &'w Tree,
    visit: &'w mut dyn FnMut(ByteRange),
    seen: TreeCheck,
    below: Vec<Below>,
    /// More nodes than the pool has room for are a circle.
    nodes_left: u64,
}

pub(super) fn check<M: Media>(
    tree: &Tree,
    manager: &Manager<M>,
    visit: &mut dyn FnMut(ByteRange),
) -> Outcome<TreeCheck, M> {
    let medium = Medium::new(manager.pool());
    let place = tree.place.get();
    let root = tree.root(&medium)?;
    visit(object(place, size_of::<TreeRoot>()));
    let count = root.keys(place).ok_or(Corrupt::new(
        tree.place,
        "the checksum of a tree's number of keys does not match",
    ))?;
    let smallest = tree.leaf_shape().bytes().min(tree.inner_shape().bytes());
    let mut walk = Walk {
        medium,
        tree,
        visit,
        seen: TreeCheck {
            height: root.height,
            ..TreeCheck::default()
        },
        below: Vec::new(),
        nodes_left: manager.pool().geometry().len() / smallest as u64,
    };
    walk.below.push(Below {
        place: root.root.get(),
        level: root.height - 1,
        lower: None,
        upper: None,
    });
    while let Some(node) = walk.below.pop() {
        walk.node(node)?;
    }
    let TreeCheck { keys, leaves, .. } = walk.seen;
    if keys != count {
        let what = "a tree has another number of keys than its root says";
        return Err(Corrupt::new(tree.place, what).into());
    }
    let slots = leaves * tree.leaf_shape().slots() as u64;
    walk.seen.leaf_fill_permille = keys * 1000 / slots.max(1);
    Ok(walk.seen)
}

fn object(place: u64, bytes: usize) -> ByteRange {
    ByteRange::new(ByteOffset::new(place), ByteLen::new(bytes as u64)).unwrap_or_default()
}

impl<M: Media> Walk<'_, M> {
    fn node(&mut self, below: Below) -> Result<(), Corrupt> {
        let Below { place, level, .. } = below;
        let shape = self.tree.shape(level);
        let what = "a tree has more nodes than the pool has room for";
        self.nodes_left = self
            .nodes_left
            .checked_sub(1)
            .ok_or(Corrupt::new(ByteOffset::new(place), what))?;
        let mut bytes = std_alloc::vec![0; shape.bytes()];
        self.medium.read(place, 0, &mut bytes)?;
        let node = Node {
            bytes: &bytes,
            shape,
            place,
        }
        .believed(level)?;
        node.verify_own_heads()?;
        verify_form(&node)?;
        let is_root = level + 1 == self.seen.height;
        if level == 0 && node.count() == 0 && !is_root {
            return Err(node.fault("a leaf below the root of a tree is empty"));
        }
        if level > 0 && node.count() == 1 && is_root {
            return Err(node.fault("the root node of a tree has one child only"));
        }
        (self.visit)(object(place, shape.bytes()));
        if level == 0 {
            self.leaf(&node, &below)
        } else {
            self.inner(&node, &below)
        }
    }

    fn leaf(&mut self, node: &Node<'_>, below: &Below) -> Result<(), Corrupt> {
        self.seen.leaves += 1;
        let (mut last, mut record) = (None::<Vec<u8>>, Vec::new());
        for position in 0..node.count() {
            let slot = node.leaf_slot(&self.medium, position)?;
            record.clear();
            let head = record::append(&self.medium, slot.record, &mut record)?;
            let (start, end) = (record::HEAD_BYTES, record::HEAD_BYTES + head.key_len);
            let key = &record[start..end];
            verify_order(node, key, slot.head, last.as_deref(), below)?;
            (self.visit)(object(slot.record, head.total()));
            if head.big != (head.value_len > self.tree.options.inline_bytes as usize) {
                return Err(node.fault("a value of a tree does not lie where its length says"));
            }
            if head.big {
                self.big(&record::big_of(&head, &record[end..]))?;
            }
            self.seen.keys += 1;
            self.seen.payload_bytes += (head.key_len + head.value_len) as u64;
            last = Some(key.to_vec());
        }
        Ok(())
    }

    fn big(&mut self, value: &BigValue) -> Result<(), Corrupt> {
        if !record::is_right(&self.medium, value)? {
            return Err(record::big_mismatch(value));
        }
        (self.visit)(object(value.place.get(), value.len));
        self.seen.big_values += 1;
        Ok(())
    }

    fn inner(&mut self, node: &Node<'_>, below: &Below) -> Result<(), Corrupt> {
        self.seen.inner_nodes += 1;
        let (mut lower, mut last) = (below.lower.clone(), None::<Vec<u8>>);
        for position in 0..node.count() {
            let slot = node.inner_slot(&self.medium, position)?;
            if position == 0 {
                if (slot.head, slot.len, slot.tail) != (0, 0, 0) {
                    return Err(node.fault("the first child of a tree's node has a separator"));
                }
            } else {
                let mut separator = Vec::new();
                node.separator(&self.medium, position, &mut separator)?;
                verify_order(node, &separator, slot.head, last.as_deref(), below)?;
                if slot.tail != 0 {
                    let bytes = size_of::<TreeSeparator>() + separator.len();
                    (self.visit)(object(slot.tail, bytes));
                }
                last = Some(separator.clone());
                lower = Some(separator);
            }
            let upper = match position + 1 < node.count() {
                true => {
                    let mut separator = Vec::new();
                    node.separator(&self.medium, position + 1, &mut separator)?;
                    Some(separator)
                }
                false => below.upper.clone(),
            };
            self.below.push(Below {
                place: slot.child,
                level: below.level - 1,
                lower: lower.clone(),
                upper,
            });
        }
        Ok(())
    }
}

/// Whether every slot is named once, and every gap is zero.
fn verify_form(node: &Node<'_>) -> Result<(), Corrupt> {
    let mut named = 0u128;
    for slot in &node.bytes[node.shape.order()] {
        named |= 1u128.checked_shl(u32::from(*slot)).unwrap_or(0);
    }
    let behind = &node.bytes[12 + node.skip()..node.shape.order().start];
    let padding = &node.bytes[node.shape.order().end..node.shape.head_at(0)];
    let zeros = node.bytes[7] == 0 && behind.iter().chain(padding).all(|byte| *byte == 0);
    if named == (1 << node.shape.slots()) - 1 && zeros {
        Ok(())
    } else {
        Err(node.fault("the fields of a tree's node do not agree"))
    }
}

/// Whether `key` belongs where it is (Y1), and its head is its own.
fn verify_order(
    node: &Node<'_>,
    key: &[u8],
    head: u64,
    last: Option<&[u8]>,
    below: &Below,
) -> Result<(), Corrupt> {
    if !key.starts_with(node.prefix()) || tree_head(key, node.skip()) != head {
        return Err(node.fault("a slot of a tree's node is not its key's"));
    }
    let ascends = last.is_none_or(|last| last < key);
    let lower = below.lower.as_deref().is_none_or(|lower| lower <= key);
    let upper = below.upper.as_deref().is_none_or(|upper| key < upper);
    if ascends && lower && upper {
        Ok(())
    } else {
        Err(node.fault("the keys of a tree's node are not in order"))
    }
}
