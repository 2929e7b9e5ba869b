//! What one namespace may have of what all share: open executions, and starts a second. So the flood of one is refused
//! before it fills hosts' mailboxes and memory, and starves nobody.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use stepfleet_engine::Timestamp;

use crate::config::Limits;
use crate::matching::bucket::Bucket;
use crate::service::error::{ApiError, ErrorCode};

/// See the module. Bounds of 0 are none.
#[derive(Debug, Default)]
pub(crate) struct Namespaces {
    open_max: u64,
    starts_per_s_max: u64,
    known: RwLock<BTreeMap<Arc<str>, Arc<Namespace>>>,
}

#[derive(Debug, Default)]
struct Namespace {
    open: AtomicU64,
    /// None before the first start.
    starts: Mutex<Option<Bucket>>,
}

impl Namespaces {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            open_max: limits.namespace_executions_open_max,
            starts_per_s_max: limits.namespace_starts_per_s_max,
            known: RwLock::default(),
        }
    }

    /// A start of the namespace; refused when it had as many in this second as it may.
    pub(crate) fn start(&self, namespace: &str, now: Timestamp) -> Result<(), ApiError> {
        if self.starts_per_s_max == 0 {
            return Ok(());
        }
        let of = self.of(namespace);
        let mut starts = of.starts.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = self.starts_per_s_max.saturating_mul(1000);
        let bucket = starts.get_or_insert_with(|| Bucket::new(rate, now));
        match bucket.check(now) {
            Ok(()) => {
                bucket.take();
                Ok(())
            }
            Err(at) => {
                let max = self.starts_per_s_max;
                let text = format!(
                    "Rate exceeded: {max} starts a second in one account (limits.namespace_starts_per_s_max)"
                );
                let wait_ms = u64::try_from(at.0 - now.0).unwrap_or(1).max(1);
                Err(throttled(text, wait_ms))
            }
        }
    }

    /// Whether one more execution of the namespace may be open.
    pub(crate) fn check_open(&self, namespace: &str) -> Result<(), ApiError> {
        let open = || self.of(namespace).open.load(Ordering::Relaxed);
        if self.open_max == 0 || open() < self.open_max {
            return Ok(());
        }
        let max = self.open_max;
        let text = format!(
            "Rate exceeded: {max} open executions in one account (limits.namespace_executions_open_max)"
        );
        Err(throttled(text, 1000))
    }

    /// An execution is open from now on.
    pub(crate) fn opened(&self, namespace: &str) {
        self.of(namespace).open.fetch_add(1, Ordering::Relaxed);
    }

    /// An execution is over.
    pub(crate) fn closed(&self, namespace: &str) {
        self.of(namespace).open.fetch_sub(1, Ordering::Relaxed);
    }

    fn of(&self, namespace: &str) -> Arc<Namespace> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(of) = known.get(namespace) {
            return of.clone();
        }
        drop(known);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.entry(Arc::from(namespace)).or_default().clone()
    }
}

/// The account in an ARN: a namespace.
pub(crate) fn of_arn(arn: &str) -> &str {
    arn.split(':').nth(4).unwrap_or_default()
}

fn throttled(text: String, wait_ms: u64) -> ApiError {
    ApiError::new(ErrorCode::ThrottlingException, text).with_retry_after_ms(wait_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::api::{Caller, CreateStateMachine, StartExecution};

    fn bounded(open_max: u64, starts_per_s_max: u64) -> Namespaces {
        Namespaces::new(&Limits {
            namespace_executions_open_max: open_max,
            namespace_starts_per_s_max: starts_per_s_max,
            ..Limits::default()
        })
    }

    #[test]
    fn each_namespace_has_its_own_starts() {
        let namespaces = bounded(0, 100);
        let mut of_flood = 0;
        for ms in 0..10_000 {
            let now = Timestamp(ms);
            for _ in 0..5 {
                of_flood += u64::from(namespaces.start("flood", now).is_ok());
            }
            if ms % 20 == 0 {
                namespaces.start("quiet", now).unwrap();
            }
        }
        assert!(
            (990..=1020).contains(&of_flood),
            "{of_flood} in ten seconds"
        );
        let refused = loop {
            if let Err(refused) = namespaces.start("flood", Timestamp(10_000)) {
                break refused;
            }
        };
        assert_eq!(refused.code, ErrorCode::ThrottlingException);
    }

    #[test]
    fn each_namespace_has_its_own_open_executions() {
        let namespaces = bounded(2, 0);
        namespaces.opened("a");
        namespaces.opened("a");
        assert!(namespaces.check_open("a").is_err());
        assert!(namespaces.check_open("b").is_ok());
        namespaces.closed("a");
        assert!(namespaces.check_open("a").is_ok());
        assert!(bounded(0, 0).check_open("a").is_ok());
    }

    #[test]
    fn the_account_of_an_arn_is_found() {
        let arn = "arn:aws:states:us-east-1:000000000007:stateMachine:m";
        assert_eq!(of_arn(arn), "000000000007");
    }

    #[tokio::test]
    async fn the_flood_of_one_namespace_starves_no_other() {
        let mut config = crate::config::Config::default();
        config.limits.namespace_executions_open_max = 20;
        let (face, _drain) = crate::face::testing::face_with(config).await;
        let service = &face.service;
        let caller = |namespace: &str| Caller::trusted("p", namespace);
        let [flood, quiet] = [caller("111111111111"), caller("222222222222")];
        let waits =
            r#"{"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 9999, "End": true}}}"#;
        let mut machines = Vec::new();
        for caller in [&flood, &quiet] {
            let request = CreateStateMachine {
                name: "m".into(),
                definition: waits.into(),
                ..CreateStateMachine::default()
            };
            let created = service.create_state_machine(caller, request).await.unwrap();
            machines.push(created.arn);
        }
        let start = async |caller: &Caller, machine: &String| {
            let request = StartExecution {
                machine_arn: machine.clone(),
                ..StartExecution::default()
            };
            service.start_execution(caller, request).await
        };
        let (mut accepted, mut refused) = (0, 0);
        for number in 0..1000 {
            match start(&flood, &machines[0]).await {
                Ok(_) => accepted += 1,
                Err(error) => {
                    assert_eq!(error.code, ErrorCode::ThrottlingException, "{error}");
                    refused += 1;
                }
            }
            if number % 100 == 0 {
                start(&quiet, &machines[1]).await.unwrap();
            }
        }
        assert_eq!((accepted, refused), (20, 980));
    }
}
