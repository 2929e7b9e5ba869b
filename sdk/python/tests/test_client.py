"""The client against a real coordinator: every call of the API, errors by their classes, keys and TLS."""

import hashlib
import os
import shutil
import subprocess
import tempfile
import unittest
from typing import Any
from unittest import mock

import grpc

from harness import PASS, Case, Coordinator, activity_arn, client_at, task_machine, unique
from stepfleet_sdk import (
    ApiError,
    Client,
    ConfigurationError,
    EncodeError,
    Endpoint,
    ExecutionError,
    ExecutionStatus,
    Route,
    StateMachineType,
    TransportError,
    errors,
)


class StateMachines(Case):
    async def test_a_machine_is_created_described_updated_and_deleted(self) -> None:
        name = unique("machine")
        made = await self.client.create_state_machine(name, PASS, tags={"team": "blue"}, publish=True)
        self.assertEqual(made.version_arn, f"{made.arn}:1")
        again = await self.client.create_state_machine(name, PASS, tags={"team": "blue"}, publish=True)
        self.assertEqual((again.arn, again.creation_date), (made.arn, made.creation_date))
        described = await self.client.describe_state_machine(made.arn)
        self.assertEqual((described.name, described.status, described.definition), (name, "ACTIVE", PASS))
        self.assertEqual((described.type, described.revision_id), (StateMachineType.STANDARD, None))
        self.assertEqual(described.logging_configuration["level"], "OFF")
        changed = {**PASS, "Comment": "changed"}
        updated = await self.client.update_state_machine(made.arn, definition=changed)
        self.assertIsNotNone(updated.revision_id)
        self.assertEqual((await self.client.describe_state_machine(made.arn)).definition, changed)
        await self.client.delete_state_machine(made.arn)
        with self.assertRaises(errors.StateMachineDoesNotExist):
            await self.client.describe_state_machine(made.arn)

    async def test_lists_go_on_over_pages(self) -> None:
        made = {await self.machine(PASS) for _ in range(3)}
        listed = [item.arn async for item in self.client.list_state_machines(page_size=2)]
        self.assertTrue(made <= set(listed))
        self.assertEqual(len(listed), len(set(listed)))

    async def test_definitions_are_validated_and_states_tested(self) -> None:
        found = await self.client.validate_state_machine_definition({"StartAt": "X", "States": {}})
        self.assertFalse(found.ok)
        self.assertEqual(found.diagnostics[0].severity, "ERROR")
        state = {"Type": "Task", "Resource": activity_arn("a"), "ResultPath": "$.sum", "Next": "More"}
        tested = await self.client.test_state(state, input={"a": 1}, mock_result={"b": 2})
        self.assertEqual((tested.status, tested.next_state), ("SUCCEEDED", "More"))
        self.assertEqual(tested.output, {"a": 1, "sum": {"b": 2}})
        self.assertEqual(tested.inspection["result"], {"b": 2})
        nothing = await self.client.test_state(state, mock_result=None)
        self.assertEqual(nothing.output, {"sum": None})
        failed = await self.client.test_state(state, mock_error=("Boom", "why"))
        self.assertEqual((failed.status, failed.error, failed.cause), ("FAILED", "Boom", "why"))

    async def test_versions_aliases_and_tags(self) -> None:
        arn = await self.machine(PASS, tags={"a": "1"})
        one = await self.client.publish_state_machine_version(arn, description="first")
        await self.client.update_state_machine(arn, definition={**PASS, "Comment": "two"})
        two = await self.client.publish_state_machine_version(arn)
        versions = [version.arn async for version in self.client.list_state_machine_versions(arn, page_size=1)]
        self.assertEqual(versions, [two.arn, one.arn])
        self.assertEqual((await self.client.describe_state_machine(one.arn)).description, "first")
        alias = await self.client.create_state_machine_alias("live", [Route(one.arn)])
        await self.client.update_state_machine_alias(alias.arn, routes=[Route(one.arn, 90), Route(two.arn, 10)])
        described = await self.client.describe_state_machine_alias(alias.arn)
        self.assertEqual(described.routes, [Route(one.arn, 90), Route(two.arn, 10)])
        self.assertEqual([item.arn async for item in self.client.list_state_machine_aliases(arn)], [alias.arn])
        execution = await self.client.start(alias.arn)
        self.assertEqual((await self.client.wait(execution)).state_machine_alias_arn, alias.arn)
        with self.assertRaises(errors.ConflictException):
            await self.client.delete_state_machine_version(one.arn)
        await self.client.delete_state_machine_alias(alias.arn)
        await self.client.delete_state_machine_version(one.arn)
        await self.client.tag_resource(arn, {"b": "2", "c": "3"})
        await self.client.untag_resource(arn, ["a", "c"])
        self.assertEqual(await self.client.list_tags_for_resource(arn), {"b": "2"})


class Executions(Case):
    async def test_an_execution_is_started_waited_for_and_told(self) -> None:
        arn = await self.machine(PASS)
        execution = await self.client.start(arn, {"text": "grüße", "big": 12345678901234567890})
        ended = await self.client.wait(execution)
        self.assertEqual(ended.result(), {"text": "grüße", "big": 12345678901234567890})
        self.assertEqual((ended.status, ended.state_machine_arn), (ExecutionStatus.SUCCEEDED, arn))
        self.assertLessEqual(ended.start_date, ended.stop_date or ended.start_date)
        events = [event async for event in self.client.get_execution_history(execution, page_size=2)]
        names = [event.type for event in events]
        self.assertEqual(names, ["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"])
        self.assertEqual(events[1].details["name"], "P")
        watched = [event.id async for event in self.client.watch_execution(execution, after_event_id=2)]
        self.assertEqual(watched, [3, 4])
        backwards = [event.id async for event in self.client.get_execution_history(execution, reverse_order=True)]
        self.assertEqual(backwards, [4, 3, 2, 1])
        machine = await self.client.describe_state_machine_for_execution(execution)
        self.assertEqual(machine.definition, PASS)

    async def test_a_name_makes_a_start_repeatable(self) -> None:
        arn = await self.machine(task_machine(await self.activity()))
        first = await self.client.start_execution(arn, {"a": 1}, name="one")
        again = await self.client.start_execution(arn, {"a": 1}, name="one")
        self.assertEqual(first, again)
        with self.assertRaises(errors.ExecutionAlreadyExists) as caught:
            await self.client.start_execution(arn, {"a": 2}, name="one")
        self.assertEqual(caught.exception.reason, "ExecutionAlreadyExists")
        self.assertIs(caught.exception.code, grpc.StatusCode.ALREADY_EXISTS)
        self.assertFalse(caught.exception.is_retryable)
        await self.client.stop_execution(first.arn)

    async def test_a_stopped_execution_is_listed_and_redriven(self) -> None:
        arn = await self.machine(task_machine(await self.activity()))
        execution = await self.client.start(arn)
        await self.client.stop_execution(execution, error="Enough", cause="for now")
        ended = await self.client.wait(execution)
        self.assertEqual((ended.status, ended.error, ended.cause), (ExecutionStatus.ABORTED, "Enough", "for now"))
        with self.assertRaisesRegex(ExecutionError, "execution ended as ABORTED: Enough: for now"):
            ended.result()
        listed = self.client.list_executions(arn, status=ExecutionStatus.ABORTED)
        self.assertEqual([item.arn async for item in listed], [execution])
        await self.client.redrive_execution(execution)
        self.assertEqual((await self.client.describe_execution(execution)).redrive_count, 1)
        with self.assertRaises(errors.ExecutionNotRedrivable):
            await self.client.redrive_execution(execution)
        await self.client.stop_execution(execution)

    async def test_an_express_execution_answers_at_once(self) -> None:
        arn = await self.machine(PASS, type=StateMachineType.EXPRESS)
        ended = await self.client.start_sync_execution(arn, {"a": 1}, name="sync")
        self.assertEqual((ended.result(), ended.name), ({"a": 1}, "sync"))
        standard = await self.machine(PASS)
        with self.assertRaises(errors.StateMachineTypeNotSupported):
            await self.client.start_sync_execution(standard)

    async def test_an_input_that_is_no_json_is_refused_here(self) -> None:
        arn = await self.machine(PASS)
        for value in (float("nan"), {1, 2}, object()):
            with self.assertRaises(EncodeError):
                await self.client.start(arn, value)

    async def test_no_input_is_an_empty_object_and_none_is_null(self) -> None:
        arn = await self.machine(PASS)
        self.assertEqual((await self.client.wait(await self.client.start(arn))).input_text, "{}")
        self.assertEqual((await self.client.wait(await self.client.start(arn, None))).input_text, "null")


class Tasks(Case):
    async def test_tasks_are_ended_by_their_token(self) -> None:
        name = await self.activity()
        arn = await self.machine(task_machine(name, name))
        execution = await self.client.start(arn, {"n": 1})
        task = await self.client.get_activity_task(activity_arn(name), worker_name="poller")
        assert task is not None
        self.assertEqual(task.input, {"n": 1})
        self.assertNotIn(task.token, repr(task))
        await self.client.heartbeat(task.token)
        await self.client.complete(task.token, {"n": 2})
        with self.assertRaises(errors.TaskTimedOut):
            await self.client.complete(task.token, {"n": 3})
        second = await self.client.get_activity_task(activity_arn(name))
        assert second is not None
        self.assertEqual(second.input, {"n": 2})
        await self.client.fail(second.token, "Boom", "why")
        ended = await self.client.wait(execution)
        self.assertEqual((ended.status, ended.error, ended.cause), (ExecutionStatus.FAILED, "Boom", "why"))
        with self.assertRaises(errors.InvalidToken):
            await self.client.heartbeat("no token")

    async def test_activities_are_described_and_listed(self) -> None:
        name = unique("activity")
        made = await self.client.create_activity(name, tags={"a": "1"})
        self.assertEqual(made, await self.client.create_activity(name, tags={"a": "1"}))
        arn = await self.machine(task_machine(name))
        execution = await self.client.start(arn)
        described = await self.client.describe_activity(made.arn)
        self.assertEqual((described.name, described.queued, described.workers), (name, 1, 0))
        self.assertIn(made.arn, [item.arn async for item in self.client.list_activities(page_size=1)])
        await self.client.stop_execution(execution)
        await self.client.delete_activity(made.arn)
        with self.assertRaises(errors.ActivityDoesNotExist):
            await self.client.describe_activity(made.arn)

    async def test_callbacks_are_listed_with_what_they_ask(self) -> None:
        state = {
            "Type": "Task",
            "Resource": "arn:aws:states:::stepfleet:callback.waitForTaskToken",
            "Parameters": {"question": "ok?", "token.$": "$$.Task.Token"},
            "End": True,
        }
        execution = await self.client.start(await self.machine({"StartAt": "T", "States": {"T": state}}))
        found = [item async for item in self.client.list_callbacks() if item.execution_arn == execution]
        self.assertEqual([(item.state_name, item.parameters["question"]) for item in found], [("T", "ok?")])
        await self.client.complete(found[0].token, True)
        self.assertIs((await self.client.wait(execution)).result(), True)

    async def test_a_callback_url_is_revoked_and_the_token_stays(self) -> None:
        state = {
            "Type": "Task",
            "Resource": "arn:aws:states:::stepfleet:callback.waitForTaskToken",
            "Parameters": {"url.$": "$$.Task.CallbackUrl"},
            "End": True,
        }
        execution = await self.client.start(await self.machine({"StartAt": "T", "States": {"T": state}}))
        found = [item async for item in self.client.list_callbacks() if item.execution_arn == execution]
        for _ in range(2):
            await self.client.revoke_callback_url(found[0].parameters["url"])
        with self.assertRaises(errors.ValidationException):
            await self.client.revoke_callback_url(found[0].token)
        await self.client.complete(found[0].token, True)
        self.assertIs((await self.client.wait(execution)).result(), True)


class Installation(Case):
    async def test_status_and_backup(self) -> None:
        status = await self.client.get_status()
        self.assertEqual((status.arn_prefix, status.refusing), ("arn:aws:states:us-east-1:000000000000:", None))
        size = 0
        async for chunk in self.client.backup():
            size += len(chunk)
        self.assertGreater(size, 0)

    async def test_nobody_there_is_a_transport_error(self) -> None:
        client = client_at("http://127.0.0.1:1", retries=1)
        with self.assertRaises(TransportError) as caught:
            await client.get_status()
        self.assertTrue(caught.exception.is_retryable)
        with self.assertRaises(TransportError):
            await client_at("http://127.0.0.1:1", connect_timeout=0.2).connect()
        await client.close()


def openssl(folder: str, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


class Secured(unittest.IsolatedAsyncioTestCase):
    """A coordinator with TLS, keys and client certificates, as the environment tells about it."""

    KEY = "a key of the tests"
    folder: str
    coordinator: Coordinator

    @classmethod
    def setUpClass(cls) -> None:
        if shutil.which("openssl") is None:
            raise unittest.SkipTest("openssl, which makes the certificates, is not on this machine")
        cls.folder = folder = tempfile.mkdtemp(prefix="stepfleet-python-tls.")
        cls.addClassCleanup(shutil.rmtree, folder)
        for who in ("server", "client"):
            request = (
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "2",
            )
            names = ("-subj", f"/CN={who}", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost")
            openssl(folder, *request, *names, "-keyout", f"{who}.key", "-out", f"{who}.crt")
        digest = hashlib.sha256(cls.KEY.encode()).hexdigest()
        with open(os.path.join(folder, "stepfleet.toml"), "w", encoding="utf-8") as file:
            file.write(
                f'[tls]\ncertificate = "{folder}/server.crt"\nkey = "{folder}/server.key"\n'
                f'[[auth.keys]]\nname = "tests"\npolicies = ["administrator"]\nsha256 = "{digest}"\n'
            )
        with open(os.path.join(folder, "key"), "w", encoding="utf-8") as file:
            file.write(cls.KEY + "\n")
        cls.coordinator = Coordinator("server", "--config", f"{folder}/stepfleet.toml", scheme="https")
        cls.addClassCleanup(cls.coordinator.stop)

    async def test_the_environment_gives_key_and_authority(self) -> None:
        told = {
            "STEPFLEET_ENDPOINT": self.coordinator.url,
            "STEPFLEET_API_KEY_FILE": f"{self.folder}/key",
            "STEPFLEET_CA_FILE": f"{self.folder}/server.crt",
            "STEPFLEET_CLIENT_CERT_FILE": f"{self.folder}/client.crt",
            "STEPFLEET_CLIENT_KEY_FILE": f"{self.folder}/client.key",
        }
        with mock.patch.dict(os.environ, told):
            client = Client()
        async with client:
            self.assertTrue((await client.get_status()).version)
        with mock.patch.dict(os.environ, {**told, "STEPFLEET_CLIENT_KEY_FILE": ""}):
            with self.assertRaisesRegex(ConfigurationError, "belong together"):
                Endpoint.from_env()

    async def test_the_name_in_the_certificate_may_be_another(self) -> None:
        trust = {"api_key": self.KEY, "ca_file": f"{self.folder}/server.crt"}
        async with client_at(self.coordinator.url, domain_name="localhost", **trust) as client:
            self.assertTrue((await client.get_status()).version)
        async with client_at(self.coordinator.url, domain_name="elsewhere", retries=0, **trust) as client:
            with self.assertRaises(TransportError):
                await client.get_status()

    async def test_a_wrong_key_is_refused_and_an_unknown_authority_trusts_nobody(self) -> None:
        async with client_at(self.coordinator.url, api_key="wrong", ca_file=f"{self.folder}/server.crt") as client:
            with self.assertRaises(ApiError) as caught:
                await client.get_status()
            self.assertIs(caught.exception.code, grpc.StatusCode.UNAUTHENTICATED)
        stranger = client_at(self.coordinator.url, api_key=self.KEY, ca_file=f"{self.folder}/client.crt", retries=0)
        async with stranger:
            with self.assertRaises(TransportError):
                await stranger.get_status()


class Options(unittest.TestCase):
    def test_options_that_cannot_work_are_refused_with_their_text(self) -> None:
        refused: tuple[tuple[dict[str, Any], str], ...] = (
            ({"url": "localhost:8083"}, "endpoint `localhost:8083` must begin with http:// or https://"),
            ({"url": "http://host:8083/path"}, "endpoint `http://host:8083/path` is malformed"),
            ({"url": "http://host:port"}, "endpoint `http://host:port` is malformed"),
            ({"api_key_file": "/nowhere/key"}, "cannot read /nowhere/key: No such file or directory"),
            ({"api_key": "two\nlines"}, "the API key holds characters that no key has"),
            ({"ca_pem": b"no certificate"}, "the certificate authorities hold no PEM certificate"),
            ({"client_cert_pem": b"x"}, "client certificate and key belong together"),
        )
        for options, text in refused:
            with self.subTest(text), self.assertRaises(ConfigurationError) as caught:
                Endpoint(**options)
            self.assertIn(text, str(caught.exception))

    def test_keys_stay_out_of_texts(self) -> None:
        endpoint = Endpoint(api_key="secret-key")
        self.assertNotIn("secret-key", repr(endpoint) + repr(Client(endpoint)))
