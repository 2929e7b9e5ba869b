//! What the coordinator has, as far as a deployment needs to know it.

use std::collections::BTreeMap;

use super::owner::{self, Owner, Published, Tags};

/// State machines and activities by ARN.
#[derive(Clone, Debug, Default)]
pub(super) struct Inventory {
    pub(super) machines: BTreeMap<String, FoundMachine>,
    pub(super) activities: BTreeMap<String, FoundActivity>,
}

/// A state machine; its details are read when they are needed.
#[derive(Clone, Debug, Default)]
pub(super) struct FoundMachine {
    pub(super) tags: Tags,
    pub(super) details: Option<Details>,
}

/// A state machine as it is described.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Details {
    pub(super) deleting: bool,
    pub(super) express: bool,
    pub(super) definition: String,
    pub(super) role_arn: String,
    pub(super) settings: Settings,
    /// `INITIAL` for the first.
    pub(super) revision: String,
    /// Those that belong to a stack, and the newest.
    pub(super) versions: BTreeMap<u64, FoundVersion>,
    pub(super) aliases: BTreeMap<String, FoundAlias>,
}

/// Settings as JSON texts with their defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) logging: String,
    pub(super) tracing: String,
    pub(super) encryption: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FoundVersion {
    pub(super) revision: String,
    pub(super) description: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FoundAlias {
    pub(super) description: String,
    /// Version ARNs and weights.
    pub(super) routes: Vec<(String, i32)>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct FoundActivity {
    pub(super) tags: Tags,
    /// JSON text with its defaults.
    pub(super) encryption: String,
}

/// Something that exists and belongs to a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owned {
    pub(super) what: What,
    pub(super) retain: bool,
}

/// What it is, in the order in which such things are deleted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    Alias { machine: String, name: String },
    Version { machine: String, number: u64 },
    Machine { arn: String },
    Activity { arn: String },
}

impl What {
    pub(super) fn arn(&self) -> String {
        match self {
            Self::Alias { machine, name } => format!("{machine}:{name}"),
            Self::Version { machine, number } => format!("{machine}:{number}"),
            Self::Machine { arn } | Self::Activity { arn } => arn.clone(),
        }
    }

    /// For people: `orders`, `orders:live`.
    pub(super) fn name(&self) -> String {
        short(&self.arn()).to_owned()
    }

    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Alias { .. } => "AWS::StepFunctions::StateMachineAlias",
            Self::Version { .. } => "AWS::StepFunctions::StateMachineVersion",
            Self::Machine { .. } => "AWS::StepFunctions::StateMachine",
            Self::Activity { .. } => "AWS::StepFunctions::Activity",
        }
    }

    /// The state machine that it is, or that it belongs to.
    pub(super) fn machine(&self) -> Option<&str> {
        match self {
            Self::Alias { machine, .. } | Self::Version { machine, .. } => Some(machine),
            Self::Machine { arn } => Some(arn),
            Self::Activity { .. } => None,
        }
    }
}

/// What stands behind the resource type in an ARN.
pub(super) fn short(arn: &str) -> &str {
    arn.splitn(7, ':').nth(6).unwrap_or(arn)
}

impl Inventory {
    /// What belongs to a stack, by logical id. There can be several of one: a replacement that was cut short.
    pub(super) fn owned(&self, stack: &str) -> BTreeMap<String, Vec<Owned>> {
        let mut owned: BTreeMap<String, Vec<Owned>> = BTreeMap::new();
        let mut add = |owner: Option<Owner>, what: What| {
            if let Some(owner) = owner.filter(|owner| owner.stack == stack) {
                let retain = owner.retain;
                let of_id = owned.entry(owner.logical_id).or_default();
                of_id.push(Owned { what, retain });
            }
        };
        for (arn, machine) in &self.machines {
            // What is being deleted belongs to nobody any more.
            if machine
                .details
                .as_ref()
                .is_some_and(|details| details.deleting)
            {
                continue;
            }
            add(Owner::of(&machine.tags), What::Machine { arn: arn.clone() });
            for (key, mark) in &machine.tags {
                if let Some(what) = machine.published(arn, key) {
                    add(Owner::of_mark(mark), what);
                }
            }
        }
        for (arn, activity) in &self.activities {
            add(
                Owner::of(&activity.tags),
                What::Activity { arn: arn.clone() },
            );
        }
        owned
    }

    /// Tags of the stack about versions and aliases that are no more: ARN and key.
    pub(super) fn stale(&self, stack: &str) -> Vec<(String, String)> {
        let mut stale = Vec::new();
        for (arn, machine) in self.machines.iter().filter(|(_, m)| m.details.is_some()) {
            for (key, mark) in &machine.tags {
                let ours = Owner::of_mark(mark).is_some_and(|owner| owner.stack == stack);
                let gone = owner::published(key).is_some() && machine.published(arn, key).is_none();
                if ours && gone {
                    stale.push((arn.clone(), key.clone()));
                }
            }
        }
        stale
    }
}

impl FoundMachine {
    /// The version or alias that a tag is about, if it exists.
    fn published(&self, arn: &str, key: &str) -> Option<What> {
        let details = self.details.as_ref()?;
        let machine = arn.to_owned();
        match owner::published(key)? {
            Published::Version(number) => details
                .versions
                .contains_key(&number)
                .then_some(What::Version { machine, number }),
            Published::Alias(name) => details.aliases.contains_key(name).then(|| What::Alias {
                machine,
                name: name.to_owned(),
            }),
        }
    }

    /// Whether any of its tags is about a stack's version or alias, or itself.
    pub(super) fn concerns(&self, stack: &str) -> bool {
        let own = Owner::of(&self.tags).is_some_and(|owner| owner.stack == stack);
        own || self.tags.iter().any(|(key, mark)| {
            owner::published(key).is_some()
                && Owner::of_mark(mark).is_some_and(|owner| owner.stack == stack)
        })
    }

    /// Whose a version or alias is, by the key of its tag.
    pub(super) fn owner_of(&self, key: &str) -> Option<Owner> {
        Owner::of_mark(self.tags.get(key)?)
    }
}
