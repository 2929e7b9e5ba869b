//! An OpenTelemetry collector for tests: it listens on a port of its own, refuses as often as it is told, and gives what
//! it has taken.

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// A collector that works.
#[derive(Debug)]
pub(crate) struct Collector {
    pub url: String,
    pub logs: mpsc::Receiver<LogRecord>,
    pub spans: mpsc::Receiver<Span>,
}

#[derive(Clone)]
struct Service {
    refusals: Arc<AtomicUsize>,
    logs: mpsc::Sender<LogRecord>,
    spans: mpsc::Sender<Span>,
}

impl Collector {
    /// Refuses so many requests before it takes any.
    pub(crate) async fn start(refusals: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (log_sender, logs) = mpsc::channel(10_000);
        let (span_sender, spans) = mpsc::channel(10_000);
        let service = Service {
            refusals: Arc::new(AtomicUsize::new(refusals)),
            logs: log_sender,
            spans: span_sender,
        };
        let server = Server::builder()
            .add_service(LogsServiceServer::new(service.clone()))
            .add_service(TraceServiceServer::new(service));
        let incoming = TcpListenerStream::new(listener);
        crate::task::spawn("collector", server.serve_with_incoming(incoming));
        Self { url, logs, spans }
    }
}

impl Service {
    fn admit(&self) -> Result<(), Status> {
        let left = self.refusals.load(Ordering::Relaxed);
        if left > 0 {
            self.refusals.store(left - 1, Ordering::Relaxed);
            return Err(Status::unavailable("not yet"));
        }
        Ok(())
    }
}

#[tonic::async_trait]
impl LogsService for Service {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        self.admit()?;
        let resources = request.into_inner().resource_logs.into_iter();
        let scopes = resources.flat_map(|resource| resource.scope_logs);
        for record in scopes.flat_map(|scope| scope.log_records) {
            self.logs.send(record).await.unwrap();
        }
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.admit()?;
        let resources = request.into_inner().resource_spans.into_iter();
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        for span in scopes.flat_map(|scope| scope.spans) {
            self.spans.send(span).await.unwrap();
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
