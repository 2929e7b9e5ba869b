//! Events, written and read. The number of a body's field is its kind and version; see `event.proto`.

mod decode;
mod encode;

pub(crate) use decode::decode;
pub(crate) use encode::put_event;
