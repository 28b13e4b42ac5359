//! Transactions of Bitcoin that tests make by hand.

use ::bitcoin::{
    Amount, OutPoint, PubkeyHash, ScriptBuf, Transaction, TxIn, TxOut,
    absolute::LockTime,
    consensus,
    hashes::Hash as _,
    script::PushBytesBuf,
    secp256k1::{Message, Secp256k1, SecretKey},
    sighash::SighashCache,
    transaction::Version,
};
use anchor::Attempt;
use serde_json::json;

use crate::bitcoind::Bitcoind;

/// What an attempt spends.
pub(crate) fn spent(attempt: &Attempt) -> Vec<OutPoint> {
    let inputs = parsed(attempt).input;
    inputs.iter().map(|input| input.previous_output).collect()
}

pub(crate) fn parsed(attempt: &Attempt) -> Transaction {
    consensus::deserialize(&attempt.bytes).unwrap()
}

/// A transaction, in hexadecimal digits, that spends the same for much more and says nothing.
pub(crate) fn elsewhere(attempt: &Attempt, secret: &[u8; 32]) -> String {
    let mut transaction = parsed(attempt);
    transaction.output.remove(0);
    transaction.output[0].value -= Amount::from_sat(100_000);
    sign(&mut transaction, secret);
    consensus::encode::serialize_hex(&transaction)
}

/// Signs the first input, and those of no other kind.
pub(crate) fn sign(transaction: &mut Transaction, secret: &[u8; 32]) {
    let secret = SecretKey::from_slice(secret).unwrap();
    let secp = Secp256k1::new();
    let public = ::bitcoin::PublicKey::new(secret.public_key(&secp));
    let own = ScriptBuf::new_p2pkh(&PubkeyHash::hash(&public.to_bytes()));
    let hash = SighashCache::new(&*transaction).legacy_signature_hash(0, &own, 1);
    let message = Message::from_digest(hash.unwrap().to_byte_array());
    let mut signature = secp.sign_ecdsa(&message, &secret).serialize_der().to_vec();
    signature.push(1);
    let signature = PushBytesBuf::try_from(signature).unwrap();
    let script = ::bitcoin::script::Builder::new()
        .push_slice(signature)
        .push_key(&public);
    transaction.input[0].script_sig = script.into_script();
}

/// A coin that can be moved: where, and its satoshi.
pub(crate) type Coin = (OutPoint, u64);

/// All coins of an address in blocks.
pub(crate) fn coins(node: &Bitcoind, address: &str) -> Vec<Coin> {
    let found = node.call(
        "scantxoutset",
        json!(["start", [format!("addr({address})")]]),
    );
    let found = found["unspents"].as_array().unwrap().iter();
    found
        .map(|coin| {
            let txid = coin["txid"].as_str().unwrap().parse().unwrap();
            let vout = coin["vout"].as_u64().unwrap().try_into().unwrap();
            let value = Amount::from_btc(coin["amount"].as_f64().unwrap()).unwrap();
            (OutPoint { txid, vout }, value.to_sat())
        })
        .collect()
}

/// A transaction, in hexadecimal digits, that moves a coin to where nobody can take it.
pub(crate) fn moved(coin: &Coin, secret: &[u8; 32]) -> String {
    let (at, value) = *coin;
    let input = TxIn {
        previous_output: at,
        ..TxIn::default()
    };
    let output = TxOut {
        value: Amount::from_sat(value - 100_000),
        script_pubkey: ScriptBuf::new_p2pkh(&PubkeyHash::all_zeros()),
    };
    let mut transaction = Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![input],
        output: vec![output],
    };
    sign(&mut transaction, secret);
    consensus::encode::serialize_hex(&transaction)
}
