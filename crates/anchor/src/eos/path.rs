//! The path from a transaction's receipt to the root of its block's transactions.
//!
//! Source: the chain's `merkle.cpp` and `merkle.hpp`. Two trees:
//! - the old one marks each hash of a pair, so that left and right differ: the first bit of the
//!   left one is cleared, of the right one set; a level of odd length has its last hash twice.
//!   That twin is refused as a place of its own, so that a transaction has one index;
//! - Savanna's marks nothing, and what is too much for a full tree of two to the power of
//!   something stands to the right, as in RFC 9162. The index then has a bit for each step
//!   only: whether the sibling is on the left.
//!
//! A receipt is hashed over 38 to 42 bytes, a pair over 64: none passes for the other.

use base::Digest;

type Node = [u8; 32];

/// Which tree a block has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tree {
    /// Until Savanna.
    Marked,
    /// Since.
    Savanna,
}

fn hash(left: &Node, right: &Node) -> Node {
    Digest::of(&[left.as_slice(), right].concat()).0
}

fn marked(node: &Node, right: bool) -> Node {
    let mut node = *node;
    if let Some(first) = node.first_mut() {
        *first = (*first & 0x7f) | if right { 0x80 } else { 0 };
    }
    node
}

/// Index and siblings of leaf `index`; none if there is no such leaf.
pub(super) fn of(tree: Tree, leaves: &[Node], index: usize) -> Option<(u64, Vec<Node>)> {
    leaves.get(index)?;
    match tree {
        Tree::Marked => Some((index as u64, of_marked(leaves.to_vec(), index)?)),
        Tree::Savanna => Some(of_savanna(leaves, index)),
    }
}

fn of_marked(mut level: Vec<Node>, mut index: usize) -> Option<Vec<Node>> {
    let mut path = Vec::new();
    while level.len() > 1 {
        let own = level.get(index)?;
        let sibling = level.get(index ^ 1).unwrap_or(own);
        path.push(marked(sibling, index & 1 == 0));
        level = level
            .chunks(2)
            .filter_map(|pair| {
                let (left, right) = (pair.first()?, pair.last()?);
                Some(hash(&marked(left, false), &marked(right, true)))
            })
            .collect();
        index /= 2;
    }
    Some(path)
}

fn of_savanna(leaves: &[Node], index: usize) -> (u64, Vec<Node>) {
    let (mut leaves, mut index, mut down) = (leaves, index, Vec::new());
    while leaves.len() > 1 {
        let (left, right) = leaves.split_at(left_part(leaves.len()));
        if index < left.len() {
            down.push((0, savanna_root(right)));
            leaves = left;
        } else {
            index -= left.len();
            down.push((1, savanna_root(left)));
            leaves = right;
        }
    }
    let (mut sides, mut path) = (0_u64, Vec::new());
    for (step, (side, sibling)) in down.into_iter().rev().enumerate() {
        sides |= side << step.min(63);
        path.push(sibling);
    }
    (sides, path)
}

/// The largest power of two that is below `count`, which is more than one.
fn left_part(count: usize) -> usize {
    count.next_power_of_two() / 2
}

fn savanna_root(leaves: &[Node]) -> Node {
    match leaves {
        [] => [0; 32],
        [only] => *only,
        more => {
            let (left, right) = more.split_at(left_part(more.len()));
            hash(&savanna_root(left), &savanna_root(right))
        }
    }
}

/// Where the path from a leaf leads; none if no tree has that shape.
pub(super) fn root(tree: Tree, leaf: Node, mut index: u64, path: &[Node]) -> Option<Node> {
    let mut node = leaf;
    for sibling in path {
        let (mut own, is_right) = (node, index & 1 == 1);
        if tree == Tree::Marked {
            if *sibling != marked(sibling, !is_right) || *sibling == marked(&own, false) && is_right
            {
                return None;
            }
            own = marked(&own, is_right);
        }
        node = match is_right {
            false => hash(&own, sibling),
            true => hash(sibling, &own),
        };
        index >>= 1;
    }
    (index == 0).then_some(node)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_leaf_leads_to_the_root_and_from_no_other_place() {
        for tree in [Tree::Marked, Tree::Savanna] {
            for count in 1..=20_u8 {
                let leaves: Vec<Node> = (0..count).map(|at| Digest::of(&[at]).0).collect();
                let all: Vec<_> = (0..leaves.len())
                    .map(|index| of(tree, &leaves, index).unwrap())
                    .collect();
                let first = all.first().unwrap();
                let expected = root(tree, leaves[0], first.0, &first.1).unwrap();
                for (leaf, (index, path)) in leaves.iter().zip(&all) {
                    assert_eq!(root(tree, *leaf, *index, path), Some(expected));
                    for at in 0..64 {
                        let leads = root(tree, *leaf, at, path) == Some(expected);
                        assert_eq!(leads, at == *index, "{tree:?} {index} at {at} of {count}");
                    }
                    for at in 0..path.len() {
                        for bit in [0, 7] {
                            let mut other = path.clone();
                            other[at][0] ^= 1 << bit;
                            assert_ne!(root(tree, *leaf, *index, &other), Some(expected));
                        }
                    }
                }
                assert_eq!(of(tree, &leaves, count.into()), None);
            }
        }
    }

    #[test]
    fn savannas_tree_is_that_of_its_own_tests() {
        // Five leaves: a full tree of four, and one beside it.
        let leaves: Vec<Node> = (0..5).map(|at| [at; 32]).collect();
        let four = hash(&hash(&leaves[0], &leaves[1]), &hash(&leaves[2], &leaves[3]));
        assert_eq!(savanna_root(&leaves), hash(&four, &leaves[4]));
        assert_eq!(of(Tree::Savanna, &leaves, 4).unwrap(), (1, vec![four]));
    }
}
