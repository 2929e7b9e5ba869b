"""What is written by hand or by generator says what the .proto files and the coordinator say. Needs grpcio-tools."""

import re
import subprocess
import sys
import unittest
from pathlib import Path

from stepfleet_sdk import Client, errors

ROOT = Path(__file__).resolve().parents[3]


class Generated(unittest.TestCase):
    def test_messages_are_what_the_proto_files_give(self) -> None:
        check = subprocess.run(
            [sys.executable, ROOT / "sdk/python/generate.py", "--check"], capture_output=True, text=True, check=False
        )
        self.assertEqual((check.returncode, check.stderr), (0, ""))

    def test_every_call_has_a_method(self) -> None:
        protos = (ROOT / "proto/stepfleet/v1").glob("*.proto")
        calls = {call for proto in protos for call in re.findall(r"^  rpc (\w+)", proto.read_text(), re.M)}
        self.assertGreater(len(calls), 30)
        # The worker's stream.
        calls.remove("Work")
        snake = {re.sub(r"(?<!^)(?=[A-Z])", "_", call).lower() for call in calls}
        self.assertEqual({name for name in snake if not hasattr(Client, name)}, set())

    def test_every_error_has_a_class(self) -> None:
        text = (ROOT / "coordinator/server/src/service/error.rs").read_text()
        block = re.search(r"enum ErrorCode \{([^}]*)\}", text)
        assert block is not None
        codes = set(re.findall(r"\w+", re.sub(r"//.*", "", block[1])))
        self.assertEqual(set(errors.BY_REASON), codes)

    def test_the_version_stands_in_both_places(self) -> None:
        from stepfleet_sdk import __version__

        manifest = (ROOT / "sdk/python/pyproject.toml").read_text()
        self.assertIn(f'\nversion = "{__version__}"\n', manifest)
        workspace = (ROOT / "Cargo.toml").read_text()
        self.assertIn(f'\nversion = "{__version__}"\n', workspace)
