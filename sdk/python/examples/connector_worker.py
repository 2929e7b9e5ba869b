"""Serves the integration `acme:train` in all three patterns: `python examples/connector_worker.py`, with a coordinator at
STEPFLEET_ENDPOINT or on this machine. What it begins is a process that outlives this one and is found again by its folder.
"""

import asyncio
import hashlib
import json
import logging
import os
import signal
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from stepfleet_sdk import Begun, Connector, Failed, Going, Standing, Start, Started, Succeeded, TaskError, Work, Worker

FOLDER = Path(os.environ.get("TRAININGS", tempfile.gettempdir()), "trainings")
#: Trains for some seconds, and leaves the result where it is looked for.
PROGRAM = "import os, time; time.sleep({seconds}); open('new', 'w').write('0.25'); os.rename('new', 'loss')"


class Training(Connector):
    """Trainings are processes of this machine, each with a folder: no worker of another machine can tell of them."""

    place = socket.gethostname()

    async def start(self, start: Start) -> Started:
        seconds = start.input.get("Seconds", 1)
        if not isinstance(seconds, (int, float)):
            raise TaskError("InvalidParameters", "Seconds is a number")
        # The same whenever this attempt is begun again, which must not begin a second training.
        name = hashlib.sha256(start.client_id.encode()).hexdigest()[:16]
        folder = FOLDER / name
        with suppress(FileExistsError):
            folder.mkdir(parents=True)
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", PROGRAM.format(seconds=seconds), cwd=folder, start_new_session=True
            )
            (folder / "pid").write_text(str(process.pid))
        return Begun(handle={"folder": name}, output={"Training": name})

    async def describe(self, work: Work) -> Standing:
        folder = FOLDER / work.handle["folder"]
        if (folder / "loss").exists():
            return Succeeded({"loss": json.loads((folder / "loss").read_text())})
        if is_alive(folder):
            return Going(again_after=1)
        return Failed(TaskError("TrainingLost", "the process ended without a result"))

    async def stop(self, work: Work) -> None:
        with suppress(ProcessLookupError, FileNotFoundError, ValueError):
            os.killpg(int((FOLDER / work.handle["folder"] / "pid").read_text()), signal.SIGTERM)


def is_alive(folder: Path) -> bool:
    try:
        os.kill(int((folder / "pid").read_text()), 0)
    except (ProcessLookupError, FileNotFoundError, ValueError):
        # Its end may have come between the two looks.
        return (folder / "loss").exists()
    return True


worker = Worker(create_activities=True)
worker.connector("acme:train", Training(), slots=4)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    worker.run_blocking()
