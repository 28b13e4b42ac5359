//! Social recovery: a patient's guardians bring her account and her phrase back.
//!
//! Source: protocol page, "Recovery". One file per party: the owner ([`guard`]), a guardian
//! ([`keep`]), and the device on which the owner starts again ([`claim`]).

pub mod claim;
pub mod guard;
pub mod keep;
pub mod letters;
mod shamir;
pub mod watch;

use base::{Digest, Statement as _, operation::RecoveryClaim};

/// The name of a claim in vaults and letters.
pub fn claim_id(claim: &RecoveryClaim) -> Digest {
    Digest::of(&claim.preimage())
}

/// What the owner reads out and a guardian types: 20 digits that only this claim has, so
/// that nobody approves what somebody else sent. To find another claim with the same code
/// takes 2^66 tries.
pub fn code(claim: &RecoveryClaim) -> String {
    let Digest(bytes) = claim_id(claim);
    let mut number = [0; 16];
    number.copy_from_slice(&bytes[..16]);
    let digits = format!("{:020}", u128::from_be_bytes(number) % 10_u128.pow(DIGITS));
    let groups = [&digits[..5], &digits[5..10], &digits[10..15], &digits[15..]];
    groups.join("-")
}

/// Whether `typed` is the claim's code; blanks and dashes do not matter.
pub fn is_code(claim: &RecoveryClaim, typed: &str) -> bool {
    let plain = |text: &str| -> String {
        text.chars()
            .filter(|letter| !letter.is_whitespace() && *letter != '-')
            .collect()
    };
    plain(&code(claim)) == plain(typed)
}

const DIGITS: u32 = 20;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use base::{AccountId, ChainId, OperationId, cid, key::HpkeKey, key::OperationKey};

    #[test]
    fn a_code_is_of_its_claim() {
        let claim = RecoveryClaim {
            chain: ChainId([1; 32]),
            account: AccountId([2; 32]),
            guard: OperationId(cid::of_object(b"guard")),
            attempt: 1,
            key: OperationKey([3; 32]),
            hpke_key: HpkeKey::new(vec![4; HpkeKey::LENGTH]).unwrap(),
        };
        let shown = code(&claim);
        assert_eq!(shown.len(), 23);
        assert!(is_code(&claim, &shown));
        assert!(is_code(&claim, &format!(" {} ", shown.replace('-', " "))));
        for wrong in ["", "1", &shown[1..], &shown.replace('-', "x")] {
            assert!(!is_code(&claim, wrong), "{wrong}");
        }
        let second = RecoveryClaim {
            attempt: 2,
            ..claim.clone()
        };
        assert!(!is_code(&second, &shown));
        let other = RecoveryClaim {
            key: OperationKey([5; 32]),
            ..claim
        };
        assert_ne!(code(&other), shown);
    }
}
