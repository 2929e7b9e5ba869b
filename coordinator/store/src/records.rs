//! Stored records, one module per kind.
