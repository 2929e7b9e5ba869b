//! Generated types: the gRPC API `stepfleet.v1` and the stored records `stepfleet.record.v1`.
//!
//! The API is for clients and workers; the records are read and written by `stepfleet-store` alone.

mod actions;

pub use actions::{ACTIONS, Action, Authorized, Subject};

/// The gRPC API.
pub mod v1 {
    tonic::include_proto!("stepfleet.v1");
}

/// Stored records.
pub mod record {
    /// First version of the record formats.
    pub mod v1 {
        tonic::include_proto!("stepfleet.record.v1");
    }
}

/// The compiled descriptors of everything above, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("stepfleet");
