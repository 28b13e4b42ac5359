//! The X25519 recipient of age: wraps and unwraps the 16-byte key of a file. No re-encryption: a yardstick.

use age::secrecy::ExposeSecret;
use age::{Identity, Recipient, x25519};
use age_core::format::{FileKey, Stanza};
use harness::{Arguments, Class, Form, Peer};

fn main() {
    let arguments = Arguments::read();
    let identity = x25519::Identity::generate();
    let recipient = identity.to_public();
    let file_key = FileKey::new(Box::new([7; 16]));
    let wrap = |recipient: &x25519::Recipient| -> Stanza {
        recipient.wrap_file_key(&file_key).unwrap().0.remove(0)
    };
    let unwrap = |identity: &x25519::Identity, stanza: &Stanza| {
        identity.unwrap_stanza(stanza).unwrap().unwrap()
    };
    let stanza = wrap(&recipient);
    assert_eq!(
        unwrap(&identity, &stanza).expose_secret(),
        file_key.expose_secret()
    );
    let (secret, public) = (identity.to_string(), recipient.to_string());
    let mut peer = Peer::new("age", &arguments);
    peer.size("public key", 32);
    peer.size("secret key", 32);
    // The ephemeral share and the wrapped key, without their text armour.
    peer.size("capsule", 32 + stanza.body.len());

    peer.operation(
        "set up",
        Form::Prepared,
        Class::Block,
        "Identity::generate, to_public",
        || {
            let identity = x25519::Identity::generate();
            let recipient = identity.to_public();
            (identity, recipient)
        },
    );
    let call = "Recipient::wrap_file_key";
    peer.operation("encapsulate", Form::Prepared, Class::Cca, call, || {
        wrap(&recipient)
    });
    peer.operation("encapsulate", Form::Cold, Class::Cca, call, || {
        wrap(&public.parse().unwrap())
    });
    let call = "Identity::unwrap_stanza";
    peer.operation("decapsulate", Form::Prepared, Class::Cca, call, || {
        unwrap(&identity, &stanza)
    });
    peer.operation("decapsulate", Form::Cold, Class::Cca, call, || {
        unwrap(&secret.expose_secret().parse().unwrap(), &stanza)
    });
    peer.run();
}
