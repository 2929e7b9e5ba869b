//! Whole commands against a coordinator that answers from canned data.
