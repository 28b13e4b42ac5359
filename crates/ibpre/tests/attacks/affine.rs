//! Attack (a): u(id) = u0 + Σ id_i·u_i is affine, so keys add up. If Σ a_j·(1, id_j) = (1, id*), then
//! Σ a_j·e_j is a key of id*.

use std::collections::BTreeSet;

use ibpre::literal::{self, MasterPublicKey, Parameters, UserKey as LiteralKey};
use ibpre::*;
use rand_core::Rng;

use crate::ring::{self, Poly};
use crate::test_rng::TestRng;

/// How well a key that was put together does.
pub(crate) struct Forged {
    /// Its length beside an honest key's.
    pub(crate) stretch: f64,
    /// Of 200 bits to the victim, how many it decrypted.
    pub(crate) bits: u32,
}

/// Bits of [`Forged::bits`].
pub(crate) const BITS: u32 = 200;

/// Three colluders with identities of their choice: t without bit 0, t without bit 1, t without both.
/// The sum of the first two less the third is a key of t.
pub(crate) fn chosen(parameters: Parameters) -> Forged {
    let rng = &mut TestRng::new(b"affine, chosen");
    let (public, secret) = literal::master_key_gen(parameters, rng);
    let mut victim = identity(parameters.identity_bits, rng);
    victim[..2].fill(true);
    let colluders = without(&victim);
    let keys: Vec<LiteralKey> = colluders
        .iter()
        .map(|id| literal::extract(&public, &secret, id, rng))
        .collect();
    let forged = combine(&keys, &[1, 1, -1]);
    assert_eq!(public.a.times_short(&forged.0), public.target(&victim));
    try_out(&public, &forged, &victim, rng)
}

/// Of `trials` random victims, how many `count` colluders with random identities open without a
/// fault, and the mean length of the combination they use.
pub(crate) fn random(parameters: Parameters, count: usize, trials: u32) -> (u32, f64) {
    let rng = &mut TestRng::new(format!("affine, random {count} {parameters:?}").as_bytes());
    let (public, secret) = literal::master_key_gen(parameters, rng);
    let (mut opened, mut length) = (0, 0.0);
    for _ in 0..trials {
        let victim = identity(parameters.identity_bits, rng);
        let ids: Vec<Vec<bool>> = (0..count)
            .map(|_| identity(parameters.identity_bits, rng))
            .filter(|id| *id != victim)
            .collect();
        let Some(times) = crate::lattice::affine_combination(&ids, &victim) else {
            continue;
        };
        let keys: Vec<LiteralKey> = ids
            .iter()
            .map(|id| literal::extract(&public, &secret, id, rng))
            .collect();
        let forged = combine(&keys, &times);
        assert_eq!(public.a.times_short(&forged.0), public.target(&victim));
        if try_out(&public, &forged, &victim, rng).bits == BITS {
            opened += 1;
            length += (times.iter().map(|a| a * a).sum::<i64>() as f64).sqrt();
        }
    }
    (opened, length / f64::from(opened.max(1)))
}

/// The same sum on the product's keys.
pub(crate) struct Refused {
    /// Standard deviation of what the sum leaves of a capsule, and of what an honest key leaves.
    pub(crate) noise: [f64; 2],
    /// Whether the crate takes the sum for a key of the scope; whether it opens a capsule.
    pub(crate) accepted: bool,
}

/// Three scopes named so that their names, as strings of bits, are in the relation of [`chosen`].
/// Real scope names are hashes; even an attacker who could choose them gets nothing.
pub(crate) fn product() -> Refused {
    let rng = &mut TestRng::new(b"affine, product");
    let extractor = Extractor::new(&setup::<SetA>(rng));
    let public = extractor.public_params();
    let mut issued = BTreeSet::new();
    let mut victim = identity(256, rng);
    victim[..2].fill(true);
    let name = |bits: &[bool]| {
        let mut bytes = [0; 32];
        for (at, _) in bits.iter().enumerate().filter(|(_, bit)| **bit) {
            bytes[at / 8] |= 1 << (at % 8);
        }
        ScopeId::from_bytes(bytes)
    };
    let keys: Vec<Poly> = without(&victim)
        .iter()
        .map(|id| {
            ring::short(
                &extractor
                    .extract(name(id), &mut issued, rng)
                    .unwrap()
                    .to_bytes(),
            )
        })
        .collect();
    let sum: Poly = (0..SetA::N)
        .map(|at| keys[0][at] + keys[1][at] - keys[2][at])
        .collect();
    let forged = ring::user_key(&sum);
    let scope = ScopeKey::new(public, name(&victim));
    let honest = extractor.extract(scope.scope(), &mut issued, rng).unwrap();
    let (secret, capsule) = {
        let message = [7; 32];
        let (secret, capsule) = scope.encapsulate_with(&message);
        (secret, ring::Opened::new(&scope, &message, &capsule))
    };
    let noise = [sum, ring::short(&honest.to_bytes())].map(|s2| capsule.noise_under(&s2));
    let key = DecapsulationKey::new(&scope, &forged, [0; 32]);
    let opens = key.decapsulate(&capsule.capsule).as_secret() == secret.as_secret();
    assert!(honest.belongs_to(&scope));
    Refused {
        noise,
        accepted: opens || forged.belongs_to(&scope),
    }
}

fn without(victim: &[bool]) -> [Vec<bool>; 3] {
    [[false, true], [true, false], [false, false]].map(|bits| {
        let mut id = victim.to_vec();
        id[..2].copy_from_slice(&bits);
        id
    })
}

pub(crate) fn identity(bits: usize, rng: &mut TestRng) -> Vec<bool> {
    (0..bits).map(|_| rng.next_u32() & 1 == 1).collect()
}

fn combine(keys: &[LiteralKey], times: &[i64]) -> LiteralKey {
    let mut sum = vec![0; keys[0].0.len()];
    for (key, &times) in keys.iter().zip(times) {
        for (sum, &e) in sum.iter_mut().zip(&key.0) {
            *sum += times as i32 * e;
        }
    }
    LiteralKey(sum)
}

/// Bits to `victim` that `key` decrypts, of [`BITS`].
pub(crate) fn decrypted(
    public: &MasterPublicKey,
    key: &LiteralKey,
    victim: &[bool],
    rng: &mut TestRng,
) -> u32 {
    (0..BITS)
        .map(|_| {
            let bit = rng.next_u32() & 1 == 1;
            let ciphertext = literal::encrypt(public, victim, bit, rng);
            u32::from(literal::decrypt(public, key, &ciphertext) == bit)
        })
        .sum()
}

fn try_out(
    public: &MasterPublicKey,
    key: &LiteralKey,
    victim: &[bool],
    rng: &mut TestRng,
) -> Forged {
    let length = key
        .0
        .iter()
        .map(|&e| f64::from(e).powi(2))
        .sum::<f64>()
        .sqrt();
    let honest = public.parameters.sigma_key() * (public.parameters.m() as f64).sqrt();
    Forged {
        stretch: length / honest,
        bits: decrypted(public, key, victim, rng),
    }
}
