//! The requests of the AWS model and their constraints. Each input turns into the service's request or a
//! `ValidationException`; the gRPC face fills in the same structs, so that both faces have one set of rules.

pub(crate) mod activities;
pub(crate) mod executions;
pub(crate) mod map_runs;
pub(crate) mod settings;
pub(crate) mod state_machines;
mod subjects;
pub(crate) mod tags;
pub(crate) mod tasks;
pub(crate) mod test_state;
pub(crate) mod versions;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::check::{self, Checker, Length};
use crate::config;
use crate::service::api::PageRequest;
use crate::service::error::{ApiError, ErrorCode};

pub(super) use subjects::Requested;

/// Bounds of payloads, which an installation may set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) payload_bytes_max: usize,
    pub(crate) definition_bytes_max: usize,
    pub(crate) request_bytes_max: usize,
}

/// `DescribeExecution.includedData` and its like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum IncludedData {
    #[default]
    AllData,
    MetadataOnly,
}

const INCLUDED_DATA: [(&str, IncludedData); 2] = [
    ("ALL_DATA", IncludedData::AllData),
    ("METADATA_ONLY", IncludedData::MetadataOnly),
];

/// Entries of one page, at most; also what 0 and absence do not mean (100).
const PAGE_ENTRIES_MAX: i64 = 1000;

/// `ListActivities` and `ListStateMachines`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListInput {
    pub(crate) max_results: Option<i64>,
    pub(crate) next_token: Option<String>,
}

impl From<&config::Limits> for Bounds {
    fn from(limits: &config::Limits) -> Self {
        Self {
            payload_bytes_max: limits.payload_bytes_max,
            definition_bytes_max: limits.definition_bytes_max,
            request_bytes_max: limits.request_bytes_max,
        }
    }
}

impl ListInput {
    pub(crate) fn check(self) -> Result<PageRequest, ApiError> {
        let mut checker = Checker::default();
        check_page(
            &mut checker,
            self.max_results,
            self.next_token.as_deref(),
            check::PAGE_TOKEN,
        );
        checker.finish()?;
        Ok(page(self.max_results, self.next_token))
    }
}

/// The one ARN of a Describe, Delete or Get.
pub(crate) fn check_arn(field: &str, arn: Option<String>) -> Result<String, ApiError> {
    check_arn_of(field, arn, check::ARN)
}

/// The same, of an ARN with other bounds.
fn check_arn_of(field: &str, arn: Option<String>, length: Length) -> Result<String, ApiError> {
    let mut checker = Checker::default();
    checker.required(field, arn.as_deref(), length);
    checker.finish()?;
    Ok(arn.unwrap_or_default())
}

/// The ARN and the page of a list that belongs to something.
fn check_list_of(
    field: &str,
    arn: Option<String>,
    max_results: Option<i64>,
    token: Option<String>,
) -> Result<(String, PageRequest), ApiError> {
    let mut checker = Checker::default();
    checker.required(field, arn.as_deref(), check::ARN);
    let length = check::PAGE_TOKEN;
    check_page(&mut checker, max_results, token.as_deref(), length);
    checker.finish()?;
    Ok((arn.unwrap_or_default(), page(max_results, token)))
}

/// Reads a request body, once and straight into its struct. An empty one is `{}`; unknown members are ignored.
pub(super) fn parse<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, ApiError> {
    let Some(first) = body.iter().find(|byte| !byte.is_ascii_whitespace()) else {
        return Ok(T::default());
    };
    // serde would also fill the struct from an array, member by member.
    if *first != b'{' {
        return Err(unreadable(
            "the request body is not a JSON object".to_owned(),
        ));
    }
    serde_json::from_slice(body)
        .map_err(|error| unreadable(format!("cannot read the request body: {error}")))
}

fn unreadable(message: String) -> ApiError {
    ApiError::new(ErrorCode::SerializationException, message)
}

/// A member of the model that this release refuses rather than ignores.
fn unsupported(message: &str) -> ApiError {
    ApiError::new(ErrorCode::ValidationException, message)
}

fn check_page(
    checker: &mut Checker,
    max_results: Option<i64>,
    token: Option<&str>,
    length: Length,
) {
    checker.number("maxResults", max_results, 0, PAGE_ENTRIES_MAX);
    checker.text("nextToken", token, length);
}

fn page(max_results: Option<i64>, token: Option<String>) -> PageRequest {
    // Within bounds after the check.
    PageRequest {
        limit: max_results
            .and_then(|limit| u32::try_from(limit).ok())
            .unwrap_or(0),
        token,
    }
}
