"""The API against the model that AWS publishes (botocore): every member of every request is read, and every member of
every answer is given by somebody here, or stands in a list with the reason."""

import json
import urllib.error
import urllib.request

from harness import CALLBACK, ROLE, Case, client, coordinator, pass_state, task_state, unique, until

NO_MAP_RUNS = "there are no distributed Maps yet"

# Members of answers that nobody gets, with all that is in them, and why. With a dot at the end: what is in them alone.
ABSENT = {
    "DescribeMapRun": NO_MAP_RUNS,
    "DescribeExecution.mapRunArn": NO_MAP_RUNS,
    "DescribeStateMachine.label": NO_MAP_RUNS,
    "DescribeStateMachineForExecution.label": NO_MAP_RUNS,
    "DescribeStateMachineForExecution.mapRunArn": NO_MAP_RUNS,
    "ListExecutions.executions.itemCount": NO_MAP_RUNS,
    "ListExecutions.executions.mapRunArn": NO_MAP_RUNS,
    "ListMapRuns.mapRuns.": NO_MAP_RUNS,
    "ListMapRuns.nextToken": NO_MAP_RUNS,
    "TestState.inspectionData.afterItemBatcher": NO_MAP_RUNS,
    "TestState.inspectionData.afterItemsPointer": NO_MAP_RUNS,
    "TestState.inspectionData.toleratedFailureCount": NO_MAP_RUNS,
    "TestState.inspectionData.toleratedFailurePercentage": NO_MAP_RUNS,
    "UpdateMapRun": NO_MAP_RUNS,
}
# The details of an event are checked by the recorded histories; here only those that every kind has.
EVENT = {"timestamp", "type", "id", "previousEventId"}
# Kept and given back without effect: nested members come back as they were sent.
KEPT = ("loggingConfiguration", "tracingConfiguration", "encryptionConfiguration")

WRONG = {"structure": "x", "list": "x", "map": "x", "string": 1, "integer": "x", "long": "x", "float": "x", "boolean": "x"}


def refusal(operation, body):
    """The exception's name and message, or None after a success."""
    headers = {"X-Amz-Target": f"AWSStepFunctions.{operation}", "Content-Type": "application/x-amz-json-1.0"}
    request = urllib.request.Request(coordinator().url, data=json.dumps(body).encode(), headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20):
            return None
    except urllib.error.HTTPError as error:
        answer = json.load(error)
        return answer["__type"], answer.get("message", "")


def requests(shape, wrap=lambda value: value, path=""):
    """Each member of a request by its path, with a request that has a value of the wrong type there."""
    for name, member in shape.members.items():
        inner = lambda value, name=name: wrap({name: value})
        yield f"{path}.{name}", inner(WRONG[member.type_name])
        if member.type_name == "list":
            member, listed = member.member, inner
            inner = lambda value, listed=listed: listed([value])
        if member.type_name == "structure":
            yield from requests(member, inner, f"{path}.{name}")


def members(shape, path):
    """Paths of all members of an answer."""
    for name, member in shape.members.items():
        yield f"{path}.{name}"
        if name in KEPT or (name == "events" and member.type_name == "list"):
            continue
        if member.type_name == "list":
            member = member.member
        if member.type_name == "structure":
            yield from members(member, f"{path}.{name}")


def given(answer, path, seen):
    """Adds the paths of the members that an answer has."""
    for name, value in answer.items():
        seen.add(f"{path}.{name}")
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict) and name not in KEPT:
                given(item, f"{path}.{name}", seen)


class Model(Case):
    def setUp(self):
        self.model = self.sfn.meta.service_model

    def test_every_member_of_a_request_is_read(self):
        unread = []
        for operation in self.model.operation_names:
            shape = self.model.operation_model(operation).input_shape
            for path, body in requests(shape):
                if (refusal(operation, body) or [None])[0] != "SerializationException":
                    unread.append(f"{operation}{path}")
        self.assertEqual(unread, [])

    def test_an_unknown_member_is_ignored(self):
        self.assertIsNone(refusal("ListActivities", {"unheardOf": 1}))

    def test_every_member_of_an_answer_is_given_or_listed(self):
        seen = set()
        recorder = client()
        recorder.meta.events.register("after-call.sfn", lambda model, parsed, **_: given(
            {name: value for name, value in parsed.items() if name != "ResponseMetadata"}, model.name, seen))
        self.sfn = recorder
        self.use_everything()
        missing = []
        for operation in self.model.operation_names:
            shape = self.model.operation_model(operation).output_shape
            for path in members(shape, operation) if shape else ():
                listed = path in ABSENT or any(path.startswith(f"{prefix.rstrip('.')}.") for prefix in ABSENT)
                if path not in seen and not listed:
                    missing.append(path)
                if path in seen and path in ABSENT:
                    missing.append(f"{path}: given, and listed as absent")
        self.assertEqual(missing, [])
        self.assertEqual({path for path in seen if path.startswith("GetExecutionHistory.events.")} & {
            f"GetExecutionHistory.events.{name}" for name in EVENT}, {f"GetExecutionHistory.events.{name}" for name in EVENT})

    def use_everything(self):
        """Calls that together have every member of every answer."""
        sfn = self.sfn
        self.use_machines(sfn)
        self.use_tasks(sfn)
        self.use_tests(sfn)

    def use_machines(self, sfn):
        made = sfn.create_state_machine(
            name=unique("model"), definition=json.dumps(pass_state(Assign={"v": 1}, Comment="{% $v %}")), roleArn=ROLE,
            publish=True, versionDescription="first", tags=[{"key": "k", "value": "v"}])
        machine, version = made["stateMachineArn"], made["stateMachineVersionArn"]
        sfn.create_state_machine(name=unique("model"), definition=json.dumps(pass_state()), roleArn=ROLE)
        variables = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Assign": {"v": 1}, "Next": "B"}, "B": {"Type": "Pass", "Parameters": {"v.$": "$v"}, "End": True}}}
        sfn.update_state_machine(stateMachineArn=machine, definition=json.dumps(variables), publish=True)
        for arn in (machine, version):
            sfn.describe_state_machine(stateMachineArn=arn)
        sfn.publish_state_machine_version(stateMachineArn=machine)
        routing = [{"stateMachineVersionArn": version, "weight": 100}]
        alias = sfn.create_state_machine_alias(name="live", description="d", routingConfiguration=routing)["stateMachineAliasArn"]
        sfn.create_state_machine_alias(name="next", routingConfiguration=routing)
        sfn.update_state_machine_alias(stateMachineAliasArn=alias, description="e")
        sfn.describe_state_machine_alias(stateMachineAliasArn=alias)
        for listing in (sfn.list_state_machine_aliases, sfn.list_state_machine_versions):
            listing(stateMachineArn=machine, maxResults=1)
        sfn.list_state_machines(maxResults=1)
        sfn.list_tags_for_resource(resourceArn=machine)
        failing = {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "E", "Cause": "C"}}}
        for arn in (alias, machine, self.machine(failing)):
            for _ in range(2):
                execution = sfn.start_execution(stateMachineArn=arn, traceHeader="Root=1")["executionArn"]
                self.ended(execution)
            sfn.describe_state_machine_for_execution(executionArn=execution)
            sfn.get_execution_history(executionArn=execution, maxResults=1)
            sfn.list_executions(stateMachineArn=arn, maxResults=1)
        sfn.redrive_execution(executionArn=execution)
        self.ended(execution)
        until("the redrive is listed", lambda: "redriveDate" in sfn.list_executions(stateMachineArn=arn)["executions"][0])
        sfn.list_map_runs(executionArn=execution)
        for definition in (pass_state(), failing):
            express = self.machine(definition, type="EXPRESS")
            sfn.start_sync_execution(stateMachineArn=express, traceHeader="Root=1")

    def use_tasks(self, sfn):
        activities = [sfn.create_activity(name=unique("model"))["activityArn"] for _ in range(2)]
        sfn.list_activities(maxResults=1)
        sfn.describe_activity(activityArn=activities[0])
        execution = self.start(self.machine(task_state(activities[0])))
        sfn.get_activity_task(activityArn=activities[0])
        sfn.stop_execution(executionArn=execution)

    def use_tests(self, sfn):
        sfn.validate_state_machine_definition(definition=json.dumps({"StartAt": "X", "States": {"P": {"Type": "Pass", "End": True}}}))
        sfn.validate_state_machine_definition(definition=json.dumps(pass_state()))
        task = {"Type": "Task", "Resource": CALLBACK, "InputPath": "$", "Parameters": {"a": 1}, "ResultSelector": {"b.$": "$"}, "ResultPath": "$.r", "Next": "N", "Retry": [{"ErrorEquals": ["E"]}], "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "N"}]}
        for mock in ({"result": "{}"}, {"errorOutput": {"error": "E", "cause": "C"}}, {"errorOutput": {"error": "F"}}):
            sfn.test_state(definition=json.dumps(task), roleArn=ROLE, mock=mock, inspectionLevel="DEBUG")
        jsonata = {"QueryLanguage": "JSONata", "Type": "Task", "Resource": CALLBACK, "Arguments": {"a": 1}, "Assign": {"v": 1}, "End": True}
        sfn.test_state(definition=json.dumps(jsonata), roleArn=ROLE, mock={"result": "{}"}, inspectionLevel="DEBUG")
        endpoint = coordinator().url
        for path in ("/livez", "/"):
            http = {"Type": "Task", "Resource": "arn:aws:states:::http:invoke", "End": True,
                    "Parameters": {"ApiEndpoint": endpoint + path, "Method": "GET" if path == "/livez" else "POST", "RequestBody": "x"}}
            sfn.test_state(definition=json.dumps(http), roleArn=ROLE, inspectionLevel="TRACE")
        items = {"Type": "Map", "ItemsPath": "$.items", "ItemSelector": {"i.$": "$$.Map.Item.Value"}, "MaxConcurrency": 2, "ItemProcessor": pass_state(), "End": True}
        sfn.test_state(definition=json.dumps(items), roleArn=ROLE, input='{"items": [1]}', mock={"result": "[1]"}, inspectionLevel="DEBUG")
