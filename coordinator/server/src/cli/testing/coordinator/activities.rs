//! Canned activities.

use std::collections::{BTreeMap, HashMap};

use stepfleet_sdk::api::activity_service_server::ActivityService;
use stepfleet_sdk::api::*;
use stepfleet_sdk::tonic::Request;

use super::super::ago;
use super::{Answer, Canned, PREFIX, give, refuse};

fn held() -> ActivitySettings {
    ActivitySettings {
        paused: true,
        required_labels: [("region".to_owned(), "eu".to_owned())].into(),
        max_concurrency: 5,
        max_rate: 0.5,
        ..ActivitySettings::default()
    }
}

#[tonic::async_trait]
impl ActivityService for Canned {
    async fn create_activity(
        &self,
        request: Request<CreateActivityRequest>,
    ) -> Answer<CreateActivityResponse> {
        let name = request.into_inner().name;
        let activity_arn = format!("{PREFIX}activity:{name}");
        give(CreateActivityResponse {
            activity_arn,
            creation_date: ago(0),
        })
    }

    async fn delete_activity(
        &self,
        request: Request<DeleteActivityRequest>,
    ) -> Answer<DeleteActivityResponse> {
        self.note(format!("delete {}", request.into_inner().activity_arn));
        give(DeleteActivityResponse {})
    }

    async fn describe_activity(
        &self,
        request: Request<DescribeActivityRequest>,
    ) -> Answer<DescribeActivityResponse> {
        let arn = request.into_inner().activity_arn;
        let name = arn.rsplit(':').next().unwrap_or_default().to_owned();
        if !["checksum", "compress"].contains(&name.as_str()) {
            let message = format!("Activity Does Not Exist: '{arn}'");
            return refuse("ActivityDoesNotExist", message);
        }
        let waiting = name == "compress";
        give(DescribeActivityResponse {
            activity_arn: arn,
            name,
            creation_date: ago(90_000),
            queued: if waiting { 2 } else { 0 },
            oldest_age_ms: if waiting { 75_000 } else { 0 },
            workers: if waiting { 0 } else { 4 },
            unserved: waiting,
            unplaceable: i64::from(waiting),
            settings: waiting.then(held),
            ..DescribeActivityResponse::default()
        })
    }

    async fn list_activities(
        &self,
        _: Request<ListActivitiesRequest>,
    ) -> Answer<ListActivitiesResponse> {
        let item = |name: &str| ActivityListItem {
            activity_arn: format!("{PREFIX}activity:{name}"),
            name: name.into(),
            creation_date: ago(90_000),
            unserved: name == "compress",
        };
        let activities = vec![item("checksum"), item("compress")];
        give(ListActivitiesResponse {
            activities,
            next_page_token: String::new(),
        })
    }

    async fn get_activity_stats(
        &self,
        request: Request<GetActivityStatsRequest>,
    ) -> Answer<GetActivityStatsResponse> {
        give(GetActivityStatsResponse {
            activity_arn: request.into_inner().activity_arn,
            queued: 2,
            oldest_age_ms: 75_000,
            window_ms: 330_000,
            started: 4_000,
            succeeded: 3_990,
            failed: 7,
            timed_out: 3,
            start_latency_p50_ms: 4,
            start_latency_p99_ms: 1_681,
            unserved: true,
            settings: Some(held()),
            in_hand: 3,
            unplaceable: vec![
                Unplaceable {
                    labels: [("gpu".to_owned(), String::new())].into(),
                    queued: 1,
                    ..Unplaceable::default()
                },
                Unplaceable {
                    queued: 2,
                    reason: "a worker of build '2026.9', which a ramp sends them to".into(),
                    ..Unplaceable::default()
                },
            ],
            sticky_hits: 9,
            sticky_misses: 3,
            builds: vec![BuildStats {
                build_id: "2026.9".into(),
                workers: 2,
                started: 40,
                succeeded: 36,
                failed: 3,
                timed_out: 1,
                run_p50_ms: 15,
                run_p99_ms: 420,
            }],
            ..GetActivityStatsResponse::default()
        })
    }

    async fn update_activity(
        &self,
        request: Request<UpdateActivityRequest>,
    ) -> Answer<UpdateActivityResponse> {
        let request = request.into_inner();
        let labels = request.required_labels.unwrap_or_default().labels;
        let settings = ActivitySettings {
            paused: request.paused.unwrap_or(false),
            required_labels: labels,
            max_concurrency: request.max_concurrency.unwrap_or(0),
            max_rate: request.max_rate.unwrap_or(0.0),
            sticky: request.sticky.filter(|sticky| sticky.for_ms > 0),
            ramp: request.ramp.filter(|ramp| !ramp.build_id.is_empty()),
            machine_weights: request.machine_weights.unwrap_or_default().weights,
            away_max: request.away_max,
        };
        // Hash maps tell their entries in any order.
        let labels: BTreeMap<_, _> = settings.required_labels.iter().collect();
        let weights: BTreeMap<_, _> = settings.machine_weights.iter().collect();
        let others = ActivitySettings {
            required_labels: HashMap::new(),
            machine_weights: HashMap::new(),
            ..settings.clone()
        };
        let arn = &request.activity_arn;
        self.note(format!(
            "update {arn} {others:?} labels {labels:?} weights {weights:?}"
        ));
        give(UpdateActivityResponse {
            settings: Some(settings),
        })
    }

    async fn purge_activity(
        &self,
        request: Request<PurgeActivityRequest>,
    ) -> Answer<PurgeActivityResponse> {
        let request = request.into_inner();
        // There is more after the first call, which says until when.
        let more = request.scheduled_until.is_none();
        self.note(format!(
            "purge {} until {:?} {:?}",
            request.activity_arn, request.scheduled_until, request.cause
        ));
        give(PurgeActivityResponse {
            purged: if more { 10_000 } else { 1 },
            more,
            scheduled_until: ago(1),
        })
    }
}
