//! Inputs of the operations on Map Runs.

use serde::Deserialize;

use super::{check_arn_of, check_list_of, unsupported};
use crate::aws::check::{self, Checker};
use crate::service::api::PageRequest;
use crate::service::error::ApiError;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MapRunInput {
    pub(crate) map_run_arn: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListMapRunsInput {
    pub(crate) execution_arn: Option<String>,
    pub(crate) max_results: Option<i64>,
    pub(crate) next_token: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UpdateMapRunInput {
    pub(crate) map_run_arn: Option<String>,
    pub(crate) max_concurrency: Option<i64>,
    pub(crate) tolerated_failure_percentage: Option<f64>,
    pub(crate) tolerated_failure_count: Option<i64>,
}

impl MapRunInput {
    pub(crate) fn check(self) -> Result<String, ApiError> {
        check_arn_of("mapRunArn", self.map_run_arn, check::LONG_ARN)
    }
}

impl ListMapRunsInput {
    pub(crate) fn check(self) -> Result<(String, PageRequest), ApiError> {
        let (arn, token) = (self.execution_arn, self.next_token);
        check_list_of("executionArn", arn, self.max_results, token)
    }
}

impl UpdateMapRunInput {
    /// The ARN; what is to be changed has no Map Run yet that it could change.
    pub(crate) fn check(self) -> Result<String, ApiError> {
        let mut checker = Checker::default();
        checker.required("mapRunArn", self.map_run_arn.as_deref(), check::LONG_ARN);
        let (concurrency, count) = (self.max_concurrency, self.tolerated_failure_count);
        checker.number("maxConcurrency", concurrency, 0, i64::from(i32::MAX));
        let percentage = self.tolerated_failure_percentage;
        checker.number("toleratedFailurePercentage", percentage, 0.0, 100.0);
        checker.number("toleratedFailureCount", count, 0, i64::MAX);
        checker.finish()?;
        if concurrency.is_none() && percentage.is_none() && count.is_none() {
            return Err(unsupported(
                "One of maxConcurrency, toleratedFailurePercentage and toleratedFailureCount must be specified",
            ));
        }
        Ok(self.map_run_arn.unwrap_or_default())
    }
}
