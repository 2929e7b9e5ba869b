//! `ActivityService`.

use std::collections::BTreeMap;
use std::sync::Arc;

use stepfleet_proto::v1::activity_service_server::ActivityService;
use stepfleet_proto::v1::{
    ActivityListItem, CreateActivityRequest, CreateActivityResponse, DeleteActivityRequest,
    DeleteActivityResponse, DescribeActivityRequest, DescribeActivityResponse,
    GetActivityStatsRequest, GetActivityStatsResponse, ListActivitiesRequest,
    ListActivitiesResponse,
};
use tonic::{Request, Response, Status};

use super::call::Call;
use super::convert::{count, page, present, setting, timestamp};
use crate::aws::input::activities::{ActivityInput, CreateActivityInput};
use crate::aws::input::settings::ENCRYPTION_DEFAULT;
use crate::aws::input::tags::Tag;
use crate::face::Face;
use crate::service::api::ActivityItem;
use crate::service::error::ApiError;

pub(super) struct Activities(pub(super) Arc<Face>);

#[tonic::async_trait]
impl ActivityService for Activities {
    async fn create_activity(
        &self,
        request: Request<CreateActivityRequest>,
    ) -> Result<Response<CreateActivityResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "CreateActivity", request)?;
        let answer = create(&call, message).await;
        call.finish(answer)
    }

    async fn delete_activity(
        &self,
        request: Request<DeleteActivityRequest>,
    ) -> Result<Response<DeleteActivityResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "DeleteActivity", request)?;
        let answer = delete(&call, message).await;
        call.finish(answer)
    }

    async fn describe_activity(
        &self,
        request: Request<DescribeActivityRequest>,
    ) -> Result<Response<DescribeActivityResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "DescribeActivity", request)?;
        let answer = describe(&call, message).await;
        call.finish(answer)
    }

    async fn list_activities(
        &self,
        request: Request<ListActivitiesRequest>,
    ) -> Result<Response<ListActivitiesResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "ListActivities", request)?;
        let answer = list(&call, message).await;
        call.finish(answer)
    }

    async fn get_activity_stats(
        &self,
        request: Request<GetActivityStatsRequest>,
    ) -> Result<Response<GetActivityStatsResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "GetActivityStats", request)?;
        let answer = stats(&call, message);
        call.finish(answer)
    }
}

async fn create(
    call: &Call,
    message: CreateActivityRequest,
) -> Result<CreateActivityResponse, ApiError> {
    let input = CreateActivityInput {
        name: Some(message.name),
        tags: Some(tags(message.tags)),
        encryption_configuration: setting(
            "encryptionConfiguration",
            present(message.encryption_configuration),
        )?,
    };
    let new = input.check()?;
    let item = call
        .service()
        .create_activity(&call.caller, &new.name, new.tags, new.encryption)
        .await?;
    Ok(CreateActivityResponse {
        activity_arn: item.arn,
        creation_date: timestamp(item.created_at),
    })
}

async fn delete(
    call: &Call,
    message: DeleteActivityRequest,
) -> Result<DeleteActivityResponse, ApiError> {
    let arn = ActivityInput {
        activity_arn: Some(message.activity_arn),
    }
    .check()?;
    call.face.delete_activity(&call.caller, &arn).await?;
    Ok(DeleteActivityResponse {})
}

async fn describe(
    call: &Call,
    message: DescribeActivityRequest,
) -> Result<DescribeActivityResponse, ApiError> {
    let arn = ActivityInput {
        activity_arn: Some(message.activity_arn),
    }
    .check()?;
    let activity = call.service().describe_activity(&call.caller, &arn).await?;
    Ok(DescribeActivityResponse {
        activity_arn: activity.arn,
        name: activity.name,
        creation_date: timestamp(activity.created_at),
        queued: count(activity.queued),
        oldest_age_ms: count(activity.oldest_age_ms),
        workers: count(activity.workers),
        unserved: activity.unserved,
        encryption_configuration: activity
            .encryption_configuration
            .unwrap_or_else(|| ENCRYPTION_DEFAULT.to_owned()),
    })
}

fn stats(
    call: &Call,
    message: GetActivityStatsRequest,
) -> Result<GetActivityStatsResponse, ApiError> {
    let arn = ActivityInput {
        activity_arn: Some(message.activity_arn),
    }
    .check()?;
    let stats = call.service().activity_stats(&call.caller, &arn)?;
    let recent = stats.recent;
    Ok(GetActivityStatsResponse {
        activity_arn: stats.arn,
        queued: count(stats.queued),
        oldest_age_ms: count(stats.oldest_age_ms),
        workers: count(stats.workers),
        slots: count(stats.slots),
        slots_used: count(stats.slots_used),
        pollers: count(stats.pollers),
        window_ms: count(recent.window_ms),
        started: count(recent.started),
        succeeded: count(recent.succeeded),
        failed: count(recent.failed),
        timed_out: count(recent.timed_out),
        start_latency_p50_ms: count(recent.latency_p50_ms),
        start_latency_p99_ms: count(recent.latency_p99_ms),
        unserved: stats.unserved,
    })
}

async fn list(
    call: &Call,
    message: ListActivitiesRequest,
) -> Result<ListActivitiesResponse, ApiError> {
    let request = page(message.page_size, message.page_token)?;
    let found = call
        .service()
        .list_activities(&call.caller, request)
        .await?;
    Ok(ListActivitiesResponse {
        activities: found.items.into_iter().map(item).collect(),
        next_page_token: found.next_token.unwrap_or_default(),
    })
}

fn item(item: ActivityItem) -> ActivityListItem {
    ActivityListItem {
        activity_arn: item.arn,
        name: item.name,
        creation_date: timestamp(item.created_at),
        unserved: item.unserved,
    }
}

/// Tags in the order of their keys: a map on the wire has none of its own.
pub(super) fn tags(map: std::collections::HashMap<String, String>) -> Vec<Tag> {
    let sorted: BTreeMap<String, String> = map.into_iter().collect();
    sorted
        .into_iter()
        .map(|(key, value)| Tag {
            key: Some(key),
            value: Some(value),
        })
        .collect()
}
