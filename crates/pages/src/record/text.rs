//! From bytes to text: byte order marks, declared encodings, UTF-8, Windows-1252.

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// The bytes as text, or nothing if they are none: text has no control characters but
/// blanks, line ends, and the frame of MLLP.
///
/// A byte order mark decides, then what the text says of itself (`encoding=` of XML, MSH-18
/// of HL7 v2), then whether it is UTF-8; what is not is read as Windows-1252, in which every
/// byte is something, so that nothing is lost.
pub(crate) fn decode(bytes: &[u8]) -> Option<String> {
    let (encoding, skip) = Encoding::for_bom(bytes).unwrap_or_else(|| {
        let declared = declared(&bytes[..bytes.len().min(512)]);
        (declared.unwrap_or(UTF_8), 0)
    });
    let bytes = &bytes[skip..];
    let text = match encoding.decode_without_bom_handling_and_without_replacement(bytes) {
        Some(text) => text,
        None => WINDOWS_1252.decode_without_bom_handling(bytes).0,
    };
    // A claim of UTF-16 over other bytes gives nonsense, not an error.
    let odd = text
        .chars()
        .filter(|c| matches!(c, '\0'..='\x08' | '\x0e'..='\x1b' | '\x1d'..='\x1f' | '\u{fffd}'))
        .take(text.len() / 1000 + 1)
        .count();
    (odd == 0).then(|| text.into_owned())
}

/// What the first bytes say that they are.
fn declared(start: &[u8]) -> Option<&'static Encoding> {
    let start = String::from_utf8_lossy(start);
    if let Some((_, rest)) = start.split_once("encoding=") {
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        return Encoding::for_label(rest[1..].split(quote).next()?.as_bytes());
    }
    let message = start.trim_start_matches(['\x0b', '\n', '\r']);
    if message.starts_with("MSH") {
        let header = message.split(['\r', '\n']).next()?;
        let separator = header[3..].chars().next()?;
        return match header.split(separator).nth(17)?.split('~').next()? {
            "8859/1" => Some(WINDOWS_1252), // a superset of ISO 8859-1 but for controls
            "8859/2" => Some(encoding_rs::ISO_8859_2),
            "8859/5" => Some(encoding_rs::ISO_8859_5),
            "8859/15" => Some(encoding_rs::ISO_8859_15),
            _ => None,
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_found() {
        let utf16: Vec<u8> = "\u{feff}Grüße"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        for (bytes, text) in [
            ("Grüße".as_bytes(), "Grüße"),
            (b"Gr\xfc\xdfe", "Grüße"),
            (b"\xef\xbb\xbfGr\xc3\xbc\xc3\x9fe", "Grüße"),
            (&utf16, "Grüße"),
        ] {
            assert_eq!(decode(bytes).as_deref(), Some(text));
        }
        let xml = b"<?xml version='1.0' encoding='ISO-8859-2'?><a>\xb1</a>";
        assert!(decode(xml).is_some_and(|text| text.contains('ą')));
        let hl7 = b"MSH|^~\\&|a|b|c|d|20200101||ADT^A01|1|P|2.5||||||8859/1\rPID|1||M\xfcller";
        assert!(decode(hl7).is_some_and(|text| text.contains("Müller")));
    }

    #[test]
    fn lies_and_other_files_are_no_text() {
        for bytes in [
            &b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..],
            b"\0",
            b"PK\x03\x04",
            b"a\x01b",
        ] {
            assert_eq!(decode(bytes), None);
        }
        // Claims UTF-16, is not.
        let lie = b"<?xml version='1.0' encoding='UTF-16'?><a/>";
        assert!(decode(lie).is_none_or(|text| text.len() < 200));
        assert_eq!(decode(b"MSH"), Some("MSH".into()));
        assert!(decode("MSHé|".as_bytes()).is_some());
        assert_eq!(decode(b""), Some(String::new()));
    }
}
