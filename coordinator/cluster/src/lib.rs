//! Who of several coordinators owns which partition, over etcd. Nothing here decides what is right: that are the two
//! conditions of every append (`stepfleet_store::log::etcd`). What is here makes it fast and even.
//!
//! Data flow: a coordinator keeps its [`member`] record under a lease and mirrors those of the others, and the owners'
//! keys. From what it sees, [`placement`] says what it is to take and to give away; every coordinator computes the same,
//! so that nobody has to be elected for it.
//!
//! Glossary: *member*: a coordinator that is known to the cluster. *wished owner*: whom the placement gives a partition,
//! were nobody to own anything. *movement*: a partition leaves a living owner so that load is even.
#![warn(missing_docs)]

pub mod driver;
pub mod member;
pub mod peers;
pub mod placement;
pub mod space;

#[cfg(test)]
mod tests;
