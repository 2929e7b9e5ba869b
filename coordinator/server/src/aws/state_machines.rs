//! The state machine operations.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use stepfleet_asl::diagnostic::{Diagnostic, Severity};

use super::Call;
use super::answer::{Seconds, body, empty};
use super::input::executions::ExecutionInput;
use super::input::settings::{ENCRYPTION_DEFAULT, LOGGING_DEFAULT, TRACING_DEFAULT};
use super::input::state_machines::{
    CreateStateMachineInput, Role, StateMachineInput, UpdateStateMachineInput, ValidateInput,
};
use super::input::{IncludedData, ListInput};
use crate::service::api::{MachineStatus, MachineType, StateMachineDescription, StateMachineItem};
use crate::service::error::{ApiError, ErrorCode};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    state_machine_arn: String,
    creation_date: Seconds,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_machine_version_arn: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Updated {
    update_date: Seconds,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_machine_version_arn: Option<String>,
}

/// `DescribeStateMachine` and, with its update date, `DescribeStateMachineForExecution`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Description<'a> {
    state_machine_arn: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<&'a str>,
    role_arn: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    /// Of a version.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    creation_date: Option<Seconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_date: Option<Seconds>,
    logging_configuration: &'a RawValue,
    tracing_configuration: &'a RawValue,
    encryption_configuration: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision_id: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    variable_references: BTreeMap<&'a str, Vec<&'a str>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List {
    state_machines: Vec<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    state_machine_arn: String,
    name: String,
    r#type: &'static str,
    creation_date: Seconds,
}

#[derive(Serialize)]
struct Validated<'a> {
    result: &'static str,
    diagnostics: Vec<Finding<'a>>,
    truncated: bool,
}

#[derive(Serialize)]
struct Finding<'a> {
    severity: &'static str,
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<&'a str>,
}

impl Call<'_> {
    pub(super) async fn create_state_machine(&self) -> Result<Vec<u8>, ApiError> {
        let request = self
            .read::<CreateStateMachineInput>()?
            .check(self.bounds, Role::Required)?;
        let created = self
            .service
            .create_state_machine(self.caller, request)
            .await?;
        body(&Created {
            state_machine_arn: created.arn,
            creation_date: Seconds(created.created_at),
            state_machine_version_arn: created.version_arn,
        })
    }

    pub(super) async fn update_state_machine(&self) -> Result<Vec<u8>, ApiError> {
        let request = self.read::<UpdateStateMachineInput>()?.check(self.bounds)?;
        let updated = self
            .service
            .update_state_machine(self.caller, request)
            .await?;
        body(&Updated {
            update_date: Seconds(updated.updated_at),
            revision_id: updated.revision_id,
            state_machine_version_arn: updated.version_arn,
        })
    }

    pub(super) async fn delete_state_machine(&self) -> Result<Vec<u8>, ApiError> {
        let (arn, _) = self.read::<StateMachineInput>()?.check()?;
        self.service.delete_state_machine(self.caller, &arn).await?;
        Ok(empty())
    }

    pub(super) async fn describe_state_machine(&self) -> Result<Vec<u8>, ApiError> {
        let (arn, included) = self.read::<StateMachineInput>()?.check()?;
        let machine = self
            .service
            .describe_state_machine(self.caller, &arn)
            .await?;
        let mut description = Description::of(&machine, included)?;
        description.status = Some(status_name(machine.status));
        description.r#type = Some(type_name(machine.machine_type));
        description.creation_date = Some(Seconds(machine.date));
        body(&description)
    }

    pub(super) async fn describe_state_machine_for_execution(&self) -> Result<Vec<u8>, ApiError> {
        let (arn, included) = self.read::<ExecutionInput>()?.check()?;
        let machine = self
            .service
            .describe_state_machine_for_execution(self.caller, &arn)
            .await?;
        let mut description = Description::of(&machine, included)?;
        description.update_date = Some(Seconds(machine.date));
        body(&description)
    }

    pub(super) async fn list_state_machines(&self) -> Result<Vec<u8>, ApiError> {
        let request = self.read::<ListInput>()?.check()?;
        let page = self
            .service
            .list_state_machines(self.caller, request)
            .await?;
        let state_machines = page.items.into_iter().map(Item::from).collect();
        body(&List {
            state_machines,
            next_token: page.next_token,
        })
    }

    pub(super) async fn validate_definition(&self) -> Result<Vec<u8>, ApiError> {
        let request = self.read::<ValidateInput>()?.check(self.bounds)?;
        let validation = self
            .service
            .validate_definition(
                self.caller,
                &request.definition,
                request.machine_type,
                request.include_warnings,
                request.limit,
            )
            .await?;
        body(&Validated {
            result: if validation.ok { "OK" } else { "FAIL" },
            diagnostics: validation.diagnostics.iter().map(Finding::from).collect(),
            truncated: validation.truncated,
        })
    }
}

impl<'a> Description<'a> {
    /// What both Describes have in common.
    fn of(machine: &'a StateMachineDescription, included: IncludedData) -> Result<Self, ApiError> {
        let accepted = &machine.accepted;
        Ok(Self {
            state_machine_arn: &machine.arn,
            name: &machine.name,
            status: None,
            definition: (included == IncludedData::AllData).then_some(&*machine.definition),
            role_arn: &machine.role_arn,
            r#type: None,
            description: machine.description.as_deref(),
            creation_date: None,
            update_date: None,
            logging_configuration: raw(accepted
                .logging_configuration
                .as_deref()
                .unwrap_or(LOGGING_DEFAULT))?,
            tracing_configuration: raw(accepted
                .tracing_configuration
                .as_deref()
                .unwrap_or(TRACING_DEFAULT))?,
            encryption_configuration: raw(accepted
                .encryption_configuration
                .as_deref()
                .unwrap_or(ENCRYPTION_DEFAULT))?,
            revision_id: machine.revision_id.as_deref(),
            variable_references: variable_references(machine, included),
        })
    }
}

/// What each state reads, which is part of what the definition says.
fn variable_references(
    machine: &StateMachineDescription,
    included: IncludedData,
) -> BTreeMap<&str, Vec<&str>> {
    if included != IncludedData::AllData {
        return BTreeMap::new();
    }
    let references = machine.variable_references.iter();
    references
        .map(|(state, names)| (&**state, names.iter().map(|name| &**name).collect()))
        .collect()
}

impl From<StateMachineItem> for Item {
    fn from(item: StateMachineItem) -> Self {
        Self {
            state_machine_arn: item.arn,
            name: item.name,
            r#type: type_name(item.machine_type),
            creation_date: Seconds(item.created_at),
        }
    }
}

impl<'a> From<&'a Diagnostic> for Finding<'a> {
    fn from(diagnostic: &'a Diagnostic) -> Self {
        Self {
            severity: match diagnostic.severity {
                Severity::Error => "ERROR",
                Severity::Warning => "WARNING",
            },
            code: diagnostic.code,
            message: &diagnostic.message,
            location: diagnostic.location.as_deref(),
        }
    }
}

/// A kept setting as it was kept.
pub(super) fn raw(text: &str) -> Result<&RawValue, ApiError> {
    serde_json::from_str(text).map_err(|error| {
        ApiError::new(
            ErrorCode::InternalServerError,
            format!("a kept setting is broken: {error}"),
        )
    })
}

fn status_name(status: MachineStatus) -> &'static str {
    match status {
        MachineStatus::Active => "ACTIVE",
        MachineStatus::Deleting => "DELETING",
    }
}

fn type_name(machine_type: MachineType) -> &'static str {
    match machine_type {
        MachineType::Standard => "STANDARD",
        MachineType::Express => "EXPRESS",
    }
}
