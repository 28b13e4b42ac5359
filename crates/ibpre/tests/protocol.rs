//! Tests 7, 10, 11, 12 and 17 of the design, through the public interface only.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::BTreeSet;

use ibpre::*;

#[path = "../src/test_rng.rs"]
mod test_rng;
use test_rng::TestRng;

/// One authority with one scope, one grant, one capsule.
struct World<P: ParameterSet> {
    extractor: Extractor<P>,
    issued: BTreeSet<[u8; 32]>,
    scope: ScopeKey<P>,
    delegator: DecapsulationKey<P>,
    user_key: UserKey<P>,
    grant: GrantId,
    grant_key: GrantKey<P>,
    rk: ReencryptionKey<P>,
    noise_key: NoiseKey,
    secret: SharedSecret<P>,
    capsule: Capsule<P>,
    reencrypted: ReencryptedCapsule<P>,
    rng: TestRng,
}

fn grant_of<P: ParameterSet>(chain: &[u8], scope: ScopeId) -> GrantId {
    let terms = terms_hash::<P>(b"terms");
    grant_id::<P>(chain, scope, b"requester", &[1; 32], &[2; 32], &terms)
}

impl<P: ParameterSet> World<P> {
    fn new(label: &str) -> Self {
        let mut rng = TestRng::new(label.as_bytes());
        let extractor = Extractor::new(&setup::<P>(&mut rng));
        let mut issued = BTreeSet::new();
        let sid = scope_id::<P>(b"laboratory, this month");
        let scope = ScopeKey::new(extractor.public_params(), sid);
        let user_key = extractor.extract(sid, &mut issued, &mut rng).unwrap();
        let grant = grant_of::<P>(b"chain", sid);
        let (grant_key, rk) = rekey(&extractor, &user_key, grant, &mut issued, &mut rng).unwrap();
        let noise_key = NoiseKey::generate(&mut rng);
        let (secret, capsule) = scope.encapsulate(&mut rng);
        let mut world = Self {
            delegator: DecapsulationKey::new(&scope, &user_key, [5; 32]),
            reencrypted: ReencryptedCapsule::from_bytes(&{
                let id = capsule.id(scope.public_params().pkh(), sid);
                let accepted = AcceptedCapsule::trust_ledger(capsule.clone());
                rk.prepare()
                    .reencrypt(&accepted, &noise_key, grant, id)
                    .to_bytes()
            })
            .unwrap(),
            extractor,
            issued,
            scope,
            user_key,
            grant,
            grant_key,
            rk,
            noise_key,
            secret,
            capsule,
            rng,
        };
        let opened = world
            .opener()
            .decapsulate(&world.capsule, &world.reencrypted);
        assert_eq!(opened.unwrap().as_secret(), world.secret.as_secret());
        world.rng = TestRng::new(b"later");
        world
    }

    fn opener(&self) -> Opener<P> {
        self.grant_key
            .clone()
            .verify(self.extractor.public_params(), self.grant)
            .unwrap()
            .prepare(&self.scope)
            .unwrap()
    }

    fn reencrypt(&self, capsule: &Capsule<P>, grant: GrantId) -> ReencryptedCapsule<P> {
        let id = capsule.id(self.scope.public_params().pkh(), self.scope.scope());
        let accepted = AcceptedCapsule::trust_ledger(capsule.clone());
        self.rk
            .prepare()
            .reencrypt(&accepted, &self.noise_key, grant, id)
    }

    fn is_rejected(&self, key: &DecapsulationKey<P>, capsule: &Capsule<P>) {
        assert!(key.accept(capsule).is_err());
        let implicit = key.decapsulate(capsule);
        assert_ne!(implicit.as_secret(), self.secret.as_secret());
        assert_eq!(implicit.as_secret(), key.decapsulate(capsule).as_secret());
    }
}

/// Test 7.
#[test]
fn a_second_preimage_of_one_target_is_refused() {
    let mut w = World::<SetA>::new("second preimage");
    let again = w
        .extractor
        .extract(w.scope.scope(), &mut w.issued, &mut w.rng);
    assert_eq!(again.err(), Some(AlreadyExtracted));
    let again = rekey(
        &w.extractor,
        &w.user_key,
        w.grant,
        &mut w.issued,
        &mut w.rng,
    );
    assert_eq!(again.err(), Some(RekeyError::AlreadyExtracted));
    // Scope and grant ids share one list: the same 32 bytes are the same target.
    let same = GrantId::from_bytes(w.scope.scope().to_bytes());
    let again = rekey(&w.extractor, &w.user_key, same, &mut w.issued, &mut w.rng);
    assert_eq!(again.err(), Some(RekeyError::AlreadyExtracted));
}

/// Test 10: every single bit of a capsule.
#[test]
fn every_flipped_bit_of_a_capsule_is_rejected() {
    let w = World::<SetA>::new("flip");
    let bytes = w.capsule.to_bytes();
    let (mut rejected, mut refused) = (0, 0);
    for bit in 16..8 * bytes.len() {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        match Capsule::<SetA>::from_bytes(&flipped) {
            Ok(capsule) => {
                assert!(w.delegator.accept(&capsule).is_err(), "bit {bit}");
                rejected += 1;
            }
            Err(error) => {
                assert_eq!(error, DecodeError::Coefficient);
                refused += 1;
            }
        }
    }
    assert_eq!(rejected + refused, 8 * 3328);
    // A flip is refused only where the coefficient lands in q..2^20, 1.6 % of the range.
    assert!(rejected > 26_000);
}

/// Test 10: the value given instead, and flipped identities.
#[test]
fn implicit_rejection() {
    fn check<P: ParameterSet>() {
        let w = World::<P>::new("implicit");
        let mut flipped = w.capsule.to_bytes();
        flipped[2] ^= 1;
        let flipped = Capsule::from_bytes(&flipped).unwrap();
        w.is_rejected(&w.delegator, &flipped);
        let other_z = DecapsulationKey::new(&w.scope, &w.user_key, [6; 32]);
        assert_ne!(
            other_z.decapsulate(&flipped).as_secret(),
            w.delegator.decapsulate(&flipped).as_secret()
        );
        for bit in (0..256).step_by(17) {
            let mut sid = w.scope.scope().to_bytes();
            sid[bit / 8] ^= 1 << (bit % 8);
            let scope = ScopeKey::new(w.extractor.public_params(), ScopeId::from_bytes(sid));
            let key = DecapsulationKey::new(&scope, &w.user_key, [5; 32]);
            w.is_rejected(&key, &w.capsule);
        }
        // Another pkh: another h. The lowest bit of h changes nothing but its hash and one product.
        let mut h = w.extractor.public_params().to_bytes();
        h[2] ^= 1;
        let public = PublicParams::<P>::from_bytes(&h).unwrap();
        let scope = ScopeKey::new(&public, w.scope.scope());
        let key = DecapsulationKey::new(&scope, &w.user_key, [5; 32]);
        w.is_rejected(&key, &w.capsule);
    }
    check::<SetA>();
    check::<SetB>();
}

/// Test 11: c2 shifted by a polynomial of any size gives the right secret or an error.
#[test]
fn a_shifted_reencryption_gives_the_secret_or_an_error() {
    fn check<P: ParameterSet>() {
        let w = World::<P>::new("shift");
        let opener = w.opener();
        let body = &w.reencrypted.to_bytes()[2..];
        let (mut right, mut wrong) = (0, 0);
        for size in 0..64u8 {
            for stride in [1, 2, 5, 64] {
                let mut symbols: Vec<u8> = (0..P::N)
                    .map(|i| {
                        let word = u16::from(body[6 * i / 8])
                            | u16::from(*body.get(6 * i / 8 + 1).unwrap_or(&0)) << 8;
                        (word >> (6 * i % 8)) as u8 & 63
                    })
                    .collect();
                for c in symbols.iter_mut().step_by(stride) {
                    *c = (*c + size) & 63;
                }
                let mut bytes = w.reencrypted.to_bytes();
                bytes[2..].fill(0);
                for (i, c) in symbols.iter().enumerate() {
                    let at = 6 * i;
                    bytes[2 + at / 8] |= c << (at % 8);
                    if at % 8 > 2 {
                        bytes[3 + at / 8] |= c >> (8 - at % 8);
                    }
                }
                let shifted = ReencryptedCapsule::from_bytes(&bytes).unwrap();
                match opener.decapsulate(&w.capsule, &shifted) {
                    Ok(secret) => {
                        assert_eq!(secret.as_secret(), w.secret.as_secret());
                        right += 1;
                    }
                    Err(OpenFailed) => wrong += 1,
                }
            }
        }
        assert!(right > 8 && wrong > 100, "{right} {wrong}");
    }
    check::<SetA>();
    check::<SetB>();
}

/// Test 11: wrong scope, grant, authority, chain; test 12: replay and stale epoch.
#[test]
fn what_belongs_elsewhere_does_not_open() {
    let mut w = World::<SetA>::new("elsewhere");
    let opener = w.opener();
    let public = w.extractor.public_params().clone();

    // Another capsule of the same scope: a replayed c2 does not open it, nor it the other's.
    let (_, other) = w.scope.encapsulate(&mut w.rng);
    let theirs = w.reencrypt(&other, w.grant);
    assert!(opener.decapsulate(&other, &theirs).is_ok());
    assert!(opener.decapsulate(&other, &w.reencrypted).is_err());
    assert!(opener.decapsulate(&w.capsule, &theirs).is_err());

    // A stale epoch: the capsule of another scope, re-encrypted under this grant's key.
    let stale = ScopeKey::new(&public, scope_id::<SetA>(b"laboratory, last month"));
    let (_, old) = stale.encapsulate(&mut w.rng);
    let c2 = w.reencrypt(&old, w.grant);
    assert!(opener.decapsulate(&old, &c2).is_err());
    let verified = w.grant_key.clone().verify(&public, w.grant).unwrap();
    let misled = verified.prepare(&stale).unwrap();
    assert!(misled.decapsulate(&old, &c2).is_err());
    assert!(w.delegator.accept(&old).is_err());

    // The grant's key under another grant id, chain or authority.
    let sid = w.scope.scope();
    for gid in [
        GrantId::from_bytes([9; 32]),
        grant_of::<SetA>(b"another chain", sid),
        grant_of::<SetA>(b"chain", stale.scope()),
    ] {
        assert_eq!(
            w.grant_key.clone().verify(&public, gid).err(),
            Some(BadGrantKey)
        );
    }
    let stranger = World::<SetA>::new("stranger");
    let theirs = stranger.extractor.public_params();
    assert!(w.grant_key.clone().verify(theirs, w.grant).is_err());
    assert!(verified.prepare(&stranger.scope).is_err());
    assert!(!w.user_key.belongs_to(&stranger.scope));
    assert!(w.user_key.belongs_to(&w.scope));
    assert!(
        opener
            .decapsulate(&stranger.capsule, &w.reencrypted)
            .is_err()
    );

    // The noise is bound to the grant: the right key, but another grant's noise, is another c2.
    let other_noise = w.reencrypt(&w.capsule, GrantId::from_bytes([9; 32]));
    assert_ne!(other_noise, w.reencrypted);
}

/// Test 12: bit for bit.
#[test]
fn an_audit_tells_an_honest_proxy_from_a_lying_one() {
    fn check<P: ParameterSet>() {
        let w = World::<P>::new("audit");
        let salt = [4; 32];
        let com = commitment(w.grant, b"agent", &w.rk, &w.noise_key, &salt);
        let opening = Opening {
            rk: &w.rk,
            noise_key: &w.noise_key,
            commitment_salt: &salt,
        };
        let genuine = Query {
            grant: w.grant,
            agent: b"agent",
            commitment: &com,
            pkh: w.extractor.public_params().pkh(),
            scope: w.scope.scope(),
            capsule: &w.capsule,
            reencrypted: &w.reencrypted,
        };
        let verdict = audit(&genuine, &opening);
        assert_eq!(verdict, Ok(AuditVerdict::Honest));
        let bytes = w.reencrypted.to_bytes();
        for bit in (16..8 * bytes.len()).step_by(61) {
            let mut lie = bytes.clone();
            lie[bit / 8] ^= 1 << (bit % 8);
            let lie = ReencryptedCapsule::from_bytes(&lie).unwrap();
            let query = Query {
                reencrypted: &lie,
                ..genuine
            };
            assert_eq!(audit(&query, &opening), Ok(AuditVerdict::Lied));
        }
        for false_opening in [
            Opening {
                commitment_salt: &[5; 32],
                ..opening
            },
            Opening {
                noise_key: &NoiseKey::from_bytes([0; 32]),
                ..opening
            },
        ] {
            let verdict = audit(&genuine, &false_opening);
            assert_eq!(verdict, Err(AuditError::Commitment));
        }
        let other_agent = Query {
            agent: b"other",
            ..genuine
        };
        assert_eq!(audit(&other_agent, &opening), Err(AuditError::Commitment));
    }
    check::<SetA>();
    check::<SetB>();
}

/// Test 17: a malicious capsule is never accepted by the delegator; that a proxy takes nothing but an
/// `AcceptedCapsule` is a compile-fail test at that type.
#[test]
fn malicious_capsules_are_not_accepted() {
    fn check<P: ParameterSet>(bits: usize) {
        let w = World::<P>::new("malicious");
        for k in 0..bits - 1 {
            // y = 2^k, c1 = 0: re-encrypted, it would show rk's top bits.
            let mut bytes = w.capsule.to_bytes();
            bytes[2..].fill(0);
            bytes[2 + k / 8] = 1 << (k % 8);
            let capsule = Capsule::<P>::from_bytes(&bytes).unwrap();
            w.is_rejected(&w.delegator, &capsule);
        }
        // The trivial encryption: y = 0, c1 = any codeword.
        let mut bytes = w.capsule.to_bytes();
        bytes[2..].fill(0);
        w.is_rejected(&w.delegator, &Capsule::from_bytes(&bytes).unwrap());
    }
    check::<SetA>(20);
    check::<SetB>(21);
}
