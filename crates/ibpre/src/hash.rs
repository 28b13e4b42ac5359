//! Every hash input of this crate. No other file names a tag.
//!
//! ```text
//! H_L(i1, .., ik) = SHAKE256("medshare/ibpre/v1/" ‖ set ‖ "/" ‖ L ‖ 0x00
//!                            ‖ len(i1) ‖ i1 ‖ .. ‖ len(ik) ‖ ik)
//! ```
//! `set` is the letter of the parameter set, `len` the length in bytes as a 64-bit little-endian
//! integer. The output has 32 bytes unless the table says otherwise. Packed polynomials enter
//! without the two bytes of header that encodings have.
//!
//! | L | inputs | output |
//! |---|---|---|
//! | `pk` | h packed | pkh |
//! | `sid` | D | sid |
//! | `u` | pkh, sid or gid | seed of HashToRq; also names the target of a preimage |
//! | `G` | pkh, sid, m (32) | 64: K̄ (32) ‖ coins (32) |
//! | `ct` | pkh, sid, y packed ‖ c1 packed | ctid |
//! | `K` | K̄, ctid | shared secret |
//! | `rej` | z (32), ctid | shared secret of an implicit rejection |
//! | `dem` | shared secret, pkh, sid, ctid | 64: k_wrap (32) ‖ k_commit (32) |
//! | `body` | CEK (32) | 96: k_body (32) ‖ k_open (32) ‖ body_commit (32) |
//! | `terms` | terms | H(terms) |
//! | `gid` | chain id, sid, requester, one-time key hash (32), gsalt (32), H(terms) (32) | gid |
//! | `E` | k_E (32), gid, ctid | seed of the re-encryption noise |
//! | `com` | gid, agent, rk packed, k_E (32), csalt (32) | com |
//! | `c2` | c2 packed | H(c2) |

use shake::{ExtendableOutput, Shake256, Update, XofReader};
use zeroize::Zeroizing;

use crate::params::ParameterSet;

const PREFIX: &[u8] = b"medshare/ibpre/v1/";

/// H_pk of the packed h.
pub(crate) fn public_key<P: ParameterSet>(h_packed: &[u8]) -> [u8; 32] {
    hash::<P, 32>("pk", &[h_packed])
}

/// H_sid of the scope's description D.
pub(crate) fn scope<P: ParameterSet>(description: &[u8]) -> [u8; 32] {
    hash::<P, 32>("sid", &[description])
}

/// H_u: the seed of the target of a scope or grant.
pub(crate) fn target<P: ParameterSet>(pkh: &[u8; 32], id: &[u8; 32]) -> [u8; 32] {
    hash::<P, 32>("u", &[pkh, id])
}

/// H_G: (K̄, coins).
pub(crate) fn coins<P: ParameterSet>(
    pkh: &[u8; 32],
    sid: &[u8; 32],
    message: &[u8; 32],
) -> (Zeroizing<[u8; 32]>, Zeroizing<[u8; 32]>) {
    split(&Zeroizing::new(hash::<P, 64>("G", &[pkh, sid, message])))
}

/// H_ct: the name of a capsule.
pub(crate) fn capsule<P: ParameterSet>(
    pkh: &[u8; 32],
    sid: &[u8; 32],
    capsule_packed: &[u8],
) -> [u8; 32] {
    hash::<P, 32>("ct", &[pkh, sid, capsule_packed])
}

/// H_K: the shared secret of a capsule.
pub(crate) fn shared_secret<P: ParameterSet>(
    k_bar: &[u8; 32],
    ctid: &[u8; 32],
) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(hash::<P, 32>("K", &[k_bar, ctid]))
}

/// H_rej: the pseudo-random answer to a capsule that nobody encapsulated.
pub(crate) fn rejection<P: ParameterSet>(z: &[u8; 32], ctid: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(hash::<P, 32>("rej", &[z, ctid]))
}

/// H_dem: (k_wrap, k_commit).
pub(crate) fn dem<P: ParameterSet>(
    secret: &[u8; 32],
    pkh: &[u8; 32],
    sid: &[u8; 32],
    ctid: &[u8; 32],
) -> (Zeroizing<[u8; 32]>, Zeroizing<[u8; 32]>) {
    split(&Zeroizing::new(hash::<P, 64>(
        "dem",
        &[secret, pkh, sid, ctid],
    )))
}

/// H_body: k_body ‖ k_open ‖ body_commit.
pub(crate) fn body<P: ParameterSet>(cek: &[u8; 32]) -> Zeroizing<[u8; 96]> {
    Zeroizing::new(hash::<P, 96>("body", &[cek]))
}

/// H(terms).
pub(crate) fn terms<P: ParameterSet>(terms: &[u8]) -> [u8; 32] {
    hash::<P, 32>("terms", &[terms])
}

/// H_gid: the name of a grant for one scope.
pub(crate) fn grant<P: ParameterSet>(
    chain_id: &[u8],
    sid: &[u8; 32],
    requester: &[u8],
    one_time_key_hash: &[u8; 32],
    grant_salt: &[u8; 32],
    terms_hash: &[u8; 32],
) -> [u8; 32] {
    hash::<P, 32>(
        "gid",
        &[
            chain_id,
            sid,
            requester,
            one_time_key_hash,
            grant_salt,
            terms_hash,
        ],
    )
}

/// H_E: the seed of the noise of one capsule under one grant.
pub(crate) fn noise<P: ParameterSet>(
    noise_key: &[u8; 32],
    gid: &[u8; 32],
    ctid: &[u8; 32],
) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(hash::<P, 32>("E", &[noise_key, gid, ctid]))
}

/// H_com: what an agent's key packet is bound to on the ledger.
pub(crate) fn commitment<P: ParameterSet>(
    gid: &[u8; 32],
    agent: &[u8],
    rk_packed: &[u8],
    noise_key: &[u8; 32],
    commitment_salt: &[u8; 32],
) -> [u8; 32] {
    hash::<P, 32>("com", &[gid, agent, rk_packed, noise_key, commitment_salt])
}

/// H(c2): what an agent signs.
pub(crate) fn reencrypted<P: ParameterSet>(c2_packed: &[u8]) -> [u8; 32] {
    hash::<P, 32>("c2", &[c2_packed])
}

fn hash<P: ParameterSet, const OUT: usize>(tag: &str, inputs: &[&[u8]]) -> [u8; OUT] {
    let mut shake = Shake256::default();
    for part in [PREFIX, P::NAME.as_bytes(), b"/", tag.as_bytes(), &[0]] {
        shake.update(part);
    }
    for input in inputs {
        shake.update(&(input.len() as u64).to_le_bytes());
        shake.update(input);
    }
    let mut out = [0; OUT];
    shake.finalize_xof().read(&mut out);
    out
}

fn split(both: &[u8; 64]) -> (Zeroizing<[u8; 32]>, Zeroizing<[u8; 32]>) {
    let mut halves = (Zeroizing::new([0; 32]), Zeroizing::new([0; 32]));
    halves.0.copy_from_slice(&both[..32]);
    halves.1.copy_from_slice(&both[32..]);
    halves
}
