"""`stepfleet machine test`: definitions against cases, without a coordinator."""

import json
import os
import subprocess
import tempfile
import unittest

from harness import task_state

EXAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "deploy", "example")
ACTIVITY = "arn:aws:states:us-east-1:000000000000:activity:a"


class MachineTest(unittest.TestCase):
    def stepfleet(self, *arguments):
        # Nothing listens there: the command must not ask.
        environment = {**os.environ, "STEPFLEET_ENDPOINT": "http://127.0.0.1:1", "NO_COLOR": "1"}
        command = [os.environ["STEPFLEET_BIN"], "machine", "test", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

    def files(self, definition, cases):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        paths = []
        for name, document in (("machine.json", definition), ("cases.json", cases)):
            paths.append(os.path.join(folder.name, name))
            with open(paths[-1], "w", encoding="utf-8") as file:
                file.write(document if isinstance(document, str) else json.dumps(document))
        return paths[0], "--cases", paths[1]

    def test_the_example_passes_its_cases(self):
        machine = os.path.join(EXAMPLE, "archive-folder.asl.json")
        done = self.stepfleet(machine, "--cases", os.path.join(EXAMPLE, "archive-folder.cases.json"))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout.splitlines()[-1], r"^[1-9]\d* passed, 0 failed$")

    def test_a_difference_is_shown_and_exits_with_1(self):
        case = {"name": "count", "tasks": {"Work": {"result": 4}}, "expect": {"output": 5}}
        state = task_state(ACTIVITY)
        state = json.loads(json.dumps(state).replace(f'"{state["StartAt"]}"', '"Work"'))
        arguments = self.files(state, [case])
        done = self.stepfleet(*arguments)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn('-  "output": 5', done.stdout)
        self.assertIn('+  "output": 4', done.stdout)
        self.assertTrue(done.stdout.endswith("0 passed, 1 failed\n"), done.stdout)
        told = json.loads(self.stepfleet(*arguments, "--output", "json").stdout)
        self.assertEqual((told["passed"], told["failed"]), (0, 1))
        self.assertEqual(told["cases"], [{"name": "count", "passed": False, "expected": {"output": 5}, "actual": {"output": 4}}])

    def test_bad_files_exit_with_2_and_say_why(self):
        case = {"name": "c", "expect": {"status": "SUCCEEDED"}}
        machine = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}
        for definition, cases, part in [
            (machine, "[", "must be a JSON array of cases"),
            (machine, [{**case, "inputs": {}}], "unknown field `inputs`"),
            (machine, [{**case, "tasks": {"A": {"result": 1}}}], "tasks.A: the state is not a Task"),
            ("{", [case], "is not a valid definition"),
        ]:
            with self.subTest(part=part):
                done = self.stepfleet(*self.files(definition, cases))
                self.assertEqual(done.returncode, 2, done.stdout)
                self.assertIn(part, done.stderr)
