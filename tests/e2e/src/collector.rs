//! An OpenTelemetry collector that takes spans.

use anyhow::{Context as _, Result};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// See the module.
#[derive(Debug)]
pub struct Collector {
    /// Where it listens.
    pub url: String,
    spans: mpsc::Receiver<Span>,
    server: JoinHandle<()>,
}

struct Service(mpsc::Sender<Span>);

impl Collector {
    /// Listens on a port of its own.
    ///
    /// # Errors
    /// There is none.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (sender, spans) = mpsc::channel(10_000);
        let server = Server::builder().add_service(TraceServiceServer::new(Service(sender)));
        let incoming = TcpListenerStream::new(listener);
        let server = tokio::task::spawn_local(async move {
            // A test that ends drops it.
            let _ = server.serve_with_incoming(incoming).await;
        });
        Ok(Self { url, spans, server })
    }

    /// The next span.
    ///
    /// # Errors
    /// It works no more.
    pub async fn next(&mut self) -> Result<Span> {
        self.spans.recv().await.context("the collector is gone")
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let resources = request.into_inner().resource_spans.into_iter();
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        for span in scopes.flat_map(|scope| scope.spans) {
            let sent = self.0.send(span).await;
            sent.map_err(|_gone| Status::unavailable("the test has ended"))?;
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
