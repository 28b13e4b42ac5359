//! The key that pays, and whose signature says whose an anchor is.

use bitcoin::{
    Address, Network, PubkeyHash, ScriptBuf, Transaction,
    address::NetworkUnchecked,
    consensus, ecdsa,
    hashes::Hash as _,
    script::{Builder, Instruction, PushBytesBuf},
    secp256k1::{Message, PublicKey, Secp256k1, SecretKey, ecdsa::Signature},
    sighash::{EcdsaSighashType, SighashCache},
};
use std::str::FromStr;
use thiserror::Error;
use zeroize::Zeroizing;

use super::Payer;
use crate::chain::BadKey;

/// The key that pays.
pub struct Key {
    secret: Zeroizing<[u8; 32]>,
    public: PublicKey,
}

impl Key {
    /// From its 32 secret bytes.
    ///
    /// # Errors
    /// [`BadKey`] for zero and for what is not below the group's order.
    pub fn new(secret: &[u8; 32]) -> Result<Self, BadKey> {
        let mut own = SecretKey::from_slice(secret).map_err(|_| BadKey)?;
        let public = own.public_key(&Secp256k1::signing_only());
        own.non_secure_erase();
        Ok(Self {
            secret: Zeroizing::new(*secret),
            public,
        })
    }

    /// What its anchors are known by.
    pub fn payer(&self) -> Payer {
        Payer(
            bitcoin::PublicKey::new(self.public)
                .pubkey_hash()
                .to_byte_array(),
        )
    }

    /// Signs every input of `transaction`, all of which spend outputs of this key.
    pub(super) fn sign(&self, transaction: &mut Transaction) -> Result<(), BadKey> {
        let mut secret = SecretKey::from_slice(&*self.secret).map_err(|_| BadKey)?;
        let secp = Secp256k1::signing_only();
        let own = self.payer().script();
        let mut scripts = Vec::new();
        for index in 0..transaction.input.len() {
            let message = digest(transaction, index, &own).ok_or(BadKey)?;
            let signature = ecdsa::Signature::sighash_all(secp.sign_ecdsa(&message, &secret));
            let signature = PushBytesBuf::try_from(signature.to_vec()).map_err(|_| BadKey)?;
            let script = Builder::new()
                .push_slice(signature)
                .push_slice(self.public.serialize());
            scripts.push(script.into_script());
        }
        secret.non_secure_erase();
        for (input, script) in transaction.input.iter_mut().zip(scripts) {
            input.script_sig = script;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", hex::encode(self.payer().0))
    }
}

/// Text that is no address of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("it is no address of a public key (P2PKH: it begins with 1, or m or n on a test network)")]
pub struct BadAddress;

impl FromStr for Payer {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let address: Address<NetworkUnchecked> = text.parse().map_err(|_| BadAddress)?;
        let hash = address.assume_checked().pubkey_hash().ok_or(BadAddress)?;
        Ok(Self(hash.to_byte_array()))
    }
}

impl Payer {
    /// Its address in a network.
    pub fn address(&self, network: Network) -> String {
        Address::p2pkh(PubkeyHash::from_byte_array(self.0), network).to_string()
    }

    /// What its outputs are locked with.
    pub(super) fn script(&self) -> ScriptBuf {
        ScriptBuf::new_p2pkh(&PubkeyHash::from_byte_array(self.0))
    }

    /// Who signed a transaction as a whole: the key of its first input, if that spends an
    /// output of an address of a key and is signed with it, for all inputs and outputs.
    ///
    /// Such a signature is part of what the transaction's id is computed from, unlike a
    /// witness.
    pub(super) fn of(transaction: &Transaction) -> Option<Self> {
        let mut pushed = transaction.input.first()?.script_sig.instructions();
        let mut next = || match pushed.next()?.ok()? {
            Instruction::PushBytes(bytes) => Some(bytes.as_bytes()),
            Instruction::Op(_) => None,
        };
        let (signature, public) = (next()?, next()?);
        if pushed.next().is_some() {
            return None;
        }
        let (kind, signature) = signature.split_last()?;
        if u32::from(*kind) != EcdsaSighashType::All.to_u32() {
            return None;
        }
        let signature = Signature::from_der(signature).ok()?;
        let public = bitcoin::PublicKey::from_slice(public).ok()?;
        let payer = Self(public.pubkey_hash().to_byte_array());
        let message = digest(transaction, 0, &payer.script())?;
        let secp = Secp256k1::verification_only();
        secp.verify_ecdsa(&message, &signature, &public.inner)
            .ok()?;
        Some(payer)
    }
}

/// What is signed for an input.
fn digest(transaction: &Transaction, index: usize, script: &ScriptBuf) -> Option<Message> {
    let kind = EcdsaSighashType::All.to_u32();
    let hash = SighashCache::new(transaction).legacy_signature_hash(index, script, kind);
    Some(Message::from_digest(hash.ok()?.to_byte_array()))
}

/// A transaction without witnesses, spelt as its id is computed.
pub(super) fn read(bytes: &[u8]) -> Option<Transaction> {
    let transaction: Transaction = consensus::deserialize(bytes).ok()?;
    (consensus::serialize(&transaction) == bytes
        && transaction
            .input
            .iter()
            .all(|input| input.witness.is_empty()))
    .then_some(transaction)
}
