"""What works on activity tasks in recorded cases: a state machine that calls GetActivityTask and answers. The
coordinator does not run such Tasks (aws-sdk:sfn), so the calls of the machine's states are made here."""

import json
import threading
import time


def is_consumer(definition):
    return "aws-sdk:sfn:getActivityTask" in definition


def start(sfn, definition, value):
    """Makes the calls of such a machine in a thread, until it ends."""
    arguments = (sfn, json.loads(definition), json.loads(value))
    threading.Thread(target=consume, args=arguments, daemon=True).start()


def consume(sfn, machine, value):
    name, task = machine["StartAt"], {}
    while name:
        state = machine["States"][name]
        call = state.get("Resource", "").rpartition(":")[2]
        if state["Type"] == "Wait":
            time.sleep(state["Seconds"])
        elif call == "getActivityTask":
            worker = state["Parameters"]["WorkerName"]
            task = sfn.get_activity_task(activityArn=value["ActivityArn"], workerName=worker)
        elif call == "sendTaskHeartbeat":
            sfn.send_task_heartbeat(taskToken=task["taskToken"])
        elif call == "sendTaskSuccess":
            sfn.send_task_success(taskToken=task["taskToken"], output=task["input"])
        if state["Type"] == "Choice":  # whether there was a task
            name = state["Choices"][0]["Next"] if task.get("taskToken") else state["Default"]
        else:
            name = state.get("Next")
