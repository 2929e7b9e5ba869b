//! The edge over real sockets: TLS, client certificates and API keys, slow and hostile clients, shutdown.

use std::path::PathBuf;
use std::sync::Arc;

use axum::routing::get;
use axum::{Extension, Router};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use stepfleet_proto::v1::GetStatusRequest;
use stepfleet_proto::v1::admin_service_client::AdminServiceClient;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt as _;

use super::listener::Outcome;
use super::*;
use crate::config::{ApiKey, ClientAuth, Rights};
use crate::http::Readiness;
use crate::service::api::Caller;

/// SHA-256 of `foo`.
const FOO: &str = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
const GET_WHO: &str = "GET /who HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/// Certificates of one authority, as files and as texts.
struct Pki {
    folder: TempDir,
    authority: String,
    client: (String, String),
}

impl Pki {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let leaf = |name: SanType| {
            let mut params = CertificateParams::default();
            params.subject_alt_names = vec![name];
            let key = KeyPair::generate().unwrap();
            (
                params.signed_by(&key, &authority).unwrap().pem(),
                key.serialize_pem(),
            )
        };
        let server = leaf(SanType::DnsName("localhost".try_into().unwrap()));
        let client = leaf(SanType::URI(
            "spiffe://example.org/worker".try_into().unwrap(),
        ));
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("ca.crt", authority.pem()),
            ("server.crt", server.0),
            ("server.key", server.1),
            ("other.key", KeyPair::generate().unwrap().serialize_pem()),
            ("empty.pem", String::new()),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Self {
            authority: authority.pem(),
            folder,
            client,
        }
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        Some(self.folder.path().join(name))
    }

    fn settings(&self, client_auth: ClientAuth) -> crate::config::Tls {
        crate::config::Tls {
            certificate: self.path("server.crt"),
            key: self.path("server.key"),
            client_ca: if client_auth == ClientAuth::None {
                None
            } else {
                self.path("ca.crt")
            },
            client_auth,
        }
    }

    /// A client's connection.
    async fn connect(
        &self,
        address: SocketAddr,
        certificate: bool,
    ) -> std::io::Result<impl Talk + use<>> {
        use rustls::pki_types::pem::PemObject as _;
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(
                rustls::pki_types::CertificateDer::from_pem_slice(self.authority.as_bytes())
                    .unwrap(),
            )
            .unwrap();
        let builder = rustls::ClientConfig::builder().with_root_certificates(roots);
        let config = if certificate {
            let chain = vec![
                rustls::pki_types::CertificateDer::from_pem_slice(self.client.0.as_bytes())
                    .unwrap(),
            ];
            let key =
                rustls::pki_types::PrivateKeyDer::from_pem_slice(self.client.1.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        } else {
            builder.with_no_client_auth()
        };
        let stream = TcpStream::connect(address).await?;
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        connector
            .connect("localhost".try_into().unwrap(), stream)
            .await
    }

    async fn channel(
        &self,
        address: SocketAddr,
        certificate: bool,
    ) -> Result<Channel, tonic::transport::Error> {
        let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&self.authority));
        if certificate {
            tls = tls.identity(Identity::from_pem(&self.client.0, &self.client.1));
        }
        Endpoint::from_shared(format!("https://localhost:{}", address.port()))
            .unwrap()
            .tls_config(tls)?
            .connect()
            .await
    }
}

trait Talk: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> Talk for T {}

/// Sends a text and reads until the other side closes.
async fn talk(mut stream: impl Talk, text: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A server that closes at once may reset the connection; what came before counts.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

struct Server {
    address: SocketAddr,
    shutdown: CancellationToken,
    /// The one task of `serve`.
    task: JoinSet<Outcome>,
    metrics: Metrics,
}

impl Server {
    async fn stop(mut self) -> Outcome {
        self.shutdown.cancel();
        self.task.join_next().await.unwrap().unwrap()
    }
}

async fn start(config: Config, extra: Router) -> Server {
    let metrics = Metrics::default();
    let web = crate::http::router(Readiness::new(), metrics.clone())
        .route(
            "/who",
            get(|Extension(caller): Extension<Caller>| async move { caller.principal.to_string() }),
        )
        .merge(extra);
    let (_reporter, health) = tonic_health::server::health_reporter();
    let grpc = tonic::service::Routes::new(health).into_axum_router();
    let router = crate::face::testing::judging(dispatch(grpc, web), &config);
    let mut options = Options::new(&config, metrics.clone()).unwrap();
    options.grace = Duration::from_secs(5);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let mut task = JoinSet::new();
    task.spawn(serve(listener, router, options, shutdown.clone()));
    Server {
        address,
        shutdown,
        task,
        metrics,
    }
}

fn keyed(config: &mut Config) {
    config.auth.keys = vec![ApiKey {
        name: "foo-key".to_owned(),
        sha256: FOO.to_owned(),
        rights: Rights {
            policies: vec!["administrator".to_owned()],
            namespace: None,
        },
    }];
}

fn with_authorization(request: &str, value: &str) -> String {
    request.replacen("\r\n", &format!("\r\nauthorization: {value}\r\n"), 1)
}

async fn plain(server: &Server, text: &str) -> String {
    talk(TcpStream::connect(server.address).await.unwrap(), text).await
}

async fn health(channel: Channel) -> Result<i32, tonic::Status> {
    let request = HealthCheckRequest {
        service: String::new(),
    };
    HealthClient::new(channel)
        .check(request)
        .await
        .map(|response| response.into_inner().status)
}

#[tokio::test]
async fn one_port_speaks_http1_and_grpc() {
    let server = start(Config::default(), Router::new()).await;
    let answer = plain(
        &server,
        "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("This is Stepfleet"),
        "{answer}"
    );
    assert!(plain(&server, GET_WHO).await.ends_with("anonymous"));
    let channel = Endpoint::from_shared(format!("http://{}", server.address))
        .unwrap()
        .connect()
        .await
        .unwrap();
    assert_eq!(health(channel).await.unwrap(), 1);
    assert_eq!(server.stop().await, Outcome { cut: 0 });
}

#[tokio::test]
async fn an_unknown_grpc_method_is_unimplemented_and_an_unknown_path_is_not_found() {
    let server = start(Config::default(), Router::new()).await;
    let channel = Endpoint::from_shared(format!("http://{}", server.address))
        .unwrap()
        .connect()
        .await
        .unwrap();
    let answer = AdminServiceClient::new(channel)
        .get_status(GetStatusRequest {})
        .await;
    assert_eq!(answer.unwrap_err().code(), tonic::Code::Unimplemented);
    let answer = plain(&server, &GET_WHO.replace("/who", "/nothing")).await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

#[tokio::test]
async fn tls_carries_both_protocols() {
    let pki = Pki::new();
    let config = Config {
        tls: pki.settings(ClientAuth::None),
        ..Config::default()
    };
    let server = start(config, Router::new()).await;
    let stream = pki.connect(server.address, false).await.unwrap();
    assert!(talk(stream, GET_WHO).await.ends_with("anonymous"));
    let channel = pki.channel(server.address, false).await.unwrap();
    assert_eq!(health(channel).await.unwrap(), 1);
    let answer = plain(&server, GET_WHO).await;
    assert!(
        !answer.contains("200"),
        "plain text on a TLS port: {answer}"
    );
}

#[tokio::test]
async fn a_required_client_certificate_is_the_principal() {
    let pki = Pki::new();
    let config = Config {
        tls: pki.settings(ClientAuth::Required),
        ..Config::default()
    };
    let server = start(config, Router::new()).await;
    let stream = pki.connect(server.address, true).await.unwrap();
    assert!(
        talk(stream, GET_WHO)
            .await
            .ends_with("spiffe://example.org/worker")
    );
    assert_eq!(
        health(pki.channel(server.address, true).await.unwrap())
            .await
            .unwrap(),
        1
    );
    // TLS 1.3 tells a client without a certificate only after the handshake.
    if let Ok(stream) = pki.connect(server.address, false).await {
        assert_eq!(talk(stream, GET_WHO).await, "");
    }
}

#[tokio::test]
async fn an_optional_client_certificate_leaves_api_keys_as_the_other_way() {
    let pki = Pki::new();
    let mut config = Config {
        tls: pki.settings(ClientAuth::Optional),
        ..Config::default()
    };
    keyed(&mut config);
    let server = start(config, Router::new()).await;
    let with_key = with_authorization(GET_WHO, "Bearer foo");
    for (certificate, text, expect) in [
        (true, GET_WHO, "spiffe://example.org/worker"),
        (false, with_key.as_str(), "foo-key"),
        (false, GET_WHO, "client certificate\n"),
    ] {
        let stream = pki.connect(server.address, certificate).await.unwrap();
        let answer = talk(stream, text).await;
        assert!(answer.ends_with(expect), "{certificate} {text}: {answer}");
    }
}

#[tokio::test]
async fn without_credentials_only_the_health_checks_answer() {
    let mut config = Config::default();
    keyed(&mut config);
    let server = start(config, Router::new()).await;
    for (path, status) in [
        ("/livez", 200),
        ("/readyz", 503),
        ("/metrics", 401),
        ("/", 401),
        ("/who", 401),
    ] {
        let answer = plain(&server, &GET_WHO.replace("/who", path)).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{path}: {answer}"
        );
    }
    let answer = plain(
        &server,
        &with_authorization(&GET_WHO.replace("/who", "/metrics"), "Bearer foo"),
    )
    .await;
    assert!(answer.ends_with("# EOF\n"), "{answer}");
    let channel = Endpoint::from_shared(format!("http://{}", server.address))
        .unwrap()
        .connect()
        .await
        .unwrap();
    assert_eq!(health(channel.clone()).await.unwrap(), 1);
    let refusal = AdminServiceClient::new(channel)
        .get_status(GetStatusRequest {})
        .await
        .unwrap_err();
    assert_eq!(refusal.code(), tonic::Code::Unauthenticated);
    let details = refusal.get_error_details();
    assert_eq!(
        details.error_info().unwrap().reason,
        "MissingAuthenticationTokenException"
    );
}

#[tokio::test]
async fn a_presigned_request_is_refused_with_or_without_keys() {
    let mut keys = Config::default();
    keyed(&mut keys);
    for config in [Config::default(), keys] {
        let server = start(config, Router::new()).await;
        let text = "POST /?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00 HTTP/1.1\r\nhost: x\r\n\
                    connection: close\r\ncontent-length: 0\r\n\r\n";
        let answer = plain(&server, text).await;
        assert!(
            answer.starts_with("HTTP/1.1 403") && answer.contains("IncompleteSignature"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_refused_aws_request_gets_an_aws_error_before_its_body_is_read() {
    let mut config = Config::default();
    keyed(&mut config);
    let server = start(config, Router::new()).await;
    let signature = "AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/states/aws4_request, SignedHeaders=host, \
                     Signature=00";
    for (authorization, code) in [
        ("Basic x", "MissingAuthenticationTokenException"),
        ("Bearer bar", "UnrecognizedClientException"),
        (signature, "UnrecognizedClientException"),
        ("AWS4-HMAC-SHA256 nothing", "IncompleteSignature"),
    ] {
        // The announced body never comes.
        let text = format!(
            "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 100000\r\n\
             authorization: {authorization}\r\n\r\n"
        );
        let answer = plain(&server, &text).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
        assert!(
            answer.contains(&format!("x-amzn-errortype: {code}")),
            "{answer}"
        );
        assert!(
            answer.contains(&format!(r#"{{"__type":"{code}","message":""#)),
            "{answer}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn silent_and_slow_clients_are_cut() {
    let server = start(Config::default(), Router::new()).await;
    for text in [
        "",
        "PRI * HTTP/2.0\r\n",
        "G",
        "GET /livez HTTP/1.1\r\nhost: x\r\nx-slow: ",
    ] {
        // Nothing more is sent: the clock runs on until a limit ends the connection.
        let answer = plain(&server, text).await;
        assert!(!answer.contains("200"), "{text}: {answer}");
    }
}

#[tokio::test]
async fn garbage_is_answered_with_an_error_or_not_at_all() {
    let server = start(Config::default(), Router::new()).await;
    let long_header = format!(
        "GET /livez HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n",
        "a".repeat(80 << 10)
    );
    let many_headers = format!(
        "GET /livez HTTP/1.1\r\nhost: x\r\n{}\r\n",
        "x-many: 1\r\n".repeat(200)
    );
    for text in [
        "\u{0}\u{1}\u{2} garbage \r\n\r\n",
        "GET /livez HTTP/9.9\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnot a settings frame at all, surely",
        &long_header,
        &many_headers,
    ] {
        let answer = plain(&server, text).await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }
    assert!(
        plain(&server, GET_WHO).await.ends_with("anonymous"),
        "others are not disturbed"
    );
}

/// A route that answers when it is told to, and says when it was asked.
fn held(asked: &Arc<Notify>, go: &Arc<Notify>) -> Router {
    let (asked, go) = (Arc::clone(asked), Arc::clone(go));
    Router::new().route(
        "/held",
        get(move || async move {
            asked.notify_one();
            go.notified().await;
            "done"
        }),
    )
}

#[tokio::test]
async fn a_shutdown_lets_requests_in_flight_finish_and_refuses_new_clients() {
    let (asked, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let server = start(Config::default(), held(&asked, &go)).await;
    let idle = TcpStream::connect(server.address).await.unwrap();
    let stream = TcpStream::connect(server.address).await.unwrap();
    let text = GET_WHO
        .replace("/who", "/held")
        .replace("connection: close\r\n", "");
    let address = server.address;
    let (answer, outcome) = tokio::join!(talk(stream, &text), async {
        asked.notified().await;
        let release = async {
            // The listener is gone as soon as the idle connection is closed.
            assert_eq!(talk(idle, "").await, "");
            assert!(TcpStream::connect(address).await.is_err());
            go.notify_one();
        };
        tokio::join!(server.stop(), release).0
    });
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("done"),
        "{answer}"
    );
    assert_eq!(outcome, Outcome { cut: 0 });
}

#[tokio::test(start_paused = true)]
async fn what_outlasts_the_grace_period_is_cut() {
    let (asked, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let server = start(Config::default(), held(&asked, &go)).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let text = with_held_path();
    let (answer, outcome) = tokio::join!(talk(stream, &text), async {
        asked.notified().await;
        server.stop().await
    });
    assert_eq!((answer.as_str(), outcome), ("", Outcome { cut: 1 }));
}

#[tokio::test]
async fn connections_above_the_bound_wait_their_turn() {
    let mut config = Config::default();
    config.limits.connections_max = 1;
    let (asked, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let server = start(config, held(&asked, &go)).await;
    let text = with_held_path();
    let first = plain(&server, &text);
    let second = async {
        asked.notified().await;
        let second = plain(&server, GET_WHO);
        tokio::pin!(second);
        // The second client's connection is in the listen queue; nobody answers it while the first is open.
        assert!(futures::poll!(&mut second).is_pending());
        assert!(server.metrics.render().contains("stepfleet_connections 1"));
        go.notify_one();
        second.await
    };
    let (first, second) = tokio::join!(first, second);
    assert!(
        first.ends_with("done") && second.ends_with("anonymous"),
        "{first} {second}"
    );
}

fn with_held_path() -> String {
    GET_WHO.replace("/who", "/held")
}

#[test]
fn broken_tls_files_are_named() {
    let pki = Pki::new();
    let sound = || pki.settings(ClientAuth::Required);
    assert!(Tls::load(&sound()).unwrap().is_some());
    assert!(Tls::load(&crate::config::Tls::default()).unwrap().is_none());
    let cases: [(&str, &str, crate::config::Tls); 7] = [
        (
            "tls.certificate",
            "missing.crt",
            crate::config::Tls {
                certificate: pki.path("missing.crt"),
                ..sound()
            },
        ),
        (
            "tls.key",
            "missing.key",
            crate::config::Tls {
                key: pki.path("missing.key"),
                ..sound()
            },
        ),
        (
            "tls.client_ca",
            "missing.ca",
            crate::config::Tls {
                client_ca: pki.path("missing.ca"),
                ..sound()
            },
        ),
        (
            "no certificate",
            "empty.pem",
            crate::config::Tls {
                certificate: pki.path("empty.pem"),
                ..sound()
            },
        ),
        (
            "no private key",
            "server.crt",
            crate::config::Tls {
                key: pki.path("server.crt"),
                ..sound()
            },
        ),
        (
            "no certificate",
            "server.key",
            crate::config::Tls {
                client_ca: pki.path("server.key"),
                ..sound()
            },
        ),
        (
            "do not belong together",
            "other.key",
            crate::config::Tls {
                key: pki.path("other.key"),
                ..sound()
            },
        ),
    ];
    for (part, file, settings) in cases {
        let text = Tls::load(&settings).unwrap_err().to_string();
        assert!(text.contains(part) && text.contains(file), "{text}");
    }
}
