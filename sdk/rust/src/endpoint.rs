//! Where the coordinator is and how to speak to it: URL, key, TLS, timeouts, keepalive, retries.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fmt, fs};

use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use crate::error::{Error, chain};

/// Where `stepfleet dev` listens.
pub const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:8083";

/// Places where Linux distributions keep the certificate authorities that they trust.
const SYSTEM_ROOTS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
];

/// Address and options of a coordinator.
///
/// ```no_run
/// # use std::time::Duration;
/// # async fn example() -> Result<(), stepfleet_sdk::Error> {
/// let endpoint = stepfleet_sdk::Endpoint::new("https://stepfleet.example:8083")
///     .api_key_file("/run/secrets/stepfleet")?
///     .ca_file("/etc/stepfleet/ca.pem")?
///     .request_timeout(Duration::from_secs(5));
/// let client = stepfleet_sdk::Client::connect(endpoint).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: String,
    api_key: Option<String>,
    roots: Option<Vec<u8>>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
    domain_name: Option<String>,
    user_agent: String,
    connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    keepalive_interval: Duration,
    keepalive_timeout: Duration,
    pub(crate) retries: u32,
}

impl Endpoint {
    /// A coordinator at a URL (`http://host:port` or `https://host:port`), with the defaults of every option.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            api_key: None,
            roots: None,
            identity: None,
            domain_name: None,
            user_agent: concat!("stepfleet-sdk-rust/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(30),
            keepalive_interval: Duration::from_secs(20),
            keepalive_timeout: Duration::from_secs(10),
            retries: 4,
        }
    }

    /// Reads `STEPFLEET_ENDPOINT` (default [`DEFAULT_ENDPOINT`]), `STEPFLEET_API_KEY` or `STEPFLEET_API_KEY_FILE`,
    /// `STEPFLEET_CA_FILE`, `STEPFLEET_CLIENT_CERT_FILE` with `STEPFLEET_CLIENT_KEY_FILE`.
    ///
    /// # Errors
    /// [`Error::Configuration`] when a named file cannot be read.
    pub fn from_env() -> Result<Self, Error> {
        let url = env_text("STEPFLEET_ENDPOINT").unwrap_or_else(|| DEFAULT_ENDPOINT.to_owned());
        Self::new(url).with_env()
    }

    /// The same, at this URL, with the key and the certificates that the environment names (see [`Self::from_env`]).
    ///
    /// # Errors
    /// [`Error::Configuration`] when a named file cannot be read.
    pub fn with_env(mut self) -> Result<Self, Error> {
        if let Some(key) = env_text("STEPFLEET_API_KEY") {
            self = self.api_key(key);
        } else if let Some(path) = env_text("STEPFLEET_API_KEY_FILE") {
            self = self.api_key_file(path)?;
        }
        if let Some(path) = env_text("STEPFLEET_CA_FILE") {
            self = self.ca_file(path)?;
        }
        let names = ["STEPFLEET_CLIENT_CERT_FILE", "STEPFLEET_CLIENT_KEY_FILE"];
        match names.map(env_text) {
            [Some(certificate), Some(key)] => self.client_identity_files(certificate, key),
            [None, None] => Ok(self),
            [Some(_), None] | [None, Some(_)] => Err(Error::Configuration(format!(
                "{} and {} belong together: only one of them is set",
                names[0], names[1]
            ))),
        }
    }

    /// The URL as it was given.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sends `authorization: Bearer <key>` with every call.
    #[must_use]
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// Like [`Self::api_key`], read from a file; white space around it is ignored.
    ///
    /// # Errors
    /// [`Error::Configuration`] when the file cannot be read or is empty.
    pub fn api_key_file(self, path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        let text = String::from_utf8(read(&path)?).map_err(|_| {
            Error::Configuration(format!("API key file {} is not text", path.display()))
        })?;
        match text.trim() {
            "" => Err(Error::Configuration(format!(
                "API key file {} is empty",
                path.display()
            ))),
            key => Ok(self.api_key(key)),
        }
    }

    /// Trusts the certificate authorities of this PEM text instead of those of the operating system.
    #[must_use]
    pub fn ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots = Some(pem.into());
        self
    }

    /// Like [`Self::ca_pem`], read from a file.
    ///
    /// # Errors
    /// [`Error::Configuration`] when the file cannot be read.
    pub fn ca_file(self, path: impl Into<PathBuf>) -> Result<Self, Error> {
        let pem = read(&path.into())?;
        Ok(self.ca_pem(pem))
    }

    /// Shows this certificate to the coordinator (mutual TLS); both are PEM texts.
    #[must_use]
    pub fn client_identity_pem(
        mut self,
        certificate: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.identity = Some((certificate.into(), key.into()));
        self
    }

    /// Like [`Self::client_identity_pem`], read from files.
    ///
    /// # Errors
    /// [`Error::Configuration`] when a file cannot be read.
    pub fn client_identity_files(
        self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Result<Self, Error> {
        let (certificate, key) = (read(&certificate.into())?, read(&key.into())?);
        Ok(self.client_identity_pem(certificate, key))
    }

    /// The name expected in the coordinator's certificate, where it differs from the host of the URL.
    #[must_use]
    pub fn domain_name(mut self, name: impl Into<String>) -> Self {
        self.domain_name = Some(name.into());
        self
    }

    /// Put in front of the library's own `user-agent`.
    #[must_use]
    pub fn user_agent(mut self, name: &str) -> Self {
        self.user_agent = format!("{name} {}", self.user_agent);
        self
    }

    /// How long a connection may take to come up; 5 s by default.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long one attempt of a call may take; 30 s by default. `GetActivityTask` always has 65 s more, streams have
    /// no limit.
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// HTTP/2 pings: one every `interval`, and the connection is given up when one stays unanswered for `timeout`; 20 s
    /// and 10 s by default.
    #[must_use]
    pub fn keepalive(mut self, interval: Duration, timeout: Duration) -> Self {
        self.keepalive_interval = interval;
        self.keepalive_timeout = timeout;
        self
    }

    /// How often a call that may be repeated safely is repeated; 4 by default, 0 turns it off.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// The transport of these options; connects to nothing yet.
    ///
    /// # Errors
    /// [`Error::Configuration`] for a malformed URL, key or certificate.
    pub(crate) fn transport(&self) -> Result<tonic::transport::Endpoint, Error> {
        let url = self.url.as_str();
        let secure = url.starts_with("https://");
        if !secure && !url.starts_with("http://") {
            let text = format!("endpoint `{url}` must begin with http:// or https://");
            return Err(Error::Configuration(text));
        }
        let endpoint = tonic::transport::Endpoint::from_shared(url.to_owned())
            .and_then(|endpoint| endpoint.user_agent(self.user_agent.as_str()))
            .map_err(|error| malformed("endpoint", url, &error))?
            .connect_timeout(self.connect_timeout)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(self.keepalive_interval)
            .keep_alive_timeout(self.keepalive_timeout)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(2 * STREAM_WINDOW_BYTES);
        if !secure {
            return Ok(endpoint);
        }
        endpoint
            .tls_config(self.tls()?)
            .map_err(|error| malformed("TLS for endpoint", url, &error))
    }

    /// The `authorization` value, marked as sensitive so that no log shows it.
    ///
    /// # Errors
    /// [`Error::Configuration`] for a key that cannot stand in a header.
    pub(crate) fn authorization(&self) -> Result<Option<MetadataValue<Ascii>>, Error> {
        let Some(key) = &self.api_key else {
            return Ok(None);
        };
        let mut value = MetadataValue::try_from(format!("Bearer {key}")).map_err(|_| {
            Error::Configuration("the API key holds characters that no key has".to_owned())
        })?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    fn tls(&self) -> Result<ClientTlsConfig, Error> {
        let roots = match &self.roots {
            Some(pem) => pem.clone(),
            None => system_roots()?,
        };
        // Without this check, TLS would start with nobody to trust and refuse every coordinator.
        if !String::from_utf8_lossy(&roots).contains(CERTIFICATE_MARK) {
            let text = "the certificate authorities hold no PEM certificate".to_owned();
            return Err(Error::Configuration(text));
        }
        let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(roots));
        if let Some((certificate, key)) = &self.identity {
            tls = tls.identity(Identity::from_pem(certificate, key));
        }
        if let Some(name) = &self.domain_name {
            tls = tls.domain_name(name);
        }
        Ok(tls)
    }
}

const CERTIFICATE_MARK: &str = "-----BEGIN CERTIFICATE-----";

/// Large enough that a batch of pushes never waits for a window update on a fast network.
const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;

impl Default for Endpoint {
    fn default() -> Self {
        Self::new(DEFAULT_ENDPOINT)
    }
}

impl From<&str> for Endpoint {
    fn from(url: &str) -> Self {
        Self::new(url)
    }
}

impl From<String> for Endpoint {
    fn from(url: String) -> Self {
        Self::new(url)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keys stay out of logs.
        f.debug_struct("Endpoint")
            .field("url", &self.url)
            .field("api_key", &self.api_key.is_some())
            .field("client_identity", &self.identity.is_some())
            .field("connect_timeout", &self.connect_timeout)
            .field("request_timeout", &self.request_timeout)
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}

fn env_text(name: &str) -> Option<String> {
    env::var(name).ok().filter(|text| !text.is_empty())
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path)
        .map_err(|error| Error::Configuration(format!("cannot read {}: {error}", path.display())))
}

fn system_roots() -> Result<Vec<u8>, Error> {
    if let Some(path) = env_text("SSL_CERT_FILE") {
        return read(Path::new(&path));
    }
    SYSTEM_ROOTS
        .iter()
        .find_map(|path| fs::read(path).ok())
        .ok_or_else(|| {
            Error::Configuration(
                "found no certificate authorities of the operating system; name a CA file"
                    .to_owned(),
            )
        })
}

fn malformed(what: &str, url: &str, error: &tonic::transport::Error) -> Error {
    Error::Configuration(format!("{what} `{url}` is malformed: {}", chain(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_scheme_is_refused_with_its_text() {
        let error = Endpoint::new("localhost:8083").transport().unwrap_err();
        assert_eq!(
            error.to_string(),
            "endpoint `localhost:8083` must begin with http:// or https://"
        );
    }

    #[test]
    fn debug_shows_no_key() {
        let text = format!("{:?}", Endpoint::default().api_key("secret-key"));
        assert!(!text.contains("secret-key"), "{text}");
        let value = Endpoint::default()
            .api_key("secret-key")
            .authorization()
            .unwrap()
            .unwrap();
        assert!(!format!("{value:?}").contains("secret-key"));
    }

    #[test]
    fn an_unreadable_key_file_is_named() {
        let error = Endpoint::default()
            .api_key_file("/nowhere/key")
            .unwrap_err();
        assert!(
            error.to_string().starts_with("cannot read /nowhere/key: "),
            "{error}"
        );
    }

    #[test]
    fn a_bad_certificate_is_refused_before_anything_is_connected() {
        let endpoint = Endpoint::new("https://localhost:8083").ca_pem("no certificate");
        assert!(matches!(endpoint.transport(), Err(Error::Configuration(_))));
    }
}
