//! Tests of the engine through its public API: scripts under `testdata/`, properties over random programs, and the
//! histories recorded from AWS.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod errors;
mod generate;
mod history;
mod kinds;
mod properties;
mod recorded;
mod render;
mod scripts;
mod services;
mod story;
mod table;
mod traps;
mod unkept;
mod world;
