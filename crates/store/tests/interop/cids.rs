//! The CIDs of files are those that a real Kubo computes, for every profile, from nothing to 256 MiB.

use crate::daemon::Repository;
use sha2::{Digest as _, Sha256};
use store::unixfs::{HashOnly, Profile, add};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Bytes that differ from block to block: SHA-256 of 0, 1, 2, ...
pub(crate) fn content(size: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size + 32);
    for number in 0u64.. {
        if bytes.len() >= size {
            break;
        }
        bytes.extend_from_slice(&Sha256::digest(number.to_le_bytes()));
    }
    bytes.truncate(size);
    bytes
}

/// A profile and how Kubo is told to follow it.
struct Case {
    profile: Profile,
    words: &'static [&'static str],
    sizes: Vec<usize>,
}

fn around(size: usize) -> [usize; 3] {
    [size - 1, size, size + 1]
}

fn cases() -> Vec<Case> {
    let sizes = |chunk: usize, full_node: usize| {
        let mut sizes = vec![0, 1, 31, 3 * chunk + 77, 256 * MIB];
        sizes.extend(around(chunk));
        sizes.extend(around(2 * chunk));
        sizes.extend(around(full_node));
        sizes.retain(|size| *size <= 256 * MIB);
        sizes
    };
    let small = Profile::UNIXFS_V1_2025.resized(KIB, 1024);
    vec![
        Case {
            profile: Profile::UNIXFS_V1_2025,
            words: &[
                "--cid-version=1",
                "--raw-leaves",
                "--chunker=size-1048576",
                "--max-file-links=1024",
            ],
            sizes: sizes(MIB, 255 * MIB),
        },
        // Its fan-out of 1024 links is beyond 256 MiB with chunks of 1 MiB; with small ones it is not.
        Case {
            profile: small.expect("within the limits"),
            words: &[
                "--cid-version=1",
                "--raw-leaves",
                "--chunker=size-1024",
                "--max-file-links=1024",
            ],
            sizes: [around(MIB), around(2 * MIB)].concat(),
        },
        Case {
            profile: Profile::UNIXFS_V0_2015,
            words: &[
                "--cid-version=0",
                "--raw-leaves=false",
                "--chunker=size-262144",
                "--max-file-links=174",
            ],
            sizes: sizes(256 * KIB, 174 * 256 * KIB),
        },
        Case {
            profile: Profile::KUBO_CID_V1,
            words: &[
                "--cid-version=1",
                "--raw-leaves",
                "--chunker=size-262144",
                "--max-file-links=174",
            ],
            sizes: sizes(256 * KIB, 174 * 256 * KIB),
        },
    ]
}

#[test]
fn are_kubos_from_nothing_to_256_mib() {
    let repository = Repository::new();
    let bytes = content(256 * MIB);
    for Case {
        profile,
        words,
        sizes,
    } in cases()
    {
        for size in sizes {
            let ours = add(profile, &bytes[..size], HashOnly).expect("memory can be read");
            let add = ["add", "--quieter", "--only-hash", "--trickle=false"];
            let theirs = repository.ipfs_with(&[&add[..], words].concat(), &bytes[..size]);
            assert_eq!(ours.cid.to_string(), theirs, "{size} bytes, {words:?}");
        }
    }
}
