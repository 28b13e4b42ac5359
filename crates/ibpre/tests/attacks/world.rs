//! A delegator of the product with one scope and one grant, and the copy of the product's proxy that
//! was weakened for the attacks.

use std::collections::BTreeSet;

use ibpre::*;
use rand_core::Rng;

use crate::ring::{self, N, Poly, Q};
use crate::test_rng::TestRng;

pub(crate) struct World {
    pub(crate) extractor: Extractor<SetA>,
    pub(crate) scope: ScopeKey<SetA>,
    pub(crate) scope_key: UserKey<SetA>,
    pub(crate) gid: GrantId,
    pub(crate) grant_key: GrantKey<SetA>,
    pub(crate) rk: ReencryptionKey<SetA>,
    pub(crate) noise_key: NoiseKey,
    /// u of the scope.
    pub(crate) u: Poly,
    pub(crate) issued: BTreeSet<[u8; 32]>,
    pub(crate) rng: TestRng,
}

impl World {
    pub(crate) fn new(label: &str) -> Self {
        let mut rng = TestRng::new(label.as_bytes());
        let extractor = Extractor::new(&setup::<SetA>(&mut rng));
        let mut issued = BTreeSet::new();
        let sid = scope_id::<SetA>(label.as_bytes());
        let scope = ScopeKey::new(extractor.public_params(), sid);
        let scope_key = extractor.extract(sid, &mut issued, &mut rng).unwrap();
        let gid = grant(sid, 0);
        let (grant_key, rk) = rekey(&extractor, &scope_key, gid, &mut issued, &mut rng).unwrap();
        Self {
            u: ring::target(scope.public_params(), sid.as_bytes()),
            extractor,
            scope,
            scope_key,
            gid,
            grant_key,
            rk,
            noise_key: NoiseKey::generate(&mut rng),
            issued,
            rng,
        }
    }

    /// A fresh capsule whose message is known.
    pub(crate) fn capsule(&mut self) -> ring::Opened {
        let mut message = [0; 32];
        self.rng.fill_bytes(&mut message);
        let (_, capsule) = self.scope.encapsulate_with(&message);
        ring::Opened::with_target(&self.scope, &self.u, &message, &capsule)
    }

    /// The product's proxy: Decompress(c2).
    pub(crate) fn reencrypt(&self, capsule: &Capsule<SetA>) -> Poly {
        let id = capsule.id(self.scope.public_params().pkh(), self.scope.scope());
        let accepted = AcceptedCapsule::trust_ledger(capsule.clone());
        let proxy = self.rk.prepare();
        ring::turned(&proxy.reencrypt(&accepted, &self.noise_key, self.gid, id))
    }

    /// (s1, s2) of the scope's key, to compare with.
    pub(crate) fn truth(&self) -> [Poly; 2] {
        let s2 = ring::short(&self.scope_key.to_bytes());
        let h = ring::public_key(self.scope.public_params());
        let s1 = ring::centred(ring::subtract(&self.u, &ring::multiply(&h, &s2)));
        [s1, s2]
    }

    /// s2 of the grant's key.
    pub(crate) fn delegatee(&self) -> Poly {
        ring::short(&self.grant_key.to_bytes())
    }

    /// rk, to compare with.
    pub(crate) fn rk(&self) -> Poly {
        ring::short(&self.rk.to_bytes())
    }

    /// Whether rk with the delegatee's key gives a key of the scope that opens a capsule nobody
    /// turned: the end of every attack on rk.
    pub(crate) fn falls_to(&mut self, rk: &[i64]) -> bool {
        let s2: Poly = rk
            .iter()
            .zip(self.delegatee())
            .map(|(a, b)| a + b)
            .collect();
        if s2.iter().any(|c| !(-(1 << 14)..1 << 14).contains(c)) {
            return false;
        }
        let key = ring::user_key(&s2);
        let (secret, capsule) = self.scope.encapsulate(&mut self.rng);
        let opened = DecapsulationKey::new(&self.scope, &key, [0; 32]).decapsulate(&capsule);
        key.belongs_to(&self.scope) && opened.as_secret() == secret.as_secret()
    }
}

/// The grant of that number for a scope.
pub(crate) fn grant(sid: ScopeId, number: u32) -> GrantId {
    let terms = terms_hash::<SetA>(&number.to_le_bytes());
    grant_id::<SetA>(b"chain", sid, b"requester", &[1; 32], &[2; 32], &terms)
}

/// The product's proxy, weakened: it answers whatever it is sent, accepted or not, its noise has the
/// width it is told and is fresh every time, and c2 is not compressed unless `compressed`.
pub(crate) struct WeakProxy {
    pub(crate) rk: Poly,
    pub(crate) width: f64,
    pub(crate) compressed: bool,
    pub(crate) rng: TestRng,
}

impl WeakProxy {
    /// c1 − rk·y + E.
    pub(crate) fn reencrypt(&mut self, y: &[i64], c1: &[i64]) -> Poly {
        let product = ring::multiply(&self.rk, y);
        let exact = ring::subtract(c1, &product);
        let noisy: Poly = exact.iter().map(|c| c + self.noise()).collect();
        let noisy = ring::centred(noisy);
        if self.compressed {
            ring::rounded(&noisy)
        } else {
            noisy
        }
    }

    /// The mean of `replays` answers to one capsule, less what is exact: drawn one by one.
    pub(crate) fn mean_noise(&mut self, replays: u32) -> f64 {
        let mut sum = vec![0; N];
        for _ in 0..replays {
            sum.iter_mut().for_each(|sum| *sum += self.noise());
        }
        ring::deviation(&sum) / f64::from(replays)
    }

    fn noise(&mut self) -> i64 {
        let unit = |bits: u64| ((bits >> 11) + 1) as f64 / (1u64 << 53) as f64;
        let radius = (-2.0 * unit(self.rng.next_u64()).ln()).sqrt();
        let angle = std::f64::consts::TAU * unit(self.rng.next_u64());
        (self.width * radius * angle.cos()).round() as i64
    }
}

/// rk from exact answers: (c1 − c2)/y.
pub(crate) fn quotient(y: &[i64], c1: &[i64], c2: &[i64]) -> Option<Poly> {
    debug_assert!(y.iter().all(|c| (0..Q).contains(c)));
    ring::divide(&ring::subtract(c1, c2), y)
}
