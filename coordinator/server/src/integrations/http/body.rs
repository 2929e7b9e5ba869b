//! The body of a request: a text, JSON, or a form (`Transform`).

use form_urlencoded::Serializer;
use stepfleet_asl::{Object, Value};

/// What is sent.
#[derive(Clone, Debug)]
pub(super) enum Body {
    Text(String),
    Json(Value),
}

/// `Transform.RequestBodyEncoding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// `NONE`
    Plain,
    /// `URL_ENCODED`
    Form(ArrayFormat),
}

/// `Transform.RequestEncodingOptions.ArrayFormat`: how a form tells of `{"a": [1, 2]}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ArrayFormat {
    /// `a[0]=1&a[1]=2`
    Indices,
    /// `a=1&a=2`
    Repeat,
    /// `a=1,2`
    Commas,
    /// `a[]=1&a[]=2`
    Brackets,
}

/// `Transform`.
pub(super) fn encoding(transform: Option<&Value>) -> Result<Encoding, String> {
    let Some(transform) = transform else {
        return Ok(Encoding::Plain);
    };
    let members = object(transform, "Transform")?;
    known(members, &["RequestBodyEncoding", "RequestEncodingOptions"])?;
    let options = members.get("RequestEncodingOptions");
    let options = options
        .map(|options| object(options, "RequestEncodingOptions"))
        .transpose()?;
    let format = match options {
        None => ArrayFormat::Indices,
        Some(options) => {
            known(options, &["ArrayFormat"])?;
            array_format(options.get("ArrayFormat"))?
        }
    };
    match members.get("RequestBodyEncoding").map(Value::as_str) {
        None | Some(Some("NONE")) => Ok(Encoding::Plain),
        Some(Some("URL_ENCODED")) => Ok(Encoding::Form(format)),
        Some(_) => Err(one_of("RequestBodyEncoding", "NONE, URL_ENCODED")),
    }
}

fn array_format(format: Option<&Value>) -> Result<ArrayFormat, String> {
    match format.map(Value::as_str) {
        None | Some(Some("INDICES")) => Ok(ArrayFormat::Indices),
        Some(Some("REPEAT")) => Ok(ArrayFormat::Repeat),
        Some(Some("COMMAS")) => Ok(ArrayFormat::Commas),
        Some(Some("BRACKETS")) => Ok(ArrayFormat::Brackets),
        Some(_) => Err(one_of("ArrayFormat", "INDICES, REPEAT, COMMAS, BRACKETS")),
    }
}

/// `RequestBody`. What cannot be encoded is refused before a connection adds anything.
pub(super) fn read(body: Option<&Value>, encoding: Encoding) -> Result<Option<Body>, String> {
    let body = body.map(|value| match value.as_str() {
        Some(text) => Body::Text(text.to_owned()),
        None => Body::Json(value.clone()),
    });
    if let Some(body) = &body {
        text(body, encoding)?;
    }
    Ok(body)
}

pub(super) fn content_type(body: &Body, encoding: Encoding) -> &'static str {
    match (body, encoding) {
        (Body::Json(_), _) => content_type_of_object(encoding),
        (Body::Text(_), _) => "text/plain; charset=utf-8",
    }
}

pub(super) fn content_type_of_object(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Plain => "application/json",
        Encoding::Form(_) => "application/x-www-form-urlencoded",
    }
}

/// The body with what a connection adds to it.
pub(super) fn merged(body: Option<Body>, added: &[(String, String)]) -> Result<Body, String> {
    let members = match body {
        None => Some(Object::new()),
        Some(Body::Text(_)) => None,
        Some(Body::Json(value)) => value.as_object().map(|members| (**members).clone()),
    };
    let Some(mut members) = members else {
        let why = "The connection adds parameters to the request's body, so that the RequestBody must be a JSON object";
        return Err(why.to_owned());
    };
    for (name, value) in added {
        members.insert(name.as_str().into(), value.as_str().into());
    }
    Ok(Body::Json(members.into()))
}

/// As it is sent.
pub(super) fn text(body: &Body, encoding: Encoding) -> Result<String, String> {
    match (body, encoding) {
        (Body::Text(text), Encoding::Plain) => Ok(text.clone()),
        (Body::Json(value), Encoding::Plain) => Ok(value.to_text()),
        (Body::Text(_), Encoding::Form(_)) => Err(not_a_form()),
        (Body::Json(value), Encoding::Form(format)) => {
            let members = value.as_object().ok_or_else(not_a_form)?;
            let mut form = Serializer::new(String::new());
            for (name, value) in members.iter() {
                write(&mut form, name, value, format)?;
            }
            Ok(form.finish())
        }
    }
}

fn not_a_form() -> String {
    "A RequestBody that is URL_ENCODED must be a JSON object".to_owned()
}

fn write(
    form: &mut Serializer<'_, String>,
    name: &str,
    value: &Value,
    format: ArrayFormat,
) -> Result<(), String> {
    if let Some(members) = value.as_object() {
        let mut members = members.iter();
        return members.try_for_each(|(inner, value)| {
            write(form, &format!("{name}[{inner}]"), value, format)
        });
    }
    let Some(items) = value.as_array() else {
        // A form has no null: its nearest is nothing.
        form.append_pair(name, &scalar(value).unwrap_or_default());
        return Ok(());
    };
    match format {
        ArrayFormat::Commas => {
            let texts: Option<Vec<String>> = items.iter().map(scalar).collect();
            let texts = texts.ok_or_else(|| {
                format!("The list '{name}' holds more than texts, numbers and booleans, which COMMAS cannot tell")
            })?;
            form.append_pair(name, &texts.join(","));
            Ok(())
        }
        ArrayFormat::Indices | ArrayFormat::Repeat | ArrayFormat::Brackets => {
            let name_of = |index: usize| match format {
                ArrayFormat::Indices => format!("{name}[{index}]"),
                ArrayFormat::Brackets => format!("{name}[]"),
                ArrayFormat::Repeat | ArrayFormat::Commas => name.to_owned(),
            };
            let mut items = items.iter().enumerate();
            items.try_for_each(|(index, item)| write(form, &name_of(index), item, format))
        }
    }
}

/// A text, number or boolean as text.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.to_string()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_text()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn object<'a>(value: &'a Value, field: &str) -> Result<&'a Object, String> {
    let members = value.as_object().map(|members| &**members);
    members.ok_or_else(|| format!("The value for the field '{field}' must be an OBJECT"))
}

fn known(members: &Object, fields: &[&str]) -> Result<(), String> {
    match members.keys().find(|name| !fields.contains(&&***name)) {
        None => Ok(()),
        Some(name) => Err(format!(
            "The field '{name}' is not supported by Step Functions"
        )),
    }
}

fn one_of(field: &str, values: &str) -> String {
    format!("The field '{field}' should have one of these values: [{values}]")
}
