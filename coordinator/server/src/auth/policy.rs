//! Policies: the JSON documents that IAM has, read and judged. Pure; whose they are is not known here. What IAM has and
//! this release does not is refused by name, so that no document grants more than it says.

mod document;
mod pattern;
#[cfg(test)]
mod tests;

use stepfleet_proto::Action;

pub(super) use pattern::matches;
use pattern::{ActionPattern, ResourcePattern};

/// Policies that every installation has, by name.
pub(crate) const READY_MADE: [(&str, &str); 6] = [
    ("administrator", include_str!("policy/administrator.json")),
    ("caller", include_str!("policy/caller.json")),
    ("developer", include_str!("policy/developer.json")),
    ("operator", include_str!("policy/operator.json")),
    ("read-only", include_str!("policy/read-only.json")),
    ("worker", include_str!("policy/worker.json")),
];

/// A document's meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    statements: Vec<Statement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Statement {
    effect: Effect,
    actions: Actions,
    resources: Resources,
    /// All must hold.
    conditions: Vec<Condition>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Allow,
    Deny,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Actions {
    These(Vec<ActionPattern>),
    AllBut(Vec<ActionPattern>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Resources {
    These(Vec<ResourcePattern>),
    AllBut(Vec<ResourcePattern>),
}

/// About `states:StateMachineQualifier`, the one condition key that Step Functions has of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Condition {
    like: bool,
    values: Vec<String>,
}

/// What an action is on, as policies see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resource {
    /// Of a version or an alias, the ARN of the state machine.
    pub arn: String,
    /// Number of the version or name of the alias.
    pub qualifier: Option<String>,
}

/// What policies say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Allowed,
    /// A statement denies it, which wins.
    Denied,
    /// No statement allows it.
    NotAllowed,
}

/// What several policies say together.
pub(crate) fn decide<'a>(
    policies: impl IntoIterator<Item = &'a Policy>,
    action: Action,
    resource: &Resource,
) -> Decision {
    let mut decision = Decision::NotAllowed;
    for statement in policies.into_iter().flat_map(|policy| &policy.statements) {
        if statement.applies(action, resource) {
            match statement.effect {
                Effect::Allow => decision = Decision::Allowed,
                Effect::Deny => return Decision::Denied,
            }
        }
    }
    decision
}

/// What they say of an action on something that is not known yet: allowed, if they may allow it on anything.
pub(crate) fn decide_unseen<'a>(
    policies: impl IntoIterator<Item = &'a Policy>,
    action: Action,
) -> Decision {
    let mut decision = Decision::NotAllowed;
    for statement in policies.into_iter().flat_map(|policy| &policy.statements) {
        if statement.actions.contain(action) {
            match statement.effect {
                Effect::Allow => decision = Decision::Allowed,
                Effect::Deny if statement.is_about_everything() => return Decision::Denied,
                Effect::Deny => {}
            }
        }
    }
    decision
}

impl Policy {
    /// Names of the policies that every installation has.
    pub(crate) fn ready_made() -> impl Iterator<Item = &'static str> {
        READY_MADE.into_iter().map(|(name, _)| name)
    }

    /// Its patterns of actions of Step Functions and of this product that are no action of either.
    pub(crate) fn unknown_actions(&self, known: &[Action]) -> Vec<String> {
        let statements = self.statements.iter();
        let patterns = statements.flat_map(|statement| statement.actions.patterns());
        let unknown = patterns.filter(|pattern| {
            pattern.is_ours() && !known.iter().any(|action| pattern.matches(*action))
        });
        unknown.map(ToString::to_string).collect()
    }
}

impl Statement {
    fn applies(&self, action: Action, resource: &Resource) -> bool {
        self.actions.contain(action)
            && self.resources.contain(resource)
            && self
                .conditions
                .iter()
                .all(|condition| condition.holds(resource))
    }

    fn is_about_everything(&self) -> bool {
        let everything = match &self.resources {
            Resources::These(patterns) => patterns.contains(&ResourcePattern::Everything),
            Resources::AllBut(_) => false,
        };
        everything && self.conditions.is_empty()
    }
}

impl Actions {
    fn patterns(&self) -> &[ActionPattern] {
        match self {
            Self::These(patterns) | Self::AllBut(patterns) => patterns,
        }
    }

    fn contain(&self, action: Action) -> bool {
        let found = self
            .patterns()
            .iter()
            .any(|pattern| pattern.matches(action));
        match self {
            Self::These(_) => found,
            Self::AllBut(_) => !found,
        }
    }
}

impl Resources {
    fn contain(&self, resource: &Resource) -> bool {
        match self {
            Self::These(patterns) => patterns.iter().any(|pattern| resource.is_in(pattern)),
            Self::AllBut(patterns) => !patterns.iter().any(|pattern| resource.is_in(pattern)),
        }
    }
}

impl Resource {
    /// As requests name it.
    pub(crate) fn full(&self) -> String {
        match &self.qualifier {
            None => self.arn.clone(),
            Some(qualifier) => format!("{}:{qualifier}", self.arn),
        }
    }

    fn is_in(&self, pattern: &ResourcePattern) -> bool {
        pattern.matches(&self.arn) || (self.qualifier.is_some() && pattern.matches(&self.full()))
    }
}

impl Condition {
    /// Where there is no qualifier the key is absent, and then nothing equals it.
    fn holds(&self, resource: &Resource) -> bool {
        let Some(qualifier) = &resource.qualifier else {
            return false;
        };
        self.values.iter().any(|value| {
            if self.like {
                matches(value, qualifier)
            } else {
                value == qualifier
            }
        })
    }
}
