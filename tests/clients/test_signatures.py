"""AWS signatures: whose requests a coordinator with access keys takes, by boto3 and the AWS CLI."""

import datetime
import json
import os
import socket
import subprocess
import sys
import unittest.mock
import urllib.error
import urllib.request

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from harness import REGION, ROLE, Case, Coordinator, pass_state, unique

BLUE, GREEN = "111111111111", "222222222222"
KEYS = {
    "AKIABLUE": ("blue's secret, 40 characters or about so", BLUE),
    "AKIAGREEN": ("green's secret, 40 characters or so, too", GREEN),
    "AKIABLUE2": ("another secret for the same account blue", BLUE),
}
CONFIG = "".join(f'[[auth.access_keys]]\nid = "{key}"\nsecret = "{secret}"\nnamespace = "{account}"\npolicies = ["administrator"]\n' for key, (secret, account) in KEYS.items())
MISMATCH = "The request signature we calculated does not match the signature you provided."


class Signatures(Case):
    @classmethod
    def setUpClass(cls):
        cls.coordinator = Coordinator(CONFIG)

    @classmethod
    def tearDownClass(cls):
        cls.coordinator.stop()

    def client(self, key="AKIABLUE", secret=None, region=REGION, **more):
        return boto3.client(
            "stepfunctions",
            endpoint_url=self.coordinator.url,
            region_name=region,
            aws_access_key_id=key,
            aws_secret_access_key=secret or KEYS[key][0],
            config=Config(inject_host_prefix=False, retries={"total_max_attempts": 1}),
            **more,
        )

    def create(self, client, name):
        made = client.create_state_machine(name=name, definition=json.dumps(pass_state()), roleArn=ROLE)
        return made["stateMachineArn"]

    def send(self, body, sign=None, headers=None):
        """POSTs bytes with a signature for other bytes; gives status and answer."""
        request = AWSRequest("POST", self.coordinator.url + "/", data=body if sign is None else sign)
        request.headers["X-Amz-Target"] = "AWSStepFunctions.ListStateMachines"
        for name, value in (headers or {}).items():
            request.headers[name] = value
        SigV4Auth(Credentials("AKIABLUE", KEYS["AKIABLUE"][0]), "states", REGION).add_auth(request)
        try:
            sent = urllib.request.Request(request.url, data=body, headers=dict(request.headers.items()))
            with urllib.request.urlopen(sent, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def test_each_account_sees_its_own(self):
        name = unique("own")
        blue, green = self.client("AKIABLUE"), self.client("AKIAGREEN")
        self.assertEqual(self.create(blue, name), f"arn:aws:states:{REGION}:{BLUE}:stateMachine:{name}")
        machine = self.create(green, name)
        self.assertEqual(machine, f"arn:aws:states:{REGION}:{GREEN}:stateMachine:{name}")
        self.refused("StateMachineDoesNotExist", machine, blue.describe_state_machine, stateMachineArn=machine)
        listed = self.client("AKIABLUE2").list_state_machines()["stateMachines"]
        self.assertEqual({item["stateMachineArn"].split(":")[4] for item in listed}, {BLUE})

    def test_who_does_not_know_the_secret_is_refused(self):
        wrong = self.client(secret="a wrong secret of 40 characters or so, x")
        answer = self.refused("InvalidSignatureException", MISMATCH, wrong.list_state_machines)
        self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 403)
        stranger = self.client("AKIASTRANGER", "whatever it is, it is not known to anyone")
        self.refused("UnrecognizedClientException", "The security token included in the request is invalid.", stranger.list_state_machines)
        elsewhere = self.client(region="eu-west-1")
        self.refused("InvalidSignatureException", "not 'eu-west-1'", elsewhere.list_state_machines)

    def test_what_was_not_signed_is_refused(self):
        self.assertEqual(self.send(b"{}")[0], 200)
        status, said = self.send(b'{"maxResults": 1}', sign=b"{}")
        self.assertEqual((status, said["__type"]), (403, "InvalidSignatureException"))
        request = urllib.request.Request(self.coordinator.url, data=b"{}", headers={"X-Amz-Target": "AWSStepFunctions.ListStateMachines"})
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=20)
        self.assertIsNotNone(refused.exception.headers["Date"], "by which SDKs set their clock")
        self.assertEqual((refused.exception.code, json.load(refused.exception)["__type"]), (403, "MissingAuthenticationTokenException"))

    def test_a_signature_is_good_for_five_minutes(self):
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        for minutes, code in [(-4, None), (4, None), (-6, "Signature expired"), (6, "Signature not yet current")]:
            at = now + datetime.timedelta(minutes=minutes)
            with unittest.mock.patch("botocore.auth.get_current_datetime", lambda **_: at):
                if code:
                    self.refused("InvalidSignatureException", code, self.client().list_state_machines)
                else:
                    self.client().list_state_machines()

    def test_the_host_prefix_of_synchronous_calls_is_signed_with_the_host(self):
        # Not every resolver knows the names below `localhost`.
        resolve, asked = socket.getaddrinfo, []

        def local(host, *rest, **more):
            asked.append(host)
            return resolve("127.0.0.1" if host.endswith("sfn.localhost") else host, *rest, **more)

        client = boto3.client(
            "stepfunctions",
            endpoint_url=f"http://sfn.localhost:{self.coordinator.port}",
            region_name=REGION,
            aws_access_key_id="AKIABLUE",
            aws_secret_access_key=KEYS["AKIABLUE"][0],
        )
        with unittest.mock.patch("socket.getaddrinfo", local):
            tested = client.test_state(definition='{"Type": "Pass", "Result": 7, "End": true}')
            machine = client.create_state_machine(
                name=unique("express"), definition=json.dumps(pass_state()), roleArn=ROLE, type="EXPRESS"
            )
            ran = client.start_sync_execution(stateMachineArn=machine["stateMachineArn"], input="[1]")
        self.assertEqual((tested["output"], ran["output"]), ("7", "[1]"))
        self.assertEqual(set(asked), {"sfn.localhost", "sync-sfn.localhost"})

    def test_session_tokens_and_large_bodies_are_signed_too(self):
        session = self.client(aws_session_token="temporary")
        name = unique("large")
        definition = json.dumps(pass_state(Comment="é" * 200_000), ensure_ascii=False)
        made = session.create_state_machine(name=name, definition=definition, roleArn=ROLE)
        self.assertEqual(session.describe_state_machine(stateMachineArn=made["stateMachineArn"])["definition"], definition)

    def test_the_aws_cli_signs_and_leaves_the_host_prefix_out(self):
        environment = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": "AKIABLUE",
            "AWS_SECRET_ACCESS_KEY": KEYS["AKIABLUE"][0],
            "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        }
        command = [sys.executable, "-m", "awscli", "stepfunctions", "--endpoint-url", self.coordinator.url, "--region", REGION]
        test = ["test-state", "--definition", '{"Type": "Pass", "Result": 7, "End": true}', "--output", "json"]
        done = subprocess.run(command + test, env=environment, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout), {"output": "7", "status": "SUCCEEDED"})
        bad = {**environment, "AWS_SECRET_ACCESS_KEY": "wrong"}
        done = subprocess.run(command + ["list-activities"], env=bad, capture_output=True, text=True, timeout=60)
        self.assertIn("InvalidSignatureException", done.stderr)
