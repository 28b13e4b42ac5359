//! Every domain tag outside `ibpre`, in one place.
//!
//! A signed or hashed statement is `"medshare/v1/" ‖ tag ‖ 0x00 ‖ canonical bytes`;
//! the zero byte ends the tag, so no tag can be a prefix of another's input.

/// Account id from the first operation key.
pub const ACCOUNT: &str = "account";
/// Record id from hospital and nonce.
pub const RECORD: &str = "record";
/// A ledger operation.
pub const OPERATION: &str = "operation";
/// An institution's proof that it holds the ML-DSA key it registers.
pub const RECORD_KEY: &str = "record-key";
/// A new key's consent to replace the old one.
pub const KEY_CONSENT: &str = "key-consent";
/// An institution's consent that an account joins it.
pub const JOIN: &str = "join";
/// A requester's permission for one re-encryption.
pub const ASK: &str = "ask";
/// An agent's one-time HPKE key.
pub const PREKEY: &str = "prekey";
/// A patient's card (QR text).
pub const CARD: &str = "card";
/// An agent's word on a re-encrypted capsule.
pub const REENCRYPTED: &str = "reencrypted";
/// A requester's word that an agent's answer does not open.
pub const FAILURE: &str = "failure";
/// A short permission to use the interface.
pub const TICKET: &str = "ticket";
/// A node's word on what it holds, or gave to another to keep.
pub const HINT: &str = "hint";
/// The signature of a validator that decides alone, of a block.
pub const BLOCK: &str = "block";
/// A validator's precommit of a block in a round: what certificates are made of.
pub const COMMIT: &str = "commit";
/// A validator's other votes: prevotes, and precommits of no block.
pub const VOTE: &str = "vote";
/// A proposer's choice of a block for a round.
pub const PROPOSAL: &str = "proposal";
/// Who sends a block in pieces, and for which round.
pub const STREAM: &str = "stream";
/// A validator's word that a peer id is its own.
pub const VALIDATOR: &str = "validator";
/// A validator's word on how far its ledger is.
pub const TIP: &str = "tip";
/// What guardians approve when an account is recovered.
pub const RECOVERY: &str = "recovery";
/// Salt of a scope.
pub const SCOPE_SALT: &str = "scope-salt";
/// External data of the signed manifest (COSE).
pub const MANIFEST: &str = "manifest";
/// HPKE info string of letters.
pub const LETTER: &str = "letter";
/// Authenticated header of a capsule's key wrap.
pub const CAPSULE: &str = "capsule";
/// Authenticated header of a sealed body.
pub const BODY: &str = "body";
/// Wallet key bag.
pub const BAG: &str = "bag";
/// Keys of a home's vault.
pub const VAULT: &str = "vault";
/// One element of the state's set hash.
pub const STATE: &str = "state";

/// `"medshare/v1/" ‖ tag ‖ 0x00`.
pub fn preamble(tag: &str) -> Vec<u8> {
    [b"medshare/v1/", tag.as_bytes(), &[0]].concat()
}
