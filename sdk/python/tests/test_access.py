"""Workers that may do little: what their policies leave out is not needed."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any

from harness import Case, Coordinator, client_at, task_machine
from stepfleet_sdk import ApiError, Task, Worker, errors

KEY = "a key of the tests"


class Access(Case):
    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        digest = hashlib.sha256(KEY.encode()).hexdigest()
        folder = tempfile.TemporaryDirectory(prefix="stepfleet-python-keys.")
        self.addCleanup(folder.cleanup)
        config = Path(folder.name, "stepfleet.toml")
        config.write_text(f'[[auth.keys]]\nname = "tests"\npolicies = ["administrator"]\nsha256 = "{digest}"\n')
        self.coordinator = Coordinator("server", "--config", str(config))
        self.addCleanup(self.coordinator.stop)
        self.client = client_at(self.coordinator.url, api_key=KEY)
        self.addAsyncCleanup(self.client.close)

    async def test_a_worker_that_may_not_create_activities_serves_those_that_are_there(self) -> None:
        issued = await self.client.issue_credential("builder", ["worker"])
        own = client_at(self.coordinator.url, api_key=issued.secret)
        self.addAsyncCleanup(own.close)
        with self.assertRaises(errors.AccessDeniedException):
            await own.create_activity("work")

        async def echo(task: Task[Any]) -> Any:
            return task.input

        worker = Worker(own, create_activities=True)
        worker.activity("work")(echo)
        with self.assertRaises(ApiError) as refused:
            await worker.run()
        self.assertEqual(refused.exception.reason, "ActivityDoesNotExist")
        await self.client.create_activity("work")
        async with self.serving(worker):
            arn = await self.client.start(await self.machine(task_machine("work")), 7)
            self.assertEqual((await self.client.wait(arn)).result(), 7)
