//! Parses and validates a definition and compiles it into a `Program`.
