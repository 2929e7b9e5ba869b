//! Data flow.
