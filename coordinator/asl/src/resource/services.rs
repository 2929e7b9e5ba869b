//! The service integrations that a Task can name: the table of optimized integrations with their patterns, the form
//! of SDK integrations, and Stepfleet's own.

use super::Pattern;

/// Actions of one service that share their patterns.
struct Row {
    service: &'static str,
    patterns: &'static [&'static str],
    actions: &'static [&'static str],
}

const ONCE: &[&str] = &[""];
const JOB: &[&str] = &["", ".sync"];
const TOKEN: &[&str] = &["", ".waitForTaskToken"];
const JOB_OR_TOKEN: &[&str] = &["", ".sync", ".waitForTaskToken"];

/// How the action `service:action` (with its suffix) waits; none when no such integration exists.
pub(super) fn pattern_of(service: &str, action: &str) -> Option<Pattern> {
    let (base, suffix) = action.split_at(action.find('.').unwrap_or(action.len()));
    let known = match service.strip_prefix("aws-sdk:") {
        Some("sfn") => API.contains(&base) && TOKEN.contains(&suffix),
        Some(sdk) => is_service_id(sdk) && is_camel_case(base) && TOKEN.contains(&suffix),
        None => TABLE.iter().any(|row| {
            row.service == service && row.actions.contains(&base) && row.patterns.contains(&suffix)
        }),
    };
    known.then(|| waits(suffix))
}

/// How the action of a fleet's own waits: any service and action in the form of Amazon's, in all patterns. None for
/// what is of no such form, and for Step Functions itself, which no fleet takes the place of.
pub(super) fn own_pattern_of(service: &str, action: &str) -> Option<Pattern> {
    let (base, suffix) = action.split_at(action.find('.').unwrap_or(action.len()));
    let (prefix, name) = service.split_once(':').unwrap_or(("", service));
    let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let is_own = is_name
        && matches!(prefix, "" | "aws-sdk")
        && !matches!(service, "states" | "http" | "aws-sdk:sfn")
        && is_camel_case(base)
        && JOB_OR_TOKEN.contains(&suffix);
    is_own.then(|| waits(suffix))
}

fn waits(suffix: &str) -> Pattern {
    match suffix {
        "" => Pattern::RequestResponse,
        ".waitForTaskToken" => Pattern::Callback,
        _ => Pattern::RunJob,
    }
}

fn is_service_id(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

fn is_camel_case(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

const fn row(
    service: &'static str,
    patterns: &'static [&'static str],
    actions: &'static [&'static str],
) -> Row {
    Row {
        service,
        patterns,
        actions,
    }
}

/// The operations of Step Functions, as `aws-sdk:sfn` names them.
const API: &[&str] = &[
    "createActivity",
    "createStateMachine",
    "createStateMachineAlias",
    "deleteActivity",
    "deleteStateMachine",
    "deleteStateMachineAlias",
    "deleteStateMachineVersion",
    "describeActivity",
    "describeExecution",
    "describeMapRun",
    "describeStateMachine",
    "describeStateMachineAlias",
    "describeStateMachineForExecution",
    "getActivityTask",
    "getExecutionHistory",
    "listActivities",
    "listExecutions",
    "listMapRuns",
    "listStateMachineAliases",
    "listStateMachineVersions",
    "listStateMachines",
    "listTagsForResource",
    "publishStateMachineVersion",
    "redriveExecution",
    "sendTaskFailure",
    "sendTaskHeartbeat",
    "sendTaskSuccess",
    "startExecution",
    "startSyncExecution",
    "stopExecution",
    "tagResource",
    "testState",
    "untagResource",
    "updateMapRun",
    "updateStateMachine",
    "updateStateMachineAlias",
    "validateStateMachineDefinition",
];

const TABLE: &[Row] = &[
    row("apigateway", TOKEN, &["invoke"]),
    row("athena", JOB, &["startQueryExecution"]),
    row(
        "athena",
        ONCE,
        &["getQueryExecution", "getQueryResults", "stopQueryExecution"],
    ),
    row("batch", JOB, &["submitJob"]),
    row("bedrock", JOB, &["createModelCustomizationJob"]),
    row("bedrock", TOKEN, &["invokeModel"]),
    row(
        "codebuild",
        JOB,
        &["retryBuildBatch", "startBuild", "startBuildBatch"],
    ),
    row(
        "codebuild",
        ONCE,
        &[
            "batchDeleteBuilds",
            "batchGetReports",
            "deleteBuildBatch",
            "stopBuild",
            "stopBuildBatch",
        ],
    ),
    row("databrew", JOB, &["startJobRun"]),
    row(
        "dynamodb",
        ONCE,
        &["deleteItem", "getItem", "putItem", "updateItem"],
    ),
    row("ecs", JOB_OR_TOKEN, &["runTask"]),
    row("eks", TOKEN, &["call"]),
    row("eks", JOB_OR_TOKEN, &["runJob"]),
    row(
        "eks",
        JOB,
        &[
            "createCluster",
            "createFargateProfile",
            "createNodegroup",
            "deleteCluster",
            "deleteFargateProfile",
            "deleteNodegroup",
        ],
    ),
    row(
        "elasticmapreduce",
        JOB,
        &["addStep", "createCluster", "terminateCluster"],
    ),
    row(
        "elasticmapreduce",
        ONCE,
        &[
            "cancelStep",
            "modifyInstanceFleetByName",
            "modifyInstanceGroupByName",
            "setClusterTerminationProtection",
        ],
    ),
    row(
        "emr-containers",
        JOB,
        &["deleteVirtualCluster", "startJobRun"],
    ),
    row("emr-containers", ONCE, &["createVirtualCluster"]),
    row(
        "emr-serverless",
        JOB,
        &[
            "cancelJobRun",
            "createApplication",
            "deleteApplication",
            "startApplication",
            "startJobRun",
            "stopApplication",
        ],
    ),
    row("events", TOKEN, &["putEvents"]),
    row("glue", JOB, &["startJobRun"]),
    row("http", ONCE, &["invoke"]),
    row("lambda", TOKEN, &["invoke"]),
    row("mediaconvert", JOB, &["createJob"]),
    row(
        "sagemaker",
        JOB,
        &[
            "createHyperParameterTuningJob",
            "createLabelingJob",
            "createProcessingJob",
            "createTrainingJob",
            "createTransformJob",
        ],
    ),
    row(
        "sagemaker",
        ONCE,
        &[
            "createEndpoint",
            "createEndpointConfig",
            "createModel",
            "updateEndpoint",
        ],
    ),
    row("sns", TOKEN, &["publish"]),
    row("sqs", TOKEN, &["sendMessage"]),
    row(
        "states",
        &["", ".sync", ".sync:2", ".waitForTaskToken"],
        &["startExecution"],
    ),
    // Ours: a task that only hands out its token, for partners that know nothing of queues.
    row("stepfleet", &[".waitForTaskToken"], &["callback"]),
    // Ours as well: work of the hosts of a fleet, done by workers.
    row("stepfleet", JOB_OR_TOKEN, &["runCommand", "runContainer"]),
];
