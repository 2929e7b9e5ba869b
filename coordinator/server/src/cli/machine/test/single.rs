//! One state, as `TestState` tests it.

use serde_json::value::RawValue;
use stepfleet_asl::Value;
use stepfleet_engine::Timestamp;

use super::case::{Answer, Case};
use super::verdict::Seen;
use crate::arn::ArnSpace;
use crate::service::test_state::{
    self, Configuration, FieldValidation, MockText, Surroundings, TestState,
};

/// What the names in the context object are made of.
const NAMESPACE: &str = "000000000000";

pub(super) fn run(case: &Case, definition: &str, now_ms: i64) -> Result<Seen, String> {
    let text = |raw: &Option<Box<RawValue>>| raw.as_ref().map(|raw| raw.get().to_owned());
    let request = TestState {
        definition: definition.to_owned(),
        state_name: case.state.clone(),
        role_arn: None,
        input: Some(case.input().to_owned()),
        variables: text(&case.variables),
        context: text(&case.context),
        mock: case.mock.as_ref().map(mock),
        validation: FieldValidation::Strict,
        reveals_secrets: false,
        configuration: Configuration {
            retrier_retry_count: case.retrier_retry_count.unwrap_or(0),
            error_caused_by_state: case.error_caused_by_state.clone(),
            map_iteration_failure_count: case.map_iteration_failure_count,
            map_item_reader_data: text(&case.map_item_reader_data),
        },
    };
    let arns = ArnSpace {
        partition: "aws".into(),
        region: "us-east-1".into(),
    };
    let surroundings = Surroundings {
        arns: &arns,
        namespace: NAMESPACE,
        now: Timestamp(now_ms),
        clock: &|| Timestamp(now_ms),
        entropy: 1,
        execution: "test".to_owned(),
        machine: "machine".to_owned(),
        payload_bytes_max: stepfleet_engine::limits::PAYLOAD_BYTES_MAX,
    };
    let tested =
        test_state::run(&request, surroundings, None).map_err(|refusal| refusal.message)?;
    let told = tested.told();
    Ok(Seen {
        status: told.status.as_str(),
        output: told.output.map(str::to_owned),
        error: told.error.map(str::to_owned),
        cause: told.cause.map(str::to_owned),
        states: Vec::new(),
        next_state: told.next_state.map(str::to_owned),
        variables: Some(Value::from(tested.report.inspection.variables.clone()).to_text()),
    })
}

fn mock(answer: &Answer) -> MockText {
    match &answer.result {
        Some(result) => MockText {
            result: Some(result.get().to_owned()),
            error: None,
        },
        None => MockText {
            result: None,
            error: Some((answer.error.clone(), answer.cause.clone())),
        },
    }
}
