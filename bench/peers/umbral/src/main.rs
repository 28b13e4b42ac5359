//! Umbral with one proxy (threshold 1 of 1), its key frags signed for both parties.

use harness::{Arguments, Class, Form, Peer};
use umbral_pre::bench::{capsule_from_public_key, capsule_open_original, capsule_open_reencrypted};
use umbral_pre::{
    Capsule, CapsuleFrag, DefaultDeserialize, DefaultSerialize, KeyFrag, PublicKey, SecretKey,
    Signer, VerifiedKeyFrag, encrypt, generate_kfrags, reencrypt,
};

fn main() {
    let arguments = Arguments::read();
    let (secret, receiver) = (SecretKey::random(), SecretKey::random());
    let (public, receiving) = (secret.public_key(), receiver.public_key());
    let signer = Signer::new(SecretKey::random());
    let verifying = signer.verifying_key();
    let kfrag = || -> VerifiedKeyFrag {
        generate_kfrags(&secret, &receiving, &signer, 1, 1, true, true)[0].clone()
    };
    let granted = kfrag();
    let (capsule, seed) = capsule_from_public_key(&public);
    let cfrag = reencrypt(&capsule, granted.clone()).unverify();
    let opened = capsule_open_reencrypted(&capsule, &receiver, &public, &[cfrag.clone()]).unwrap();
    assert_eq!(opened.as_secret(), seed.as_secret());

    let (secret_bytes, receiver_bytes) = (secret.to_be_bytes(), receiver.to_be_bytes());
    let bytes = Bytes {
        public: public.to_compressed_bytes().into(),
        receiving: receiving.to_compressed_bytes().into(),
        capsule: capsule.to_bytes().unwrap().into(),
        kfrag: granted.clone().unverify().to_bytes().unwrap().into(),
        cfrag: cfrag.to_bytes().unwrap().into(),
    };
    let mut peer = Peer::new("umbral-pre", &arguments);
    peer.size("public key", bytes.public.len());
    peer.size("secret key", secret_bytes.as_secret().len());
    peer.size("user key", receiver_bytes.as_secret().len());
    peer.size("capsule", capsule.to_bytes_simple().len());
    peer.size("re-encryption key", bytes.kfrag.len());
    peer.size("re-encrypted capsule", cfrag.to_bytes_simple().len());

    peer.operation(
        "set up",
        Form::Prepared,
        Class::Block,
        "SecretKey::random, public_key",
        || {
            let secret = SecretKey::random();
            let public = secret.public_key();
            (secret, public)
        },
    );
    let call = "generate_kfrags, 1 of 1, both keys signed";
    peer.operation("rekey", Form::Prepared, Class::Verified, call, kfrag);
    peer.operation("rekey", Form::Cold, Class::Verified, call, || {
        let secret = SecretKey::try_from_be_bytes(&secret_bytes).unwrap();
        generate_kfrags(&secret, &key(&bytes.receiving), &signer, 1, 1, true, true)
    });
    let call = "Capsule::from_public_key (no body)";
    peer.operation("encapsulate", Form::Prepared, Class::Cca, call, || {
        capsule_from_public_key(&public)
    });
    peer.operation("encapsulate", Form::Cold, Class::Cca, call, || {
        capsule_from_public_key(&key(&bytes.public))
    });
    let call = "encrypt, 32 bytes of body";
    peer.operation(
        "encapsulate and wrap",
        Form::Prepared,
        Class::Cca,
        call,
        || encrypt(&public, &[7; 32]).unwrap(),
    );
    let call = "Capsule::open_original (no check of the capsule)";
    peer.operation("decapsulate", Form::Prepared, Class::Cca, call, || {
        capsule_open_original(&capsule, &secret)
    });
    let call = "Capsule::from_bytes (checks the capsule), open_original";
    peer.operation("decapsulate", Form::Cold, Class::Cca, call, || {
        let secret = SecretKey::try_from_be_bytes(&secret_bytes).unwrap();
        capsule_open_original(&Capsule::from_bytes(&bytes.capsule).unwrap(), &secret)
    });
    let call = "reencrypt, with its proof";
    peer.operation(
        "re-encrypt with proof",
        Form::Prepared,
        Class::Verified,
        call,
        || reencrypt(&capsule, granted.clone()),
    );
    let call = "KeyFrag::verify, reencrypt with its proof";
    peer.operation(
        "re-encrypt with proof",
        Form::Cold,
        Class::Verified,
        call,
        || {
            let kfrag = KeyFrag::from_bytes(&bytes.kfrag).unwrap();
            let kfrag = kfrag
                .verify(&verifying, Some(&public), Some(&receiving))
                .unwrap();
            reencrypt(&Capsule::from_bytes(&bytes.capsule).unwrap(), kfrag)
        },
    );
    let call = "open_reencrypted, the proof unread";
    peer.operation(
        "open re-encrypted",
        Form::Prepared,
        Class::Cca,
        call,
        || capsule_open_reencrypted(&capsule, &receiver, &public, &[cfrag.clone()]).unwrap(),
    );
    let call = "CapsuleFrag::verify, open_reencrypted";
    peer.operation(
        "open re-encrypted, checked",
        Form::Prepared,
        Class::Verified,
        call,
        || {
            let checked = cfrag
                .clone()
                .verify(&capsule, &verifying, &public, &receiving)
                .unwrap();
            capsule_open_reencrypted(&capsule, &receiver, &public, &[checked.unverify()]).unwrap()
        },
    );
    peer.operation(
        "open re-encrypted, checked",
        Form::Cold,
        Class::Verified,
        call,
        || {
            let receiver = SecretKey::try_from_be_bytes(&receiver_bytes).unwrap();
            let public = key(&bytes.public);
            let capsule = Capsule::from_bytes(&bytes.capsule).unwrap();
            let cfrag = CapsuleFrag::from_bytes(&bytes.cfrag).unwrap();
            let checked = cfrag
                .verify(&capsule, &verifying, &public, &receiver.public_key())
                .unwrap();
            capsule_open_reencrypted(&capsule, &receiver, &public, &[checked.unverify()]).unwrap()
        },
    );
    peer.run();
}

struct Bytes {
    public: Vec<u8>,
    receiving: Vec<u8>,
    capsule: Vec<u8>,
    kfrag: Vec<u8>,
    cfrag: Vec<u8>,
}

fn key(bytes: &[u8]) -> PublicKey {
    PublicKey::try_from_compressed_bytes(bytes).unwrap()
}
