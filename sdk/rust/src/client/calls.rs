//! A typed method for every call of the API. A method takes the request message and gives the response message; calls
//! whose repetition is harmless are repeated after retryable errors (see [`Endpoint::retries`](crate::Endpoint::retries)).

use std::time::Duration;

use tonic::{Request, Response, Status, Streaming};

use super::retry::{Attempts, Repeat};
use super::{ANSWER_BYTES_MAX, Client};
use crate::api;
use crate::api::access_service_client::AccessServiceClient;
use crate::api::activity_service_client::ActivityServiceClient;
use crate::api::admin_service_client::AdminServiceClient;
use crate::api::execution_service_client::ExecutionServiceClient;
use crate::api::state_machine_service_client::StateMachineServiceClient;
use crate::api::tag_service_client::TagServiceClient;
use crate::api::task_service_client::TaskServiceClient;
use crate::api::version_service_client::VersionServiceClient;
use crate::api::worker_service_client::WorkerServiceClient;
use crate::backoff::random_id;
use crate::error::Error;

/// How much longer than other calls `GetActivityTask` may take: the coordinator waits up to 60 s for a task.
const POLL_EXTRA: Duration = Duration::from_secs(65);
/// The same for `StartSyncExecution`, which answers when the execution has ended.
const SYNC_EXTRA: Duration = Duration::from_secs(305);

/// The answers of a streaming call, one at a time.
#[derive(Debug)]
pub struct Responses<T>(Streaming<T>);

impl<T> Responses<T> {
    /// The next answer; `None` after the last.
    ///
    /// # Errors
    /// [`Error::Transport`] when the stream broke, [`Error::Api`] when the coordinator ended it with an error.
    pub async fn next(&mut self) -> Result<Option<T>, Error> {
        Ok(self.0.message().await?)
    }
}

/// One method per line: documentation, service, whether it may be repeated, name, request, response.
macro_rules! unary {
    ($($(#[$doc:meta])* $service:ident $repeat:ident $name:ident($request:ident) -> $response:ident;)*) => {
        impl Client {
            $($(#[$doc])*
            ///
            /// # Errors
            /// [`Error::Api`] when the coordinator refuses, [`Error::Transport`] when it is not reached.
            pub async fn $name(&self, request: api::$request) -> Result<api::$response, Error> {
                self.unary(Repeat::$repeat, self.endpoint.request_timeout, request, |request| {
                    let mut service =
                        $service::new(self.service()).max_decoding_message_size(ANSWER_BYTES_MAX);
                    async move { service.$name(request).await }
                })
                .await
            })*
        }
    };
}

unary! {
    /// Creates a state machine; repeating the same request gives the same answer.
    StateMachineServiceClient Safe create_state_machine(CreateStateMachineRequest) -> CreateStateMachineResponse;
    /// Changes a definition or role; running executions keep their revision.
    StateMachineServiceClient Never update_state_machine(UpdateStateMachineRequest) -> UpdateStateMachineResponse;
    /// Deletes a state machine; unknown ARNs are fine.
    StateMachineServiceClient Safe delete_state_machine(DeleteStateMachineRequest) -> DeleteStateMachineResponse;
    /// Describes a state machine.
    StateMachineServiceClient Safe describe_state_machine(DescribeStateMachineRequest) -> DescribeStateMachineResponse;
    /// Describes the state machine as an execution runs it.
    StateMachineServiceClient Safe describe_state_machine_for_execution(DescribeStateMachineForExecutionRequest) -> DescribeStateMachineForExecutionResponse;
    /// One page of the state machines.
    StateMachineServiceClient Safe list_state_machines(ListStateMachinesRequest) -> ListStateMachinesResponse;
    /// Checks a definition without keeping it.
    StateMachineServiceClient Safe validate_state_machine_definition(ValidateStateMachineDefinitionRequest) -> ValidateStateMachineDefinitionResponse;
    /// Does what one state does, once, with a mock in the place of its work.
    StateMachineServiceClient Safe test_state(TestStateRequest) -> TestStateResponse;

    /// Publishes the current revision; one that has a version already gives that version.
    VersionServiceClient Safe publish_state_machine_version(PublishStateMachineVersionRequest) -> PublishStateMachineVersionResponse;
    /// Deletes a version that no alias leads to; unknown ones are fine.
    VersionServiceClient Safe delete_state_machine_version(DeleteStateMachineVersionRequest) -> DeleteStateMachineVersionResponse;
    /// One page of the versions of a state machine, newest first.
    VersionServiceClient Safe list_state_machine_versions(ListStateMachineVersionsRequest) -> ListStateMachineVersionsResponse;
    /// Creates an alias; repeating the same request gives the same answer.
    VersionServiceClient Safe create_state_machine_alias(CreateStateMachineAliasRequest) -> CreateStateMachineAliasResponse;
    /// Changes an alias's description, its routes or both.
    VersionServiceClient Safe update_state_machine_alias(UpdateStateMachineAliasRequest) -> UpdateStateMachineAliasResponse;
    /// Deletes an alias; unknown ones are fine.
    VersionServiceClient Safe delete_state_machine_alias(DeleteStateMachineAliasRequest) -> DeleteStateMachineAliasResponse;
    /// Describes an alias.
    VersionServiceClient Safe describe_state_machine_alias(DescribeStateMachineAliasRequest) -> DescribeStateMachineAliasResponse;
    /// One page of the aliases of a state machine or of a version, newest first.
    VersionServiceClient Safe list_state_machine_aliases(ListStateMachineAliasesRequest) -> ListStateMachineAliasesResponse;

    /// Sets tags of a state machine or activity.
    TagServiceClient Safe tag_resource(TagResourceRequest) -> TagResourceResponse;
    /// Removes tags; keys that are not there are fine.
    TagServiceClient Safe untag_resource(UntagResourceRequest) -> UntagResourceResponse;
    /// The tags of a state machine or activity.
    TagServiceClient Safe list_tags_for_resource(ListTagsForResourceRequest) -> ListTagsForResourceResponse;

    /// Stops an execution.
    ExecutionServiceClient Safe stop_execution(StopExecutionRequest) -> StopExecutionResponse;
    /// Describes an execution.
    ExecutionServiceClient Safe describe_execution(DescribeExecutionRequest) -> DescribeExecutionResponse;
    /// One page of the executions of a state machine.
    ExecutionServiceClient Safe list_executions(ListExecutionsRequest) -> ListExecutionsResponse;
    /// One page of the history of an execution.
    ExecutionServiceClient Safe get_execution_history(GetExecutionHistoryRequest) -> GetExecutionHistoryResponse;

    /// Creates an activity; repeating it gives the same answer.
    ActivityServiceClient Safe create_activity(CreateActivityRequest) -> CreateActivityResponse;
    /// Deletes an activity; unknown ARNs are fine.
    ActivityServiceClient Safe delete_activity(DeleteActivityRequest) -> DeleteActivityResponse;
    /// Describes an activity, its queue and its workers.
    ActivityServiceClient Safe describe_activity(DescribeActivityRequest) -> DescribeActivityResponse;
    /// One page of the activities.
    ActivityServiceClient Safe list_activities(ListActivitiesRequest) -> ListActivitiesResponse;

    /// Changes what holds an activity's tasks back; what is not given stays.
    ActivityServiceClient Safe update_activity(UpdateActivityRequest) -> UpdateActivityResponse;
    /// Fails tasks that wait in an activity's queue; again with the same `scheduled_until` while there are more.
    ActivityServiceClient Safe purge_activity(PurgeActivityRequest) -> PurgeActivityResponse;
    /// The queue of an activity, its workers, and what happened in the last minutes.
    ActivityServiceClient Safe get_activity_stats(GetActivityStatsRequest) -> GetActivityStatsResponse;

    /// One page of the workers, those that left lately included.
    WorkerServiceClient Safe list_workers(ListWorkersRequest) -> ListWorkersResponse;
    /// Describes a worker and the tasks in its hands.
    WorkerServiceClient Safe describe_worker(DescribeWorkerRequest) -> DescribeWorkerResponse;
    /// Tells workers to take no new tasks, finish what they began, and leave.
    WorkerServiceClient Safe drain_workers(DrainWorkersRequest) -> DrainWorkersResponse;
    /// Takes that back from those that have not left.
    WorkerServiceClient Safe resume_workers(ResumeWorkersRequest) -> ResumeWorkersResponse;

    /// Ends a task with an output. Repeated after a lost answer, when the first attempt may have counted: then the
    /// answer is `TaskTimedOut`.
    TaskServiceClient Safe send_task_success(SendTaskSuccessRequest) -> SendTaskSuccessResponse;
    /// Ends a task with an error; repeated like [`Self::send_task_success`].
    TaskServiceClient Safe send_task_failure(SendTaskFailureRequest) -> SendTaskFailureResponse;
    /// Says that a task is still being worked on.
    TaskServiceClient Safe send_task_heartbeat(SendTaskHeartbeatRequest) -> SendTaskHeartbeatResponse;
    /// One page of the tasks that wait for their token to be completed by anyone.
    TaskServiceClient Safe list_callbacks(ListCallbacksRequest) -> ListCallbacksResponse;
    /// Lets one callback URL count no more; its task goes on waiting.
    TaskServiceClient Safe revoke_callback_url(RevokeCallbackUrlRequest) -> RevokeCallbackUrlResponse;

    /// Makes a credential. Never repeated: its secret stands in one answer alone.
    AccessServiceClient Never issue_credential(IssueCredentialRequest) -> IssueCredentialResponse;
    /// One page of the credentials.
    AccessServiceClient Safe list_credentials(ListCredentialsRequest) -> ListCredentialsResponse;
    /// Gives a credential another secret; never repeated.
    AccessServiceClient Never rotate_credential(RotateCredentialRequest) -> RotateCredentialResponse;
    /// Ends a credential at once.
    AccessServiceClient Safe revoke_credential(RevokeCredentialRequest) -> RevokeCredentialResponse;
    /// Stores a policy, or changes it.
    AccessServiceClient Safe put_policy(PutPolicyRequest) -> PutPolicyResponse;
    /// The policies.
    AccessServiceClient Safe list_policies(ListPoliciesRequest) -> ListPoliciesResponse;
    /// A policy and its document.
    AccessServiceClient Safe describe_policy(DescribePolicyRequest) -> DescribePolicyResponse;
    /// Deletes a stored policy; one that is not there is fine.
    AccessServiceClient Safe delete_policy(DeletePolicyRequest) -> DeletePolicyResponse;
    /// What a principal's policies say about an action.
    AccessServiceClient Safe test_policy(TestPolicyRequest) -> TestPolicyResponse;

    /// Facts about the coordinator.
    AdminServiceClient Safe get_status(GetStatusRequest) -> GetStatusResponse;
}

impl Client {
    /// Starts an execution. It is repeated after retryable errors only when the request names it, because a repetition
    /// without a name would start another one. Those of EXPRESS state machines may run more than once anyway, and a
    /// repetition with a name can be a reason.
    ///
    /// # Errors
    /// [`Error::Api`] when the coordinator refuses, [`Error::Transport`] when it is not reached.
    pub async fn start_execution(
        &self,
        request: api::StartExecutionRequest,
    ) -> Result<api::StartExecutionResponse, Error> {
        let repeat = if request.name.is_empty() {
            Repeat::Never
        } else {
            Repeat::Safe
        };
        self.unary(repeat, self.endpoint.request_timeout, request, |request| {
            let mut service = ExecutionServiceClient::new(self.service());
            async move { service.start_execution(request).await }
        })
        .await
    }

    /// Runs an execution of an EXPRESS state machine and gives how it ended, after 5 minutes at most. Never repeated: it
    /// runs at most once, and what an answer would have told is lost with it.
    ///
    /// # Errors
    /// [`Error::Api`] when the coordinator refuses, [`Error::Transport`] when it is not reached.
    pub async fn start_sync_execution(
        &self,
        request: api::StartSyncExecutionRequest,
    ) -> Result<api::StartSyncExecutionResponse, Error> {
        let timeout = self.endpoint.request_timeout + SYNC_EXTRA;
        self.unary(Repeat::Never, timeout, request, |request| {
            let mut service = ExecutionServiceClient::new(self.service())
                .max_decoding_message_size(ANSWER_BYTES_MAX);
            async move { service.start_sync_execution(request).await }
        })
        .await
    }

    /// Makes an execution that failed, timed out or was stopped run again, from where it did. A request without a token
    /// gets a random one, so that a repetition after a lost answer redrives once.
    ///
    /// # Errors
    /// [`Error::Api`] when the coordinator refuses, [`Error::Transport`] when it is not reached.
    pub async fn redrive_execution(
        &self,
        mut request: api::RedriveExecutionRequest,
    ) -> Result<api::RedriveExecutionResponse, Error> {
        if request.client_token.is_empty() {
            request.client_token = random_id();
        }
        let timeout = self.endpoint.request_timeout;
        self.unary(Repeat::Safe, timeout, request, |request| {
            let mut service = ExecutionServiceClient::new(self.service());
            async move { service.redrive_execution(request).await }
        })
        .await
    }

    /// Waits up to 60 s for an activity task; an empty token says that there was none. Never repeated: a task handed out
    /// in an answer that got lost goes back to its queue. Fleets use [`Worker`](crate::Worker).
    ///
    /// # Errors
    /// [`Error::Api`] when the coordinator refuses, [`Error::Transport`] when it is not reached.
    pub async fn get_activity_task(
        &self,
        request: api::GetActivityTaskRequest,
    ) -> Result<api::GetActivityTaskResponse, Error> {
        let timeout = self.endpoint.request_timeout + POLL_EXTRA;
        self.unary(Repeat::Never, timeout, request, |request| {
            let mut service = TaskServiceClient::new(self.service());
            async move { service.get_activity_task(request).await }
        })
        .await
    }

    /// History events of an execution as they are recorded; ends after the closing event.
    ///
    /// # Errors
    /// [`Error::Api`] when the coordinator refuses, [`Error::Transport`] when it is not reached.
    pub async fn watch_execution(
        &self,
        request: api::WatchExecutionRequest,
    ) -> Result<Responses<api::WatchExecutionResponse>, Error> {
        let mut service =
            ExecutionServiceClient::new(self.service()).max_decoding_message_size(ANSWER_BYTES_MAX);
        Ok(Responses(
            service.watch_execution(request).await?.into_inner(),
        ))
    }

    /// A consistent copy of everything; the chunks, joined, are the backup file.
    ///
    /// # Errors
    /// [`Error::Api`] when the coordinator refuses, [`Error::Transport`] when it is not reached.
    pub async fn backup(
        &self,
        request: api::BackupRequest,
    ) -> Result<Responses<api::BackupResponse>, Error> {
        let mut service =
            AdminServiceClient::new(self.service()).max_decoding_message_size(ANSWER_BYTES_MAX);
        Ok(Responses(service.backup(request).await?.into_inner()))
    }

    /// Sends a request until it is answered, refused for good, or out of attempts.
    async fn unary<M, R, F>(
        &self,
        repeat: Repeat,
        timeout: Duration,
        message: M,
        send: impl Fn(Request<M>) -> F,
    ) -> Result<R, Error>
    where
        M: Clone,
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let request = |message| {
            let mut request = Request::new(message);
            request.set_timeout(timeout);
            request
        };
        let mut attempts = Attempts::new(repeat, self.endpoint.retries);
        while attempts.more() {
            match send(request(message.clone())).await {
                Ok(response) => return Ok(response.into_inner()),
                Err(status) => tokio::time::sleep(attempts.after(status.into())?).await,
            }
        }
        Ok(send(request(message)).await?.into_inner())
    }
}
