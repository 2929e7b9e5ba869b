//! Rules of the tree, one test each. A failure says what, where, and what to do.

mod arrows;
mod documents;
mod etcd;
mod layout;
mod metrics;
mod sizes;
mod sources;
mod traps;
mod words;
