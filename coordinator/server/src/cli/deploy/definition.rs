//! The text of a state machine's definition, from whichever property holds it.

use serde_json::{Map, Value};

use super::fields::Fields;
use super::parameters::text_of;
use super::yaml::{self, LocalTags};

/// A file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReadFile {
    pub(super) name: String,
    pub(super) text: String,
}

/// Where definitions outside the template are found.
pub(super) trait Files {
    /// A file by its path from the template.
    fn local(&self, path: &str) -> Result<ReadFile, String>;
    /// What CDK would have uploaded to a bucket.
    fn asset(&self, bucket: &str, key: &str) -> Result<ReadFile, String>;
}

/// Properties that hold a definition; a machine has one of them.
const SOURCES: [&str; 4] = [
    "Definition",
    "DefinitionString",
    "DefinitionUri",
    "DefinitionS3Location",
];

/// The text, with its substitutions made.
pub(super) fn compose(fields: &mut Fields<'_>, files: &dyn Files) -> Option<String> {
    let substitutions = fields.object("DefinitionSubstitutions").unwrap_or_default();
    let given: Vec<&str> = SOURCES
        .into_iter()
        .filter(|name| fields.has(name))
        .collect();
    let name = match given.as_slice() {
        [name] => *name,
        [] => {
            let words = SOURCES.join(", ");
            fields.refuse("Definition", format!("one of these is required: {words}"));
            return None;
        }
        several => {
            let words = format!("only one of these may be given: {}", several.join(", "));
            fields.refuse(several[0], words);
            for name in several {
                fields.take(name);
            }
            return None;
        }
    };
    let text = match name {
        "DefinitionString" => fields.text(name),
        "Definition" => fields
            .object(name)
            .map(|members| pretty(&Value::Object(members))),
        _ => fields
            .take(name)
            .and_then(|place| read(&place, name, fields, files)),
    };
    text.and_then(|text| substitute(text, &substitutions, fields))
}

fn read(place: &Value, name: &str, fields: &mut Fields<'_>, files: &dyn Files) -> Option<String> {
    let member = |member: &str| place.get(member).and_then(text_of);
    let read = match place {
        Value::String(uri) if uri.starts_with("s3://") => Err(outside(uri)),
        Value::String(path) => files.local(path),
        Value::Object(members) => {
            if members.contains_key("Version") {
                fields.refuse(name, "versions of objects in S3 are not read here");
            }
            match (member("Bucket"), member("Key")) {
                (Some(bucket), Some(key)) => files.asset(&bucket, &key),
                (None, _) | (_, None) => Err("it needs a Bucket and a Key".to_owned()),
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            Err("it is the path of a file".to_owned())
        }
    };
    match read.and_then(in_json) {
        Ok(text) => Some(text),
        Err(error) => {
            fields.refuse(name, error);
            None
        }
    }
}

/// Why an object in S3 is not read, and what to do.
pub(super) fn outside(place: &str) -> String {
    format!(
        "{place} is in S3, which is not read here; download it and name the local file, or deploy the template that was \
         written by hand, or cdk.out"
    )
}

/// A definition in YAML becomes JSON; every other text stays as it is, because placeholders may stand where JSON wants
/// something else.
fn in_json(file: ReadFile) -> Result<String, String> {
    let name = file.name.to_ascii_lowercase();
    if !name.ends_with(".yaml") && !name.ends_with(".yml") {
        return Ok(file.text);
    }
    match yaml::parse(&file.text, LocalTags::Refused) {
        Ok(value) => Ok(pretty(&value)),
        Err(error) => Err(format!("{}: {error}", file.name)),
    }
}

fn pretty(value: &Value) -> String {
    format!("{value:#}")
}

/// `${Name}` becomes the value, character by character.
fn substitute(
    text: String,
    substitutions: &Map<String, Value>,
    fields: &mut Fields<'_>,
) -> Option<String> {
    let mut values = Vec::new();
    for (name, value) in substitutions {
        match text_of(value) {
            Some(value) => values.push((format!("${{{name}}}"), value)),
            None => fields.refuse(
                &format!("DefinitionSubstitutions.{name}"),
                "a text, a number or a boolean is wanted",
            ),
        }
    }
    // One pass, so that a value is never substituted in itself.
    let mut done = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find("${") {
        done.push_str(&rest[..at]);
        rest = &rest[at..];
        let found = values
            .iter()
            .find(|(name, _)| rest.starts_with(name.as_str()));
        let (put, skip) = found.map_or(("${", 2), |(name, value)| (value.as_str(), name.len()));
        done.push_str(put);
        rest = &rest[skip..];
    }
    done.push_str(rest);
    Some(done)
}
