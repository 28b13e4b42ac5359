//! Secrets marked undefined: memcheck then reports every jump and every address that depends on one.
//!
//! Each case runs one verb of the crate on undefined secrets and counts the errors. A verb whose
//! outcome is public (a key is refused, a capsule does not open) may jump on that outcome once, if
//! the compiler makes a jump of it. What comes out is then published and compared, so that no case
//! is empty.
//!
//! Not here, because not constant time and said so: set-up, extraction, rekey. The noise E is here:
//! it has no jump and no address from secrets; that division and root take the same time for every
//! value is not claimed, and is nothing that memcheck could tell.

use std::collections::BTreeSet;
use std::hint::black_box;

use getrandom::SysRng;
use ibpre::*;
use rand_core::{TryCryptoRng, TryRng, UnwrapErr};
use subtle::ConstantTimeEq;

use crate::memcheck::{errors, make_undefined, published};

/// Bytes of an encoding before the secret: version, and set with kind.
const HEADER: usize = 2;

/// Runs every case; whether each had as many errors as it may.
pub(crate) fn run() -> bool {
    let mut cases = Cases { well: true };
    harness(&mut cases);
    set::<SetA>(&mut cases);
    set::<SetB>(&mut cases);
    cases.well
}

struct Cases {
    well: bool,
}

impl Cases {
    /// Runs one case that may jump on a secret `allowed` times.
    fn run<T>(&mut self, name: &str, allowed: usize, case: impl FnOnce() -> T) -> T {
        let before = errors();
        let result = black_box(case());
        let found = errors() - before;
        self.verdict(name, allowed, found, found <= allowed);
        result
    }

    /// Runs a leak that must be noticed, once.
    fn noticed<T>(&mut self, name: &str, leak: impl FnOnce() -> T) {
        let before = errors();
        black_box(leak());
        let found = errors() - before;
        self.verdict(name, 1, found, found == 1);
    }

    fn verdict(&mut self, name: &str, allowed: usize, found: usize, well: bool) {
        self.well &= well;
        let verdict = if well { "ok  " } else { "FAIL" };
        println!("{verdict} {name}: {found} dependent on secrets, {allowed} allowed");
    }

    fn same(&mut self, name: &str, left: &[u8], right: &[u8]) {
        if published(left) != published(right) {
            self.well = false;
            println!("WRONG {name}: not the expected bytes");
        }
    }
}

/// The harness itself: a jump and an address that depend on a secret are noticed, arithmetic is not.
fn harness(cases: &mut Cases) {
    let mut secret = [0u8; 32];
    UnwrapErr(SysRng).fill(&mut secret);
    make_undefined(&mut secret);
    cases.run("harness: no error in arithmetic", 0, || {
        secret.iter().fold(0u8, |sum, &b| sum.wrapping_mul(3) ^ b)
    });
    cases.noticed("harness: a jump is noticed", || leak_by_jump(secret[0]));
    let table: Vec<u8> = (0..=255).collect();
    cases.noticed("harness: an address is noticed", || {
        leak_by_address(&table, secret[1])
    });
    let public = published(&secret);
    cases.run("harness: none once it is public", 0, || {
        leak_by_jump(public[0])
    });
}

#[inline(never)]
fn leak_by_jump(secret: u8) -> usize {
    if secret > 127 {
        return errors().wrapping_add(1); // a call, so that no conditional move takes its place
    }
    0
}

#[inline(never)]
fn leak_by_address(table: &[u8], secret: u8) -> u8 {
    // 256 entries: the bound check of a byte index is known to hold, the load remains.
    table[..256][usize::from(secret)]
}

/// Randomness that is undefined from the start.
struct Undefined(UnwrapErr<SysRng>);

impl TryRng for Undefined {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        self.0.fill(out);
        make_undefined(out);
        Ok(())
    }
}

impl TryCryptoRng for Undefined {}

trait Fill {
    fn fill(&mut self, out: &mut [u8]);
}

impl Fill for UnwrapErr<SysRng> {
    fn fill(&mut self, out: &mut [u8]) {
        rand_core::Rng::fill_bytes(self, out);
    }
}

/// The bytes of a secret key, undefined behind the header.
fn secret_bytes(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    make_undefined(&mut bytes[HEADER..]);
    bytes
}

fn set<P: ParameterSet>(cases: &mut Cases) {
    let set = P::NAME;
    let rng = &mut UnwrapErr(SysRng);
    let extractor = Extractor::new(&setup::<P>(rng));
    let public = extractor.public_params().clone();
    let mut issued = BTreeSet::new();
    let (sid, gid) = (scope_id::<P>(b"scope"), GrantId::from_bytes([5; 32]));
    let scope = ScopeKey::new(&public, sid);
    let (Ok(e1), noise_key) = (
        extractor.extract(sid, &mut issued, rng),
        NoiseKey::generate(rng),
    ) else {
        unreachable!("a fresh list has no target");
    };
    let Ok((e2, rk)) = rekey(&extractor, &e1, gid, &mut issued, rng) else {
        unreachable!("rk out of range once in 2^34");
    };

    // Encapsulation: message, hence coins, secret and the whole of the encryption.
    let mut message = [0; 32];
    rng.fill(&mut message);
    let (plain_secret, capsule) = scope.encapsulate_with(&message);
    let id = capsule.id(public.pkh(), sid);
    let mut undefined = message;
    make_undefined(&mut undefined);
    let (secret, made) = cases.run(&format!("{set} encapsulate_with"), 0, || {
        scope.encapsulate_with(&undefined)
    });
    cases.same(
        "encapsulate_with",
        secret.as_secret(),
        plain_secret.as_secret(),
    );
    cases.same("encapsulate_with", &made.to_bytes(), &capsule.to_bytes());
    let (fresh, _) = cases.run(&format!("{set} encapsulate"), 0, || {
        scope.encapsulate(&mut Undefined(UnwrapErr(SysRng)))
    });
    let keys = cases.run(&format!("{set} dem_keys"), 0, || {
        secret.dem_keys(public.pkh(), sid, id)
    });
    let plain_keys = plain_secret.dem_keys(public.pkh(), sid, id);
    cases.same(
        "dem_keys",
        keys.k_wrap.as_secret(),
        plain_keys.k_wrap.as_secret(),
    );
    cases.run(&format!("{set} body_keys"), 0, || {
        body_keys::<P>(fresh.as_secret())
    });
    let differs = cases.run(&format!("{set} comparison of secrets"), 0, || {
        keys.k_wrap.ct_eq(&plain_keys.k_wrap)
    });
    cases.same("comparison", &[differs.unwrap_u8()], &[1]);

    // The delegator's side: key and rejection secret.
    let bytes = secret_bytes(&e1.to_bytes());
    let key = cases.run(&format!("{set} UserKey::from_bytes"), 0, || {
        UserKey::<P>::from_bytes(&bytes)
    });
    let Ok(key) = key else {
        unreachable!("its own encoding")
    };
    let again = cases.run(&format!("{set} UserKey::to_bytes"), 0, || key.to_bytes());
    cases.same("UserKey", &again, &e1.to_bytes());
    let belongs = cases.run(
        &format!("{set} UserKey::belongs_to (the outcome)"),
        1,
        || key.belongs_to(&scope),
    );
    cases.same("belongs_to", &[u8::from(belongs)], &[1]);
    let mut z = [0; 32];
    rng.fill(&mut z);
    let plain_z = z;
    make_undefined(&mut z);
    let own = cases.run(&format!("{set} DecapsulationKey::new"), 0, || {
        DecapsulationKey::new(&scope, &key, z)
    });
    let found = cases.run(&format!("{set} decapsulate, genuine"), 0, || {
        own.decapsulate(&capsule)
    });
    cases.same("decapsulate", found.as_secret(), plain_secret.as_secret());
    let mut bytes = capsule.to_bytes();
    bytes[40] ^= 1;
    if let Ok(damaged) = Capsule::from_bytes(&bytes) {
        let rejected = cases.run(&format!("{set} decapsulate, damaged"), 0, || {
            own.decapsulate(&damaged)
        });
        let plain = DecapsulationKey::new(&scope, &e1, plain_z).decapsulate(&damaged);
        cases.same("rejection", rejected.as_secret(), plain.as_secret());
        cases.run(&format!("{set} accept, damaged (the outcome)"), 1, || {
            own.accept(&damaged).is_ok()
        });
    }
    cases.run(&format!("{set} accept, genuine (the outcome)"), 1, || {
        own.accept(&capsule).is_ok()
    });

    // The proxy's side: rk and the key of the noise.
    let bytes = secret_bytes(&rk.to_bytes());
    let key = cases.run(&format!("{set} ReencryptionKey::from_bytes"), 0, || {
        ReencryptionKey::<P>::from_bytes(&bytes)
    });
    let Ok(key) = key else {
        unreachable!("its own encoding")
    };
    let again = cases.run(&format!("{set} ReencryptionKey::to_bytes"), 0, || {
        key.to_bytes()
    });
    cases.same("ReencryptionKey", &again, &rk.to_bytes());
    let proxy = cases.run(&format!("{set} ReencryptionKey::prepare"), 0, || {
        key.prepare()
    });
    let mut bytes = *noise_key.as_secret();
    make_undefined(&mut bytes);
    let secret_noise = NoiseKey::from_bytes(bytes);
    let accepted = AcceptedCapsule::trust_ledger(capsule.clone());
    let turned = cases.run(&format!("{set} reencrypt"), 0, || {
        proxy.reencrypt(&accepted, &secret_noise, gid, id)
    });
    let plain_turned = rk.prepare().reencrypt(&accepted, &noise_key, gid, id);
    cases.same("reencrypt", &turned.to_bytes(), &plain_turned.to_bytes());
    let com = cases.run(&format!("{set} commitment"), 0, || {
        commitment(gid, b"agent", &key, &secret_noise, &[3; 32])
    });
    cases.same(
        "commitment",
        &com,
        &commitment(gid, b"agent", &rk, &noise_key, &[3; 32]),
    );

    // The delegatee's side: the grant's key.
    let bytes = secret_bytes(&e2.to_bytes());
    let key = cases.run(&format!("{set} GrantKey::from_bytes"), 0, || {
        GrantKey::<P>::from_bytes(&bytes)
    });
    let Ok(key) = key else {
        unreachable!("its own encoding")
    };
    let verified = cases.run(&format!("{set} GrantKey::verify (the outcome)"), 1, || {
        key.verify(&public, gid)
    });
    let Ok(verified) = verified else {
        unreachable!("a key of this grant")
    };
    let opener = cases.run(&format!("{set} VerifiedGrantKey::prepare"), 0, || {
        verified.prepare(&scope)
    });
    let Ok(opener) = opener else {
        unreachable!("a scope of this authority")
    };
    let opened = cases.run(&format!("{set} open, genuine (the outcome)"), 1, || {
        opener.decapsulate(&capsule, &plain_turned)
    });
    if let Ok(opened) = &opened {
        cases.same("open", opened.as_secret(), plain_secret.as_secret());
    }
    let mut bytes = plain_turned.to_bytes();
    for byte in &mut bytes[HEADER..] {
        *byte ^= 0x55;
    }
    if let Ok(lie) = ReencryptedCapsule::from_bytes(&bytes) {
        cases.run(&format!("{set} open, a lie (the outcome)"), 1, || {
            opener.decapsulate(&capsule, &lie).is_ok()
        });
    }
}
