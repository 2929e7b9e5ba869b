//! The library against a coordinator that does what the comments of the proto files say, within one process.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod client;
mod connectors;
mod drain;
mod fake;
mod in_memory;
mod worker;
