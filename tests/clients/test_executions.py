"""Operations on executions, by boto3."""

import datetime
import json

from harness import CALLBACK, PREFIX, Case, pass_state, task_state, unique, until


class Executions(Case):
    def test_an_execution_is_started_and_described(self):
        machine = self.machine(pass_state())
        name = unique("described")
        text = '{"b": 1, "a": [1.0, 12345678901234567890, "ü"]}'
        made = self.sfn.start_execution(stateMachineArn=machine, name=name, input=text, traceHeader="Root=1")
        execution = made["executionArn"]
        self.assertEqual(execution, machine.replace(":stateMachine:", ":execution:") + ":" + name)
        seen = self.ended(execution)
        self.assertEqual(seen["status"], "SUCCEEDED")
        self.assertEqual(seen["startDate"], made["startDate"])
        self.assertGreaterEqual(seen["stopDate"], seen["startDate"])
        self.assertEqual((seen["name"], seen["stateMachineArn"]), (name, machine))
        self.assertEqual(seen["input"], text)
        self.assertEqual(seen["inputDetails"], {"included": True})
        self.assertEqual(json.loads(seen["output"]), json.loads(text))
        self.assertIn("12345678901234567890", seen["output"])
        self.assertIn("1.0", seen["output"])
        self.assertLess(seen["output"].index('"b"'), seen["output"].index('"a"'))
        self.assertEqual(seen["outputDetails"], {"included": True})
        self.assertEqual(seen["traceHeader"], "Root=1")
        self.assertNotIn("error", seen)

    def test_metadata_alone_can_be_asked_for(self):
        execution = self.start(self.machine(pass_state()), {"secret": True})
        self.ended(execution)
        seen = self.sfn.describe_execution(executionArn=execution, includedData="METADATA_ONLY")
        self.assertNotIn("input", seen)
        self.assertNotIn("output", seen)
        self.assertEqual(seen["inputDetails"], {"included": False})

    def test_without_a_name_each_start_is_another_execution(self):
        machine = self.machine(pass_state())
        self.assertNotEqual(self.start(machine), self.start(machine))

    def test_a_start_by_name_is_idempotent_while_it_runs(self):
        machine = self.machine(task_state(CALLBACK, Parameters={"t.$": "$$.Task.Token"}))
        name = unique("once")
        first = self.sfn.start_execution(stateMachineArn=machine, name=name, input='{"a": 1}')
        second = self.sfn.start_execution(stateMachineArn=machine, name=name, input='{"a": 1}')
        self.assertEqual(first["executionArn"], second["executionArn"])
        self.assertEqual(first["startDate"], second["startDate"])
        taken = f"Execution Already Exists: '{first['executionArn']}'"
        self.refused(
            "ExecutionAlreadyExists", taken, self.sfn.start_execution,
            stateMachineArn=machine, name=name, input='{"a": 2}',
        )
        self.sfn.stop_execution(executionArn=first["executionArn"])
        self.refused(
            "ExecutionAlreadyExists", taken, self.sfn.start_execution,
            stateMachineArn=machine, name=name, input='{"a": 1}',
        )

    def test_a_stopped_execution_is_aborted_with_its_error(self):
        machine = self.machine({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 600, "End": True}}})
        execution = self.start(machine)
        self.event(execution, "WaitStateEntered")
        stopped = self.sfn.stop_execution(executionArn=execution, error="Enough", cause="no patience")
        self.assertIsInstance(stopped["stopDate"], datetime.datetime)
        seen = self.sfn.describe_execution(executionArn=execution)
        self.assertEqual((seen["status"], seen["error"], seen["cause"]), ("ABORTED", "Enough", "no patience"))
        self.assertEqual(seen["stopDate"], stopped["stopDate"])
        last = self.history(execution)[-1]
        self.assertEqual((last["type"], last["previousEventId"]), ("ExecutionAborted", 0))
        self.assertEqual(last["executionAbortedEventDetails"], {"error": "Enough", "cause": "no patience"})

    def test_a_failed_execution_tells_error_and_cause(self):
        machine = self.machine({"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "Bad", "Cause": "worse"}}})
        seen = self.ended(self.start(machine))
        self.assertEqual((seen["status"], seen["error"], seen["cause"]), ("FAILED", "Bad", "worse"))
        self.assertNotIn("output", seen)

    def test_trap_02_a_timed_out_execution_has_neither_error_nor_cause(self):
        machine = self.machine({"TimeoutSeconds": 1, **task_state(CALLBACK, Parameters={"t.$": "$$.Task.Token"})})
        seen = self.ended(self.start(machine))
        self.assertEqual(seen["status"], "TIMED_OUT")
        self.assertNotIn("error", seen)
        self.assertNotIn("cause", seen)

    def test_a_history_is_read_in_both_directions_and_without_data(self):
        states = {f"P{n}": {"Type": "Pass", "Next": f"P{n + 1}"} for n in range(20)}
        states["P20"] = {"Type": "Pass", "End": True}
        execution = self.start(self.machine({"StartAt": "P0", "States": states}), {"a": 1})
        self.ended(execution)
        events = self.history(execution, PaginationConfig={"PageSize": 7})
        self.assertEqual([e["id"] for e in events], list(range(1, len(events) + 1)))
        self.assertEqual(len(events), 2 + 2 * 21)
        self.assertEqual(events[0]["type"], "ExecutionStarted")
        self.assertEqual((events[1]["type"], events[1]["previousEventId"]), ("PassStateEntered", 0))
        self.assertEqual(events[1]["stateEnteredEventDetails"]["input"], '{"a": 1}')
        self.assertEqual(events[1]["stateEnteredEventDetails"]["inputDetails"], {"truncated": False})
        reverse = self.history(execution, reverseOrder=True, PaginationConfig={"PageSize": 5})
        self.assertEqual(reverse, events[::-1])
        for event in self.history(execution, includeExecutionData=False):
            self.assertNotIn("input", event.get("stateEnteredEventDetails", {}))
            self.assertNotIn("output", event.get("stateExitedEventDetails", {}))

    def test_variables_are_shown_where_they_are_assigned_and_read(self):
        machine = self.machine({
            "StartAt": "Set",
            "States": {
                "Set": {"Type": "Pass", "Assign": {"list.$": "$.items", "größe": 1}, "Next": "Each"},
                "Each": {"Type": "Map", "ItemsPath": "$list", "MaxConcurrency": 1, "End": True, "ItemProcessor": {
                    "StartAt": "Keep", "States": {
                        "Keep": {"Type": "Pass", "Assign": {"kept.$": "$"}, "Next": "Add"},
                        "Add": {"Type": "Pass", "Parameters": {"sum.$": "States.MathAdd($kept, $größe)"}, "End": True},
                    }}},
            },
        })
        references = {"Each": ["list"], "Add": ["größe", "kept"]}
        described = self.sfn.describe_state_machine(stateMachineArn=machine)
        self.assertEqual(described["variableReferences"], references)
        execution = self.start(machine, {"items": [1, 2]})
        self.assertEqual(json.loads(self.ended(execution)["output"]), [{"sum": 2}, {"sum": 3}])
        described = self.sfn.describe_state_machine_for_execution(executionArn=execution)
        self.assertEqual(described["variableReferences"], references)
        exits = [e["stateExitedEventDetails"] for e in self.history(execution) if e["type"].endswith("StateExited")]
        assigned = [exit["assignedVariables"] for exit in exits if "assignedVariables" in exit]
        self.assertEqual(assigned, [{"list": "[1,2]", "größe": "1"}, {"kept": "1"}, {"kept": "2"}])
        self.assertEqual(exits[0]["assignedVariablesDetails"], {"truncated": False})

    def test_retry_catch_map_and_parallel_work_together(self):
        activity = self.activity()
        task = {"Type": "Task", "Resource": activity, "End": True}
        machine = self.machine({
            "StartAt": "Each",
            "States": {
                "Each": {
                    "Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 1, "ResultPath": "$.done",
                    "ItemProcessor": {"StartAt": "Do", "States": {"Do": {
                        **task,
                        "Retry": [{"ErrorEquals": ["Again"], "IntervalSeconds": 1, "MaxAttempts": 1, "BackoffRate": 1.0}],
                        "Catch": [{"ErrorEquals": ["Never"], "ResultPath": "$.error", "Next": "Skip"}],
                    }, "Skip": {"Type": "Pass", "Result": "skipped", "End": True}}},
                    "Next": "Both",
                },
                "Both": {"Type": "Parallel", "End": True, "Branches": [
                    {"StartAt": "Left", "States": {"Left": {"Type": "Pass", "InputPath": "$.done", "End": True}}},
                    {"StartAt": "Right", "States": {"Right": {"Type": "Pass", "Result": "right", "End": True}}},
                ]},
            },
        })
        execution = self.start(machine, {"items": [{"n": 1}, {"n": 2}, {"n": 3}]})
        answers = [("fail", "Again"), ("done", 1), ("fail", "Never"), ("done", 3)]
        for how, value in answers:
            token = self.sfn.get_activity_task(activityArn=activity)["taskToken"]
            if how == "done":
                self.sfn.send_task_success(taskToken=token, output=json.dumps(value))
            else:
                self.sfn.send_task_failure(taskToken=token, error=value, cause="because")
        seen = self.ended(execution)
        self.assertEqual(json.loads(seen["output"]), [[1, "skipped", 3], "right"])

    def test_a_resource_that_is_not_served_is_accepted_and_fails_the_execution_that_reaches_it(self):
        resource = "arn:aws:states:::sns:publish"
        machine = self.machine(task_state(resource, Parameters={"TopicArn": "topic", "Message": "m"}))
        seen = self.ended(self.start(machine))
        self.assertEqual((seen["status"], seen["error"]), ("FAILED", "States.Runtime"), seen)
        self.assertIn(f"The resource {resource} is not served by this installation.", seen["cause"])
        self.assertNotIn("output", seen)

    def test_what_does_not_exist_is_named(self):
        gone = f"{PREFIX}:execution:gone:gone"
        text = f"Execution Does Not Exist: '{gone}'"
        for call in (self.sfn.describe_execution, self.sfn.get_execution_history, self.sfn.stop_execution,
                     self.sfn.describe_state_machine_for_execution):
            self.refused("ExecutionDoesNotExist", text, call, executionArn=gone)

    def test_lists_show_executions_by_status(self):
        machine = self.machine(task_state(CALLBACK, Parameters={"t.$": "$$.Task.Token"}))
        first = self.start(machine)
        second = self.start(machine)
        self.sfn.stop_execution(executionArn=first)

        def arns(**more):
            return [e["executionArn"] for e in self.sfn.list_executions(stateMachineArn=machine, **more)["executions"]]

        until("both are listed", lambda: len(arns()) == 2)
        self.assertEqual(sorted(arns()), sorted([first, second]))
        self.assertEqual(arns(statusFilter="RUNNING"), [second])
        self.assertEqual(arns(statusFilter="ABORTED"), [first])
        self.assertEqual(arns(statusFilter="FAILED"), [])
        listed = self.sfn.list_executions(stateMachineArn=machine, statusFilter="ABORTED")["executions"][0]
        self.assertEqual(listed["status"], "ABORTED")
        self.assertEqual(listed["stateMachineArn"], machine)
        self.assertIn("stopDate", listed)
