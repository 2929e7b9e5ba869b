//! An HTTP endpoint on a port of its own, for tests: it answers bytes as they are, so that it can be as wrong as it likes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::config::outbound::Http;

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received {
    /// `GET /path HTTP/1.1`
    pub line: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// Which connection it came by.
    pub connection: usize,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(other, _)| other == name)?;
        Some(&found.1)
    }
}

/// What the endpoint does.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Bytes(Vec<u8>),
    /// These bytes, and the connection ends.
    Last(Vec<u8>),
    /// Nothing, until the client goes.
    Hang,
}

impl Reply {
    pub(crate) fn of(status: &str, kind: &str, body: &str) -> Self {
        Self::bytes(status, kind, body.as_bytes())
    }

    pub(crate) fn bytes(status: &str, kind: &str, body: &[u8]) -> Self {
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        Self::Bytes([head.as_bytes(), body].concat())
    }
}

/// A running endpoint.
pub(crate) struct Endpoint {
    pub url: String,
    received: Arc<Mutex<Vec<Received>>>,
    /// Cancelled when a client left a request that was not answered.
    pub left: CancellationToken,
}

type Handler = Arc<dyn Fn(&Received) -> Reply + Send + Sync>;

impl Endpoint {
    pub(crate) async fn new(handler: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::serve("http://127.0.0.1", None, Arc::new(handler)).await
    }

    /// The same with TLS, for `localhost`.
    pub(crate) async fn with_tls(
        acceptor: TlsAcceptor,
        handler: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::serve("https://localhost", Some(acceptor), Arc::new(handler)).await
    }

    async fn serve(base: &str, acceptor: Option<TlsAcceptor>, handler: Handler) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let left = CancellationToken::new();
        let (all, token) = (received.clone(), left.clone());
        crate::task::spawn("endpoint", async move {
            let mut connection = 0;
            while let Ok((stream, _)) = listener.accept().await {
                connection += 1;
                let (all, left, handler) = (all.clone(), token.clone(), handler.clone());
                let acceptor = acceptor.clone();
                crate::task::spawn("endpoint's connection", async move {
                    match acceptor {
                        None => serve(stream, connection, &all, &handler, &left).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(stream, connection, &all, &handler, &left).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            url: format!("{base}:{port}"),
            received,
            left,
        }
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    connection: usize,
    all: &Mutex<Vec<Received>>,
    handler: &Handler,
    left: &CancellationToken,
) {
    let mut buffer = Vec::new();
    while let Some(mut received) = read(&mut stream, &mut buffer).await {
        received.connection = connection;
        all.lock().unwrap().push(received.clone());
        match handler(&received) {
            Reply::Bytes(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Reply::Last(bytes) => {
                let _gone = stream.write_all(&bytes).await;
                let _gone = stream.shutdown().await;
                return;
            }
            Reply::Hang => {
                let mut rest = [0; 1];
                let _end = stream.read(&mut rest).await;
                left.cancel();
                return;
            }
        }
    }
}

async fn read<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut Vec<u8>) -> Option<Received> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(buffer.drain(..end + 4).collect()).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let line = lines.next()?.to_owned();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let mut received = Received {
        line,
        headers: headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect(),
        ..Received::default()
    };
    let length = received.header("content-length").unwrap_or("0");
    let length: usize = length.parse().unwrap();
    while buffer.len() < length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    received.body = String::from_utf8(buffer.drain(..length).collect()).unwrap();
    Some(received)
}

/// Settings as `dev` has them.
pub(crate) fn open() -> Http {
    Http {
        private_addresses: true,
        plain: true,
        reveal_secrets: true,
        ..Http::default()
    }
}

/// An authority, with certificates for `localhost` and for a client.
pub(crate) struct Pki {
    folder: TempDir,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| {
            std::fs::write(folder.path().join(name), text).unwrap();
        };
        write("ca.crt", authority.pem());
        for leaf in ["server", "client"] {
            let mut params = CertificateParams::default();
            params.subject_alt_names = vec![SanType::DnsName("localhost".try_into().unwrap())];
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &authority).unwrap();
            write(&format!("{leaf}.crt"), certificate.pem());
            write(&format!("{leaf}.key"), key.serialize_pem());
        }
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A server's side. With `asks` it takes no client without a certificate of the authority.
    pub(crate) fn acceptor(&self, asks: bool) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap();
        let mut roots = rustls::RootCertStore::empty();
        let authority = CertificateDer::from_pem_file(self.path("ca.crt")).unwrap();
        roots.add(authority).unwrap();
        let builder = if asks {
            let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
                Arc::new(roots),
                provider,
            );
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let chain = vec![CertificateDer::from_pem_file(self.path("server.crt")).unwrap()];
        let key = PrivateKeyDer::from_pem_file(self.path("server.key")).unwrap();
        TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()))
    }
}
