//! Another implementation of the NTRU trapdoor, at the parameters of set A: key generation and preimages.

use harness::{Arguments, Class, Form, Peer};
use ibpre::{ParameterSet, SetA};
use ntru_trapdoor::{ExpandedKey, Params, RqPoly, SecretKey, samp_pre, tables, trapgen, verify};

fn main() {
    let arguments = Arguments::read();
    let params = set_a();
    let (public, secret) = trapgen(&params, &seed()).unwrap();
    let expanded = ExpandedKey::new(&secret).unwrap();
    let target = || {
        let random = std::iter::repeat_with(seed).flatten();
        let bytes: Vec<u8> = random.take(4 * SetA::N).collect();
        let words = bytes
            .chunks_exact(4)
            .map(|c| u32::from_le_bytes([c[0], c[1], c[2], c[3]]));
        let coefficients: Vec<u32> = words.map(|word| word % SetA::Q).collect();
        RqPoly::from_coeffs(&params, &coefficients).unwrap()
    };
    // Drawn before: the hash to R_q is not this crate's work.
    let targets: Vec<RqPoly> = (0..64).map(|_| target()).collect();
    let preimage = samp_pre(&expanded, &targets[0], &seed()).unwrap();
    assert!(verify(&public, &targets[0], &preimage, params.beta_sq));
    let bytes = secret.to_bytes();
    let mut peer = Peer::new("ntru-trapdoor", &arguments);
    peer.size("public key", public.to_bytes().len());
    peer.size("secret key", bytes.len());

    peer.operation("set up", Form::Prepared, Class::Block, "trapgen", || {
        trapgen(&params, &seed()).unwrap()
    });
    peer.operation(
        "load the secret key",
        Form::Cold,
        Class::Block,
        "ExpandedKey::new",
        || ExpandedKey::new(&SecretKey::from_bytes(&params, &bytes).unwrap()).unwrap(),
    );
    let mut next = targets.iter().cycle();
    let call = "samp_pre, without the hash to R_q";
    peer.operation("extract", Form::Prepared, Class::Block, call, || {
        samp_pre(&expanded, next.next().unwrap(), &seed()).unwrap()
    });
    peer.run();
}

/// Set A as this crate describes parameters; the same description as in the tests of `ibpre`.
fn set_a() -> Params {
    Params {
        name: "set A",
        q: SetA::Q,
        sigma: SetA::SIGMA_E,
        inv_sigma: 1.0 / SetA::SIGMA_E,
        inv_q: 1.0 / f64::from(SetA::Q),
        beta_sq: SetA::KEY_NORM_SQ,
        sigma_fg: SetA::SIGMA_FG,
        fg_table: &tables::FG_PCS_128,
        gs_bound_num: 13_689 * u64::from(SetA::Q),
        sk_fg_bits: 10,
        sk_big_fg_bits: 13,
        ..Params::FALCON_1024
    }
}

fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).unwrap();
    seed
}
