//! Payload templates.
