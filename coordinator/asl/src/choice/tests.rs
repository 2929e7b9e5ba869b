//! Choice rules.
