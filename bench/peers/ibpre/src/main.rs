//! The product's scheme: every verb, prepared and from bytes. Variant: the parameter set, `A` or `B`.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use harness::{Arguments, Class, Form, Peer};
use ibpre::{
    AcceptedCapsule, Capsule, DecapsulationKey, Extractor, GrantId, GrantKey, MasterKey, NoiseKey,
    Opening, ParameterSet, PublicParams, Query, ReencryptedCapsule, ReencryptionKey, ScopeId,
    ScopeKey, SetA, SetB, UserKey, audit, commitment, grant_id, rekey, scope_id, setup, terms_hash,
};
use rand_core::UnwrapErr;

fn main() {
    let arguments = Arguments::read();
    match arguments.variant.as_deref() {
        Some("A") => verbs::<SetA>(&arguments),
        Some("B") => verbs::<SetB>(&arguments),
        _ => panic!("name the parameter set, A or B"),
    }
}

fn verbs<P: ParameterSet>(arguments: &Arguments) {
    let keys = Keys::<P>::generate();
    let mut peer = Peer::new(format!("ibpre {}", P::NAME), arguments);
    keys.sizes(&peer);
    delegator(&mut peer, &keys);
    everyone(&mut peer, &keys);
    proxy(&mut peer, &keys);
    delegatee(&mut peer, &keys);
    peer.run();
}

/// Everything that stands ready before a measurement, and the same as bytes.
struct Keys<P: ParameterSet> {
    public: PublicParams<P>,
    sid: ScopeId,
    scope: ScopeKey<P>,
    gid: GrantId,
    extractor: Extractor<P>,
    e1: UserKey<P>,
    grant: GrantKey<P>,
    rk: ReencryptionKey<P>,
    noise: NoiseKey,
    capsule: Capsule<P>,
    reencrypted: ReencryptedCapsule<P>,
    bytes: Bytes,
}

struct Bytes {
    master: Vec<u8>,
    h: Vec<u8>,
    e1: Vec<u8>,
    grant: Vec<u8>,
    rk: Vec<u8>,
    capsule: Vec<u8>,
    reencrypted: Vec<u8>,
}

impl<P: ParameterSet> Keys<P> {
    fn generate() -> Self {
        let rng = &mut system();
        let master = setup::<P>(rng);
        let extractor = Extractor::new(&master);
        let public = master.public_params().clone();
        let mut issued = BTreeSet::new();
        let sid = scope_id::<P>(b"peers");
        let scope = ScopeKey::new(&public, sid);
        let e1 = extractor.extract(sid, &mut issued, rng).unwrap();
        let terms = terms_hash::<P>(b"terms");
        let gid = grant_id::<P>(b"peers", sid, b"delegatee", &[1; 32], &[2; 32], &terms);
        let (grant, rk) = rekey(&extractor, &e1, gid, &mut issued, rng).unwrap();
        let noise = NoiseKey::generate(rng);
        let (_, capsule) = scope.encapsulate(rng);
        let accepted = AcceptedCapsule::trust_ledger(capsule.clone());
        let ctid = capsule.id(public.pkh(), sid);
        let reencrypted = rk.prepare().reencrypt(&accepted, &noise, gid, ctid);
        let bytes = Bytes {
            master: master.to_bytes().to_vec(),
            h: public.to_bytes(),
            e1: e1.to_bytes().to_vec(),
            grant: grant.to_bytes().to_vec(),
            rk: rk.to_bytes().to_vec(),
            capsule: capsule.to_bytes(),
            reencrypted: reencrypted.to_bytes(),
        };
        Self {
            public,
            sid,
            scope,
            gid,
            extractor,
            e1,
            grant,
            rk,
            noise,
            capsule,
            reencrypted,
            bytes,
        }
    }

    fn sizes(&self, peer: &Peer<'_>) {
        peer.size("public key", self.bytes.h.len());
        peer.size("secret key", self.bytes.master.len());
        peer.size("capsule", self.bytes.capsule.len());
        // The agent's packet holds rk and the key of the noise.
        peer.size("re-encryption key", self.bytes.rk.len() + 32);
        peer.size("re-encrypted capsule", self.bytes.reencrypted.len());
        peer.size("user key", self.bytes.e1.len());
    }

    fn parsed(&self) -> PublicParams<P> {
        PublicParams::from_bytes(&self.bytes.h).unwrap()
    }
}

fn delegator<'a, P: ParameterSet>(peer: &mut Peer<'a>, keys: &'a Keys<P>) {
    peer.operation("set up", Form::Prepared, Class::Block, "setup", || {
        setup::<P>(&mut system())
    });
    let load = || Extractor::new(&MasterKey::<P>::from_bytes(&keys.bytes.master).unwrap());
    peer.operation(
        "load the secret key",
        Form::Cold,
        Class::Block,
        "Extractor::new",
        load,
    );
    let extract = |extractor: &Extractor<P>| {
        let sid = scope_id::<P>(&fresh());
        extractor
            .extract(sid, &mut BTreeSet::new(), &mut system())
            .unwrap()
    };
    let call = "Extractor::extract";
    peer.operation("extract", Form::Prepared, Class::Block, call, move || {
        extract(&keys.extractor)
    });
    peer.operation("extract", Form::Cold, Class::Block, call, move || {
        extract(&load())
    });
    let grant = |extractor: &Extractor<P>, e1: &UserKey<P>| {
        let gid = GrantId::from_bytes(scope_id::<P>(&fresh()).to_bytes());
        rekey(extractor, e1, gid, &mut BTreeSet::new(), &mut system()).unwrap()
    };
    let call = "rekey: grant key and rk";
    peer.operation("rekey", Form::Prepared, Class::Hra, call, move || {
        grant(&keys.extractor, &keys.e1)
    });
    peer.operation("rekey", Form::Cold, Class::Hra, call, move || {
        grant(&load(), &UserKey::from_bytes(&keys.bytes.e1).unwrap())
    });
    let key = DecapsulationKey::new(&keys.scope, &keys.e1, [3; 32]);
    assert!(key.accept(&keys.capsule).is_ok());
    let call = "DecapsulationKey::decapsulate, encrypts anew and compares";
    peer.operation("decapsulate", Form::Prepared, Class::Cca, call, move || {
        key.decapsulate(&keys.capsule)
    });
    peer.operation("decapsulate", Form::Cold, Class::Cca, call, move || {
        let e1 = UserKey::from_bytes(&keys.bytes.e1).unwrap();
        let capsule = Capsule::from_bytes(&keys.bytes.capsule).unwrap();
        let scope = ScopeKey::new(&keys.parsed(), keys.sid);
        DecapsulationKey::new(&scope, &e1, [3; 32]).decapsulate(&capsule)
    });
}

fn everyone<'a, P: ParameterSet>(peer: &mut Peer<'a>, keys: &'a Keys<P>) {
    let call = "ScopeKey::encapsulate";
    peer.operation("encapsulate", Form::Prepared, Class::Cca, call, || {
        keys.scope.encapsulate(&mut system())
    });
    peer.operation("encapsulate", Form::Cold, Class::Cca, call, || {
        ScopeKey::new(&keys.parsed(), keys.sid).encapsulate(&mut system())
    });
    let salt = [4; 32];
    let com = commitment(keys.gid, b"agent", &keys.rk, &keys.noise, &salt);
    peer.operation(
        "audit",
        Form::Prepared,
        Class::Verified,
        "audit, bit for bit",
        move || {
            let query = Query {
                grant: keys.gid,
                agent: b"agent",
                commitment: &com,
                pkh: keys.public.pkh(),
                scope: keys.sid,
                capsule: &keys.capsule,
                reencrypted: &keys.reencrypted,
            };
            let opening = Opening {
                rk: &keys.rk,
                noise_key: &keys.noise,
                commitment_salt: &salt,
            };
            audit(&query, &opening).unwrap()
        },
    );
}

fn proxy<'a, P: ParameterSet>(peer: &mut Peer<'a>, keys: &'a Keys<P>) {
    let ctid = keys.capsule.id(keys.public.pkh(), keys.sid);
    let accepted = AcceptedCapsule::trust_ledger(keys.capsule.clone());
    let shared = Rc::new((keys.rk.prepare(), accepted));
    let ready = Rc::clone(&shared);
    peer.operation(
        "re-encrypt",
        Form::Prepared,
        Class::Hra,
        "Proxy::reencrypt",
        move || ready.0.reencrypt(&ready.1, &keys.noise, keys.gid, ctid),
    );
    peer.operation(
        "re-encrypt",
        Form::Cold,
        Class::Hra,
        "Proxy::reencrypt",
        || {
            let capsule = Capsule::<P>::from_bytes(&keys.bytes.capsule).unwrap();
            let ctid = capsule.id(keys.public.pkh(), keys.sid);
            let rk = ReencryptionKey::<P>::from_bytes(&keys.bytes.rk).unwrap();
            let accepted = AcceptedCapsule::trust_ledger(capsule);
            rk.prepare()
                .reencrypt(&accepted, &keys.noise, keys.gid, ctid)
        },
    );
    let agent = ed25519_zebra::SigningKey::from_bytes(&[9; 32]);
    let call = "Proxy::reencrypt, hashed and signed (Ed25519): what audit holds the agent to";
    peer.operation(
        "re-encrypt with proof",
        Form::Prepared,
        Class::Verified,
        call,
        move || {
            let hash = shared
                .0
                .reencrypt(&shared.1, &keys.noise, keys.gid, ctid)
                .hash();
            agent.sign(&[keys.gid.as_bytes().as_slice(), ctid.as_bytes(), &hash].concat())
        },
    );
}

fn delegatee<'a, P: ParameterSet>(peer: &mut Peer<'a>, keys: &'a Keys<P>) {
    let verified = keys.grant.clone().verify(&keys.public, keys.gid).unwrap();
    let opener = verified.prepare(&keys.scope).unwrap();
    assert!(opener.decapsulate(&keys.capsule, &keys.reencrypted).is_ok());
    let call = "Opener::decapsulate: encrypts anew, compares, tests the noise";
    peer.operation(
        "open re-encrypted, checked",
        Form::Prepared,
        Class::Verified,
        call,
        move || {
            opener
                .decapsulate(&keys.capsule, &keys.reencrypted)
                .unwrap()
        },
    );
    peer.operation(
        "open re-encrypted, checked",
        Form::Cold,
        Class::Verified,
        call,
        || {
            let public = keys.parsed();
            let grant = GrantKey::from_bytes(&keys.bytes.grant).unwrap();
            let opener = grant.verify(&public, keys.gid).unwrap();
            let capsule = Capsule::from_bytes(&keys.bytes.capsule).unwrap();
            let reencrypted = ReencryptedCapsule::from_bytes(&keys.bytes.reencrypted).unwrap();
            let opener = opener.prepare(&ScopeKey::new(&public, keys.sid)).unwrap();
            opener.decapsulate(&capsule, &reencrypted).unwrap()
        },
    );
}

fn system() -> UnwrapErr<getrandom::SysRng> {
    UnwrapErr(getrandom::SysRng)
}

/// A new input for each call: one target never has two preimages, not even here.
fn fresh() -> [u8; 8] {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed).to_le_bytes()
}
