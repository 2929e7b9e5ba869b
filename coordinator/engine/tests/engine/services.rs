//! The installation that the tests pretend to be.

use std::sync::Arc;

use stepfleet_asl::resource::{Integration, Resource};
use stepfleet_engine::{Served, Services, TaskRef};

/// Activities whose name contains `missing` do not exist; `sqs` waits, `lambda` and `sns` are not served, the rest
/// is started.
#[derive(Debug)]
pub(crate) struct TestServices;

impl Services for TestServices {
    fn token(&self, task: &TaskRef) -> String {
        format!("token-{}-{}", task.attempt.entry.0, task.attempt.attempt)
    }

    fn activity_exists(&self, arn: &str) -> bool {
        !arn.contains("missing")
    }

    fn served(&self, integration: &Integration) -> Served {
        match &*integration.service {
            "sqs" => Served::Waits,
            "lambda" | "sns" => Served::No,
            _ => Served::Starts,
        }
    }

    fn region(&self) -> Arc<str> {
        "us-east-1".into()
    }

    fn serves(&self, _resource: &Resource) -> bool {
        true
    }
}
