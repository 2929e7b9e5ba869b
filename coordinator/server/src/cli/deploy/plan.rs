//! What a deployment would do: each resource of the template held against what there is. Nothing is done here.

use std::collections::{BTreeMap, BTreeSet};

use super::desired::{Activity, Desired, Machine, Spelling, spelling};
use super::evaluation::Evaluation;
use super::inventory::{Inventory, Owned, What, short};
use super::names::Attributes;
use super::owner::{self, Owner, Tags};
use super::problem::Problems;
use super::template::Kind;

mod published;

/// Stands for what is only known once it was made. No version has it for a number, no revision for an id.
pub(super) const NEXT: &str = "NEXT";
/// What `PublishStateMachineVersion` calls the revision without an id.
pub(super) const INITIAL: &str = "INITIAL";
const POLICY: &str = "DeletionPolicy";

/// What happens to a resource of the template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Create,
    /// These properties change.
    Update(Vec<String>),
    /// Another one is made, because these properties cannot change; the one before is removed at the end.
    Replace(Vec<String>),
    Keep,
}

/// A resource of the template, in the order in which they are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) logical_id: String,
    pub(super) type_name: String,
    /// With [`NEXT`] where it is not known yet.
    pub(super) arn: String,
    pub(super) action: Action,
}

/// Something of the stack that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Removal {
    pub(super) logical_id: String,
    pub(super) what: What,
    /// It stays in the coordinator, and leaves the stack.
    pub(super) retain: bool,
    /// Another one takes its place.
    pub(super) replaced: bool,
    /// It goes with its state machine, which is removed as well.
    pub(super) with_machine: bool,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    /// After the steps, in this order.
    pub(super) removals: Vec<Removal>,
    /// Tags about what is no more: ARN and key.
    pub(super) stale: Vec<(String, String)>,
    /// State machines whose details the plan needs and the inventory lacks: read them, and plan again.
    pub(super) unread: BTreeSet<String>,
}

impl Plan {
    /// Whether nothing changes. Stale tags alone are no change: they are removed along with one.
    pub(super) fn is_empty(&self) -> bool {
        self.removals.is_empty() && self.steps.iter().all(|step| step.action == Action::Keep)
    }

    /// The same with the ARNs that are known once it was carried out.
    pub(super) fn known(&self, evaluation: &Evaluation<'_>) -> Self {
        let mut known = self.clone();
        for step in &mut known.steps {
            if let Some(arn) = evaluation.reference(&step.logical_id) {
                arn.clone_into(&mut step.arn);
            }
        }
        known
    }
}

/// Plans a template; `evaluation` knows the attributes of every resource afterwards, as far as they can be known.
pub(super) fn plan(
    evaluation: &mut Evaluation<'_>,
    inventory: &Inventory,
    problems: &mut Problems,
) -> Plan {
    let stack = evaluation.place().stack.clone();
    let mut planner = Planner {
        evaluation,
        inventory,
        owned: inventory.owned(&stack),
        plan: Plan::default(),
        claimed: BTreeMap::new(),
        changing: BTreeSet::new(),
        publishing: BTreeMap::new(),
    };
    for id in planner.evaluation.order().to_vec() {
        planner.step(&id, problems);
    }
    for (id, owned) in std::mem::take(&mut planner.owned) {
        planner.remove(&id, owned, None);
    }
    let mut plan = planner.plan;
    plan.stale = inventory.stale(&stack);
    // What is made again under its name takes its tag again.
    let steps = &plan.steps;
    plan.stale.retain(|(machine, key)| {
        let is_made = |step: &Step| owner::published_arn(machine, key).as_ref() == Some(&step.arn);
        !steps.iter().any(is_made)
    });
    settle(&mut plan.removals);
    check_tag_count(&plan, inventory, problems);
    plan
}

/// Plans the end of a stack.
pub(super) fn plan_deletion(inventory: &Inventory, stack: &str) -> Plan {
    let mut removals = Vec::new();
    for (logical_id, owned) in inventory.owned(stack) {
        removals.extend(
            owned
                .into_iter()
                .map(|owned| removal(&logical_id, owned, None)),
        );
    }
    settle(&mut removals);
    Plan {
        removals,
        stale: inventory.stale(stack),
        ..Plan::default()
    }
}

struct Planner<'p, 't> {
    evaluation: &'p mut Evaluation<'t>,
    inventory: &'p Inventory,
    /// What the stack has and no step has taken yet.
    owned: BTreeMap<String, Vec<Owned>>,
    plan: Plan,
    /// ARNs that resources of the template have, to find two of one name.
    claimed: BTreeMap<String, String>,
    /// State machines that get another revision.
    changing: BTreeSet<String>,
    /// State machines of which the next version is taken, and by which resource.
    publishing: BTreeMap<String, String>,
}

/// A step as it is decided, with what is removed for it.
struct Decided {
    arn: String,
    action: Action,
    attributes: Attributes,
    replaced: Vec<Owned>,
}

impl Planner<'_, '_> {
    fn step(&mut self, id: &str, problems: &mut Problems) {
        let Some(resource) = self.evaluation.resource(id) else {
            return;
        };
        let at = format!("Resources.{id}");
        let decided = match self.evaluation.desired(id, problems) {
            Some(Desired::Machine(machine)) => self.machine(id, &machine, resource.kind, problems),
            Some(Desired::Activity(activity)) => self.activity(id, &activity, problems),
            Some(Desired::Version(version)) => self.version(id, &version, problems),
            Some(Desired::Alias(alias)) => self.alias(id, &alias, problems),
            None => {
                self.stand_in(id, resource.kind);
                return;
            }
        };
        let first = self.claimed.insert(decided.arn.clone(), id.to_owned());
        if let Some(first) = first.filter(|_| !decided.arn.ends_with(NEXT)) {
            problems.add(
                &at,
                format!("{first} has the same name: {}", short(&decided.arn)),
            );
        }
        self.evaluation.learn(id, decided.attributes);
        self.remove(id, decided.replaced, Some(resource.retain_replaced));
        self.plan.steps.push(Step {
            logical_id: id.to_owned(),
            type_name: resource.type_name.clone(),
            arn: decided.arn,
            action: decided.action,
        });
    }

    /// Attributes for a resource that could not be read: what refers to it shall not be a second problem.
    fn stand_in(&mut self, id: &str, kind: Kind) {
        let name = self.evaluation.place().generated(id, NEXT);
        let arn = self.evaluation.place().machine_arn(&name);
        let reference = match kind {
            Kind::Version => format!("{arn}:{NEXT}"),
            Kind::ServerlessMachine
            | Kind::Machine
            | Kind::Activity
            | Kind::Alias
            | Kind::Skipped
            | Kind::StandIn
            | Kind::Unknown => arn.clone(),
        };
        self.claimed.insert(arn, id.to_owned());
        self.evaluation
            .learn(id, machine_attributes(&reference, &name, NEXT));
    }

    fn machine(
        &mut self,
        id: &str,
        machine: &Machine,
        kind: Kind,
        problems: &mut Problems,
    ) -> Decided {
        let spelling = spelling(kind);
        let arn = self.evaluation.place().machine_arn(&machine.name);
        let (own, replaced) = self.take(id, &What::Machine { arn: arn.clone() });
        let found = self.inventory.machines.get(&arn);
        let details = found.and_then(|found| found.details.as_ref());
        let mut revision = NEXT.to_owned();
        let action = match (own, found, details) {
            (Some(_), Some(found), Some(details)) => {
                if details.express != machine.express {
                    let at = format!("Resources.{id}.Properties.{}", spelling.machine_type);
                    let what = format!(
                        "the type of {} cannot change; give it another {} with the other type",
                        machine.name, spelling.name
                    );
                    problems.add(at, what);
                }
                let (now, then) = (&details.settings, &machine.settings);
                let changes = [
                    ("Definition", details.definition != machine.definition),
                    (spelling.role, details.role_arn != machine.role_arn),
                    (spelling.logging, now.logging != then.logging),
                    (spelling.tracing, now.tracing != then.tracing),
                    ("EncryptionConfiguration", now.encryption != then.encryption),
                ];
                let mut changed = named(&changes);
                if changed.is_empty() {
                    revision.clone_from(&details.revision);
                } else {
                    self.changing.insert(arn.clone());
                }
                changed.extend(tag_changes(&found.tags, &machine.tags));
                updated(changed)
            }
            (_, Some(_), None) => {
                self.plan.unread.insert(arn.clone());
                Action::Keep
            }
            (_, Some(found), Some(details)) => {
                let at = format!("Resources.{id}.Properties.{}", spelling.name);
                let what = if details.deleting {
                    format!(
                        "{} is still being deleted: it goes when its last execution has ended",
                        machine.name
                    )
                } else {
                    taken(
                        "a state machine",
                        &machine.name,
                        Owner::of(&found.tags).as_ref(),
                    )
                };
                problems.add(at, what);
                Action::Keep
            }
            (_, None, _) => {
                self.changing.insert(arn.clone());
                revision = INITIAL.to_owned();
                self.made_machine(&replaced, machine, spelling)
            }
        };
        Decided {
            attributes: machine_attributes(&arn, &machine.name, &revision),
            arn,
            action,
            replaced,
        }
    }

    /// A new one, for the property that cannot change and did.
    fn made_machine(&self, replaced: &[Owned], machine: &Machine, spelling: &Spelling) -> Action {
        let before = replaced.first().and_then(|owned| {
            let machine = self.inventory.machines.get(owned.what.machine()?)?;
            machine.details.as_ref()
        });
        let retyped = before.is_some_and(|details| details.express != machine.express);
        let property = if retyped {
            spelling.machine_type
        } else {
            spelling.name
        };
        made_anew(replaced, property)
    }

    fn activity(&mut self, id: &str, activity: &Activity, problems: &mut Problems) -> Decided {
        let arn = self.evaluation.place().activity_arn(&activity.name);
        let (own, replaced) = self.take(id, &What::Activity { arn: arn.clone() });
        let action = match (own, self.inventory.activities.get(&arn)) {
            (Some(_), Some(found)) => {
                if found.encryption != activity.encryption {
                    let at = format!("Resources.{id}.Properties.EncryptionConfiguration");
                    let what = format!(
                        "that of {} cannot change; give the activity another Name with it",
                        activity.name
                    );
                    problems.add(at, what);
                }
                updated(tag_changes(&found.tags, &activity.tags))
            }
            (None, Some(found)) => {
                let what = taken(
                    "an activity",
                    &activity.name,
                    Owner::of(&found.tags).as_ref(),
                );
                problems.add(format!("Resources.{id}.Properties.Name"), what);
                Action::Keep
            }
            (_, None) => {
                let before = replaced.first().map(|owned| owned.what.arn());
                let before = before.and_then(|arn| self.inventory.activities.get(&arn));
                let encrypted = before.is_some_and(|found| found.encryption != activity.encryption);
                let property = if encrypted {
                    "EncryptionConfiguration"
                } else {
                    "Name"
                };
                made_anew(&replaced, property)
            }
        };
        Decided {
            attributes: Attributes {
                reference: arn.clone(),
                others: BTreeMap::from([("Arn", arn.clone()), ("Name", activity.name.clone())]),
            },
            arn,
            action,
            replaced,
        }
    }

    /// Takes what the stack has of a logical id: the wanted one, and others of its type, which it replaces.
    fn take(&mut self, id: &str, wanted: &What) -> (Option<Owned>, Vec<Owned>) {
        let all = self.owned.remove(id).unwrap_or_default();
        let is_same =
            |owned: &Owned| std::mem::discriminant(&owned.what) == std::mem::discriminant(wanted);
        let (mut same, others): (Vec<Owned>, Vec<Owned>) = all.into_iter().partition(is_same);
        if !others.is_empty() {
            // The logical id has another type now; what it was goes as if it had left the template.
            self.owned.insert(id.to_owned(), others);
        }
        let at = same.iter().position(|owned| owned.what == *wanted);
        (at.map(|at| same.remove(at)), same)
    }

    /// `retain` tells whether what is replaced stays; what left the template has that in its tags.
    fn remove(&mut self, id: &str, owned: Vec<Owned>, retain: Option<bool>) {
        let removals = owned.into_iter().map(|owned| removal(id, owned, retain));
        self.plan.removals.extend(removals);
    }
}

/// Created, or made in the place of others because `property` changed.
fn made_anew(replaced: &[Owned], property: &str) -> Action {
    if replaced.is_empty() {
        Action::Create
    } else {
        Action::Replace(vec![property.to_owned()])
    }
}

fn removal(logical_id: &str, owned: Owned, replaced: Option<bool>) -> Removal {
    Removal {
        logical_id: logical_id.to_owned(),
        retain: replaced.unwrap_or(owned.retain),
        what: owned.what,
        replaced: replaced.is_some(),
        with_machine: false,
    }
}

/// Puts removals into their order, and lets go with a state machine what is published of it.
fn settle(removals: &mut [Removal]) {
    let gone: BTreeSet<String> = removals
        .iter()
        .filter(|removal| !removal.retain)
        .filter_map(|removal| match &removal.what {
            What::Machine { arn } => Some(arn.clone()),
            What::Alias { .. } | What::Version { .. } | What::Activity { .. } => None,
        })
        .collect();
    for removal in removals.iter_mut() {
        let published = matches!(removal.what, What::Alias { .. } | What::Version { .. });
        let machine = removal.what.machine();
        removal.with_machine = published && machine.is_some_and(|arn| gone.contains(arn));
        removal.retain &= !removal.with_machine;
    }
    removals.sort_by(|a, b| a.what.cmp(&b.what));
}

/// With the tags for what is published of it, a state machine has 50 at most.
fn check_tag_count(plan: &Plan, inventory: &Inventory, problems: &mut Problems) {
    for (arn, machine) in &inventory.machines {
        let new = plan.steps.iter().filter(|step| {
            let published = step.arn.strip_prefix(arn.as_str());
            let made = matches!(step.action, Action::Create | Action::Replace(_));
            made && published.is_some_and(|rest| rest.starts_with(':'))
        });
        let count = machine.tags.len() + new.count();
        if count > crate::service::tags::TAGS_MAX {
            let what = format!(
                "it would have {count} tags, and 50 are allowed; each version and alias of a stack takes one"
            );
            problems.add(short(arn), what);
        }
    }
}

fn named(changes: &[(&str, bool)]) -> Vec<String> {
    let changed = changes.iter().filter(|(_, changed)| *changed);
    changed.map(|(name, _)| (*name).to_owned()).collect()
}

fn updated(changed: Vec<String>) -> Action {
    if changed.is_empty() {
        Action::Keep
    } else {
        Action::Update(changed)
    }
}

/// Which of tags and policy change. Tags about versions and aliases are not the resource's own.
fn tag_changes(now: &Tags, wanted: &Tags) -> Vec<String> {
    let own = owner::own_keys();
    let keys = now.keys().chain(wanted.keys());
    let differing = keys
        .filter(|key| owner::published(key).is_none())
        .filter(|key| now.get(*key) != wanted.get(*key));
    let (of_stack, others): (Vec<&String>, Vec<&String>) =
        differing.partition(|key| own.contains(&key.as_str()));
    named(&[("Tags", !others.is_empty()), (POLICY, !of_stack.is_empty())])
}

/// `what` with its article.
fn taken(what: &str, name: &str, owner: Option<&Owner>) -> String {
    match owner {
        Some(owner) => format!(
            "there is {what} {name} already: {} of the stack {}",
            owner.logical_id, owner.stack
        ),
        None => format!(
            "there is {what} {name} already, and it belongs to no stack; the tags stepfleet:stack and \
             stepfleet:logical-id take it into one (`stepfleet tag set`)"
        ),
    }
}

/// What a state machine's `Ref` and `Fn::GetAtt` give.
pub(super) fn machine_attributes(arn: &str, name: &str, revision: &str) -> Attributes {
    Attributes {
        reference: arn.to_owned(),
        others: BTreeMap::from([
            ("Arn", arn.to_owned()),
            ("Name", name.to_owned()),
            ("StateMachineRevisionId", revision.to_owned()),
        ]),
    }
}

/// Of a version or alias.
pub(super) fn arn_attributes(arn: &str) -> Attributes {
    Attributes {
        reference: arn.to_owned(),
        others: BTreeMap::from([("Arn", arn.to_owned())]),
    }
}
