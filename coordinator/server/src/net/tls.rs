//! TLS of the listener: PEM files in, a rustls acceptor out, with every fault told by file name. Client certificates
//! are verified here, in the handshake, and nowhere else.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::config::{self, ClientAuth};

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// A file is missing, unreadable or not PEM.
    #[error("{setting}: cannot read {}: {reason}", path.display())]
    File {
        setting: &'static str,
        path: PathBuf,
        reason: String,
    },
    /// A file has nothing of what it is for.
    #[error("{setting}: {} has no {what} in PEM form", path.display())]
    Empty {
        setting: &'static str,
        path: PathBuf,
        what: &'static str,
    },
    /// Certificate and key do not belong together, or are of no supported kind.
    #[error("tls.certificate {} and tls.key {} cannot be used: {reason}", certificate.display(), key.display())]
    Pair {
        certificate: PathBuf,
        key: PathBuf,
        reason: String,
    },
    /// The client CA holds nothing that can be believed.
    #[error("tls.client_ca {} cannot be used: {reason}", path.display())]
    ClientCa { path: PathBuf, reason: String },
}

/// What the listener needs for a handshake. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// Reads the files of a checked configuration; `None` when TLS is not configured.
    ///
    /// # Errors
    /// A file is missing, unreadable or empty, or certificate and key do not match.
    pub(crate) fn load(settings: &config::Tls) -> Result<Option<Self>, TlsError> {
        let (Some(certificate), Some(key)) = (&settings.certificate, &settings.key) else {
            return Ok(None);
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let pair = |error: rustls::Error| TlsError::Pair {
            certificate: certificate.clone(),
            key: key.clone(),
            reason: if matches!(error, rustls::Error::InconsistentKeys(_)) {
                "they do not belong together".to_owned()
            } else {
                error.to_string()
            },
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(pair)?;
        let builder = match client_verifier(settings, provider)? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let chain = certificates("tls.certificate", certificate)?;
        let mut server = builder
            .with_single_cert(chain, private_key(key)?)
            .map_err(pair)?;
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Some(Self {
            acceptor: TlsAcceptor::from(Arc::new(server)),
        }))
    }

    pub(super) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }
}

fn client_verifier(
    settings: &config::Tls,
    provider: Arc<rustls::crypto::CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
    let (Some(path), ClientAuth::Optional | ClientAuth::Required) =
        (&settings.client_ca, settings.client_auth)
    else {
        return Ok(None);
    };
    let refuse = |reason: String| TlsError::ClientCa {
        path: path.clone(),
        reason,
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates("tls.client_ca", path)? {
        roots
            .add(certificate)
            .map_err(|error| refuse(error.to_string()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = match settings.client_auth {
        ClientAuth::None | ClientAuth::Required => builder,
        ClientAuth::Optional => builder.allow_unauthenticated(),
    };
    builder
        .build()
        .map(Some)
        .map_err(|error| refuse(error.to_string()))
}

fn certificates(
    setting: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |error: pem::Error| file_error(setting, path, &error);
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(unreadable)?
        .collect::<Result<_, _>>()
        .map_err(unreadable)?;
    if found.is_empty() {
        return Err(TlsError::Empty {
            setting,
            path: path.to_owned(),
            what: "certificate",
        });
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| {
        if matches!(error, pem::Error::NoItemsFound) {
            TlsError::Empty {
                setting: "tls.key",
                path: path.to_owned(),
                what: "private key",
            }
        } else {
            file_error("tls.key", path, &error)
        }
    })
}

fn file_error(setting: &'static str, path: &Path, error: &pem::Error) -> TlsError {
    // An I/O error's own text has no prefix of the PEM reader.
    let reason = if let pem::Error::Io(error) = error {
        error.to_string()
    } else {
        error.to_string()
    };
    TlsError::File {
        setting,
        path: path.to_owned(),
        reason,
    }
}
