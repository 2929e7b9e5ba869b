//! Reading a document. Everything that is wrong with it is told by its place, and what IAM has and this release does not
//! with what to write instead.

use serde_json::{Map, Value};

use super::pattern::{ActionPattern, ResourcePattern};
use super::{Actions, Condition, Effect, Policy, Resources, Statement};

/// Bytes of a document, as IAM has it for managed policies.
const BYTES_MAX: usize = 6144;
const VERSIONS: [&str; 2] = ["2012-10-17", "2008-10-17"];
/// The one key that conditions may be about, in lower case: keys have no case.
const QUALIFIER: &str = "states:statemachinequalifier";
const PRINCIPAL: &str =
    "is for policies of resources; here a policy belongs to whoever has it, so leave it out";

impl Policy {
    /// Reads a document.
    ///
    /// # Errors
    /// Why it is none.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        if text.len() > BYTES_MAX {
            return Err(format!("a policy has at most {BYTES_MAX} bytes"));
        }
        let document: Value =
            serde_json::from_str(text).map_err(|error| format!("a policy is JSON: {error}"))?;
        let document = object(&document, "the policy")?;
        for name in document.keys() {
            if !["Version", "Id", "Statement"].contains(&name.as_str()) {
                return Err(format!(
                    "`{name}` is not known; a policy has Version, Id and Statement"
                ));
            }
        }
        if let Some(version) = document.get("Version")
            && !version
                .as_str()
                .is_some_and(|version| VERSIONS.contains(&version))
        {
            return Err("`Version` must be \"2012-10-17\"".to_owned());
        }
        let statements = document.get("Statement").map(one_or_more);
        let statements = statements.filter(|statements| !statements.is_empty());
        let statements =
            statements.ok_or("`Statement` is missing: an object, or an array of them")?;
        let read = |(at, statement)| statement_of(at, statement);
        let statements = statements
            .into_iter()
            .enumerate()
            .map(read)
            .collect::<Result<_, _>>()?;
        Ok(Self { statements })
    }
}

fn statement_of(at: usize, statement: &Value) -> Result<Statement, String> {
    let place = format!("statement {}", at + 1);
    let members = object(statement, &place)?;
    for name in members.keys() {
        match name.as_str() {
            "Sid" | "Effect" | "Action" | "NotAction" | "Resource" | "NotResource"
            | "Condition" => {}
            "Principal" | "NotPrincipal" => return Err(format!("{place}: `{name}` {PRINCIPAL}")),
            _ => return Err(format!("{place}: `{name}` is not known")),
        }
    }
    let effect = match members.get("Effect").and_then(Value::as_str) {
        Some("Allow") => Effect::Allow,
        Some("Deny") => Effect::Deny,
        Some(_) | None => return Err(format!("{place}: `Effect` must be \"Allow\" or \"Deny\"")),
    };
    let actions = match either(members, "Action", "NotAction", &place)? {
        Choice::These(texts) => Actions::These(actions(&texts, &place)?),
        Choice::AllBut(texts) => Actions::AllBut(actions(&texts, &place)?),
    };
    let resources = match either(members, "Resource", "NotResource", &place)? {
        Choice::These(texts) => Resources::These(resources(&texts, &place)?),
        Choice::AllBut(texts) => Resources::AllBut(resources(&texts, &place)?),
    };
    let conditions = members.get("Condition");
    let conditions = conditions.map_or(Ok(Vec::new()), |value| conditions_of(value, &place))?;
    Ok(Statement {
        effect,
        actions,
        resources,
        conditions,
    })
}

enum Choice<'a> {
    These(Vec<&'a str>),
    AllBut(Vec<&'a str>),
}

fn either<'a>(
    members: &'a Map<String, Value>,
    these: &str,
    all_but: &str,
    place: &str,
) -> Result<Choice<'a>, String> {
    match (members.get(these), members.get(all_but)) {
        (Some(value), None) => texts(value, these, place).map(Choice::These),
        (None, Some(value)) => texts(value, all_but, place).map(Choice::AllBut),
        (None, None) => Err(format!("{place}: `{these}` is missing")),
        (Some(_), Some(_)) => Err(format!(
            "{place}: `{these}` and `{all_but}` exclude each other"
        )),
    }
}

fn actions(texts: &[&str], place: &str) -> Result<Vec<ActionPattern>, String> {
    let read = |text: &&str| {
        ActionPattern::read(text).ok_or_else(|| {
            format!("{place}: action `{text}` is not `service:Name`, as in `states:StartExecution`")
        })
    };
    texts.iter().map(read).collect()
}

fn resources(texts: &[&str], place: &str) -> Result<Vec<ResourcePattern>, String> {
    let read = |text: &&str| {
        // A variable that is not filled in would be taken for a name.
        if text.contains("${") {
            return Err(format!(
                "{place}: resource `{text}`: policy variables are not served; write the name"
            ));
        }
        ResourcePattern::read(text).ok_or_else(|| {
            format!("{place}: resource `{text}` is neither `*` nor an ARN with its six fields")
        })
    };
    texts.iter().map(read).collect()
}

fn conditions_of(value: &Value, place: &str) -> Result<Vec<Condition>, String> {
    let mut conditions = Vec::new();
    for (operator, keys) in object(value, &format!("{place}: `Condition`"))? {
        let like = match operator.strip_prefix("ForAnyValue:").unwrap_or(operator) {
            "StringEquals" => false,
            "StringLike" => true,
            _ => {
                return Err(format!(
                    "{place}: the condition `{operator}` is not served, only StringEquals and StringLike"
                ));
            }
        };
        for (key, values) in object(keys, &format!("{place}: `{operator}`"))? {
            if key.to_ascii_lowercase() != QUALIFIER {
                return Err(format!(
                    "{place}: the condition key `{key}` is not served, only states:StateMachineQualifier"
                ));
            }
            let values = texts(values, key, place)?;
            if values.iter().any(|value| value.contains("${")) {
                return Err(format!("{place}: `{key}`: policy variables are not served"));
            }
            let values = values.into_iter().map(str::to_owned).collect();
            conditions.push(Condition { like, values });
        }
    }
    Ok(conditions)
}

fn object<'a>(value: &'a Value, what: &str) -> Result<&'a Map<String, Value>, String> {
    value
        .as_object()
        .ok_or_else(|| format!("{what} must be an object"))
}

fn one_or_more(value: &Value) -> Vec<&Value> {
    match value.as_array() {
        Some(values) => values.iter().collect(),
        None => vec![value],
    }
}

fn texts<'a>(value: &'a Value, name: &str, place: &str) -> Result<Vec<&'a str>, String> {
    let texts: Option<Vec<&str>> = one_or_more(value).into_iter().map(Value::as_str).collect();
    texts
        .filter(|texts| !texts.is_empty())
        .ok_or_else(|| format!("{place}: `{name}` must be a text or an array of texts"))
}
