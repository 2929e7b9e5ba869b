//! A template being evaluated: its resources in order, each as it should be once those before it are known.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::conditions;
use super::definition::Files;
use super::desired::{self, Desired, Surroundings};
use super::fields::Fields;
use super::names::{Attributes, Place};
use super::order::{order, references};
use super::owner::Tags;
use super::parameters;
use super::problem::Problems;
use super::scope::Scope;
use super::template::{Kind, Resource, Template};

/// Shown in the place of a value that must not be.
const HIDDEN: &str = "****";

/// What a template is evaluated with.
#[derive(Clone, Copy)]
pub(super) struct Given<'g> {
    pub(super) place: &'g Place,
    pub(super) parameters: &'g BTreeMap<String, String>,
    pub(super) files: &'g dyn Files,
    pub(super) stack_tags: &'g Tags,
}

/// See the module.
#[derive(Clone)]
pub(super) struct Evaluation<'t> {
    template: &'t Template,
    given: Given<'t>,
    scope: Scope,
    order: Vec<String>,
}

/// An output of the template.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Out {
    pub(super) name: String,
    pub(super) value: Value,
}

impl<'t> Evaluation<'t> {
    /// Begins: parameters, conditions, what stands for resources that are not made here, and the order of the others.
    pub(super) fn new(template: &'t Template, given: Given<'t>, problems: &mut Problems) -> Self {
        let parameters = parameters::read(&template.parameters, given.parameters, problems);
        let mut scope = Scope::new(given.place.clone(), parameters, template);
        scope.conditions = conditions::decide(&template.conditions, &scope, problems);
        for (id, resource) in &template.resources {
            let condition = resource.condition.as_ref();
            if let Some(name) = condition.filter(|name| !scope.conditions.contains_key(*name)) {
                let at = format!("Resources.{id}.Condition");
                problems.add(at, format!("there is no condition {name}"));
            }
            if is_active(&scope, resource) && resource.kind.is_left_out() {
                if resource.kind == Kind::Unknown {
                    let what = format!(
                        "{} is not made here; --skip-type {} leaves it out",
                        resource.type_name, resource.type_name
                    );
                    problems.add(format!("Resources.{id}.Type"), what);
                }
                let attributes = stand_in(&scope, id, resource);
                scope.learn(id, attributes);
            }
        }
        let made =
            |resource: &Resource| is_active(&scope, resource) && !resource.kind.is_left_out();
        let order = order(template, made, problems);
        Self {
            template,
            given,
            scope,
            order,
        }
    }

    /// Logical ids of what is made, each behind those that it needs.
    pub(super) fn order(&self) -> &[String] {
        &self.order
    }

    pub(super) fn resource(&self, logical_id: &str) -> Option<&'t Resource> {
        self.template.resources.get(logical_id)
    }

    pub(super) fn place(&self) -> &Place {
        &self.scope.place
    }

    /// Resources that are left out: logical id and type.
    pub(super) fn left_out(&self) -> Vec<(&'t str, &'t str)> {
        let resources = self.template.resources.iter();
        resources
            .filter(|(_, resource)| {
                resource.kind == Kind::Skipped && is_active(&self.scope, resource)
            })
            .map(|(id, resource)| (id.as_str(), resource.type_name.as_str()))
            .collect()
    }

    /// A resource as it should be, by what is known so far; none when a problem was told.
    pub(super) fn desired(&self, logical_id: &str, problems: &mut Problems) -> Option<Desired> {
        let resource = self.resource(logical_id)?;
        let at = format!("Resources.{logical_id}.Properties");
        let before = problems.len();
        let (mut members, mut failed) = (Map::new(), BTreeSet::new());
        for (name, value) in &resource.properties {
            let told = problems.len();
            let resolved = self.scope.resolve(value, &format!("{at}.{name}"), problems);
            match resolved.filter(|_| problems.len() == told) {
                Some(value) => {
                    members.insert(name.clone(), value);
                }
                None if problems.len() > told => {
                    failed.insert(name.clone());
                }
                None => {}
            }
        }
        let around = Surroundings {
            place: self.given.place,
            files: self.given.files,
            stack_tags: self.given.stack_tags,
        };
        let fields = Fields::new(at, members, problems).with_failed(failed);
        desired::read(logical_id, resource, fields, around, before)
    }

    /// What `Ref` gives of a resource.
    pub(super) fn reference(&self, logical_id: &str) -> Option<&str> {
        self.scope.reference_of(logical_id)
    }

    /// Tells what a resource's `Ref` and `Fn::GetAtt` give from now on.
    pub(super) fn learn(&mut self, logical_id: &str, attributes: Attributes) {
        self.scope.learn(logical_id, attributes);
    }

    /// The outputs, by what is known so far.
    pub(super) fn outputs(&self, problems: &mut Problems) -> Vec<Out> {
        let mut outputs = Vec::new();
        for (name, output) in &self.template.outputs {
            let at = format!("Outputs.{name}");
            let condition = output.get("Condition").and_then(Value::as_str);
            match condition.map(|name| (name, self.scope.conditions.get(name))) {
                None | Some((_, Some(true))) => {}
                Some((_, Some(false))) => continue,
                Some((name, None)) => {
                    let what = format!("there is no condition {name}");
                    problems.add(format!("{at}.Condition"), what);
                }
            }
            let Some(value) = output.get("Value") else {
                problems.add(format!("{at}.Value"), "it is required");
                continue;
            };
            let is_hidden =
                |name: &String| self.scope.parameters.get(name).is_some_and(|p| p.hidden);
            let hidden = references(value).iter().any(is_hidden);
            let resolved = self.scope.resolve(value, &format!("{at}.Value"), problems);
            outputs.extend(resolved.map(|value| Out {
                name: name.clone(),
                value: if hidden { Value::from(HIDDEN) } else { value },
            }));
        }
        outputs
    }
}

fn is_active(scope: &Scope, resource: &Resource) -> bool {
    let condition = resource.condition.as_ref();
    condition.is_none_or(|name| scope.conditions.get(name).copied().unwrap_or(false))
}

/// By the name that the template gives it (`FunctionName`, `RoleName`), as far as that is told without resources.
fn stand_in(scope: &Scope, id: &str, resource: &Resource) -> Attributes {
    let kind = resource.type_name.rsplit("::").next().unwrap_or_default();
    let given = resource.properties.get(&format!("{kind}Name"));
    let mut problems = Problems::default();
    let name = given.and_then(|name| scope.resolve(name, "", &mut problems));
    let name = name.and_then(|name| name.as_str().map(str::to_owned));
    let name = name.filter(|_| problems.is_empty());
    let name = name.unwrap_or_else(|| scope.place.generated(id, &resource.type_name));
    scope.place.stand_in(&resource.type_name, &name)
}
