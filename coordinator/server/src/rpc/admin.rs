//! `AdminService`: what an operator does to the whole installation.

use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use stepfleet_proto::v1::admin_service_server::AdminService;
use stepfleet_proto::v1::{
    BackupRequest, BackupResponse, GetStatusRequest, GetStatusResponse, UnservedActivity,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::call::Call;
use super::convert::count;
use super::status;
use crate::face::Face;
use crate::service::error::ApiError;

/// Unserved activities that one answer names.
const UNSERVED_MAX: usize = 100;

pub(super) struct Admin(pub(super) Arc<Face>);

#[tonic::async_trait]
impl AdminService for Admin {
    type BackupStream = Pin<Box<dyn Stream<Item = Result<BackupResponse, Status>> + Send>>;

    async fn backup(
        &self,
        request: Request<BackupRequest>,
    ) -> Result<Response<Self::BackupStream>, Status> {
        let (call, BackupRequest {}) = Call::begin(&self.0, "Backup", request)?;
        let answer = backup(&call).await;
        call.finish(answer)
    }

    async fn get_status(
        &self,
        request: Request<GetStatusRequest>,
    ) -> Result<Response<GetStatusResponse>, Status> {
        let (call, GetStatusRequest {}) = Call::begin(&self.0, "GetStatus", request)?;
        let answer = get_status(&call).await;
        call.finish(answer)
    }
}

async fn backup(call: &Call) -> Result<<Admin as AdminService>::BackupStream, ApiError> {
    let chunks = call.service().backup(&call.caller).await?;
    let messages = ReceiverStream::new(chunks).map(|chunk| match chunk {
        Ok(bytes) => Ok(BackupResponse {
            chunk: bytes.into(),
        }),
        Err(error) => Err(status(&error)),
    });
    Ok(Box::pin(messages))
}

async fn get_status(call: &Call) -> Result<GetStatusResponse, ApiError> {
    let report = call.service().status(&call.caller).await?;
    let unserved = report.unserved.iter().take(UNSERVED_MAX);
    let unserved = unserved.map(|activity| UnservedActivity {
        activity_arn: activity.arn.to_string(),
        exists: activity.exists,
        queued: count(activity.queued),
    });
    Ok(GetStatusResponse {
        unserved_activities: unserved.collect(),
        unserved_count: count(report.unserved.len() as u64),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        cluster_id: report.cluster_id,
        partitions: report.partitions,
        live_executions: count(report.live_executions),
        resident_executions: count(report.resident_executions),
        refusing: report.refusing.unwrap_or_default(),
        arn_prefix: call.service().shared.arns.prefix(&call.caller.namespace),
    })
}
