//! `VersionService`.

use std::sync::Arc;

use stepfleet_proto::v1::version_service_server::VersionService;
use stepfleet_proto::v1::{
    CreateStateMachineAliasRequest, CreateStateMachineAliasResponse,
    DeleteStateMachineAliasRequest, DeleteStateMachineAliasResponse,
    DeleteStateMachineVersionRequest, DeleteStateMachineVersionResponse,
    DescribeStateMachineAliasRequest, DescribeStateMachineAliasResponse,
    ListStateMachineAliasesRequest, ListStateMachineAliasesResponse,
    ListStateMachineVersionsRequest, ListStateMachineVersionsResponse,
    PublishStateMachineVersionRequest, PublishStateMachineVersionResponse,
    RoutingConfigurationItem, StateMachineAliasListItem, StateMachineVersionListItem,
    UpdateStateMachineAliasRequest, UpdateStateMachineAliasResponse,
};
use tonic::{Request, Response, Status};

use super::call::Call;
use super::convert::{present, timestamp};
use crate::aws::input::versions::{
    AliasInput, CreateAliasInput, ListPublishedInput, PublishVersionInput, RouteInput,
    UpdateAliasInput, VersionInput,
};
use crate::face::Face;
use crate::service::api::{AliasItem, PageRequest, PublishedVersion, Route};
use crate::service::error::ApiError;

pub(super) struct Versions(pub(super) Arc<Face>);

#[tonic::async_trait]
impl VersionService for Versions {
    async fn publish_state_machine_version(
        &self,
        request: Request<PublishStateMachineVersionRequest>,
    ) -> Result<Response<PublishStateMachineVersionResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "PublishStateMachineVersion", request)?;
        let answer = publish(&call, message).await;
        call.finish(answer)
    }

    async fn delete_state_machine_version(
        &self,
        request: Request<DeleteStateMachineVersionRequest>,
    ) -> Result<Response<DeleteStateMachineVersionResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "DeleteStateMachineVersion", request)?;
        let answer = delete_version(&call, message).await;
        call.finish(answer)
    }

    async fn list_state_machine_versions(
        &self,
        request: Request<ListStateMachineVersionsRequest>,
    ) -> Result<Response<ListStateMachineVersionsResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "ListStateMachineVersions", request)?;
        let answer = list_versions(&call, message);
        call.finish(answer)
    }

    async fn create_state_machine_alias(
        &self,
        request: Request<CreateStateMachineAliasRequest>,
    ) -> Result<Response<CreateStateMachineAliasResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "CreateStateMachineAlias", request)?;
        let answer = create_alias(&call, message).await;
        call.finish(answer)
    }

    async fn update_state_machine_alias(
        &self,
        request: Request<UpdateStateMachineAliasRequest>,
    ) -> Result<Response<UpdateStateMachineAliasResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "UpdateStateMachineAlias", request)?;
        let answer = update_alias(&call, message).await;
        call.finish(answer)
    }

    async fn delete_state_machine_alias(
        &self,
        request: Request<DeleteStateMachineAliasRequest>,
    ) -> Result<Response<DeleteStateMachineAliasResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "DeleteStateMachineAlias", request)?;
        let answer = delete_alias(&call, message).await;
        call.finish(answer)
    }

    async fn describe_state_machine_alias(
        &self,
        request: Request<DescribeStateMachineAliasRequest>,
    ) -> Result<Response<DescribeStateMachineAliasResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "DescribeStateMachineAlias", request)?;
        let answer = describe_alias(&call, message);
        call.finish(answer)
    }

    async fn list_state_machine_aliases(
        &self,
        request: Request<ListStateMachineAliasesRequest>,
    ) -> Result<Response<ListStateMachineAliasesResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "ListStateMachineAliases", request)?;
        let answer = list_aliases(&call, message);
        call.finish(answer)
    }
}

async fn publish(
    call: &Call,
    message: PublishStateMachineVersionRequest,
) -> Result<PublishStateMachineVersionResponse, ApiError> {
    let input = PublishVersionInput {
        state_machine_arn: Some(message.state_machine_arn),
        revision_id: present(message.revision_id),
        description: message.description,
    };
    let request = input.check()?;
    let version = call
        .service()
        .publish_version(&call.caller, request)
        .await?;
    Ok(PublishStateMachineVersionResponse {
        state_machine_version_arn: version.arn,
        creation_date: timestamp(version.created_at),
    })
}

async fn delete_version(
    call: &Call,
    message: DeleteStateMachineVersionRequest,
) -> Result<DeleteStateMachineVersionResponse, ApiError> {
    let input = VersionInput {
        state_machine_version_arn: Some(message.state_machine_version_arn),
    };
    let arn = input.check()?;
    call.service().delete_version(&call.caller, &arn).await?;
    Ok(DeleteStateMachineVersionResponse {})
}

fn list_versions(
    call: &Call,
    message: ListStateMachineVersionsRequest,
) -> Result<ListStateMachineVersionsResponse, ApiError> {
    let (arn, request) = list_of(
        message.state_machine_arn,
        message.page_size,
        message.page_token,
    )?;
    let page = call.service().list_versions(&call.caller, &arn, &request)?;
    let item = |version: PublishedVersion| StateMachineVersionListItem {
        state_machine_version_arn: version.arn,
        creation_date: timestamp(version.created_at),
    };
    Ok(ListStateMachineVersionsResponse {
        state_machine_versions: page.items.into_iter().map(item).collect(),
        next_page_token: page.next_token.unwrap_or_default(),
    })
}

async fn create_alias(
    call: &Call,
    message: CreateStateMachineAliasRequest,
) -> Result<CreateStateMachineAliasResponse, ApiError> {
    let input = CreateAliasInput {
        name: Some(message.name),
        description: message.description,
        routing_configuration: Some(routes(message.routing_configuration)),
    };
    let request = input.check()?;
    let alias = call.service().create_alias(&call.caller, request).await?;
    Ok(CreateStateMachineAliasResponse {
        state_machine_alias_arn: alias.arn,
        creation_date: timestamp(alias.created_at),
    })
}

async fn update_alias(
    call: &Call,
    message: UpdateStateMachineAliasRequest,
) -> Result<UpdateStateMachineAliasResponse, ApiError> {
    let given = !message.routing_configuration.is_empty();
    let input = UpdateAliasInput {
        state_machine_alias_arn: Some(message.state_machine_alias_arn),
        description: message.description,
        routing_configuration: given.then(|| routes(message.routing_configuration)),
    };
    let request = input.check()?;
    let updated = call.service().update_alias(&call.caller, request).await?;
    Ok(UpdateStateMachineAliasResponse {
        update_date: timestamp(updated),
    })
}

async fn delete_alias(
    call: &Call,
    message: DeleteStateMachineAliasRequest,
) -> Result<DeleteStateMachineAliasResponse, ApiError> {
    let arn = alias_arn(message.state_machine_alias_arn)?;
    call.service().delete_alias(&call.caller, &arn).await?;
    Ok(DeleteStateMachineAliasResponse {})
}

fn describe_alias(
    call: &Call,
    message: DescribeStateMachineAliasRequest,
) -> Result<DescribeStateMachineAliasResponse, ApiError> {
    let arn = alias_arn(message.state_machine_alias_arn)?;
    let alias = call.service().describe_alias(&call.caller, &arn)?;
    let item = |route: Route| RoutingConfigurationItem {
        state_machine_version_arn: route.version_arn,
        weight: i32::try_from(route.weight).unwrap_or(i32::MAX),
    };
    Ok(DescribeStateMachineAliasResponse {
        state_machine_alias_arn: alias.arn,
        name: alias.name,
        description: alias.description.unwrap_or_default(),
        routing_configuration: alias.routes.into_iter().map(item).collect(),
        creation_date: timestamp(alias.created_at),
        update_date: timestamp(alias.updated_at),
    })
}

fn list_aliases(
    call: &Call,
    message: ListStateMachineAliasesRequest,
) -> Result<ListStateMachineAliasesResponse, ApiError> {
    let (arn, request) = list_of(
        message.state_machine_arn,
        message.page_size,
        message.page_token,
    )?;
    let page = call.service().list_aliases(&call.caller, &arn, &request)?;
    let item = |alias: AliasItem| StateMachineAliasListItem {
        state_machine_alias_arn: alias.arn,
        creation_date: timestamp(alias.created_at),
    };
    Ok(ListStateMachineAliasesResponse {
        state_machine_aliases: page.items.into_iter().map(item).collect(),
        next_page_token: page.next_token.unwrap_or_default(),
    })
}

fn list_of(arn: String, size: i32, token: String) -> Result<(String, PageRequest), ApiError> {
    ListPublishedInput {
        state_machine_arn: Some(arn),
        next_token: present(token),
        max_results: Some(size.into()),
    }
    .check()
}

fn alias_arn(arn: String) -> Result<String, ApiError> {
    AliasInput {
        state_machine_alias_arn: Some(arn),
    }
    .check()
}

fn routes(items: Vec<RoutingConfigurationItem>) -> Vec<RouteInput> {
    let route = |item: RoutingConfigurationItem| RouteInput {
        state_machine_version_arn: Some(item.state_machine_version_arn),
        weight: Some(item.weight.into()),
    };
    items.into_iter().map(route).collect()
}
