//! YAML as JSON values: templates, with the short forms of CloudFormation's functions (`!Ref`), and definitions. Plain
//! scalars are read as CloudFormation and SAM read them, which is YAML 1.1: `yes` and `on` are true. Numbers with a
//! leading zero stay texts, because they are account ids.

use std::borrow::Cow;
use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};
use serde_json::{Map, Value, json};

/// Levels of mappings and lists in each other.
const DEPTH_MAX: usize = 100;
/// Values of one document, with those that aliases repeat: a small text must not become a large value.
const VALUES_MAX: usize = 500_000;

/// Whether local tags are functions of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LocalTags {
    Functions,
    Refused,
}

/// The one document of a text.
pub(super) fn parse(text: &str, local_tags: LocalTags) -> Result<Value, String> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        anchors: BTreeMap::new(),
        values: 0,
        local_tags,
    };
    reader.document()
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    anchors: BTreeMap<usize, Value>,
    values: usize,
    local_tags: LocalTags,
}

type TagOf<'t> = Option<Cow<'t, Tag>>;

impl<'t> Reader<'t> {
    fn document(&mut self) -> Result<Value, String> {
        let mut document = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return document.ok_or_else(|| "it is empty".to_owned()),
                Event::Nothing
                | Event::StreamStart
                | Event::DocumentStart(_)
                | Event::DocumentEnd => {}
                Event::Alias(_)
                | Event::Scalar(..)
                | Event::SequenceStart(..)
                | Event::SequenceEnd
                | Event::MappingStart(..)
                | Event::MappingEnd => {
                    if document.is_some() {
                        return Err(format!("line {}: a second document", span.start.line()));
                    }
                    document = Some(self.value(event, span, 0)?);
                }
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), String> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(error.to_string()),
            None => Err("it ends too early".to_owned()),
        }
    }

    fn value(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Value, String> {
        let line = span.start.line();
        self.count(1, depth, line)?;
        let (value, anchor, tag) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(text, style, tag.as_deref())
                    .map_err(|error| format!("line {line}: {error}"))?;
                (value, anchor, tag)
            }
            Event::SequenceStart(anchor, tag) => (self.sequence(depth)?, anchor, tag),
            Event::MappingStart(anchor, tag) => (self.mapping(depth)?, anchor, tag),
            Event::Alias(anchor) => {
                let value = self.anchors.get(&anchor).cloned();
                let value = value.ok_or_else(|| format!("line {line}: an alias of itself"))?;
                self.count(count(&value), depth + levels(&value), line)?;
                return Ok(value);
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => return Err(format!("line {line}: a value is missing")),
        };
        let value = self.tagged(value, &tag, line)?;
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        Ok(value)
    }

    fn sequence(&mut self, depth: usize) -> Result<Value, String> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(Value::Array(items));
            }
            items.push(self.value(event, span, depth + 1)?);
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, String> {
        let mut members = Map::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Value::Object(members));
            }
            let line = span.start.line();
            let Event::Scalar(key, style, _, _) = event else {
                return Err(format!("line {line}: a key is no text"));
            };
            if key == "<<" && style == ScalarStyle::Plain {
                return Err(format!("line {line}: `<<` merges nothing in a template"));
            }
            let (event, span) = self.next()?;
            let value = self.value(event, span, depth + 1)?;
            if members.insert(key.to_string(), value).is_some() {
                return Err(format!("line {line}: the key `{key}` stands twice"));
            }
        }
    }

    /// `!GetAtt A.B` is `{"Fn::GetAtt": ["A", "B"]}`.
    fn tagged(&self, value: Value, tag: &TagOf<'_>, line: usize) -> Result<Value, String> {
        let Some(tag) = tag else { return Ok(value) };
        if tag.is_yaml_core_schema() {
            return Ok(value);
        }
        if self.local_tags == LocalTags::Refused || tag.handle != "!" {
            return Err(format!("line {line}: the tag {tag} has no meaning here"));
        }
        let name = match tag.suffix.as_str() {
            name @ ("Ref" | "Condition") => name.to_owned(),
            name => format!("Fn::{name}"),
        };
        let argument = match (&*name, value.as_str().and_then(|text| text.split_once('.'))) {
            ("Fn::GetAtt", Some((resource, attribute))) => json!([resource, attribute]),
            (_, _) => value,
        };
        Ok(Value::Object(Map::from_iter([(name, argument)])))
    }

    fn count(&mut self, more: usize, depth: usize, line: usize) -> Result<(), String> {
        self.values += more;
        if depth > DEPTH_MAX {
            return Err(format!("line {line}: more than {DEPTH_MAX} levels"));
        }
        if self.values > VALUES_MAX {
            return Err(format!("line {line}: more than {VALUES_MAX} values"));
        }
        Ok(())
    }
}

/// Of mappings and lists in each other; an alias must not make more of them than a text may have.
fn levels(value: &Value) -> usize {
    let below = match value {
        Value::Array(items) => items.iter().map(levels).max(),
        Value::Object(members) => members.values().map(levels).max(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return 0,
    };
    1 + below.unwrap_or(0)
}

fn count(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Object(members) => 1 + members.values().map(count).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
    }
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    let core = tag.filter(|tag| tag.is_yaml_core_schema());
    match core.map(|tag| tag.suffix.as_str()) {
        Some("str") => return Ok(Value::String(text.into_owned())),
        None | Some("bool" | "int" | "float" | "null") => {}
        Some(other) => return Err(format!("`!!{other}` has no meaning here")),
    }
    // The argument of a function is a text: `!Ref 1`.
    if style != ScalarStyle::Plain || tag.is_some() && core.is_none() {
        return Ok(Value::String(text.into_owned()));
    }
    Ok(plain(&text))
}

fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => {
            return Value::Bool(true);
        }
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            return Value::Bool(false);
        }
        _ => {}
    }
    let number = if is_integer(text) {
        let unsigned = text.trim_start_matches('+');
        let negative = || unsigned.parse::<i64>().map(Value::from);
        unsigned
            .parse::<u64>()
            .map(Value::from)
            .or_else(|_| negative())
            .ok()
    } else if is_float(text) {
        let number = text.parse::<f64>().ok();
        number
            .and_then(serde_json::Number::from_f64)
            .map(Value::Number)
    } else {
        None
    };
    number.unwrap_or_else(|| Value::from(text))
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['-', '+']).unwrap_or(text)
}

fn is_integer(text: &str) -> bool {
    let digits = unsigned(text);
    let all = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all && (digits.len() == 1 || !digits.starts_with('0'))
}

/// YAML 1.1 wants a point: `1e3` is a text, `1.0e3` a number.
fn is_float(text: &str) -> bool {
    let Some((whole, rest)) = unsigned(text).split_once('.') else {
        return false;
    };
    let (fraction, exponent) = match rest.split_once(['e', 'E']) {
        Some((fraction, exponent)) => (fraction, Some(unsigned(exponent))),
        None => (rest, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_are_functions() {
        let cases = [
            ("!Ref Orders", json!({"Ref": "Orders"})),
            (
                "!GetAtt Orders.Arn",
                json!({"Fn::GetAtt": ["Orders", "Arn"]}),
            ),
            (
                "!GetAtt [Orders, Arn]",
                json!({"Fn::GetAtt": ["Orders", "Arn"]}),
            ),
            ("!Sub '${A}-x'", json!({"Fn::Sub": "${A}-x"})),
            (
                "!Join ['-', [a, !Ref B]]",
                json!({"Fn::Join": ["-", ["a", {"Ref": "B"}]]}),
            ),
            ("!Condition Live", json!({"Condition": "Live"})),
            (
                "!If\n- Live\n- 1\n- !Ref AWS::NoValue",
                json!({"Fn::If": ["Live", 1, {"Ref": "AWS::NoValue"}]}),
            ),
        ];
        for (text, expect) in cases {
            assert_eq!(parse(text, LocalTags::Functions).unwrap(), expect, "{text}");
        }
    }

    #[test]
    fn scalars_are_read_as_cloudformation_reads_them() {
        let text = "[1, -2, +3, 1.50, .5, 1.0e3, 1e3, 012345678901, 0, 1_000, 2010-09-09, yes, Off, 'yes', \"1\", ~, \
                    !!str 7, 18446744073709551615, 1.2.3]";
        let expect = json!([
            1,
            -2,
            3,
            1.5,
            0.5,
            1000.0,
            "1e3",
            "012345678901",
            0,
            "1_000",
            "2010-09-09",
            true,
            false,
            "yes",
            "1",
            null,
            "7",
            u64::MAX,
            "1.2.3"
        ]);
        assert_eq!(parse(text, LocalTags::Refused).unwrap(), expect);
    }

    #[test]
    fn anchors_are_repeated_within_bounds() {
        let text = "a: &x {n: [1]}\nb: *x\n";
        let expect = json!({"a": {"n": [1]}, "b": {"n": [1]}});
        assert_eq!(parse(text, LocalTags::Refused).unwrap(), expect);
        let mut bomb = String::from("a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n");
        for n in 1..9 {
            let item = format!("*a{}", n - 1);
            bomb.push_str(&format!("a{n}: &a{n} [{}]\n", vec![item; 10].join(", ")));
        }
        let error = parse(&bomb, LocalTags::Refused).unwrap_err();
        assert!(error.ends_with("more than 500000 values"), "{error}");
        let deep = |inner: &str| format!("{}{inner}{}", "[".repeat(60), "]".repeat(60));
        let tower = format!("a: &a {}\nb: {}\n", deep("1"), deep("*a"));
        let error = parse(&tower, LocalTags::Refused).unwrap_err();
        assert!(error.ends_with("more than 100 levels"), "{error}");
    }

    #[test]
    fn what_is_no_template_is_told_with_its_line() {
        let cases = [
            ("", "it is empty"),
            ("a: 1\na: 2\n", "line 2: the key `a` stands twice"),
            ("a: 1\n---\nb: 2\n", "line 3: a second document"),
            ("a:\n  <<: {b: 1}\n", "line 2: `<<` merges nothing"),
            (
                "a: !!binary aGk=\n",
                "line 1: `!!binary` has no meaning here",
            ),
            ("a: [1\n", "line"),
            (&"[".repeat(200), "line 1: more than 100 levels"),
        ];
        for (text, expect) in cases {
            let error = parse(text, LocalTags::Functions).unwrap_err();
            assert!(error.contains(expect), "{text}: {error}");
        }
        let error = parse("a: !Ref B\n", LocalTags::Refused).unwrap_err();
        assert_eq!(error, "line 1: the tag !Ref has no meaning here");
    }
}
