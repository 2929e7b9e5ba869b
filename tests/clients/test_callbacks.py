"""Callback URLs by plain HTTP, and task tokens by boto3 beside them."""

import json
import urllib.error
import urllib.request

from harness import CALLBACK, Case, task_state


def post(url, body=b""):
    """The status of a POST."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=body, method="POST")) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


class Callbacks(Case):
    def waiting(self, **fields):
        """An execution that waits, and what its task shows."""
        execution = self.start(self.machine(task_state(CALLBACK, **fields)))
        details = self.event(execution, "TaskScheduled")["taskScheduledEventDetails"]
        return execution, json.loads(details["parameters"])

    def both(self):
        return self.waiting(Parameters={"url.$": "$$.Task.CallbackUrl", "token.$": "$$.Task.Token"})

    def test_a_url_completes_a_task_once(self):
        execution, shown = self.both()
        with urllib.request.urlopen(shown["url"]) as page:
            self.assertIn("Approve", page.read().decode())
        self.assertEqual(post(shown["url"] + "/success", b'{"ok": true}'), 200)
        self.assertEqual(json.loads(self.ended(execution)["output"]), {"ok": True})
        self.assertEqual(post(shown["url"] + "/success", b'{"ok": true}'), 410)
        self.refused(
            "TaskTimedOut", "", self.sfn.send_task_success, taskToken=shown["token"], output="{}"
        )

    def test_a_token_that_was_used_ends_the_url(self):
        execution, shown = self.both()
        self.sfn.send_task_failure(taskToken=shown["token"], error="E", cause="c")
        self.assertEqual(self.ended(execution)["error"], "E")
        self.assertEqual(post(shown["url"] + "/failure"), 410)

    def test_a_url_is_no_token_and_a_token_no_url(self):
        _, shown = self.both()
        base, grant = shown["url"].rsplit("/", 1)
        self.refused(
            "InvalidToken", "", self.sfn.send_task_success, taskToken=grant, output="{}"
        )
        self.assertEqual(post(f"{base}/{shown['token']}/success"), 404)

    def test_jsonata_has_the_url_too(self):
        state = {
            "Type": "Task", "Resource": CALLBACK, "End": True, "QueryLanguage": "JSONata",
            "Arguments": {"url": "{% $states.context.Task.CallbackUrl %}"},
        }
        execution = self.start(self.machine({"StartAt": "T", "States": {"T": state}}))
        details = self.event(execution, "TaskScheduled")["taskScheduledEventDetails"]
        url = json.loads(details["parameters"])["url"]
        body = json.dumps({"error": "No", "cause": "not today"}).encode()
        self.assertEqual(post(url + "/failure", body), 200)
        ended = self.ended(execution)
        self.assertEqual((ended["error"], ended["cause"]), ("No", "not today"))
