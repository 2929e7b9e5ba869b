"""Activities and callbacks, by boto3: a worker as a user would write it."""

import json
import threading
import time

from harness import CALLBACK, PREFIX, Case, client, task_state, unique


class Worker(threading.Thread):
    """Polls, beats while it works, reports: the loop of AWS's documentation."""

    def __init__(self, activity, handler, name="python-worker"):
        super().__init__(daemon=True)
        self.activity, self.handler, self.worker_name = activity, handler, name
        self.stop = threading.Event()
        self.errors = []

    def run(self):
        sfn = client()
        while not self.stop.is_set():
            task = sfn.get_activity_task(activityArn=self.activity, workerName=self.worker_name)
            if not task.get("taskToken"):
                continue
            self.work(sfn, task["taskToken"], json.loads(task["input"]))

    def work(self, sfn, token, value):
        done = threading.Event()

        def beat():
            while not done.wait(0.4):
                sfn.send_task_heartbeat(taskToken=token)

        heart = threading.Thread(target=beat, daemon=True)
        heart.start()
        try:
            output = self.handler(value)
        except Exception as error:  # what the handler raises is the task's failure
            done.set()
            heart.join()
            sfn.send_task_failure(taskToken=token, error=type(error).__name__, cause=str(error))
            return
        done.set()
        heart.join()
        sfn.send_task_success(taskToken=token, output=json.dumps(output))


class Activities(Case):
    def test_an_activity_is_created_once_and_deleted(self):
        name = unique("activity")
        first = self.sfn.create_activity(name=name, tags=[{"key": "a", "value": "b"}])
        second = self.sfn.create_activity(name=name)
        self.assertEqual(first["activityArn"], f"{PREFIX}:activity:{name}")
        self.assertEqual(first["activityArn"], second["activityArn"])
        self.assertEqual(first["creationDate"], second["creationDate"])
        seen = self.sfn.describe_activity(activityArn=first["activityArn"])
        self.assertEqual((seen["name"], seen["creationDate"]), (name, first["creationDate"]))
        for _ in range(2):
            self.sfn.delete_activity(activityArn=first["activityArn"])
        gone = f"Activity Does Not Exist: '{first['activityArn']}'"
        self.refused("ActivityDoesNotExist", gone, self.sfn.describe_activity, activityArn=first["activityArn"])

    def test_a_worker_with_heartbeats_serves_an_activity(self):
        activity = self.activity()

        def handler(value):
            if value["n"] == 2:
                raise ValueError("two is not allowed")
            time.sleep(value["seconds"])
            return {"squared": value["n"] ** 2}

        worker = Worker(activity, handler)
        worker.start()
        machine = self.machine(task_state(activity, HeartbeatSeconds=1, TimeoutSeconds=30))
        good = self.start(machine, {"n": 3, "seconds": 2.5})
        bad = self.start(machine, {"n": 2, "seconds": 0})
        seen = self.ended(good)
        self.assertEqual(seen["status"], "SUCCEEDED", seen)
        self.assertEqual(json.loads(seen["output"]), {"squared": 9})
        seen = self.ended(bad)
        self.assertEqual((seen["error"], seen["cause"]), ("ValueError", "two is not allowed"))
        started = self.event(good, "ActivityStarted")
        self.assertEqual(started["activityStartedEventDetails"], {"workerName": "python-worker"})
        worker.stop.set()

    def test_a_worker_that_goes_silent_is_timed_out(self):
        activity = self.activity()
        execution = self.start(self.machine(task_state(activity, HeartbeatSeconds=1)))
        task = self.sfn.get_activity_task(activityArn=activity)
        seen = self.ended(execution)
        self.assertEqual((seen["status"], seen["error"]), ("FAILED", "States.Timeout"))
        for call in (self.sfn.send_task_heartbeat, self.sfn.send_task_failure):
            self.refused("TaskTimedOut", "", call, taskToken=task["taskToken"])
        self.refused("TaskTimedOut", "", self.sfn.send_task_success, taskToken=task["taskToken"], output="{}")
        kinds = [e["type"] for e in self.history(execution)]
        self.assertEqual(kinds[-2:], ["ActivityTimedOut", "ExecutionFailed"])

    def test_an_activity_that_nobody_polls_times_out(self):
        execution = self.start(self.machine(task_state(self.activity(), TimeoutSeconds=1)))
        seen = self.ended(execution)
        self.assertEqual((seen["status"], seen["error"]), ("FAILED", "States.Timeout"))

    def test_trap_30_a_task_ends_a_poll_that_waits_for_it(self):
        activity = self.activity()
        machine = self.machine(task_state(activity))
        threading.Timer(1, lambda: self.start(machine, {"late": True})).start()
        began = time.monotonic()
        task = self.sfn.get_activity_task(activityArn=activity)
        waited = time.monotonic() - began
        self.assertEqual(json.loads(task["input"]), {"late": True})
        self.assertTrue(0.5 < waited < 10, f"waited {waited} s")
        self.sfn.send_task_success(taskToken=task["taskToken"], output="{}")

    def test_trap_29_a_poller_that_goes_away_takes_no_task_with_it(self):
        activity = self.activity()
        impatient = client(read_timeout=1)
        with self.assertRaises(Exception):
            impatient.get_activity_task(activityArn=activity)
        execution = self.start(self.machine(task_state(activity)), {"a": 1})
        task = self.sfn.get_activity_task(activityArn=activity)
        self.assertEqual(json.loads(task["input"]), {"a": 1})
        self.sfn.send_task_success(taskToken=task["taskToken"], output="1")
        self.assertEqual(self.ended(execution)["status"], "SUCCEEDED")

    def test_tasks_are_handed_out_in_the_order_of_their_schedule(self):
        activity = self.activity()
        machine = self.machine(task_state(activity))
        for n in range(10):
            self.event(self.start(machine, n), "ActivityScheduled")
        taken = [json.loads(self.sfn.get_activity_task(activityArn=activity)["input"]) for _ in range(10)]
        self.assertEqual(taken, list(range(10)))

    def test_trap_23_a_failure_without_error_and_cause_leaves_them_out(self):
        activity = self.activity()
        execution = self.start(self.machine(task_state(activity)))
        token = self.sfn.get_activity_task(activityArn=activity)["taskToken"]
        self.sfn.send_task_failure(taskToken=token)
        seen = self.ended(execution)
        self.assertEqual(seen["status"], "FAILED")
        self.assertNotIn("error", seen)
        failed = self.event(execution, "ActivityFailed")
        self.assertEqual(failed.get("activityFailedEventDetails", {}), {})

    def test_a_callback_is_completed_by_whoever_has_its_token(self):
        activity = self.activity()
        # The activity tells this test the token, as a message to a partner would.
        machine = self.machine({
            "StartAt": "Both",
            "States": {"Both": {"Type": "Parallel", "End": True, "Branches": [
                {"StartAt": "Ask", "States": {"Ask": {
                    "Type": "Task", "Resource": CALLBACK, "End": True, "HeartbeatSeconds": 20,
                    "Parameters": {"question": "go?", "token.$": "$$.Task.Token"},
                }}},
                {"StartAt": "Work", "States": {"Work": {"Type": "Task", "Resource": activity, "End": True}}},
            ]}},
        })
        execution = self.start(machine)
        work = self.sfn.get_activity_task(activityArn=activity)
        parameters = self.event(execution, "TaskScheduled")["taskScheduledEventDetails"]
        self.assertEqual(parameters["resourceType"], "stepfleet")
        token = json.loads(parameters["parameters"])["token"]
        self.sfn.send_task_heartbeat(taskToken=token)
        self.sfn.send_task_success(taskToken=token, output='{"go": true}')
        self.refused("TaskTimedOut", "", self.sfn.send_task_success, taskToken=token, output='{"go": true}')
        self.sfn.send_task_success(taskToken=work["taskToken"], output='"worked"')
        seen = self.ended(execution)
        self.assertEqual(json.loads(seen["output"]), [{"go": True}, "worked"])
        kinds = [e["type"] for e in self.history(execution)]
        for kind in ("TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"):
            self.assertEqual(kinds.count(kind), 1, kinds)

    def test_bad_outputs_and_tokens_are_refused(self):
        activity = self.activity()
        self.start(self.machine(task_state(activity)))
        token = self.sfn.get_activity_task(activityArn=activity)["taskToken"]
        self.refused("InvalidOutput", "", self.sfn.send_task_success, taskToken=token, output="{")
        self.refused("InvalidToken", "Invalid Token: 'Invalid token'", self.sfn.send_task_heartbeat, taskToken="x")
        self.sfn.send_task_success(taskToken=token, output="null")
