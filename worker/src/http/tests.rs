//! What the configuration may say of an endpoint.

use super::*;

fn check(text: &str) -> Result<HttpSettings, Vec<String>> {
    HttpSettings::check(&toml::from_str(text).unwrap())
}

#[test]
fn every_problem_of_an_endpoint_is_told() {
    let text = r#"
        url = "ftp://x"
        method = "GET"
        headers = { "a b" = "1", Stepfleet-Attempt = "7", X = "\u0007", Host = "x" }
        header_files = { Y = "/no/such/file" }
        ca_file = "/etc/hostname"
    "#;
    let problems = check(text).unwrap_err();
    let expected = [
        "http: url `ftp://x` must begin with http:// or https://",
        "http: method must be \"POST\", not \"GET\"",
        "http: the header `Host` is set by the worker",
        "http: the header `Stepfleet-Attempt` is set by the worker",
        "http: the value of header `X` has characters that none may have",
        "http: `a b` cannot be the name of a header",
        "http: header_files /no/such/file: ",
        "http: ca_file /etc/hostname: it has no certificate in PEM form",
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.starts_with(expected), "{problem}");
    }
}

#[test]
fn settings_are_the_same_when_they_say_the_same() {
    let text = "url = \"https://x/?key=1\"\nheaders = { A = \"1\" }";
    let (one, other) = (
        check(text).unwrap(),
        check(&text.replace("\"1\"", "\"2\"")).unwrap(),
    );
    assert_eq!(one, check(text).unwrap());
    assert_ne!(one, other);
    assert_eq!(one.endpoint(), "https://x/");
    assert!(!format!("{other:?}").contains('2'), "values are secrets");
}
