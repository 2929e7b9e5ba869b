//! The connection of a command. Requests go through `stepfleet_sdk::Client`; here are only the flags that make one,
//! the translation of its errors, and the ARN prefix that names are resolved with.

use std::time::Duration;

use stepfleet_sdk::{Endpoint, Responses, api};
use tokio::sync::OnceCell;

use super::args::GlobalArgs;
use super::fault::Fault;

/// A command is not worth waiting for longer than this when nobody answers.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// One connection, made for one command.
#[derive(Debug)]
pub(crate) struct Client {
    sdk: stepfleet_sdk::Client,
    endpoint: String,
    prefix: OnceCell<String>,
}

/// Methods that pass a request on and translate the error.
macro_rules! calls {
    ($($method:ident($request:ident) -> $response:ident;)*) => {
        $(
            pub(crate) async fn $method(&self, request: api::$request) -> Result<api::$response, Fault> {
                self.sdk.$method(request).await.map_err(|error| self.fault(error))
            }
        )*
    };
}

impl Client {
    /// Connects as the flags and the environment say.
    pub(crate) async fn connect(args: &GlobalArgs) -> Result<Self, Fault> {
        let endpoint = endpoint(args).map_err(|error| Fault::Usage(error.to_string()))?;
        let sdk = stepfleet_sdk::Client::connect(endpoint).await;
        let sdk = sdk.map_err(|error| fault(&args.endpoint, error))?;
        Ok(Self {
            sdk,
            endpoint: args.endpoint.clone(),
            prefix: OnceCell::new(),
        })
    }

    /// The URL that was connected to.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    calls! {
        create_state_machine(CreateStateMachineRequest) -> CreateStateMachineResponse;
        update_state_machine(UpdateStateMachineRequest) -> UpdateStateMachineResponse;
        delete_state_machine(DeleteStateMachineRequest) -> DeleteStateMachineResponse;
        describe_state_machine(DescribeStateMachineRequest) -> DescribeStateMachineResponse;
        list_state_machines(ListStateMachinesRequest) -> ListStateMachinesResponse;
        validate_state_machine_definition(ValidateStateMachineDefinitionRequest)
            -> ValidateStateMachineDefinitionResponse;
        publish_state_machine_version(PublishStateMachineVersionRequest)
            -> PublishStateMachineVersionResponse;
        delete_state_machine_version(DeleteStateMachineVersionRequest)
            -> DeleteStateMachineVersionResponse;
        list_state_machine_versions(ListStateMachineVersionsRequest)
            -> ListStateMachineVersionsResponse;
        create_state_machine_alias(CreateStateMachineAliasRequest)
            -> CreateStateMachineAliasResponse;
        update_state_machine_alias(UpdateStateMachineAliasRequest)
            -> UpdateStateMachineAliasResponse;
        delete_state_machine_alias(DeleteStateMachineAliasRequest)
            -> DeleteStateMachineAliasResponse;
        describe_state_machine_alias(DescribeStateMachineAliasRequest)
            -> DescribeStateMachineAliasResponse;
        list_state_machine_aliases(ListStateMachineAliasesRequest)
            -> ListStateMachineAliasesResponse;
        tag_resource(TagResourceRequest) -> TagResourceResponse;
        untag_resource(UntagResourceRequest) -> UntagResourceResponse;
        list_tags_for_resource(ListTagsForResourceRequest) -> ListTagsForResourceResponse;
        start_execution(StartExecutionRequest) -> StartExecutionResponse;
        start_sync_execution(StartSyncExecutionRequest) -> StartSyncExecutionResponse;
        stop_execution(StopExecutionRequest) -> StopExecutionResponse;
        redrive_execution(RedriveExecutionRequest) -> RedriveExecutionResponse;
        describe_execution(DescribeExecutionRequest) -> DescribeExecutionResponse;
        list_executions(ListExecutionsRequest) -> ListExecutionsResponse;
        get_execution_history(GetExecutionHistoryRequest) -> GetExecutionHistoryResponse;
        create_activity(CreateActivityRequest) -> CreateActivityResponse;
        delete_activity(DeleteActivityRequest) -> DeleteActivityResponse;
        describe_activity(DescribeActivityRequest) -> DescribeActivityResponse;
        get_activity_stats(GetActivityStatsRequest) -> GetActivityStatsResponse;
        list_workers(ListWorkersRequest) -> ListWorkersResponse;
        describe_worker(DescribeWorkerRequest) -> DescribeWorkerResponse;
        update_activity(UpdateActivityRequest) -> UpdateActivityResponse;
        purge_activity(PurgeActivityRequest) -> PurgeActivityResponse;
        drain_workers(DrainWorkersRequest) -> DrainWorkersResponse;
        resume_workers(ResumeWorkersRequest) -> ResumeWorkersResponse;
        list_activities(ListActivitiesRequest) -> ListActivitiesResponse;
        send_task_success(SendTaskSuccessRequest) -> SendTaskSuccessResponse;
        send_task_failure(SendTaskFailureRequest) -> SendTaskFailureResponse;
        send_task_heartbeat(SendTaskHeartbeatRequest) -> SendTaskHeartbeatResponse;
        list_callbacks(ListCallbacksRequest) -> ListCallbacksResponse;
        revoke_callback_url(RevokeCallbackUrlRequest) -> RevokeCallbackUrlResponse;
        issue_credential(IssueCredentialRequest) -> IssueCredentialResponse;
        list_credentials(ListCredentialsRequest) -> ListCredentialsResponse;
        rotate_credential(RotateCredentialRequest) -> RotateCredentialResponse;
        revoke_credential(RevokeCredentialRequest) -> RevokeCredentialResponse;
        put_policy(PutPolicyRequest) -> PutPolicyResponse;
        list_policies(ListPoliciesRequest) -> ListPoliciesResponse;
        describe_policy(DescribePolicyRequest) -> DescribePolicyResponse;
        delete_policy(DeletePolicyRequest) -> DeletePolicyResponse;
        test_policy(TestPolicyRequest) -> TestPolicyResponse;
        get_status(GetStatusRequest) -> GetStatusResponse;
    }

    /// The coordinator's own `arn:<partition>:states:<region>:<account>:`, as it tells: whoever may do anything may ask.
    pub(crate) async fn arn_prefix(&self) -> Result<String, Fault> {
        self.prefix
            .get_or_try_init(|| self.find_prefix())
            .await
            .cloned()
    }

    pub(crate) fn fault(&self, error: stepfleet_sdk::Error) -> Fault {
        fault(&self.endpoint, error)
    }

    /// The history events after `after_event_id`, as they come.
    pub(crate) async fn watch_execution(
        &self,
        request: api::WatchExecutionRequest,
    ) -> Result<Responses<api::WatchExecutionResponse>, stepfleet_sdk::Error> {
        self.sdk.watch_execution(request).await
    }

    /// The chunks of a backup.
    pub(crate) async fn backup(&self) -> Result<Responses<api::BackupResponse>, Fault> {
        self.sdk
            .backup(api::BackupRequest {})
            .await
            .map_err(|error| self.fault(error))
    }

    async fn find_prefix(&self) -> Result<String, Fault> {
        let status = self.get_status(api::GetStatusRequest {}).await?;
        Ok(status.arn_prefix)
    }
}

/// Flags win over the environment.
fn endpoint(args: &GlobalArgs) -> Result<Endpoint, stepfleet_sdk::Error> {
    let mut endpoint = Endpoint::new(args.endpoint.as_str())
        .with_env()?
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("stepfleet-cli/", env!("CARGO_PKG_VERSION")));
    if let Some(path) = &args.key_file {
        endpoint = endpoint.api_key_file(path)?;
    }
    if let Some(path) = &args.ca {
        endpoint = endpoint.ca_file(path)?;
    }
    if let (Some(certificate), Some(key)) = (&args.cert, &args.key_pem) {
        endpoint = endpoint.client_identity_files(certificate, key)?;
    }
    Ok(endpoint)
}

fn fault(endpoint: &str, error: stepfleet_sdk::Error) -> Fault {
    use stepfleet_sdk::Error;
    let text = error.to_string();
    match error {
        Error::Api {
            reason, message, ..
        } => Fault::Refused { reason, message },
        Error::Transport(cause) => Fault::Unreachable {
            endpoint: endpoint.to_owned(),
            cause,
        },
        Error::Configuration(text) => Fault::Usage(text),
        Error::Encode(_)
        | Error::TooLarge { .. }
        | Error::Decode(_)
        | Error::Execution { .. }
        | Error::Abandoned { .. }
        | _ => Fault::Failed(text),
    }
}
