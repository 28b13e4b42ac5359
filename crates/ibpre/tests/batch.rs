//! Batches give what the verbs give one by one, in order, whatever the number of threads.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use ibpre::*;

#[path = "../src/test_rng.rs"]
mod test_rng;
use test_rng::TestRng;

#[test]
fn batches_equal_the_verbs_one_by_one() {
    let rng = &mut TestRng::new(b"batch");
    let master = setup::<SetA>(rng);
    let public = master.public_params();
    let extractor = Extractor::new(&master);
    let issued = &mut BTreeSet::new();
    let sid = scope_id::<SetA>(b"scope");
    let scope = ScopeKey::new(public, sid);
    let e1 = extractor.extract(sid, issued, rng).unwrap();
    let terms = terms_hash::<SetA>(b"terms");
    let gid = grant_id::<SetA>(b"chain", sid, b"requester", &[1; 32], &[2; 32], &terms);
    let (grant_key, rk) = rekey(&extractor, &e1, gid, issued, rng).unwrap();
    let noise_key = NoiseKey::from_bytes([3; 32]);
    let delegator = DecapsulationKey::new(&scope, &e1, [4; 32]);
    let opener = grant_key.verify(public, gid).unwrap();
    let opener = opener.prepare(&scope).unwrap();
    let proxy = rk.prepare();

    // Around the size of a block, and enough for every thread.
    for (count, threads) in [
        (0, 2),
        (1, 2),
        (16, 2),
        (17, 2),
        (100, 1),
        (100, 2),
        (100, 7),
    ] {
        let threads = NonZeroUsize::new(threads).unwrap();
        let made = scope.encapsulate_many(count, &mut TestRng::new(b"messages"), threads);
        assert_eq!(made.len(), count);
        let again = &mut TestRng::new(b"messages");
        for (secret, capsule) in &made {
            let (expected, same) = scope.encapsulate(again);
            assert!(*capsule == same && secret.as_secret() == expected.as_secret());
        }

        // Every fifth capsule is nobody's.
        let mut capsules: Vec<Capsule<SetA>> = made.iter().map(|(_, c)| c.clone()).collect();
        for capsule in capsules.iter_mut().step_by(5) {
            let mut bytes = capsule.to_bytes();
            bytes[2 + 2560] ^= 1; // the first byte of c1
            *capsule = Capsule::from_bytes(&bytes).unwrap();
        }
        let accepted = delegator.accept_many(&capsules, threads);
        assert_eq!(accepted.len(), count);
        for (i, (result, (secret, _))) in accepted.iter().zip(&made).enumerate() {
            assert_eq!(result.is_err(), i % 5 == 0);
            if let Ok(found) = result {
                assert_eq!(found.as_secret(), secret.as_secret());
            }
        }

        let queries: Vec<_> = capsules
            .iter()
            .map(|c| {
                (
                    AcceptedCapsule::trust_ledger(c.clone()),
                    c.id(public.pkh(), sid),
                )
            })
            .collect();
        let turned = proxy.reencrypt_many(&queries, &noise_key, gid, threads);
        assert_eq!(turned.len(), count);
        for ((capsule, id), c2) in queries.iter().zip(&turned) {
            assert_eq!(proxy.reencrypt(capsule, &noise_key, gid, *id), *c2);
        }

        let pairs: Vec<_> = capsules.into_iter().zip(turned).collect();
        let opened = opener.decapsulate_many(&pairs, threads);
        assert_eq!(opened.len(), count);
        for (i, (result, (secret, _))) in opened.iter().zip(&made).enumerate() {
            assert_eq!(result.is_err(), i % 5 == 0);
            if let Ok(found) = result {
                assert_eq!(found.as_secret(), secret.as_secret());
            }
        }
    }
}

#[test]
fn a_panic_of_the_work_is_passed_on() {
    let items: Vec<u32> = (0..100).collect();
    let two = NonZeroUsize::new(2).unwrap();
    let result = std::panic::catch_unwind(|| {
        in_parallel(&items, two, |&i| if i == 99 { panic!("at {i}") } else { i })
    });
    assert!(result.is_err());
    assert_eq!(in_parallel(&items, two, |&i| i), items);
}
