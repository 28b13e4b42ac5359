//! The output that anchors: `OP_RETURN` and 80 bytes, the most that every node relays.
//!
//! | bytes | are |
//! | --- | --- |
//! | 4 | `MSA` and the format's version, 1 |
//! | 4 | first bytes of the ledger's id |
//! | 32 | root of its log |
//! | 6 | leaves under the root, big-endian |
//! | 6 | height of the ledger's block, big-endian |
//! | 28 | first bytes of the SHA2-256 of that block's header |

use base::Digest;
use bitcoin::{
    Script, ScriptBuf,
    script::{Instruction, PushBytesBuf},
};

use crate::checkpoint::Mark;

const MAGIC: [u8; 4] = *b"MSA\x01";
/// Bytes of a mark.
pub(super) const LENGTH: usize = 80;

/// The script that says `mark`; none if one of its numbers has more than 48 bits.
pub(super) fn script(mark: &Mark) -> Option<ScriptBuf> {
    let short = |number: u64| -> Option<[u8; 6]> {
        let [0, 0, rest @ ..] = number.to_be_bytes() else {
            return None;
        };
        Some(rest)
    };
    let mut bytes = [0; LENGTH];
    let parts: [&[u8]; 6] = [
        &MAGIC,
        &mark.ledger,
        &mark.root.0,
        &short(mark.size)?,
        &short(mark.height)?,
        &mark.head,
    ];
    let mut rest = bytes.as_mut_slice();
    for part in parts {
        let (own, after) = rest.split_at_mut_checked(part.len())?;
        own.copy_from_slice(part);
        rest = after;
    }
    let bytes = PushBytesBuf::try_from(bytes.to_vec()).ok()?;
    Some(ScriptBuf::new_op_return(bytes))
}

/// What a script says, if it is one of these.
pub(super) fn read(script: &Script) -> Option<Mark> {
    if !script.is_op_return() {
        return None;
    }
    let mut words = script.instructions().skip(1);
    let Some(Ok(Instruction::PushBytes(bytes))) = words.next() else {
        return None;
    };
    let bytes: &[u8; LENGTH] = bytes.as_bytes().try_into().ok()?;
    let (magic, rest) = bytes.split_first_chunk::<4>()?;
    let (ledger, rest) = rest.split_first_chunk::<4>()?;
    let (root, rest) = rest.split_first_chunk::<32>()?;
    let (size, rest) = rest.split_first_chunk::<6>()?;
    let (height, head) = rest.split_first_chunk::<6>()?;
    let long = |[a, b, c, d, e, f]: [u8; 6]| u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
    (*magic == MAGIC && words.next().is_none()).then_some(Mark {
        ledger: *ledger,
        root: Digest(*root),
        size: long(*size),
        height: long(*height),
        head: head.try_into().ok()?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_eighty_bytes_and_comes_back() {
        let mark = Mark {
            ledger: [1, 2, 3, 4],
            root: Digest([5; 32]),
            size: (1 << 48) - 1,
            height: 7,
            head: [8; 28],
        };
        let written = script(&mark).unwrap();
        assert_eq!(written.len(), 83);
        assert_eq!(read(&written), Some(mark));
        let large = Mark {
            size: 1 << 48,
            ..mark
        };
        assert_eq!(script(&large), None);
        for at in 0..written.len() {
            let mut other = written.to_bytes();
            other[at] ^= 1;
            let said = read(&ScriptBuf::from_bytes(other.clone()));
            assert_ne!(said, Some(mark), "byte {at}");
            assert_eq!(said.is_none(), at < 7, "byte {at}");
            assert_eq!(read(&ScriptBuf::from_bytes(other[..at].to_vec())), None);
        }
        let longer = [written.as_bytes(), &[0x51]].concat();
        assert_eq!(read(&ScriptBuf::from_bytes(longer)), None);
    }
}
