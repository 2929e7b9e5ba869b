//! HTTP by hand: what an SDK would never send can be sent, and answers are seen as they came.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than any answer but a long poll's.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(75);

/// An HTTP answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Of the status line.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// As text.
    pub body: String,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// It is none.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.body).with_context(|| format!("no JSON: {self:?}"))
    }

    /// The exception's name; empty for success.
    pub fn error(&self) -> String {
        let kind = self
            .json()
            .ok()
            .and_then(|body| body["__type"].as_str().map(str::to_owned));
        kind.unwrap_or_default()
            .rsplit('#')
            .next()
            .unwrap_or_default()
            .to_owned()
    }

    /// The exception's message.
    pub fn message(&self) -> String {
        let body = self.json().unwrap_or_default();
        body["message"].as_str().unwrap_or_default().to_owned()
    }
}

/// Calls an operation of the AWS API with any body.
///
/// # Errors
/// Nothing answers.
pub async fn call_aws(address: &str, operation: &str, body: &str) -> Result<Answer> {
    let target = format!("X-Amz-Target: AWSStepFunctions.{operation}");
    let headers = [target.as_str(), "Content-Type: application/x-amz-json-1.0"];
    request(address, "POST / HTTP/1.1", &headers, body.as_bytes()).await
}

/// Sends one request on a connection of its own.
///
/// # Errors
/// Nothing answers, or what answers is no HTTP.
pub async fn request(address: &str, line: &str, headers: &[&str], body: &[u8]) -> Result<Answer> {
    let mut stream = TcpStream::connect(address).await?;
    let mut head = format!("{line}\r\nHost: {address}\r\nConnection: close\r\n");
    for header in headers {
        head.push_str(&format!("{header}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    let (mut reader, mut writer) = stream.split();
    // A server may answer and close before it has read everything.
    let send = async {
        let _ = writer.write_all(head.as_bytes()).await;
        let _ = writer.write_all(body).await;
    };
    let mut bytes = Vec::new();
    let receive = async {
        // What came before a reset counts.
        let _ = reader.read_to_end(&mut bytes).await;
    };
    timeout(ANSWER_TIMEOUT, async { tokio::join!(send, receive) }).await?;
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Result<Answer> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").context("no HTTP answer")?;
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .context("no status line")?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_lowercase(), value.trim().to_owned()))
        .collect();
    let chunked = headers
        .iter()
        .any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = if chunked {
        unchunk(body)?
    } else {
        body.to_owned()
    };
    Ok(Answer {
        status: status.parse()?,
        headers,
        body,
    })
}

fn unchunk(mut rest: &str) -> Result<String> {
    let mut body = String::new();
    loop {
        let (length, after) = rest.split_once("\r\n").context("a chunk has a length")?;
        let length = usize::from_str_radix(length.trim(), 16)?;
        if length == 0 {
            return Ok(body);
        }
        ensure!(after.len() >= length, "a chunk is cut");
        body.push_str(&after[..length]);
        rest = after[length..].trim_start_matches("\r\n");
    }
}
