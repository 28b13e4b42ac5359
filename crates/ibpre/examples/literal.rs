//! Sizes and times of the published scheme at 128 bits, beside this crate's scheme, in one run.
//!
//! `cargo run --release -p ibpre --example literal` prints the table of `docs/scheme.md`, "The
//! published scheme, measured". Needs about 400 MB and some minutes. Times are those of
//! one core.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ibpre::literal::{self, BITS_128, Parameters};
use ibpre::*;
use rand_core::UnwrapErr;

fn main() {
    let rng = &mut UnwrapErr(getrandom::SysRng);
    println!(
        "published: n = {}, q = {}, m = {}, identities of {} bits, sigma {}, keys of width {:.0}",
        BITS_128.n,
        BITS_128.q,
        BITS_128.m(),
        BITS_128.identity_bits,
        Parameters::SIGMA,
        BITS_128.sigma_key()
    );
    println!(
        "LWE {:.1} bits (core-SVP, classical); q/4 = {:.1} standard deviations of the noise\n",
        BITS_128.core_svp_bits(),
        f64::from(BITS_128.q) / 4.0 / BITS_128.sigma_decryption()
    );
    let [published, ours] = [measure_published(rng), measure_ours(rng)];
    println!("| | published, one bit | published, 256 bits | set A, 256 bits | ratio |");
    println!("|---|---|---|---|---|");
    for (published, ours) in published.iter().zip(&ours) {
        let bits = if published.per_bit { 256.0 } else { 1.0 };
        let whole = published.value * bits;
        println!(
            "| {} | {} | {} | {} | {} |",
            published.name,
            published.show(published.value),
            published.show(whole),
            ours.show(ours.value),
            three(whole / ours.value),
        );
    }
}

/// One line of the table: bytes, or seconds.
struct Figure {
    name: &'static str,
    value: f64,
    seconds: bool,
    /// The published scheme does it once for every bit of a message.
    per_bit: bool,
}

impl Figure {
    fn bytes(name: &'static str, bits: usize, per_bit: bool) -> Self {
        let value = bits.div_ceil(8) as f64;
        Self {
            name,
            value,
            seconds: false,
            per_bit,
        }
    }

    fn time(name: &'static str, time: Duration, per_bit: bool) -> Self {
        let value = time.as_secs_f64();
        Self {
            name,
            value,
            seconds: true,
            per_bit,
        }
    }

    fn show(&self, value: f64) -> String {
        let (units, step): (&[&str], f64) = if self.seconds {
            (&["µs", "ms", "s"], 1000.0)
        } else {
            (&["B", "kB", "MB", "GB"], 1000.0)
        };
        let mut value = if self.seconds { value * 1e6 } else { value };
        let mut unit = 0;
        while value >= step && unit + 1 < units.len() {
            value /= step;
            unit += 1;
        }
        if unit == 0 && !self.seconds {
            return format!("{value:.0} B"); // a whole number
        }
        format!("{} {}", three(value), units[unit])
    }
}

/// Three figures, the rest zeros.
fn three(value: f64) -> String {
    let step = 10f64.powf(value.log10().floor() - 2.0);
    let digits = (-step.log10()).max(0.0).ceil() as usize;
    format!("{:.*}", digits, (value / step).round() * step)
}

/// Cost of one of `count` runs, and the last result: the median on the wall clock if all of them take
/// less than 0.1 s (what is so short is seldom interrupted), else the mean time on a core (which the
/// kernel counts in ticks of some milliseconds).
fn cost<T>(count: u32, mut run: impl FnMut() -> T) -> (Duration, T) {
    let (mut costs, before) = (Vec::new(), on_core());
    loop {
        let start = Instant::now();
        let result = run();
        costs.push(start.elapsed());
        if costs.len() < count as usize {
            continue;
        }
        let all: Duration = costs.iter().sum();
        costs.sort();
        let cost = match (before, on_core()) {
            (Some(before), Some(after)) if all > Duration::from_millis(100) => {
                (after - before) / count
            }
            _ => costs[costs.len() / 2],
        };
        return (cost, result);
    }
}

/// Time this thread has spent on a core, where the kernel tells.
fn on_core() -> Option<Duration> {
    let counts = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = counts.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

type SystemRng = UnwrapErr<getrandom::SysRng>;

fn measure_published(rng: &mut SystemRng) -> Vec<Figure> {
    use literal::*;
    let (set, m) = (BITS_128, BITS_128.m());
    let (setup_time, (public, secret)) = cost(1, || master_key_gen(set, rng));
    let mut identity = vec![false; set.identity_bits];
    let (extract_time, e1) = cost(5, || extract(&public, &secret, &identity, rng));
    identity[0] = true;
    let e2 = extract(&public, &secret, &identity, rng);
    identity[0] = false;
    let (rekey_time, rk) = cost(101, || rekey(&e1, &e2));
    let (encrypt_time, ciphertext) = cost(21, || encrypt(&public, &identity, true, rng));
    assert!(decrypt(&public, &e1, &ciphertext));
    let (reencrypt_time, turned) = cost(101, || reencrypt(&public, &rk, &ciphertext));
    let (decrypt_time, bit) = cost(101, || decrypt(&public, &e2, &turned));
    assert!(bit);
    // Ten widths hold every entry of a key or of a re-encryption key (√2 wider) and a sign.
    let key_bits = (10.0 * set.sigma_key() * 2f64.sqrt()).log2().ceil() as usize + 1;
    vec![
        Figure::bytes("public key", 8 * public.encoded_len(), false),
        Figure::bytes("master key", 2 * set.n * set.n * set.k * 7, false),
        Figure::bytes("user key", m * key_bits, false),
        Figure::bytes("re-encryption key", m * key_bits, false),
        Figure::bytes("ciphertext", (m + 1) * set.k, true),
        Figure::bytes("what re-encryption adds", set.k, true),
        Figure::time("set-up", setup_time, false),
        Figure::time("extract", extract_time, false),
        Figure::time("re-encryption key from two user keys", rekey_time, false),
        Figure::time("encrypt", encrypt_time, true),
        Figure::time("re-encrypt", reencrypt_time, true),
        Figure::time("decrypt what was re-encrypted", decrypt_time, true),
    ]
}

fn measure_ours(rng: &mut SystemRng) -> Vec<Figure> {
    let (setup_time, master) = cost(11, || setup::<SetA>(rng));
    let extractor = Extractor::new(&master);
    let public = master.public_params();
    let mut issued = BTreeSet::new();
    let mut count = 0u32;
    let (extract_time, _) = cost(101, || {
        count += 1;
        let scope = scope_id::<SetA>(&count.to_le_bytes());
        extractor.extract(scope, &mut issued, rng).unwrap()
    });
    let sid = scope_id::<SetA>(b"scope");
    let scope = ScopeKey::new(public, sid);
    let key = extractor.extract(sid, &mut issued, rng).unwrap();
    let terms = terms_hash::<SetA>(b"terms");
    let (rekey_time, (gid, (grant_key, rk))) = cost(101, || {
        count += 1;
        let gid = grant_id::<SetA>(&count.to_le_bytes(), sid, b"", &[1; 32], &[2; 32], &terms);
        let keys = rekey(&extractor, &key, gid, &mut issued, rng).unwrap();
        (gid, keys)
    });
    let (encapsulate_time, (secret, capsule)) = cost(1001, || scope.encapsulate(rng));
    let ctid = capsule.id(public.pkh(), sid);
    let (noise_key, proxy) = (NoiseKey::generate(rng), rk.prepare());
    let accepted = AcceptedCapsule::trust_ledger(capsule.clone());
    let (reencrypt_time, turned) = cost(1001, || proxy.reencrypt(&accepted, &noise_key, gid, ctid));
    let opener = grant_key.verify(public, gid).unwrap();
    let opener = opener.prepare(&scope).unwrap();
    let (open_time, opened) = cost(1001, || opener.decapsulate(&capsule, &turned).unwrap());
    assert_eq!(opened.as_secret(), secret.as_secret());
    let bytes = |name, length: usize| Figure::bytes(name, 8 * length, false);
    vec![
        bytes("public key", PublicParams::<SetA>::ENCODED_LEN),
        bytes("master key", MasterKey::<SetA>::ENCODED_LEN),
        bytes("user key", UserKey::<SetA>::ENCODED_LEN),
        bytes("re-encryption key", ReencryptionKey::<SetA>::ENCODED_LEN),
        bytes("capsule", Capsule::<SetA>::ENCODED_LEN),
        bytes("c2", ReencryptedCapsule::<SetA>::ENCODED_LEN),
        Figure::time("set-up", setup_time, false),
        Figure::time("extract", extract_time, false),
        Figure::time("rekey, with the grant key it draws", rekey_time, false),
        Figure::time("encapsulate", encapsulate_time, false),
        Figure::time("reencrypt", reencrypt_time, false),
        Figure::time("open, with every check", open_time, false),
    ]
}
