//! What an anchor in Bitcoin costs, for batches of several sizes: the bytes of its transaction
//! times the rate of the day. `cargo xtask bench chains` tabulates what this prints.

use anchor::{Attempt, Checkpoint, Order};
use base::{ChainId, Digest, Millis};
use serde_json::json;

use crate::{
    gas::BATCHES,
    rig::{InBitcoin, Rig},
    world::World,
};

#[test]
fn an_anchor_in_bitcoin_has_one_size_whatever_it_anchors() {
    let world = World::new();
    let rig = InBitcoin::start(&world);
    let mut client = rig.client(&world, 0);
    let mut spent: Vec<Attempt> = Vec::new();
    let mut size = 1_000_000;
    for batch in BATCHES {
        client.ready().unwrap();
        size += batch;
        let checkpoint = Checkpoint {
            ledger: ChainId(world.chain().0),
            root: Digest::of(&size.to_le_bytes()),
            size,
            height: size / 100,
            head: Digest::of(b"head"),
        };
        let order = Order {
            checkpoint: &checkpoint,
            before: &[],
            spent: &spent,
            allowance: u64::MAX,
            now: Millis(0),
        };
        let attempt = client.prepare(&order).unwrap();
        client.send(&attempt).unwrap();
        rig.mine(1);
        let hash = rig.node.call("getblockhash", json!([rig.height()]));
        let block = rig.node.call("getblock", json!([hash, 2]));
        let transaction = &block["tx"][1];
        let bytes = transaction["vsize"].as_u64().unwrap();
        // What is paid for: a signature may be a byte or two shorter than the longest.
        assert!((281..=284).contains(&bytes), "{bytes}");
        assert_eq!(attempt.most, 284, "at a satoshi a byte");
        let what = "anchored in Bitcoin";
        println!(
            "{}",
            json!({"what": what, "batch": batch, "bytes": bytes, "sat": attempt.most})
        );
        spent = vec![attempt];
    }
    assert_eq!(rig.paid(0), 4);
}
