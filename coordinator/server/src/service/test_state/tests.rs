//! Requests that are refused, and what is made up around a state.

use serde_json::json;

use super::*;

fn run_with(request: &TestState) -> Result<Tested, ApiError> {
    let arns = ArnSpace {
        partition: "aws".into(),
        region: "us-east-1".into(),
    };
    let surroundings = Surroundings {
        arns: &arns,
        namespace: "000000000000",
        now: Timestamp(0),
        clock: &|| Timestamp(0),
        entropy: 1,
        execution: "execution".to_owned(),
        machine: "machine".to_owned(),
        payload_bytes_max: 262_144,
    };
    let nothing = Mock::Result(Payload::from_value(Value::Null));
    run(request, surroundings, Some(nothing))
}

fn test(definition: &serde_json::Value, mock: Option<MockText>) -> TestState {
    TestState {
        definition: definition.to_string(),
        mock,
        ..TestState::default()
    }
}

fn mocked(result: &str) -> Option<MockText> {
    Some(MockText {
        result: Some(result.to_owned()),
        error: None,
    })
}

fn failing(error: &str) -> Option<MockText> {
    Some(MockText {
        result: None,
        error: Some((Some(error.to_owned()), None)),
    })
}

#[track_caller]
fn assert_refused(request: &TestState, part: &str) {
    let error = run_with(request).unwrap_err();
    assert!(error.message.contains(part), "{}", error.message);
}

fn parallel() -> serde_json::Value {
    let branch = json!({"StartAt": "In", "States": {"In": {"Type": "Pass", "End": true}}});
    json!({"Type": "Parallel", "Branches": [branch], "End": true})
}

#[test]
fn a_state_leads_to_states_that_are_not_defined() {
    let choice = json!({"Type": "Choice", "Default": "B",
        "Choices": [{"Variable": "$.x", "IsPresent": true, "Next": "A"}]});
    for (input, next) in [(r#"{"x":1}"#, "A"), ("{}", "B")] {
        let mut request = test(&choice, None);
        request.input = Some(input.to_owned());
        let tested = run_with(&request).unwrap();
        assert_eq!(tested.told().next_state, Some(next));
        assert_eq!(tested.told().output, Some(input));
    }
}

#[test]
fn definitions_and_names_must_fit() {
    let pass = json!({"Type": "Pass", "End": true});
    let machine = json!({"StartAt": "A", "States": {"A": pass}});
    assert_refused(&test(&machine, None), "stateName must say which");
    let mut request = test(&pass, None);
    request.state_name = Some("A".to_owned());
    assert_refused(&request, "needs a definition of a whole state machine");
    request.definition = machine.to_string();
    assert_eq!(run_with(&request).unwrap().told().output, Some("{}"));
    request.definition = "{".to_owned();
    assert_eq!(
        run_with(&request).unwrap_err().code,
        ErrorCode::InvalidDefinition
    );
}

#[test]
fn mocks_must_be_for_the_state() {
    let task = json!({"Type": "Task", "Resource": "arn:aws:states:::states:startExecution",
        "Parameters": {"StateMachineArn": "a"}, "End": true});
    let both = MockText {
        result: Some("1".to_owned()),
        error: Some((None, None)),
    };
    assert_refused(&test(&task, Some(both)), "only one of the following fields");
    let neither = Some(MockText::default());
    assert_refused(&test(&task, neither), "only one of the following fields");
    assert_refused(&test(&task, mocked("{")), "must be valid JSON");
    assert_refused(&test(&task, mocked("1")), "must be a JSON object.");
    assert_refused(
        &test(&task, mocked(r#"{"ExecutionArn":"a"}"#)),
        "Mock result schema validation error: Required field 'StartDate' is missing",
    );
    let mut request = test(&task, mocked(r#"{"ExecutionArn":1}"#));
    assert_refused(&request, "Field 'ExecutionArn' must be a string");
    request.validation = FieldValidation::None;
    run_with(&request).unwrap();
    request.reveals_secrets = true;
    assert_refused(&request, "does not support RevealSecrets");
    let mut request = test(&task, None);
    request.role_arn = Some("arn:aws:iam::1:role/r".to_owned());
    assert_refused(&request, "give mock.result or mock.errorOutput");
    assert_refused(
        &test(&parallel(), mocked("[1,2]")),
        "same number of items as number of Parallel branches.",
    );
}

#[test]
fn an_error_of_a_parallel_comes_from_a_state_inside() {
    let mut request = test(&parallel(), failing("E"));
    assert_refused(&request, "errorCausedByState must name");
    request.configuration.error_caused_by_state = Some("StateName".to_owned());
    assert_refused(&request, "does not contain a state 'StateName'");
    request.configuration.error_caused_by_state = Some("In".to_owned());
    let tested = run_with(&request).unwrap();
    assert_eq!(tested.told().status, Status::Failed);
    assert_eq!(tested.told().error, Some("E"));
}

#[test]
fn a_given_context_takes_the_place_of_the_made_up_one() {
    let task = json!({"Type": "Task", "QueryLanguage": "JSONata", "End": true,
        "Resource": "arn:aws:states:us-east-1:1:activity:a",
        "Output": "{% [$states.context.Execution.Name, $states.context.StateMachine.Name] %}"});
    let mut request = test(&task, mocked("1"));
    request.context = Some(r#"{"Execution":{"Name":"mine"}}"#.to_owned());
    assert_eq!(
        run_with(&request).unwrap().told().output,
        Some(r#"["mine","machine"]"#)
    );
    request.context = Some(r#"{"Execution":[]}"#.to_owned());
    assert_refused(&request, "Execution must be an object");
    request.context = Some("7".to_owned());
    assert_refused(
        &request,
        "Invalid Context object provided: it must be a JSON object",
    );
    request.mock = None;
    request.role_arn = Some("arn:aws:iam::1:role/r".to_owned());
    assert_refused(&request, "only when a mock is specified");
}

#[test]
fn input_and_variables_must_be_json() {
    let mut request = test(&json!({"Type": "Pass", "End": true}), None);
    request.input = Some("{".to_owned());
    assert_eq!(
        run_with(&request).unwrap_err().code,
        ErrorCode::InvalidExecutionInput
    );
    request.input = None;
    request.variables = Some("[]".to_owned());
    assert_refused(&request, "variables must be a JSON object: it is");
}
