//! Which members are dead, sooner than their leases tell: every member holds a connection to every other one. When it breaks,
//! and the address refuses another, nobody is there. What is only silent is left to its lease: it may be slow, or cut off
//! from here alone.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use stepfleet_proto::record::v1::Member as Record;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::driver::Driver;
use crate::member::Membership;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(1);
/// Pause before a member that does not answer is tried again.
const PAUSE: Duration = Duration::from_millis(200);
/// HTTP/2 pings, so that a connection to a host that vanished breaks.
const KEEP_ALIVE: Duration = Duration::from_millis(500);

/// How a member is connected to; none when its address cannot be one.
pub type Connect = Arc<dyn Fn(&str) -> Option<Endpoint> + Send + Sync>;

/// Watches all other members until it is dropped.
pub async fn watch(membership: &Membership, driver: &Arc<Driver>, connect: &Connect) {
    let mut changes = membership.changes();
    let mut watched: BTreeMap<[u64; 2], JoinSet<()>> = BTreeMap::new();
    loop {
        let me = membership.identity().name.as_str();
        let mut others = membership.members();
        others.retain(|record| record.name != me);
        watched.retain(|process, _| others.iter().any(|record| process_of(record) == *process));
        for record in others {
            watched.entry(process_of(&record)).or_insert_with(|| {
                let (mut task, driver, connect) = (JoinSet::new(), driver.clone(), connect.clone());
                task.spawn(async move { watch_one(record, &driver, &connect).await });
                task
            });
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

async fn watch_one(record: Record, driver: &Driver, connect: &Connect) {
    let Some(endpoint) = connect(&record.address) else {
        return tracing::warn!(member = %record.name, address = %record.address, "not an address");
    };
    let endpoint = endpoint
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .keep_alive_while_idle(true);
    let mut was_connected = false;
    loop {
        match timeout(CONNECT, endpoint.connect()).await {
            Ok(Ok(channel)) => {
                was_connected = true;
                let request = HealthCheckRequest::default();
                // It answers at once and never again but for changes; what counts is that it ends.
                if let Ok(answer) = HealthClient::new(channel).watch(request).await {
                    let mut states = answer.into_inner();
                    while let Ok(Some(_)) = states.message().await {}
                }
            }
            // Before the first connection it may not listen yet.
            Ok(Err(error)) if was_connected && is_refused(&error) => {
                tracing::warn!(member = %record.name, "a member is dead: its address refuses connections");
                return driver.died(process_of(&record));
            }
            Ok(Err(_)) | Err(_) => sleep(PAUSE).await,
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

fn process_of(record: &Record) -> [u64; 2] {
    [record.incarnation_high, record.incarnation_low]
}
