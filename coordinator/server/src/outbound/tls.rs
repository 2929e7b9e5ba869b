//! Whom endpoints are believed by: the system's certificates and those of the configuration, or a connection's own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::config::outbound::ConnectionTls;

/// Why there is no TLS to endpoints.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub(crate) struct TlsFault {
    path: PathBuf,
    reason: String,
}

/// The certificates of the configuration, which are believed beside those of the system.
pub(super) fn configured(ca: Option<&Path>) -> Result<RootCertStore, TlsFault> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca {
        add(&mut roots, path)?;
    }
    Ok(roots)
}

/// Believes whom the system believes, and the certificates that are named.
///
/// # Errors
/// They cannot be read.
pub(crate) fn tls(ca: Option<&Path>) -> Result<ClientConfig, TlsFault> {
    Ok(public(&configured(ca)?))
}

/// For endpoints without settings of their own.
pub(super) fn public(configured: &RootCertStore) -> ClientConfig {
    builder(public_roots(configured)).with_no_client_auth()
}

/// For the endpoints of a connection.
pub(super) fn of_connection(
    configured: &RootCertStore,
    settings: &ConnectionTls,
) -> Result<ClientConfig, TlsFault> {
    let roots = match &settings.ca {
        Some(path) => {
            let mut roots = RootCertStore::empty();
            add(&mut roots, path)?;
            roots
        }
        None => public_roots(configured),
    };
    let builder = builder(roots);
    let (Some(certificate), Some(key)) = (&settings.certificate, &settings.key) else {
        return Ok(builder.with_no_client_auth());
    };
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, &error))?;
    let chain = certificates(certificate)?;
    builder
        .with_client_auth_cert(chain, private)
        .map_err(|error| fault(certificate, error.to_string()))
}

fn builder(
    roots: RootCertStore,
) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has the default protocol versions")
        .with_root_certificates(roots)
}

fn public_roots(configured: &RootCertStore) -> RootCertStore {
    let mut roots = configured.clone();
    let native = rustls_native_certs::load_native_certs();
    let (added, _not_understood) = roots.add_parsable_certificates(native.certs);
    if added == 0 && configured.is_empty() {
        tracing::warn!(
            "the system has no certificates to believe: HTTPS endpoints fail until they are installed or http.ca names some"
        );
    }
    roots
}

fn add(roots: &mut RootCertStore, path: &Path) -> Result<(), TlsFault> {
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| fault(path, error.to_string()))?;
    }
    Ok(())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(|error| unreadable(path, &error))?
        .collect::<Result<_, _>>()
        .map_err(|error| unreadable(path, &error))?;
    if found.is_empty() {
        return Err(fault(path, "it has no certificate in PEM form".to_owned()));
    }
    Ok(found)
}

fn unreadable(path: &Path, error: &pem::Error) -> TlsFault {
    fault(path, format!("cannot be read: {error}"))
}

fn fault(path: &Path, reason: String) -> TlsFault {
    TlsFault {
        path: path.to_owned(),
        reason,
    }
}
