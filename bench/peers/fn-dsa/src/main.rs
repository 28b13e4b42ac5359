//! FN-DSA-1024: key generation solves the NTRU equation at the degree of set A, signing samples over the NTRU
//! lattice as extraction does. Its q is 12,289, so its polynomials are shorter than ours. Variant: `512`, `1024`.

use fn_dsa::{
    DOMAIN_NONE, FN_DSA_LOGN_512, FN_DSA_LOGN_1024, HASH_ID_RAW, KeyPairGenerator,
    KeyPairGeneratorStandard, SigningKey, SigningKeyStandard, VerifyingKey, VerifyingKeyStandard,
    sign_key_size, signature_size, vrfy_key_size,
};
use harness::{Arguments, Class, Form, Peer};
use rand_core::OsRng;

fn main() {
    let arguments = Arguments::read();
    let (log_n, name) = match arguments.variant.as_deref() {
        Some("512") => (FN_DSA_LOGN_512, "fn-dsa 512"),
        _ => (FN_DSA_LOGN_1024, "fn-dsa 1024"),
    };
    let generate = move || {
        let (mut signing, mut verifying) =
            (vec![0; sign_key_size(log_n)], vec![0; vrfy_key_size(log_n)]);
        let mut generator = KeyPairGeneratorStandard::default();
        generator.keygen(log_n, &mut OsRng, &mut signing, &mut verifying);
        (signing, verifying)
    };
    let (signing, verifying) = generate();
    let sign = move |key: &mut SigningKeyStandard| {
        let mut signature = vec![0; signature_size(log_n)];
        key.sign(
            &mut OsRng,
            &DOMAIN_NONE,
            &HASH_ID_RAW,
            b"message",
            &mut signature,
        );
        signature
    };
    let mut key = SigningKeyStandard::decode(&signing).unwrap();
    let signature = sign(&mut key);
    let verifier = VerifyingKeyStandard::decode(&verifying).unwrap();
    assert!(verifier.verify(&signature, &DOMAIN_NONE, &HASH_ID_RAW, b"message"));
    let mut peer = Peer::new(name, &arguments);
    peer.size("public key", verifying.len());
    peer.size("secret key", signing.len());
    peer.size("signature", signature.len());

    let call = "KeyPairGeneratorStandard::keygen";
    peer.operation("set up", Form::Prepared, Class::Block, call, generate);
    let call = "SigningKeyStandard::sign";
    peer.operation("sign", Form::Prepared, Class::Block, call, move || {
        sign(&mut key)
    });
    peer.operation("sign", Form::Cold, Class::Block, call, || {
        sign(&mut SigningKeyStandard::decode(&signing).unwrap())
    });
    let call = "VerifyingKeyStandard::verify";
    peer.operation(
        "verify a signature",
        Form::Prepared,
        Class::Block,
        call,
        || verifier.verify(&signature, &DOMAIN_NONE, &HASH_ID_RAW, b"message"),
    );
    peer.operation("verify a signature", Form::Cold, Class::Block, call, || {
        let verifier = VerifyingKeyStandard::decode(&verifying).unwrap();
        verifier.verify(&signature, &DOMAIN_NONE, &HASH_ID_RAW, b"message")
    });
    peer.run();
}
