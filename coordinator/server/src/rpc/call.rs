//! One gRPC request on its way through the face: who calls, which operation, and how it was answered.

use std::sync::Arc;

use stepfleet_proto::Authorized;
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use super::status;
use crate::auth;
use crate::face::Face;
use crate::metrics;
use crate::observe::trace;
use crate::service::Service;
use crate::service::api::Caller;
use crate::service::error::ApiError;

/// A request that has begun.
pub(super) struct Call {
    pub(super) face: Arc<Face>,
    pub(super) caller: Caller,
    /// In which trace the request was made, as its head tells.
    pub(super) trace_header: Option<String>,
    operation: &'static str,
    began: Instant,
}

impl Call {
    /// Splits a request into its call and its message, if its caller may make it. There is no other way to a call, so
    /// that an RPC without an action cannot be served.
    ///
    /// # Errors
    /// The request has no caller; `AccessDeniedException`.
    pub(super) fn begin<T: Authorized>(
        face: &Arc<Face>,
        operation: &'static str,
        request: Request<T>,
    ) -> Result<(Self, T), Status> {
        let caller = auth::caller(request.extensions()).map_err(|error| status(&error))?;
        let call = Self {
            face: Arc::clone(face),
            caller,
            trace_header: trace::header_of(request.metadata().as_ref()),
            operation,
            began: Instant::now(),
        };
        let message = request.into_inner();
        match call.caller.permit.check(T::ACTION, message.subject()) {
            Ok(()) => Ok((call, message)),
            Err(refusal) => Err(call.refuse(&refusal)),
        }
    }

    pub(super) fn service(&self) -> &Service {
        &self.face.service
    }

    /// Counts the answer and turns it into gRPC's.
    pub(super) fn finish<R>(self, answer: Result<R, ApiError>) -> Result<Response<R>, Status> {
        match answer {
            Ok(answer) => {
                self.answered(None);
                Ok(Response::new(answer))
            }
            Err(error) => Err(self.refuse(&error)),
        }
    }

    fn refuse(&self, error: &ApiError) -> Status {
        self.answered(Some(error));
        status(error)
    }

    fn answered(&self, error: Option<&ApiError>) {
        let (face, operation) = (metrics::Face::Grpc, self.operation);
        self.face.answered(face, operation, error, self.began);
    }
}
