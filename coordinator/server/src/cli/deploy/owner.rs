//! How the coordinator remembers what belongs to a stack: by tags. A state machine or activity has its stack and its
//! logical id. Versions and aliases have no tags, so their state machine has one for each of them.

use std::collections::BTreeMap;

/// Tags of a stack begin with this; a template may not set them.
pub(super) const RESERVED: &str = "stepfleet:";
const STACK: &str = "stepfleet:stack";
const LOGICAL_ID: &str = "stepfleet:logical-id";
const POLICY: &str = "stepfleet:deletion-policy";
const VERSION: &str = "stepfleet:version:";
const ALIAS: &str = "stepfleet:alias:";
const RETAIN: &str = "Retain";

/// Tags as they are kept.
pub(super) type Tags = BTreeMap<String, String>;

/// To what something belongs, and whether it stays when it leaves the template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) stack: String,
    pub(super) logical_id: String,
    pub(super) retain: bool,
}

impl Owner {
    /// The tags of a state machine or activity of this owner.
    pub(super) fn tags(&self) -> Tags {
        let mut tags = Tags::from([
            (STACK.to_owned(), self.stack.clone()),
            (LOGICAL_ID.to_owned(), self.logical_id.clone()),
        ]);
        if self.retain {
            tags.insert(POLICY.to_owned(), RETAIN.to_owned());
        }
        tags
    }

    /// Whose a state machine or activity with these tags is.
    pub(super) fn of(tags: &Tags) -> Option<Self> {
        Some(Self {
            stack: tags.get(STACK)?.clone(),
            logical_id: tags.get(LOGICAL_ID)?.clone(),
            retain: tags.get(POLICY).is_some_and(|policy| policy == RETAIN),
        })
    }

    /// The value of the tag for a version or alias.
    pub(super) fn mark(&self) -> String {
        let retain = if self.retain { "/Retain" } else { "" };
        format!("{}/{}{retain}", self.stack, self.logical_id)
    }

    /// The reverse.
    pub(super) fn of_mark(mark: &str) -> Option<Self> {
        let mut parts = mark.split('/');
        Some(Self {
            stack: parts.next()?.to_owned(),
            logical_id: parts.next()?.to_owned(),
            retain: parts.next() == Some(RETAIN),
        })
    }
}

/// Keys of the tags that [`Owner::tags`] sets.
pub(super) fn own_keys() -> [&'static str; 3] {
    [STACK, LOGICAL_ID, POLICY]
}

/// The key of the tag for a version.
pub(super) fn version_key(number: u64) -> String {
    format!("{VERSION}{number}")
}

/// The same of an alias.
pub(super) fn alias_key(name: &str) -> String {
    format!("{ALIAS}{name}")
}

/// What a tag of a state machine is about: a version or an alias.
pub(super) fn published(key: &str) -> Option<Published<'_>> {
    if let Some(number) = key.strip_prefix(VERSION) {
        return number.parse().ok().map(Published::Version);
    }
    key.strip_prefix(ALIAS).map(Published::Alias)
}

/// The ARN of the version or alias that a tag of a state machine is about.
pub(super) fn published_arn(machine: &str, key: &str) -> Option<String> {
    Some(match published(key)? {
        Published::Version(number) => format!("{machine}:{number}"),
        Published::Alias(name) => format!("{machine}:{name}"),
    })
}

/// A version or an alias of some state machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Published<'k> {
    Version(u64),
    Alias(&'k str),
}
