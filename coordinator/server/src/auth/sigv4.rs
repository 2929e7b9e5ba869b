//! AWS Signature Version 4: the header in its parts, and whether a signature is what the secret of its access key makes
//! of the request.

use std::fmt::Write as _;

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
    let hash = hex(&Sha256::digest(body));
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
    mac.update(hex(&Sha256::digest(canonical)).as_bytes());
    let told = unhex(signed.signature).ok_or_else(no_match)?;
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
        .map(|pair| match pair.contains('=') {
            true => pair.to_owned(),
            false => format!("{pair}="),
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

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
    }
    text
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    let digits = |at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(digits).collect()
}

fn invalid(message: String) -> ApiError {
    ApiError::new(ErrorCode::InvalidSignatureException, message)
}

#[cfg(test)]
mod tests {
    use http::Request;
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    /// Made by botocore 1.44.5 with the access key id `AKIDEXAMPLE`.
    const SIGNATURE: &str = "acbfd995ceaa8262d6cc7df0a7839819e2d6248fd1c590961c9957df4cde19ce";
    const HEADERS: &str = "content-type;host;x-amz-date;x-amz-target;x-odd";
    const BODY: &[u8] = "{\"a\": \"é\"}".as_bytes();
    /// 2026-01-01T12:00:00Z, at which it was made.
    const NOW: Timestamp = Timestamp(1_767_268_800_000);

    fn head() -> Parts {
        let request = Request::post("/")
            .header("host", "sync-sfn.localhost:8083")
            .header("x-amz-target", "AWSStepFunctions.TestState")
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-odd", "  a   b  ")
            .header("x-amz-date", "20260101T120000Z");
        request.body(()).unwrap().into_parts().0
    }

    fn signed(headers: &'static str, signature: &'static str) -> Signed<'static> {
        Signed {
            credential: Credential {
                access_key_id: "AKIDEXAMPLE",
                date: "20260101",
                region: "us-east-1",
                service: "states",
            },
            headers,
            signature,
        }
    }

    fn judge(signed: &Signed<'_>, head: &Parts, now: Timestamp) -> Result<(), ApiError> {
        let rules = Rules {
            region: "us-east-1",
            now,
            skew_minutes_max: 5,
        };
        check_head(signed, &head.headers, &rules)?;
        verify(signed, head, BODY, SECRET)
    }

    fn said(result: Result<(), ApiError>) -> String {
        let error = result.unwrap_err();
        format!("{}: {}", error.code.as_str(), error.message)
    }

    #[test]
    fn a_header_is_read_into_its_parts() {
        let header = "Credential=AKIDEXAMPLE/20260101/us-east-1/states/aws4_request, \
                      SignedHeaders=host;x-amz-date, Signature=abc";
        let expect = signed("host;x-amz-date", "abc");
        assert_eq!(parse(header), Some(expect));
        assert_eq!(parse(&header.replace(", ", ",")), Some(expect));
    }

    #[test]
    fn an_incomplete_header_has_no_parts() {
        for header in [
            "",
            "Credential=",
            "Credential=A/20260101/us-east-1/states/aws4_request",
            "Credential=A/20260101/us-east-1/states/aws4_request, Signature=abc",
            "Credential=A/us-east-1/states/aws4_request, SignedHeaders=host, Signature=abc",
            "Credential=A/20260101//states/aws4_request, SignedHeaders=host, Signature=abc",
            "Credential=A/20260101/us-east-1/states/aws3_request, SignedHeaders=host, Signature=abc",
        ] {
            assert_eq!(parse(header), None, "{header}");
        }
    }

    #[test]
    fn the_signature_of_an_aws_sdk_is_right() {
        assert_eq!(judge(&signed(HEADERS, SIGNATURE), &head(), NOW), Ok(()));
    }

    /// Made by botocore 1.44.5 too, of requests that differ in what is signed.
    #[test]
    fn every_form_of_request_that_an_sdk_signs_is_right() {
        const HASH: (&str, &str) = (
            CONTENT_HASH,
            "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        );
        const TOKEN: (&str, &str) = ("x-amz-security-token", "a/session+token==");
        const TWICE: [(&str, &str); 2] = [("x-twice", "one"), ("x-twice", "  two   words ")];
        type Vector<'a> = (
            &'static str,
            &'a [(&'a str, &'a str)],
            &'static str,
            &'static str,
        );
        let vectors: [Vector<'_>; 6] = [
            (
                "/",
                &[],
                "host;x-amz-date;x-amz-target",
                "8026e86b9d203076ff36bc592291cbb32d6c43a02e778ee38cfa0706700cc005",
            ),
            (
                "/",
                &[TOKEN],
                "host;x-amz-date;x-amz-security-token;x-amz-target",
                "68bacf9b5f25956a149133afeb6749d9204af7e3410bba6b71acc82edccf51a9",
            ),
            (
                "/",
                &[HASH],
                "host;x-amz-content-sha256;x-amz-date;x-amz-target",
                "48d338578bcfa9a1ff738c7743518145b7f5d3ecebfe3ad90888c62f3cf98ec5",
            ),
            (
                "/",
                &TWICE,
                "host;x-amz-date;x-amz-target;x-twice",
                "4e248137516420934a723f88a35e5b0e537f781be03771ad08b01943d2254290",
            ),
            (
                "/?b=2&a=1&c",
                &[],
                "host;x-amz-date;x-amz-target",
                "0b083e096dc0a166974c5e5bb7b7154827b28d5f2ea69a379267ddb1d1d99e01",
            ),
            // What is not signed may be there.
            (
                "/",
                &[("user-agent", "any")],
                "host;x-amz-date;x-amz-target",
                "8026e86b9d203076ff36bc592291cbb32d6c43a02e778ee38cfa0706700cc005",
            ),
        ];
        for (uri, more, names, signature) in vectors {
            let mut request = Request::post(uri)
                .header("host", "127.0.0.1:8083")
                .header("x-amz-target", "AWSStepFunctions.ListActivities")
                .header("x-amz-date", "20260101T120000Z");
            for (name, value) in more {
                request = request.header(*name, *value);
            }
            let head = request.body(()).unwrap().into_parts().0;
            let signed = signed(names, signature);
            assert_eq!(
                verify(&signed, &head, b"{}", SECRET),
                Ok(()),
                "{uri} {names}"
            );
            assert!(
                verify(&signed, &head, b"[]", SECRET).is_err(),
                "{uri} {names}"
            );
        }
    }

    #[test]
    fn http_2_has_the_host_in_its_uri() {
        let mut head = head();
        head.headers.remove("host");
        assert!(said(judge(&signed(HEADERS, SIGNATURE), &head, NOW)).contains("does not match"));
        head.uri = "http://sync-sfn.localhost:8083/".parse().unwrap();
        assert_eq!(judge(&signed(HEADERS, SIGNATURE), &head, NOW), Ok(()));
    }

    #[test]
    fn whatever_is_changed_makes_it_wrong() {
        let wrong = format!("InvalidSignatureException: {NO_MATCH}");
        let right = signed(HEADERS, SIGNATURE);
        let changes: [(&str, &str); 4] = [
            ("host", "elsewhere"),
            ("x-amz-target", "AWSStepFunctions.DeleteStateMachine"),
            ("x-amz-date", "20260101T120001Z"),
            ("x-odd", "a b c"),
        ];
        for (name, value) in changes {
            let mut head = head();
            head.headers.insert(name, value.parse().unwrap());
            assert_eq!(said(judge(&right, &head, NOW)), wrong, "{name}");
        }
        let other = |signature| said(judge(&signed(HEADERS, signature), &head(), NOW));
        for signature in ["00", "é", "acbfd", &SIGNATURE[2..]] {
            assert_eq!(other(signature), wrong, "{signature}");
        }
        assert_eq!(said(verify(&right, &head(), b"{}", SECRET)), wrong);
        assert_eq!(said(verify(&right, &head(), BODY, "another secret")), wrong);
        let mut head = head();
        head.uri = "/?x=1".parse().unwrap();
        assert_eq!(said(judge(&right, &head, NOW)), wrong);
    }

    #[test]
    fn time_scope_and_signed_headers_are_judged_by_the_head() {
        let right = signed(HEADERS, SIGNATURE);
        let with = |change: fn(&mut Credential<'static>)| {
            let mut signed = right;
            change(&mut signed.credential);
            said(judge(&signed, &head(), NOW))
        };
        let minutes = |minutes: i64| judge(&right, &head(), NOW.plus_ms(minutes * 60_000));
        assert_eq!((minutes(5), minutes(-5)), (Ok(()), Ok(())));
        for (said, expect) in [
            (
                said(minutes(6)),
                "InvalidSignatureException: Signature expired: 20260101T120000Z is now earlier than 20260101T120100Z \
                 (20260101T120600Z - 5 min.)",
            ),
            (
                said(minutes(-6)),
                "InvalidSignatureException: Signature not yet current: 20260101T120000Z is still later than \
                 20260101T115900Z (20260101T115400Z + 5 min.)",
            ),
            (
                with(|credential| credential.region = "eu-west-1"),
                "InvalidSignatureException: Credential should be scoped to a valid region, not 'eu-west-1'. This \
                 installation's is 'us-east-1'.",
            ),
            (
                with(|credential| credential.service = "sqs"),
                "InvalidSignatureException: Credential should be scoped to correct service: 'states'.",
            ),
            (
                with(|credential| credential.date = "20260102"),
                "InvalidSignatureException: Date in Credential scope does not match YYYYMMDD from ISO-8601 version of \
                 date from HTTP: '20260102' != '20260101'.",
            ),
            (
                said(judge(&signed("host;x-amz-date", SIGNATURE), &head(), NOW)),
                "IncompleteSignature: 'x-amz-target' must be a 'SignedHeader' in the AWS Authorization.",
            ),
            (
                said(judge(
                    &signed("x-amz-date;x-amz-target", SIGNATURE),
                    &head(),
                    NOW,
                )),
                "IncompleteSignature: 'host' must be a 'SignedHeader' in the AWS Authorization.",
            ),
        ] {
            assert_eq!(said, expect);
        }
    }

    #[test]
    fn a_body_that_its_own_hash_does_not_fit_is_refused() {
        let mut head = head();
        head.headers
            .insert(CONTENT_HASH, "UNSIGNED-PAYLOAD".parse().unwrap());
        let said = said(verify(&signed(HEADERS, SIGNATURE), &head, BODY, SECRET));
        assert!(
            said.contains("'x-amz-content-sha256' header does not match"),
            "{said}"
        );
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(text in ".{0,200}", headers in "[a-z;-]{0,40}", signature in ".{0,70}") {
            let _ = parse(&text);
            let header = format!("Credential=A/20260101/r/states/aws4_request,SignedHeaders={headers},Signature={signature}");
            if let Some(signed) = parse(&header) {
                prop_assert!(verify(&signed, &head(), BODY, SECRET).is_err());
            }
        }
    }
}
