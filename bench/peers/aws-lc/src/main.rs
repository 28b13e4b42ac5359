//! ML-KEM of AWS-LC (C and assembly): the fastest key encapsulation at hand. Variant: `512` or `768`.

use aws_lc_rs::kem::{Ciphertext, DecapsulationKey, EncapsulationKey, ML_KEM_512, ML_KEM_768};
use harness::{Arguments, Class, Form, Peer};

fn main() {
    let arguments = Arguments::read();
    let (algorithm, name) = match arguments.variant.as_deref() {
        Some("512") => (&ML_KEM_512, "aws-lc ml-kem 512"),
        _ => (&ML_KEM_768, "aws-lc ml-kem 768"),
    };
    let secret = DecapsulationKey::generate(algorithm).unwrap();
    let public = secret.encapsulation_key().unwrap();
    let (capsule, key) = public.encapsulate().unwrap();
    let capsule = capsule.as_ref().to_vec();
    let decapsulate = |secret: &DecapsulationKey| {
        secret
            .decapsulate(Ciphertext::from(capsule.as_slice()))
            .unwrap()
    };
    assert_eq!(decapsulate(&secret).as_ref(), key.as_ref());
    let bytes = public.key_bytes().unwrap().as_ref().to_vec();
    let secret_bytes = secret.key_bytes().unwrap().as_ref().to_vec();
    let mut peer = Peer::new(name, &arguments);
    peer.size("public key", bytes.len());
    peer.size("secret key", secret_bytes.len());
    peer.size("capsule", capsule.len());

    peer.operation(
        "set up",
        Form::Prepared,
        Class::Block,
        "DecapsulationKey::generate",
        || DecapsulationKey::generate(algorithm).unwrap(),
    );
    let call = "EncapsulationKey::encapsulate";
    peer.operation("encapsulate", Form::Prepared, Class::Cca, call, || {
        public.encapsulate().unwrap()
    });
    peer.operation("encapsulate", Form::Cold, Class::Cca, call, || {
        EncapsulationKey::new(algorithm, &bytes)
            .unwrap()
            .encapsulate()
            .unwrap()
    });
    let call = "DecapsulationKey::decapsulate";
    peer.operation("decapsulate", Form::Prepared, Class::Cca, call, || {
        decapsulate(&secret)
    });
    peer.operation("decapsulate", Form::Cold, Class::Cca, call, || {
        decapsulate(&DecapsulationKey::new(algorithm, &secret_bytes).unwrap())
    });
    peer.run();
}
