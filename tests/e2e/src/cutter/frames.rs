//! Frames of HTTP/2 and the messages of gRPC in them, as far as one stream needs. A frame with several messages is given
//! in pieces that end with a message each; a piece is a frame of its own.

use prost::Message as _;
use stepfleet_sdk::api::{CoordinatorMessage, WorkerMessage};

use crate::proxy::Direction;

/// Of what a client says first.
const PREFACE_BYTES: usize = 24;
const HEAD_BYTES: usize = 9;
const DATA: u8 = 0;
const END_STREAM: u8 = 1;
const PADDED: u8 = 8;
/// Before each message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

/// A whole message.
#[derive(Debug)]
pub(super) enum Message {
    Up(Box<WorkerMessage>),
    Down(Box<CoordinatorMessage>),
}

/// One direction of one connection.
#[derive(Debug)]
pub(super) struct Frames {
    direction: Direction,
    preface_left: usize,
    /// What has been read and not given.
    bytes: Vec<u8>,
    /// What is left of a DATA frame of which a piece was given.
    rest: Option<Data>,
    /// Bytes of a message whose end has not come.
    message: Vec<u8>,
}

#[derive(Debug)]
struct Data {
    head: [u8; HEAD_BYTES],
    payload: Vec<u8>,
}

impl Frames {
    pub(super) fn new(direction: Direction) -> Self {
        Self {
            direction,
            preface_left: match direction {
                Direction::Up => PREFACE_BYTES,
                Direction::Down => 0,
            },
            bytes: Vec::new(),
            rest: None,
            message: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Bytes to pass on, and the message that ends with them.
    pub(super) fn next(&mut self) -> Option<(Vec<u8>, Option<Message>)> {
        if let Some(data) = self.rest.take() {
            return Some(self.piece(data));
        }
        if self.preface_left > 0 && !self.bytes.is_empty() {
            let count = self.preface_left.min(self.bytes.len());
            self.preface_left -= count;
            return Some((self.bytes.drain(..count).collect(), None));
        }
        let head: [u8; HEAD_BYTES] = self.bytes.get(..HEAD_BYTES)?.try_into().ok()?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        if self.bytes.len() < HEAD_BYTES + length {
            return None;
        }
        let frame: Vec<u8> = self.bytes.drain(..HEAD_BYTES + length).collect();
        if head[3] != DATA || head[4] & PADDED != 0 || length == 0 {
            return Some((frame, None));
        }
        let payload = frame[HEAD_BYTES..].to_vec();
        Some(self.piece(Data { head, payload }))
    }

    /// The part of a DATA frame up to the end of the next message.
    fn piece(&mut self, mut data: Data) -> (Vec<u8>, Option<Message>) {
        let before = self.message.len();
        self.message.extend_from_slice(&data.payload);
        let whole = self
            .message
            .get(1..PREFIX_BYTES)
            .and_then(|length| length.try_into().ok())
            .map(|length| PREFIX_BYTES + u32::from_be_bytes(length) as usize)
            .filter(|whole| *whole <= self.message.len());
        let Some(whole) = whole else {
            return (framed(data.head, &data.payload), None);
        };
        let message = self.decode(whole);
        self.message.clear();
        let rest = data.payload.split_off(whole - before);
        let mut head = data.head;
        if !rest.is_empty() {
            head[4] &= !END_STREAM;
            self.rest = Some(Data {
                head: data.head,
                payload: rest,
            });
        }
        (framed(head, &data.payload), message)
    }

    /// None for what is not understood: it passes.
    fn decode(&self, whole: usize) -> Option<Message> {
        let bytes = &self.message[PREFIX_BYTES..whole];
        match self.direction {
            Direction::Up => WorkerMessage::decode(bytes)
                .ok()
                .map(|message| Message::Up(Box::new(message))),
            Direction::Down => CoordinatorMessage::decode(bytes)
                .ok()
                .map(|message| Message::Down(Box::new(message))),
        }
    }
}

fn framed(mut head: [u8; HEAD_BYTES], payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("frames have 24 bits of length");
    head[..3].copy_from_slice(&length.to_be_bytes()[1..]);
    [&head[..], payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grpc(received: u64) -> Vec<u8> {
        let message = WorkerMessage {
            received,
            ..WorkerMessage::default()
        };
        let bytes = message.encode_to_vec();
        let length = u32::try_from(bytes.len()).unwrap();
        [&[0][..], &length.to_be_bytes(), &bytes].concat()
    }

    /// All that comes out, with what each piece ends with.
    fn pieces(frames: &mut Frames) -> Vec<(Vec<u8>, Option<u64>)> {
        let pieces = std::iter::from_fn(|| frames.next());
        pieces
            .map(|(bytes, message)| match message {
                Some(Message::Up(message)) => (bytes, Some(message.received)),
                Some(Message::Down(_)) | None => (bytes, None),
            })
            .collect()
    }

    #[test]
    fn messages_of_one_frame_come_in_frames_of_their_own() {
        let mut frames = Frames::new(Direction::Up);
        let (one, two) = (grpc(1), grpc(300));
        let head = [0, 0, 0, DATA, END_STREAM, 0, 0, 0, 1];
        frames.add(&[7; PREFACE_BYTES]);
        frames.add(&framed(head, &[&one[..], &two].concat()));
        let open = [0, 0, 0, DATA, 0, 0, 0, 0, 1];
        let expected = [
            (vec![7; PREFACE_BYTES], None),
            (framed(open, &one), Some(1)),
            (framed(head, &two), Some(300)),
        ];
        assert_eq!(pieces(&mut frames), expected);
    }

    #[test]
    fn a_message_in_two_frames_is_known_with_its_end_and_other_frames_pass() {
        let mut frames = Frames::new(Direction::Up);
        frames.add(&[7; PREFACE_BYTES]);
        assert_eq!(pieces(&mut frames).len(), 1);
        let head = [0, 0, 0, DATA, 0, 0, 0, 0, 1];
        let message = grpc(5);
        let ping = framed([0, 0, 0, 6, 0, 0, 0, 0, 0], &[1; 8]);
        let (first, second) = (framed(head, &message[..3]), framed(head, &message[3..]));
        let bytes = [&first[..], &ping, &second].concat();
        // It comes byte by byte.
        let mut seen = Vec::new();
        for byte in bytes {
            frames.add(&[byte]);
            seen.extend(pieces(&mut frames));
        }
        assert_eq!(seen, [(first, None), (ping, None), (second, Some(5))]);
    }
}
