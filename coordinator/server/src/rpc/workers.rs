//! `WorkerService`: the fleet, for people.

use std::sync::Arc;

use stepfleet_proto::v1::worker_service_server::WorkerService;
use stepfleet_proto::v1::{
    DescribeWorkerRequest, DescribeWorkerResponse, DrainWorkersRequest, DrainWorkersResponse,
    ListWorkersRequest, ListWorkersResponse, Order, ResumeWorkersRequest, ResumeWorkersResponse,
    WorkerActivity, WorkerInfo, WorkerStatus, WorkerTask,
};
use tonic::{Request, Response, Status};

use super::call::Call;
use super::convert::{details, page, present, timestamp};
use crate::face::Face;
use crate::fleet::session::Standing;
use crate::fleet::{Known, Session};
use crate::service::error::{ApiError, ErrorCode};
use crate::service::workers::{Selection, session_id};

/// Tasks in one description.
const TASKS_MAX: usize = 1000;

pub(super) struct Workers(pub(super) Arc<Face>);

#[tonic::async_trait]
impl WorkerService for Workers {
    async fn list_workers(
        &self,
        request: Request<ListWorkersRequest>,
    ) -> Result<Response<ListWorkersResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "ListWorkers", request)?;
        let answer = list(&call, message);
        call.finish(answer)
    }

    async fn describe_worker(
        &self,
        request: Request<DescribeWorkerRequest>,
    ) -> Result<Response<DescribeWorkerResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "DescribeWorker", request)?;
        let answer = describe(&call, &message);
        call.finish(answer)
    }

    async fn drain_workers(
        &self,
        request: Request<DrainWorkersRequest>,
    ) -> Result<Response<DrainWorkersResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "DrainWorkers", request)?;
        let selection = Selection {
            worker: present(message.worker),
            activity: present(message.activity),
            labels: message.labels.into_iter().collect(),
        };
        let answer = order(&call, &selection, Order::Drain).await;
        call.finish(answer.map(|workers| DrainWorkersResponse { workers }))
    }

    async fn resume_workers(
        &self,
        request: Request<ResumeWorkersRequest>,
    ) -> Result<Response<ResumeWorkersResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "ResumeWorkers", request)?;
        let selection = Selection {
            worker: present(message.worker),
            activity: present(message.activity),
            labels: message.labels.into_iter().collect(),
        };
        let answer = order(&call, &selection, Order::Resume).await;
        call.finish(answer.map(|workers| ResumeWorkersResponse { workers }))
    }
}

fn list(call: &Call, message: ListWorkersRequest) -> Result<ListWorkersResponse, ApiError> {
    let request = page(message.page_size, message.page_token)?;
    let selection = Selection {
        worker: None,
        activity: present(message.activity),
        labels: message.labels.into_iter().collect(),
    };
    let found = call
        .service()
        .list_workers(&call.caller, &selection, &request)?;
    Ok(ListWorkersResponse {
        workers: found.items.iter().map(info).collect(),
        next_page_token: found.next_token.unwrap_or_default(),
    })
}

async fn order(
    call: &Call,
    selection: &Selection,
    order: Order,
) -> Result<Vec<WorkerInfo>, ApiError> {
    let workers = call
        .service()
        .order_workers(&call.caller, selection, order)
        .await?;
    Ok(workers.iter().map(info).collect())
}

fn describe(
    call: &Call,
    message: &DescribeWorkerRequest,
) -> Result<DescribeWorkerResponse, ApiError> {
    if message.worker.is_empty() {
        let message = "`worker` must be the name or the session id of a worker";
        return Err(ApiError::new(ErrorCode::ValidationException, message));
    }
    let known = call.service().worker(&call.caller, &message.worker)?;
    let session = &known.session;
    let tasks = session.in_hand(TASKS_MAX).into_iter().map(|task| {
        let served = usize::try_from(task.activity)
            .ok()
            .and_then(|index| session.activities.get(index));
        WorkerTask {
            execution_arn: task.header.execution_arn.to_string(),
            activity_arn: served
                .map(|served| served.arn.to_string())
                .unwrap_or_default(),
            since_date: timestamp(task.since),
            progress_date: task.progress.as_ref().and_then(|said| timestamp(said.at)),
            progress: details(task.progress.as_ref()),
        }
    });
    Ok(DescribeWorkerResponse {
        tasks: tasks.collect(),
        worker: Some(info(&known)),
    })
}

pub(super) fn info(known: &Known) -> WorkerInfo {
    let session: &Session = &known.session;
    let about = &session.about;
    let held = session.held_by_activity();
    let activities = (0_u32..)
        .zip(&session.activities)
        .map(|(index, served)| WorkerActivity {
            activity_arn: served.arn.to_string(),
            slots: served.slots,
            used: held.get(&index).copied().unwrap_or(0),
        });
    WorkerInfo {
        session_id: session_id(session),
        name: about.name.to_string(),
        host: about.host.clone(),
        build_id: about.build_id.clone(),
        labels: about
            .labels
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        activities: activities.collect(),
        status: match session.standing() {
            Standing::Connected => WorkerStatus::Connected,
            Standing::Draining => WorkerStatus::Draining,
            Standing::Away => WorkerStatus::Away,
            Standing::Gone => WorkerStatus::Gone,
        }
        .into(),
        connected_date: timestamp(session.connected_at()),
        last_seen_date: timestamp(session.seen_at()),
        gone_date: known.gone_at.and_then(timestamp),
    }
}
