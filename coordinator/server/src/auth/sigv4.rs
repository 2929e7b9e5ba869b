//! AWS Signature Version 4: the header in its parts, and whether a signature is what the secret of its access key makes
//! of the request.

#[cfg(test)]
mod tests;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use hmac::{Hmac, Mac as _};
use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};
use stepfleet_engine::Timestamp;

use crate::service::error::{ApiError, ErrorCode};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "states";
const TERMINATOR: &str = "aws4_request";
const DATE: &str = "x-amz-date";
const TARGET: &str = "x-amz-target";
const CONTENT_HASH: &str = "x-amz-content-sha256";
/// How a request's time is written: `20260101T120000Z`.
const BASIC: &str = "%Y%m%dT%H%M%SZ";

const NO_MATCH: &str = "The request signature we calculated does not match the signature you provided. Check your AWS \
     Secret Access Key and signing method. Consult the service documentation for details.";

/// What follows `AWS4-HMAC-SHA256` in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signed<'a> {
    pub credential: Credential<'a>,
    /// Names of the headers that were signed, with `;` between them.
    pub headers: &'a str,
    /// Hexadecimal digits.
    pub signature: &'a str,
}

/// `Credential=<access key id>/<date>/<region>/<service>/aws4_request`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Credential<'a> {
    pub access_key_id: &'a str,
    /// `YYYYMMDD`.
    pub date: &'a str,
    pub region: &'a str,
    pub service: &'a str,
}

/// What a signature must be about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    pub region: &'a str,
    pub now: Timestamp,
    /// How far the request's time may be from ours, either way.
    pub skew_minutes_max: u32,
}

/// The parts of a header; `None` when it is not there whole.
pub(crate) fn parse(parameters: &str) -> Option<Signed<'_>> {
    let find = |name: &str| {
        parameters
            .split(',')
            .find_map(|part| part.trim().strip_prefix(name))
            .filter(|value| !value.is_empty())
    };
    let (headers, signature) = (find("SignedHeaders=")?, find("Signature=")?);
    // The access key id is ours to choose and may hold a slash; the four parts of the scope may not.
    let mut parts = find("Credential=")?.rsplitn(5, '/');
    let terminator = parts.next()?;
    let (service, region, date, access_key_id) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let complete = ![service, region, date, access_key_id]
        .iter()
        .any(|part| part.is_empty());
    (terminator == TERMINATOR && complete).then_some(Signed {
        credential: Credential {
            access_key_id,
            date,
            region,
            service,
        },
        headers,
        signature,
    })
}

/// What the head alone tells: scope, time, and that everything was signed that decides what the request does.
///
/// # Errors
/// `InvalidSignatureException` or `IncompleteSignature`, in AWS's words where they are known.
pub(crate) fn check_head(
    signed: &Signed<'_>,
    headers: &HeaderMap,
    rules: &Rules<'_>,
) -> Result<(), ApiError> {
    let credential = &signed.credential;
    if credential.region != rules.region {
        let message = format!(
            "Credential should be scoped to a valid region, not '{}'. This installation's is '{}'.",
            credential.region, rules.region
        );
        return Err(invalid(message));
    }
    if credential.service != SERVICE {
        return Err(invalid(format!(
            "Credential should be scoped to correct service: '{SERVICE}'."
        )));
    }
    let named = |name: &str| signed.headers.split(';').any(|header| header == name);
    let must = [("host", true), (DATE, true)];
    let when_sent = [TARGET, CONTENT_HASH].map(|name| (name, headers.contains_key(name)));
    for (name, needed) in must.into_iter().chain(when_sent) {
        if needed && !named(name) {
            return Err(ApiError::new(
                ErrorCode::IncompleteSignature,
                format!("'{name}' must be a 'SignedHeader' in the AWS Authorization."),
            ));
        }
    }
    check_time(signed, headers, rules)
}

fn check_time(signed: &Signed<'_>, headers: &HeaderMap, rules: &Rules<'_>) -> Result<(), ApiError> {
    let sent = headers.get(DATE).and_then(|date| date.to_str().ok());
    let Some((text, at)) = sent.and_then(|text| Some((text, read_time(text)?))) else {
        let message = "Date must be in ISO-8601 'basic format' in the header 'X-Amz-Date'.";
        return Err(ApiError::new(ErrorCode::IncompleteSignature, message));
    };
    if !text.starts_with(signed.credential.date) || signed.credential.date.len() != 8 {
        return Err(invalid(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{}'.",
            signed.credential.date,
            text.get(..8).unwrap_or(text)
        )));
    }
    let bound = i64::from(rules.skew_minutes_max) * 60_000;
    let (earliest, latest) = (rules.now.plus_ms(-bound), rules.now.plus_ms(bound));
    let minutes = rules.skew_minutes_max;
    let now = write_time(rules.now);
    if at < earliest {
        let earliest = write_time(earliest);
        return Err(invalid(format!(
            "Signature expired: {text} is now earlier than {earliest} ({now} - {minutes} min.)"
        )));
    }
    if at > latest {
        let latest = write_time(latest);
        return Err(invalid(format!(
            "Signature not yet current: {text} is still later than {latest} ({now} + {minutes} min.)"
        )));
    }
    Ok(())
}

/// Whether the secret makes this signature of the whole request. Compared in constant time.
///
/// # Errors
/// `InvalidSignatureException`.
pub(crate) fn verify(
    signed: &Signed<'_>,
    head: &Parts,
    body: &[u8],
    secret: &str,
) -> Result<(), ApiError> {
    let no_match = || invalid(NO_MATCH.to_owned());
    let hash = HEXLOWER.encode(&Sha256::digest(body));
    if let Some(told) = head.headers.get(CONTENT_HASH)
        && told.as_bytes() != hash.as_bytes()
    {
        return Err(invalid(format!(
            "The provided '{CONTENT_HASH}' header does not match what was computed."
        )));
    }
    let canonical = canonical_request(signed, head, &hash).ok_or_else(no_match)?;
    let credential = &signed.credential;
    let date = head
        .headers
        .get(DATE)
        .map_or(&b""[..], |date| date.as_bytes());
    let scope = format!(
        "{}/{}/{}/{TERMINATOR}",
        credential.date, credential.region, credential.service
    );
    let mut mac = keyed(&signing_key(secret, credential));
    for part in [
        ALGORITHM.as_bytes(),
        b"\n",
        date,
        b"\n",
        scope.as_bytes(),
        b"\n",
    ] {
        mac.update(part);
    }
    mac.update(HEXLOWER.encode(&Sha256::digest(canonical)).as_bytes());
    let told = HEXLOWER_PERMISSIVE.decode(signed.signature.as_bytes());
    let told = told.map_err(|_not_hexadecimal| no_match())?;
    mac.verify_slice(&told).map_err(|_differs| no_match())
}

/// None when a header was signed that did not come.
fn canonical_request(signed: &Signed<'_>, head: &Parts, body_hash: &str) -> Option<Vec<u8>> {
    let mut query: Vec<String> = head
        .uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let equals = if pair.contains('=') { "" } else { "=" };
            format!("{pair}{equals}")
        })
        .collect();
    query.sort_unstable();
    let (method, path) = (head.method.as_str(), head.uri.path());
    let mut text = format!("{method}\n{path}\n{}\n", query.join("&")).into_bytes();
    for name in signed.headers.split(';') {
        text.extend_from_slice(name.as_bytes());
        text.push(b':');
        put_values(&mut text, head, name)?;
        text.push(b'\n');
    }
    text.push(b'\n');
    text.extend_from_slice(signed.headers.as_bytes());
    text.push(b'\n');
    text.extend_from_slice(body_hash.as_bytes());
    Some(text)
}

/// A header's values with single spaces, and commas between them. HTTP/2 has the host in its URI.
fn put_values(text: &mut Vec<u8>, head: &Parts, name: &str) -> Option<()> {
    let header = HeaderName::from_bytes(name.as_bytes()).ok()?;
    let mut values = head.headers.get_all(&header).iter().peekable();
    if values.peek().is_none() {
        let authority = head.uri.authority().filter(|_| header == HOST)?;
        text.extend_from_slice(authority.as_str().as_bytes());
        return Some(());
    }
    for (at, value) in values.enumerate() {
        if at > 0 {
            text.push(b',');
        }
        let words = value.as_bytes().split(u8::is_ascii_whitespace);
        let words: Vec<&[u8]> = words.filter(|word| !word.is_empty()).collect();
        text.extend_from_slice(&words.join(&b' '));
    }
    Some(())
}

fn signing_key(secret: &str, credential: &Credential<'_>) -> Vec<u8> {
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in [
        credential.date,
        credential.region,
        credential.service,
        TERMINATOR,
    ] {
        let mut mac = keyed(&key);
        mac.update(part.as_bytes());
        key = mac.finalize().into_bytes().to_vec();
    }
    key
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn read_time(text: &str) -> Option<Timestamp> {
    let time = DateTime::strptime(BASIC, text).ok()?;
    let zoned = time.to_zoned(TimeZone::UTC).ok()?;
    Some(Timestamp(zoned.timestamp().as_millisecond()))
}

fn write_time(at: Timestamp) -> String {
    let time = jiff::Timestamp::from_millisecond(at.0);
    time.map_or_else(
        |_| at.0.to_string(),
        |time| time.strftime(BASIC).to_string(),
    )
}

fn invalid(message: String) -> ApiError {
    ApiError::new(ErrorCode::InvalidSignatureException, message)
}
