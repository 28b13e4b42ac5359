//! A block as a node's interface writes it, made into what its id and its transaction root are
//! computed from. Both are compared: no field of it is believed.

use base::Digest;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use super::{
    Name, key, path, slot, transaction,
    verify::{self, Header},
    wire::{put_bytes, put_varuint},
};
use crate::chain::Trouble;

/// As it is written.
#[derive(Deserialize)]
pub(super) struct Raw {
    timestamp: String,
    producer: String,
    confirmed: u16,
    previous: Digest,
    transaction_mroot: Digest,
    action_mroot: Digest,
    schedule_version: u32,
    #[serde(default)]
    new_producers: Option<Value>,
    header_extensions: Vec<(u16, String)>,
    transactions: Vec<RawReceipt>,
}

#[derive(Deserialize)]
struct RawReceipt {
    status: String,
    cpu_usage_us: u32,
    net_usage_words: u32,
    trx: RawSent,
}

/// A transaction, or the id of one that was put off.
#[derive(Deserialize)]
#[serde(untagged)]
enum RawSent {
    Tagged(IgnoredAny, Box<RawSent>),
    Id(Digest),
    Packed(RawPacked),
}

#[derive(Deserialize)]
struct RawPacked {
    signatures: Vec<String>,
    compression: String,
    packed_context_free_data: String,
    packed_trx: String,
}

/// A block that is what its id says.
pub(super) struct Block {
    pub(super) number: u64,
    pub(super) id: Digest,
    pub(super) header: Header,
    /// The header's bytes, without its producer's signature.
    pub(super) bytes: Vec<u8>,
    pub(super) receipts: Vec<Receipt>,
}

/// What a block says of a transaction.
pub(super) struct Receipt {
    pub(super) cpu: u32,
    pub(super) net: u32,
    /// The leaf of the tree.
    pub(super) leaf: [u8; 32],
    /// Bytes and hash of the signatures, where it was carried out as it was sent, not
    /// compressed.
    pub(super) plain: Option<(Vec<u8>, [u8; 32])>,
}

impl Block {
    /// Reads what a node says.
    pub(super) fn of(raw: &Raw) -> Result<Self, Trouble> {
        let wrong = |what: &str| Trouble::Contradiction(what.to_owned());
        // Blocks have not said it so since 2020; the anchor in one would stay without a proof.
        if raw.new_producers.is_some() {
            return Err(wrong("the block names producers in the oldest way"));
        }
        let bytes = header(raw).ok_or_else(|| wrong("the block's header cannot be read"))?;
        let header =
            verify::header(&bytes).ok_or_else(|| wrong("the block's header cannot be read"))?;
        let receipts = raw.transactions.iter().map(receipt);
        let receipts: Vec<Receipt> = receipts
            .collect::<Option<_>>()
            .ok_or_else(|| wrong("a transaction of the block cannot be read"))?;
        let leaves: Vec<_> = receipts.iter().map(|receipt| receipt.leaf).collect();
        let root = match path::of(header.tree, &leaves, 0) {
            None => Some([0; 32]),
            Some((index, path)) => leaves
                .first()
                .and_then(|leaf| path::root(header.tree, *leaf, index, &path)),
        };
        if root != Some(header.root.0) {
            return Err(wrong(
                "the block's transactions are not those of its header",
            ));
        }
        let number = header.number();
        Ok(Self {
            number,
            id: verify::block_id(&bytes, number),
            header,
            bytes,
            receipts,
        })
    }

    /// Index on the path and siblings of a transaction.
    pub(super) fn path(&self, index: usize) -> Option<(u64, Vec<[u8; 32]>)> {
        let leaves: Vec<_> = self.receipts.iter().map(|receipt| receipt.leaf).collect();
        path::of(self.header.tree, &leaves, index)
    }
}

fn header(raw: &Raw) -> Option<Vec<u8>> {
    let producer: Name = raw.producer.parse().ok()?;
    let mut bytes = Vec::with_capacity(160);
    bytes.extend(slot::read(&raw.timestamp)?.to_le_bytes());
    bytes.extend(producer.0.to_le_bytes());
    bytes.extend(raw.confirmed.to_le_bytes());
    bytes.extend(raw.previous.0);
    bytes.extend(raw.transaction_mroot.0);
    bytes.extend(raw.action_mroot.0);
    bytes.extend(raw.schedule_version.to_le_bytes());
    bytes.push(0);
    put_varuint(&mut bytes, raw.header_extensions.len().try_into().ok()?);
    for (kind, digits) in &raw.header_extensions {
        bytes.extend(kind.to_le_bytes());
        put_bytes(&mut bytes, &hex::decode(digits).ok()?);
    }
    Some(bytes)
}

fn receipt(raw: &RawReceipt) -> Option<Receipt> {
    const STATUS: [&str; 5] = ["executed", "soft_fail", "hard_fail", "delayed", "expired"];
    let status = STATUS.iter().position(|known| *known == raw.status)? as u8;
    let (cpu, net) = (raw.cpu_usage_us, raw.net_usage_words);
    let (hash, plain) = sent(&raw.trx)?;
    Some(Receipt {
        cpu,
        net,
        leaf: verify::receipt(status, cpu, net, &hash).0,
        plain: plain.filter(|_| status == verify::EXECUTED),
    })
}

type Sent = (Digest, Option<(Vec<u8>, [u8; 32])>);

fn sent(raw: &RawSent) -> Option<Sent> {
    let packed = match raw {
        RawSent::Id(id) => return Some((*id, None)),
        RawSent::Packed(packed) => packed,
        RawSent::Tagged(_, inner) => match &**inner {
            RawSent::Id(id) => return Some((*id, None)),
            RawSent::Packed(packed) => packed,
            RawSent::Tagged(..) => return None,
        },
    };
    let compression = match packed.compression.as_str() {
        "none" => 0,
        "zlib" => 1,
        _ => return None,
    };
    let mut prunable = Vec::new();
    put_varuint(&mut prunable, packed.signatures.len().try_into().ok()?);
    for signature in &packed.signatures {
        prunable.extend(key::signature(signature)?);
    }
    let free = hex::decode(&packed.packed_context_free_data).ok()?;
    put_bytes(&mut prunable, &free);
    let signatures = Digest::of(&prunable).0;
    let bytes = hex::decode(&packed.packed_trx).ok()?;
    let hash = verify::sent(compression, &bytes, &signatures);
    Some((hash, (compression == 0).then_some((bytes, signatures))))
}

impl Receipt {
    /// The transaction's id and what it is, if it is of the kind that is made here.
    pub(super) fn own(&self) -> Option<(Digest, transaction::Transaction)> {
        let (bytes, _) = self.plain.as_ref()?;
        let read = transaction::Transaction::read(bytes)?;
        Some((transaction::id(bytes), read))
    }
}
