//! Known-answer tests against the independent oracle `tests/oracle.py` (tests only).
//!
//! `tests/vectors/keys-*.json` holds given keys and randomness, `tests/vectors/*.json` what the
//! oracle makes of them; `tests/vectors/README.md` says how both came to be.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value};

use crate::hash;
use crate::params::{ParameterSet, SetA, SetB};
use crate::ring::packing::{pack, packed_len};
use crate::ring::samplers::{hash_to_rq, noise};
use crate::test_rng::TestRng;
use crate::*;

struct File(Map<String, Value>);

impl File {
    fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/vectors")
            .join(name);
        Self(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        hex::decode(self.0[name].as_str().unwrap()).unwrap()
    }

    fn array(&self, name: &str) -> [u8; 32] {
        self.bytes(name).try_into().unwrap()
    }
}

fn check<P: ParameterSet>() {
    let given = File::read(&format!("keys-{}.json", P::NAME));
    let expected = File::read(&format!("{}.json", P::NAME));
    let public = PublicParams::<P>::from_bytes(&given.bytes("public_params")).unwrap();
    let e1 = UserKey::<P>::from_bytes(&given.bytes("user_key")).unwrap();
    let e2 = GrantKey::<P>::from_bytes(&given.bytes("grant_key")).unwrap();
    let message = given.array("message");
    let pkh = *public.pkh();
    assert_eq!(pkh, expected.array("pkh"));

    let sid = scope_id::<P>(&given.bytes("description"));
    assert_eq!(sid.to_bytes(), expected.array("sid"));
    let terms = terms_hash::<P>(&given.bytes("terms"));
    assert_eq!(terms, expected.array("terms_hash"));
    let gid = grant_id::<P>(
        &given.bytes("chain_id"),
        sid,
        &given.bytes("requester"),
        &given.array("one_time_key_hash"),
        &given.array("grant_salt"),
        &terms,
    );
    assert_eq!(gid.to_bytes(), expected.array("gid"));

    let scope = ScopeKey::new(&public, sid);
    let mut target = vec![0; packed_len(P::N, P::Q_BITS)];
    pack(
        P::Q_BITS,
        &hash_to_rq::<P>(&public.scope_seed(sid)),
        &mut target,
    );
    assert_eq!(target, expected.bytes("target"));
    assert!(e1.belongs_to(&scope));

    let (k_bar, coins) = hash::coins::<P>(&pkh, sid.as_bytes(), &message);
    assert_eq!([*k_bar, *coins].concat(), expected.bytes("coins"));
    let mut word = vec![0; P::N];
    code::add_encoded::<P>(&message, &mut word);
    let bits: Vec<u8> = word
        .chunks(8)
        .map(|c| {
            c.iter()
                .rev()
                .fold(0, |byte, &v| byte << 1 | u8::from(v > 0))
        })
        .collect();
    assert_eq!(bits, expected.bytes("codeword"));

    let (secret, capsule) = scope.encapsulate_with(&message);
    assert_eq!(capsule.to_bytes(), expected.bytes("capsule"));
    assert_eq!(*secret.as_secret(), expected.array("shared_secret"));
    let ctid = capsule.id(&pkh, sid);
    assert_eq!(ctid.to_bytes(), expected.array("ctid"));

    let delegator = DecapsulationKey::new(&scope, &e1, given.array("z"));
    assert_eq!(
        delegator.decapsulate(&capsule).as_secret(),
        secret.as_secret()
    );
    assert_eq!(
        delegator.accept(&capsule).unwrap().as_secret(),
        secret.as_secret()
    );
    let mut broken = capsule.to_bytes();
    broken[2] ^= 1;
    let broken = Capsule::from_bytes(&broken).unwrap();
    assert_eq!(
        *delegator.decapsulate(&broken).as_secret(),
        expected.array("rejected_secret")
    );
    assert!(delegator.accept(&broken).is_err());

    let rk = ReencryptionKey::difference(&e1, &e2).unwrap();
    assert_eq!(*rk.to_bytes(), expected.bytes("reencryption_key"));
    let noise_key = NoiseKey::from_bytes(given.array("noise_key"));
    assert_eq!(
        commitment(
            gid,
            &given.bytes("agent"),
            &rk,
            &noise_key,
            &given.array("commitment_salt")
        ),
        expected.array("commitment")
    );
    let e = noise::<P>(&hash::noise::<P>(
        noise_key.as_secret(),
        gid.as_bytes(),
        ctid.as_bytes(),
    ));
    let expected_e: Vec<i64> = expected.0["noise"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_i64().unwrap())
        .collect();
    assert_eq!(
        e.iter().map(|&v| i64::from(v)).collect::<Vec<_>>(),
        expected_e
    );
    let accepted = AcceptedCapsule::trust_ledger(capsule.clone());
    let c2 = rk.prepare().reencrypt(&accepted, &noise_key, gid, ctid);
    assert_eq!(c2.to_bytes(), expected.bytes("reencrypted"));
    assert_eq!(c2.hash(), expected.array("reencrypted_hash"));

    let opener = e2.verify(&public, gid).unwrap().prepare(&scope).unwrap();
    let opened = opener.decapsulate(&capsule, &c2).unwrap();
    assert_eq!(opened.as_secret(), secret.as_secret());

    let dem = secret.dem_keys(&pkh, sid, ctid);
    assert_eq!(
        [*dem.k_wrap.as_secret(), dem.k_commit].concat(),
        expected.bytes("dem")
    );
    let body = body_keys::<P>(&given.array("cek"));
    assert_eq!(
        [
            *body.k_body.as_secret(),
            *body.k_open.as_secret(),
            body.body_commit
        ]
        .concat(),
        expected.bytes("body")
    );
}

#[test]
fn set_a_equals_the_oracle() {
    check::<SetA>();
}

#[test]
fn set_b_equals_the_oracle() {
    check::<SetB>();
}

/// Runs the oracle again. Without python3 there is nothing to run: then the committed files still
/// bind, except that continuous integration must have it.
#[test]
fn the_oracle_still_says_what_is_committed() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for set in ["A", "B"] {
        let output = Command::new("python3")
            .arg(tests.join("oracle.py"))
            .arg(tests.join(format!("vectors/keys-{set}.json")))
            .output();
        let output = match output {
            Ok(output) => output,
            Err(error) => {
                assert!(
                    std::env::var("CI").as_deref() != Ok("true"),
                    "python3 is needed with CI=true: {error}"
                );
                eprintln!("python3 not found, the oracle was not run: {error}");
                return;
            }
        };
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaint}");
        let again: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            again,
            Value::Object(File::read(&format!("{set}.json")).0),
            "{set}"
        );
    }
}

/// Writes the given half of the vectors: run by hand, see `tests/vectors/README.md`.
#[test]
#[ignore = "writes tests/vectors/keys-*.json: cargo xtask vectors"]
fn write_keys() {
    fn write<P: ParameterSet>() {
        let rng = &mut TestRng::new(format!("vectors {}", P::NAME).as_bytes());
        let extractor = Extractor::new(&setup::<P>(rng));
        let public = extractor.public_params();
        let mut issued = BTreeSet::new();
        let random = |rng: &mut TestRng| {
            let mut out = [0; 32];
            rand_core::Rng::fill_bytes(rng, &mut out);
            out
        };
        let description = b"the canonical bytes of a scope's description".as_slice();
        let sid = scope_id::<P>(description);
        let e1 = extractor.extract(sid, &mut issued, rng).unwrap();
        let (one_time, grant_salt) = (random(rng), random(rng));
        let gid = grant_id::<P>(
            b"chain",
            sid,
            b"requester",
            &one_time,
            &grant_salt,
            &terms_hash::<P>(b"terms"),
        );
        let (e2, _) = rekey(&extractor, &e1, gid, &mut issued, rng).unwrap();
        let mut file = Map::new();
        file.insert("set".into(), P::NAME.into());
        for (name, bytes) in [
            ("public_params", public.to_bytes()),
            ("user_key", e1.to_bytes().to_vec()),
            ("grant_key", e2.to_bytes().to_vec()),
            ("description", description.to_vec()),
            ("chain_id", b"chain".to_vec()),
            ("requester", b"requester".to_vec()),
            ("agent", b"agent".to_vec()),
            ("terms", b"terms".to_vec()),
            ("one_time_key_hash", one_time.to_vec()),
            ("grant_salt", grant_salt.to_vec()),
            ("message", random(rng).to_vec()),
            ("z", random(rng).to_vec()),
            ("noise_key", random(rng).to_vec()),
            ("commitment_salt", random(rng).to_vec()),
            ("cek", random(rng).to_vec()),
        ] {
            file.insert(name.into(), hex::encode(bytes).into());
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("tests/vectors/keys-{}.json", P::NAME));
        let text = serde_json::to_string_pretty(&file).unwrap();
        std::fs::write(path, text + "\n").unwrap();
    }
    write::<SetA>();
    write::<SetB>();
}
