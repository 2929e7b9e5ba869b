//! The gRPC face: thin handlers over the service, with health and reflection. Requests must have passed
//! `auth::require`; bounds are checked by the structs of the AWS model, so both faces refuse the same things.

mod access;
mod activities;
mod admin;
mod call;
mod convert;
mod executions;
pub(crate) mod fleet;
mod state_machines;
mod status;
mod tags;
mod tasks;
mod test_state;
#[cfg(test)]
mod tests;
mod versions;
mod workers;

use std::sync::Arc;

use axum::Router;
use axum::middleware::map_response;
use stepfleet_proto::v1::access_service_server::AccessServiceServer;
use stepfleet_proto::v1::activity_service_server::ActivityServiceServer;
use stepfleet_proto::v1::admin_service_server::AdminServiceServer;
use stepfleet_proto::v1::execution_service_server::ExecutionServiceServer;
use stepfleet_proto::v1::fleet_service_server::{FleetService, FleetServiceServer};
use stepfleet_proto::v1::state_machine_service_server::StateMachineServiceServer;
use stepfleet_proto::v1::tag_service_server::TagServiceServer;
use stepfleet_proto::v1::task_service_server::TaskServiceServer;
use stepfleet_proto::v1::version_service_server::VersionServiceServer;
use stepfleet_proto::v1::worker_service_server::WorkerServiceServer;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::face::{Face, confirm_deliveries};

pub(crate) use convert::diagnostics;
pub(crate) use status::status;

/// Messages of this size are always taken, whatever the bounds: fleets send results in batches. Bytes.
const MESSAGE_BYTES_MIN: usize = 4 << 20;

/// The serving status of every service. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    reporter: HealthReporter,
    services: [&'static str; 11],
}

/// All services over one face, and the handle on their health: not serving until [`Health::serving`].
///
/// # Errors
/// The compiled descriptors cannot be read for reflection.
pub(crate) async fn routes<F: FleetService>(
    face: Arc<Face>,
    fleet: F,
) -> Result<(Router, Health), tonic_reflection::server::Error> {
    let bytes_max = face.bounds.request_bytes_max.max(MESSAGE_BYTES_MIN);
    let state_machines =
        StateMachineServiceServer::new(state_machines::StateMachines(Arc::clone(&face)))
            .max_decoding_message_size(bytes_max);
    let executions = ExecutionServiceServer::new(executions::Executions(Arc::clone(&face)))
        .max_decoding_message_size(bytes_max);
    let activities = ActivityServiceServer::new(activities::Activities(Arc::clone(&face)))
        .max_decoding_message_size(bytes_max);
    let tasks = TaskServiceServer::new(tasks::Tasks(Arc::clone(&face)))
        .max_decoding_message_size(bytes_max);
    let versions = VersionServiceServer::new(versions::Versions(Arc::clone(&face)))
        .max_decoding_message_size(bytes_max);
    let tags =
        TagServiceServer::new(tags::Tags(Arc::clone(&face))).max_decoding_message_size(bytes_max);
    let workers = WorkerServiceServer::new(workers::Workers(Arc::clone(&face)))
        .max_decoding_message_size(bytes_max);
    let access = AccessServiceServer::new(access::Access(Arc::clone(&face)))
        .max_decoding_message_size(bytes_max);
    let admin = AdminServiceServer::new(admin::Admin(face)).max_decoding_message_size(bytes_max);
    let fleet = FleetServiceServer::new(fleet).max_decoding_message_size(bytes_max);
    let (reporter, health) = tonic_health::server::health_reporter();
    let routes = Routes::new(state_machines)
        .add_service(executions)
        .add_service(versions)
        .add_service(tags)
        .add_service(activities)
        .add_service(tasks)
        .add_service(workers)
        .add_service(admin)
        .add_service(access)
        .add_service(fleet)
        .add_service(health)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?);
    let health = Health::new::<F>(reporter);
    health.set(ServingStatus::NotServing).await;
    let router = routes
        .prepare()
        .into_axum_router()
        .layer(map_response(confirm_deliveries));
    Ok((router, health))
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(stepfleet_proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

impl Health {
    fn new<F: FleetService>(reporter: HealthReporter) -> Self {
        let services = [
            // The server as a whole.
            "",
            StateMachineServiceServer::<state_machines::StateMachines>::NAME,
            ExecutionServiceServer::<executions::Executions>::NAME,
            VersionServiceServer::<versions::Versions>::NAME,
            TagServiceServer::<tags::Tags>::NAME,
            ActivityServiceServer::<activities::Activities>::NAME,
            TaskServiceServer::<tasks::Tasks>::NAME,
            WorkerServiceServer::<workers::Workers>::NAME,
            AdminServiceServer::<admin::Admin>::NAME,
            AccessServiceServer::<access::Access>::NAME,
            FleetServiceServer::<F>::NAME,
        ];
        Self { reporter, services }
    }

    /// Recovery is over: every service serves.
    pub(crate) async fn serving(&self) {
        self.set(ServingStatus::Serving).await;
    }

    /// A drain begins: clients that watch go elsewhere.
    pub(crate) async fn draining(&self) {
        self.set(ServingStatus::NotServing).await;
    }

    async fn set(&self, status: ServingStatus) {
        for service in self.services {
            self.reporter.set_service_status(service, status).await;
        }
    }
}
