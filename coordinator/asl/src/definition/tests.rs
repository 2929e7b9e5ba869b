//! Definition tables.
