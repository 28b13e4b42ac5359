//! The canonical encoder beside the library's, which writes the same bytes.
#![allow(clippy::unwrap_used, missing_docs)]

use base::{cid, codec};
use ipld_core::ipld::Ipld;
use proptest::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;

fn theirs<T: Serialize>(value: &T) -> Vec<u8> {
    serde_ipld_dagcbor::to_vec(value).unwrap()
}

fn value() -> impl Strategy<Value = Ipld> {
    let leaf = prop_oneof![
        Just(Ipld::Null),
        any::<bool>().prop_map(Ipld::Bool),
        any::<i64>().prop_map(|number| Ipld::Integer(number.into())),
        any::<u64>().prop_map(|number| Ipld::Integer(number.into())),
        (0..70_000_u64).prop_map(|number| Ipld::Integer(number.into())),
        ".{0,40}".prop_map(Ipld::String),
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(Ipld::Bytes),
        any::<[u8; 32]>().prop_map(|digest| Ipld::Link(cid::of_digest(cid::RAW, digest))),
    ];
    leaf.prop_recursive(4, 60, 30, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..30).prop_map(Ipld::List),
            proptest::collection::btree_map(".{0,30}", inner, 0..30).prop_map(Ipld::Map),
        ]
    })
}

proptest! {
    #[test]
    fn the_library_writes_the_same(value in value()) {
        prop_assert_eq!(codec::encode(&value), theirs(&value));
    }
}

/// Every shape that serde knows of.
#[derive(Serialize)]
enum Shape {
    Unit,
    New(Option<u8>),
    Tuple(i8, char, bool),
    #[serde(rename_all = "kebab-case")]
    Fields {
        longest_of_all: (u16, i32),
        b: Unit,
        a: [i16; 3],
        #[serde(skip_serializing_if = "Option::is_none")]
        absent: Option<u32>,
        uncounted: Uncounted,
    },
}

#[derive(Serialize)]
struct Unit;

/// A list whose length nobody tells beforehand.
struct Uncounted(u8);

impl Serialize for Uncounted {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq as _;
        let mut list = s.serialize_seq(None)?;
        (0..self.0).try_for_each(|number| list.serialize_element(&number))?;
        list.end()
    }
}

#[test]
fn shapes_and_borders() {
    let fields = |count| Shape::Fields {
        longest_of_all: (1, -1),
        b: Unit,
        a: [-1, 256, i16::MIN],
        absent: None,
        uncounted: Uncounted(count),
    };
    let shapes = [
        Shape::Unit,
        Shape::New(None),
        Shape::New(Some(24)),
        Shape::Tuple(-25, 'ß', false),
        fields(3),
        fields(200),
    ];
    for shape in shapes {
        assert_eq!(codec::encode(&shape), theirs(&shape));
    }
    let borders = [
        0,
        23,
        24,
        255,
        256,
        65_535,
        65_536,
        u32::MAX.into(),
        1 << 32,
        u64::MAX,
    ];
    for number in borders {
        assert_eq!(codec::encode(&number), theirs(&number));
        let negative = -1 - (number >> 1) as i64;
        assert_eq!(codec::encode(&negative), theirs(&negative));
        let lowest = Ipld::Integer(-1 - i128::from(number));
        assert_eq!(codec::encode(&lowest), theirs(&lowest));
    }
    let long = vec![7_u8; 66_000];
    assert_eq!(codec::encode(&long), theirs(&long));
}

#[test]
#[should_panic(expected = "our types have a DAG-CBOR form")]
fn a_float_has_no_form() {
    codec::encode(&0.5);
}

#[test]
#[should_panic(expected = "our types have a DAG-CBOR form")]
fn a_key_is_text() {
    codec::encode(&BTreeMap::from([(1, 2)]));
}
