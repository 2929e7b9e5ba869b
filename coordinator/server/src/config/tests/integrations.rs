//! What connections, functions and rules for HTTP requests are taken, refused and printed.

use super::*;

const FILE: &str = r#"
[[connections]]
name = "partner"
namespace = "111111111111"
hosts = ["*.example.com"]
parameters = [{ in = "query", name = "q", value = "a secret" }]
[connections.oauth]
endpoint = "https://login.example.com/token"
method = "GET"
client_id = "me"
client_secret = { file = "/run/secrets/partner" }
client_auth = "body"

[[connections]]
name = "plain"
api_key = { name = "x-api-key", value = { env = "PLAIN_KEY" } }
tls = { ca = "ca.crt", certificate = "c.crt", key = "c.key" }

[[functions]]
name = "resize:live"
endpoint = "http://functions/resize"
connection = "plain"

[[functions]]
name = "resize"
activity = "resize"
"#;

#[test]
fn they_stand_in_the_configuration_or_in_a_file_of_their_own() {
    let config = load(FILE, &[], Args::default()).unwrap();
    let shown = format!("{config:?}{}", config.to_toml());
    assert!(!shown.contains("a secret"), "{shown}");
    let filed = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(filed.path(), FILE).unwrap();
    let args = Args {
        integrations: Some(filed.path().to_owned()),
        ..Args::default()
    };
    let separate = load("", &[], args).unwrap();
    assert!(separate.all_connections().eq(config.all_connections()));
    assert!(separate.all_functions().eq(config.all_functions()));
    assert!(!separate.to_toml().contains("partner"));
    let named = filed.path().to_str().unwrap();
    let variable = [("STEPFLEET_INTEGRATIONS_FILE", named)];
    assert_eq!(load("", &variable, Args::default()).unwrap(), separate);
}

#[test]
fn rules_are_strict_until_they_are_relaxed() {
    let strict = load("", &[], Args::default()).unwrap().http;
    assert!(!strict.private_addresses && !strict.plain && !strict.reveal_secrets);
    assert_eq!((strict.timeout_s, strict.requests_max), (60, 1000));
    let file =
        "[http]\nallow_addresses = [\"10.0.0.0/8\", \"::1/128\"]\ndeny_hosts = [\"*.internal\"]\n";
    let variable = [("STEPFLEET_HTTP__TIMEOUT_S", "600")];
    let relaxed = load(file, &variable, Args::default()).unwrap();
    assert_eq!(relaxed.http.timeout_s, 600);
    assert_eq!(relaxed.http.allow_addresses.len(), 2);
    let printed = load(&relaxed.to_toml(), &[], Args::default()).unwrap();
    assert_eq!(printed, relaxed);
}

#[test]
fn what_could_never_be_used_is_refused_with_its_name() {
    let connection = |more: &str| format!("[[connections]]\nname = \"c\"\n{more}");
    let function = |more: &str| format!("[[functions]]\nname = \"f\"\n{more}");
    let oauth = "oauth = { endpoint = \"login\", client_id = \"i\", client_secret = \"s\" }";
    for (file, part) in [
        ("[http]\ntimeout_s = 0".to_owned(), "http.timeout_s"),
        ("[http]\nrequests_max = 0".to_owned(), "http.requests_max"),
        (
            "[http]\nallow_hosts = [\"https://a\"]".to_owned(),
            "`https://a` is neither a host",
        ),
        (
            "[http]\ndeny_addresses = [\"10.0.0.0/33\"]".to_owned(),
            "deny_addresses",
        ),
        (
            "[[connections]]\nname = \"a b\"".to_owned(),
            "the name `a b`",
        ),
        (format!("{0}{0}", connection("")), "`c` is there twice"),
        (connection("namespace = \"1\""), "not twelve digits"),
        (connection("hosts = [\"a*\"]"), "hosts of `c`"),
        (
            connection(
                "basic = { username = \"u\", password = \"p\" }\napi_key = { name = \"k\", value = \"v\" }",
            ),
            "only one of api_key, basic and oauth",
        ),
        (
            connection("api_key = { name = \"a b\", value = \"v\" }"),
            "`a b` of `c` is not the name of a header",
        ),
        (
            connection("parameters = [{ in = \"body\", name = \"\", value = \"v\" }]"),
            "a parameter of `c` has no name",
        ),
        (connection(oauth), "oauth.endpoint of `c` is not a URL"),
        (
            connection("tls = { key = \"k\" }"),
            "needs certificate and key together",
        ),
        (
            connection("parameters = [{ in = \"path\", name = \"n\", value = \"v\" }]"),
            "connections",
        ),
        (function(""), "either an activity or an endpoint"),
        (
            function("activity = \"a\"\nendpoint = \"https://a\""),
            "either an activity or an endpoint",
        ),
        (
            function("activity = \"a\"\nconnection = \"c\""),
            "which needs an endpoint",
        ),
        (function("endpoint = \"a\""), "endpoint of `f` is not a URL"),
        (
            function("endpoint = \"https://a\"\nconnection = \"c\""),
            "which there is none of in its account",
        ),
        (
            format!("{0}{0}", function("activity = \"a\"\n")),
            "`f` is there twice",
        ),
    ] {
        let text = refused(&file, &[]);
        assert!(text.contains(part), "{file}: {text}");
    }
}

#[test]
fn what_is_wrong_with_a_connection_is_told_without_its_secrets() {
    let unquoted =
        "[[connections]]\nname = \"c\"\napi_key = { name = \"k\", value = wJalrXUtnFEMI }\n";
    let number = unquoted.replace("wJalrXUtnFEMI", "7777777777");
    let unknown = unquoted.replace("wJalrXUtnFEMI", "{ vault = \"wJalrXUtnFEMI\" }");
    let misplaced = "[[connections]]\nname = \"c\"\nbasic = \"wJalrXUtnFEMI\"\n";
    for text in [unquoted, &number, &unknown, misplaced] {
        let filed = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(filed.path(), text).unwrap();
        let args = Args {
            integrations: Some(filed.path().to_owned()),
            ..Args::default()
        };
        let separate = load("", &[], args).unwrap_err().to_string();
        for faults in [refused(text, &[]), separate] {
            assert!(
                !faults.contains("wJal") && !faults.contains("7777"),
                "{faults}"
            );
            assert!(
                faults.contains("connections") || faults.contains("line"),
                "{faults}"
            );
        }
    }
}
