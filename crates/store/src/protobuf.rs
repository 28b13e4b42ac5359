//! The two wire types of protobuf that UnixFS and Bitswap use, read and written by hand.
//!
//! Reading bounds every length by the bytes that are there and takes integers in their
//! shortest form only. What a field means is for the caller.

use crate::varint;

const VARINT: u64 = 0;
const BYTES: u64 = 2;

/// The value of one field.
pub(crate) enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
}

/// Why bytes are no message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Broken {
    /// Cut off, or a length that does not fit.
    CutOff,
    /// This field is of another wire type.
    WireType(u64),
}

/// The fields of a message, in order; ends after the first error.
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) const fn new(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn take(&mut self) -> Result<(u64, Value<'a>), Broken> {
        let tag = self.take_varint()?;
        let field = tag >> 3;
        match tag & 7 {
            VARINT => Ok((field, Value::Varint(self.take_varint()?))),
            BYTES => {
                let length = self.take_varint()?;
                let length = usize::try_from(length).map_err(|_| Broken::CutOff)?;
                let (bytes, rest) = self.0.split_at_checked(length).ok_or(Broken::CutOff)?;
                self.0 = rest;
                Ok((field, Value::Bytes(bytes)))
            }
            _ => Err(Broken::WireType(field)),
        }
    }

    fn take_varint(&mut self) -> Result<u64, Broken> {
        let (value, rest) = varint::read(self.0).ok_or(Broken::CutOff)?;
        self.0 = rest;
        Ok(value)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.take();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

pub(crate) fn put_varint(field: u64, value: u64, out: &mut Vec<u8>) {
    varint::write(field << 3 | VARINT, out);
    varint::write(value, out);
}

pub(crate) fn put_bytes(field: u64, bytes: &[u8], out: &mut Vec<u8>) {
    put_length(field, bytes.len(), out);
    out.extend_from_slice(bytes);
}

/// The head of a field of `length` bytes that the caller writes next.
pub(crate) fn put_length(field: u64, length: usize, out: &mut Vec<u8>) {
    varint::write(field << 3 | BYTES, out);
    varint::write(length as u64, out);
}
