//! Which members are dead, sooner than their leases tell: every member holds a connection to every other one. When it breaks,
//! and the address refuses another, nobody is there. What is only silent may be slow, or cut off from here alone: it counts as
//! dead while most of the others, and two at least, do not reach it.

mod suspicion;

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use stepfleet_proto::record::v1::Member as Record;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Streaming};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

pub use self::suspicion::Suspicions;

use crate::driver::Driver;
use crate::member::{Membership, process_of};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_millis(500);
/// Pause before a member that does not answer is tried again.
const PAUSE: Duration = Duration::from_millis(200);
/// Pause after a connection broke: short, since whoever was killed refuses the next one at once.
const AGAIN: Duration = Duration::from_millis(20);
/// HTTP/2 pings, so that a connection to a host that vanished breaks.
const KEEP_ALIVE: Duration = Duration::from_millis(500);
/// How long the answer to a ping may take: longer than a busy process makes others wait.
const ANSWER: Duration = Duration::from_secs(1);

/// How a member is connected to; none when its address cannot be one.
pub type Connect = Arc<dyn Fn(&str) -> Option<Endpoint> + Send + Sync>;

/// Watches all other members until it is dropped.
pub async fn watch(
    membership: &Arc<Membership>,
    driver: &Arc<Driver>,
    suspicions: &Arc<Suspicions>,
    connect: &Connect,
) {
    let mut changes = membership.changes();
    let mut watched: BTreeMap<[u64; 2], JoinSet<()>> = BTreeMap::new();
    loop {
        let me = membership.identity().name.as_str();
        let mut others = membership.members();
        others.retain(|record| record.name != me);
        watched.retain(|process, _| others.iter().any(|record| process_of(record) == *process));
        for record in others {
            watched.entry(process_of(&record)).or_insert_with(|| {
                let (mut task, suspicions) = (JoinSet::new(), suspicions.clone());
                let (driver, connect) = (driver.clone(), connect.clone());
                task.spawn(async move { watch_one(record, &driver, &suspicions, &connect).await });
                task
            });
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

async fn watch_one(record: Record, driver: &Driver, suspicions: &Suspicions, connect: &Connect) {
    let process = process_of(&record);
    let Some(endpoint) = connect(&record.address) else {
        return tracing::warn!(member = %record.name, address = %record.address, "not an address");
    };
    let endpoint = endpoint
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(ANSWER)
        .keep_alive_while_idle(true);
    let mut was_heard = false;
    loop {
        match timeout(CONNECT, endpoint.connect()).await {
            Ok(Ok(channel)) => {
                let mut states = HealthStates::of(channel).await;
                let mut is_heard = false;
                // It answers at once and never again but for changes; what counts is that it ends.
                while states.next().await {
                    if !is_heard {
                        (is_heard, was_heard) = (true, true);
                        driver.lives(process);
                        suspicions.withdraw(process).await;
                    }
                }
                if is_heard {
                    sleep(AGAIN).await;
                    continue;
                }
            }
            // Before it was heard it may not listen yet.
            Ok(Err(error)) if was_heard && is_refused(&error) => {
                driver.died(process);
                sleep(PAUSE).await;
                continue;
            }
            Ok(Err(_)) | Err(_) => {}
        }
        if was_heard {
            suspicions.raise(process).await;
        }
        sleep(PAUSE).await;
    }
}

/// What a member says of its health; nothing when it does not begin to.
struct HealthStates(Option<Streaming<HealthCheckResponse>>);

impl HealthStates {
    async fn of(channel: Channel) -> Self {
        let mut client = HealthClient::new(channel);
        // Whatever accepts connections in the place of a host that vanished answers no requests.
        let answer = timeout(ANSWER, client.watch(HealthCheckRequest::default())).await;
        Self(answer.ok().and_then(Result::ok).map(Response::into_inner))
    }

    async fn next(&mut self) -> bool {
        match &mut self.0 {
            Some(states) => matches!(states.message().await, Ok(Some(_))),
            None => false,
        }
    }
}

fn is_refused(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused) {
            return true;
        }
        next = error.source();
    }
    false
}
