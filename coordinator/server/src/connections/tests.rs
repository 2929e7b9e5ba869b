//! What connections add to requests, how tokens are fetched, and that nothing shows secrets.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use super::*;
use crate::outbound::testing::{Endpoint, Received, Reply, open};

const ACCOUNT: &str = "000000000000";

fn configured(text: &str) -> Config {
    let parsed: crate::config::Filed = toml::from_str(text).unwrap();
    Config {
        http: open(),
        connections: parsed.connections,
        ..Config::default()
    }
}

fn opened(text: &str) -> Result<(Connections, Outbound), ConnectionFault> {
    let config = configured(text);
    let outbound = Outbound::new(&config.http).unwrap();
    let environment = |name: &str| (name == "SECRET").then(|| "from the environment".to_owned());
    let connections = Connections::open(&config, &outbound, &environment)?;
    Ok((connections, outbound))
}

fn error(failure: &Failure) -> &str {
    failure.error.as_deref().unwrap()
}

#[tokio::test]
async fn secrets_stand_in_the_file_in_other_files_or_in_the_environment() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "from a file\n").unwrap();
    let text = format!(
        r#"
        [[connections]]
        name = "c"
        api_key = {{ name = "X-Key", value = "from the text" }}
        parameters = [
            {{ in = "header", name = "x-other", value = {{ env = "SECRET" }} }},
            {{ in = "query", name = "q", value = {{ file = "{}" }} }},
            {{ in = "body", name = "b", value = "body" }},
        ]
        "#,
        file.path().display()
    );
    let (connections, outbound) = opened(&text).unwrap();
    let connection = connections.by_name(ACCOUNT, "c").unwrap();
    let now = || Timestamp(0);
    let (additions, token) = connection.additions(&outbound, &now).await.unwrap();
    let headers: Vec<_> = additions
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    let expect = [
        ("x-other", "from the environment"),
        ("x-key", "from the text"),
    ];
    assert_eq!(headers, expect);
    assert_eq!(
        additions.query,
        [("q".to_owned(), "from a file".to_owned())]
    );
    assert_eq!(additions.body, [("b".to_owned(), "body".to_owned())]);
    assert!(token.is_none());
    let shown = format!("{connections:?} {connection:?} {additions:?}");
    assert!(!shown.contains("from"), "{shown}");
}

#[test]
fn a_secret_that_is_not_there_names_itself() {
    let missing = r#"
        [[connections]]
        name = "c"
        basic = { username = "u", password = { env = "ABSENT" } }
    "#;
    let text = opened(missing).unwrap_err().to_string();
    assert_eq!(
        text,
        "basic.password of `c`: the environment variable ABSENT is not set"
    );
    let unsound = r#"
        [[connections]]
        name = "c"
        api_key = { name = "k", value = "line\nbreak" }
    "#;
    let text = opened(unsound).unwrap_err().to_string();
    assert_eq!(
        text,
        "api_key of `c` has characters that no header may have"
    );
}

#[test]
fn a_connection_is_found_by_its_arn_in_its_own_account() {
    let (connections, _) = opened(
        r#"
        connections = [
            { name = "free", parameters = [] },
            { name = "fixed", id = "11", parameters = [], hosts = ["api.example.com"] },
        ]
        "#,
    )
    .unwrap();
    let found = |arn: &str| connections.by_arn(ACCOUNT, arn);
    let arn =
        |account: &str, rest: &str| format!("arn:aws:events:eu-west-1:{account}:connection/{rest}");
    for rest in ["free", "free/any", "fixed", "fixed/11"] {
        assert!(found(&arn(ACCOUNT, rest)).is_ok(), "{rest}");
    }
    let absent = "Events.ConnectionResource.ResourceNotFound";
    for rest in ["other/any", "fixed/12", ""] {
        assert_eq!(
            error(&found(&arn(ACCOUNT, rest)).unwrap_err()),
            absent,
            "{rest}"
        );
    }
    assert_eq!(error(&found("free").unwrap_err()), absent);
    let foreign = found(&arn("111111111111", "free/any")).unwrap_err();
    assert_eq!(error(&foreign), "Events.ConnectionResource.AccessDenied");
    let fixed = found(&arn(ACCOUNT, "fixed")).unwrap();
    assert!(fixed.check_host("API.example.com").is_ok());
    let elsewhere = fixed.check_host("example.org").unwrap_err();
    assert_eq!(error(&elsewhere), "Events.ConnectionResource.AccessDenied");
}

/// A server of tokens that numbers them, and a connection that uses it.
async fn with_tokens(
    settings: &str,
    handler: impl Fn(&Received, u32) -> Reply + Send + Sync + 'static,
) -> (Endpoint, Arc<Connection>, Outbound) {
    let asked = AtomicU32::new(0);
    let server =
        Endpoint::new(move |request| handler(request, asked.fetch_add(1, Ordering::Relaxed) + 1))
            .await;
    let text = format!(
        "[[connections]]\nname = \"c\"\n[connections.oauth]\nendpoint = \"{}/token?tenant=1\"\n\
         client_id = \"me\"\nclient_secret = \"s3cret:/\"\n{settings}",
        server.url
    );
    let (connections, outbound) = opened(&text).unwrap();
    let connection = connections.by_name(ACCOUNT, "c").unwrap();
    (server, connection, outbound)
}

fn numbered(_: &Received, number: u32) -> Reply {
    let body = format!(r#"{{"access_token": "t{number}", "expires_in": 100}}"#);
    Reply::of("200 OK", "application/json", &body)
}

#[tokio::test]
async fn a_token_is_fetched_once_and_again_when_it_is_old_or_refused() {
    let (server, connection, outbound) = with_tokens("", numbered).await;
    let at = AtomicI64::new(0);
    let now = || Timestamp(at.load(Ordering::Relaxed));
    let bearer = async || {
        let (additions, token) = connection.additions(&outbound, &now).await.unwrap();
        let (name, value) = additions.headers.last().unwrap();
        assert_eq!(name, AUTHORIZATION);
        (value.to_str().unwrap().to_owned(), token.unwrap())
    };
    let (first, second) = tokio::join!(bearer(), bearer());
    assert_eq!((&*first.0, &*second.0), ("Bearer t1", "Bearer t1"));
    at.store(69_999, Ordering::Relaxed);
    assert_eq!(bearer().await.0, "Bearer t1");
    at.store(70_000, Ordering::Relaxed);
    let (value, token) = bearer().await;
    assert_eq!(value, "Bearer t2");
    connection.give_up(&first.1).await;
    assert_eq!(bearer().await.0, "Bearer t2");
    connection.give_up(&token).await;
    assert_eq!(bearer().await.0, "Bearer t3");
    let asked = server.received();
    assert_eq!(asked.len(), 3);
    assert_eq!(asked[0].line, "POST /token?tenant=1 HTTP/1.1");
    assert_eq!(asked[0].body, "grant_type=client_credentials");
    let credentials = STANDARD.encode("me:s3cret%3A%2F");
    assert_eq!(
        asked[0].header("authorization"),
        Some(&*format!("Basic {credentials}"))
    );
}

#[tokio::test]
async fn credentials_and_parameters_stand_where_the_server_wants_them() {
    let settings = r#"
        client_auth = "body"
        parameters = [
            { in = "body", name = "scope", value = "a b" },
            { in = "query", name = "audience", value = "x/y" },
            { in = "header", name = "x-tenant", value = "7" },
        ]
    "#;
    let (server, connection, outbound) = with_tokens(settings, numbered).await;
    connection
        .additions(&outbound, &|| Timestamp(0))
        .await
        .unwrap();
    let asked = &server.received()[0];
    assert_eq!(asked.line, "POST /token?tenant=1&audience=x%2Fy HTTP/1.1");
    assert_eq!(
        asked.body,
        "grant_type=client_credentials&scope=a+b&client_id=me&client_secret=s3cret%3A%2F"
    );
    assert_eq!(asked.header("x-tenant"), Some("7"));
    assert_eq!(asked.header("authorization"), None);
}

#[tokio::test]
async fn without_a_token_the_failure_says_why_and_nothing_of_what_was_said() {
    for (status, body, expect) in [
        ("401 No", "s3cret:/", "InvalidConnectionState"),
        ("503 No", "s3cret:/", "InternalError"),
        ("200 OK", r#"{"token": "s3cret:/"}"#, "InternalError"),
        ("200 OK", "s3cret:/", "InternalError"),
    ] {
        let reply = Reply::of(status, "application/json", body);
        let (_server, connection, outbound) = with_tokens("", move |_, _| reply.clone()).await;
        let refused = connection.additions(&outbound, &|| Timestamp(0)).await;
        let failure = refused.map(|_| ()).unwrap_err();
        assert_eq!(
            error(&failure),
            format!("Events.ConnectionResource.{expect}")
        );
        let cause = failure.cause.unwrap();
        assert!(!cause.contains("s3cret"), "{cause}");
    }
}
