//! Canonical DAG-CBOR, written in one pass into one buffer: the fields of a map are
//! written as they come and put into their order, in place, at its end.
//!
//! Source: IPLD DAG-CBOR specification; RFC 8949, section 3. The decoder's library writes
//! the same bytes, with a buffer for every field; a test holds both against each other.

use serde::ser::{
    self, Error as _, Serialize, SerializeMap, SerializeSeq, SerializeStruct,
    SerializeStructVariant, SerializeTuple, SerializeTupleStruct, SerializeTupleVariant,
};
use std::fmt;

/// The name under which `cid::Cid` gives its bytes to a serializer.
const CID: &str = ipld_core::cid::serde::CID_SERDE_PRIVATE_IDENTIFIER;

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const LIST: u8 = 4;
const MAP: u8 = 5;
const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;
/// Tag 42: a CID, as bytes after a zero byte.
const LINK: [u8; 2] = [0xd8, 42];

/// What DAG-CBOR does not have, in words.
#[derive(Debug)]
pub(super) struct NoForm(String);

impl fmt::Display for NoForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoForm {}

impl ser::Error for NoForm {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// The canonical bytes of a value.
pub(super) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, NoForm> {
    let mut encoder = Encoder {
        out: Vec::with_capacity(ROOM),
        fields: Vec::with_capacity(32),
        scratch: Vec::new(),
        link: false,
    };
    value.serialize(&mut encoder)?;
    encoder.out.shrink_to_fit(); // many are kept
    Ok(encoder.out)
}

/// Most objects are smaller, bytes.
const ROOM: usize = 1024;

struct Encoder {
    out: Vec<u8>,
    /// The fields of the maps that are being written, outermost map first.
    fields: Vec<Field>,
    scratch: Vec<u8>,
    /// The next bytes are a CID's.
    link: bool,
}

/// Where a field lies in the output.
#[derive(Clone, Copy)]
struct Field {
    /// Its first bytes, big-endian: they say most of its place among the others.
    prefix: u64,
    start: usize,
    end: usize,
}

impl Encoder {
    /// The head of an item, in its shortest form.
    fn head(&mut self, major: u8, argument: u64) {
        let major = major << 5;
        match argument {
            0..24 => self.out.push(major | argument as u8),
            24..0x100 => self.out.extend([major | 24, argument as u8]),
            0x100..0x1_0000 => {
                self.out.push(major | 25);
                self.out.extend((argument as u16).to_be_bytes());
            }
            0x1_0000..0x1_0000_0000 => {
                self.out.push(major | 26);
                self.out.extend((argument as u32).to_be_bytes());
            }
            _ => {
                self.out.push(major | 27);
                self.out.extend(argument.to_be_bytes());
            }
        }
    }

    fn text(&mut self, text: &str) {
        self.head(TEXT, text.len() as u64);
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Key and value of a field.
    fn field<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), NoForm> {
        let start = self.out.len();
        self.text(key);
        value.serialize(&mut *self)?;
        self.field_from(start);
        Ok(())
    }

    /// Notes the field that began at `start` and ends here.
    fn field_from(&mut self, start: usize) {
        let mut prefix = [0; 8];
        let bytes = &self.out[start..];
        let length = bytes.len().min(8);
        prefix[..length].copy_from_slice(&bytes[..length]);
        self.fields.push(Field {
            prefix: u64::from_be_bytes(prefix),
            start,
            end: self.out.len(),
        });
    }

    /// Sorts the fields of the innermost map: shorter keys first, then by bytes, which is
    /// the order of their encoded forms.
    fn sort(&mut self, first: usize) {
        let fields = &mut self.fields[first..];
        let out = &self.out;
        let compare = |a: &Field, b: &Field| {
            let whole = || out[a.start..a.end].cmp(&out[b.start..b.end]);
            a.prefix.cmp(&b.prefix).then_with(whole)
        };
        if !fields.is_sorted_by(|a, b| compare(a, b).is_lt())
            && let Some(Field { start, .. }) = fields.first().copied()
        {
            fields.sort_unstable_by(compare);
            self.scratch.clear();
            self.scratch.reserve((out.len() - start).max(ROOM));
            for Field { start, end, .. } in fields {
                self.scratch.extend_from_slice(&out[*start..*end]);
            }
            self.out.truncate(start);
            self.out.extend_from_slice(&self.scratch);
        }
        self.fields.truncate(first);
    }

    /// Puts the head of a list or map before its items, once they are counted.
    fn insert_head(&mut self, at: usize, major: u8, count: usize) {
        let end = self.out.len();
        self.head(major, count as u64);
        let length = self.out.len() - end;
        self.out[at..].rotate_right(length);
    }

    fn variant(&mut self, name: &str) {
        self.head(MAP, 1);
        self.text(name);
    }
}

/// A map or list that is being written.
struct Open<'e> {
    encoder: &'e mut Encoder,
    /// Where its fields begin among those of all open maps.
    first: usize,
    /// Where its items begin, if its head is still to come.
    start: Option<usize>,
    count: usize,
    key: usize,
}

impl<'e> Open<'e> {
    fn new(encoder: &'e mut Encoder, start: Option<usize>) -> Self {
        Self {
            first: encoder.fields.len(),
            encoder,
            start,
            count: 0,
            key: 0,
        }
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoForm> {
        self.count += 1;
        value.serialize(&mut *self.encoder)
    }

    fn end_list(self) {
        if let Some(start) = self.start {
            self.encoder.insert_head(start, LIST, self.count);
        }
    }

    fn end_map(self) {
        self.encoder.sort(self.first);
        if let Some(start) = self.start {
            self.encoder.insert_head(start, MAP, self.count);
        }
    }
}

macro_rules! widened {
    ($($name:ident($type:ty) -> $wide:ident;)*) => {$(
        fn $name(self, value: $type) -> Result<(), NoForm> {
            self.$wide(value.into())
        }
    )*};
}

macro_rules! lists {
    ($($trait:ident: $item:ident;)*) => {$(
        impl $trait for Open<'_> {
            type Ok = ();
            type Error = NoForm;

            fn $item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoForm> {
                self.item(value)
            }

            fn end(self) -> Result<(), NoForm> {
                self.end_list();
                Ok(())
            }
        }
    )*};
}

macro_rules! structs {
    ($($trait:ident;)*) => {$(
        impl $trait for Open<'_> {
            type Ok = ();
            type Error = NoForm;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), NoForm> {
                self.encoder.field(key, value)
            }

            fn end(self) -> Result<(), NoForm> {
                self.end_map();
                Ok(())
            }
        }
    )*};
}

impl<'e> ser::Serializer for &'e mut Encoder {
    type Ok = ();
    type Error = NoForm;
    type SerializeSeq = Open<'e>;
    type SerializeTuple = Open<'e>;
    type SerializeTupleStruct = Open<'e>;
    type SerializeTupleVariant = Open<'e>;
    type SerializeMap = Open<'e>;
    type SerializeStruct = Open<'e>;
    type SerializeStructVariant = Open<'e>;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bool(self, value: bool) -> Result<(), NoForm> {
        self.out.push(if value { TRUE } else { FALSE });
        Ok(())
    }

    widened! {
        serialize_i8(i8) -> serialize_i64;
        serialize_i16(i16) -> serialize_i64;
        serialize_i32(i32) -> serialize_i64;
        serialize_u8(u8) -> serialize_u64;
        serialize_u16(u16) -> serialize_u64;
        serialize_u32(u32) -> serialize_u64;
    }

    fn serialize_i64(self, value: i64) -> Result<(), NoForm> {
        if value < 0 {
            self.head(NEGATIVE, !value as u64); // −1 − value, which is not negative
        } else {
            self.head(UNSIGNED, value as u64);
        }
        Ok(())
    }

    fn serialize_i128(self, value: i128) -> Result<(), NoForm> {
        match (u64::try_from(value), u64::try_from(!value)) {
            (Ok(value), _) => self.head(UNSIGNED, value),
            (_, Ok(rest)) => self.head(NEGATIVE, rest),
            _ => return Err(NoForm::custom("an integer has at most 64 bits and a sign")),
        }
        Ok(())
    }

    fn serialize_u64(self, value: u64) -> Result<(), NoForm> {
        self.head(UNSIGNED, value);
        Ok(())
    }

    fn serialize_f32(self, _: f32) -> Result<(), NoForm> {
        Err(NoForm::custom("no object of ours holds a float"))
    }

    fn serialize_f64(self, _: f64) -> Result<(), NoForm> {
        Err(NoForm::custom("no object of ours holds a float"))
    }

    fn serialize_char(self, value: char) -> Result<(), NoForm> {
        self.text(value.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Result<(), NoForm> {
        self.text(value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), NoForm> {
        if std::mem::take(&mut self.link) {
            self.out.extend(LINK);
            self.head(BYTES, value.len() as u64 + 1);
            self.out.push(0);
        } else {
            self.head(BYTES, value.len() as u64);
        }
        self.out.extend_from_slice(value);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), NoForm> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), NoForm> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), NoForm> {
        self.out.push(NULL);
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), NoForm> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
    ) -> Result<(), NoForm> {
        self.text(name);
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), NoForm> {
        self.link = name == CID;
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<(), NoForm> {
        self.variant(name);
        value.serialize(self)
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Open<'e>, NoForm> {
        let start = match length {
            Some(length) => {
                self.head(LIST, length as u64);
                None
            }
            None => Some(self.out.len()),
        };
        Ok(Open::new(self, start))
    }

    fn serialize_tuple(self, length: usize) -> Result<Open<'e>, NoForm> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Open<'e>, NoForm> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        length: usize,
    ) -> Result<Open<'e>, NoForm> {
        self.variant(name);
        self.serialize_seq(Some(length))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Open<'e>, NoForm> {
        let start = Some(self.out.len());
        Ok(Open::new(self, start))
    }

    fn serialize_struct(self, _: &'static str, length: usize) -> Result<Open<'e>, NoForm> {
        self.head(MAP, length as u64);
        Ok(Open::new(self, None))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        length: usize,
    ) -> Result<Open<'e>, NoForm> {
        self.variant(name);
        self.serialize_struct(name, length)
    }
}

impl SerializeMap for Open<'_> {
    type Ok = ();
    type Error = NoForm;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), NoForm> {
        self.key = self.encoder.out.len();
        self.item(key)?;
        let head = self.encoder.out.get(self.key);
        if head.is_none_or(|head| head >> 5 != TEXT) {
            return Err(NoForm::custom("the keys of a map are text"));
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoForm> {
        value.serialize(&mut *self.encoder)?;
        self.encoder.field_from(self.key);
        Ok(())
    }

    fn end(self) -> Result<(), NoForm> {
        self.end_map();
        Ok(())
    }
}

lists! {
    SerializeSeq: serialize_element;
    SerializeTuple: serialize_element;
    SerializeTupleStruct: serialize_field;
    SerializeTupleVariant: serialize_field;
}

structs! {
    SerializeStruct;
    SerializeStructVariant;
}
