//! etcd as one store of several members: which of them is asked, how long it may take, and what an answer means.
//!
//! A client that spreads its requests over all members waits for the slow one among them: one that hangs takes almost all
//! throughput. So there is one client per member here, one of them is *pinned* and serves every request, and it is left
//! as soon as it fails or does not answer in time.

mod endpoints;
mod error;
mod mirror;

pub use endpoints::{Etcd, EtcdOptions, Tls};
pub use error::EtcdError;
pub use mirror::{Kept, Mirror};
