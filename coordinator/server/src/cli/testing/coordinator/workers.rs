//! Canned workers.

use stepfleet_sdk::api::worker_service_server::WorkerService;
use stepfleet_sdk::api::*;
use stepfleet_sdk::tonic::Request;

use super::super::ago;
use super::{Answer, Canned, PREFIX, give, refuse};

#[tonic::async_trait]
impl WorkerService for Canned {
    async fn list_workers(
        &self,
        request: Request<ListWorkersRequest>,
    ) -> Answer<ListWorkersResponse> {
        let request = request.into_inner();
        let mut workers = vec![worker("builder-1"), worker("builder-2")];
        workers.retain(|worker| {
            request
                .labels
                .iter()
                .all(|(key, value)| worker.labels.get(key) == Some(value))
        });
        workers.retain(|_| !request.activity.ends_with("nothing"));
        give(ListWorkersResponse {
            workers,
            next_page_token: String::new(),
        })
    }

    async fn describe_worker(
        &self,
        request: Request<DescribeWorkerRequest>,
    ) -> Answer<DescribeWorkerResponse> {
        let name = request.into_inner().worker;
        if name == "typo" {
            return refuse("ResourceNotFound", "Worker not found: 'typo'");
        }
        give(DescribeWorkerResponse {
            worker: Some(worker(&name)),
            tasks: vec![WorkerTask {
                execution_arn: format!("{PREFIX}execution:orders:order-17"),
                activity_arn: format!("{PREFIX}activity:checksum"),
                since_date: ago(75),
                progress: r#"{"rows":1200}"#.into(),
                progress_date: ago(3),
            }],
        })
    }

    async fn drain_workers(
        &self,
        request: Request<DrainWorkersRequest>,
    ) -> Answer<DrainWorkersResponse> {
        let request = request.into_inner();
        self.note(format!(
            "drain {:?} {:?} {:?}",
            request.worker, request.activity, request.labels
        ));
        let mut worker = worker("builder-1");
        worker.set_status(WorkerStatus::Draining);
        give(DrainWorkersResponse {
            workers: vec![worker],
        })
    }

    async fn resume_workers(
        &self,
        request: Request<ResumeWorkersRequest>,
    ) -> Answer<ResumeWorkersResponse> {
        let request = request.into_inner();
        self.note(format!("resume {:?}", request.worker));
        give(ResumeWorkersResponse {
            workers: vec![worker("builder-1")],
        })
    }
}

fn worker(name: &str) -> WorkerInfo {
    let gone = name.ends_with('2');
    let labels = [("region", "eu"), ("gpu", "")].map(|(key, value)| (key.into(), value.into()));
    WorkerInfo {
        session_id: format!("5ac7bd3e-0000-4000-8000-00000000000{}", u8::from(gone)),
        name: name.into(),
        host: "eu-7".into(),
        build_id: if gone { "" } else { "2026.9" }.into(),
        labels: if gone {
            Default::default()
        } else {
            labels.into()
        },
        activities: vec![WorkerActivity {
            activity_arn: format!("{PREFIX}activity:checksum"),
            slots: 4,
            used: u32::from(!gone),
        }],
        status: if gone {
            WorkerStatus::Gone
        } else {
            WorkerStatus::Connected
        }
        .into(),
        connected_date: ago(90_000),
        last_seen_date: ago(3),
        gone_date: if gone { ago(2) } else { None },
    }
}

pub(super) fn unserved() -> Vec<UnservedActivity> {
    let of = |name: &str, exists, queued| UnservedActivity {
        activity_arn: format!("{PREFIX}activity:{name}"),
        exists,
        queued,
    };
    vec![of("compress", true, 2), of("typo", false, 0)]
}
