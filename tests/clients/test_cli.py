"""The AWS CLI, by changing its endpoint alone."""

import json
import os
import subprocess
import sys
import unittest

from harness import REGION, ROLE, coordinator, pass_state, task_state, unique, until

AWS = os.path.join(os.path.dirname(sys.executable), "aws")


class Cli(unittest.TestCase):
    def aws(self, *arguments, fails=False):
        """`aws stepfunctions …`; its JSON, or what it said when it should fail."""
        environment = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PAGER": "",
        }
        command = [AWS, "--endpoint-url", coordinator().url, "stepfunctions", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode != 0, fails, done.stderr)
        if fails:
            return done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    def test_a_state_machine_is_made_started_watched_and_deleted(self):
        definition = json.dumps(pass_state(Result={"by": "cli"}))
        made = self.aws("create-state-machine", "--name", unique("cli"), "--definition", definition, "--role-arn", ROLE)
        machine = made["stateMachineArn"]
        started = self.aws("start-execution", "--state-machine-arn", machine, "--input", '{"a": 1}')
        execution = started["executionArn"]

        def look():
            seen = self.aws("describe-execution", "--execution-arn", execution)
            return seen if seen["status"] != "RUNNING" else None

        seen = until("it ends", look)
        self.assertEqual((seen["status"], json.loads(seen["output"])), ("SUCCEEDED", {"by": "cli"}))
        events = self.aws("get-execution-history", "--execution-arn", execution, "--page-size", "2")["events"]
        self.assertEqual([e["type"] for e in events],
                         ["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"])
        listed = self.aws("list-executions", "--state-machine-arn", machine)["executions"]
        self.assertEqual([e["executionArn"] for e in listed], [execution])
        self.aws("delete-state-machine", "--state-machine-arn", machine)
        said = self.aws("describe-state-machine", "--state-machine-arn", machine, fails=True)
        self.assertIn("(StateMachineDoesNotExist)", said)

    def test_an_activity_is_served(self):
        activity = self.aws("create-activity", "--name", unique("cli"))["activityArn"]
        definition = json.dumps(task_state(activity))
        machine = self.aws("create-state-machine", "--name", unique("cli"), "--definition", definition, "--role-arn", ROLE)
        execution = self.aws("start-execution", "--state-machine-arn", machine["stateMachineArn"])["executionArn"]
        task = self.aws("get-activity-task", "--activity-arn", activity, "--worker-name", "cli")
        self.aws("send-task-heartbeat", "--task-token", task["taskToken"])
        self.aws("send-task-success", "--task-token", task["taskToken"], "--task-output", '{"done": true}')
        seen = until("it ends", lambda: self.aws("describe-execution", "--execution-arn", execution).get("output"))
        self.assertEqual(json.loads(seen), {"done": True})
        said = self.aws("send-task-failure", "--task-token", task["taskToken"], fails=True)
        self.assertIn("(TaskTimedOut)", said)

    def test_definitions_are_validated(self):
        found = self.aws("validate-state-machine-definition", "--definition", "{}")
        self.assertEqual(found["result"], "FAIL")
