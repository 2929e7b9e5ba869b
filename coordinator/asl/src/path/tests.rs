//! Paths over documents.
