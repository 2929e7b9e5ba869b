//! What the configuration says of an endpoint, checked. Values of headers are secrets: they are never shown.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use http::{HeaderName, HeaderValue, Uri};
use serde::Deserialize;

use super::client::Client;

/// Headers that are the worker's or the connection's.
const OWN: &[&str] = &[
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "te",
    "traceparent",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
const OWN_PREFIX: &str = "stepfleet-";

/// Who completes the task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Answer {
    /// The answer to the request.
    #[default]
    Response,
    /// The endpoint, by the task's token.
    Callback,
}

/// As it stands in the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileHttp {
    url: String,
    method: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Values that stand in files.
    #[serde(default)]
    header_files: BTreeMap<String, PathBuf>,
    ca_file: Option<PathBuf>,
    #[serde(default)]
    answer: Answer,
}

/// An endpoint that can be called.
#[derive(Clone, Debug)]
pub(crate) struct HttpSettings {
    pub(super) url: Uri,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) answer: Answer,
    pub(super) ca: Option<PathBuf>,
    pub(super) client: Client,
}

impl HttpSettings {
    /// Every problem is a sentence for people.
    pub(crate) fn check(file: &FileHttp) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let url = check_url(&file.url).map_err(|text| problems.push(text));
        if let Some(method) = file.method.as_ref().filter(|method| *method != "POST") {
            problems.push(format!("http: method must be \"POST\", not \"{method}\""));
        }
        let mut headers = Vec::new();
        for header in file.given() {
            match header.and_then(|(name, value)| check_header(&name, &value)) {
                Ok(header) => headers.push(header),
                Err(text) => problems.push(text),
            }
        }
        let client = Client::new(file.ca_file.as_deref()).map_err(|text| problems.push(text));
        match (url, client) {
            (Ok(url), Ok(client)) if problems.is_empty() => Ok(Self {
                url,
                headers,
                answer: file.answer,
                ca: file.ca_file.clone(),
                client,
            }),
            (_, _) => Err(problems),
        }
    }

    /// For people: without the query, which may hold secrets.
    pub(crate) fn endpoint(&self) -> String {
        let text = self.url.to_string();
        text.split('?').next().unwrap_or_default().to_owned()
    }
}

impl FileHttp {
    /// Names and values of headers, those in files with them.
    fn given(&self) -> impl Iterator<Item = Result<(String, String), String>> {
        let written = self.headers.clone().into_iter().map(Ok);
        let in_files = self.header_files.iter().map(|(name, path)| {
            let text = fs::read_to_string(path)
                .map_err(|error| format!("http: header_files {}: {error}", path.display()))?;
            Ok((name.clone(), text.trim_end_matches(['\r', '\n']).to_owned()))
        });
        written.chain(in_files)
    }
}

fn check_url(text: &str) -> Result<Uri, String> {
    let url: Uri = text
        .parse()
        .map_err(|_invalid| format!("http: url `{text}` is no URL"))?;
    let known = matches!(url.scheme_str(), Some("http" | "https"));
    let authority = url.authority().map(http::uri::Authority::as_str);
    match (known, authority) {
        (true, Some(authority)) if !authority.contains('@') => Ok(url),
        (true, Some(_)) => Err("http: url has a user; write a header".to_owned()),
        (_, _) => Err(format!(
            "http: url `{text}` must begin with http:// or https://"
        )),
    }
}

fn check_header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let found: HeaderName = name
        .parse()
        .map_err(|_invalid| format!("http: `{name}` cannot be the name of a header"))?;
    if OWN.contains(&found.as_str()) || found.as_str().starts_with(OWN_PREFIX) {
        return Err(format!("http: the header `{name}` is set by the worker"));
    }
    let mut value = HeaderValue::from_str(value).map_err(|_invalid| {
        format!("http: the value of header `{name}` has characters that none may have")
    })?;
    value.set_sensitive(true);
    Ok((found, value))
}
