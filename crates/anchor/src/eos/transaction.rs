//! The one kind of transaction that is made and read here: one action, authorised by one account.
//!
//! | bytes | are |
//! | --- | --- |
//! | 4 | second after which no block takes it |
//! | 2, 4 | of a block that the chain must have: its number, and bytes 8 to 11 of its id |
//! | 1 to 5 | most words of 8 bytes of bandwidth, in groups of 7 bits |
//! | 1 | most milliseconds of CPU time |
//! | 3 | no delay, no actions free of context, one action |
//! | 8, 8 | account and name of the action |
//! | 1, 8, 8 | who authorises it: one, account and permission |
//! | 1 to 5, … | the action's data behind its length |
//! | 1 | no extension |

use base::{ChainId, Digest};

use super::{
    Name,
    wire::{Reader, put_bytes, put_varuint},
};
use crate::checkpoint::Checkpoint;

/// A transaction of one action.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Transaction {
    /// Second since 1970 after which no block takes it.
    pub(super) expires: u32,
    /// Of the block that the chain must have, the low bits of its number.
    pub(super) reference: u16,
    /// And four bytes of its id.
    pub(super) prefix: [u8; 4],
    /// Most words of bandwidth.
    pub(super) most_net: u32,
    /// Most milliseconds of CPU time.
    pub(super) most_cpu: u8,
    /// Account and name of the action.
    pub(super) action: (Name, Name),
    /// Account and permission that authorise it.
    pub(super) by: (Name, Name),
    /// What the action says.
    pub(super) data: Vec<u8>,
}

impl Transaction {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64 + self.data.len());
        bytes.extend(self.expires.to_le_bytes());
        bytes.extend(self.reference.to_le_bytes());
        bytes.extend(self.prefix);
        put_varuint(&mut bytes, self.most_net);
        bytes.push(self.most_cpu);
        bytes.extend([0, 0, 1]);
        bytes.extend(self.action.0.0.to_le_bytes());
        bytes.extend(self.action.1.0.to_le_bytes());
        bytes.push(1);
        bytes.extend(self.by.0.0.to_le_bytes());
        bytes.extend(self.by.1.0.to_le_bytes());
        put_bytes(&mut bytes, &self.data);
        bytes.push(0);
        bytes
    }

    /// A transaction of this kind; none for any other, and for any other spelling.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader::new(bytes);
        let read = Self {
            expires: u32::from_le_bytes(from.array()?),
            reference: u16::from_le_bytes(from.array()?),
            prefix: from.array()?,
            most_net: from.varuint()?,
            most_cpu: from.byte()?,
            action: match from.array()? {
                [0, 0, 1] => (Name(from.u64()?), Name(from.u64()?)),
                _ => return None,
            },
            by: match from.byte()? {
                1 => (Name(from.u64()?), Name(from.u64()?)),
                _ => return None,
            },
            data: from.bytes()?.to_vec(),
        };
        let last = from.byte()?;
        from.end()?;
        (last == 0).then_some(read)
    }
}

/// What the chain calls a transaction.
pub(super) fn id(bytes: &[u8]) -> Digest {
    Digest::of(bytes)
}

/// The name of the action that anchors.
pub(super) const ANCHOR: Name = Name(0x34d0_da5c_0000_0000);

/// What the action says: ledger, root, leaves, height and the block's hash.
pub(super) fn says(checkpoint: &Checkpoint) -> Vec<u8> {
    let (size, height) = (
        checkpoint.size.to_le_bytes(),
        checkpoint.height.to_le_bytes(),
    );
    [
        checkpoint.ledger.0.as_slice(),
        &checkpoint.root.0,
        &size,
        &height,
        &checkpoint.head.0,
    ]
    .concat()
}

/// What an action says, if it is one that anchors.
pub(super) fn said(transaction: &Transaction) -> Option<Checkpoint> {
    if transaction.action.1 != ANCHOR {
        return None;
    }
    let mut from = Reader::new(&transaction.data);
    let said = Checkpoint {
        ledger: ChainId(from.array()?),
        root: Digest(from.array()?),
        size: from.u64()?,
        height: from.u64()?,
        head: Digest(from.array()?),
    };
    from.end()?;
    Some(said)
}

/// A signed transaction as it is sent and kept: one signature, not compressed, nothing that is
/// free of context.
pub(super) fn packed(signature: &[u8; 65], transaction: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1, 0];
    bytes.extend_from_slice(signature);
    bytes.extend([0, 0]);
    put_bytes(&mut bytes, transaction);
    bytes
}

/// The signature and the transaction in what [`packed`] made.
pub(super) fn unpacked(bytes: &[u8]) -> Option<([u8; 65], &[u8])> {
    let mut from = Reader::new(bytes);
    let [1, 0] = from.array()? else {
        return None;
    };
    let signature = from.array()?;
    let [0, 0] = from.array()? else {
        return None;
    };
    let transaction = from.bytes()?;
    from.end()?;
    Some((signature, transaction))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_comes_back_and_no_other_is_read() {
        assert_eq!("anchor".parse(), Ok(ANCHOR));
        let checkpoint = Checkpoint {
            ledger: ChainId([1; 32]),
            root: Digest([2; 32]),
            size: 3,
            height: 4,
            head: Digest([5; 32]),
        };
        let transaction = Transaction {
            expires: 1_795_000_000,
            reference: 7,
            prefix: [8; 4],
            most_net: 300,
            most_cpu: 20,
            action: ("medshare".parse().unwrap(), ANCHOR),
            by: ("hospital".parse().unwrap(), "active".parse().unwrap()),
            data: says(&checkpoint),
        };
        let bytes = transaction.to_bytes();
        assert_eq!(bytes.len(), 163);
        assert_eq!(Transaction::read(&bytes), Some(transaction.clone()));
        assert_eq!(said(&transaction), Some(checkpoint));
        let sent = packed(&[9; 65], &bytes);
        assert_eq!(unpacked(&sent), Some(([9; 65], bytes.as_slice())));
        for length in 0..bytes.len() {
            assert_eq!(Transaction::read(&bytes[..length]), None);
        }
        assert_eq!(unpacked(&sent[..sent.len() - 1]), None);
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(Transaction::read(&longer), None);
        let other = Transaction {
            action: (Name(1), Name(2)),
            ..transaction
        };
        assert_eq!(said(&other), None);
    }
}
