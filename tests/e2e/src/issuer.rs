//! An identity provider on a port of its own: it publishes keys, signs tokens, and can change its key or go away.

use std::cell::RefCell;
use std::rc::Rc;

use anyhow::{Result, anyhow};
use data_encoding::BASE64URL_NOPAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// See the module.
#[derive(Debug)]
pub struct Issuer {
    /// `iss` of its tokens, below which it is asked for its keys.
    pub url: String,
    published: Rc<RefCell<Vec<Value>>>,
    server: JoinHandle<()>,
}

/// A key that signs tokens.
#[derive(Debug)]
pub struct TokenSigner {
    /// By which tokens name it.
    pub id: String,
    key: EcdsaKeyPair,
}

impl TokenSigner {
    /// A new key.
    ///
    /// # Errors
    /// None can be made.
    pub fn new(id: &str) -> Result<Self> {
        let (random, of) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let made = EcdsaKeyPair::generate_pkcs8(of, &random).map_err(|_none| anyhow!("no key"))?;
        let key = EcdsaKeyPair::from_pkcs8(of, made.as_ref(), &random);
        let key = key.map_err(|_rejected| anyhow!("no key"))?;
        Ok(Self {
            id: id.to_owned(),
            key,
        })
    }

    /// A token that names this key.
    ///
    /// # Errors
    /// It cannot be signed.
    pub fn token(&self, claims: &Value) -> Result<String> {
        self.sign(
            &json!({"alg": "ES256", "typ": "JWT", "kid": self.id}),
            claims,
        )
    }

    /// A token with any head.
    ///
    /// # Errors
    /// It cannot be signed.
    pub fn sign(&self, head: &Value, claims: &Value) -> Result<String> {
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let message = format!("{}.{}", part(head), part(claims));
        let signed = self.key.sign(&SystemRandom::new(), message.as_bytes());
        let signature = signed.map_err(|_none| anyhow!("no signature"))?;
        let signature = BASE64URL_NOPAD.encode(signature.as_ref());
        Ok(format!("{message}.{signature}"))
    }

    fn public(&self) -> Value {
        let point = &self.key.public_key().as_ref()[1..];
        let text = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let (x, y) = (text(&point[..32]), text(&point[32..]));
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.id, "x": x, "y": y})
    }
}

impl Issuer {
    /// Listens on a port of its own, and publishes this key.
    ///
    /// # Errors
    /// There is no port.
    pub async fn start(signer: &TokenSigner) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let published = Rc::new(RefCell::new(vec![signer.public()]));
        let (own, keys) = (url.clone(), published.clone());
        let server = tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A connection ends as its client likes.
                let _ = serve(stream, &own, &keys).await;
            }
        });
        Ok(Self {
            url,
            published,
            server,
        })
    }

    /// Publishes this key alone from now on.
    pub fn publish(&self, signer: &TokenSigner) {
        *self.published.borrow_mut() = vec![signer.public()];
    }

    /// Goes away: its port refuses connections.
    pub async fn stop(&mut self) {
        self.server.abort();
        // Cancelled, as it was told.
        let _ = (&mut self.server).await;
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// One request of a connection.
async fn serve(stream: TcpStream, url: &str, keys: &RefCell<Vec<Value>>) -> Result<()> {
    let mut stream = BufReader::new(stream);
    let mut first = String::new();
    stream.read_line(&mut first).await?;
    let mut line = first.clone();
    while !line.trim_end().is_empty() {
        line.clear();
        stream.read_line(&mut line).await?;
    }
    let body = if first.starts_with("GET /.well-known/openid-configuration ") {
        json!({"issuer": url, "jwks_uri": format!("{url}/keys")})
    } else {
        json!({ "keys": *keys.borrow() })
    };
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream
        .get_mut()
        .write_all((head + &body).as_bytes())
        .await?;
    Ok(())
}
