//! Writing protobuf by hand, straight into the chunk. Numbers of value 0 and empty strings are left out, as proto3 does;
//! lengths are filled in behind, so nothing is measured twice.

use std::ops::DerefMut;

use bytes::BufMut;
use prost::encoding::WireType;

/// A growing buffer: `Vec<u8>` or `BytesMut`.
pub(crate) trait Out: BufMut + DerefMut<Target = [u8]> {}

impl<T: BufMut + DerefMut<Target = [u8]>> Out for T {}

/// Bytes of the length of a record: fixed, so that its body is never moved.
const RECORD_LENGTH_BYTES: usize = 4;

/// A message being written.
#[derive(Debug)]
pub(crate) struct Wire<'a, O>(pub(crate) &'a mut O);

impl<O: Out> Wire<'_, O> {
    fn key(&mut self, tag: u32, wire_type: WireType) {
        self.varint(u64::from((tag << 3) | wire_type as u32));
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.put_u8(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.put_u8(value.to_le_bytes()[0]);
    }

    pub(crate) fn uint(&mut self, tag: u32, value: impl Into<u64>) {
        let value = value.into();
        if value != 0 {
            self.optional_uint(tag, Some(value));
        }
    }

    pub(crate) fn optional_uint(&mut self, tag: u32, value: Option<impl Into<u64>>) {
        if let Some(value) = value {
            self.key(tag, WireType::Varint);
            self.varint(value.into());
        }
    }

    pub(crate) fn int(&mut self, tag: u32, value: i64) {
        self.uint(tag, value.cast_unsigned());
    }

    pub(crate) fn optional_int(&mut self, tag: u32, value: Option<i64>) {
        self.optional_uint(tag, value.map(i64::cast_unsigned));
    }

    /// Both halves of a 128-bit number, in `tag` and `tag + 1`.
    pub(crate) fn wide(&mut self, tag: u32, value: u128) {
        let bytes = value.to_be_bytes();
        for (tag, half) in [(tag, &bytes[..8]), (tag + 1, &bytes[8..])] {
            self.key(tag, WireType::SixtyFourBit);
            let half = u64::from_be_bytes(half.try_into().expect("half of sixteen bytes"));
            self.0.put_u64_le(half);
        }
    }

    pub(crate) fn string(&mut self, tag: u32, value: &str) {
        if !value.is_empty() {
            self.bytes(tag, value.as_bytes());
        }
    }

    pub(crate) fn optional_string(&mut self, tag: u32, value: Option<&str>) {
        if let Some(value) = value {
            self.bytes(tag, value.as_bytes());
        }
    }

    /// Present even when it is empty.
    pub(crate) fn bytes(&mut self, tag: u32, value: &[u8]) {
        self.key(tag, WireType::LengthDelimited);
        self.varint(value.len() as u64);
        self.0.put_slice(value);
    }

    /// A repeated number, packed.
    pub(crate) fn packed(&mut self, tag: u32, values: impl ExactSizeIterator<Item = u32>) {
        if values.len() > 0 {
            self.message(tag, |wire| {
                values.for_each(|value| wire.varint(u64::from(value)))
            });
        }
    }

    /// A message, present even when it is empty. Its length takes one byte unless it turns out long.
    pub(crate) fn message(&mut self, tag: u32, body: impl FnOnce(&mut Self)) {
        self.key(tag, WireType::LengthDelimited);
        let at = self.0.len();
        self.0.put_u8(0);
        body(self);
        let length = self.0.len() - at - 1;
        let more = prost::encoding::encoded_len_varint(length as u64) - 1;
        if more > 0 {
            self.0.put_bytes(0, more);
            self.0.copy_within(at + 1..at + 1 + length, at + 1 + more);
        }
        write_length(&mut self.0[at..=at + more], length);
    }

    /// A message of which `estimate` bytes are expected, at most: its length gets room for that, and its body stays
    /// where it is written.
    pub(crate) fn message_of(&mut self, tag: u32, estimate: usize, body: impl FnOnce(&mut Self)) {
        self.key(tag, WireType::LengthDelimited);
        let at = self.0.len();
        let room = prost::encoding::encoded_len_varint(estimate as u64);
        self.0.put_bytes(0, room);
        body(self);
        let length = self.0.len() - at - room;
        assert!(length <= estimate, "the estimate is an upper bound");
        write_length(&mut self.0[at..at + room], length);
    }

    /// A record: a message of any length whose body stays where it is written.
    pub(crate) fn record(&mut self, tag: u32, body: impl FnOnce(&mut Self)) {
        self.key(tag, WireType::LengthDelimited);
        let at = self.0.len();
        self.0.put_bytes(0, RECORD_LENGTH_BYTES);
        body(self);
        let length = self.0.len() - at - RECORD_LENGTH_BYTES;
        assert!(
            length < 1 << (7 * RECORD_LENGTH_BYTES),
            "a record is far smaller than 256 MiB"
        );
        write_length(&mut self.0[at..at + RECORD_LENGTH_BYTES], length);
    }
}

/// A varint that fills `place`, padded if need be; every protobuf reader takes that.
fn write_length(place: &mut [u8], length: usize) {
    let mut rest = length as u64;
    let (last, before) = place.split_last_mut().expect("a length takes a byte");
    for byte in before {
        *byte = rest.to_le_bytes()[0] | 0x80;
        rest >>= 7;
    }
    *last = rest.to_le_bytes()[0] & 0x7f;
}
