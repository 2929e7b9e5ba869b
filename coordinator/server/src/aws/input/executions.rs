//! Inputs of the execution operations.

use serde::Deserialize;
use stepfleet_engine::execution::Status;

use super::{Bounds, INCLUDED_DATA, IncludedData, check_page, page, unsupported};
use crate::aws::check::{self, Checker};
use crate::service::api::{Executions, GetHistory, ListExecutions, StartExecution};
use crate::service::error::ApiError;

/// In the order in which AWS lists them. `None` is a status that no execution of this release has.
const STATUSES: [(&str, Option<Status>); 6] = [
    ("SUCCEEDED", Some(Status::Succeeded)),
    ("TIMED_OUT", Some(Status::TimedOut)),
    ("PENDING_REDRIVE", None),
    ("ABORTED", Some(Status::Aborted)),
    ("FAILED", Some(Status::Failed)),
    ("RUNNING", Some(Status::Running)),
];
const REDRIVE_FILTERS: [(&str, ()); 2] = [("REDRIVEN", ()), ("NOT_REDRIVEN", ())];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StartExecutionInput {
    pub(crate) state_machine_arn: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) input: Option<String>,
    pub(crate) trace_header: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StartSyncExecutionInput {
    #[serde(flatten)]
    pub(crate) start: StartExecutionInput,
    pub(crate) included_data: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StopExecutionInput {
    pub(crate) execution_arn: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) cause: Option<String>,
}

/// A checked `StopExecution`.
#[derive(Debug)]
pub(crate) struct ToStop {
    pub(crate) arn: String,
    pub(crate) error: Option<String>,
    pub(crate) cause: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RedriveExecutionInput {
    pub(crate) execution_arn: Option<String>,
    pub(crate) client_token: Option<String>,
}

/// `DescribeExecution` and `DescribeStateMachineForExecution`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExecutionInput {
    pub(crate) execution_arn: Option<String>,
    pub(crate) included_data: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListExecutionsInput {
    pub(crate) state_machine_arn: Option<String>,
    pub(crate) status_filter: Option<String>,
    pub(crate) max_results: Option<i64>,
    pub(crate) next_token: Option<String>,
    pub(crate) map_run_arn: Option<String>,
    pub(crate) redrive_filter: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HistoryInput {
    pub(crate) execution_arn: Option<String>,
    pub(crate) max_results: Option<i64>,
    pub(crate) reverse_order: Option<bool>,
    pub(crate) next_token: Option<String>,
    pub(crate) include_execution_data: Option<bool>,
}

impl StartExecutionInput {
    pub(crate) fn check(self, bounds: &Bounds) -> Result<StartExecution, ApiError> {
        let mut checker = Checker::default();
        self.look(&mut checker, bounds);
        checker.finish()?;
        Ok(self.checked())
    }

    fn look(&self, checker: &mut Checker, bounds: &Bounds) {
        let arn = self.state_machine_arn.as_deref();
        checker.required("stateMachineArn", arn, check::ARN);
        checker.text("name", self.name.as_deref(), check::NAME);
        checker.bytes("input", self.input.as_deref(), bounds.payload_bytes_max);
        let trace = self.trace_header.as_deref();
        checker.text("traceHeader", trace, check::TRACE_HEADER);
        checker.pattern("traceHeader", trace, check::ASCII);
    }

    fn checked(self) -> StartExecution {
        StartExecution {
            machine_arn: self.state_machine_arn.unwrap_or_default(),
            name: self.name,
            input: self.input,
            trace_header: self.trace_header,
            origin: None,
        }
    }
}

impl StartSyncExecutionInput {
    pub(crate) fn check(self, bounds: &Bounds) -> Result<(StartExecution, IncludedData), ApiError> {
        let mut checker = Checker::default();
        self.start.look(&mut checker, bounds);
        let data = self.included_data.as_deref();
        let included = checker.one_of("includedData", data, &INCLUDED_DATA);
        checker.finish()?;
        Ok((self.start.checked(), included.unwrap_or_default()))
    }
}

impl StopExecutionInput {
    pub(crate) fn check(self) -> Result<ToStop, ApiError> {
        let mut checker = Checker::default();
        checker.required("executionArn", self.execution_arn.as_deref(), check::ARN);
        checker.text("error", self.error.as_deref(), check::ERROR);
        checker.text("cause", self.cause.as_deref(), check::CAUSE);
        checker.finish()?;
        Ok(ToStop {
            arn: self.execution_arn.unwrap_or_default(),
            error: self.error,
            cause: self.cause,
        })
    }
}

impl RedriveExecutionInput {
    /// The ARN and the token.
    pub(crate) fn check(self) -> Result<(String, Option<String>), ApiError> {
        let mut checker = Checker::default();
        checker.required("executionArn", self.execution_arn.as_deref(), check::ARN);
        let token = self.client_token.as_deref();
        checker.text("clientToken", token, check::CLIENT_TOKEN);
        checker.pattern("clientToken", token, check::GRAPHIC);
        checker.finish()?;
        Ok((self.execution_arn.unwrap_or_default(), self.client_token))
    }
}

impl ExecutionInput {
    pub(crate) fn check(self) -> Result<(String, IncludedData), ApiError> {
        let mut checker = Checker::default();
        checker.required("executionArn", self.execution_arn.as_deref(), check::ARN);
        let included = checker.one_of(
            "includedData",
            self.included_data.as_deref(),
            &INCLUDED_DATA,
        );
        checker.finish()?;
        Ok((
            self.execution_arn.unwrap_or_default(),
            included.unwrap_or_default(),
        ))
    }
}

impl ListExecutionsInput {
    pub(crate) fn check(self) -> Result<ListExecutions, ApiError> {
        let mut checker = Checker::default();
        checker.text(
            "stateMachineArn",
            self.state_machine_arn.as_deref(),
            check::ARN,
        );
        let status = checker.one_of("statusFilter", self.status_filter.as_deref(), &STATUSES);
        check_page(
            &mut checker,
            self.max_results,
            self.next_token.as_deref(),
            check::EXECUTIONS_PAGE_TOKEN,
        );
        checker.text("mapRunArn", self.map_run_arn.as_deref(), check::LONG_ARN);
        checker.one_of(
            "redriveFilter",
            self.redrive_filter.as_deref(),
            &REDRIVE_FILTERS,
        );
        checker.finish()?;
        let of = match (self.state_machine_arn, self.map_run_arn) {
            (Some(machine), None) => Executions::OfMachine(machine),
            (None, Some(map_run)) => Executions::OfMapRun(map_run),
            (Some(_), Some(_)) | (None, None) => {
                return Err(unsupported(
                    "Must specify exactly one of stateMachineArn and mapRunArn",
                ));
            }
        };
        let of_machine = matches!(of, Executions::OfMachine(_));
        if of_machine && self.redrive_filter.is_some() {
            return Err(unsupported("redriveFilter can only be used with mapRunArn"));
        }
        if of_machine && status == Some(None) {
            return Err(unsupported(
                "statusFilter PENDING_REDRIVE can only be used with mapRunArn",
            ));
        }
        let page = page(self.max_results, self.next_token);
        Ok(ListExecutions {
            of,
            status: status.flatten(),
            page,
        })
    }
}

impl HistoryInput {
    /// The request, and whether inputs and outputs are wanted.
    pub(crate) fn check(self) -> Result<(GetHistory, bool), ApiError> {
        let mut checker = Checker::default();
        checker.required("executionArn", self.execution_arn.as_deref(), check::ARN);
        check_page(
            &mut checker,
            self.max_results,
            self.next_token.as_deref(),
            check::PAGE_TOKEN,
        );
        checker.finish()?;
        let request = GetHistory {
            execution_arn: self.execution_arn.unwrap_or_default(),
            reverse: self.reverse_order.unwrap_or(false),
            page: page(self.max_results, self.next_token),
        };
        Ok((request, self.include_execution_data.unwrap_or(true)))
    }
}
