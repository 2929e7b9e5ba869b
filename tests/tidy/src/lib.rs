//! What the tests of the tree share: its files, Rust sources with texts and comments told apart, and how a finding is
//! reported. The rules themselves are in `tests/`, one test each.

mod crates;
mod report;
mod source;
mod tree;
mod words;

pub use crates::{Arrow, Member, arrows, members, reach};
pub use report::Findings;
pub use source::{Function, Source};
pub use tree::{File, files, root, rust_files, top_level};
pub use words::{FOREIGN, SYNONYMS, Synonym};
