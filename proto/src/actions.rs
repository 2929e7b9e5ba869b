//! What a request asks for: an action, and what it is on. Made of `actions.txt`, which names every RPC.

use std::fmt;

use crate::v1;

/// An action as policies name it: `states:StartExecution`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Action {
    /// `states` for what AWS has too, `stepfleet` for the rest.
    pub service: &'static str,
    /// The operation.
    pub name: &'static str,
}

/// What a request is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    /// The one thing of this ARN.
    Arn(&'a str),
    /// What has, or is to have, this name.
    Named {
        /// As in ARNs.
        kind: &'static str,
        /// Unchecked.
        name: &'a str,
    },
    /// Everything of a kind.
    All {
        /// As in ARNs.
        kind: &'static str,
    },
    /// The task of a token.
    Token(&'a str),
}

/// A request of the API.
pub trait Authorized {
    /// What it does.
    const ACTION: Action;

    /// What it is on.
    fn subject(&self) -> Subject<'_>;
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.service, self.name)
    }
}

include!(concat!(env!("OUT_DIR"), "/actions.rs"));
