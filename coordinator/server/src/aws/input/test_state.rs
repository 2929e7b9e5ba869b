//! Input of `TestState`.

use serde::Deserialize;

use super::Bounds;
use crate::aws::check::{self, Checker, Length};
use crate::service::error::ApiError;
use crate::service::test_state::{Configuration, FieldValidation, MockText, TestState};

const LEVELS: [(&str, InspectionLevel); 3] = [
    ("INFO", InspectionLevel::Info),
    ("DEBUG", InspectionLevel::Debug),
    ("TRACE", InspectionLevel::Trace),
];
const VALIDATIONS: [(&str, FieldValidation); 3] = [
    ("STRICT", FieldValidation::Strict),
    ("PRESENT", FieldValidation::Present),
    ("NONE", FieldValidation::None),
];
const STATE_NAME: Length = Length::of(1, 80);

/// How much of the stages is told. The last one also tells what an HTTP task sent and got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum InspectionLevel {
    #[default]
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TestStateInput {
    pub(crate) definition: Option<String>,
    pub(crate) role_arn: Option<String>,
    pub(crate) input: Option<String>,
    pub(crate) inspection_level: Option<String>,
    pub(crate) reveal_secrets: Option<bool>,
    pub(crate) variables: Option<String>,
    pub(crate) state_name: Option<String>,
    pub(crate) mock: Option<MockInput>,
    pub(crate) context: Option<String>,
    pub(crate) state_configuration: Option<StateConfiguration>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MockInput {
    pub(crate) result: Option<String>,
    pub(crate) error_output: Option<MockErrorOutput>,
    pub(crate) field_validation_mode: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct MockErrorOutput {
    pub(crate) error: Option<String>,
    pub(crate) cause: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StateConfiguration {
    pub(crate) retrier_retry_count: Option<i64>,
    pub(crate) error_caused_by_state: Option<String>,
    pub(crate) map_iteration_failure_count: Option<i64>,
    pub(crate) map_item_reader_data: Option<String>,
}

impl TestStateInput {
    pub(crate) fn check(self, bounds: &Bounds) -> Result<(TestState, InspectionLevel), ApiError> {
        let mut checker = Checker::default();
        let bytes_max = bounds.payload_bytes_max;
        checker.required_bytes(
            "definition",
            self.definition.as_deref(),
            bounds.definition_bytes_max,
        );
        checker.text("roleArn", self.role_arn.as_deref(), check::ARN);
        checker.bytes("input", self.input.as_deref(), bytes_max);
        let level = checker.one_of("inspectionLevel", self.inspection_level.as_deref(), &LEVELS);
        checker.bytes("variables", self.variables.as_deref(), bytes_max);
        checker.text("stateName", self.state_name.as_deref(), STATE_NAME);
        let mock = self.mock.as_ref();
        let validation = mock.and_then(|mock| mock.check(&mut checker, bytes_max));
        checker.bytes("context", self.context.as_deref(), bytes_max);
        let configuration = self.state_configuration.unwrap_or_default();
        let configuration = configuration.check(&mut checker, bytes_max);
        checker.finish()?;
        let request = TestState {
            definition: self.definition.unwrap_or_default(),
            state_name: self.state_name,
            role_arn: self.role_arn,
            input: self.input,
            variables: self.variables,
            context: self.context,
            mock: self.mock.map(MockText::from),
            validation: validation.unwrap_or_default(),
            reveals_secrets: self.reveal_secrets.unwrap_or(false),
            configuration,
        };
        Ok((request, level.unwrap_or_default()))
    }
}

impl MockInput {
    /// Bounds of its texts; gives how it is validated.
    fn check(&self, checker: &mut Checker, bytes_max: usize) -> Option<FieldValidation> {
        checker.bytes("mock.result", self.result.as_deref(), bytes_max);
        if let Some(output) = &self.error_output {
            let (error, cause) = (output.error.as_deref(), output.cause.as_deref());
            checker.text("mock.errorOutput.error", error, check::ERROR);
            checker.text("mock.errorOutput.cause", cause, check::CAUSE);
        }
        checker.one_of(
            "mock.fieldValidationMode",
            self.field_validation_mode.as_deref(),
            &VALIDATIONS,
        )
    }
}

impl From<MockInput> for MockText {
    fn from(mock: MockInput) -> Self {
        Self {
            result: mock.result,
            error: mock.error_output.map(|output| (output.error, output.cause)),
        }
    }
}

impl StateConfiguration {
    fn check(self, checker: &mut Checker, bytes_max: usize) -> Configuration {
        let (retries, failures) = (self.retrier_retry_count, self.map_iteration_failure_count);
        let max = i64::from(u32::MAX);
        checker.number("stateConfiguration.retrierRetryCount", retries, 0, max);
        checker.text(
            "stateConfiguration.errorCausedByState",
            self.error_caused_by_state.as_deref(),
            STATE_NAME,
        );
        let field = "stateConfiguration.mapIterationFailureCount";
        checker.number(field, failures, 0, max);
        checker.bytes(
            "stateConfiguration.mapItemReaderData",
            self.map_item_reader_data.as_deref(),
            bytes_max,
        );
        let count = |number: Option<i64>| number.and_then(|number| u32::try_from(number).ok());
        Configuration {
            retrier_retry_count: count(retries).unwrap_or(0),
            error_caused_by_state: self.error_caused_by_state,
            map_iteration_failure_count: count(failures),
            map_item_reader_data: self.map_item_reader_data,
        }
    }
}
