//! Attack (b): rk = e1 − e2, so a proxy and *one* user have every key along a chain of delegations.
//! And what a proxy learns alone from many grants of one key.

use ibpre::literal::{self, Parameters, UserKey as LiteralKey};
use ibpre::*;

use crate::affine::{decrypted, identity};
use crate::ring::{self, Poly};
use crate::test_rng::TestRng;
use crate::world::{World, grant};

/// Users in the chain: 0 delegates to 1, 1 to 2, ..
pub(crate) const USERS: usize = 12;

/// Of the keys of the published scheme, how many come out exactly, and how many bits to the first
/// user the recovered key decrypts.
pub(crate) fn published(parameters: Parameters) -> (usize, u32) {
    let rng = &mut TestRng::new(b"chain");
    let (public, secret) = literal::master_key_gen(parameters, rng);
    let ids: Vec<Vec<bool>> = (0..USERS)
        .map(|_| identity(parameters.identity_bits, rng))
        .collect();
    let keys: Vec<LiteralKey> = ids
        .iter()
        .map(|id| literal::extract(&public, &secret, id, rng))
        .collect();
    // All that the proxy holds:
    let rks: Vec<_> = keys
        .windows(2)
        .map(|pair| literal::rekey(&pair[0], &pair[1]))
        .collect();
    // The last user talks.
    let mut known = keys[USERS - 1].clone();
    let mut exact = 1;
    for (rk, key) in rks.iter().zip(&keys).rev() {
        known = LiteralKey(rk.0.iter().zip(&known.0).map(|(rk, e)| rk + e).collect());
        exact += usize::from(known == *key);
    }
    (exact, decrypted(&public, &known, &ids[0], rng))
}

/// The same conspiracy on the product: patient i grants a scope of hers to patient i + 1. The last
/// requester and all agents pool what they have. Scopes that fall, in order; the last patient's, the
/// one that was granted to the one who talks, does.
pub(crate) fn product() -> Vec<bool> {
    let mut worlds: Vec<World> = (0..USERS - 1)
        .map(|i| World::new(&format!("patient {i}")))
        .collect();
    let mut known = worlds[USERS - 2].delegatee();
    let mut fallen = Vec::new();
    for world in worlds.iter_mut().rev() {
        known = world
            .rk()
            .iter()
            .zip(&known)
            .map(|(rk, e)| rk + e)
            .collect();
        let opened = opens(world, &known);
        fallen.push(opened);
        if opened {
            // It is the key of that scope only: not of another scope of the same patient.
            assert!(!opens(&mut elsewhere(world), &known));
        }
    }
    fallen.reverse();
    fallen
}

fn opens(world: &mut World, s2: &[i64]) -> bool {
    let rk = ring::subtract(s2, &world.delegatee());
    world.falls_to(&rk)
}

/// The same patient, another scope.
fn elsewhere(world: &World) -> World {
    let mut other = World::new("elsewhere");
    let sid = scope_id::<SetA>(b"another scope");
    other.scope = ScopeKey::new(world.extractor.public_params(), sid);
    other
}

/// The proxy alone, with the rk of many grants of one scope key: their mean is that key less the
/// mean of the grants' keys. Standard deviation of what stays unknown, measured and computed:
/// σ_e/√(grants + 1).
pub(crate) fn many_grants(grants: u32) -> [f64; 2] {
    let mut world = World::new("many grants");
    let mut sum: Poly = vec![0; SetA::N];
    for number in 1..=grants {
        let gid = grant(world.scope.scope(), number);
        let key = &world.scope_key;
        let (_, rk) = rekey(
            &world.extractor,
            key,
            gid,
            &mut world.issued,
            &mut world.rng,
        )
        .unwrap();
        sum.iter_mut()
            .zip(ring::short(&rk.to_bytes()))
            .for_each(|(sum, rk)| *sum += rk);
    }
    let grants = f64::from(grants);
    let [_, s2] = world.truth();
    let squares: f64 = s2
        .iter()
        .zip(&sum)
        .map(|(&s2, &sum)| (s2 as f64 - sum as f64 / (grants + 1.0)).powi(2))
        .sum();
    [
        (squares / s2.len() as f64).sqrt(),
        SetA::SIGMA_E / (grants + 1.0).sqrt(),
    ]
}
