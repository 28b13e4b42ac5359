//! What an anchor in Bitcoin costs, for batches of several sizes: the bytes of its transaction
//! times the rate of the day; and in EOS: what the receipt charges. `cargo xtask bench chains` tabulates what this prints.

use anchor::{Attempt, Checkpoint, Evidence, Order, PublicChain, Standing};
use base::{ChainId, Digest, Millis};
use serde_json::json;

use crate::{
    gas::BATCHES,
    rig::Rig,
    rigs::{InBitcoin, InEos},
    world::World,
};

fn checkpoint(world: &World, size: u64) -> Checkpoint {
    Checkpoint {
        ledger: ChainId(world.chain().0),
        root: Digest::of(&size.to_le_bytes()),
        size,
        height: size / 100,
        head: Digest::of(b"head"),
    }
}

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
        let checkpoint = checkpoint(&world, size);
        let order = Order {
            says: &checkpoint,
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

#[test]
fn an_anchor_in_eos_has_one_size_whatever_it_anchors() {
    let world = World::new();
    let rig = InEos::start(&world);
    let mut client = rig.client(&world, 0);
    let mut size = 1_000_000;
    let mut nets = Vec::new();
    for batch in BATCHES {
        size += batch;
        // Of several, since the time is measured by who makes the block.
        let mut cheapest: Option<(usize, u32, u32)> = None;
        for more in 0..5 {
            client.ready().unwrap();
            let checkpoint = checkpoint(&world, size + more);
            let order = Order {
                says: &checkpoint,
                before: &[],
                spent: &[],
                allowance: u64::MAX,
                now: Millis(0),
            };
            let attempt = client.prepare(&order).unwrap();
            client.send(&attempt).unwrap();
            let (bytes, cpu, net) = placed(&rig, &mut *client, &attempt, &checkpoint);
            if cheapest.is_none_or(|(_, least, _)| cpu < least) {
                cheapest = Some((bytes, cpu, net));
            }
        }
        let (bytes, cpu, net) = cheapest.unwrap();
        nets.push((bytes, net));
        let what = "anchored in EOS";
        println!(
            "{}",
            json!({"what": what, "batch": batch, "size": bytes, "cpu": cpu, "net": net})
        );
        size += 5;
    }
    assert!(
        nets.iter().all(|net| *net == nets[0] && net.1 <= 33),
        "{nets:?}"
    );
    assert_eq!(rig.paid(0), 20);
}

/// Bytes of a transaction, and what its receipt charges: microseconds and words.
fn placed(
    rig: &InEos,
    client: &mut dyn PublicChain,
    attempt: &Attempt,
    checkpoint: &Checkpoint,
) -> (usize, u32, u32) {
    for _ in 0..20 {
        rig.mine(1);
        client.ready().unwrap();
        let attempts = std::slice::from_ref(attempt);
        if let Standing::Placed { place, .. } = client.standing(attempts).unwrap()
            && let Evidence::Eos(evidence) = client.evidence(&place, checkpoint).unwrap()
        {
            return (evidence.transaction.len(), evidence.cpu, evidence.net);
        }
    }
    panic!("it is in no block");
}
