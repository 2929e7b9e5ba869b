//! The client: one shared HTTP/2 connection, a typed method for every call (`calls`), and what programs want most
//! often (`convenience`). Retries are decided in `retry`.

mod calls;
mod convenience;
mod retry;

use std::sync::Arc;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

pub use self::calls::Responses;
pub use self::convenience::Outcome;
use crate::endpoint::Endpoint;
use crate::error::Error;

/// Largest answer that is accepted, bytes: a page of a history with its payloads.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A connection to a coordinator. Clones are cheap and share it; it comes back by itself after a break.
#[derive(Clone, Debug)]
pub struct Client {
    service: InterceptedService<Channel, Authorization>,
    endpoint: Arc<Endpoint>,
}

impl Client {
    /// Connects now.
    ///
    /// # Errors
    /// [`Error::Configuration`] for options that cannot work, [`Error::Transport`] when nothing answers there.
    pub async fn connect(endpoint: impl Into<Endpoint>) -> Result<Self, Error> {
        let endpoint = endpoint.into();
        let channel = endpoint.transport()?.connect().await?;
        Self::over(channel, endpoint)
    }

    /// Connects with the first call. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Configuration`] for options that cannot work.
    pub fn connect_lazy(endpoint: impl Into<Endpoint>) -> Result<Self, Error> {
        let endpoint = endpoint.into();
        let channel = endpoint.transport()?.connect_lazy();
        Self::over(channel, endpoint)
    }

    /// Uses a channel of the caller's making (a Unix socket, an in-memory pipe, …). Of `endpoint`, the key, the request
    /// timeout and the retries count.
    ///
    /// # Errors
    /// [`Error::Configuration`] for a key that cannot stand in a header.
    pub fn from_channel(channel: Channel, endpoint: Endpoint) -> Result<Self, Error> {
        Self::over(channel, endpoint)
    }

    /// The options of this client.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(crate) fn service(&self) -> InterceptedService<Channel, Authorization> {
        self.service.clone()
    }

    fn over(channel: Channel, endpoint: Endpoint) -> Result<Self, Error> {
        let authorization = Authorization(endpoint.authorization()?);
        let service = InterceptedService::new(channel, authorization);
        Ok(Self {
            service,
            endpoint: Arc::new(endpoint),
        })
    }
}

/// Adds the key to every call.
#[derive(Clone, Debug)]
pub(crate) struct Authorization(Option<MetadataValue<Ascii>>);

impl tonic::service::Interceptor for Authorization {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", value.clone());
        }
        Ok(request)
    }
}
