//! Every verb, prepared and cold, for both parameter sets: `ibpre/A/encapsulate/prepared` and so on.
//!
//! Times are of the thread on its processor: other work on the machine counts little.
//! Prepared: keys are transformed already, as in a running node. Cold: from the bytes of keys.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ibpre::{
    AcceptedCapsule, Capsule, DecapsulationKey, Extractor, GrantKey, MasterKey, NoiseKey, Opening,
    ParameterSet, PublicParams, Query, ReencryptedCapsule, ReencryptionKey, ScopeKey, SetA, SetB,
    UserKey, audit, commitment, grant_id, rekey, scope_id, setup, terms_hash,
};

#[path = "../src/test_rng.rs"]
mod test_rng;
mod thread_time;
use test_rng::TestRng;
use thread_time::ThreadTime;

fn verbs<P: ParameterSet>(c: &mut Criterion<ThreadTime>) {
    let rng = &mut TestRng::new(b"verbs");
    let name = |verb: &str, state: &str| format!("ibpre/{}/{verb}/{state}", P::NAME);

    let master = setup::<P>(rng);
    let extractor = Extractor::new(&master);
    let public = master.public_params().clone();
    let mut issued = BTreeSet::new();
    let sid = scope_id::<P>(b"bench");
    let scope = ScopeKey::new(&public, sid);
    let e1 = extractor.extract(sid, &mut issued, rng).unwrap();
    let gid = grant_id::<P>(
        b"bench",
        sid,
        b"requester",
        &[1; 32],
        &[2; 32],
        &terms_hash::<P>(b"terms"),
    );
    let (grant_key, rk) = rekey(&extractor, &e1, gid, &mut issued, rng).unwrap();
    let noise_key = NoiseKey::generate(rng);
    let (_, capsule) = scope.encapsulate(rng);
    let ctid = capsule.id(public.pkh(), sid);
    let delegator = DecapsulationKey::new(&scope, &e1, [3; 32]);
    let proxy = rk.prepare();
    let accepted = AcceptedCapsule::trust_ledger(capsule.clone());
    let reencrypted = proxy.reencrypt(&accepted, &noise_key, gid, ctid);
    let verified = grant_key.clone().verify(&public, gid).unwrap();
    let opener = verified.prepare(&scope).unwrap();
    assert!(delegator.accept(&capsule).is_ok());
    assert!(opener.decapsulate(&capsule, &reencrypted).is_ok());

    let h_bytes = public.to_bytes();
    let master_bytes = master.to_bytes();
    let e1_bytes = e1.to_bytes();
    let grant_bytes = grant_key.to_bytes();
    let rk_bytes = rk.to_bytes();
    let capsule_bytes = capsule.to_bytes();
    let c2_bytes = reencrypted.to_bytes();

    c.bench_function(&name("setup", "cold"), |b| b.iter(|| setup::<P>(rng)));
    c.bench_function(&name("extractor", "cold"), |b| {
        b.iter(|| Extractor::new(&MasterKey::<P>::from_bytes(&master_bytes).unwrap()));
    });
    c.bench_function(&name("extract", "prepared"), |b| {
        b.iter_batched(
            || scope_id::<P>(&rng_bytes()),
            |sid| {
                let rng = &mut TestRng::new(sid.as_bytes());
                extractor.extract(sid, &mut BTreeSet::new(), rng).unwrap()
            },
            BatchSize::SmallInput,
        );
    });
    c.bench_function(&name("extract", "cold"), |b| {
        b.iter(|| {
            let master = MasterKey::<P>::from_bytes(&master_bytes).unwrap();
            let sid = scope_id::<P>(&rng_bytes());
            let rng = &mut TestRng::new(sid.as_bytes());
            Extractor::new(&master)
                .extract(sid, &mut BTreeSet::new(), rng)
                .unwrap()
        });
    });
    c.bench_function(&name("rekey", "prepared"), |b| {
        b.iter_batched(
            || ibpre::GrantId::from_bytes(scope_id::<P>(&rng_bytes()).to_bytes()),
            |gid| {
                let rng = &mut TestRng::new(gid.as_bytes());
                rekey(&extractor, &e1, gid, &mut BTreeSet::new(), rng).unwrap()
            },
            BatchSize::SmallInput,
        );
    });
    c.bench_function(&name("rekey", "cold"), |b| {
        b.iter(|| {
            let master = MasterKey::<P>::from_bytes(&master_bytes).unwrap();
            let e1 = UserKey::from_bytes(&e1_bytes).unwrap();
            let gid = ibpre::GrantId::from_bytes(scope_id::<P>(&rng_bytes()).to_bytes());
            let rng = &mut TestRng::new(gid.as_bytes());
            rekey(
                &Extractor::new(&master),
                &e1,
                gid,
                &mut BTreeSet::new(),
                rng,
            )
            .unwrap()
        });
    });
    c.bench_function(&name("grant-key", "cold"), |b| {
        b.iter(|| {
            GrantKey::<P>::from_bytes(&grant_bytes)
                .unwrap()
                .verify(&public, gid)
                .unwrap()
        });
    });
    c.bench_function(&name("scope-key", "cold"), |b| {
        b.iter(|| ScopeKey::new(&public, black_box(sid)));
    });

    c.bench_function(&name("encapsulate", "prepared"), |b| {
        b.iter(|| scope.encapsulate(rng));
    });
    c.bench_function(&name("encapsulate", "cold"), |b| {
        b.iter(|| {
            let public = PublicParams::<P>::from_bytes(&h_bytes).unwrap();
            ScopeKey::new(&public, sid).encapsulate(rng)
        });
    });
    c.bench_function(&name("decapsulate", "prepared"), |b| {
        b.iter(|| delegator.decapsulate(black_box(&capsule)));
    });
    c.bench_function(&name("decapsulate", "cold"), |b| {
        b.iter(|| {
            let public = PublicParams::<P>::from_bytes(&h_bytes).unwrap();
            let key = UserKey::from_bytes(&e1_bytes).unwrap();
            DecapsulationKey::new(&ScopeKey::new(&public, sid), &key, [3; 32])
                .decapsulate(&Capsule::from_bytes(&capsule_bytes).unwrap())
        });
    });
    c.bench_function(&name("accept", "prepared"), |b| {
        b.iter(|| delegator.accept(black_box(&capsule)).unwrap());
    });
    c.bench_function(&name("reencrypt", "prepared"), |b| {
        b.iter(|| proxy.reencrypt(black_box(&accepted), &noise_key, gid, ctid));
    });
    // As an agent does it: the result is hashed and signed with its operation key.
    let agent = ed25519_zebra::SigningKey::from_bytes(&[9; 32]);
    c.bench_function(&name("reencrypt", "signed"), |b| {
        b.iter(|| {
            let result = proxy.reencrypt(black_box(&accepted), &noise_key, gid, ctid);
            agent.sign(&[gid.as_bytes().as_slice(), ctid.as_bytes(), &result.hash()].concat())
        });
    });
    c.bench_function(&name("reencrypt", "cold"), |b| {
        b.iter(|| {
            let capsule = Capsule::<P>::from_bytes(&capsule_bytes).unwrap();
            let ctid = capsule.id(public.pkh(), sid);
            ReencryptionKey::<P>::from_bytes(&rk_bytes)
                .unwrap()
                .prepare()
                .reencrypt(
                    &AcceptedCapsule::trust_ledger(capsule),
                    &noise_key,
                    gid,
                    ctid,
                )
        });
    });
    c.bench_function(&name("open", "prepared"), |b| {
        b.iter(|| {
            opener
                .decapsulate(black_box(&capsule), black_box(&reencrypted))
                .unwrap()
        });
    });
    c.bench_function(&name("open", "cold"), |b| {
        b.iter(|| {
            let public = PublicParams::<P>::from_bytes(&h_bytes).unwrap();
            GrantKey::from_bytes(&grant_bytes)
                .unwrap()
                .verify(&public, gid)
                .unwrap()
                .prepare(&ScopeKey::new(&public, sid))
                .unwrap()
                .decapsulate(
                    &Capsule::from_bytes(&capsule_bytes).unwrap(),
                    &ReencryptedCapsule::from_bytes(&c2_bytes).unwrap(),
                )
                .unwrap()
        });
    });
    let salt = [4; 32];
    let com = commitment(gid, b"agent", &rk, &noise_key, &salt);
    c.bench_function(&name("audit", "cold"), |b| {
        b.iter(|| {
            let query = Query {
                grant: gid,
                agent: b"agent",
                commitment: &com,
                pkh: public.pkh(),
                scope: sid,
                capsule: &capsule,
                reencrypted: &reencrypted,
            };
            let opening = Opening {
                rk: &rk,
                noise_key: &noise_key,
                commitment_salt: &salt,
            };
            audit(&query, &opening).unwrap()
        });
    });
}

/// A new input for each call: one target never has two preimages, not even here.
fn rng_bytes() -> [u8; 8] {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed).to_le_bytes()
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(ThreadTime);
    targets = verbs::<SetA>, verbs::<SetB>
}
criterion_main!(benches);
