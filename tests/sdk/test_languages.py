"""Workers in Rust (the stock worker), Python and TypeScript serve one machine, and survive a killed coordinator together.

Runs where the wheel of the SDK for Python is installed. Needs STEPFLEET_BIN, STEPFLEET_WORKER_BIN, and STEPFLEET_NODE_FOLDER, a
folder in whose node_modules the SDK for TypeScript is installed.
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "sdk" / "python" / "tests"))

from harness import Coordinator, activity_arn, client_at, map_machine, until  # noqa: E402

LANGUAGES = ("rust", "python", "typescript")
ITEMS = 60


class Languages(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        # The coordinator is started in the event loop of a test; its debug mode need not say so.
        asyncio.get_running_loop().slow_callback_duration = 60
        self.coordinator = Coordinator()
        self.addCleanup(self.coordinator.stop)
        self.folder = Path(tempfile.mkdtemp(prefix="stepfleet-languages."))
        self.addCleanup(shutil.rmtree, self.folder)
        self.client = client_at(self.coordinator.url, retries=20)
        self.addAsyncCleanup(self.client.close)
        for name in (*LANGUAGES, "shared"):
            await self.client.create_activity(name)

    def spawn(self, *command):
        """A worker; at the end it has drained and left with status 0."""
        log = open(self.folder / f"{len(os.listdir(self.folder))}.log", "wb")
        self.addCleanup(log.close)
        process = subprocess.Popen(command, stdout=log, stderr=log)

        def leave():
            process.send_signal(signal.SIGTERM)
            try:
                self.assertEqual(process.wait(20), 0, Path(log.name).read_text())
            finally:
                process.kill()

        self.addCleanup(leave)

    def spawn_all(self):
        url, folder, script = self.coordinator.url, str(self.folder), str(HERE / "worker.sh")
        config = self.folder / "worker.toml"
        activities = "".join(
            f'[[activity]]\nname = "{name}"\ncommand = ["sh", "{script}", "{kind}", "{folder}"]\n'
            'input = "stdin"\noutput = "json"\nconcurrency = 2\n'
            for name, kind in (("rust", "own"), ("shared", "shared"))
        )
        config.write_text(f'endpoint = "{url}"\nname = "rust"\n{activities}')
        self.spawn(os.environ["STEPFLEET_WORKER_BIN"], "--config", str(config))
        self.spawn(sys.executable, str(HERE / "worker.py"), url, folder, "python", "shared")
        # Beside the packages, where Node.js looks for them.
        program = Path(os.environ["STEPFLEET_NODE_FOLDER"]) / "languages.mjs"
        shutil.copy(HERE / "worker.mjs", program)
        self.spawn("node", str(program), url, folder, "typescript", "shared")

    async def workers(self, name):
        return (await self.client.describe_activity(activity_arn(name))).workers

    async def test_three_languages_serve_one_machine_through_a_kill(self):
        self.spawn_all()
        await until("all serve", lambda: self.all_serve())
        states = {
            name: {"Type": "Task", "Resource": activity_arn(name), "Next": after}
            for name, after in zip(LANGUAGES, (*LANGUAGES[1:], "Items"), strict=True)
        }
        shared = map_machine("shared")["States"]["M"]
        states["Items"] = {"Type": "Pass", "Parameters": {"by.$": "$", "items": list(range(ITEMS))}, "Next": "Share"}
        states["Share"] = {**shared, "ItemsPath": "$.items", "ResultPath": "$.items"}
        machine = await self.client.create_state_machine("languages", {"StartAt": "rust", "States": states})
        execution = await self.client.start(machine.arn, ["start"])
        # Every language holds a part of the shared work when the coordinator is killed, and ends it while nobody listens.
        begun = [self.folder / f"begun-{name}" for name in LANGUAGES]
        await until("every language has begun", lambda: all(path.exists() for path in begun))
        self.coordinator.kill()
        (self.folder / "go").touch()
        self.coordinator.restart()
        output = (await self.client.wait(execution)).result()
        self.assertEqual(output["by"], ["start", *LANGUAGES])
        self.assertEqual([result["item"] for result in output["items"]], list(range(ITEMS)))
        self.assertEqual({result["by"] for result in output["items"]}, set(LANGUAGES))
        calls = Counter(json.loads(line) for line in (self.folder / "calls").read_text().splitlines())
        self.assertEqual(calls, Counter(range(ITEMS)), "a task was lost or done twice")
        events = self.client.get_execution_history(execution)
        names = [event.details["workerName"] async for event in events if event.type == "ActivityStarted"]
        self.assertEqual(names[:3], list(LANGUAGES))

    async def all_serve(self):
        return await self.workers("shared") == 6 and all([await self.workers(name) == 2 for name in LANGUAGES])


if __name__ == "__main__":
    unittest.main()
