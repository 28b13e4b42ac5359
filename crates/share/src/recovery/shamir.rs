//! Shamir's secret sharing of 32 bytes over GF(2^8), byte by byte: `vsss-rs`, which uses
//! no tables. Shamir, "How to share a secret", CACM 22 (1979).

use base::{Digest, Salt, operation::MAX_GUARDIANS};
use rand_core::CryptoRng;
use vsss_rs::Gf256;
use zeroize::Zeroizing;

use crate::identity::SecretBytes;

/// One share: f(index) for each byte.
#[derive(Clone)]
pub(crate) struct Share {
    /// 1 to [`MAX_GUARDIANS`].
    pub(crate) index: u8,
    pub(crate) value: SecretBytes,
}

impl Share {
    /// What [`base::operation::Member::share`] holds.
    pub(crate) fn commitment(&self, opening: &Salt) -> Digest {
        let bytes = Zeroizing::new([&[self.index], &self.value.as_secret()[..]].concat());
        Digest::commit(opening, &bytes)
    }
}

/// `count` shares of `secret`, of which any `threshold` give it back and fewer say nothing.
/// `None` unless 2 <= threshold <= count <= [`MAX_GUARDIANS`].
pub(crate) fn split(
    secret: &[u8; 32],
    threshold: usize,
    count: usize,
    rng: &mut dyn CryptoRng,
) -> Option<Vec<Share>> {
    if !(2..=count).contains(&threshold) || count > MAX_GUARDIANS {
        return None;
    }
    let mut rng = rng;
    let shares = Gf256::split_bytes(threshold, count, secret, &mut rng).ok()?;
    shares.into_iter().map(Zeroizing::new).map(read).collect()
}

/// The point's index, then its value.
fn read(bytes: Zeroizing<Vec<u8>>) -> Option<Share> {
    let (index, value) = bytes.split_first()?;
    Some(Share {
        index: *index,
        value: SecretBytes::new(value.try_into().ok()?),
    })
}

/// The secret of these shares; of too few, or of wrong ones, another value. `None` for
/// fewer than two, for one index twice, and for index 0.
pub(crate) fn combine(shares: &[Share]) -> Option<SecretBytes> {
    let points: Zeroizing<Vec<Vec<u8>>> = Zeroizing::new(
        shares
            .iter()
            .map(|share| [&[share.index], &share.value.as_secret()[..]].concat())
            .collect(),
    );
    let secret = Zeroizing::new(Gf256::combine_bytes(points.as_slice()).ok()?);
    Some(SecretBytes::new(secret.as_slice().try_into().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rand_core::UnwrapErr;

    fn rng() -> UnwrapErr<getrandom::SysRng> {
        UnwrapErr(getrandom::SysRng)
    }

    fn random() -> [u8; 32] {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).unwrap();
        bytes
    }

    /// Every choice of `size` out of `shares`.
    fn choices(shares: &[Share], size: usize) -> Vec<Vec<Share>> {
        if size == 0 {
            return vec![Vec::new()];
        }
        let tails = shares.iter().enumerate().flat_map(|(at, first)| {
            choices(&shares[at + 1..], size - 1)
                .into_iter()
                .map(move |rest| [vec![first.clone()], rest].concat())
        });
        tails.collect()
    }

    #[test]
    fn any_threshold_gives_it_back() {
        for (threshold, count) in [(2, 2), (2, 3), (3, 5), (4, 6), (16, 16)] {
            let secret = random();
            let shares = split(&secret, threshold, count, &mut rng()).unwrap();
            let indices: Vec<u8> = shares.iter().map(|share| share.index).collect();
            assert_eq!(indices, (1..=count as u8).collect::<Vec<_>>());
            for size in threshold..=count {
                for some in choices(&shares, size) {
                    assert_eq!(combine(&some).unwrap().as_secret(), &secret);
                }
            }
        }
    }

    #[test]
    fn out_of_range_is_refused() {
        for (threshold, count) in [(0, 3), (1, 3), (4, 3), (2, 17), (17, 17), (2, 0)] {
            assert!(split(&[7; 32], threshold, count, &mut rng()).is_none());
        }
        let shares = split(&[7; 32], 2, 3, &mut rng()).unwrap();
        assert!(combine(&[]).is_none());
        assert!(combine(&shares[..1]).is_none());
        assert!(combine(&[shares[0].clone(), shares[0].clone()]).is_none());
        let mut zero = shares[1].clone();
        zero.index = 0;
        assert!(combine(&[shares[0].clone(), zero]).is_none());
    }

    /// Below the threshold nothing is learnt, by construction: whatever k - 1 shares are,
    /// each of the 256 values of a byte of the secret belongs to exactly one value of that
    /// byte in the share that is missing.
    #[test]
    fn too_few_shares_fit_every_secret() {
        for (threshold, count) in [(2, 3), (3, 5)] {
            let shares = split(&random(), threshold, count, &mut rng()).unwrap();
            for known in choices(&shares, threshold - 1) {
                let missing = (1..=count as u8)
                    .find(|index| known.iter().all(|share| share.index != *index))
                    .unwrap();
                let mut seen = [false; 256];
                for byte in 0..=255 {
                    let guess = Share {
                        index: missing,
                        value: SecretBytes::new([byte; 32]),
                    };
                    let secret = combine(&[known.clone(), vec![guess]].concat()).unwrap();
                    seen[usize::from(secret.as_secret()[0])] = true;
                }
                assert!(seen.iter().all(|seen| *seen));
            }
        }
    }

    /// And the shares of one secret are spread like those of any other: zero included,
    /// where generators that leave out zero coefficients fail.
    #[test]
    fn one_share_is_uniform() {
        let rounds = 2_000;
        for secret in [[0; 32], [0xa5; 32]] {
            let mut counts = [0_u32; 256];
            for _ in 0..rounds {
                let shares = split(&secret, 2, 2, &mut rng()).unwrap();
                for byte in shares[1].value.as_secret() {
                    counts[usize::from(*byte)] += 1;
                }
            }
            let expected = f64::from(rounds * 32) / 256.0; // 250
            let chi: f64 = counts
                .iter()
                .map(|count| (f64::from(*count) - expected).powi(2) / expected)
                .sum();
            // 255 degrees of freedom: above 400 once in 10^8 runs
            assert!(chi < 400.0, "{chi}");
        }
    }

    #[test]
    fn a_share_is_bound_to_its_place() {
        let shares = split(&random(), 2, 3, &mut rng()).unwrap();
        let opening = Salt([1; 32]);
        let commitment = shares[0].commitment(&opening);
        assert_eq!(shares[0].clone().commitment(&opening), commitment);
        assert_ne!(shares[0].commitment(&Salt([2; 32])), commitment);
        assert_ne!(shares[1].commitment(&opening), commitment);
        let mut moved = shares[0].clone();
        moved.index = 2;
        assert_ne!(moved.commitment(&opening), commitment);
    }
}
