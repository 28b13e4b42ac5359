//! The path from a transaction to the Merkle root of its block.
//!
//! Source: Bitcoin Core, `consensus/merkle.cpp`. A level of odd length has its last hash
//! twice; that twin is refused as a place of its own (CVE-2012-2459), so that a transaction has
//! one index. A tree of hashes can be passed off as a transaction of 64 bytes; what is looked
//! for here is longer, and signed by a key that the verifier names.

use bitcoin::hashes::{Hash as _, HashEngine as _, sha256d};

type Node = [u8; 32];

fn parent(left: &Node, right: &Node) -> Node {
    let mut engine = sha256d::Hash::engine();
    engine.input(left);
    engine.input(right);
    sha256d::Hash::from_engine(engine).to_byte_array()
}

/// The siblings of leaf `index`; none if there is no such leaf.
pub(super) fn of(leaves: &[Node], mut index: usize) -> Option<Vec<Node>> {
    leaves.get(index)?;
    let mut level = leaves.to_vec();
    let mut path = Vec::new();
    while level.len() > 1 {
        let own = level.get(index)?;
        path.push(*level.get(index ^ 1).unwrap_or(own));
        level = level
            .chunks(2)
            .filter_map(|pair| Some(parent(pair.first()?, pair.last()?)))
            .collect();
        index /= 2;
    }
    Some(path)
}

/// Where the path from a leaf leads; none if no tree has that shape.
pub(super) fn root(leaf: Node, mut index: u64, path: &[Node]) -> Option<Node> {
    let mut node = leaf;
    for sibling in path {
        node = match index & 1 {
            0 => parent(&node, sibling),
            _ if *sibling == node => return None,
            _ => parent(sibling, &node),
        };
        index >>= 1;
    }
    (index == 0).then_some(node)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use bitcoin::{TxMerkleNode, merkle_tree};

    #[test]
    fn every_leaf_leads_to_the_root_and_from_no_other_place() {
        for count in 1..=20_u8 {
            let leaves: Vec<Node> = (0..count).map(|at| [at; 32]).collect();
            let nodes = leaves
                .iter()
                .map(|leaf| TxMerkleNode::from_byte_array(*leaf));
            let expected = merkle_tree::calculate_root(nodes).unwrap().to_byte_array();
            for (index, leaf) in leaves.iter().enumerate() {
                let path = of(&leaves, index).unwrap();
                for at in 0..64 {
                    let leads = root(*leaf, at, &path) == Some(expected);
                    assert_eq!(leads, at == index as u64, "{index} at {at} of {count}");
                }
            }
            assert_eq!(of(&leaves, count.into()), None);
        }
    }
}
