"""A coordinator process for the tests of this folder, and clients of it. Needs STEPFLEET_BIN."""

import atexit
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ACCOUNT = "000000000000"
REGION = "us-east-1"
PREFIX = f"arn:aws:states:{REGION}:{ACCOUNT}"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/tests"
CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}

_numbers = itertools.count(1)


def unique(prefix):
    """A name that no other test has."""
    return f"{prefix}-{os.getpid()}-{next(_numbers)}"


def until(what, look, seconds=20):
    """Looks until there is something to see, and gives it."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain: {what}")
        time.sleep(0.02)


class Coordinator:
    """A `stepfleet dev` with a data folder of its own, or a `stepfleet server` with this configuration."""

    def __init__(self, config=""):
        program = os.environ.get("STEPFLEET_BIN")
        if not program:
            sys.exit("STEPFLEET_BIN must name the program under test (tests/run sets it)")
        self.folder = tempfile.mkdtemp(prefix="stepfleet-clients.")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = open(os.path.join(self.folder, "coordinator.log"), "wb")
        self.arguments = arguments = [program, "server" if config else "dev", "--listen", f"127.0.0.1:{self.port}"]
        arguments += ["--data", os.path.join(self.folder, "data")]
        if config:
            path = os.path.join(self.folder, "stepfleet.toml")
            with open(path, "w", encoding="utf-8") as file:
                file.write(config)
            arguments += ["--config", path]
        self._start()
        atexit.register(self.stop)

    def _start(self):
        self.process = subprocess.Popen(self.arguments, stdout=self.log, stderr=self.log)
        until("the coordinator is ready", self._is_ready, 60)

    def restart(self):
        """`kill -9`, and again with the same data."""
        self.process.kill()
        self.process.wait(20)
        self._start()

    def _is_ready(self):
        if self.process.poll() is not None:
            self.log.flush()
            with open(self.log.name, encoding="utf-8") as log:
                raise AssertionError(f"the coordinator ended: {log.read()}")
        try:
            with urllib.request.urlopen(self.url + "/readyz", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


_lock = threading.Lock()
_coordinator = None


def coordinator():
    """The one coordinator of this test process."""
    global _coordinator
    with _lock:
        if _coordinator is None:
            _coordinator = Coordinator()
        return _coordinator


def client(**config):
    """boto3 as the README tells to set it up."""
    settings = {"inject_host_prefix": False, "read_timeout": 70, "retries": {"total_max_attempts": 1}}
    settings.update(config)
    return boto3.client(
        "stepfunctions",
        endpoint_url=coordinator().url,
        region_name=REGION,
        config=Config(**settings),
        **CREDENTIALS,
    )


class Case(unittest.TestCase):
    """A test with a client and the usual steps."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.sfn = client()

    def machine(self, definition, name=None, **more):
        """Creates a state machine and gives its ARN."""
        text = definition if isinstance(definition, str) else json.dumps(definition)
        made = self.sfn.create_state_machine(
            name=name or unique("machine"), definition=text, roleArn=ROLE, **more
        )
        return made["stateMachineArn"]

    def activity(self):
        """Creates an activity and gives its ARN."""
        return self.sfn.create_activity(name=unique("activity"))["activityArn"]

    def start(self, machine, value=None, **more):
        """Starts an execution and gives its ARN."""
        text = json.dumps({} if value is None else value)
        return self.sfn.start_execution(stateMachineArn=machine, input=text, **more)["executionArn"]

    def ended(self, execution, seconds=20):
        """Waits for the end and gives the description."""

        def look():
            description = self.sfn.describe_execution(executionArn=execution)
            return description if description["status"] != "RUNNING" else None

        return until(f"{execution} ends", look, seconds)

    def history(self, execution, **more):
        """The whole history, by the paginator."""
        pages = self.sfn.get_paginator("get_execution_history")
        return [e for page in pages.paginate(executionArn=execution, **more) for e in page["events"]]

    def event(self, execution, kind):
        """Waits for the first event of a kind."""

        def look():
            found = [e for e in self.history(execution) if e["type"] == kind]
            return found[0] if found else None

        return until(f"{execution} has {kind}", look)

    def refused(self, code, message, call, **arguments):
        """The call is refused with this code, and a message that has this part."""
        with self.assertRaises(ClientError) as caught:
            call(**arguments)
        error = caught.exception.response["Error"]
        self.assertEqual(error["Code"], code, error)
        self.assertIn(message, error["Message"])
        return caught.exception.response


def pass_state(**fields):
    """A machine of one Pass state."""
    return {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True, **fields}}}


def task_state(resource, **fields):
    """A machine of one Task state."""
    return {"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": resource, "End": True, **fields}}}


CALLBACK = "arn:aws:states:::stepfleet:callback.waitForTaskToken"
