//! Who is taken for whom, and who is refused how.

mod denied;
mod issued;

use http::HeaderValue;

use super::*;
use crate::clock::SystemClock;
use crate::config::ClientAuth;

/// SHA-256 of `foo`.
const FOO: &str = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
/// SHA-256 of `bar`.
const BAR: &str = "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9";
const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/states/aws4_request, SignedHeaders=host, Signature=00";

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::default())
}

fn judge(config: &Config) -> Authenticator {
    let access = Arc::new(Access::of(config, clock()).unwrap());
    Authenticator::new(config, access, clock())
}

fn open() -> Authenticator {
    judge(&Config::default())
}

fn keyed() -> Authenticator {
    let mut config = Config::default();
    let key = |name: &str, sha256: &str, namespace: Option<&str>| ApiKey {
        name: name.to_owned(),
        sha256: sha256.to_owned(),
        rights: Rights {
            policies: Vec::new(),
            namespace: namespace.map(str::to_owned),
        },
    };
    config.auth.keys = vec![
        key("foo-key", FOO, None),
        key("bar-key", &BAR.to_uppercase(), Some("111111111111")),
    ];
    judge(&config)
}

fn certificates_only() -> Authenticator {
    let mut config = Config::default();
    config.tls.client_auth = ClientAuth::Optional;
    judge(&config)
}

fn check(
    authenticator: &Authenticator,
    authorization: &str,
    certificate: Option<&str>,
    expect: &str,
) {
    let mut headers = HeaderMap::new();
    if !authorization.is_empty() {
        headers.insert(AUTHORIZATION, HeaderValue::from_str(authorization).unwrap());
    }
    let peer = Peer {
        address: ([127, 0, 0, 1], 1).into(),
        principal: certificate.map(Arc::from),
        tls: true,
    };
    let answer = match authenticator.authenticate(&headers, Some(&peer)) {
        Ok(Verdict::Admitted(caller)) => format!("{} in {}", caller.principal, caller.namespace),
        Ok(Verdict::IfSigned) => "if signed".to_owned(),
        Ok(Verdict::IfIssued(_)) => "if issued".to_owned(),
        Err(error) => error.code.as_str().to_owned(),
    };
    assert_eq!(answer, expect, "{authorization:?} {certificate:?}");
}

#[test]
fn an_open_server_takes_everybody_by_the_name_they_give() {
    for (authorization, certificate, expect) in [
        ("", None, "anonymous in 000000000000"),
        (SIGNED, None, "AKID in 000000000000"),
        ("Bearer foo", None, "anonymous in 000000000000"),
        ("Basic Zm9v", None, "anonymous in 000000000000"),
        ("AWS4-HMAC-SHA256 Credential=x", None, "IncompleteSignature"),
    ] {
        check(&open(), authorization, certificate, expect);
    }
}

#[test]
fn keys_and_certificates_are_the_only_ways_in_once_there_are_keys() {
    for (authorization, certificate, expect) in [
        ("", None, "MissingAuthenticationTokenException"),
        ("Basic Zm9v", None, "MissingAuthenticationTokenException"),
        ("Bearer foo", None, "foo-key in 000000000000"),
        ("bearer  bar ", None, "bar-key in 111111111111"),
        ("Bearer baz", None, "UnrecognizedClientException"),
        ("Bearer", None, "UnrecognizedClientException"),
        (SIGNED, None, "UnrecognizedClientException"),
        ("AWS4-HMAC-SHA256 Credential=x", None, "IncompleteSignature"),
        ("", Some("worker"), "worker in 000000000000"),
        (SIGNED, Some("worker"), "worker in 000000000000"),
        ("Bearer bar", Some("worker"), "bar-key in 111111111111"),
        ("Bearer baz", Some("worker"), "UnrecognizedClientException"),
    ] {
        check(&keyed(), authorization, certificate, expect);
    }
}

#[test]
fn optional_client_certificates_alone_still_refuse_who_shows_none() {
    check(
        &certificates_only(),
        "",
        None,
        "MissingAuthenticationTokenException",
    );
    check(
        &certificates_only(),
        "Bearer foo",
        None,
        "UnrecognizedClientException",
    );
    check(
        &certificates_only(),
        "",
        Some("worker"),
        "worker in 000000000000",
    );
}

#[test]
fn the_refusal_of_a_signature_says_what_to_do() {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_static(SIGNED));
    let error = keyed().authenticate(&headers, None).unwrap_err();
    assert!(
        error.message.contains("client certificate") && error.message.contains("Bearer"),
        "{}",
        error.message
    );
}

#[test]
fn signatures_are_judged_where_there_are_access_keys() {
    let mut config = Config::default();
    config.auth.access_keys = vec![AccessKey {
        id: "AKID".to_owned(),
        name: Some("deploy".to_owned()),
        secret: Secret("sixteen characters".to_owned()),
        rights: Rights {
            policies: Vec::new(),
            namespace: Some("111111111111".to_owned()),
        },
    }];
    let authenticator = judge(&config);
    let unknown = SIGNED.replace("AKID", "OTHER");
    for (authorization, certificate, expect) in [
        ("", None, "MissingAuthenticationTokenException"),
        (&*unknown, None, "UnrecognizedClientException"),
        // It signs no date.
        (SIGNED, None, "IncompleteSignature"),
        (SIGNED, Some("worker"), "IncompleteSignature"),
        ("", Some("worker"), "worker in 000000000000"),
        ("Bearer foo", None, "UnrecognizedClientException"),
    ] {
        check(&authenticator, authorization, certificate, expect);
    }
    assert!(!format!("{authenticator:?}").contains("sixteen"));
}

proptest::proptest! {
    #[test]
    fn no_authorization_header_makes_it_panic_or_is_taken(value in "[ -~]{0,120}", form in 0..3) {
        let mut config = Config::default();
        config.auth.access_keys = vec![AccessKey {
            id: "AKID".to_owned(),
            name: None,
            secret: Secret("sixteen characters".to_owned()),
            rights: Rights { policies: Vec::new(), namespace: None },
        }];
        let text = match form {
            0 => value,
            1 => format!("AWS4-HMAC-SHA256 {value}"),
            _ => SIGNED.replace("host", &value),
        };
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(&text).unwrap());
        let verdict = judge(&config).authenticate(&headers, None);
        // Nothing says when it was signed.
        proptest::prop_assert!(verdict.is_err());
        let verdict = open().authenticate(&headers, None);
        let refused_as = verdict.err().map(|error| error.code);
        proptest::prop_assert!(matches!(refused_as, None | Some(ErrorCode::IncompleteSignature)));
    }
}

#[test]
fn a_hash_never_shows_in_debug_output() {
    assert!(!format!("{:?}", keyed()).contains("2c26"));
}
