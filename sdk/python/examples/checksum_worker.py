"""Serves the activity `checksum`: `python examples/checksum_worker.py`, with a coordinator at STEPFLEET_ENDPOINT or on this
machine.
"""

import logging
from dataclasses import dataclass

from stepfleet_sdk import Task, TaskError, Worker


@dataclass
class Input:
    """What the state machine hands over."""

    text: str


@dataclass
class Output:
    """What it gets back."""

    checksum: int


worker = Worker(create_activities=True)


@worker.activity("checksum", slots=16, input=Input)
async def checksum(task: Task[Input]) -> Output:
    if not task.input.text:
        raise TaskError("EmptyText", "there is nothing to sum up")
    return Output(checksum=sum(task.input.text.encode()))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    worker.run_blocking()
