//! Which outputs pay for an anchor, and the transaction that spends them. Pure.
//!
//! The first output anchors, the second gives what is left back to the key: there is always
//! one, since it is what the chain is asked about later, and what pays for the next anchor.

use bitcoin::{
    Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness, absolute::LockTime,
    transaction::Version,
};

use super::Key;
use crate::chain::BadKey;

/// An output of the key's that nothing spends yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Coin {
    pub(super) at: OutPoint,
    /// Satoshi.
    pub(super) value: u64,
}

/// Index of the output that gives back what is left.
pub(super) const CHANGE: u32 = 1;
/// Nodes relay no output below it, satoshi.
const DUST: u64 = 546;
/// Coins of one transaction at most.
const MOST: usize = 16;

/// The fee of a transaction with so many inputs, satoshi, at `rate` for 1,000 virtual bytes.
pub(super) fn fee(inputs: usize, rate: u64) -> u64 {
    // 10 around, 92 and 34 for the outputs; an input with a signature of the longest kind.
    let size = 136 + 148 * inputs as u64;
    size.saturating_mul(rate).div_ceil(1_000)
}

/// What a fee must be below for these coins to pay it, satoshi.
pub(super) fn most(coins: &[Coin]) -> u64 {
    sum(coins).saturating_sub(DUST)
}

fn sum(coins: &[Coin]) -> u64 {
    coins
        .iter()
        .fold(0, |sum: u64, coin| sum.saturating_add(coin.value))
}

/// The fewest coins that pay a transaction at `rate`; none if all cannot.
pub(super) fn select(mut coins: Vec<Coin>, rate: u64) -> Option<Vec<Coin>> {
    coins.sort_by_key(|coin| (std::cmp::Reverse(coin.value), coin.at));
    coins.truncate(MOST);
    let enough = (1..=coins.len()).find(|count| {
        coins
            .get(..*count)
            .is_some_and(|few| fee(*count, rate) <= most(few))
    })?;
    coins.truncate(enough);
    Some(coins)
}

/// The signed transaction that spends `coins` for the output `says` and `fee`, and that no
/// block up to `height` can hold; none if they are too few.
pub(super) fn spend(
    key: &Key,
    coins: &[Coin],
    says: ScriptBuf,
    fee: u64,
    height: u32,
) -> Option<Result<Transaction, BadKey>> {
    let left = sum(coins).checked_sub(fee).filter(|left| *left >= DUST)?;
    let output = |value, script_pubkey| TxOut {
        value: Amount::from_sat(value),
        script_pubkey,
    };
    let mut transaction = Transaction {
        version: Version::TWO,
        lock_time: LockTime::from_height(height).ok()?,
        input: coins
            .iter()
            .map(|coin| TxIn {
                previous_output: coin.at,
                script_sig: ScriptBuf::new(),
                sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
                witness: Witness::new(),
            })
            .collect(),
        output: vec![output(0, says), output(left, key.payer().script())],
    };
    Some(key.sign(&mut transaction).map(|()| transaction))
}

/// What is offered for 1,000 virtual bytes: what is `asked` for now, and more than what is
/// replaced, by at least an eighth and what nodes want for relaying it again. `replaced` is
/// rate, fee and inputs of that.
pub(super) fn offer(asked: u64, relay: u64, replaced: Option<(u64, u64, usize)>) -> u64 {
    let Some((rate, paid, inputs)) = replaced else {
        return asked.max(relay);
    };
    let eighth = rate.saturating_add(rate / 8).saturating_add(1);
    let again = paid.saturating_add(fee(inputs, relay)).saturating_add(1);
    let for_relay = again
        .saturating_mul(1_000)
        .div_ceil(fee(inputs, 1_000).max(1));
    asked.max(eighth).max(for_relay)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use bitcoin::{Txid, consensus, hashes::Hash as _};

    fn coin(number: u8, value: u64) -> Coin {
        let txid = Txid::from_byte_array([number; 32]);
        let at = OutPoint { txid, vout: 0 };
        Coin { at, value }
    }

    #[test]
    fn the_fewest_coins_that_pay() {
        let coins = vec![coin(1, 500), coin(2, 1_000), coin(3, 900)];
        assert_eq!(select(coins.clone(), 1_000).unwrap(), [coin(2, 1_000)]);
        let two = select(coins.clone(), 2_000).unwrap();
        assert_eq!(two, [coin(2, 1_000), coin(3, 900)]);
        assert_eq!(select(coins, 5_000), None);
        assert_eq!(select(vec![], 1), None);
        let many = (0..60).map(|number| coin(number, 600)).collect();
        assert_eq!(select(many, 1_000_000), None);
        assert_eq!(select(vec![coin(1, 1_000_000), coin(2, 9)], u64::MAX), None);
    }

    #[test]
    fn what_is_spent_is_never_larger_than_was_paid_for() {
        let key = Key::new(&[7; 32]).unwrap();
        for number in 0..20 {
            for count in [1, 2, 5] {
                let coins: Vec<_> = (0..count).map(|at| coin(number * 7 + at, 10_000)).collect();
                let fee = fee(coins.len(), 1_000);
                let says = ScriptBuf::new_op_return([number; 70]);
                let spent = spend(&key, &coins, says, fee, 9).unwrap().unwrap();
                let length = consensus::serialize(&spent).len() as u64;
                assert!(
                    length <= fee && fee - length <= 11 + 3 * u64::from(count),
                    "{length} {fee}"
                );
                assert_eq!(super::super::Payer::of(&spent), Some(key.payer()));
            }
        }
        let says = ScriptBuf::new_op_return([1; 70]);
        assert!(
            spend(&key, &[coin(1, 1_000)], says, 455, 9).is_none(),
            "dust"
        );
    }

    #[test]
    fn a_replacement_pays_for_itself_and_more() {
        assert_eq!(offer(5_000, 1_000, None), 5_000);
        assert_eq!(offer(0, 1_000, None), 1_000);
        let mut rate = 1_000;
        for _ in 0..20 {
            let paid = fee(1, rate);
            let next = offer(1_000, 1_000, Some((rate, paid, 1)));
            assert!(next * 8 >= rate * 9 && fee(1, next) > paid + fee(1, 1_000));
            rate = next;
        }
        assert_eq!(offer(1, u64::MAX, Some((u64::MAX, u64::MAX, 1))), u64::MAX);
    }
}
