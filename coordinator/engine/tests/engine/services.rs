//! The installation that the tests pretend to be.

use std::sync::Arc;

use stepfleet_asl::Payload;
use stepfleet_asl::resource::{Integration, Resource};
use stepfleet_engine::execution::Header;
use stepfleet_engine::{Delegated, Served, Services, TaskRef};

/// Activities whose name contains `missing` do not exist, nor do such functions; `sqs` waits, `sns` is not served, a
/// fleet serves `acme`, the rest is started. Functions whose name contains `worker` are the activity `worker`.
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
            "sns" | "acme" => Served::No,
            _ => Served::Starts,
        }
    }

    fn connector(&self, _: &Header, integration: &Integration) -> Option<Arc<str>> {
        let name = integration.connector();
        (&*integration.service == "acme")
            .then(|| format!("arn:aws:states:us-east-1:111111111111:activity:{name}").into())
    }

    fn region(&self) -> Arc<str> {
        "us-east-1".into()
    }

    fn serves(&self, resource: &Resource) -> bool {
        !resource.arn().contains("missing")
    }

    fn delegated(&self, _: &Header, resource: &Resource, arguments: &Payload) -> Option<Delegated> {
        let (function, input) = match resource {
            Resource::Lambda { arn } => (arn.clone(), arguments.clone()),
            Resource::Integration(integration) if &*integration.service == "lambda" => {
                let name = arguments.value().get("FunctionName")?;
                let payload = arguments.value().get("Payload")?;
                (name.as_str()?.into(), Payload::from_value(payload.clone()))
            }
            Resource::Activity { .. } | Resource::Integration(_) => return None,
        };
        function.contains("worker").then(|| Delegated {
            activity: "arn:aws:states:us-east-1:1:activity:worker".into(),
            input,
        })
    }
}
