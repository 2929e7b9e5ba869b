//! A task's parameters as a request, and what a connection makes of it.

use std::fmt;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RANGE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use http_body_util::Full;
use stepfleet_asl::{Object, Payload, Value};
use stepfleet_engine::event::Failure;

use super::super::sfn::{runtime, unusable};
use super::body::{self, Body, Encoding};
use crate::connections::Additions;

const METHODS: [Method; 7] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::PATCH,
    Method::OPTIONS,
    Method::HEAD,
];

/// Headers that a task may not set, beside the families below. The last ones are ours: they tell of the connection.
const REFUSED: [&str; 35] = [
    "a-im",
    "accept-charset",
    "accept-datetime",
    "accept-encoding",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-md5",
    "date",
    "expect",
    "forwarded",
    "from",
    "host",
    "http2-settings",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "max-forwards",
    "origin",
    "pragma",
    "proxy-authorization",
    "referer",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "warning",
    "content-length",
    "keep-alive",
    "proxy-connection",
];
const REFUSED_FAMILIES: [&str; 3] = ["x-forwarded-", "x-amz-", "x-amzn-"];

const FIELDS: [&str; 8] = [
    "ApiEndpoint",
    "Method",
    "InvocationConfig",
    "Authentication",
    "Headers",
    "QueryParameters",
    "RequestBody",
    "Transform",
];

/// A request that can be looked at, changed and sent.
#[derive(Clone)]
pub(crate) struct Request {
    method: Method,
    /// The URL up to its query.
    endpoint: String,
    /// Decoded names, and what stands in the URL.
    query: Vec<(String, String)>,
    headers: HeaderMap,
    /// The names as they were written, for people.
    spelling: Spelling,
    body: Option<Body>,
    encoding: Encoding,
    /// ARN of the connection that it is made by.
    pub(crate) connection: Option<String>,
}

/// The parts of a request as `TestState` shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    pub protocol: String,
    pub method: String,
    pub url: String,
    pub headers: String,
    pub body: Option<String>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Everything else may hold secrets.
        f.debug_struct("Request")
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

impl Request {
    /// Reads the parameters of a task.
    pub(crate) fn read(
        parameters: &Payload,
        region: &str,
        bytes_max: usize,
    ) -> Result<Self, Failure> {
        let refuse = |why: String| unusable(parameters.text(), &why);
        let read = Self::of(parameters.value()).map_err(refuse)?;
        Ok(read.with_defaults(region, bytes_max))
    }

    /// A request that posts a document, for integrations of our own.
    pub(crate) fn post(url: &str, document: &Payload, region: &str) -> Result<Self, String> {
        let (endpoint, query) = endpoint(url)?;
        let request = Self {
            method: Method::POST,
            endpoint,
            query,
            headers: HeaderMap::new(),
            spelling: Spelling::new(),
            body: Some(Body::Json(document.value().clone())),
            encoding: Encoding::Plain,
            connection: None,
        };
        let mut request = request.with_defaults(region, 0);
        request.headers.remove(RANGE);
        Ok(request)
    }

    /// Sets a header of our own.
    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
    }

    fn of(parameters: &Value) -> Result<Self, String> {
        let Some(members) = parameters.as_object() else {
            return Err("They must be a JSON object".to_owned());
        };
        if let Some(name) = members.keys().find(|name| !FIELDS.contains(&&***name)) {
            return Err(format!(
                "The field '{name}' is not supported by Step Functions"
            ));
        }
        let required = |name: &str| {
            let text = string(members.get(name), name)?;
            text.ok_or_else(|| format!("The field '{name}' is required but was missing"))
        };
        let (endpoint, mut query) = endpoint(required("ApiEndpoint")?)?;
        let method = method(required("Method")?)?;
        let mut added = Vec::new();
        each(members, "QueryParameters", |name, value| {
            added.push((name.to_owned(), pair(name, &value)));
            Ok(())
        })?;
        query.extend(added);
        let encoding = body::encoding(members.get("Transform"))?;
        let (headers, spelling) = headers(members)?;
        Ok(Self {
            method,
            endpoint,
            query,
            headers,
            spelling,
            body: body::read(members.get("RequestBody"), encoding)?,
            encoding,
            connection: connection(members)?,
        })
    }

    fn with_defaults(mut self, region: &str, bytes_max: usize) -> Self {
        let mut default = |name: HeaderName, spelled: &str, value: &str| {
            if let (false, Ok(value)) = (
                self.headers.contains_key(&name),
                HeaderValue::from_str(value),
            ) {
                self.spelling.push((name.clone(), spelled.to_owned()));
                self.headers.insert(name, value);
            }
        };
        if let Some(body) = &self.body {
            default(
                CONTENT_TYPE,
                "Content-Type",
                body::content_type(body, self.encoding),
            );
        }
        let agent = format!("Amazon|StepFunctions|HttpInvoke|{region}");
        default(USER_AGENT, "User-Agent", &agent);
        default(RANGE, "Range", &format!("bytes=0-{bytes_max}"));
        self
    }

    /// The same with what a connection adds, which wins over what is there under the same name.
    pub(crate) fn with(mut self, additions: &Additions) -> Result<Self, Failure> {
        for (name, _) in &additions.headers {
            self.headers.remove(name);
        }
        for (name, value) in &additions.headers {
            self.headers.append(name, value.clone());
        }
        let added = &additions.query;
        self.query
            .retain(|(name, _)| !added.iter().any(|(other, _)| other == name));
        let pairs = added
            .iter()
            .map(|(name, value)| (name.clone(), pair(name, value)));
        self.query.extend(pairs);
        if !additions.body.is_empty() {
            self.body = Some(body::merged(self.body, &additions.body).map_err(runtime)?);
            let kind = body::content_type_of_object(self.encoding);
            let kind = HeaderValue::from_static(kind);
            self.headers.entry(CONTENT_TYPE).or_insert(kind);
        }
        Ok(self)
    }

    pub(crate) fn uri(&self) -> Result<Uri, Failure> {
        let url = self.url();
        // The URL may hold secrets by now.
        let unsound = |_| runtime("The URL of the request is too long or is none".to_owned());
        url.parse().map_err(unsound)
    }

    /// As it is sent.
    pub(crate) fn message(&self) -> Result<http::Request<Full<Bytes>>, Failure> {
        let body = self.body_text().map_err(runtime)?.unwrap_or_default();
        let mut message = http::Request::new(Full::new(Bytes::from(body)));
        *message.method_mut() = self.method.clone();
        *message.uri_mut() = self.uri()?;
        *message.headers_mut() = self.headers.clone();
        Ok(message)
    }

    /// As people see it.
    pub(crate) fn shown(&self) -> Shown {
        let url = self.url();
        Shown {
            protocol: url.split(':').next().unwrap_or_default().to_owned(),
            method: self.method.to_string(),
            headers: shown_headers(&self.headers, &self.spelling),
            body: self.body_text().ok().flatten(),
            url,
        }
    }

    fn url(&self) -> String {
        let mut url = self.endpoint.clone();
        for (at, (_, raw)) in self.query.iter().enumerate() {
            url.push(if at == 0 { '?' } else { '&' });
            url.push_str(raw);
        }
        url
    }

    fn body_text(&self) -> Result<Option<String>, String> {
        let body = self.body.as_ref();
        body.map(|body| body::text(body, self.encoding)).transpose()
    }
}

/// `[name: value, other: value]`, as AWS shows headers.
pub(crate) fn shown_headers(headers: &HeaderMap, spelling: &[(HeaderName, String)]) -> String {
    let shown = headers.iter().map(|(name, value)| {
        let own = spelling.iter().find(|(other, _)| other == name);
        let name = own.map_or(name.as_str(), |(_, spelled)| spelled);
        let value = String::from_utf8_lossy(value.as_bytes());
        format!("{name}: {value}")
    });
    format!("[{}]", shown.collect::<Vec<_>>().join(", "))
}

type Query = Vec<(String, String)>;
type Spelling = Vec<(HeaderName, String)>;

/// A URL up to its query, and the parts of that.
fn endpoint(text: &str) -> Result<(String, Query), String> {
    let unsound = |why: &str| Err(format!("The ApiEndpoint '{text}' {why}"));
    let Ok(uri) = text.parse::<Uri>() else {
        return unsound("is not a URL");
    };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return unsound("must be a whole URL, such as https://api.example.com/path");
    };
    if !["https", "http"].contains(&scheme) {
        return unsound("must begin with https://");
    }
    if authority.as_str().contains('@') {
        return unsound("may hold no user name or password; a connection does");
    }
    let parts = uri.query().into_iter().flat_map(|query| query.split('&'));
    let query = parts.map(|part| {
        let decoded = form_urlencoded::parse(part.as_bytes()).next();
        let name = decoded.map_or_else(String::new, |(name, _)| name.into_owned());
        (name, part.to_owned())
    });
    let endpoint = format!("{scheme}://{authority}{}", uri.path());
    Ok((endpoint, query.collect()))
}

fn method(text: &str) -> Result<Method, String> {
    let known = METHODS.into_iter().find(|method| method == text);
    known.ok_or_else(|| {
        let names = METHODS.map(|method| method.to_string()).join(", ");
        format!("The field 'Method' should have one of these values: [{names}]")
    })
}

fn connection(members: &Object) -> Result<Option<String>, String> {
    for field in ["InvocationConfig", "Authentication"] {
        let Some(config) = members.get(field) else {
            continue;
        };
        let Some(config) = config.as_object() else {
            return Err(format!(
                "The value for the field '{field}' must be an OBJECT"
            ));
        };
        let arn = string(config.get("ConnectionArn"), "ConnectionArn")?;
        let arn = arn.ok_or("The field 'ConnectionArn' is required but was missing")?;
        return Ok(Some(arn.to_owned()));
    }
    Ok(None)
}

fn headers(members: &Object) -> Result<(HeaderMap, Spelling), String> {
    let mut headers = HeaderMap::new();
    let mut spelling = Spelling::new();
    each(members, "Headers", |name, value| {
        let lower = name.to_ascii_lowercase();
        let in_family = REFUSED_FAMILIES
            .iter()
            .any(|family| lower.starts_with(family));
        if in_family || REFUSED.contains(&&*lower) {
            return Err(format!("The header '{name}' may not be set by a task"));
        }
        let parsed = HeaderName::from_bytes(name.as_bytes());
        let (Ok(parsed), Ok(value)) = (parsed, HeaderValue::from_str(&value)) else {
            return Err(format!(
                "The header '{name}' has characters that headers may not have"
            ));
        };
        spelling.push((parsed.clone(), name.to_owned()));
        headers.append(parsed, value);
        Ok(())
    })?;
    Ok((headers, spelling))
}

/// Calls back with each name and value of an object of texts, numbers, booleans and lists of these.
fn each(
    members: &Object,
    field: &str,
    mut take: impl FnMut(&str, String) -> Result<(), String>,
) -> Result<(), String> {
    let Some(value) = members.get(field) else {
        return Ok(());
    };
    let Some(pairs) = value.as_object() else {
        return Err(format!(
            "The value for the field '{field}' must be an OBJECT"
        ));
    };
    for (name, value) in pairs.iter() {
        let single = std::slice::from_ref(value);
        let values = value.as_array().map_or(single, |values| values.as_slice());
        for value in values {
            let text = body::scalar(value).ok_or_else(|| {
                format!("The value of '{name}' in the field '{field}' must be a STRING or a list of these")
            })?;
            take(name, text)?;
        }
    }
    Ok(())
}

fn string<'a>(value: Option<&'a Value>, field: &str) -> Result<Option<&'a str>, String> {
    match value {
        None => Ok(None),
        Some(value) => match value.as_str() {
            Some(text) => Ok(Some(text)),
            None => Err(format!(
                "The value for the field '{field}' must be a STRING"
            )),
        },
    }
}

fn pair(name: &str, value: &str) -> String {
    format!("{}={}", percent(name), percent(value))
}

/// Spaces as `%20`, which every server reads in a URL.
fn percent(text: &str) -> String {
    let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    encoded.replace('+', "%20")
}
