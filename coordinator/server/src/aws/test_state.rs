//! `TestState`.

use serde::Serialize;
use stepfleet_asl::{Payload, Value};
use stepfleet_engine::test_state::Inspection;

use super::Call;
use super::answer::body;
use super::input::test_state::{InspectionLevel, TestStateInput};
use crate::service::error::ApiError;
use crate::service::test_state::{Tested, Told};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inspection_data: Option<InspectionData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_state: Option<&'a str>,
    status: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InspectionData<'a> {
    input: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    after_input_path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after_parameters: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after_arguments: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after_items_path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after_item_selector: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after_result_selector: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after_result_path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variables: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_concurrency: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tolerated_failure_count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_details: Option<ErrorDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<Request<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<Response<'a>>,
}

#[derive(Serialize)]
struct Request<'a> {
    protocol: &'a str,
    method: &'a str,
    url: &'a str,
    headers: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    protocol: &'a str,
    status_code: &'a str,
    status_message: &'a str,
    headers: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorDetails {
    #[serde(skip_serializing_if = "Option::is_none")]
    catch_index: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_index: Option<u32>,
    /// Whole seconds, as in the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_backoff_interval_seconds: Option<i64>,
}

impl Call<'_> {
    pub(super) async fn test_state(&self) -> Result<Vec<u8>, ApiError> {
        let (request, level) = self.read::<TestStateInput>()?.check(self.bounds)?;
        let tested = self.service.test_state(self.caller, request).await?;
        let Told {
            status,
            output,
            error,
            cause,
            next_state,
        } = tested.told();
        body(&Answer {
            output,
            error,
            cause,
            inspection_data: match level {
                InspectionLevel::Info => None,
                InspectionLevel::Debug => Some(inspection(&tested)),
                InspectionLevel::Trace => Some(with_exchange(inspection(&tested), &tested)),
            },
            next_state,
            status: status.as_str(),
        })
    }
}

fn inspection(tested: &Tested) -> InspectionData<'_> {
    fn text(payload: Option<&Payload>) -> Option<&str> {
        payload.map(Payload::text)
    }
    let seen = &tested.report.inspection;
    let variables =
        (!seen.variables.is_empty()).then(|| Value::from(seen.variables.clone()).to_text());
    InspectionData {
        input: tested.input.text(),
        after_input_path: text(seen.after_input_path.as_ref()),
        after_parameters: text(seen.after_parameters.as_ref()),
        after_arguments: text(seen.after_arguments.as_ref()),
        after_items_path: text(seen.after_items_path.as_ref()),
        after_item_selector: text(seen.after_item_selector.as_ref()),
        result: text(seen.result.as_ref()),
        after_result_selector: text(seen.after_result_selector.as_ref()),
        after_result_path: text(seen.after_result_path.as_ref()),
        variables,
        max_concurrency: seen.max_concurrency,
        tolerated_failure_count: seen.tolerated_failure_count,
        error_details: error_details(seen),
        request: None,
        response: None,
    }
}

/// What an HTTP task sent and got, which only the last level shows.
fn with_exchange<'a>(inspection: InspectionData<'a>, tested: &'a Tested) -> InspectionData<'a> {
    let Some(exchange) = &tested.exchange else {
        return inspection;
    };
    InspectionData {
        request: exchange.request.as_ref().map(|request| Request {
            protocol: &request.protocol,
            method: &request.method,
            url: &request.url,
            headers: &request.headers,
            body: request.body.as_deref(),
        }),
        response: exchange.answer.as_ref().map(|answer| Response {
            protocol: &answer.protocol,
            status_code: &answer.status_code,
            status_message: &answer.status_message,
            headers: &answer.headers,
            body: answer.body.as_deref(),
        }),
        ..inspection
    }
}

fn error_details(seen: &Inspection) -> Option<ErrorDetails> {
    let (catch_index, retry_index) = (seen.catch_index, seen.retry_index);
    (catch_index.is_some() || retry_index.is_some()).then(|| ErrorDetails {
        catch_index,
        retry_index,
        retry_backoff_interval_seconds: seen.retry_backoff_whole_seconds(),
    })
}
