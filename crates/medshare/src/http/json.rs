//! Objects as JSON: the DAG-JSON of IPLD, of the same data as the DAG-CBOR of `/v1`, and back
//! without loss. Bytes are `{"/":{"bytes":"<base64, no padding>"}}`, CIDs `{"/":"<text>"}`.
//!
//! Source: the IPLD DAG-JSON specification. Floating-point numbers are refused, as no object
//! of ours holds one; so are duplicate keys and any other use of the key `/`.

use base::{Cid, codec};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use ipld_core::ipld::Ipld;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
    ser::{SerializeMap as _, SerializeSeq as _},
};
use std::{collections::BTreeMap, fmt};

/// Text that is no object, or bytes that have no JSON form.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no DAG-JSON: {0}")]
pub struct NoJson(String);

/// The canonical DAG-CBOR of an object that is written as DAG-JSON. Nested more than 127
/// deep it is refused.
///
/// # Errors
/// [`NoJson`].
pub fn to_cbor(text: &[u8]) -> Result<Vec<u8>, NoJson> {
    let node: Node = serde_json::from_slice(text).map_err(|error| NoJson(error.to_string()))?;
    Ok(codec::encode(&node.0))
}

/// The DAG-JSON of an object that is DAG-CBOR.
///
/// # Errors
/// [`NoJson`] for bytes that are no DAG-CBOR, hold a floating-point number or the key `/`.
pub fn of_cbor(bytes: &[u8]) -> Result<Vec<u8>, NoJson> {
    let value: Ipld =
        serde_ipld_dagcbor::from_slice(bytes).map_err(|error| NoJson(error.to_string()))?;
    write(&value)
}

/// The DAG-JSON of a value.
///
/// # Errors
/// [`NoJson`].
pub fn write(value: &Ipld) -> Result<Vec<u8>, NoJson> {
    serde_json::to_vec(&Shown(value)).map_err(|error| NoJson(error.to_string()))
}

/// A value on its way out.
struct Shown<'a>(&'a Ipld);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        use serde::ser::Error as _;
        match self.0 {
            Ipld::Null => s.serialize_unit(),
            Ipld::Bool(value) => s.serialize_bool(*value),
            Ipld::Integer(value) => s.serialize_i128(*value),
            Ipld::Float(_) => Err(S::Error::custom("a floating-point number")),
            Ipld::String(text) => s.serialize_str(text),
            Ipld::Bytes(bytes) => {
                let text = STANDARD_NO_PAD.encode(bytes);
                reserved(s, &BTreeMap::from([("bytes", text)]))
            }
            Ipld::Link(cid) => reserved(s, &cid.to_string()),
            Ipld::List(items) => {
                let mut list = s.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(&Shown(item))?;
                }
                list.end()
            }
            Ipld::Map(entries) => {
                if entries.contains_key(RESERVED) {
                    return Err(S::Error::custom("the key / of a map"));
                }
                let mut map = s.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, &Shown(value))?;
                }
                map.end()
            }
        }
    }
}

fn reserved<S: Serializer>(s: S, value: &impl Serialize) -> Result<S::Ok, S::Error> {
    let mut map = s.serialize_map(Some(1))?;
    map.serialize_entry(RESERVED, value)?;
    map.end()
}

/// A value on its way in.
struct Node(Ipld);

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Ipld;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DAG-JSON")
    }

    fn visit_unit<E>(self) -> Result<Ipld, E> {
        Ok(Ipld::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Ipld, E> {
        Ok(Ipld::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Ipld, E> {
        Ok(Ipld::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Ipld, E> {
        Ok(Ipld::Integer(value.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Ipld, E> {
        Ok(Ipld::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Ipld, A::Error> {
        let mut list = Vec::new();
        while let Some(Node(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Ipld::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Ipld, A::Error> {
        let mut map = BTreeMap::new();
        while let Some(key) = entries.next_key::<String>()? {
            if key == NUMBER {
                return integer(&entries.next_value::<String>()?).map_err(A::Error::custom);
            }
            let Node(value) = entries.next_value()?;
            if map.insert(key, value).is_some() {
                return Err(A::Error::custom("a key is there twice"));
            }
        }
        match map.remove(RESERVED) {
            None => Ok(Ipld::Map(map)),
            Some(value) if map.is_empty() => of_reserved(value).map_err(A::Error::custom),
            Some(_) => Err(A::Error::custom(MISUSED)),
        }
    }
}

fn of_reserved(value: Ipld) -> Result<Ipld, &'static str> {
    match value {
        Ipld::String(text) => {
            let cid: Cid = text.parse().map_err(|_| "no CID")?;
            // One spelling: lower-case base32.
            if cid.to_string() == text {
                Ok(Ipld::Link(cid))
            } else {
                Err("a CID in another base than base32")
            }
        }
        Ipld::Map(map) if map.len() == 1 => match map.get("bytes") {
            Some(Ipld::String(text)) => STANDARD_NO_PAD
                .decode(text)
                .map(Ipld::Bytes)
                .map_err(|_| "bytes that are no base64 without padding"),
            _ => Err(MISUSED),
        },
        _ => Err(MISUSED),
    }
}

/// A whole number as it stands in the text; what DAG-CBOR has no integer for is refused.
fn integer(text: &str) -> Result<Ipld, &'static str> {
    let value: i128 = text
        .parse()
        .map_err(|_| "a number that is no whole one of 64 bits")?;
    match i64::try_from(value).is_ok() || u64::try_from(value).is_ok() {
        true => Ok(Ipld::Integer(value)),
        false => Err("a number of more than 64 bits"),
    }
}

const RESERVED: &str = "/";
const MISUSED: &str = "the key / is for bytes and CIDs";
/// How serde_json hands on a number whose digits it keeps (feature `arbitrary_precision`).
/// Whoever writes this key himself gets the number that he wrote.
const NUMBER: &str = "$serde_json::private::Number";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_comes_back() {
        let link = base::cid::of_block(base::cid::RAW, b"x");
        let value = Ipld::Map(BTreeMap::from([
            ("null".into(), Ipld::Null),
            ("yes".into(), Ipld::Bool(true)),
            ("most".into(), Ipld::Integer(u64::MAX.into())),
            ("least".into(), Ipld::Integer(i64::MIN.into())),
            ("text".into(), Ipld::String("\u{0} \" ü /".into())),
            ("bytes".into(), Ipld::Bytes(vec![0, 255, 62])),
            ("link".into(), Ipld::Link(link)),
            ("list".into(), Ipld::List(vec![Ipld::Bytes(Vec::new())])),
            ("longer key".into(), Ipld::Map(BTreeMap::new())),
        ]));
        let cbor = codec::encode(&value);
        let json = of_cbor(&cbor).unwrap();
        assert_eq!(to_cbor(&json).unwrap(), cbor);
        let text = String::from_utf8(json).unwrap();
        assert!(text.contains(r#""bytes":{"/":{"bytes":"AP8+"}}"#), "{text}");
        assert!(
            text.contains(&format!(r#""link":{{"/":"{link}"}}"#)),
            "{text}"
        );
        assert!(text.contains("18446744073709551615"), "{text}");
    }

    #[test]
    fn another_spelling_is_the_same_object_and_what_is_none_is_refused() {
        let one = to_cbor(br#"{"bb":1,"a":{"/":{"bytes":"AA"}}}"#).unwrap();
        let other = to_cbor(b" {\"a\" : {\"/\":{\"bytes\":\"AA\"}} ,\n\"bb\":1}").unwrap();
        assert_eq!(one, other);
        for refused in [
            &b""[..],
            b"{",
            b"{} {}",
            b"1.5",
            b"1e3",
            b"18446744073709551616",
            b"-9223372036854775809",
            br#"{"a":1,"a":2}"#,
            br#"{"/":1}"#,
            br#"{"/":{"bytes":"AA=="}}"#,
            br#"{"/":{"bytes":"A-"}}"#,
            br#"{"/":{"bytes":"AA","more":1}}"#,
            br#"{"/":{"bytes":"AA"},"more":1}"#,
            br#"{"/":"nothing"}"#,
            br#"{"/":"BAFKREIFJJCIE6LYPI6NY7AMXNFFTAGCLBUXNDQONFIPMB64F2KM2DEVEI4"}"#,
            br#""\ud800""#,
            b"\"\xff\"",
        ] {
            let text = String::from_utf8_lossy(refused);
            assert!(to_cbor(refused).is_err(), "{text}");
        }
        let deep = [vec![b'['; 10_000], vec![b']'; 10_000]].concat();
        assert!(to_cbor(&deep).is_err());
        assert!(of_cbor(&[0x81; 10_000]).is_err());
    }
}
