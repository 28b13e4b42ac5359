//! What each contract is told, and shows again as an event.

use alloy::{
    primitives::{B256, Log},
    sol_types::{SolCall as _, SolEvent as _},
};
use base::{ChainId, Digest};

use super::{
    contract::{Anchor, Permissions, Records},
    permission::{Permission, Span},
};
use crate::{checkpoint::Checkpoint, record::Record, subject::Subject};

/// A [`Subject`] that a contract of ours takes.
pub trait Told: Subject {
    /// Hash of its event's signature.
    const EVENT: B256;
    /// Whether leaves follow one another in the contract, from its `first` on.
    const FEED: bool;

    /// The call's data; with `keep` the contract keeps what it can for others.
    fn call(&self, keep: bool) -> Vec<u8>;

    /// What an event says, and the number that it is found by.
    fn heard(log: &Log) -> Option<(Self, u64)>;

    /// The first leaf that the contract must not know of yet.
    fn begins(&self) -> u64;

    /// The number that its event is found by, of what is one of a feed.
    fn number(&self) -> u64;
}

impl Told for Checkpoint {
    const EVENT: B256 = Anchor::Anchored::SIGNATURE_HASH;
    const FEED: bool = false;

    fn call(&self, keep: bool) -> Vec<u8> {
        let (root, head) = (B256::from(self.root.0), B256::from(self.head.0));
        let Self { size, height, .. } = *self;
        match keep {
            false => Anchor::anchorCall {
                root,
                size,
                height,
                head,
            }
            .abi_encode(),
            true => Anchor::anchorAndStoreCall {
                root,
                size,
                height,
                head,
            }
            .abi_encode(),
        }
    }

    fn heard(log: &Log) -> Option<(Self, u64)> {
        let event = Anchor::Anchored::decode_log(log).ok()?;
        Some((Self::from(&event.data), event.sequence))
    }

    fn begins(&self) -> u64 {
        self.size
    }

    fn number(&self) -> u64 {
        self.size
    }
}

impl Told for Record {
    const EVENT: B256 = Records::Recorded::SIGNATURE_HASH;
    const FEED: bool = true;

    fn call(&self, keep: bool) -> Vec<u8> {
        let (index, leaf) = (self.index, B256::from(self.leaf.0));
        match keep {
            false => Records::recordCall { index, leaf }.abi_encode(),
            true => Records::recordAndStoreCall { index, leaf }.abi_encode(),
        }
    }

    fn heard(log: &Log) -> Option<(Self, u64)> {
        let event = Records::Recorded::decode_log(log).ok()?;
        let record = Self {
            ledger: ChainId(event.ledger.0),
            index: event.index,
            leaf: Digest(event.leaf.0),
        };
        Some((record, event.index))
    }

    fn begins(&self) -> u64 {
        self.index
    }

    fn number(&self) -> u64 {
        self.index
    }
}

impl Told for Permission {
    const EVENT: B256 = Permissions::Permitted::SIGNATURE_HASH;
    const FEED: bool = true;

    fn call(&self, _: bool) -> Vec<u8> {
        let Self { from, index, .. } = *self;
        let key = B256::from(self.key.0);
        match self.span {
            Some(span) => Permissions::grantCall {
                from,
                index,
                key,
                notBefore: span.not_before,
                expires: span.expires,
            }
            .abi_encode(),
            None => Permissions::revokeCall { from, index, key }.abi_encode(),
        }
    }

    fn heard(log: &Log) -> Option<(Self, u64)> {
        let event = Permissions::Permitted::decode_log(log).ok()?;
        let span = (event.expires > 0).then_some(Span {
            not_before: event.notBefore,
            expires: event.expires,
        });
        let permission = Self {
            ledger: ChainId(event.ledger.0),
            from: event.from,
            index: event.index,
            key: Digest(event.key.0),
            span,
        };
        Some((permission, event.index))
    }

    fn begins(&self) -> u64 {
        self.from
    }

    fn number(&self) -> u64 {
        self.index
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloy::primitives::Address;

    /// A node of the chain may show what no contract of ours would say.
    #[test]
    fn the_highest_index_is_heard_without_a_panic() {
        let ledger = B256::repeat_byte(1);
        let (word, last) = (B256::repeat_byte(2), u64::MAX);
        let recorded = Records::Recorded {
            ledger,
            index: last,
            leaf: word,
        };
        let log = |data| Log {
            address: Address::ZERO,
            data,
        };
        let (record, _) = Record::heard(&log(recorded.encode_log_data())).unwrap();
        assert_eq!(Record::covered(&record.mark()), last);
        let permitted = Permissions::Permitted {
            ledger,
            index: last,
            key: word,
            from: last,
            notBefore: last,
            expires: last,
        };
        let (permission, _) = Permission::heard(&log(permitted.encode_log_data())).unwrap();
        assert_eq!(Permission::covered(&permission.mark()), last);
        let other = Log::new_unchecked(Address::ZERO, vec![Record::EVENT], Default::default());
        assert!(Record::heard(&other).is_none(), "topics are missing");
    }
}
