//! Values of a template's parameters: what the command line gives, or the default, held against the declaration.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::{Map, Value};

use super::problem::Problems;

const KEYS: &[&str] = &[
    "AllowedPattern",
    "AllowedValues",
    "ConstraintDescription",
    "Default",
    "Description",
    "MaxLength",
    "MaxValue",
    "MinLength",
    "MinValue",
    "NoEcho",
    "Type",
];

/// A parameter that can be referred to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parameter {
    /// None where only AWS has the value.
    pub(super) value: Option<Value>,
    /// It is not to be shown.
    pub(super) hidden: bool,
}

/// The parameters of a template by name.
pub(super) fn read(
    declared: &Map<String, Value>,
    given: &BTreeMap<String, String>,
    problems: &mut Problems,
) -> BTreeMap<String, Parameter> {
    for name in given.keys().filter(|name| !declared.contains_key(*name)) {
        let at = format!("Parameters.{name}");
        problems.add(at, "the template has no such parameter");
    }
    let mut parameters = BTreeMap::new();
    for (name, declaration) in declared {
        let at = format!("Parameters.{name}");
        let Some(declaration) = declaration.as_object() else {
            problems.add(at, "a parameter is a mapping");
            continue;
        };
        let read = Declaration {
            members: declaration,
            at,
        }
        .read(given.get(name), problems);
        parameters.insert(name.clone(), read);
    }
    parameters
}

struct Declaration<'d> {
    members: &'d Map<String, Value>,
    at: String,
}

impl Declaration<'_> {
    fn read(&self, given: Option<&String>, problems: &mut Problems) -> Parameter {
        for name in self.members.keys() {
            if !KEYS.contains(&name.as_str()) {
                let at = format!("{}.{name}", self.at);
                problems.add(at, "this attribute is not handled");
            }
        }
        let hidden = matches!(self.text("NoEcho").as_deref(), Some("true"));
        let declared = self.text("Type").unwrap_or_default();
        if declared.starts_with("AWS::SSM::") && given.is_none() {
            return Parameter {
                value: None,
                hidden,
            };
        }
        let text = given.cloned().or_else(|| self.text("Default"));
        let Some(text) = text else {
            problems.add(
                &self.at,
                "it has no default: give it with --parameter NAME=VALUE",
            );
            return Parameter {
                value: Some(Value::from("")),
                hidden,
            };
        };
        let shown = if hidden {
            "its value".to_owned()
        } else {
            format!("'{text}'")
        };
        let value = self.typed(&declared, &text, &shown, problems);
        self.check(&declared, &text, &shown, problems);
        Parameter {
            value: Some(value),
            hidden,
        }
    }

    fn typed(&self, declared: &str, text: &str, shown: &str, problems: &mut Problems) -> Value {
        let list = || {
            let items = text.split(',').map(|item| item.trim().to_owned());
            items
                .filter(|item| !item.is_empty())
                .collect::<Vec<String>>()
        };
        let mut refuse_number = |text: &str| {
            if text.trim().parse::<f64>().is_err() {
                problems.add(&self.at, format!("{shown} is no number"));
            }
        };
        match declared {
            "Number" => refuse_number(text),
            "List<Number>" => list().iter().for_each(|item| refuse_number(item)),
            "String" | "CommaDelimitedList" => {}
            other if other.starts_with("AWS::") || other.starts_with("List<AWS::") => {}
            other => problems.add(format!("{}.Type", self.at), format!("'{other}' is no type")),
        }
        if declared == "CommaDelimitedList" || declared.starts_with("List<") {
            Value::from(list())
        } else {
            Value::from(text)
        }
    }

    fn check(&self, declared: &str, text: &str, shown: &str, problems: &mut Problems) {
        let why = self.text("ConstraintDescription");
        let mut refuse = |what: String| {
            let why = why
                .as_ref()
                .map_or_else(String::new, |why| format!(" ({why})"));
            problems.add(&self.at, format!("{what}{why}"));
        };
        if let Some(Value::Array(allowed)) = self.members.get("AllowedValues") {
            let allowed: Vec<String> = allowed.iter().filter_map(text_of).collect();
            let items: Vec<&str> = match declared {
                "CommaDelimitedList" => text.split(',').map(str::trim).collect(),
                _ => vec![text],
            };
            if !items
                .iter()
                .all(|item| allowed.iter().any(|allowed| allowed == item))
            {
                refuse(format!("{shown} is none of: {}", allowed.join(", ")));
            }
        }
        if let Some(pattern) = self.text("AllowedPattern") {
            match Regex::new(&format!("^(?:{pattern})$")) {
                Ok(regex) if regex.is_match(text) => {}
                Ok(_) => refuse(format!("{shown} does not match {pattern}")),
                Err(_) => refuse(format!("the pattern {pattern} cannot be read here")),
            }
        }
        let length = text.chars().count() as f64;
        let number = text.trim().parse::<f64>().unwrap_or(0.0);
        let bounds = [
            ("MinLength", length, "is shorter than"),
            ("MaxLength", length, "is longer than"),
            ("MinValue", number, "is less than"),
            ("MaxValue", number, "is more than"),
        ];
        for (name, is, words) in bounds {
            let bound = self.text(name).and_then(|text| text.parse::<f64>().ok());
            let over = bound.is_some_and(|bound| {
                if name.starts_with("Min") {
                    is < bound
                } else {
                    is > bound
                }
            });
            if over {
                refuse(format!(
                    "{shown} {words} {}",
                    self.text(name).unwrap_or_default()
                ));
            }
        }
    }

    fn text(&self, name: &str) -> Option<String> {
        self.members.get(name).and_then(text_of)
    }
}

/// A scalar as a text.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(declaration: Value, given: Option<&str>, expect: Result<Value, &str>) {
        let declared = Map::from_iter([("P".to_owned(), declaration)]);
        let given = given.map(|value| ("P".to_owned(), value.to_owned()));
        let mut problems = Problems::default();
        let read = read(&declared, &given.into_iter().collect(), &mut problems);
        let told: Vec<String> = problems
            .iter()
            .map(|problem| problem.what.clone())
            .collect();
        match expect {
            Ok(value) => {
                assert_eq!(told, Vec::<String>::new());
                assert_eq!(read["P"].value, Some(value));
            }
            Err(what) => assert_eq!(told, [what]),
        }
    }

    #[test]
    fn values_are_held_against_their_declaration() {
        let text = |more: Value| {
            let mut declaration = json!({"Type": "String", "Default": "d"});
            declaration
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            declaration
        };
        check(text(json!({})), None, Ok(json!("d")));
        check(text(json!({})), Some("x"), Ok(json!("x")));
        check(
            json!({"Type": "String"}),
            None,
            Err("it has no default: give it with --parameter NAME=VALUE"),
        );
        check(
            json!({"Type": "Number", "Default": 7}),
            None,
            Ok(json!("7")),
        );
        check(
            json!({"Type": "Number"}),
            Some("x"),
            Err("'x' is no number"),
        );
        check(
            json!({"Type": "CommaDelimitedList"}),
            Some("a, b"),
            Ok(json!(["a", "b"])),
        );
        check(json!({"Type": "Odd"}), Some("a"), Err("'Odd' is no type"));
        let allowed = text(json!({"AllowedValues": ["a", "b"]}));
        check(allowed, Some("c"), Err("'c' is none of: a, b"));
        let pattern = text(json!({"AllowedPattern": "[a-z]+", "ConstraintDescription": "small"}));
        check(
            pattern,
            Some("aB"),
            Err("'aB' does not match [a-z]+ (small)"),
        );
        let hidden = text(json!({"NoEcho": true, "MinLength": 3}));
        check(hidden, Some("ab"), Err("its value is shorter than 3"));
        let number = json!({"Type": "Number", "MaxValue": 5});
        check(number, Some("6"), Err("'6' is more than 5"));
    }

    #[test]
    fn what_only_aws_has_is_no_problem_until_it_is_used() {
        let declared =
            json!({"B": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/x"}});
        let mut problems = Problems::default();
        let given = BTreeMap::from([("Typo".to_owned(), "1".to_owned())]);
        let read = read(declared.as_object().unwrap(), &given, &mut problems);
        assert_eq!(read["B"].value, None);
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            ["Parameters.Typo: the template has no such parameter"]
        );
    }
}
