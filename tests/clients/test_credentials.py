"""Access keys that the command line issues, under boto3: what they may do, their rotation, and each of their ends."""

import hashlib
import json
import os
import subprocess
import tempfile

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from harness import REGION, ROLE, Case, Coordinator, pass_state, unique, until

ADMIN = "the-first-key-of-an-administrator-0123456789"
INVALID = "The security token included in the request is invalid."
MISMATCH = "The request signature we calculated does not match the signature you provided."


class Credentials(Case):
    @classmethod
    def setUpClass(cls):
        cls.keys = tempfile.NamedTemporaryFile("w", suffix=".keys")
        cls.keys.write("5eed" * 16 + "\n")
        cls.keys.flush()
        digest = hashlib.sha256(ADMIN.encode()).hexdigest()
        cls.coordinator = Coordinator(
            f'[auth]\nseal_key_file = "{cls.keys.name}"\n'
            f'[[auth.keys]]\nname = "admin"\npolicies = ["administrator"]\nsha256 = "{digest}"\n'
        )

    @classmethod
    def tearDownClass(cls):
        cls.coordinator.stop()
        cls.keys.close()

    def cli(self, *arguments):
        """The answer of the command line to the administrator."""
        command = [os.environ["STEPFLEET_BIN"], "--endpoint", self.coordinator.url, *arguments, "--output", "json"]
        ran = subprocess.run(command, env={**os.environ, "STEPFLEET_API_KEY": ADMIN}, capture_output=True, text=True)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        return json.loads(ran.stdout)

    def issue(self, name, policy, *more):
        return self.cli("credential", "issue", name, "--policy", policy, "--kind", "access-key", *more)

    def client(self, issued, secret=None):
        return boto3.client(
            "stepfunctions",
            endpoint_url=self.coordinator.url,
            region_name=REGION,
            aws_access_key_id=issued["keyId"],
            aws_secret_access_key=secret or issued["secret"],
            config=Config(inject_host_prefix=False, retries={"total_max_attempts": 1}),
        )

    def ends(self, client):
        """The client's key is not taken any more, or soon is not."""

        def look():
            try:
                client.list_state_machines()
            except ClientError as error:
                return error.response["Error"]
            return None

        error = until("the key has ended", look)
        self.assertEqual((error["Code"], error["Message"]), ("UnrecognizedClientException", INVALID))

    def test_an_issued_key_signs_and_its_policies_bound_it(self):
        name = unique("shop")
        maker, caller = self.issue(unique("maker"), "developer"), self.issue(name, "caller")
        definition = json.dumps(pass_state())
        made = self.client(maker).create_state_machine(name=unique("m"), definition=definition, roleArn=ROLE)
        machine = made["stateMachineArn"]
        shop = self.client(caller)
        shop.start_execution(stateMachineArn=machine)
        why = "because no identity-based policy allows the states:DeleteStateMachine action"
        message = f"User: {name} is not authorized to perform: states:DeleteStateMachine on resource: {machine} {why}"
        self.refused("AccessDeniedException", message, shop.delete_state_machine, stateMachineArn=machine)
        wrong = self.client(caller, secret="a wrong secret of 40 characters or so, x")
        self.refused("InvalidSignatureException", MISMATCH, wrong.list_state_machines)

    def test_both_secrets_count_until_the_overlap_ends(self):
        name = unique("turning")
        first = self.issue(name, "read-only")
        second = self.cli("credential", "rotate", name, "--overlap", "1h")
        self.assertNotEqual((first["keyId"], first["secret"]), (second["keyId"], second["secret"]))
        for issued in (first, second):
            self.client(issued).list_state_machines()
        third = self.cli("credential", "rotate", name, "--overlap", "0s")
        self.client(third).list_state_machines()
        for issued in (first, second):
            self.ends(self.client(issued))

    def test_a_key_ends_when_it_is_revoked_and_when_it_expires(self):
        name = unique("gone")
        issued = self.issue(name, "read-only")
        self.client(issued).list_state_machines()
        self.cli("credential", "revoke", name)
        self.ends(self.client(issued))
        expires = self.issue(unique("short"), "read-only", "--expires", "2s")
        self.client(expires).list_state_machines()
        self.ends(self.client(expires))

    def test_secrets_survive_a_kill_and_stand_in_no_file(self):
        issued = self.issue(unique("kept"), "read-only")
        self.client(issued).list_state_machines()
        self.coordinator.restart()
        self.client(issued).list_state_machines()
        backup = os.path.join(self.coordinator.folder, "backup")
        self.cli("backup", backup)
        secrets = [issued["secret"].encode(), ("5eed" * 16).encode(), bytes.fromhex("5eed" * 16)]
        looked = 0
        for folder, _, names in os.walk(self.coordinator.folder):
            for path in (os.path.join(folder, name) for name in names):
                with open(path, "rb") as file:
                    text = file.read()
                looked += issued["keyId"].encode() in text
                for secret in secrets:
                    self.assertNotIn(secret, text, path)
        self.assertGreater(looked, 0, "no file has the record at all")
