//! Recrypt, its 256-bit pairing: one hop from one public key to another.
//!
//! The plaintext is a random element of the pairing's target group, from which a key is derived: that is this
//! library's way to encapsulate. Each encrypted value is signed; `transform` and `decrypt` check the signature.

use harness::{Arguments, Class, Form, Peer};
use recrypt::api::{EncryptedValue, PublicKey};
use recrypt::prelude::*;

fn main() {
    let arguments = Arguments::read();
    let api = Recrypt::new();
    let signing = api.generate_ed25519_key_pair();
    let (secret, public) = api.generate_key_pair().unwrap();
    let (receiver, receiving) = api.generate_key_pair().unwrap();
    let plaintext = api.gen_plaintext();
    let encrypted = api.encrypt(&plaintext, &public, &signing).unwrap();
    let key = api
        .generate_transform_key(&secret, &receiving, &signing)
        .unwrap();
    let transformed = api
        .transform(encrypted.clone(), key.clone(), &signing)
        .unwrap();
    assert!(api.decrypt(transformed.clone(), &receiver).unwrap() == plaintext);

    let mut peer = Peer::new("recrypt", &arguments);
    peer.size("public key", point(&public));
    peer.size("secret key", secret.bytes().len());
    peer.size("user key", receiver.bytes().len());
    peer.size("capsule", size(&encrypted));
    peer.size("re-encrypted capsule", size(&transformed));
    let parts = key.encrypted_temp_key().bytes().len() + key.hashed_temp_key().bytes().len();
    let signed = key.public_signing_key().bytes().len() + key.signature().bytes().len();
    let points = point(key.ephemeral_public_key()) + point(key.to_public_key());
    peer.size("re-encryption key", points + parts + signed);

    peer.operation(
        "set up",
        Form::Prepared,
        Class::Block,
        "generate_key_pair",
        || api.generate_key_pair().unwrap(),
    );
    peer.operation(
        "rekey",
        Form::Prepared,
        Class::Verified,
        "generate_transform_key, signed",
        || {
            api.generate_transform_key(&secret, &receiving, &signing)
                .unwrap()
        },
    );
    let call = "gen_plaintext, encrypt, derive_symmetric_key";
    peer.operation("encapsulate", Form::Prepared, Class::Cca, call, || {
        let plaintext = api.gen_plaintext();
        let encrypted = api.encrypt(&plaintext, &public, &signing).unwrap();
        (encrypted, api.derive_symmetric_key(&plaintext))
    });
    let call = "decrypt, derive_symmetric_key";
    peer.operation("decapsulate", Form::Prepared, Class::Cca, call, || {
        api.derive_symmetric_key(&api.decrypt(encrypted.clone(), &secret).unwrap())
    });
    let call = "transform: checks two signatures, signs";
    peer.operation(
        "re-encrypt with proof",
        Form::Prepared,
        Class::Verified,
        call,
        || {
            api.transform(encrypted.clone(), key.clone(), &signing)
                .unwrap()
        },
    );
    let call = "decrypt (signature and hash), derive_symmetric_key";
    peer.operation(
        "open re-encrypted, checked",
        Form::Prepared,
        Class::Verified,
        call,
        || api.derive_symmetric_key(&api.decrypt(transformed.clone(), &receiver).unwrap()),
    );
    peer.run();
}

fn point(key: &PublicKey) -> usize {
    let (x, y) = key.bytes_x_y();
    x.len() + y.len()
}

/// Bytes of an encrypted value: the library leaves the encoding to its user, this is the sum of the parts.
fn size(value: &EncryptedValue) -> usize {
    match value {
        EncryptedValue::EncryptedOnceValue {
            ephemeral_public_key,
            encrypted_message,
            auth_hash,
            public_signing_key,
            signature,
        } => {
            let message = encrypted_message.bytes().len() + auth_hash.bytes().len();
            let signed = public_signing_key.bytes().len() + signature.bytes().len();
            point(ephemeral_public_key) + message + signed
        }
        EncryptedValue::TransformedValue {
            ephemeral_public_key,
            encrypted_message,
            auth_hash,
            transform_blocks,
            public_signing_key,
            signature,
        } => {
            let block = transform_blocks.first();
            let keys = point(block.public_key()) + point(block.random_transform_public_key());
            let blocks = block.encrypted_temp_key().bytes().len()
                + block.encrypted_random_transform_temp_key().bytes().len();
            let message = encrypted_message.bytes().len() + auth_hash.bytes().len();
            let signed = public_signing_key.bytes().len() + signature.bytes().len();
            point(ephemeral_public_key) + message + signed + keys + blocks
        }
    }
}
