//! RLE of DICOM: PS3.5, annex G. What a frame may unpack to is known before it is unpacked.

/// Unpacks one frame to `size` bytes, planes after each other, the most significant byte's
/// first; nothing if it does not hold that many.
pub(crate) fn unpack(frame: &[u8], planes: usize, size: usize) -> Option<Vec<u8>> {
    let header = frame.get(..64)?;
    let number = |at: usize| {
        let bytes = header.get(at * 4..)?.first_chunk::<4>()?;
        usize::try_from(u32::from_le_bytes(*bytes)).ok()
    };
    if number(0)? != planes || planes == 0 || planes > 15 || !size.is_multiple_of(planes) {
        return None;
    }
    let plane = size / planes;
    let mut unpacked = Vec::new(); // grows with what is there, not with what is claimed
    for at in 1..=planes {
        let from = number(at)?;
        let to = if at < planes {
            number(at + 1)?
        } else {
            frame.len()
        };
        segment(frame.get(from..to)?, plane, &mut unpacked)?;
    }
    Some(unpacked)
}

/// PackBits until `plane` more bytes are there.
fn segment(mut packed: &[u8], plane: usize, unpacked: &mut Vec<u8>) -> Option<()> {
    let end = unpacked.len() + plane;
    while unpacked.len() < end {
        let (&control, rest) = packed.split_first()?;
        let left = end - unpacked.len();
        match control {
            0..=127 => {
                let count = usize::from(control) + 1;
                unpacked.extend_from_slice(&rest.get(..count)?[..count.min(left)]);
                packed = &rest[count..];
            }
            128 => packed = rest,
            129..=255 => {
                let (&byte, rest) = rest.split_first()?;
                let count = 257 - usize::from(control);
                unpacked.resize(unpacked.len() + count.min(left), byte);
                packed = rest;
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(segments: &[&[u8]]) -> Vec<u8> {
        let mut header = vec![0; 64];
        header[0] = segments.len() as u8;
        let mut body = Vec::new();
        for (at, segment) in segments.iter().enumerate() {
            let offset = 64 + body.len() as u32;
            header[4 + 4 * at..8 + 4 * at].copy_from_slice(&offset.to_le_bytes());
            body.extend_from_slice(segment);
        }
        header.extend(body);
        header
    }

    #[test]
    fn runs_and_literals() {
        // The example of PackBits: FE AA 02 80 00 2A FD AA.
        let packed = frame(&[&[0xfe, 0xaa, 2, 0x80, 0, 0x2a, 0xfd, 0xaa]]);
        let plain = [0xaa, 0xaa, 0xaa, 0x80, 0, 0x2a, 0xaa, 0xaa, 0xaa, 0xaa];
        assert_eq!(unpack(&packed, 1, 10).as_deref(), Some(&plain[..]));
        let two = frame(&[&[0xff, 1], &[0xff, 2]]);
        assert_eq!(unpack(&two, 2, 4).as_deref(), Some(&[1, 1, 2, 2][..]));
    }

    #[test]
    fn lies_give_nothing() {
        let packed = frame(&[&[0xfe, 0xaa]]);
        assert_eq!(unpack(&packed, 1, usize::MAX), None);
        assert_eq!(unpack(&packed, 2, 4), None);
        assert_eq!(unpack(&packed[..40], 1, 3), None);
        let mut wild = packed;
        wild[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(unpack(&wild, 1, 3), None);
    }
}
