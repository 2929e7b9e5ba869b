//! A web server that takes what is posted to it, or refuses while it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// See the module.
#[derive(Debug)]
pub struct Receiver {
    /// Where it listens.
    pub url: String,
    /// The bodies that it took.
    pub taken: mpsc::Receiver<Value>,
    refuses: Arc<AtomicBool>,
    refused: mpsc::Receiver<()>,
    server: JoinHandle<()>,
}

impl Receiver {
    /// Listens on a port of its own.
    ///
    /// # Errors
    /// There is none.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/events", listener.local_addr()?);
        let (sender, taken) = mpsc::channel(10_000);
        let (refused_sender, refused) = mpsc::channel(10_000);
        let refuses = Arc::new(AtomicBool::new(false));
        let refusing = refuses.clone();
        let server = tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (sender, refused) = (sender.clone(), refused_sender.clone());
                let refusing = refusing.clone();
                tokio::task::spawn_local(async move {
                    // A connection ends as its client likes.
                    let _ = serve(stream, &sender, &refused, &refusing).await;
                });
            }
        });
        Ok(Self {
            url,
            taken,
            refuses,
            refused,
            server,
        })
    }

    /// Whether it answers 503 from now on.
    pub fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::Relaxed);
    }

    /// Waits until it has refused something more.
    ///
    /// # Errors
    /// It works no more.
    pub async fn refused(&mut self) -> Result<()> {
        self.refused.recv().await.context("the receiver is gone")
    }

    /// The next body that it takes.
    ///
    /// # Errors
    /// It works no more.
    pub async fn next(&mut self) -> Result<Value> {
        self.taken.recv().await.context("the receiver is gone")
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(
    stream: TcpStream,
    taken: &mpsc::Sender<Value>,
    refused: &mpsc::Sender<()>,
    refuses: &AtomicBool,
) -> Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let answer = if refuses.load(Ordering::Relaxed) {
            refused.send(()).await?;
            "503 Service Unavailable"
        } else {
            taken.send(serde_json::from_slice(&body)?).await?;
            "200 OK"
        };
        let head = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n");
        stream.get_mut().write_all(head.as_bytes()).await?;
    }
}
