//! What is told of a definition that is accepted: what would wait or fail as things are now.

use stepfleet_asl::Program;
use stepfleet_asl::diagnostic::{Diagnostic, Severity};
use stepfleet_asl::program::{Kind, Task};
use stepfleet_asl::resource::{Integration, Resource};
use stepfleet_engine::Served;

use super::Service;
use super::api::MachineType;

impl Service {
    /// Whether the fleet of an account serves an integration: its workers have no tasks of Express executions.
    pub(super) fn connects(
        &self,
        namespace: &str,
        machine_type: MachineType,
    ) -> impl Fn(&Integration) -> bool {
        move |integration| {
            let connector = || self.shared.connector_of(namespace, integration);
            machine_type == MachineType::Standard && connector().is_some()
        }
    }

    /// Activities that nobody serves now, or that do not exist: a task of such a one waits, or fails.
    pub(super) fn activity_warnings(&self, namespace: &str, program: &Program) -> Vec<Diagnostic> {
        let mut warnings = self.connector_warnings(namespace, program);
        for state in &program.states {
            let Kind::Task(Task {
                resource: Resource::Activity { arn },
                ..
            }) = &state.kind
            else {
                continue;
            };
            let (code, message) = if !self.shared.catalog.activity_exists(arn) {
                let message = format!("There is no activity {arn}: a task of it fails");
                ("ACTIVITY_DOES_NOT_EXIST", message)
            } else if !self.shared.is_served(arn) {
                let message = format!("No worker serves {arn} now: its tasks wait");
                ("ACTIVITY_UNSERVED", message)
            } else {
                continue;
            };
            warnings.push(Diagnostic {
                severity: Severity::Warning,
                code,
                message,
                location: Some(format!("{}/Resource", state.pointer)),
            });
        }
        warnings
    }

    /// Connectors that no worker serves now: their tasks wait.
    pub(super) fn connector_warnings(&self, namespace: &str, program: &Program) -> Vec<Diagnostic> {
        let mut warnings = Vec::new();
        for state in &program.states {
            let Kind::Task(Task {
                resource: Resource::Integration(integration),
                ..
            }) = &state.kind
            else {
                continue;
            };
            if self.shared.integrations.served(integration) == Served::No
                && let Some(connector) = self.shared.connector_of(namespace, integration)
                && !self.shared.is_served(&connector)
            {
                warnings.push(Diagnostic {
                    severity: Severity::Warning,
                    code: "CONNECTOR_UNSERVED",
                    message: format!(
                        "No worker serves {} now: its tasks wait in the queue of {connector}",
                        integration.arn
                    ),
                    location: Some(format!("{}/Resource", state.pointer)),
                });
            }
        }
        warnings
    }

    /// Tells early what would fail when the state is entered. The text may say it in a comment only, so it refuses nothing.
    pub(super) fn callback_warning(&self, definition: &str) -> Option<Diagnostic> {
        let is_wanted = definition.contains("Task.CallbackUrl");
        (is_wanted && self.shared.callbacks.is_none()).then(|| Diagnostic {
            severity: Severity::Warning,
            code: "CALLBACK_URL_UNKNOWN",
            message: "There is no Task.CallbackUrl here until `url` is set in [callbacks] of the coordinator's \
                      configuration"
                .to_owned(),
            location: None,
        })
    }
}
