//! The proof that a receipt stands in its block.

use alloy::primitives::B256;
use alloy_trie::{HashBuilder, Nibbles, proof::ProofRetainer, root::adjust_index_for_rlp};

use crate::bytes::Bytes;

/// Root of the trie of a block's receipts (EIP-2718 bytes, in the block's order), and the
/// nodes from it to receipt `index`.
pub(super) fn prove(receipts: &[Vec<u8>], index: usize) -> (B256, Vec<Bytes>) {
    let key = |index: usize| Nibbles::unpack(alloy::rlp::encode(index));
    let retainer = ProofRetainer::new(vec![key(index)]);
    let mut builder = HashBuilder::default().with_proof_retainer(retainer);
    for at in 0..receipts.len() {
        // RLP orders 1 to 127 before 0 before 128.
        let at = adjust_index_for_rlp(at, receipts.len());
        builder.add_leaf(key(at), &receipts[at]);
    }
    let root = builder.root();
    let nodes = builder.take_proof_nodes().into_nodes_sorted();
    let nodes = nodes
        .into_iter()
        .map(|(_, node)| Bytes(node.to_vec()))
        .collect();
    (root, nodes)
}
