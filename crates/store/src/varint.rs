//! Unsigned LEB128, the one integer of protobuf, CIDs and CAR files.
//!
//! Ten bytes at most, and the shortest form only: a second spelling is refused.

/// Writes `value`.
pub(crate) fn write(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads from the front of `bytes`: the value and what follows it, or `None` if the
/// integer is cut off, too long, or not in its shortest form.
pub(crate) fn read(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        let bits = u64::from(byte & 0x7f);
        if index == 9 && bits > 1 {
            return None; // past 64 bits
        }
        value |= bits << (7 * index);
        if byte & 0x80 == 0 {
            let shortest = index == 0 || *byte != 0;
            return shortest.then_some((value, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(value: u64, tail: Vec<u8>) {
            let mut bytes = Vec::new();
            write(value, &mut bytes);
            bytes.extend(&tail);
            prop_assert_eq!(read(&bytes), Some((value, &tail[..])));
        }

        #[test]
        fn only_one_spelling_is_read(bytes: Vec<u8>) {
            if let Some((value, rest)) = read(&bytes) {
                let mut again = Vec::new();
                write(value, &mut again);
                prop_assert_eq!(&again[..], &bytes[..bytes.len() - rest.len()]);
            }
        }
    }

    #[test]
    fn bad_integers() {
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[0x80]), None);
        assert_eq!(read(&[0x80, 0x00]), None, "zero in two bytes");
        assert_eq!(read(&[0xff; 10]), None, "more than 64 bits");
        let largest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(read(&largest), Some((u64::MAX, &[][..])));
    }
}
