//! Actions that are no RPC of their own: parts of other requests that AWS asks a permission of their own for, what a
//! stream does, and the endpoints for people.

use stepfleet_proto::{ACTIONS, Action};

/// What a worker needs for each activity that it serves; results and heartbeats need theirs when they come.
pub(crate) const POLL: Action = states("GetActivityTask");
/// A version that is published together with its revision.
pub(crate) const PUBLISH: Action = states("PublishStateMachineVersion");
/// Tags that are given at creation.
pub(crate) const TAG: Action = states("TagResource");
/// `TestState` that shows what connections add to a request.
pub(crate) const REVEAL: Action = states("RevealSecrets");
/// `/metrics`
pub(crate) const METRICS: Action = Action {
    service: "stepfleet",
    name: "GetMetrics",
};

/// The page of a callback URL, which nobody needs a permission for: the audit log names it so.
pub(crate) const VIEW: Action = Action {
    service: "stepfleet",
    name: "ViewCallback",
};

/// Operations of the AWS API that gRPC does not have.
const OF_AWS: [Action; 3] = [
    states("DescribeMapRun"),
    states("ListMapRuns"),
    states("UpdateMapRun"),
];

/// Every action that is ever asked for.
pub(crate) fn known() -> Vec<Action> {
    let rpcs = ACTIONS.iter().map(|(_, action)| *action);
    rpcs.chain(OF_AWS).chain([REVEAL, METRICS]).collect()
}

/// An action that AWS has too.
pub(crate) const fn states(name: &'static str) -> Action {
    Action {
        service: "states",
        name,
    }
}
