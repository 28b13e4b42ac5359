//! ML-KEM of RustCrypto: a key encapsulation without re-encryption, the yardstick of every lattice KEM.
//! Variant: `512` or `768`.

use harness::{Arguments, Class, Form, Peer};
use ml_kem::{Decapsulate, Encapsulate, Kem, KeyExport, KeyInit, MlKem512, MlKem768};
use rand_core::UnwrapErr;

macro_rules! measure {
    ($arguments:expr, $set:ty, $name:literal) => {{
        let (secret, public) = <$set>::generate_keypair_from_rng(&mut system());
        let (capsule, key) = public.encapsulate_with_rng(&mut system());
        assert_eq!(secret.decapsulate(&capsule), key);
        let seed = secret.to_seed().unwrap();
        let bytes = public.to_bytes();
        let mut peer = Peer::new($name, $arguments);
        peer.size("public key", bytes.len());
        peer.size("secret key", seed.len());
        peer.size("capsule", capsule.len());

        peer.operation(
            "set up",
            Form::Prepared,
            Class::Block,
            "generate_keypair",
            || <$set>::generate_keypair_from_rng(&mut system()),
        );
        let call = "EncapsulationKey::encapsulate";
        peer.operation("encapsulate", Form::Prepared, Class::Cca, call, || {
            public.encapsulate_with_rng(&mut system())
        });
        peer.operation("encapsulate", Form::Cold, Class::Cca, call, || {
            let public = <$set as Kem>::EncapsulationKey::new(&bytes).unwrap();
            public.encapsulate_with_rng(&mut system())
        });
        let call = "DecapsulationKey::decapsulate";
        peer.operation("decapsulate", Form::Prepared, Class::Cca, call, || {
            secret.decapsulate(&capsule)
        });
        let call = "DecapsulationKey::new (from the seed), decapsulate";
        peer.operation("decapsulate", Form::Cold, Class::Cca, call, || {
            <$set as Kem>::DecapsulationKey::new(&seed).decapsulate(&capsule)
        });
        peer.run();
    }};
}

fn main() {
    let arguments = Arguments::read();
    match arguments.variant.as_deref() {
        Some("512") => measure!(&arguments, MlKem512, "ml-kem 512"),
        _ => measure!(&arguments, MlKem768, "ml-kem 768"),
    }
}

fn system() -> UnwrapErr<getrandom::SysRng> {
    UnwrapErr(getrandom::SysRng)
}
