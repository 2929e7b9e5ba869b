//! The program itself, against a coordinator played by the test.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod commands;
mod containers;
#[expect(
    dead_code,
    reason = "shared with the tests of the library, which use more of it"
)]
#[path = "../../../sdk/rust/tests/sdk/fake.rs"]
mod fake;
mod http;
mod reload;
mod service;
mod support;
