"""The Python worker of test_languages.py: URL, folder, the activity of its own, the shared one."""

import asyncio
import sys
from pathlib import Path

from stepfleet_sdk import Client, Task, Worker

url, place, own, shared = sys.argv[1:]
folder = Path(place)
worker = Worker(Client(url), name="python", slots=2)


@worker.activity(own)
def pass_on(task: Task[list[str]]) -> list[str]:
    return [*task.input, "python"]


@worker.activity(shared)
async def share(task: Task[int]) -> dict[str, object]:
    with open(folder / "calls", "a", encoding="utf-8") as calls:
        calls.write(f"{task.input}\n")
    (folder / "begun-python").touch()
    while not (folder / "go").exists():
        await asyncio.sleep(0.02)
    return {"item": task.input, "by": "python"}


worker.run_blocking()
