//! What the names of a template mean, and values with their functions carried out. Nothing is read or called: what a
//! resource's attributes are is told by whoever walks the resources in order.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::names::{Attributes, Place};
use super::parameters::{Parameter, text_of};
use super::problem::Problems;
use super::template::Template;

/// Names and what they mean so far.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub(super) place: Place,
    pub(super) parameters: BTreeMap<String, Parameter>,
    pub(super) conditions: BTreeMap<String, bool>,
    attributes: BTreeMap<String, Attributes>,
    mappings: Map<String, Value>,
}

/// The function that a value is a call of, and its argument.
pub(super) fn call(value: &Value) -> Option<(&str, &Value)> {
    let members = value.as_object().filter(|members| members.len() == 1)?;
    let (name, argument) = members.iter().next()?;
    (name == "Ref" || name.starts_with("Fn::")).then_some((name, argument))
}

impl Scope {
    pub(super) fn new(
        place: Place,
        parameters: BTreeMap<String, Parameter>,
        template: &Template,
    ) -> Self {
        Self {
            place,
            parameters,
            conditions: BTreeMap::new(),
            attributes: BTreeMap::new(),
            mappings: template.mappings.clone(),
        }
    }

    /// Tells what a resource's `Ref` and `Fn::GetAtt` give from now on.
    pub(super) fn learn(&mut self, logical_id: &str, attributes: Attributes) {
        self.attributes.insert(logical_id.to_owned(), attributes);
    }

    pub(super) fn reference_of(&self, logical_id: &str) -> Option<&str> {
        let attributes = self.attributes.get(logical_id)?;
        Some(&attributes.reference)
    }

    /// The value with its functions carried out; none when it is `AWS::NoValue`, or when a problem was told.
    pub(super) fn resolve(
        &self,
        value: &Value,
        at: &str,
        problems: &mut Problems,
    ) -> Option<Value> {
        if let Some((name, argument)) = call(value) {
            return self.call(name, argument, &format!("{at}.{name}"), problems);
        }
        match value {
            Value::String(text) => {
                if text.contains("{{resolve:") {
                    let what =
                        "dynamic references are not resolved here; give the value as a parameter";
                    problems.add(at, what);
                }
                Some(value.clone())
            }
            Value::Array(items) => {
                let items = items.iter().enumerate();
                let items = items
                    .filter_map(|(n, item)| self.resolve(item, &format!("{at}[{n}]"), problems));
                Some(Value::Array(items.collect()))
            }
            Value::Object(members) => {
                let mut resolved = Map::new();
                for (name, member) in members {
                    let at = format!("{at}.{name}");
                    if let Some(member) = self.resolve(member, &at, problems) {
                        resolved.insert(name.clone(), member);
                    }
                }
                Some(Value::Object(resolved))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => Some(value.clone()),
        }
    }

    fn call(
        &self,
        name: &str,
        argument: &Value,
        at: &str,
        problems: &mut Problems,
    ) -> Option<Value> {
        match name {
            "Ref" => match argument.as_str() {
                Some(name) => self.reference(name, at, problems),
                None => self.misused("the name of a parameter or resource", at, problems),
            },
            "Fn::GetAtt" => self.attribute_call(argument, at, problems),
            "Fn::Sub" => self
                .substitute_call(argument, at, problems)
                .map(Value::from),
            "Fn::If" => self.choose(argument, at, problems),
            "Fn::Join" => self.join(argument, at, problems).map(Value::from),
            "Fn::Split" => self.split(argument, at, problems),
            "Fn::Select" => self.select(argument, at, problems),
            "Fn::FindInMap" => self.find_in_map(argument, at, problems),
            "Fn::Base64" => {
                let text = self.text(argument, at, problems)?;
                Some(Value::from(STANDARD.encode(text)))
            }
            "Fn::ImportValue" => {
                let what =
                    "exports of other stacks are not known here; give the value as a parameter";
                problems.add(at, what);
                None
            }
            "Fn::Transform" => {
                problems.add(at, "macros are not run");
                None
            }
            other => {
                problems.add(at, format!("{other} is not handled here"));
                None
            }
        }
    }

    fn reference(&self, name: &str, at: &str, problems: &mut Problems) -> Option<Value> {
        let place = &self.place;
        let text = match name {
            "AWS::Region" => place.region.clone(),
            "AWS::AccountId" => place.account.clone(),
            "AWS::Partition" => place.partition.clone(),
            "AWS::StackName" => place.stack.clone(),
            "AWS::StackId" => place.stack_id(),
            "AWS::URLSuffix" => place.url_suffix().to_owned(),
            "AWS::NotificationARNs" => return Some(Value::Array(Vec::new())),
            "AWS::NoValue" => return None,
            _ => return self.declared(name, at, problems),
        };
        Some(Value::from(text))
    }

    fn declared(&self, name: &str, at: &str, problems: &mut Problems) -> Option<Value> {
        if let Some(parameter) = self.parameters.get(name) {
            if parameter.value.is_none() {
                let what = format!(
                    "the value of {name} is in AWS's Parameter Store, which is not read here; give it with --parameter {name}=VALUE"
                );
                problems.add(at, what);
            }
            return parameter.value.clone();
        }
        match self.attributes.get(name) {
            Some(attributes) => Some(Value::from(attributes.reference.clone())),
            None => {
                problems.add(at, format!("there is no parameter or resource {name}"));
                None
            }
        }
    }

    fn attribute_call(&self, argument: &Value, at: &str, problems: &mut Problems) -> Option<Value> {
        let parts = match argument {
            Value::String(text) => text.split_once('.').map(|(id, name)| (id, name.to_owned())),
            Value::Array(items) => match items.as_slice() {
                [Value::String(id), name] => {
                    let name = self.text(name, at, problems)?;
                    Some((id.as_str(), name))
                }
                _ => None,
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
        };
        match parts {
            Some((id, name)) => self.attribute(id, &name, at, problems),
            None => self.misused("[resource, attribute]", at, problems),
        }
    }

    fn attribute(&self, id: &str, name: &str, at: &str, problems: &mut Problems) -> Option<Value> {
        let Some(attributes) = self.attributes.get(id) else {
            problems.add(at, format!("there is no resource {id}"));
            return None;
        };
        let value = attributes.others.get(name);
        if value.is_none() {
            problems.add(
                at,
                format!("the attribute {name} of {id} is not known here"),
            );
        }
        value.map(|value| Value::from(value.clone()))
    }

    fn substitute_call(
        &self,
        argument: &Value,
        at: &str,
        problems: &mut Problems,
    ) -> Option<String> {
        let (text, own) = match argument {
            Value::String(text) => (text, Map::new()),
            Value::Array(items) => match items.as_slice() {
                [Value::String(text), Value::Object(own)] => (text, own.clone()),
                _ => return self.misused("a text, or [text, mapping]", at, problems),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
                return self.misused("a text, or [text, mapping]", at, problems);
            }
        };
        let mut all = Some(String::with_capacity(text.len()));
        for piece in pieces(text) {
            let value = match piece {
                Piece::Text(text) => Some(text.to_owned()),
                Piece::Name(name) => self.named(name, &own, at, problems),
            };
            all = all.zip(value).map(|(all, value)| all + &value);
        }
        let all = all?;
        self.resolve(&Value::from(all.clone()), at, problems)
            .map(|_| all)
    }

    /// `${Name}` or `${Resource.Attribute}` in `Fn::Sub`.
    fn named(
        &self,
        name: &str,
        own: &Map<String, Value>,
        at: &str,
        problems: &mut Problems,
    ) -> Option<String> {
        if let Some(value) = own.get(name) {
            return self.text(value, &format!("{at}.{name}"), problems);
        }
        let value = match name.split_once('.') {
            Some((id, attribute)) => self.attribute(id, attribute, at, problems),
            None => self.reference(name, at, problems),
        };
        self.scalar(&value?, &format!("{at}.{name}"), problems)
    }

    fn choose(&self, argument: &Value, at: &str, problems: &mut Problems) -> Option<Value> {
        let Some([Value::String(name), then, other]) = argument.as_array().map(Vec::as_slice)
        else {
            return self.misused("[condition, value, value]", at, problems);
        };
        let Some(holds) = self.conditions.get(name) else {
            problems.add(at, format!("there is no condition {name}"));
            return None;
        };
        self.resolve(if *holds { then } else { other }, at, problems)
    }

    fn join(&self, argument: &Value, at: &str, problems: &mut Problems) -> Option<String> {
        let Some([Value::String(between), list]) = argument.as_array().map(Vec::as_slice) else {
            return self.misused("[text, list]", at, problems);
        };
        let items = self.list(list, at, problems)?;
        let texts: Option<Vec<String>> = items
            .iter()
            .map(|item| self.scalar(item, at, problems))
            .collect();
        Some(texts?.join(between))
    }

    fn split(&self, argument: &Value, at: &str, problems: &mut Problems) -> Option<Value> {
        let Some([Value::String(between), text]) = argument.as_array().map(Vec::as_slice) else {
            return self.misused("[text, text]", at, problems);
        };
        let text = self.text(text, at, problems)?;
        let parts: Vec<&str> = text.split(between.as_str()).collect();
        Some(Value::from(parts))
    }

    fn select(&self, argument: &Value, at: &str, problems: &mut Problems) -> Option<Value> {
        let Some([number, list]) = argument.as_array().map(Vec::as_slice) else {
            return self.misused("[number, list]", at, problems);
        };
        let number = self.text(number, at, problems)?;
        let items = self.list(list, at, problems)?;
        let item = number
            .parse::<usize>()
            .ok()
            .and_then(|number| items.get(number));
        if item.is_none() {
            problems.add(
                at,
                format!("the list of {} has no item {number}", items.len()),
            );
        }
        item.cloned()
    }

    fn find_in_map(&self, argument: &Value, at: &str, problems: &mut Problems) -> Option<Value> {
        let keys = argument.as_array().filter(|keys| keys.len() == 3);
        let Some(keys) = keys else {
            return self.misused("[mapping, key, key]", at, problems);
        };
        let keys: Option<Vec<String>> = keys
            .iter()
            .map(|key| self.text(key, at, problems))
            .collect();
        let keys = keys?;
        let mut found = self.mappings.get(&keys[0]);
        for key in &keys[1..] {
            found = found.and_then(|value| value.get(key));
        }
        if found.is_none() {
            problems.add(at, format!("there is no Mappings.{}", keys.join(".")));
        }
        found.cloned()
    }

    /// A text, or what a function gives of it.
    fn text(&self, value: &Value, at: &str, problems: &mut Problems) -> Option<String> {
        let value = self.resolve(value, at, problems)?;
        self.scalar(&value, at, problems)
    }

    fn scalar(&self, value: &Value, at: &str, problems: &mut Problems) -> Option<String> {
        let text = text_of(value);
        if text.is_none() {
            problems.add(at, "a text is wanted, and this is none");
        }
        text
    }

    fn list(&self, value: &Value, at: &str, problems: &mut Problems) -> Option<Vec<Value>> {
        match self.resolve(value, at, problems)? {
            Value::Array(items) => Some(items),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Object(_) => {
                problems.add(at, "a list is wanted, and this is none");
                None
            }
        }
    }

    fn misused<T>(&self, form: &str, at: &str, problems: &mut Problems) -> Option<T> {
        problems.add(at, format!("its argument is {form}"));
        None
    }
}

/// Part of a text of `Fn::Sub`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    Text(&'t str),
    Name(&'t str),
}

/// `a ${B} ${!C}` is `a `, the name `B`, ` `, `${`, `C}`.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        if let Some(literal) = after.strip_prefix('!') {
            pieces.extend([Piece::Text(before), Piece::Text("${")]);
            rest = literal;
        } else if let Some(end) = after.find('}') {
            pieces.extend([Piece::Text(before), Piece::Name(after[..end].trim())]);
            rest = &after[end + 1..];
        } else {
            break;
        }
    }
    pieces.push(Piece::Text(rest));
    pieces
}
