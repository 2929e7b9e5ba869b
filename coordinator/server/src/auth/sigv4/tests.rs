//! Signatures that an AWS SDK has made, and what changes make of them.

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
