//! Versions and aliases from canned data.

use stepfleet_sdk::api::version_service_server::VersionService;
use stepfleet_sdk::api::*;
use stepfleet_sdk::tonic::{self, Request};

use super::{Answer, Canned, PREFIX, ago, give, refuse};

#[tonic::async_trait]
impl VersionService for Canned {
    async fn publish_state_machine_version(
        &self,
        request: Request<PublishStateMachineVersionRequest>,
    ) -> Answer<PublishStateMachineVersionResponse> {
        let request = request.into_inner();
        let arn = request.state_machine_arn;
        self.note(format!(
            "publish {arn} {:?} {:?}",
            request.revision_id, request.description
        ));
        give(PublishStateMachineVersionResponse {
            state_machine_version_arn: format!("{arn}:2"),
            creation_date: ago(0),
        })
    }

    async fn delete_state_machine_version(
        &self,
        request: Request<DeleteStateMachineVersionRequest>,
    ) -> Answer<DeleteStateMachineVersionResponse> {
        let arn = request.into_inner().state_machine_version_arn;
        self.note(format!("delete {arn}"));
        give(DeleteStateMachineVersionResponse {})
    }

    async fn list_state_machine_versions(
        &self,
        request: Request<ListStateMachineVersionsRequest>,
    ) -> Answer<ListStateMachineVersionsResponse> {
        let request = request.into_inner();
        let (number, next) = match request.page_token.as_str() {
            "" => (2, "second"),
            _ => (1, ""),
        };
        give(ListStateMachineVersionsResponse {
            state_machine_versions: vec![StateMachineVersionListItem {
                state_machine_version_arn: format!("{}:{number}", request.state_machine_arn),
                creation_date: ago(90_000),
            }],
            next_page_token: next.into(),
        })
    }

    async fn create_state_machine_alias(
        &self,
        request: Request<CreateStateMachineAliasRequest>,
    ) -> Answer<CreateStateMachineAliasResponse> {
        let request = request.into_inner();
        self.note(format!(
            "create {} {:?}",
            request.name, request.routing_configuration
        ));
        give(CreateStateMachineAliasResponse {
            state_machine_alias_arn: format!("{PREFIX}stateMachine:orders:{}", request.name),
            creation_date: ago(0),
        })
    }

    async fn update_state_machine_alias(
        &self,
        request: Request<UpdateStateMachineAliasRequest>,
    ) -> Answer<UpdateStateMachineAliasResponse> {
        let request = request.into_inner();
        if request.state_machine_alias_arn.ends_with(":new") {
            let message = "Request references a resource that does not exist.";
            return refuse("ResourceNotFound", message);
        }
        self.note(format!(
            "update {} {:?} {:?}",
            request.state_machine_alias_arn, request.description, request.routing_configuration
        ));
        give(UpdateStateMachineAliasResponse {
            update_date: ago(0),
        })
    }

    async fn delete_state_machine_alias(
        &self,
        request: Request<DeleteStateMachineAliasRequest>,
    ) -> Answer<DeleteStateMachineAliasResponse> {
        let arn = request.into_inner().state_machine_alias_arn;
        self.note(format!("delete {arn}"));
        give(DeleteStateMachineAliasResponse {})
    }

    async fn describe_state_machine_alias(
        &self,
        request: Request<DescribeStateMachineAliasRequest>,
    ) -> Answer<DescribeStateMachineAliasResponse> {
        let arn = request.into_inner().state_machine_alias_arn;
        let (machine, name) = arn.rsplit_once(':').unwrap_or_default();
        let route = |number, weight| RoutingConfigurationItem {
            state_machine_version_arn: format!("{machine}:{number}"),
            weight,
        };
        give(DescribeStateMachineAliasResponse {
            name: name.into(),
            description: "what customers get".into(),
            routing_configuration: vec![route(1, 90), route(2, 10)],
            creation_date: ago(90_000),
            update_date: ago(0),
            state_machine_alias_arn: arn,
        })
    }

    async fn list_state_machine_aliases(
        &self,
        request: Request<ListStateMachineAliasesRequest>,
    ) -> Answer<ListStateMachineAliasesResponse> {
        let machine = request.into_inner().state_machine_arn;
        let item = |name| StateMachineAliasListItem {
            state_machine_alias_arn: format!("{machine}:{name}"),
            creation_date: ago(90_000),
        };
        give(ListStateMachineAliasesResponse {
            state_machine_aliases: vec![item("live"), item("next")],
            next_page_token: String::new(),
        })
    }
}
