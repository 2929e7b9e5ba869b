//! What each request is on, for the judgement whether its caller may make it. The gRPC face has the same of
//! `proto/actions.txt`.

use stepfleet_proto::Subject;

use super::ListInput;
use super::activities::{ActivityInput, CreateActivityInput};
use super::executions::{
    ExecutionInput, HistoryInput, ListExecutionsInput, RedriveExecutionInput, StartExecutionInput,
    StartSyncExecutionInput, StopExecutionInput,
};
use super::map_runs::{ListMapRunsInput, MapRunInput, UpdateMapRunInput};
use super::state_machines::{
    CreateStateMachineInput, StateMachineInput, UpdateStateMachineInput, ValidateInput,
};
use super::tags::{ListTagsInput, TagResourceInput, UntagResourceInput};
use super::tasks::{FailureInput, GetActivityTaskInput, HeartbeatInput, SuccessInput};
use super::test_state::TestStateInput;
use super::versions::{
    AliasInput, CreateAliasInput, ListPublishedInput, PublishVersionInput, UpdateAliasInput,
    VersionInput,
};
use crate::aws::operation::Operation;

const STATE_MACHINE: &str = "stateMachine";
const ACTIVITY: &str = "activity";

/// A request that is on something.
pub(crate) trait Requested {
    /// What it is on, as it was written and unchecked. Some requests are read for several operations.
    fn subject(&self, operation: Operation) -> Subject<'_>;
}

/// Requests with one field that tells.
macro_rules! requested {
    ($($input:ty => $subject:ident($($field:ident).+);)*) => {$(
        impl Requested for $input {
            fn subject(&self, _: Operation) -> Subject<'_> {
                Subject::$subject(self.$($field).+.as_deref().unwrap_or_default())
            }
        }
    )*};
}

requested! {
    ActivityInput => Arn(activity_arn);
    AliasInput => Arn(state_machine_alias_arn);
    ExecutionInput => Arn(execution_arn);
    FailureInput => Token(task_token);
    GetActivityTaskInput => Arn(activity_arn);
    HeartbeatInput => Token(task_token);
    HistoryInput => Arn(execution_arn);
    ListMapRunsInput => Arn(execution_arn);
    ListPublishedInput => Arn(state_machine_arn);
    ListTagsInput => Arn(resource_arn);
    MapRunInput => Arn(map_run_arn);
    PublishVersionInput => Arn(state_machine_arn);
    RedriveExecutionInput => Arn(execution_arn);
    StartExecutionInput => Arn(state_machine_arn);
    StartSyncExecutionInput => Arn(start.state_machine_arn);
    StateMachineInput => Arn(state_machine_arn);
    StopExecutionInput => Arn(execution_arn);
    SuccessInput => Token(task_token);
    TagResourceInput => Arn(resource_arn);
    UntagResourceInput => Arn(resource_arn);
    UpdateAliasInput => Arn(state_machine_alias_arn);
    UpdateMapRunInput => Arn(map_run_arn);
    UpdateStateMachineInput => Arn(state_machine_arn);
    VersionInput => Arn(state_machine_version_arn);
}

impl Requested for ListExecutionsInput {
    fn subject(&self, _: Operation) -> Subject<'_> {
        let arn = self.state_machine_arn.as_deref();
        Subject::Arn(arn.or(self.map_run_arn.as_deref()).unwrap_or_default())
    }
}

impl Requested for CreateAliasInput {
    fn subject(&self, _: Operation) -> Subject<'_> {
        let first = self.routing_configuration.as_deref().and_then(<[_]>::first);
        let version = first.and_then(|route| route.state_machine_version_arn.as_deref());
        Subject::Arn(version.unwrap_or_default())
    }
}

impl Requested for CreateStateMachineInput {
    fn subject(&self, _: Operation) -> Subject<'_> {
        Subject::Named {
            kind: STATE_MACHINE,
            name: self.name.as_deref().unwrap_or_default(),
        }
    }
}

impl Requested for CreateActivityInput {
    fn subject(&self, _: Operation) -> Subject<'_> {
        Subject::Named {
            kind: ACTIVITY,
            name: self.name.as_deref().unwrap_or_default(),
        }
    }
}

impl Requested for ListInput {
    fn subject(&self, operation: Operation) -> Subject<'_> {
        let kind = if operation == Operation::ListActivities {
            ACTIVITY
        } else {
            STATE_MACHINE
        };
        Subject::All { kind }
    }
}

impl Requested for ValidateInput {
    fn subject(&self, _: Operation) -> Subject<'_> {
        Subject::All {
            kind: STATE_MACHINE,
        }
    }
}

impl Requested for TestStateInput {
    fn subject(&self, _: Operation) -> Subject<'_> {
        Subject::All {
            kind: STATE_MACHINE,
        }
    }
}
