//! Timing by the method of dudect (Reparaz, Balasch, Verbauwhede 2017): one verb, two classes of
//! secrets, measurements of both interleaved at random, Welch's t over cropped samples.
//!
//! A difference of means that is real grows with the sample, one of a busy machine does not: each
//! verb is measured three times and judged by the middle one of the three |t|. A deliberate leak of
//! a few nanoseconds in the same run shows what the method can see.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::Instant;

use getrandom::SysRng;
use ibpre::*;
use rand_core::{Rng, UnwrapErr};

/// The customary bound on |t|.
const BOUND: f64 = 4.5;
/// Secrets of each class.
const POOL: usize = 32;

/// Measures every verb with `rounds` calls a measurement; whether all are below the bound, and the
/// deliberate leak is not. A line each: `statistic`, name, value, bound, verdict, by tabs.
pub(crate) fn run(rounds: usize) -> bool {
    let mut table = Table { rounds, well: true };
    let secrets: [Vec<[u8; 512]>; 2] =
        [0usize, 512].map(|differing| (0..POOL).map(|_| [7; 512].map_first(differing)).collect());
    let t = table.measure(&secrets, |secret| leaky_compare(secret, &[7; 512]));
    table.line("a comparison that stops early (must be seen)", t, t > BOUND);
    verbs::<SetA>(&mut table);
    verbs::<SetB>(&mut table);
    table.well
}

trait MapFirst {
    fn map_first(self, differing: usize) -> Self;
}

impl MapFirst for [u8; 512] {
    /// The same bytes, or at the first of `differing` another one.
    fn map_first(mut self, differing: usize) -> Self {
        if differing > 0 {
            self[0] ^= 1;
        }
        self
    }
}

#[inline(never)]
fn leaky_compare(a: &[u8; 512], b: &[u8; 512]) -> bool {
    for (a, b) in a.iter().zip(b) {
        if black_box(a) != b {
            return false;
        }
    }
    true
}

struct Table {
    rounds: usize,
    well: bool,
}

impl Table {
    fn line(&mut self, name: &str, t: f64, well: bool) {
        self.well &= well;
        let verdict = if well { "ok" } else { "FAILED" };
        println!("statistic\ttiming: {name}, |t|\t{t:.2}\t{BOUND}\t{verdict}");
    }

    fn constant<S, T>(&mut self, name: &str, secrets: &[Vec<S>; 2], verb: impl Fn(&S) -> T) {
        let t = self.measure(secrets, verb);
        self.line(name, t, t < BOUND);
    }

    /// The middle one of three |t|, each the largest over the croppings.
    fn measure<S, T>(&self, secrets: &[Vec<S>; 2], verb: impl Fn(&S) -> T) -> f64 {
        let mut t = [0; 3].map(|_| largest_t(&self.sample(secrets, &verb)));
        t.sort_by(f64::total_cmp);
        t[1]
    }

    /// Nanoseconds of `rounds` calls, the class of each by a random bit.
    fn sample<S, T>(&self, secrets: &[Vec<S>; 2], verb: impl Fn(&S) -> T) -> [Vec<f64>; 2] {
        let rng = &mut UnwrapErr(SysRng);
        let mut samples = [Vec::new(), Vec::new()];
        // A tenth more than counted, so that caches and clock are warm.
        for round in 0..self.rounds + self.rounds / 10 {
            let random = rng.next_u32() as usize;
            let class = random & 1;
            let secret = black_box(&secrets[class][(random >> 1) % POOL]);
            let start = Instant::now();
            black_box(verb(secret));
            let spent = start.elapsed().as_nanos() as f64;
            if round >= self.rounds / 10 {
                samples[class].push(spent);
            }
        }
        samples
    }
}

/// The largest |t| over the whole sample and over its fastest 99, 95, 90, 75 and 50 per cent.
fn largest_t(samples: &[Vec<f64>; 2]) -> f64 {
    let mut all: Vec<f64> = samples.iter().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    [100, 99, 95, 90, 75, 50]
        .map(|percent| welch(samples, all[(all.len() - 1) * percent / 100]))
        .into_iter()
        .fold(0.0, f64::max)
}

/// |t| of the two samples, values above `limit` left out.
fn welch(samples: &[Vec<f64>; 2], limit: f64) -> f64 {
    let [a, b] = samples.each_ref().map(|sample| {
        let kept: Vec<f64> = sample.iter().copied().filter(|&x| x <= limit).collect();
        let n = kept.len() as f64;
        let mean = kept.iter().sum::<f64>() / n;
        let variance = kept.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (mean, variance / n)
    });
    ((a.0 - b.0) / (a.1 + b.1).sqrt()).abs()
}

fn verbs<P: ParameterSet>(table: &mut Table) {
    let set = P::NAME;
    let rng = &mut UnwrapErr(SysRng);
    let extractor = Extractor::new(&setup::<P>(rng));
    let public = extractor.public_params().clone();
    let mut issued = BTreeSet::new();
    let sid = scope_id::<P>(b"scope");
    let scope = ScopeKey::new(&public, sid);
    let Ok(e1) = extractor.extract(sid, &mut issued, rng) else {
        unreachable!("a fresh list has no target");
    };

    // One message against many, one capsule against many.
    let mut fixed = [0; 32];
    rng.fill_bytes(&mut fixed);
    let random: Vec<[u8; 32]> = (0..POOL)
        .map(|_| {
            let mut message = [0; 32];
            rng.fill_bytes(&mut message);
            message
        })
        .collect();
    let messages = [vec![fixed; POOL], random];
    table.constant(
        &format!("{set} encapsulate, one message and many"),
        &messages,
        |m| scope.encapsulate_with(m),
    );
    let capsules = messages.each_ref().map(|class| {
        class
            .iter()
            .map(|m| scope.encapsulate_with(m).1)
            .collect::<Vec<_>>()
    });
    let own = DecapsulationKey::new(&scope, &e1, [1; 32]);
    table.constant(
        &format!("{set} decapsulate, one capsule and many"),
        &capsules,
        |c| own.decapsulate(c),
    );
    let damaged: Vec<Capsule<P>> = capsules[1]
        .iter()
        .filter_map(|capsule| {
            let mut bytes = capsule.to_bytes();
            // The lowest bits of 64 coefficients.
            for at in 0..64 {
                bytes[2 + 5 * at] ^= 1;
            }
            Capsule::from_bytes(&bytes).ok()
        })
        .cycle()
        .take(POOL)
        .collect();
    let genuine = [capsules[1].clone(), damaged];
    table.constant(
        &format!("{set} decapsulate, genuine and damaged"),
        &genuine,
        |c| own.decapsulate(c),
    );

    // One key against many: of the scope, of a grant, of a proxy.
    let mut user: [Vec<UserKey<P>>; 2] = [vec![e1.clone(); POOL], Vec::new()];
    let mut proxies: [Vec<Proxy<P>>; 2] = [Vec::new(), Vec::new()];
    let mut grants = Vec::new();
    for i in 0..POOL {
        let gid = GrantId::from_bytes([i as u8; 32]);
        let other = scope_id::<P>(&[i as u8]);
        let (Ok(key), Ok((e2, rk))) = (
            extractor.extract(other, &mut issued, rng),
            rekey(&extractor, &e1, gid, &mut issued, rng),
        ) else {
            unreachable!("fresh targets");
        };
        user[1].push(key);
        grants.push((gid, e2, rk));
    }
    for (_, _, rk) in &grants {
        proxies[0].push(grants[0].2.prepare());
        proxies[1].push(rk.prepare());
    }
    table.constant(
        &format!("{set} preparing a key, one and many"),
        &user,
        |key| DecapsulationKey::new(&scope, key, [1; 32]),
    );
    table.constant(
        &format!("{set} encoding a key, one and many"),
        &user,
        |key| key.to_bytes(),
    );
    let encodings = user.each_ref().map(|class| {
        class
            .iter()
            .map(|key| key.to_bytes().to_vec())
            .collect::<Vec<_>>()
    });
    table.constant(
        &format!("{set} reading a key, one and many"),
        &encodings,
        |bytes| UserKey::<P>::from_bytes(bytes).is_ok(),
    );
    let own_keys = user.each_ref().map(|class| {
        class
            .iter()
            .map(|k| DecapsulationKey::new(&scope, k, [1; 32]))
            .collect::<Vec<_>>()
    });
    table.constant(
        &format!("{set} decapsulate, one key and many"),
        &own_keys,
        |key| key.decapsulate(&capsules[0][0]),
    );
    let noise_key = NoiseKey::generate(rng);
    let capsule = &capsules[0][0];
    let id = capsule.id(public.pkh(), sid);
    let accepted = AcceptedCapsule::trust_ledger(capsule.clone());
    let gid = grants[0].0;
    table.constant(
        &format!("{set} reencrypt, one rk and many (one E)"),
        &proxies,
        |proxy| proxy.reencrypt(&accepted, &noise_key, gid, id),
    );

    let (gid, e2, _) = &grants[0];
    let Some(opener) = e2
        .clone()
        .verify(&public, *gid)
        .ok()
        .and_then(|key| key.prepare(&scope).ok())
    else {
        unreachable!("a key of this grant");
    };
    let honest: Vec<_> = capsules[1]
        .iter()
        .map(|capsule| {
            let id = capsule.id(public.pkh(), sid);
            let accepted = AcceptedCapsule::trust_ledger(capsule.clone());
            let turned = proxies[0][0].reencrypt(&accepted, &noise_key, *gid, id);
            (capsule.clone(), turned)
        })
        .collect();
    let lies: Vec<_> = honest
        .iter()
        .filter_map(|(capsule, turned)| {
            let mut bytes = turned.to_bytes();
            bytes[2..].iter_mut().for_each(|byte| *byte ^= 0x55);
            Some((
                capsule.clone(),
                ReencryptedCapsule::from_bytes(&bytes).ok()?,
            ))
        })
        .collect();
    // Cloned alike, so that the classes lie in memory alike: as they were made, one after the other's
    // leftovers, set B showed |t| of 8 to 13; the very same bytes cloned show at most 3.4.
    table.constant(
        &format!("{set} open, genuine and a lie"),
        &[honest.clone(), lies.clone()],
        |(c, t)| opener.decapsulate(c, t).is_ok(),
    );
}
