//! Who a party is: its account and its secret keys.
//!
//! Source: protocol page, "Parties". A secret never leaves its holder's process but in
//! the forms that the protocol names (κ on a card, the key bag under the phrase).

use aws_lc_rs::signature::{KeyPair as _, ML_DSA_65_SIGNING, PqdsaKeyPair};
use hpke::{Deserializable as _, Kem as _, Serializable as _};
use ibpre::MasterKey;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use base::{
    AccountId, ChainId, Digest, OperationId, Statement as _, Version, codec,
    key::{HpkeKey, OperationSecret, RecordKey, RecordSignature},
    operation::{ProvenRecordKey, RecordKeyClaim},
    scope::ScopeSecret,
};

use crate::Suite;

/// The KEM of letters: ML-KEM-768 and X25519.
pub(crate) type Kem = hpke::kem::XWing;

/// A party on one ledger: account, operation key, HPKE key.
pub struct Party {
    /// The ledger.
    pub chain: ChainId,
    /// The account; stays when its keys change.
    pub account: AccountId,
    /// Signs operations, asks, tickets.
    pub operation: OperationSecret,
    /// Opens letters to the account.
    pub hpke: HpkeSecret,
    /// Institutions that publish: signs manifests.
    pub record: Option<RecordSecret>,
    /// Under which `Delegate` operation it acts for a patient, if it does.
    pub delegation: Option<OperationId>,
}

impl Party {
    /// A new party: its account is that of the operation key.
    pub fn new(chain: ChainId, operation: OperationSecret, hpke: HpkeSecret) -> Self {
        Self {
            chain,
            account: AccountId::of(&operation.public()),
            operation,
            hpke,
            record: None,
            delegation: None,
        }
    }

    /// The same party with a key that signs records.
    #[must_use]
    pub fn with_record_key(mut self, secret: RecordSecret) -> Self {
        self.record = Some(secret);
        self
    }

    /// Its record key with the proof that a `Register` or `RotateKey` carries.
    pub fn proven_record_key(&self) -> Option<ProvenRecordKey> {
        let secret = self.record.as_ref()?;
        let key = secret.public();
        let claim = RecordKeyClaim {
            chain: self.chain,
            account: self.account,
            key: key.clone(),
        };
        let proof = secret.sign(&claim.preimage());
        Some(ProvenRecordKey { key, proof })
    }
}

impl std::fmt::Debug for Party {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Party({})", self.account)
    }
}

/// What only a patient has: trapdoor, scope secret, implicit-rejection secret, and what
/// opens her key bag.
pub struct PatientSecrets {
    /// The trapdoor of her own key authority.
    pub master: MasterKey<Suite>,
    /// κ.
    pub kappa: ScopeSecret,
    /// z of the scheme.
    pub z: SecretBytes,
    /// From the backup phrase: key and place of the bag.
    pub bag: BagKeys,
}

impl PatientSecrets {
    /// Fresh secrets, to be backed up under `bag`. Takes tens of milliseconds.
    pub fn generate(bag: BagKeys, rng: &mut dyn CryptoRng) -> Self {
        let mut rng = rng;
        Self {
            master: ibpre::setup::<Suite>(&mut rng),
            kappa: ScopeSecret::new(random(rng)),
            z: SecretBytes::generate(rng),
            bag,
        }
    }

    /// The bytes for the patient's own encrypted home. Secret.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(codec::encode(&StoredSecrets {
            version: Version,
            master: ByteBuf::from(self.master.to_bytes().to_vec()),
            kappa: *self.kappa.as_secret(),
            z: *self.z.as_secret(),
            bag_key: *self.bag.key.as_secret(),
            locator: self.bag.locator,
        }))
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`BadSecrets`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadSecrets> {
        let stored: StoredSecrets = codec::decode(bytes).map_err(|_| BadSecrets)?;
        Ok(Self {
            master: MasterKey::from_bytes(&stored.master).map_err(|_| BadSecrets)?,
            kappa: ScopeSecret::new(stored.kappa),
            z: SecretBytes::new(stored.z),
            bag: BagKeys {
                key: SecretBytes::new(stored.bag_key),
                locator: stored.locator,
            },
        })
    }
}

/// What opens a key bag, and where it lies.
#[derive(Clone)]
pub struct BagKeys {
    /// AES-256 key of the bag.
    pub key: SecretBytes,
    /// Its secret place at the node.
    pub locator: Digest,
}

/// Bytes that are no patient's secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("these bytes are not a patient's secrets")]
pub struct BadSecrets;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredSecrets {
    #[serde(rename = "v")]
    version: Version,
    master: ByteBuf,
    #[serde(with = "serde_bytes")]
    kappa: [u8; 32],
    #[serde(with = "serde_bytes")]
    z: [u8; 32],
    #[serde(with = "serde_bytes")]
    bag_key: [u8; 32],
    locator: Digest,
}

impl Drop for StoredSecrets {
    fn drop(&mut self) {
        self.master.zeroize();
        self.kappa.zeroize();
        self.z.zeroize();
        self.bag_key.zeroize();
    }
}

/// 32 secret bytes, wiped when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SecretBytes([u8; 32]);

impl SecretBytes {
    /// Takes the bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Fresh bytes.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self(random(rng))
    }

    /// The secret bytes; every use is a place to review.
    pub fn as_secret(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Wipes the secret fields of a message or vault entry on drop, and keeps all of it out
/// of `Debug`.
macro_rules! secret {
    ($($name:ident { $($field:ident),+ })*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
        impl Drop for $name {
            fn drop(&mut self) {
                $(zeroize::Zeroize::zeroize(&mut self.$field[..]);)+
            }
        }
    )*};
}
pub(crate) use secret;

/// The secret half of an [`HpkeKey`]: an X-Wing seed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct HpkeSecret([u8; 32]);

impl HpkeSecret {
    /// From 32 secret random bytes.
    pub fn new(seed: [u8; 32]) -> Self {
        Self(seed)
    }

    /// A fresh one.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self(random(rng))
    }

    /// The public half, 1216 bytes.
    #[expect(clippy::expect_used, reason = "32 bytes in, 1216 out: fixed by X-Wing")]
    pub fn public(&self) -> HpkeKey {
        let key = Kem::sk_to_pk(&self.private());
        HpkeKey::new(key.to_bytes().to_vec()).expect("an X-Wing key has 1216 bytes")
    }

    #[expect(clippy::expect_used, reason = "an X-Wing secret is any 32 bytes")]
    pub(crate) fn private(&self) -> <Kem as hpke::Kem>::PrivateKey {
        <Kem as hpke::Kem>::PrivateKey::from_bytes(&self.0).expect("32 bytes")
    }

    /// The secret bytes; every use is a place to review.
    pub fn as_secret(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The secret half of a [`RecordKey`]: an ML-DSA-65 seed (FIPS 204, ξ).
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct RecordSecret([u8; 32]);

impl RecordSecret {
    /// From 32 secret random bytes.
    pub fn new(seed: [u8; 32]) -> Self {
        Self(seed)
    }

    /// A fresh one.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self(random(rng))
    }

    /// The public half.
    #[expect(clippy::expect_used, reason = "the length is fixed by FIPS 204")]
    pub fn public(&self) -> RecordKey {
        let bytes = self.pair().public_key().as_ref().to_vec();
        RecordKey::new(bytes).expect("an ML-DSA-65 key has 1952 bytes")
    }

    /// Signs with an empty context; randomised by the library's own generator.
    #[expect(clippy::expect_used, reason = "fails only without memory")]
    pub fn sign(&self, message: &[u8]) -> RecordSignature {
        let mut signature = vec![0; RecordSignature::LENGTH];
        self.pair()
            .sign(message, &mut signature)
            .expect("signing with a valid key");
        RecordSignature::new(signature).expect("ML-DSA-65 signatures have one length")
    }

    /// The secret bytes; every use is a place to review.
    pub fn as_secret(&self) -> &[u8; 32] {
        &self.0
    }

    #[expect(clippy::expect_used, reason = "every 32 bytes are an ML-DSA seed")]
    fn pair(&self) -> PqdsaKeyPair {
        PqdsaKeyPair::from_seed(&ML_DSA_65_SIGNING, &self.0).expect("32-byte seed")
    }
}

/// 32 random bytes.
pub(crate) fn random(rng: &mut dyn CryptoRng) -> [u8; 32] {
    let mut bytes = [0; 32];
    rng.fill_bytes(&mut bytes);
    bytes
}
