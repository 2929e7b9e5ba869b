"""RedriveExecution, by boto3."""

import datetime
import json

from harness import Case, PREFIX, pass_state, task_state, unique, until

RUNNING = "Execution is RUNNING and cannot be redriven"


class Redrive(Case):
    def finish(self, activity, output=None, error=None):
        """Does one task of the activity; gives its token."""
        token = self.sfn.get_activity_task(activityArn=activity)["taskToken"]
        if error:
            self.sfn.send_task_failure(taskToken=token, error=error, cause="because")
        else:
            self.sfn.send_task_success(taskToken=token, output=json.dumps(output))
        return token

    def test_a_failed_execution_goes_on_from_its_task(self):
        activity = self.activity()
        states = {
            "Before": {"Type": "Pass", "Assign": {"kept": "here"}, "Next": "Work"},
            "Work": {"Type": "Task", "Resource": activity, "ResultPath": "$.done", "Next": "After"},
            "After": {"Type": "Pass", "Parameters": {
                "done.$": "$.done", "kept.$": "$kept", "count.$": "$$.Execution.RedriveCount", "at.$": "$$.Execution.RedriveTime",
            }, "End": True},
        }
        machine = self.machine({"StartAt": "Before", "States": states})
        execution = self.start(machine, {"n": 1})
        token = self.finish(activity, error="Broken")
        failed = self.ended(execution)
        self.assertEqual((failed["status"], failed["redriveStatus"], failed["redriveCount"]), ("FAILED", "REDRIVABLE", 0))
        self.assertNotIn("redriveDate", failed)
        self.assertNotIn("redriveStatusReason", failed)

        date = self.sfn.redrive_execution(executionArn=execution)["redriveDate"]
        self.assertIsInstance(date, datetime.datetime)
        running = self.sfn.describe_execution(executionArn=execution)
        self.assertEqual((running["status"], running["redriveCount"], running["redriveDate"]), ("RUNNING", 1, date))
        self.assertEqual((running["redriveStatus"], running["redriveStatusReason"]), ("NOT_REDRIVABLE", RUNNING))
        for name in ("stopDate", "error", "cause"):
            self.assertNotIn(name, running)
        with self.assertRaises(self.sfn.exceptions.TaskTimedOut):
            self.sfn.send_task_success(taskToken=token, output="0")
        self.finish(activity, output="ok")
        seen = self.ended(execution)
        output = json.loads(seen["output"])
        self.assertEqual((output["done"], output["kept"], output["count"]), ("ok", "here", 1))
        self.assertEqual(datetime.datetime.fromisoformat(output["at"]), date)
        self.assertEqual((seen["startDate"], seen["redriveDate"]), (failed["startDate"], date))

        events = self.history(execution)
        self.assertEqual([e["id"] for e in events], list(range(1, len(events) + 1)))
        kinds = [e["type"] for e in events]
        self.assertEqual(kinds.count("PassStateEntered"), 2)
        self.assertEqual(kinds.count("TaskStateEntered"), 1)
        redriven = events[kinds.index("ExecutionRedriven")]
        self.assertEqual(redriven["executionRedrivenEventDetails"], {"redriveCount": 1})
        self.assertEqual(events[redriven["previousEventId"] - 1]["type"], "ExecutionFailed")
        scheduled = events[redriven["id"]]
        self.assertEqual((scheduled["type"], scheduled["previousEventId"]), ("ActivityScheduled", redriven["id"]))

    def test_branches_and_items_that_succeeded_do_not_run_again(self):
        done, failing = self.activity(), self.activity()
        work = {"Type": "Task", "Resource": failing, "End": True}
        machine = self.machine({"StartAt": "Both", "States": {"Both": {"Type": "Parallel", "End": True, "Branches": [
            {"StartAt": "Done", "States": {"Done": {"Type": "Task", "Resource": done, "End": True}}},
            {"StartAt": "Each", "States": {"Each": {"Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 1, "End": True,
                                                    "ItemProcessor": {"StartAt": "Work", "States": {"Work": work}}}}},
        ]}}})
        execution = self.start(machine, {"items": [1, 2, 3]})
        self.finish(done, output="left")
        self.finish(failing, output="one")
        self.finish(failing, error="Broken")
        self.assertEqual(self.ended(execution)["status"], "FAILED")
        self.sfn.redrive_execution(executionArn=execution)
        self.finish(failing, error="Again")
        self.assertEqual(self.ended(execution)["error"], "Again")
        self.sfn.redrive_execution(executionArn=execution)
        self.finish(failing, output="two")
        self.finish(failing, output="three")
        seen = self.ended(execution)
        self.assertEqual(json.loads(seen["output"]), ["left", ["one", "two", "three"]])
        self.assertEqual(seen["redriveCount"], 2)
        kinds = [e["type"] for e in self.history(execution)]
        self.assertEqual(kinds.count("MapIterationStarted"), 3)
        self.assertEqual(kinds.count("MapStateStarted"), 1)

    def test_a_stopped_and_a_timed_out_execution_go_on(self):
        activity = self.activity()
        machine = self.machine({"TimeoutSeconds": 2, **task_state(activity)})
        execution = self.start(machine)
        self.event(execution, "ActivityScheduled")
        self.sfn.stop_execution(executionArn=execution, error="Stopped")
        self.sfn.redrive_execution(executionArn=execution)
        self.assertEqual(self.ended(execution)["status"], "TIMED_OUT")
        self.sfn.redrive_execution(executionArn=execution)
        self.finish(activity, output=1)
        self.assertEqual(self.ended(execution)["status"], "SUCCEEDED")

    def test_a_token_names_its_request(self):
        machine = self.machine({"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "E"}}})
        execution = self.start(machine)
        self.ended(execution)
        first = self.sfn.redrive_execution(executionArn=execution, clientToken="one")["redriveDate"]
        self.assertEqual(self.ended(execution)["redriveCount"], 1)
        again = self.sfn.redrive_execution(executionArn=execution, clientToken="one")["redriveDate"]
        self.assertEqual(again, first)
        self.assertEqual(self.ended(execution)["redriveCount"], 1)
        self.sfn.redrive_execution(executionArn=execution, clientToken="two")
        self.assertEqual(self.ended(execution)["redriveCount"], 2)
        self.assertEqual(self.ended(execution)["status"], "FAILED")

    def test_what_cannot_be_redriven_says_why(self):
        redrive = self.sfn.redrive_execution
        execution = self.start(self.machine(pass_state()))
        self.ended(execution)
        self.refused("ExecutionNotRedrivable", "Execution is SUCCEEDED and cannot be redriven", redrive, executionArn=execution)
        waiting = self.start(self.machine({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 60, "End": True}}}))
        self.refused("ExecutionNotRedrivable", RUNNING, redrive, executionArn=waiting)
        gone = f"{PREFIX}:execution:{unique('gone')}:x"
        self.refused("ExecutionDoesNotExist", f"Execution Does Not Exist: '{gone}'", redrive, executionArn=gone)
        express = f"{PREFIX}:express:m:e:00000000-0000-0000-0000-000000000000"
        self.refused("InvalidArn", "Resource type not valid in this context: express", redrive, executionArn=express)
        told = "at 'clientToken' failed to satisfy constraint: Member must satisfy regular expression pattern: [!-~]+"
        self.refused("ValidationException", told, redrive, executionArn=execution, clientToken="a b")

        machine = self.machine({"StartAt": "F", "States": {"F": {"Type": "Fail"}}})
        failed = self.start(machine)
        self.ended(failed)
        self.sfn.delete_state_machine(stateMachineArn=machine)
        deleting = "State machine is in DELETING status."
        self.refused("ExecutionNotRedrivable", deleting, redrive, executionArn=failed)
        described = self.sfn.describe_execution(executionArn=failed)
        self.assertEqual((described["redriveStatus"], described["redriveStatusReason"]), ("NOT_REDRIVABLE", deleting))

        # One of the same name that was created since has nothing to do with it.
        name = machine.rsplit(":", 1)[1]
        until("the name is free", lambda: self.made_again(name))
        self.refused("ExecutionNotRedrivable", deleting, redrive, executionArn=failed)

    def made_again(self, name):
        try:
            return self.machine(pass_state(), name)
        except self.sfn.exceptions.StateMachineDeleting:
            return None

    def test_the_definition_is_that_of_the_start(self):
        activity = self.activity()
        machine = self.machine(task_state(activity))
        execution = self.start(machine)
        self.finish(activity, error="Broken")
        self.ended(execution)
        self.sfn.update_state_machine(stateMachineArn=machine, definition=json.dumps(pass_state()))
        self.sfn.redrive_execution(executionArn=execution)
        self.finish(activity, output="as it was")
        self.assertEqual(json.loads(self.ended(execution)["output"]), "as it was")

    def test_lists_are_newest_first_by_redrive(self):
        activity = self.activity()
        machine = self.machine(task_state(activity))
        first, second = self.start(machine), self.start(machine)
        self.sfn.stop_execution(executionArn=first)
        until("it is listed as stopped", lambda: self.listed(machine, "ABORTED") == [first])
        date = self.sfn.redrive_execution(executionArn=first)["redriveDate"]
        until("it is no longer listed as stopped", lambda: self.listed(machine, "ABORTED") == [])
        self.assertEqual(self.listed(machine, "RUNNING"), [first, second])
        self.assertEqual(self.listed(machine), [first, second])
        newest = self.sfn.list_executions(stateMachineArn=machine, maxResults=1)
        self.assertEqual((newest["executions"][0]["redriveCount"], newest["executions"][0]["redriveDate"]), (1, date))
        rest = self.sfn.list_executions(stateMachineArn=machine, nextToken=newest["nextToken"])
        self.assertEqual([e["executionArn"] for e in rest["executions"]], [second])
        self.assertEqual(rest["executions"][0]["redriveCount"], 0)
        self.assertNotIn("redriveDate", rest["executions"][0])

    def listed(self, machine, status=None):
        more = {"statusFilter": status} if status else {}
        return [e["executionArn"] for e in self.sfn.list_executions(stateMachineArn=machine, **more)["executions"]]

    def test_a_task_redrives_an_execution(self):
        failing = self.machine({"StartAt": "F", "States": {"F": {"Type": "Fail"}}})
        failed = self.start(failing)
        self.ended(failed)
        machine = self.machine(task_state("arn:aws:states:::aws-sdk:sfn:redriveExecution", Parameters={"ExecutionArn": failed}))
        seen = self.ended(self.start(machine))
        self.assertEqual(list(json.loads(seen["output"])), ["RedriveDate"])
        self.assertEqual(self.ended(failed)["redriveCount"], 1)
