//! What goes out, written straight from the tasks: a `WorkerMessage` on the wire without a copy of any payload in between.

use std::sync::Arc;

use prost::Message as _;
use prost::bytes::BufMut;
use prost::encoding::{encode_varint, encoded_len_varint};
use tonic::Status;
use tonic::codec::{Codec, EncodeBuf, Encoder};
use tonic_prost::ProstDecoder;

use super::registry::{Answered, Ending};
use super::task::Shared;
use crate::api::{Begun, CoordinatorMessage, WorkerMessage};

/// Bytes of a field's key: every field number that is written here is below 16, but for [`BEGUN`].
const KEY_BYTES: usize = 1;
/// Field of `TaskResult`.
const BEGUN: u32 = 30;
const LENGTH_DELIMITED: u8 = 2;
const VARINT: u8 = 0;

/// One message to the coordinator.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    /// Every part but results and heartbeats.
    pub(crate) head: WorkerMessage,
    pub(crate) results: Vec<Arc<Finished>>,
    pub(crate) heartbeats: Vec<Alive>,
}

/// A task whose handler is done; kept until its number is confirmed.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) task: Arc<Shared>,
    /// Within the session, from 1.
    pub(crate) number: u64,
    pub(crate) ending: Ending,
}

/// A heartbeat that goes out now.
#[derive(Debug)]
pub(crate) struct Alive {
    task: Arc<Shared>,
    /// Newest progress; empty without.
    details: String,
}

impl Alive {
    pub(crate) fn new(task: Arc<Shared>) -> Self {
        let details = task.end_beat().unwrap_or_default();
        Self { task, details }
    }
}

impl Finished {
    /// Bytes of the payload on the wire, about.
    pub(crate) fn size(&self) -> usize {
        match &self.ending {
            Ok(Answered::Output(output)) => self.task.token.len() + output.len(),
            Ok(Answered::Begun(begun)) => self.task.token.len() + begun.encoded_len(),
            Err(failure) => self.task.token.len() + failure.error.len() + failure.cause.len(),
        }
    }
}

impl Frame {
    fn encode(&self, buffer: &mut impl BufMut) {
        self.head.encode_raw(buffer);
        for result in &self.results {
            put_result(result, buffer);
        }
        for Alive { task, details } in &self.heartbeats {
            let details_length = if details.is_empty() {
                0
            } else {
                text_length(details)
            };
            put_key(3, LENGTH_DELIMITED, buffer);
            put_length(text_length(&task.token) + details_length, buffer);
            put_text(1, &task.token, buffer);
            if !details.is_empty() {
                put_text(2, details, buffer);
            }
        }
    }
}

/// Field 2 of `WorkerMessage`.
fn put_result(result: &Finished, buffer: &mut impl BufMut) {
    let number_length = KEY_BYTES + encoded_len_varint(result.number);
    let ending_length = match &result.ending {
        Ok(Answered::Output(output)) => text_length(output),
        Ok(Answered::Begun(begun)) => begun_length(begun),
        Err(failure) => field_length(text_length(&failure.error) + text_length(&failure.cause)),
    };
    put_key(2, LENGTH_DELIMITED, buffer);
    put_length(
        text_length(&result.task.token) + number_length + ending_length,
        buffer,
    );
    put_text(1, &result.task.token, buffer);
    put_key(2, VARINT, buffer);
    encode_varint(result.number, buffer);
    match &result.ending {
        Ok(Answered::Output(output)) => put_text(3, output, buffer),
        Ok(Answered::Begun(begun)) => prost::encoding::message::encode(BEGUN, begun, buffer),
        Err(failure) => {
            put_key(4, LENGTH_DELIMITED, buffer);
            put_length(
                text_length(&failure.error) + text_length(&failure.cause),
                buffer,
            );
            put_text(1, &failure.error, buffer);
            put_text(2, &failure.cause, buffer);
        }
    }
}

fn begun_length(begun: &Begun) -> usize {
    prost::encoding::message::encoded_len(BEGUN, begun)
}

fn put_key(field: u8, wire_type: u8, buffer: &mut impl BufMut) {
    buffer.put_u8((field << 3) | wire_type);
}

fn put_length(length: usize, buffer: &mut impl BufMut) {
    encode_varint(wide(length), buffer);
}

fn put_text(field: u8, text: &str, buffer: &mut impl BufMut) {
    put_key(field, LENGTH_DELIMITED, buffer);
    put_length(text.len(), buffer);
    buffer.put_slice(text.as_bytes());
}

fn text_length(text: &str) -> usize {
    field_length(text.len())
}

/// Bytes of a length-delimited field around `content` bytes.
fn field_length(content: usize) -> usize {
    KEY_BYTES + encoded_len_varint(wide(content)) + content
}

fn wide(length: usize) -> u64 {
    u64::try_from(length).expect("lengths in memory fit 64 bits")
}

/// Frames out, prost messages in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FrameCodec;

impl Codec for FrameCodec {
    type Encode = Frame;
    type Decode = CoordinatorMessage;
    type Encoder = FrameEncoder;
    type Decoder = ProstDecoder<CoordinatorMessage>;

    fn encoder(&mut self) -> FrameEncoder {
        FrameEncoder
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::default()
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameEncoder;

impl Encoder for FrameEncoder {
    type Item = Frame;
    type Error = Status;

    fn encode(&mut self, frame: Frame, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        frame.encode(buffer);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::super::task::{Origin, TaskContext, TaskError};
    use super::*;
    use crate::api::task_result::Outcome;
    use crate::api::{Hello, Push, TaskFailure, TaskHeartbeat, TaskResult};

    fn task(token: &str) -> Arc<Shared> {
        let origin = Origin {
            activity: "a".to_owned(),
            progress: mpsc::channel(1).0,
        };
        let push = Push {
            task_token: token.to_owned(),
            ..Push::default()
        };
        Shared::new(push, Arc::new(origin)).0
    }

    #[test]
    fn frames_are_read_as_the_message_that_they_stand_for() {
        let long = "x".repeat(70_000);
        let finished = |token: &str, number, ending| {
            Arc::new(Finished {
                task: task(token),
                number,
                ending,
            })
        };
        let begun = Begun {
            handle: "7".repeat(300),
            output: "{}".to_owned(),
            place: String::new(),
        };
        let busy = task("busy");
        TaskContext(Arc::clone(&busy)).progress(&[1, 2]).unwrap();
        let head = WorkerMessage {
            hello: Some(Hello {
                worker_name: "w".to_owned(),
                ..Hello::default()
            }),
            received: 300,
            returned: vec!["back".to_owned()],
            ..WorkerMessage::default()
        };
        let frame = Frame {
            head: head.clone(),
            results: vec![
                finished("one", 1, Ok(Answered::Output(long.clone()))),
                finished("two", 400, Ok(Answered::Output(String::new()))),
                finished("begun", 402, Ok(Answered::Begun(begun.clone()))),
                finished("three", 401, Err(TaskError::new("Boom", ""))),
            ],
            heartbeats: vec![Alive::new(busy), Alive::new(task("quiet"))],
        };
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);

        let result = |token: &str, number, outcome| TaskResult {
            task_token: token.to_owned(),
            number,
            outcome: Some(outcome),
        };
        let failure = TaskFailure {
            error: Some("Boom".to_owned()),
            cause: Some(String::new()),
        };
        let beat = |token: &str, details: &str| TaskHeartbeat {
            task_token: token.to_owned(),
            details: details.to_owned(),
        };
        let expected = WorkerMessage {
            results: vec![
                result("one", 1, Outcome::Output(long)),
                result("two", 400, Outcome::Output(String::new())),
                result("begun", 402, Outcome::Begun(begun)),
                result("three", 401, Outcome::Failure(failure)),
            ],
            heartbeats: vec![beat("busy", "[1,2]"), beat("quiet", "")],
            ..head
        };
        assert_eq!(WorkerMessage::decode(bytes.as_slice()).unwrap(), expected);
    }
}
