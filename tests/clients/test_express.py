"""Express state machines, StartSyncExecution and StartExecution of them, by boto3."""

import concurrent.futures
import json
import time
import urllib.request

from harness import CALLBACK, PREFIX, ROLE, Case, client, coordinator, pass_state, task_state, unique, until

UNSUPPORTED = "This operation is not supported by this type of state machine"


class Express(Case):
    def express(self, definition, **more):
        return self.machine(definition, type="EXPRESS", **more)

    def run_sync(self, machine, value=None, **more):
        return self.sfn.start_sync_execution(stateMachineArn=machine, input=json.dumps({} if value is None else value), **more)

    def test_an_execution_is_answered_with_its_end(self):
        machine = self.express(pass_state(Parameters={"got.$": "$.n", "id.$": "$$.Execution.Id"}))
        seen = self.run_sync(machine, {"n": 7}, name="first", traceHeader="Root=1-2-3")
        name = machine.rsplit(":", 1)[1]
        self.assertRegex(seen["executionArn"], f"^{PREFIX}:express:{name}:first:[-0-9a-f]{{36}}$")
        self.assertEqual((seen["stateMachineArn"], seen["name"], seen["status"]), (machine, "first", "SUCCEEDED"))
        self.assertEqual(json.loads(seen["output"]), {"got": 7, "id": seen["executionArn"]})
        self.assertEqual((json.loads(seen["input"]), seen["traceHeader"]), ({"n": 7}, "Root=1-2-3"))
        self.assertEqual((seen["inputDetails"], seen["outputDetails"]), ({"included": True}, {"included": True}))
        self.assertEqual(seen["billingDetails"], {"billedMemoryUsedInMB": 64, "billedDurationInMilliseconds": 100})
        self.assertLessEqual(seen["startDate"], seen["stopDate"])
        self.assertNotIn("error", seen)
        again = self.run_sync(machine, {"n": 7}, name="first")
        self.assertNotEqual(again["executionArn"], seen["executionArn"])

    def test_a_failure_is_an_answer(self):
        machine = self.express({"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "Broken", "Cause": "why"}}})
        seen = self.run_sync(machine)
        self.assertEqual((seen["status"], seen["error"], seen["cause"]), ("FAILED", "Broken", "why"))
        self.assertNotIn("output", seen)
        self.assertNotIn("outputDetails", seen)

    def test_metadata_alone_leaves_payloads_out(self):
        seen = self.run_sync(self.express(pass_state()), {"secret": 1}, includedData="METADATA_ONLY")
        self.assertNotIn("input", seen)
        self.assertNotIn("output", seen)
        self.assertEqual((seen["inputDetails"], seen["outputDetails"]), ({"included": False}, {"included": False}))

    def test_waits_branches_and_iterations_run_to_their_end(self):
        wait = {"Type": "Wait", "Seconds": 1, "End": True}
        items = {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": pass_state(), "End": True}
        both = {"Type": "Parallel", "Branches": [{"StartAt": "W", "States": {"W": wait}}, {"StartAt": "M", "States": {"M": items}}], "End": True}
        machine = self.express({"StartAt": "Both", "States": {"Both": both}})
        value = {"items": list(range(600))}
        seen = self.run_sync(machine, value)
        self.assertEqual(json.loads(seen["output"]), [value, value["items"]])
        self.assertGreaterEqual(seen["billingDetails"]["billedDurationInMilliseconds"], 1000)

    def test_the_machines_timeout_ends_it(self):
        definition = {"StartAt": "W", "TimeoutSeconds": 1, "States": {"W": {"Type": "Wait", "Seconds": 200, "End": True}}}
        seen = self.run_sync(self.express(definition))
        self.assertEqual((seen["status"], seen["error"]), ("TIMED_OUT", "States.Timeout"))
        self.assertNotIn("output", seen)

    def test_endless_expressions_end_and_hold_up_nobody(self):
        endless = "{% ($f := function($n) { $f($n + 1) }; $f(0)) %}"
        spinning = self.express({"QueryLanguage": "JSONata", **pass_state(Output=endless)})
        quick = self.express(pass_state())
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            slow = [pool.submit(client().start_sync_execution, stateMachineArn=spinning) for _ in range(3)]
            began = time.monotonic()
            for _ in range(20):
                self.assertEqual(self.run_sync(quick)["status"], "SUCCEEDED")
            done = [future.done() for future in slow]
            took = time.monotonic() - began
            self.assertTrue(not all(done) or took > 4, "nothing was spinning")
            for future in slow:
                seen = future.result()
                self.assertEqual((seen["status"], seen["error"]), ("FAILED", "States.QueryEvaluationError"))

    def test_endless_loops_of_states_hold_up_nobody_and_end_with_their_time_or_their_machine(self):
        choice = {"Type": "Choice", "Choices": [{"Variable": "$.none", "IsPresent": True, "Next": "End"}], "Default": "Again"}
        definition = {"StartAt": "Again", "States": {"Again": {"Type": "Pass", "Next": "Ask"}, "Ask": choice, "End": {"Type": "Succeed"}}}
        seen = self.run_sync(self.express({"TimeoutSeconds": 1, **definition}))
        self.assertEqual((seen["status"], seen["error"]), ("TIMED_OUT", "States.Timeout"))
        endless, quick = self.express(definition), self.express(pass_state())
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            looping = [pool.submit(client().start_sync_execution, stateMachineArn=endless) for _ in range(4)]
            for _ in range(20):
                self.assertEqual(self.run_sync(quick)["status"], "SUCCEEDED")
            self.assertFalse(any(future.done() for future in looping))
            self.sfn.delete_state_machine(stateMachineArn=endless)
            for future in looping:
                self.refused("StateMachineDeleting", endless, future.result)

    def test_nothing_is_kept_and_what_needs_that_is_refused(self):
        machine = self.express(pass_state())
        arn = self.run_sync(machine)["executionArn"]
        told = "Invalid Arn: 'Resource type not valid in this context: express'"
        for call in ("describe_execution", "get_execution_history", "stop_execution", "describe_state_machine_for_execution"):
            self.refused("InvalidArn", told, getattr(self.sfn, call), executionArn=arn)
        self.refused("StateMachineTypeNotSupported", UNSUPPORTED, self.sfn.list_executions, stateMachineArn=machine)
        standard = self.machine(pass_state())
        self.refused("StateMachineTypeNotSupported", UNSUPPORTED, self.sfn.start_sync_execution, stateMachineArn=standard)

    def test_an_execution_that_nobody_waits_for_runs(self):
        child = self.machine(pass_state())
        parameters = {"StateMachineArn": child, "Input": {"from.$": "$$.Execution.Id", "n.$": "$.n"}}
        machine = self.express(task_state("arn:aws:states:::states:startExecution", Parameters=parameters))
        name = machine.rsplit(":", 1)[1]
        seen = []
        for _ in range(2):
            started = self.sfn.start_execution(stateMachineArn=machine, name="same", input='{"n": 7}')
            self.assertRegex(started["executionArn"], f"^{PREFIX}:express:{name}:same:[-0-9a-f]{{36}}$")
            self.assertIn("startDate", started)
            seen.append(started["executionArn"])
        self.assertNotEqual(*seen)
        children = until("both have run", lambda: self.closed_inputs(child, 2))
        self.assertCountEqual(children, [{"from": arn, "n": 7} for arn in seen])
        told = "Invalid Arn: 'Resource type not valid in this context: express'"
        for call in ("describe_execution", "get_execution_history", "stop_execution", "describe_state_machine_for_execution"):
            self.refused("InvalidArn", told, getattr(self.sfn, call), executionArn=seen[0])

    def closed_inputs(self, machine, count):
        listed = self.sfn.list_executions(stateMachineArn=machine, statusFilter="SUCCEEDED")["executions"]
        if len(listed) == count:
            return [json.loads(self.sfn.describe_execution(executionArn=item["executionArn"])["input"]) for item in listed]
        return None

    def test_its_end_is_counted_apart(self):
        count = lambda: self.metric('stepfleet_executions_closed_total{type="express",status="failed"}')
        before = count()
        self.sfn.start_execution(stateMachineArn=self.express({"StartAt": "F", "States": {"F": {"Type": "Fail"}}}))
        until("it has failed", lambda: count() == before + 1)

    def metric(self, name):
        with urllib.request.urlopen(coordinator().url + "/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))

    def test_the_deletion_of_its_machine_ends_an_execution(self):
        machine = self.express({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 200, "End": True}}})
        count = lambda: self.metric('stepfleet_executions_closed_total{type="express",status="aborted"}')
        before = count()
        self.sfn.start_execution(stateMachineArn=machine)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(client().start_sync_execution, stateMachineArn=machine)
            started = 'stepfleet_express_executions_open'
            until("both run", lambda: self.metric(started) >= 2)
            self.sfn.delete_state_machine(stateMachineArn=machine)
            self.refused("StateMachineDeleting", machine, waiting.result)
        until("both are stopped", lambda: count() == before + 2)
        self.refused("StateMachineDoesNotExist", machine, self.sfn.start_execution, stateMachineArn=machine)

    def test_bad_starts_are_refused(self):
        machine = self.express(pass_state())
        none = f"{PREFIX}:stateMachine:{unique('none')}"
        for start in (self.sfn.start_execution, self.sfn.start_sync_execution):
            self.refused("InvalidExecutionInput", "Invalid State Machine Execution Input", start, stateMachineArn=machine, input="{")
            self.refused("InvalidName", "Invalid Name: 'a b'", start, stateMachineArn=machine, name="a b")
            self.refused("StateMachineDoesNotExist", none, start, stateMachineArn=none)
        self.refused("ValidationException", "'includedData' failed to satisfy constraint: Member must satisfy enum", start, stateMachineArn=machine, includedData="SOME")

    def test_the_type_is_shown_kept_and_part_of_what_a_creation_is(self):
        name, definition = unique("express"), json.dumps(pass_state())
        machine = self.express(definition, name=name)
        self.assertEqual(self.express(definition, name=name), machine)
        self.refused("StateMachineAlreadyExists", machine, self.sfn.create_state_machine, name=name, definition=definition, roleArn=ROLE)
        self.sfn.update_state_machine(stateMachineArn=machine, definition=json.dumps(pass_state(Result=2)))
        self.assertEqual(self.sfn.describe_state_machine(stateMachineArn=machine)["type"], "EXPRESS")
        pages = self.sfn.get_paginator("list_state_machines").paginate()
        listed = {item["stateMachineArn"]: item["type"] for page in pages for item in page["stateMachines"]}
        self.assertEqual(listed[machine], "EXPRESS")
        self.assertEqual(self.run_sync(machine)["output"], "2")

    def test_what_express_machines_cannot_do_is_refused_at_creation_and_at_updates(self):
        machine = self.express(pass_state())
        for resource, told in [
            (self.activity(), "Express state machine does not support Activity ARN at /States/T/Resource"),
            ("arn:aws:states:::states:startExecution.sync", "Express state machine does not support '.sync' service integration at /States/T/Resource"),
            (CALLBACK, "Express state machine does not support '.waitForTaskToken' service integration  at /States/T/Resource"),
        ]:
            definition = json.dumps(task_state(resource))
            self.refused("InvalidDefinition", told, lambda: self.express(definition))
            self.refused("InvalidDefinition", told, self.sfn.update_state_machine, stateMachineArn=machine, definition=definition)

    def test_versions_and_aliases_run_too(self):
        machine = self.express(pass_state(Result=1), publish=True)
        self.sfn.update_state_machine(stateMachineArn=machine, definition=json.dumps(pass_state(Result=2)))
        routing = [{"stateMachineVersionArn": f"{machine}:1", "weight": 100}]
        alias = self.sfn.create_state_machine_alias(name="live", routingConfiguration=routing)["stateMachineAliasArn"]
        seen = self.run_sync(alias)
        self.assertEqual((seen["output"], seen["stateMachineArn"]), ("1", machine))
        self.assertEqual(self.run_sync(machine)["output"], "2")
