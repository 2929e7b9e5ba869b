"""Operations on state machines, by boto3."""

import datetime
import json
import urllib.request

from harness import PREFIX, ROLE, Case, coordinator, pass_state, unique


class StateMachines(Case):
    def test_a_state_machine_is_created_and_described(self):
        name = unique("described")
        definition = json.dumps(pass_state(), indent=2)
        made = self.sfn.create_state_machine(
            name=name,
            definition=definition,
            roleArn=ROLE,
            type="STANDARD",
            tags=[{"key": "team", "value": "blue"}],
            loggingConfiguration={"level": "OFF", "includeExecutionData": False},
            tracingConfiguration={"enabled": False},
        )
        self.assertEqual(made["stateMachineArn"], f"{PREFIX}:stateMachine:{name}")
        self.assertIsInstance(made["creationDate"], datetime.datetime)
        seen = self.sfn.describe_state_machine(stateMachineArn=made["stateMachineArn"])
        self.assertEqual(seen["name"], name)
        self.assertEqual(seen["status"], "ACTIVE")
        self.assertEqual(seen["definition"], definition)
        self.assertEqual(seen["roleArn"], ROLE)
        self.assertEqual(seen["type"], "STANDARD")
        self.assertEqual(seen["creationDate"], made["creationDate"])
        self.assertEqual(seen["loggingConfiguration"]["level"], "OFF")

    def test_trap_24_creating_the_same_again_gives_the_same_and_another_is_refused(self):
        name = unique("again")
        definition = json.dumps(pass_state())
        first = self.sfn.create_state_machine(name=name, definition=definition, roleArn=ROLE)
        second = self.sfn.create_state_machine(name=name, definition=definition, roleArn=ROLE)
        self.assertEqual(first["stateMachineArn"], second["stateMachineArn"])
        self.assertEqual(first["creationDate"], second["creationDate"])
        for other in (json.dumps(pass_state(), indent=1), json.dumps(pass_state(Comment="x"))):
            self.refused(
                "StateMachineAlreadyExists",
                f"State Machine Already Exists: '{first['stateMachineArn']}'",
                self.sfn.create_state_machine,
                name=name,
                definition=other,
                roleArn=ROLE,
            )

    def test_an_update_changes_new_executions_only(self):
        machine = self.machine({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 1, "Next": "P"}, "P": {"Type": "Pass", "Result": "old", "End": True}}})
        before = self.start(machine)
        new = json.dumps(pass_state(Result="new"))
        changed = self.sfn.update_state_machine(stateMachineArn=machine, definition=new)
        self.assertTrue(changed["revisionId"])
        self.assertIsInstance(changed["updateDate"], datetime.datetime)
        after = self.start(machine)
        self.assertEqual(self.ended(after)["output"], '"new"')
        self.assertEqual(self.ended(before)["output"], '"old"')
        seen = self.sfn.describe_state_machine(stateMachineArn=machine)
        self.assertEqual(seen["definition"], new)
        self.assertEqual(seen["revisionId"], changed["revisionId"])
        old = self.sfn.describe_state_machine_for_execution(executionArn=before)
        self.assertIn("old", old["definition"])
        new = self.sfn.describe_state_machine_for_execution(executionArn=after)
        self.assertEqual(new["revisionId"], changed["revisionId"])
        self.assertEqual(new["stateMachineArn"], machine)

    def test_an_update_without_a_change_is_refused(self):
        machine = self.machine(pass_state())
        self.refused(
            "MissingRequiredParameter",
            "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be specified",
            self.sfn.update_state_machine,
            stateMachineArn=machine,
        )

    def test_a_deleted_state_machine_is_gone_and_deleting_it_again_is_fine(self):
        machine = self.machine(pass_state())
        for _ in range(2):
            self.sfn.delete_state_machine(stateMachineArn=machine)
        self.refused(
            "StateMachineDoesNotExist",
            f"State Machine Does Not Exist: '{machine}'",
            self.sfn.describe_state_machine,
            stateMachineArn=machine,
        )
        self.refused(
            "StateMachineDoesNotExist", machine, self.sfn.start_execution, stateMachineArn=machine
        )

    def test_definitions_are_validated_with_every_finding(self):
        good = self.sfn.validate_state_machine_definition(definition=json.dumps(pass_state()))
        self.assertEqual((good["result"], good["diagnostics"], good["truncated"]), ("OK", [], False))
        bad = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "Nowhere"}, "B": {"Type": "Sing"}}}
        found = self.sfn.validate_state_machine_definition(definition=json.dumps(bad))
        self.assertEqual(found["result"], "FAIL")
        errors = [d for d in found["diagnostics"] if d["severity"] == "ERROR"]
        self.assertGreaterEqual(len(errors), 2, found["diagnostics"])
        for diagnostic in errors:
            self.assertTrue(diagnostic["code"] and diagnostic["message"] and diagnostic["location"])
        text = self.sfn.validate_state_machine_definition(definition="nonsense")
        self.assertEqual(text["result"], "FAIL")

    def test_refused_definitions_name_all_their_faults(self):
        answer = self.refused(
            "InvalidDefinition",
            "SCHEMA_VALIDATION_FAILED",
            self.sfn.create_state_machine,
            name=unique("bad"),
            definition=json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass"}, "B": {"Type": "Wait", "End": True}}}),
            roleArn=ROLE,
        )
        self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 400)
        self.assertTrue(answer["ResponseMetadata"]["RequestId"])

    def test_what_this_release_does_not_do_is_refused_and_not_forgotten(self):
        processor = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, **pass_state()}
        distributed = {"StartAt": "M", "States": {"M": {"Type": "Map", "ItemProcessor": processor, "End": True}}}
        with self.assertRaises(self.sfn.exceptions.InvalidDefinition):
            self.machine(distributed)

    def test_trap_27_the_host_prefix_of_synchronous_calls_reaches_the_same_port(self):
        # SDKs put `sync-` before the host of StartSyncExecution and TestState, whatever the endpoint is.
        request = urllib.request.Request(
            coordinator().url,
            data=b"{}",
            headers={
                "Host": "sync-localhost",
                "X-Amz-Target": "AWSStepFunctions.ListStateMachines",
                "Content-Type": "application/x-amz-json-1.0",
            },
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            self.assertIn("stateMachines", json.load(answer))
