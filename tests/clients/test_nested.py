"""Executions that tasks start, and the API as a task, by boto3."""

import json
import urllib.request

from botocore.exceptions import ClientError

from harness import PREFIX, Case, coordinator, pass_state, task_state, unique, until

START = "arn:aws:states:::states:startExecution"
SDK = "arn:aws:states:::aws-sdk:sfn:"
HOUR = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 3600, "End": True}}}


class Nested(Case):
    def parent(self, resource, parameters, **fields):
        return self.machine(task_state(resource, Parameters=parameters, **fields))

    def described(self, **fields):
        state = {"Type": "Task", "Resource": SDK + "describeActivity", "End": True, **fields}
        return {"StartAt": "Describe", "States": {"Describe": state}}

    def run_parent(self, resource, parameters, value=None, **fields):
        return self.ended(self.start(self.parent(resource, parameters, **fields), value))

    def children(self, machine):
        pages = self.sfn.get_paginator("list_executions").paginate(stateMachineArn=machine)
        return [item["executionArn"] for page in pages for item in page["executions"]]

    def test_a_request_starts_a_child_and_goes_on(self):
        child = self.machine(HOUR)
        parameters = {"StateMachineArn": child, "Name": "one", "Input": {"n": 1.50, "from.$": "$$.Execution.Id"}}
        seen = self.run_parent(START, parameters)
        output = json.loads(seen["output"])
        name = child.rsplit(":", 1)[1]
        self.assertEqual(output["ExecutionArn"], f"{PREFIX}:execution:{name}:one")
        self.assertEqual(output["SdkHttpMetadata"]["HttpStatusCode"], 200)
        self.assertRegex(output["StartDate"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        child_seen = self.sfn.describe_execution(executionArn=output["ExecutionArn"])
        self.assertEqual(child_seen["status"], "RUNNING")
        self.assertEqual(json.loads(child_seen["input"]), {"n": 1.5, "from": seen["executionArn"]})
        self.sfn.stop_execution(executionArn=output["ExecutionArn"])

    def test_a_sync_task_waits_for_its_child(self):
        child = self.machine(pass_state(Result={"big": 12345678901234567890}))
        for resource, parsed in [(START + ".sync", False), (START + ".sync:2", True)]:
            with self.subTest(resource):
                seen = self.run_parent(resource, {"StateMachineArn": child, "Input": "{\"a\": 1}"})
                output = json.loads(seen["output"])
                result, value = output["Output"], output["Input"]
                if not parsed:
                    result, value = json.loads(result), json.loads(value)
                self.assertEqual((result, value), ({"big": 12345678901234567890}, {"a": 1}))
                self.assertEqual((output["Status"], output["StateMachineArn"]), ("SUCCEEDED", child))
                types = [event["type"] for event in self.history(seen["executionArn"])]
                expect = ["ExecutionStarted", "TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"]
                self.assertEqual(types[: len(expect)], expect)

    def test_a_child_that_fails_fails_its_sync_task(self):
        child = self.machine({"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "Broken", "Cause": "why"}}})
        seen = self.run_parent(START + ".sync:2", {"StateMachineArn": child})
        self.assertEqual((seen["status"], seen["error"]), ("FAILED", "States.TaskFailed"))
        cause = json.loads(seen["cause"])
        self.assertEqual((cause["Status"], cause["Error"], cause["Cause"]), ("FAILED", "Broken", "why"))
        retried = self.run_parent(START + ".sync", {"StateMachineArn": child}, Retry=[{"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 1, "MaxAttempts": 1}])
        self.assertEqual(retried["status"], "FAILED")
        self.assertEqual(len(self.children(child)), 3)

    def test_a_child_is_stopped_with_its_sync_task(self):
        for end in ("stop", "timeout"):
            with self.subTest(end):
                child = self.machine(HOUR)
                fields = {"TimeoutSeconds": 1} if end == "timeout" else {}
                parent = self.start(self.parent(START + ".sync", {"StateMachineArn": child}, **fields))
                arn = until("the child runs", lambda: self.children(child))[0]
                if end == "stop":
                    self.event(parent, "TaskSubmitted")
                    self.sfn.stop_execution(executionArn=parent)
                self.assertEqual(self.ended(parent)["status"], "ABORTED" if end == "stop" else "FAILED")
                self.assertEqual(self.ended(arn)["status"], "ABORTED")

    def test_a_stop_between_the_start_of_a_child_and_its_record_leaves_none_running(self):
        child = self.machine(HOUR)
        parent = self.parent(START + ".sync", {"StateMachineArn": child})
        for _ in range(40):
            self.sfn.stop_execution(executionArn=self.start(parent))
        last = self.start(parent)
        self.event(last, "TaskSubmitted")
        self.sfn.stop_execution(executionArn=last)

        def running():
            pages = self.sfn.list_executions(stateMachineArn=child, statusFilter="RUNNING")
            return pages["executions"]

        until("no child runs", lambda: not running())
        self.assertTrue(self.children(child))

    def test_a_child_completes_its_parents_token_by_the_api(self):
        answer = task_state(SDK + "sendTaskSuccess", Parameters={"TaskToken.$": "$.token", "Output": {"Kept": "Case"}})
        child = self.machine(answer)
        parameters = {"StateMachineArn": child, "Input": {"token.$": "$$.Task.Token"}}
        seen = self.run_parent(START + ".waitForTaskToken", parameters)
        self.assertEqual((seen["status"], json.loads(seen["output"])), ("SUCCEEDED", {"Kept": "Case"}))
        self.assertEqual([self.ended(arn)["output"] for arn in self.children(child)], ["{}"])

    def test_what_cannot_be_started_fails_the_task(self):
        none = f"{PREFIX}:stateMachine:{unique('none')}"
        foreign = f"arn:aws:states:us-east-1:999999999999:stateMachine:{unique('theirs')}"
        child = self.machine(pass_state())
        for parameters, error, cause in [
            ({"StateMachineArn": none}, "StepFunctions.StateMachineDoesNotExistException", f"State Machine Does Not Exist: '{none}' (Service: AWSStepFunctions; Status Code: 400; Error Code: StateMachineDoesNotExist;"),
            ({"StateMachineArn": foreign}, "StepFunctions.StateMachineDoesNotExistException", foreign),
            ({"StateMachineArn": child, "Name": "a b"}, "StepFunctions.InvalidNameException", "Invalid Name: 'a b'"),
            ({"StateMachineArn": child, "Inptu": 1}, "States.Runtime", "could not be used to start the Task: [The field 'Inptu' is not supported by Step Functions]"),
        ]:
            with self.subTest(parameters):
                seen = self.run_parent(START, parameters)
                self.assertEqual((seen["status"], seen["error"]), ("FAILED", error))
                self.assertIn(cause, seen["cause"])
        self.assertEqual(self.children(child), [])

    def test_a_name_that_another_execution_has_is_refused(self):
        child = self.machine(pass_state())
        self.ended(self.start(child, name="taken"))
        seen = self.run_parent(START, {"StateMachineArn": child, "Name": "taken"})
        self.assertEqual(seen["error"], "StepFunctions.ExecutionAlreadyExistsException")

    def test_the_api_answers_tasks_in_the_case_of_its_sdk(self):
        machine = self.machine(pass_state(), tags=[{"key": "Team", "value": "Blue"}])
        seen = self.run_parent(SDK + "listTagsForResource", {"ResourceArn": machine})
        self.assertEqual(json.loads(seen["output"]), {"Tags": [{"Key": "Team", "Value": "Blue"}]})
        seen = self.run_parent(SDK + "describeStateMachine", {"StateMachineArn": machine})
        output = json.loads(seen["output"])
        self.assertEqual((output["StateMachineArn"], output["Type"], json.loads(output["Definition"])), (machine, "STANDARD", pass_state()))
        self.assertRegex(output["CreationDate"], r"Z$")
        seen = self.run_parent(SDK + "describeActivity", {"ActivityArn": f"{PREFIX}:activity:none"})
        self.assertEqual(seen["error"], "Sfn.ActivityDoesNotExistException")
        self.assertRegex(seen["cause"], r"^Activity Does Not Exist: '.*' \(Service: Sfn, Status Code: 400, Request ID: [-0-9a-f]{36}\) \(SDK Attempt Count: 1\)$")

    def test_a_task_can_be_a_worker(self):
        activity = self.activity()
        served = self.start(self.machine(task_state(activity)), {"n": 1})
        poll = {"Type": "Task", "Resource": SDK + "getActivityTask", "Parameters": {"ActivityArn": activity}, "ResultPath": "$.task", "Next": "Answer"}
        answer = {"Type": "Task", "Resource": SDK + "sendTaskSuccess", "Parameters": {"TaskToken.$": "$.task.TaskToken", "Output.$": "$.task.Input"}, "End": True}
        worker = self.ended(self.start(self.machine({"StartAt": "Poll", "States": {"Poll": poll, "Answer": answer}})))
        self.assertEqual(worker["status"], "SUCCEEDED")
        self.assertEqual(self.ended(served)["output"], '{"n": 1}')

    def test_a_poll_whose_task_is_over_takes_no_activity_task(self):
        activity = self.activity()
        state = task_state(SDK + "getActivityTask", Parameters={"ActivityArn": activity}, TimeoutSeconds=1)
        self.assertEqual(self.ended(self.start(self.machine(state)))["error"], "States.Timeout")
        served = self.start(self.machine(task_state(activity)))
        task = self.sfn.get_activity_task(activityArn=activity)
        self.sfn.send_task_success(taskToken=task["taskToken"], output="{}")
        self.assertEqual(self.ended(served)["status"], "SUCCEEDED")

    def test_numbers_reach_the_api_with_their_digits(self):
        child = self.machine(pass_state())
        seen = self.run_parent(SDK + "startExecution", {"StateMachineArn": child, "Input": {"big": 12345678901234567890}})
        arn = json.loads(seen["output"])["ExecutionArn"]
        self.assertEqual(self.ended(arn)["output"], '{"big":12345678901234567890}')

    def test_an_unknown_operation_is_refused_with_the_definition(self):
        resource = SDK + "startExecutions"
        with self.assertRaises(ClientError) as caught:
            self.machine(task_state(resource))
        error = caught.exception.response["Error"]
        self.assertEqual(error["Code"], "InvalidDefinition")
        self.assertIn(f"The resource provided {resource} is not recognized.", error["Message"])

    def test_a_synchronous_execution_is_a_request_too(self):
        child = self.machine(pass_state(), type="EXPRESS")
        seen = self.run_parent(SDK + "startSyncExecution", {"StateMachineArn": child, "Input": {"n": 1}})
        output = json.loads(seen["output"])
        self.assertEqual((output["Status"], json.loads(output["Output"])), ("SUCCEEDED", {"n": 1}))
        for suffix in ("", ".sync", ".sync:2"):
            with self.subTest(suffix):
                seen = self.run_parent(START + suffix, {"StateMachineArn": child})
                self.assertEqual((seen["status"], seen["error"]), ("FAILED", "StepFunctions.StateMachineTypeNotSupportedException"))

    def test_tasks_are_counted_by_their_resource(self):
        child = self.machine(pass_state())
        self.run_parent(START + ".sync", {"StateMachineArn": child})
        with urllib.request.urlopen(coordinator().url + "/metrics") as answer:
            text = answer.read().decode()
        for name, labels in [("scheduled", ""), ("started", ""), ("completed", ',outcome="succeeded"')]:
            line = f'stepfleet_integration_tasks_{name}_total{{resource="states:startExecution.sync"{labels}}} '
            self.assertIn(line, text)

    def test_express_executions_call_the_api_too(self):
        child = self.machine(pass_state())
        states = {
            "Start": {"Type": "Task", "Resource": START, "Parameters": {"StateMachineArn": child, "Input.$": "$"}, "ResultSelector": {"arn.$": "$.ExecutionArn"}, "Next": "Both"},
            "Both": {"Type": "Parallel", "End": True, "Branches": [task_state(SDK + "describeExecution", Parameters={"ExecutionArn.$": "$.arn"}), self.described(Parameters={"ActivityArn": "none"}, Catch=[{"ErrorEquals": ["Sfn.InvalidArnException"], "Next": "Caught"}])]},
        }
        states["Both"]["Branches"][1]["States"]["Caught"] = {"Type": "Pass", "Result": "caught", "End": True}
        machine = self.machine({"StartAt": "Start", "States": states}, type="EXPRESS")
        seen = self.sfn.start_sync_execution(stateMachineArn=machine, input='{"n": 1}')
        self.assertEqual(seen["status"], "SUCCEEDED", seen)
        described, caught = json.loads(seen["output"])
        self.assertEqual((json.loads(described["Input"]), caught), ({"n": 1}, "caught"))
        self.assertEqual(self.children(child), [described["ExecutionArn"]])
