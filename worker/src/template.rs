//! Command arguments with placeholders: `{name}` is a member of the task's input, `{}` the whole input.

use serde_json::Value;

/// A command whose arguments are filled from the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    source: Vec<String>,
    arguments: Vec<Vec<Part>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Whole,
    /// Member of an object, or index into an array.
    Member(String),
}

impl Template {
    /// Compiles a command; an error is a sentence for people.
    pub(crate) fn parse(command: &[String]) -> Result<Self, String> {
        let arguments = command
            .iter()
            .map(|argument| parse(argument))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            source: command.to_vec(),
            arguments,
        })
    }

    pub(crate) fn source(&self) -> &[String] {
        &self.source
    }

    /// The program, unless it depends on the input.
    pub(crate) fn fixed_program(&self) -> Option<&String> {
        let fixed = self.arguments[0]
            .iter()
            .all(|part| matches!(part, Part::Text(_)));
        fixed.then(|| &self.source[0])
    }

    /// The arguments for an input; an error is a sentence for the task's cause.
    pub(crate) fn fill(&self, input: &str) -> Result<Vec<String>, String> {
        let value: Value = serde_json::from_str(input)
            .map_err(|error| format!("the input is no JSON: {error}"))?;
        let filled = self
            .arguments
            .iter()
            .map(|parts| fill(parts, &value, input));
        let mut arguments = filled.collect::<Result<Vec<_>, _>>()?;
        let fixed = |parts: &Vec<Part>| parts.iter().all(|part| matches!(part, Part::Text(_)));
        if self.arguments.iter().all(fixed) {
            match value {
                Value::Array(values) => arguments.extend(values.iter().map(text)),
                Value::Object(_) => {
                    return Err(
                        "the input is an object, and the command has no {placeholder} for \
                                its members"
                            .to_owned(),
                    );
                }
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                    arguments.push(text(&value));
                }
            }
        }
        if arguments.iter().any(|argument| argument.contains('\0')) {
            return Err("the input holds a zero character, which no argument can".to_owned());
        }
        Ok(arguments)
    }
}

fn parse(argument: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = argument;
    while let Some(at) = rest.find(['{', '}']) {
        literal.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        let after = &rest[at + 1..];
        if let Some(after) = after.strip_prefix(brace) {
            literal.push_str(brace);
            rest = after;
            continue;
        }
        let Some((name, after)) = after.split_once('}').filter(|_| brace == "{") else {
            return Err(format!(
                "argument `{argument}` has a single `{brace}`; write `{brace}{brace}` for the character"
            ));
        };
        if !literal.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut literal)));
        }
        parts.push(if name.is_empty() {
            Part::Whole
        } else {
            Part::Member(name.to_owned())
        });
        rest = after;
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(Part::Text(literal));
    }
    Ok(parts)
}

fn fill(parts: &[Part], value: &Value, input: &str) -> Result<String, String> {
    let mut argument = String::new();
    for part in parts {
        match part {
            Part::Text(text) => argument.push_str(text),
            Part::Whole => match value {
                Value::String(text) => argument.push_str(text),
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::Array(_)
                | Value::Object(_) => argument.push_str(input),
            },
            Part::Member(name) => argument.push_str(&text(member(value, name)?)),
        }
    }
    Ok(argument)
}

fn member<'a>(value: &'a Value, name: &str) -> Result<&'a Value, String> {
    let found = match value {
        Value::Object(members) => members.get(name),
        Value::Array(values) => name.parse().ok().and_then(|index: usize| values.get(index)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    };
    found.ok_or_else(|| format!("the input has no `{name}`, which the command needs"))
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(command: &[&str], input: &str, expect: Result<&[&str], &str>) {
        let command: Vec<_> = command
            .iter()
            .map(|&argument| argument.to_owned())
            .collect();
        let filled = Template::parse(&command).and_then(|template| template.fill(input));
        let filled = filled
            .as_ref()
            .map(|arguments| arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let expect = expect.map(<[&str]>::to_vec);
        assert_eq!(
            filled.map_err(String::as_str),
            expect,
            "{command:?} {input}"
        );
    }

    #[test]
    fn placeholders_are_filled_from_the_input() {
        let input = r#"{"path":"/a b","size":10,"flags":["x"],"none":null}"#;
        check(&["cp", "{path}"], input, Ok(&["cp", "/a b"]));
        check(
            &["cp", "-s{size}%", "{path}.{size}"],
            input,
            Ok(&["cp", "-s10%", "/a b.10"]),
        );
        check(
            &["p", "{flags}", "{none}"],
            input,
            Ok(&["p", "[\"x\"]", "null"]),
        );
        check(&["p", "{}"], input, Ok(&["p", input]));
        check(&["p", "{}"], r#""plain""#, Ok(&["p", "plain"]));
        check(&["p", "{1}{0}"], r#"["a","b"]"#, Ok(&["p", "ba"]));
        check(
            &["p", "{{path}} {{}}", "{path}"],
            input,
            Ok(&["p", "{path} {}", "/a b"]),
        );
    }

    #[test]
    fn a_command_without_placeholders_gets_values_at_its_end() {
        check(
            &["p", "-x"],
            r#"["a",1,{"b":2}]"#,
            Ok(&["p", "-x", "a", "1", "{\"b\":2}"]),
        );
        check(&["p"], "[]", Ok(&["p"]));
        check(&["p"], "7", Ok(&["p", "7"]));
        let refusal =
            "the input is an object, and the command has no {placeholder} for its members";
        check(&["p"], "{}", Err(refusal));
    }

    #[test]
    fn what_cannot_be_filled_says_why() {
        check(
            &["p", "{x}"],
            "{}",
            Err("the input has no `x`, which the command needs"),
        );
        check(
            &["p", "{2}"],
            "[1]",
            Err("the input has no `2`, which the command needs"),
        );
        check(
            &["p"],
            r#"["a\u0000b"]"#,
            Err("the input holds a zero character, which no argument can"),
        );
        let single = "argument `{x` has a single `{`; write `{{` for the character";
        check(&["p", "{x"], "{}", Err(single));
        let single = "argument `x}` has a single `}`; write `}}` for the character";
        check(&["p", "x}"], "{}", Err(single));
    }
}
