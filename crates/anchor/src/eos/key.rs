//! The key that signs, and how the chain writes keys and signatures.
//!
//! Source: the chain's `elliptic_secp256k1.cpp`. It takes only signatures in which neither
//! number begins with a set bit, nor with nine cleared ones; each try signs with other extra
//! data, so that the same bytes always get the same signature (RFC 6979, 3.6).

use base::Digest;
use k256::{
    ecdsa::{Signature, SigningKey, hazmat::SignPrimitive as _},
    sha2::Sha256,
};
use ripemd::{Digest as _, Ripemd160};

use crate::chain::BadKey;

/// The key that signs; it is wiped when dropped.
pub struct Key(SigningKey);

impl Key {
    /// From its 32 secret bytes.
    ///
    /// # Errors
    /// [`BadKey`] for zero and for what is not below the group's order.
    pub fn new(secret: &[u8; 32]) -> Result<Self, BadKey> {
        SigningKey::from_slice(secret).map(Self).map_err(|_| BadKey)
    }

    /// Its public key as an account's permission names it: `EOS…`.
    pub fn public(&self) -> String {
        let point = self.0.verifying_key().to_encoded_point(true);
        let bytes = checked(point.as_bytes(), b"");
        format!("EOS{}", bs58::encode(bytes).into_string())
    }

    /// The same in the newer spelling, `PUB_K1_…`.
    pub(super) fn public_k1(&self) -> String {
        let point = self.0.verifying_key().to_encoded_point(true);
        let bytes = checked(point.as_bytes(), b"K1");
        format!("PUB_K1_{}", bs58::encode(bytes).into_string())
    }

    /// Signs a hash: recovery byte and two numbers.
    pub(super) fn sign(&self, hash: &Digest) -> Result<[u8; 65], BadKey> {
        for attempt in 0_u32..TRIES {
            let (signature, recovery) = self
                .0
                .as_nonzero_scalar()
                .try_sign_prehashed_rfc6979::<Sha256>(&hash.0.into(), &extra(attempt))
                .map_err(|_| BadKey)?;
            let mut recovery = recovery.ok_or(BadKey)?.to_byte();
            let signature = match signature.normalize_s() {
                None => signature,
                Some(low) => {
                    recovery ^= 1;
                    low
                }
            };
            if is_canonical(&signature) {
                let mut bytes = [0; 65];
                let (first, rest) = bytes.split_at_mut(1);
                first.copy_from_slice(&[recovery + COMPACT]);
                rest.copy_from_slice(&signature.to_bytes());
                return Ok(bytes);
            }
        }
        Err(BadKey)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.public())
    }
}

/// Extra data of a try: none for the first.
fn extra(attempt: u32) -> Vec<u8> {
    match attempt {
        0 => Vec::new(),
        _ => {
            let mut data = vec![0; 28];
            data.extend(attempt.to_be_bytes());
            data
        }
    }
}

fn is_canonical(signature: &Signature) -> bool {
    let bytes = signature.to_bytes();
    let fine = |number: &[u8]| match number {
        [first, second, ..] => first & 0x80 == 0 && (*first != 0 || second & 0x80 != 0),
        _ => false,
    };
    let (r, s) = bytes.split_at(32);
    fine(r) && fine(s)
}

/// A signature as the chain's interface takes it.
pub(super) fn shown(signature: &[u8; 65]) -> String {
    let bytes = checked(signature, b"K1");
    format!("SIG_K1_{}", bs58::encode(bytes).into_string())
}

/// A signature of the interface as blocks have it: its kind, and its bytes.
pub(super) fn signature(text: &str) -> Option<Vec<u8>> {
    let (kind, prefix) = [(0, "SIG_K1_"), (1, "SIG_R1_"), (2, "SIG_WA_")]
        .into_iter()
        .find(|(_, prefix)| text.starts_with(prefix))?;
    // Longer ones would take minutes: the work grows with the square.
    let digits = text.get(prefix.len()..).filter(|it| it.len() < LONGEST)?;
    let bytes = bs58::decode(digits).into_vec().ok()?;
    let (bytes, _sum) = bytes.split_last_chunk::<4>()?;
    let own = |length| bytes.len() == length;
    (kind == 2 && bytes.len() > 65 || own(65)).then(|| [&[kind], bytes].concat())
}

/// Bytes with the start of a hash over them, which is how typing errors are noticed.
fn checked(bytes: &[u8], suffix: &[u8]) -> Vec<u8> {
    let sum = Ripemd160::new()
        .chain_update(bytes)
        .chain_update(suffix)
        .finalize();
    bytes.iter().chain(sum.iter().take(4)).copied().collect()
}

/// Each try is canonical with a chance of about a half.
const TRIES: u32 = 1_000;
/// What a recovery byte counts from, for a key in its short form.
const COMPACT: u8 = 31;
/// Characters of the longest signature that is read.
const LONGEST: usize = 8_192;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use k256::ecdsa::{RecoveryId, VerifyingKey};

    #[test]
    fn a_key_is_written_as_the_chain_writes_it() {
        // The key that every test node of the chain knows.
        let secret = bs58::decode("5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3")
            .into_vec()
            .unwrap();
        let key = Key::new(secret[1..33].try_into().unwrap()).unwrap();
        assert_eq!(
            key.public(),
            "EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV"
        );
        assert_eq!(
            key.public_k1(),
            "PUB_K1_6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5BoDq63"
        );
        assert!(Key::new(&[0; 32]).is_err() && Key::new(&[0xff; 32]).is_err());
    }

    #[test]
    fn every_signature_is_canonical_and_says_whose_it_is() {
        let key = Key::new(&[7; 32]).unwrap();
        let mut more = 0;
        for number in 0..200_u8 {
            let hash = Digest::of(&[number]);
            let bytes = key.sign(&hash).unwrap();
            assert_eq!(key.sign(&hash).unwrap(), bytes, "always the same");
            let signature = Signature::from_slice(&bytes[1..]).unwrap();
            assert!(is_canonical(&signature));
            let recovery = RecoveryId::from_byte(bytes[0] - COMPACT).unwrap();
            let whose = VerifyingKey::recover_from_prehash(&hash.0, &signature, recovery);
            assert_eq!(&whose.unwrap(), key.0.verifying_key());
            let (first, _) = key
                .0
                .as_nonzero_scalar()
                .try_sign_prehashed_rfc6979::<Sha256>(&hash.0.into(), &[])
                .unwrap();
            more += u32::from(!is_canonical(&first.normalize_s().unwrap_or(first)));
            let text = shown(&bytes);
            let whole = [&[0], bytes.as_slice()].concat();
            assert_eq!(super::signature(&text), Some(whole));
        }
        assert!(more > 20, "{more} needed another try");
        for wrong in ["", "SIG_K1_", "SIG_K1_1", "SIG_XX_111111", "SIG_K1_0", "ü"] {
            assert_eq!(signature(wrong), None, "{wrong}");
        }
    }
}
