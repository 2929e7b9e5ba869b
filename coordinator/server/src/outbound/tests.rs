//! Requests to an endpoint that answers well, badly, slowly or not at all; and those that are not made.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use super::address::Refused;
use super::testing::{Endpoint, Pki, Received, Reply, open};
use super::{Answer, Bounds, Client, Outbound, Trouble};
use crate::config::outbound::{ConnectionTls, Http};

const BOUNDS: Bounds = Bounds {
    timeout: Duration::from_secs(20),
    bytes_max: 1000,
};

fn get(url: &str) -> Request<Full<Bytes>> {
    Request::get(url).body(Full::default()).unwrap()
}

async fn call(http: &Http, url: &str) -> Result<Answer, Trouble> {
    let outbound = Outbound::new(http).unwrap();
    outbound.exchange(None, get(url), BOUNDS).await
}

fn hello(_: &Received) -> Reply {
    Reply::of("200 Fine", "text/plain", "hello")
}

#[tokio::test]
async fn an_answer_has_its_own_status_text_and_connections_are_used_again() {
    let endpoint = Endpoint::new(hello).await;
    let outbound = Outbound::new(&open()).unwrap();
    for _ in 0..2 {
        let answer = outbound.exchange(None, get(&endpoint.url), BOUNDS).await;
        let answer = answer.unwrap();
        assert_eq!((answer.status.as_u16(), &*answer.reason), (200, "Fine"));
        assert_eq!((&answer.body[..], answer.cut), (&b"hello"[..], false));
    }
    let connections = endpoint.received();
    let connections: Vec<_> = connections.iter().map(|one| one.connection).collect();
    assert_eq!(connections, [1, 1]);
}

#[tokio::test]
async fn of_a_large_body_a_bounded_part_is_read() {
    let body = "x".repeat(1001);
    let endpoint = Endpoint::new(move |_| Reply::of("200 OK", "text/plain", &body)).await;
    let answer = call(&open(), &endpoint.url).await.unwrap();
    assert_eq!((answer.body.len(), answer.cut), (1000, true));
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let redirect = "HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n";
    let endpoint = Endpoint::new(|_| Reply::Bytes(redirect.into())).await;
    let answer = call(&open(), &endpoint.url).await.unwrap();
    assert_eq!(answer.status.as_u16(), 302);
    assert_eq!(endpoint.received().len(), 1);
}

#[tokio::test]
async fn what_breaks_or_hangs_is_told_as_that() {
    let broken = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhal";
    for (reply, expect) in [
        (
            Reply::Last(Vec::new()),
            "The connection broke before the answer",
        ),
        (
            Reply::Last(broken.into()),
            "The connection broke within the answer",
        ),
        (
            Reply::Last(b"SSH-2.0\r\n\r\n".into()),
            "The connection broke before the answer",
        ),
        (Reply::Hang, "The request took longer than 0 seconds."),
    ] {
        let shown = format!("{reply:?}");
        let endpoint = Endpoint::new(move |_| reply.clone()).await;
        let outbound = Outbound::new(&open()).unwrap();
        let bounds = Bounds {
            timeout: Duration::from_millis(500),
            ..BOUNDS
        };
        let trouble = outbound.exchange(None, get(&endpoint.url), bounds).await;
        let trouble = trouble.unwrap_err().to_string();
        assert!(trouble.starts_with(expect), "{shown}: {trouble}");
    }
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let refused = call(&open(), &format!("http://{address}")).await;
    let text = refused.unwrap_err().to_string();
    assert!(
        text.starts_with("The host cannot be connected to"),
        "{text}"
    );
    let unknown = call(&open(), "http://does-not-exist.invalid/").await;
    let text = unknown.unwrap_err().to_string();
    assert!(text.starts_with("The host cannot be resolved"), "{text}");
}

#[tokio::test]
async fn private_addresses_are_not_called_however_they_are_named() {
    let endpoint = Endpoint::new(hello).await;
    let port = endpoint.url.rsplit(':').next().unwrap();
    let http = Http {
        plain: true,
        ..Http::default()
    };
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "0.0.0.0",
        // As the C library reads them.
        "127.1",
        "2130706433",
        "0x7f000001",
        "169.254.169.254",
        "[64:ff9b::7f00:1]",
    ] {
        let trouble = call(&http, &format!("http://{host}:{port}/")).await;
        let is_private = matches!(&trouble, Err(Trouble::Refused(Refused::Private)));
        assert!(is_private, "{host}: {trouble:?}");
    }
    assert!(endpoint.received().is_empty());
    let exception = Http {
        allow_addresses: vec!["127.0.0.1/32".parse().unwrap()],
        ..http
    };
    let answer = call(&exception, &format!("http://127.0.0.1:{port}/")).await;
    assert_eq!(answer.unwrap().status.as_u16(), 200);
}

#[tokio::test]
async fn hosts_and_schemes_are_judged_before_anything_is_resolved() {
    let strict = Http {
        deny_hosts: vec!["*.internal".to_owned()],
        ..Http::default()
    };
    for (url, expect) in [
        ("http://example.invalid/", Refused::Plain),
        ("https://a.internal/", Refused::Host),
    ] {
        let trouble = call(&strict, url).await;
        let is_expected = matches!(&trouble, Err(Trouble::Refused(refused)) if *refused == expect);
        assert!(is_expected, "{url}: {trouble:?}");
    }
}

#[tokio::test]
async fn an_endpoint_must_show_a_certificate_that_is_believed() {
    let pki = Pki::new();
    let endpoint = Endpoint::with_tls(pki.acceptor(false), hello).await;
    let stranger = call(&open(), &endpoint.url).await.unwrap_err();
    assert!(matches!(stranger, Trouble::Socket(_)), "{stranger:?}");
    assert!(stranger.to_string().contains("certificate"), "{stranger}");
    let known = Http {
        ca: Some(pki.path("ca.crt")),
        ..open()
    };
    assert!(call(&known, &endpoint.url).await.is_ok());
    // The certificate is for the name.
    let by_address = endpoint.url.replace("localhost", "127.0.0.1");
    assert!(call(&known, &by_address).await.is_err());
}

#[tokio::test]
async fn a_connection_shows_its_client_certificate() {
    let pki = Pki::new();
    let endpoint = Endpoint::with_tls(pki.acceptor(true), hello).await;
    let outbound = Outbound::new(&open()).unwrap();
    let client = |certificate: bool| -> Client {
        let shown = |name: &str| certificate.then(|| pki.path(name));
        let settings = ConnectionTls {
            ca: Some(pki.path("ca.crt")),
            certificate: shown("client.crt"),
            key: shown("client.key"),
        };
        outbound.client_with(&settings).unwrap()
    };
    for (shown, served) in [(true, true), (false, false)] {
        let client = client(shown);
        let exchange = outbound.exchange(Some(&client), get(&endpoint.url), BOUNDS);
        assert_eq!(exchange.await.is_ok(), served);
    }
}

#[tokio::test]
async fn once_drained_no_request_begins() {
    let endpoint = Endpoint::new(hello).await;
    let outbound = Outbound::new(&open()).unwrap();
    outbound.drained().await;
    let late = outbound.exchange(None, get(&endpoint.url), BOUNDS);
    let begun = tokio::time::timeout(Duration::from_millis(50), late).await;
    assert!(begun.is_err() && endpoint.received().is_empty());
}
