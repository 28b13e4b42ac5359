//! Attacks (d) and (e) on the weakened copy of the product's proxy: capsules made to measure, where it
//! answers what nobody accepted; and replay, where its noise is fresh every time.

use ibpre::*;

use crate::ring::{self, N, Poly, Q};
use crate::test_rng::TestRng;
use crate::transcripts::share_exact;
use crate::world::{WeakProxy, World, quotient};

/// After each answer: standard deviation of the error on rk, share of exact coefficients.
pub(crate) struct Progress {
    pub(crate) factor: i64,
    pub(crate) error: f64,
    pub(crate) exact: f64,
}

/// The constants sent as y, c1 being 0: the answer is −factor·rk + E. Each is as large as what is not
/// yet known of rk allows without wrapping modulo q: 6.2 standard deviations of it fill q/2.
/// About 2^5, 2^7, 2^10, 2^12, 2^14, 2^17, 2^19.
pub(crate) const FACTORS: [i64; 7] = [38, 185, 902, 4400, 21_470, 104_700, 510_000];

/// `acceptance`: whether the proxy asks for it. Without it seven answers give rk in spite of a noise
/// as wide as the product's, and compression.
pub(crate) fn made_to_measure() -> (Vec<Progress>, bool) {
    let mut world = World::new("made to measure");
    let rk = world.rk();
    let mut proxy = WeakProxy {
        rk: rk.clone(),
        width: SetA::SIGMA_NOISE.into(),
        compressed: true,
        rng: TestRng::new(b"fresh noise"),
    };
    let zero = vec![0; N];
    let mut estimate = vec![0.0; N];
    let mut progress = Vec::new();
    for factor in FACTORS {
        let mut y = zero.clone();
        y[0] = factor;
        let answer = proxy.reencrypt(&y, &zero);
        refine(&mut estimate, factor, &answer);
        progress.push(step(&estimate, factor, &rk));
    }
    let found: Poly = estimate.iter().map(|e| e.round() as i64).collect();
    (progress, world.falls_to(&found))
}

/// The product's own proxy, were its type for accepted capsules made without the acceptance it stands
/// for. It falls as the weakened copy does: this is what the ledger's check is for.
pub(crate) fn acceptance_skipped() -> (Vec<Progress>, bool) {
    let mut world = World::new("acceptance skipped");
    let rk = world.rk();
    let mut estimate = vec![0.0; N];
    let mut progress = Vec::new();
    for factor in FACTORS {
        let answer = world.reencrypt(&constant(factor));
        refine(&mut estimate, factor, &answer);
        progress.push(step(&estimate, factor, &rk));
    }
    let found: Poly = estimate.iter().map(|e| e.round() as i64).collect();
    (progress, world.falls_to(&found))
}

/// How many of the seven the delegator's wallet accepts.
pub(crate) fn accepted_by_the_product() -> usize {
    let world = World::new("acceptance");
    let wallet = DecapsulationKey::new(&world.scope, &world.scope_key, [0; 32]);
    FACTORS
        .iter()
        .filter(|&&factor| wallet.accept(&constant(factor)).is_ok())
        .count()
}

/// The capsule (y, c1) = (factor, 0): well formed.
fn constant(factor: i64) -> Capsule<SetA> {
    let mut bytes = vec![0; Capsule::<SetA>::ENCODED_LEN];
    bytes[..2].copy_from_slice(&[1, 0x14]);
    bytes[2..5].copy_from_slice(&(factor as u32).to_le_bytes()[..3]);
    Capsule::from_bytes(&bytes).unwrap()
}

/// −answer = factor·rk − E modulo q, and factor·(rk − estimate) is below q/2.
fn refine(estimate: &mut [f64], factor: i64, answer: &[i64]) {
    for (estimate, &answer) in estimate.iter_mut().zip(answer) {
        let predicted = *estimate * factor as f64;
        let rest = (-answer as f64 - predicted).rem_euclid(Q as f64);
        let rest = if rest > Q as f64 / 2.0 {
            rest - Q as f64
        } else {
            rest
        };
        *estimate = (predicted + rest) / factor as f64;
    }
}

fn step(estimate: &[f64], factor: i64, rk: &[i64]) -> Progress {
    let squares: f64 = estimate
        .iter()
        .zip(rk)
        .map(|(e, &rk)| (e - rk as f64).powi(2))
        .sum();
    let rounded: Poly = estimate.iter().map(|e| e.round() as i64).collect();
    Progress {
        factor,
        error: (squares / N as f64).sqrt(),
        exact: share_exact(&rounded, rk),
    }
}

/// Standard deviation of the noise left in the mean of `replays` answers to one honest capsule: of the
/// weakened proxy, drawn one by one, and of the product's.
pub(crate) fn replayed(replays: u32) -> [f64; 2] {
    let mut world = World::new("replay");
    let capsule = world.capsule();
    let mut weak = WeakProxy {
        rk: world.rk(),
        width: SetA::SIGMA_NOISE.into(),
        compressed: false,
        rng: TestRng::new(b"replay"),
    };
    // The product's answers are one and the same, so their mean is the first.
    let first = world.reencrypt(&capsule.capsule);
    for _ in 1..replays.min(64) {
        assert_eq!(world.reencrypt(&capsule.capsule), first);
    }
    let exact = ring::subtract(&capsule.c1, &ring::multiply(&world.rk(), &capsule.y));
    let product = ring::deviation(&ring::centred(ring::subtract(&first, &exact)));
    [weak.mean_noise(replays), product]
}

/// log2 of the replays after which the mean's noise is 1/16 and rounds away: (16384·16)².
pub(crate) const ENOUGH: u32 = 36;

/// The end of the replay attack: the mean of 2^36 answers to one capsule, its noise drawn at once as
/// one normal of σ_E/2^18 (the points that [`replayed`] measures lie on that line), rounded, divided
/// by y. Whether the scope falls; and whether it does by the product's answer, however often asked.
pub(crate) fn replayed_long_enough() -> [bool; 2] {
    let mut world = World::new("replay");
    let capsule = world.capsule();
    let mut mean = WeakProxy {
        rk: world.rk(),
        width: f64::from(SetA::SIGMA_NOISE) / f64::from(1 << (ENOUGH / 2)),
        compressed: false,
        rng: TestRng::new(b"long replay"),
    };
    let answers = [
        mean.reencrypt(&capsule.y, &capsule.c1),
        world.reencrypt(&capsule.capsule),
    ];
    answers.map(|c2| {
        let rk = quotient(&capsule.y, &capsule.c1, &c2).unwrap();
        world.falls_to(&rk)
    })
}
