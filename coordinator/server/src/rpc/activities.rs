//! `ActivityService`.

use std::collections::BTreeMap;
use std::sync::Arc;

use stepfleet_engine::Timestamp;
use stepfleet_proto::v1;
use stepfleet_proto::v1::activity_service_server::ActivityService;
use stepfleet_proto::v1::away_max::Bound;
use stepfleet_proto::v1::{
    ActivityListItem, ActivitySettings, BuildStats, CreateActivityRequest, CreateActivityResponse,
    DeleteActivityRequest, DeleteActivityResponse, DescribeActivityRequest,
    DescribeActivityResponse, GetActivityStatsRequest, GetActivityStatsResponse,
    ListActivitiesRequest, ListActivitiesResponse, PurgeActivityRequest, PurgeActivityResponse,
    Ramp, Sticky, Unplaceable, UpdateActivityRequest, UpdateActivityResponse,
};
use tonic::{Request, Response, Status};

use super::call::Call;
use super::convert::{a_second, count, page, present, setting, timestamp};
use crate::aws::input::activities::{ActivityInput, CreateActivityInput};
use crate::aws::input::settings::ENCRYPTION_DEFAULT;
use crate::aws::input::tags::Tag;
use crate::catalog::records::{ActivitySettings as Held, AwayMax};
use crate::face::Face;
use crate::matching::kind::Ramp as HeldRamp;
use crate::matching::sticky::StickySetting;
use crate::service::api::{self, ActivityItem};
use crate::service::error::{ApiError, ErrorCode};
use crate::service::queues::SettingsChange;

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

    async fn update_activity(
        &self,
        request: Request<UpdateActivityRequest>,
    ) -> Result<Response<UpdateActivityResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "UpdateActivity", request)?;
        let answer = update(&call, message).await;
        call.finish(answer)
    }

    async fn purge_activity(
        &self,
        request: Request<PurgeActivityRequest>,
    ) -> Result<Response<PurgeActivityResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "PurgeActivity", request)?;
        let answer = purge(&call, message).await;
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
        settings: Some(shown(&activity.settings)),
        in_hand: count(activity.in_hand),
        unplaceable: count(activity.unplaceable),
        encryption_configuration: activity
            .encryption_configuration
            .unwrap_or_else(|| ENCRYPTION_DEFAULT.to_owned()),
    })
}

async fn update(
    call: &Call,
    message: UpdateActivityRequest,
) -> Result<UpdateActivityResponse, ApiError> {
    let arn = ActivityInput {
        activity_arn: Some(message.activity_arn),
    }
    .check()?;
    let labels = message.required_labels;
    let change = SettingsChange {
        paused: message.paused,
        requires: labels.map(|labels| labels.labels.into_iter().collect()),
        concurrency_max: message.max_concurrency,
        rate: message.max_rate,
        sticky: message.sticky.map(|sticky| StickySetting {
            for_ms: sticky.for_ms,
            wait_ms: sticky.wait_ms,
        }),
        ramp: message.ramp.map(|ramp| HeldRamp {
            build: ramp.build_id.into(),
            percent: ramp.percent,
        }),
        weights: message
            .machine_weights
            .map(|weights| weights.weights.into_iter().collect()),
        away: message.away_max.map(away_max).transpose()?,
    };
    let settings = call
        .service()
        .update_activity(&call.caller, &arn, change)
        .await?;
    Ok(UpdateActivityResponse {
        settings: Some(shown(&settings)),
    })
}

async fn purge(
    call: &Call,
    message: PurgeActivityRequest,
) -> Result<PurgeActivityResponse, ApiError> {
    let arn = ActivityInput {
        activity_arn: Some(message.activity_arn),
    }
    .check()?;
    let until = message.scheduled_until.map(|until| {
        let ms = i64::from(until.nanos) / 1_000_000;
        Timestamp(until.seconds.saturating_mul(1000).saturating_add(ms))
    });
    let purge = call
        .service()
        .purge_activity(&call.caller, &arn, until, present(message.cause))
        .await?;
    Ok(PurgeActivityResponse {
        purged: count(purge.count),
        more: purge.more,
        scheduled_until: timestamp(purge.until),
    })
}

fn shown(settings: &Held) -> ActivitySettings {
    let labels = settings.requires.iter();
    ActivitySettings {
        paused: settings.paused,
        required_labels: labels
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        max_concurrency: settings.concurrency_max.unwrap_or(0),
        max_rate: a_second(settings.rate_per_1000_s),
        sticky: settings.sticky.map(|sticky| Sticky {
            for_ms: sticky.for_ms,
            wait_ms: sticky.wait_ms,
        }),
        ramp: settings.ramp.as_ref().map(|ramp| Ramp {
            build_id: ramp.build.to_string(),
            percent: ramp.percent,
        }),
        machine_weights: settings
            .weights
            .iter()
            .map(|(arn, weight)| (arn.clone(), *weight))
            .collect(),
        away_max: match settings.away {
            AwayMax::Session => None,
            AwayMax::Seconds(seconds) => Some(Bound::Seconds(seconds)),
            AwayMax::Unbounded => Some(Bound::Unbounded(true)),
        }
        .map(|bound| v1::AwayMax { bound: Some(bound) }),
    }
}

fn away_max(message: v1::AwayMax) -> Result<AwayMax, ApiError> {
    match message.bound {
        None => Ok(AwayMax::Session),
        Some(Bound::Seconds(seconds)) => Ok(AwayMax::Seconds(seconds)),
        Some(Bound::Unbounded(true)) => Ok(AwayMax::Unbounded),
        Some(Bound::Unbounded(false)) => Err(ApiError::new(
            ErrorCode::ValidationException,
            "`away_max.unbounded` is true, or not given",
        )),
    }
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
        settings: Some(shown(&stats.settings)),
        in_hand: count(stats.in_hand),
        unplaceable: stats
            .unplaceable
            .into_iter()
            .map(|waiting| Unplaceable {
                labels: waiting.labels.into_iter().collect(),
                queued: count(waiting.queued),
                reason: waiting.reason,
            })
            .collect(),
        sticky_hits: count(stats.sticky.hits),
        sticky_misses: count(stats.sticky.misses),
        builds: stats.builds.into_iter().map(build).collect(),
    })
}

fn build(build: api::BuildStats) -> BuildStats {
    let recent = build.recent;
    BuildStats {
        build_id: build.build.to_string(),
        workers: count(build.workers),
        started: count(recent.started),
        succeeded: count(recent.succeeded),
        failed: count(recent.failed),
        timed_out: count(recent.timed_out),
        run_p50_ms: count(recent.run_p50_ms),
        run_p99_ms: count(recent.run_p99_ms),
    }
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
