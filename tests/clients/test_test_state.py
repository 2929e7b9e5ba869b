"""TestState, by boto3 and the AWS command line's own model."""

import json

from botocore.exceptions import ClientError
from harness import ROLE, Case

TASK = {
    "Type": "Task",
    "Resource": "arn:aws:states:::lambda:invoke",
    "Parameters": {"FunctionName": "f", "Payload.$": "$.order"},
    "ResultSelector": {"id.$": "$.Payload.id"},
    "ResultPath": "$.made",
    "Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 2, "MaxAttempts": 2, "BackoffRate": 3}],
    "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "Apologise"}],
    "Next": "Ship",
}


class TestState(Case):
    def of(self, state, **more):
        text = state if isinstance(state, str) else json.dumps(state)
        answer = self.sfn.test_state(definition=text, **more)
        answer.pop("ResponseMetadata")
        return answer

    def task(self, **more):
        return self.of(TASK, input=json.dumps({"order": {"n": 1}}), inspectionLevel="DEBUG", **more)

    def test_every_stage_of_a_task_is_shown(self):
        result = {"Payload": {"id": 7}, "StatusCode": 200}
        answer = self.task(mock={"result": json.dumps(result)})
        self.assertEqual(answer["status"], "SUCCEEDED")
        self.assertEqual(answer["nextState"], "Ship")
        output = {"order": {"n": 1}, "made": {"id": 7}}
        self.assertEqual(json.loads(answer["output"]), output)
        shown = {name: json.loads(text) for name, text in answer["inspectionData"].items()}
        self.assertEqual(
            shown,
            {
                "input": {"order": {"n": 1}},
                "afterInputPath": {"order": {"n": 1}},
                "afterParameters": {"FunctionName": "f", "Payload": {"n": 1}},
                "result": result,
                "afterResultSelector": {"id": 7},
                "afterResultPath": output,
            },
        )

    def test_an_error_is_retried_then_caught(self):
        busy = {"errorOutput": {"error": "Busy", "cause": "later"}}
        answer = self.task(mock=busy, stateConfiguration={"retrierRetryCount": 1})
        self.assertEqual((answer["status"], answer["error"], answer["cause"]), ("RETRIABLE", "Busy", "later"))
        self.assertEqual(
            answer["inspectionData"]["errorDetails"], {"retryIndex": 0, "retryBackoffIntervalSeconds": 6}
        )
        answer = self.task(mock=busy, stateConfiguration={"retrierRetryCount": 2})
        self.assertEqual((answer["status"], answer["nextState"]), ("CAUGHT_ERROR", "Apologise"))
        self.assertEqual(json.loads(answer["output"])["failure"], {"Error": "Busy", "Cause": "later"})
        self.assertEqual(answer["inspectionData"]["errorDetails"], {"retryIndex": 0, "catchIndex": 0})

    def test_variables_are_read_and_set(self):
        state = {
            "Type": "Pass",
            "QueryLanguage": "JSONata",
            "Assign": {"total": "{% $total + $states.input.price %}"},
            "Output": "{% $total %}",
            "End": True,
        }
        answer = self.of(state, input='{"price": 3}', variables='{"total": 4}', inspectionLevel="TRACE")
        self.assertEqual(answer["output"], "4")
        self.assertEqual(json.loads(answer["inspectionData"]["variables"]), {"total": 7})
        self.assertNotIn("nextState", answer)

    def test_a_state_of_a_whole_machine_is_tested_by_name(self):
        machine = {
            "StartAt": "First",
            "States": {
                "First": {"Type": "Pass", "Next": "Second"},
                "Second": {"Type": "Wait", "Seconds": 86400, "Next": "Third"},
                "Third": {"Type": "Fail", "Error": "Stop", "Cause": "here"},
            },
        }
        answer = self.of(machine, stateName="Second", input="[1.0]")
        self.assertEqual(answer, {"status": "SUCCEEDED", "output": "[1.0]", "nextState": "Third"})
        answer = self.of(machine, stateName="Third")
        self.assertEqual(answer, {"status": "FAILED", "error": "Stop", "cause": "here"})

    def test_an_expression_that_fails_says_where(self):
        state = {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% $states.input.none %}", "End": True}
        answer = self.of(state)
        self.assertEqual((answer["status"], answer["error"]), ("FAILED", "States.QueryEvaluationError"))
        self.assertIn("returned nothing (undefined)", answer["cause"])

    def test_an_endless_expression_is_cut_and_others_go_on(self):
        endless = "{% ($f := function($n) { $f($n + 1) }; $f(0)) %}"
        state = {"Type": "Pass", "QueryLanguage": "JSONata", "Output": endless, "End": True}
        answer = self.of(state)
        self.assertEqual((answer["status"], answer["error"]), ("FAILED", "States.QueryEvaluationError"))

    def test_bad_requests_say_what_is_wrong(self):
        for more, code, part in [
            ({}, "ValidationException", "RoleArn must be specified when testing a Task state"),
            ({"roleArn": ROLE}, "ValidationException", "give mock.result or mock.errorOutput"),
            ({"mock": {"result": "{"}}, "ValidationException", "Mocked result must be valid JSON"),
            ({"mock": {"result": '{"StatusCode": "x"}'}}, "ValidationException", "Field 'StatusCode' must be a number"),
            ({"mock": {"result": "{}"}, "variables": "1"}, "ValidationException", "variables must be a JSON object"),
            ({"input": "{"}, "InvalidExecutionInput", "Invalid State Machine Execution Input"),
        ]:
            with self.subTest(more=more), self.assertRaises(ClientError) as raised:
                self.of(TASK, **more)
            error = raised.exception.response["Error"]
            self.assertEqual(error["Code"], code, error)
            self.assertIn(part, error["Message"])
        with self.assertRaises(ClientError) as raised:
            self.of({"Type": "Pas", "End": True})
        error = raised.exception.response["Error"]
        self.assertEqual(error["Code"], "InvalidDefinition")
        self.assertIn("/States/StateName/Type", error["Message"])
