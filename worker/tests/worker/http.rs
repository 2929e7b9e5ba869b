//! Endpoints that the test plays, byte by byte.

use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::support::{listen, started};

/// One request: its head and its body.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> (String, String) {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            if body.len() == length.unwrap().parse::<usize>().unwrap() {
                return (head.to_owned(), body.to_owned());
            }
        }
        assert!(
            stream.read_buf(&mut bytes).await.unwrap() > 0,
            "the request is not whole"
        );
    }
}

async fn answer(stream: &mut (impl AsyncWrite + Unpin), status: &str, body: &str) {
    let text = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
}

async fn endpoint() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

async fn next(listener: &TcpListener) -> (TcpStream, String, String) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let (head, body) = request(&mut stream).await;
    (stream, head, body)
}

#[tokio::test]
async fn a_task_is_posted_and_the_answer_is_its_output() {
    let (mut fake, url) = listen().await;
    let (listener, port) = endpoint().await;
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&secret, "Bearer 1\n").unwrap();
    let activity = format!(
        "name = \"a\"\n[activity.http]\nurl = \"http://127.0.0.1:{port}/tasks?x=1\"\n\
         headers = {{ X-Mine = \"2\" }}\nheader_files = {{ Authorization = {:?} }}\n",
        secret.path()
    );
    let (_child, _folder) = started(&url, &activity);
    let mut connection = fake.welcomed().await;
    connection.push(1, &[("t1", "{\"in\": 1}")]).await;
    let (mut stream, head, body) = next(&listener).await;
    assert_eq!(body, "{\"in\": 1}");
    for line in [
        "POST /tasks?x=1 HTTP/1.1",
        "content-type: application/json",
        "x-mine: 2",
        "authorization: Bearer 1",
        "stepfleet-activity: a",
        "stepfleet-attempt: 1",
        "stepfleet-execution-arn: arn:aws:states:us-east-1:000000000000:execution:m:e",
    ] {
        assert!(
            head.lines().any(|found| found == line),
            "no `{line}` in {head}"
        );
    }
    assert!(!head.contains("task-token"), "{head}");
    answer(&mut stream, "200 OK", "{\"out\": 2}").await;
    assert_eq!(connection.result().await.2, Ok("{\"out\": 2}".to_owned()));
}

#[tokio::test]
async fn statuses_and_broken_connections_have_their_names() {
    let (mut fake, url) = listen().await;
    let (listener, port) = endpoint().await;
    let activity = format!(
        "name = \"a\"\noutput_bytes_max = 10\nhttp = {{ url = \"http://127.0.0.1:{port}\" }}\n"
    );
    let (_child, _folder) = started(&url, &activity);
    let mut connection = fake.welcomed().await;
    let failure = |text: &str| Err(text.to_owned());
    let cases = [
        ("204 No Content", "", Ok("null".to_owned())),
        ("201 Created", "text", Ok("\"text\"".to_owned())),
        (
            "404 Not Found",
            "no such thing",
            failure("Http.StatusCode.404: no such thing"),
        ),
        (
            "503 Service Unavailable",
            "",
            failure("Http.StatusCode.503: Service Unavailable"),
        ),
        ("302 Found", "", failure("Http.StatusCode.302: Found")),
        (
            "500 X",
            "{\"Error\": \"Mine\", \"Cause\": \"c\"}",
            failure("Mine: c"),
        ),
        (
            "200 OK",
            "\"0123456789\"",
            failure("OutputTooLarge: the output is larger than 10 bytes"),
        ),
    ];
    for (number, (status, body, expect)) in (1..).zip(cases) {
        connection
            .push(number, &[(&format!("t{number}"), "1")])
            .await;
        let (mut stream, _, _) = next(&listener).await;
        answer(&mut stream, status, body).await;
        assert_eq!(connection.result().await.2, expect, "{status}");
    }
    connection.push(8, &[("t8", "1")]).await;
    drop(next(&listener).await);
    let broken = connection.result().await.2.unwrap_err();
    assert!(
        broken.starts_with("Http.Socket: the connection broke before the answer"),
        "{broken}"
    );
    drop(listener);
    connection.push(9, &[("t9", "1")]).await;
    let refused = connection.result().await.2.unwrap_err();
    assert!(
        refused.starts_with("Http.Socket: the endpoint cannot be connected to"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_cancelled_task_closes_its_request() {
    let (mut fake, url) = listen().await;
    let (listener, port) = endpoint().await;
    let activity = format!("name = \"a\"\nhttp = {{ url = \"http://127.0.0.1:{port}\" }}\n");
    let (_child, _folder) = started(&url, &activity);
    let connection = fake.welcomed().await;
    connection.push(1, &[("t1", "1")]).await;
    let (mut stream, _, _) = next(&listener).await;
    connection.cancel("t1").await;
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "the worker closes");
}

#[tokio::test]
async fn an_endpoint_beyond_its_time_fails_the_task() {
    let (mut fake, url) = listen().await;
    let (listener, port) = endpoint().await;
    let activity = format!(
        "name = \"a\"\ntimeout_seconds = 1\nhttp = {{ url = \"http://127.0.0.1:{port}\" }}\n"
    );
    let (_child, _folder) = started(&url, &activity);
    let mut connection = fake.welcomed().await;
    connection.push(1, &[("t1", "1")]).await;
    let (_stream, _, _) = next(&listener).await;
    assert_eq!(
        connection.result().await.2,
        Err("Http.TimedOut: not done after 1 s".to_owned())
    );
}

#[tokio::test]
async fn an_accepted_task_keeps_its_slot_until_it_is_over_and_sends_no_heartbeats() {
    let (mut fake, url) = listen().await;
    let (listener, port) = endpoint().await;
    let activity = format!(
        "name = \"a\"\nhttp = {{ url = \"http://127.0.0.1:{port}\", answer = \"callback\" }}\n"
    );
    let (_child, _folder) = started(&url, &activity);
    let mut connection = fake.welcomed().await;
    let push = |number, token: &str| stepfleet_sdk::api::Push {
        number,
        task_token: token.to_owned(),
        input: "1".to_owned(),
        heartbeat_seconds: 1,
        ..Default::default()
    };
    connection.pushes(vec![push(1, "t1")]).await;
    let (mut stream, head, _) = next(&listener).await;
    assert!(
        head.lines().any(|line| line == "stepfleet-task-token: t1"),
        "{head}"
    );
    assert!(
        head.lines()
            .any(|line| line == "stepfleet-heartbeat-seconds: 1"),
        "{head}"
    );
    answer(&mut stream, "202 Accepted", "").await;
    connection.pushes(vec![push(2, "t2")]).await;
    // The second waits in the worker, which says that it is alive; the first is the endpoint's.
    for _ in 0..3 {
        assert_eq!(connection.heartbeat().await.0, "t2");
    }
    connection.cancel("t1").await;
    let (mut stream, _, _) = next(&listener).await;
    answer(&mut stream, "200 OK", "").await;
    assert_eq!(
        connection.result().await.2,
        Err("Http.StatusCode.200: OK".to_owned())
    );
}

#[tokio::test]
async fn endpoints_are_believed_by_certificates_that_are_named() {
    let (mut fake, url) = listen().await;
    let (listener, port) = endpoint().await;
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, certificate.pem()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let activity = format!(
        "name = \"a\"\nhttp = {{ url = \"https://localhost:{port}\", ca_file = {:?} }}\n\
         [[activity]]\nname = \"b\"\nhttp = {{ url = \"https://localhost:{port}\" }}\n",
        file.path()
    );
    let (_child, _folder) = started(&url, &activity);
    let mut connection = fake.welcomed().await;
    connection.push(1, &[("t1", "1")]).await;
    let (stream, _) = listener.accept().await.unwrap();
    let mut stream = acceptor.accept(stream).await.unwrap();
    assert_eq!(request(&mut stream).await.1, "1");
    answer(&mut stream, "200 OK", "2").await;
    assert_eq!(connection.result().await.2, Ok("2".to_owned()));

    let other = stepfleet_sdk::api::Push {
        number: 2,
        activity: 1,
        task_token: "t2".to_owned(),
        input: "1".to_owned(),
        ..Default::default()
    };
    connection.pushes(vec![other]).await;
    let (stream, _) = listener.accept().await.unwrap();
    assert!(
        acceptor.accept(stream).await.is_err(),
        "nobody vouches for it"
    );
    let error = connection.result().await.2.unwrap_err();
    assert!(
        error.starts_with("Http.Socket: the endpoint cannot be connected to"),
        "{error}"
    );
}
