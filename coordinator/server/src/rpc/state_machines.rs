//! `StateMachineService`.

use std::collections::HashMap;
use std::sync::Arc;

use stepfleet_asl::program::VariableReferences;
use stepfleet_proto::v1::state_machine_service_server::StateMachineService;
use stepfleet_proto::v1::{
    CreateStateMachineRequest, CreateStateMachineResponse, DeleteStateMachineRequest,
    DeleteStateMachineResponse, DescribeStateMachineForExecutionRequest,
    DescribeStateMachineForExecutionResponse, DescribeStateMachineRequest,
    DescribeStateMachineResponse, ListStateMachinesRequest, ListStateMachinesResponse,
    StateMachineListItem, TestStateRequest, TestStateResponse, UpdateStateMachineRequest,
    UpdateStateMachineResponse, ValidateStateMachineDefinitionRequest,
    ValidateStateMachineDefinitionResponse, VariableNames,
};
use tonic::{Request, Response, Status};

use super::activities::tags;
use super::call::Call;
use super::convert::{
    diagnostics, machine_status, machine_type, machine_type_word, page, present, setting, timestamp,
};
use super::test_state;
use crate::aws::input::executions::ExecutionInput;
use crate::aws::input::settings::{ENCRYPTION_DEFAULT, LOGGING_DEFAULT, TRACING_DEFAULT};
use crate::aws::input::state_machines::{
    CreateStateMachineInput, Role, StateMachineInput, UpdateStateMachineInput, ValidateInput,
};
use crate::face::Face;
use crate::service::api::StateMachineItem;
use crate::service::error::ApiError;

/// Members of the AWS API that hold the three settings.
const LOGGING: &str = "loggingConfiguration";
const TRACING: &str = "tracingConfiguration";
const ENCRYPTION: &str = "encryptionConfiguration";

pub(super) struct StateMachines(pub(super) Arc<Face>);

#[tonic::async_trait]
impl StateMachineService for StateMachines {
    async fn create_state_machine(
        &self,
        request: Request<CreateStateMachineRequest>,
    ) -> Result<Response<CreateStateMachineResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "CreateStateMachine", request)?;
        let answer = create(&call, message).await;
        call.finish(answer)
    }

    async fn update_state_machine(
        &self,
        request: Request<UpdateStateMachineRequest>,
    ) -> Result<Response<UpdateStateMachineResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "UpdateStateMachine", request)?;
        let answer = update(&call, message).await;
        call.finish(answer)
    }

    async fn delete_state_machine(
        &self,
        request: Request<DeleteStateMachineRequest>,
    ) -> Result<Response<DeleteStateMachineResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "DeleteStateMachine", request)?;
        let answer = delete(&call, message).await;
        call.finish(answer)
    }

    async fn describe_state_machine(
        &self,
        request: Request<DescribeStateMachineRequest>,
    ) -> Result<Response<DescribeStateMachineResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "DescribeStateMachine", request)?;
        let answer = describe(&call, message).await;
        call.finish(answer)
    }

    async fn describe_state_machine_for_execution(
        &self,
        request: Request<DescribeStateMachineForExecutionRequest>,
    ) -> Result<Response<DescribeStateMachineForExecutionResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "DescribeStateMachineForExecution", request)?;
        let answer = describe_for_execution(&call, message).await;
        call.finish(answer)
    }

    async fn list_state_machines(
        &self,
        request: Request<ListStateMachinesRequest>,
    ) -> Result<Response<ListStateMachinesResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "ListStateMachines", request)?;
        let answer = list(&call, message).await;
        call.finish(answer)
    }

    async fn validate_state_machine_definition(
        &self,
        request: Request<ValidateStateMachineDefinitionRequest>,
    ) -> Result<Response<ValidateStateMachineDefinitionResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "ValidateStateMachineDefinition", request)?;
        let answer = validate(&call, message).await;
        call.finish(answer)
    }

    async fn test_state(
        &self,
        request: Request<TestStateRequest>,
    ) -> Result<Response<TestStateResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "TestState", request)?;
        let answer = test_state::test(&call, message).await;
        call.finish(answer)
    }
}

async fn create(
    call: &Call,
    message: CreateStateMachineRequest,
) -> Result<CreateStateMachineResponse, ApiError> {
    let input = CreateStateMachineInput {
        name: Some(message.name),
        definition: Some(message.definition),
        role_arn: present(message.role_arn),
        r#type: machine_type_word(message.r#type)?,
        tags: Some(tags(message.tags)),
        publish: Some(message.publish),
        version_description: message.version_description,
        logging_configuration: setting(LOGGING, present(message.logging_configuration))?,
        tracing_configuration: setting(TRACING, present(message.tracing_configuration))?,
        encryption_configuration: setting(ENCRYPTION, present(message.encryption_configuration))?,
    };
    let request = input.check(&call.face.bounds, Role::Optional)?;
    let created = call
        .service()
        .create_state_machine(&call.caller, request)
        .await?;
    Ok(CreateStateMachineResponse {
        state_machine_arn: created.arn,
        state_machine_version_arn: created.version_arn.unwrap_or_default(),
        creation_date: timestamp(created.created_at),
        warnings: diagnostics(created.warnings),
    })
}

async fn update(
    call: &Call,
    message: UpdateStateMachineRequest,
) -> Result<UpdateStateMachineResponse, ApiError> {
    let input = UpdateStateMachineInput {
        state_machine_arn: Some(message.state_machine_arn),
        definition: message.definition,
        role_arn: message.role_arn,
        publish: Some(message.publish),
        version_description: message.version_description,
        logging_configuration: setting(LOGGING, message.logging_configuration)?,
        tracing_configuration: setting(TRACING, message.tracing_configuration)?,
        encryption_configuration: setting(ENCRYPTION, message.encryption_configuration)?,
    };
    let request = input.check(&call.face.bounds)?;
    let updated = call
        .service()
        .update_state_machine(&call.caller, request)
        .await?;
    Ok(UpdateStateMachineResponse {
        update_date: timestamp(updated.updated_at),
        revision_id: updated.revision_id.unwrap_or_default(),
        state_machine_version_arn: updated.version_arn.unwrap_or_default(),
        warnings: diagnostics(updated.warnings),
    })
}

async fn delete(
    call: &Call,
    message: DeleteStateMachineRequest,
) -> Result<DeleteStateMachineResponse, ApiError> {
    let arn = machine_arn(message.state_machine_arn)?;
    call.service()
        .delete_state_machine(&call.caller, &arn)
        .await?;
    Ok(DeleteStateMachineResponse {})
}

async fn describe(
    call: &Call,
    message: DescribeStateMachineRequest,
) -> Result<DescribeStateMachineResponse, ApiError> {
    let arn = machine_arn(message.state_machine_arn)?;
    let machine = call
        .service()
        .describe_state_machine(&call.caller, &arn)
        .await?;
    let accepted = machine.accepted;
    Ok(DescribeStateMachineResponse {
        state_machine_arn: machine.arn,
        name: machine.name,
        status: machine_status(machine.status).into(),
        definition: machine.definition.to_string(),
        role_arn: machine.role_arn,
        r#type: machine_type(machine.machine_type).into(),
        creation_date: timestamp(machine.date),
        revision_id: machine.revision_id.unwrap_or_default(),
        description: machine.description.unwrap_or_default(),
        variable_references: variable_references(&machine.variable_references),
        logging_configuration: accepted
            .logging_configuration
            .unwrap_or_else(|| LOGGING_DEFAULT.to_owned()),
        tracing_configuration: accepted
            .tracing_configuration
            .unwrap_or_else(|| TRACING_DEFAULT.to_owned()),
        encryption_configuration: accepted
            .encryption_configuration
            .unwrap_or_else(|| ENCRYPTION_DEFAULT.to_owned()),
    })
}

async fn describe_for_execution(
    call: &Call,
    message: DescribeStateMachineForExecutionRequest,
) -> Result<DescribeStateMachineForExecutionResponse, ApiError> {
    let (arn, _) = ExecutionInput {
        execution_arn: Some(message.execution_arn),
        included_data: None,
    }
    .check()?;
    let machine = call
        .service()
        .describe_state_machine_for_execution(&call.caller, &arn)
        .await?;
    Ok(DescribeStateMachineForExecutionResponse {
        state_machine_arn: machine.arn,
        name: machine.name,
        definition: machine.definition.to_string(),
        role_arn: machine.role_arn,
        update_date: timestamp(machine.date),
        revision_id: machine.revision_id.unwrap_or_default(),
        variable_references: variable_references(&machine.variable_references),
    })
}

fn variable_references(references: &VariableReferences) -> HashMap<String, VariableNames> {
    let names = references.iter().map(|(state, names)| {
        let names = names.iter().map(ToString::to_string).collect();
        (state.to_string(), VariableNames { names })
    });
    names.collect()
}

async fn list(
    call: &Call,
    message: ListStateMachinesRequest,
) -> Result<ListStateMachinesResponse, ApiError> {
    let request = page(message.page_size, message.page_token)?;
    let found = call
        .service()
        .list_state_machines(&call.caller, request)
        .await?;
    Ok(ListStateMachinesResponse {
        state_machines: found.items.into_iter().map(item).collect(),
        next_page_token: found.next_token.unwrap_or_default(),
    })
}

async fn validate(
    call: &Call,
    message: ValidateStateMachineDefinitionRequest,
) -> Result<ValidateStateMachineDefinitionResponse, ApiError> {
    let input = ValidateInput {
        definition: Some(message.definition),
        r#type: machine_type_word(message.r#type)?,
        severity: message.include_warnings.then(|| "WARNING".to_owned()),
        max_results: None,
    };
    let request = input.check(&call.face.bounds)?;
    let found = call
        .service()
        .validate_definition(
            &call.caller,
            &request.definition,
            request.machine_type,
            request.include_warnings,
            request.limit,
        )
        .await?;
    Ok(ValidateStateMachineDefinitionResponse {
        ok: found.ok,
        diagnostics: diagnostics(found.diagnostics),
        truncated: found.truncated,
    })
}

fn machine_arn(arn: String) -> Result<String, ApiError> {
    let (arn, _) = StateMachineInput {
        state_machine_arn: Some(arn),
        included_data: None,
    }
    .check()?;
    Ok(arn)
}

fn item(item: StateMachineItem) -> StateMachineListItem {
    StateMachineListItem {
        state_machine_arn: item.arn,
        name: item.name,
        r#type: machine_type(item.machine_type).into(),
        creation_date: timestamp(item.created_at),
    }
}
