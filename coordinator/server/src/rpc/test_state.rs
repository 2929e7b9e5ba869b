//! `TestState`.

use stepfleet_asl::{Payload, Value};
use stepfleet_engine::test_state::Inspection;
use stepfleet_proto::v1::test_state_request::{FieldValidation, Mock};
use stepfleet_proto::v1::test_state_response::{
    self, HttpRequest, HttpResponse, Inspection as Message,
};
use stepfleet_proto::v1::{TestStateRequest, TestStateResponse};

use super::call::Call;
use super::convert::present;
use crate::aws::input::test_state::{
    MockErrorOutput, MockInput, StateConfiguration, TestStateInput,
};
use crate::service::error::{ApiError, ErrorCode};
use crate::service::test_state::{Shown, Status, Tested};

pub(super) async fn test(
    call: &Call,
    message: TestStateRequest,
) -> Result<TestStateResponse, ApiError> {
    let (request, _) = input(message)?.check(&call.face.bounds)?;
    let tested = call.service().test_state(&call.caller, request).await?;
    Ok(response(&tested))
}

fn input(message: TestStateRequest) -> Result<TestStateInput, ApiError> {
    let validation = validation_word(message.field_validation)?;
    let mock = message.mock.map(|mock| {
        let (result, error_output) = match mock {
            Mock::MockResult(result) => (Some(result), None),
            Mock::MockError(failure) => (
                None,
                Some(MockErrorOutput {
                    error: failure.error,
                    cause: failure.cause,
                }),
            ),
        };
        MockInput {
            result,
            error_output,
            field_validation_mode: validation.map(str::to_owned),
        }
    });
    Ok(TestStateInput {
        definition: Some(message.definition),
        role_arn: present(message.role_arn),
        input: present(message.input),
        inspection_level: None,
        reveal_secrets: Some(message.reveal_secrets),
        variables: present(message.variables),
        state_name: present(message.state_name),
        mock,
        context: present(message.context),
        state_configuration: Some(StateConfiguration {
            retrier_retry_count: Some(i64::from(message.retrier_retry_count)),
            error_caused_by_state: present(message.error_caused_by_state),
            map_iteration_failure_count: message.map_iteration_failure_count.map(i64::from),
            map_item_reader_data: present(message.map_item_reader_data),
        }),
    })
}

fn validation_word(number: i32) -> Result<Option<&'static str>, ApiError> {
    match FieldValidation::try_from(number) {
        Ok(FieldValidation::Unspecified) => Ok(None),
        Ok(FieldValidation::Strict) => Ok(Some("STRICT")),
        Ok(FieldValidation::Present) => Ok(Some("PRESENT")),
        Ok(FieldValidation::None) => Ok(Some("NONE")),
        Err(_) => {
            let message = format!("field_validation: {number} is not one of its values");
            Err(ApiError::new(ErrorCode::ValidationException, message))
        }
    }
}

fn response(tested: &Tested) -> TestStateResponse {
    let (told, exchange) = (tested.told(), tested.exchange.as_ref());
    let owned = |text: Option<&str>| text.map(str::to_owned);
    TestStateResponse {
        status: match told.status {
            Status::Succeeded => test_state_response::Status::Succeeded,
            Status::Failed => test_state_response::Status::Failed,
            Status::Retriable => test_state_response::Status::Retriable,
            Status::CaughtError => test_state_response::Status::CaughtError,
        }
        .into(),
        output: owned(told.output),
        error: owned(told.error),
        cause: owned(told.cause),
        next_state: owned(told.next_state),
        inspection: Some(Message {
            request: exchange.and_then(request),
            response: exchange.and_then(answer),
            ..inspection(&tested.input, &tested.report.inspection)
        }),
    }
}

fn request(exchange: &Shown) -> Option<HttpRequest> {
    exchange.request.as_ref().map(|request| HttpRequest {
        protocol: request.protocol.clone(),
        method: request.method.clone(),
        url: request.url.clone(),
        headers: request.headers.clone(),
        body: request.body.clone(),
    })
}

fn answer(exchange: &Shown) -> Option<HttpResponse> {
    exchange.answer.as_ref().map(|answer| HttpResponse {
        protocol: answer.protocol.clone(),
        status_code: answer.status_code.clone(),
        status_message: answer.status_message.clone(),
        headers: answer.headers.clone(),
        body: answer.body.clone(),
    })
}

fn inspection(input: &Payload, seen: &Inspection) -> Message {
    let text =
        |payload: &Option<Payload>| payload.as_ref().map(|payload| payload.text().to_owned());
    Message {
        input: input.text().to_owned(),
        after_input_path: text(&seen.after_input_path),
        after_parameters: text(&seen.after_parameters),
        after_arguments: text(&seen.after_arguments),
        after_items_path: text(&seen.after_items_path),
        after_item_selector: text(&seen.after_item_selector),
        result: text(&seen.result),
        after_result_selector: text(&seen.after_result_selector),
        after_result_path: text(&seen.after_result_path),
        variables: Value::from(seen.variables.clone()).to_text(),
        max_concurrency: seen.max_concurrency,
        tolerated_failure_count: seen.tolerated_failure_count,
        retry_index: seen.retry_index,
        retry_backoff_seconds: seen.retry_backoff_seconds,
        catch_index: seen.catch_index,
        request: None,
        response: None,
    }
}
