"""HTTP tasks, their tests, and Lambda functions by configuration, by boto3."""

import http.server
import json
import threading

from harness import ACCOUNT, CREDENTIALS, REGION, ROLE, Case, Coordinator, task_state

import boto3
from botocore.config import Config

RESOURCE = "arn:aws:states:::http:invoke"
CONNECTION = f"arn:aws:events:{REGION}:{ACCOUNT}:connection/partner/7b3b4c0e-0000-4000-8000-000000000000"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"


class Handler(http.server.BaseHTTPRequestHandler):
    """Tells what it was asked; a path that is a number is the status of the answer."""

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        last = self.path.split("?")[0].rsplit("/", 1)[1]
        status = int(last) if last.isdigit() else 200
        asked = {"method": self.command, "path": self.path, "headers": dict(self.headers), "body": body}
        told = json.dumps(asked).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *_):
        pass


class Http(Case):
    @classmethod
    def setUpClass(cls):
        cls.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()
        cls.url = f"http://127.0.0.1:{cls.server.server_address[1]}"
        cls.coordinator = Coordinator(f"""
            [http]
            plain = true
            allow_addresses = ["127.0.0.1/32"]
            reveal_secrets = true

            [[connections]]
            name = "partner"
            basic = {{ username = "me", password = "s3cret" }}
            parameters = [{{ in = "query", name = "tenant", value = "hidden" }}]

            [[functions]]
            name = "remote"
            endpoint = "{cls.url}/function"

            [[functions]]
            name = "worker"
            activity = "worker"
        """)
        cls.sfn = boto3.client(
            "stepfunctions", endpoint_url=cls.coordinator.url, region_name=REGION,
            config=Config(inject_host_prefix=False, read_timeout=70, retries={"total_max_attempts": 1}), **CREDENTIALS)

    @classmethod
    def tearDownClass(cls):
        cls.server.shutdown()

    def run_task(self, resource, parameters, value=None, **fields):
        return self.ended(self.start(self.machine(task_state(resource, Parameters=parameters, **fields)), value))

    def test_a_request_is_made_by_a_connection(self):
        parameters = {
            "ApiEndpoint.$": "$.url", "Method": "POST", "InvocationConfig": {"ConnectionArn": CONNECTION},
            "Headers": {"X-Mine": "1"}, "QueryParameters": {"q": "a b"}, "RequestBody.$": "$.body",
        }
        value = {"url": f"{self.url}/orders", "body": {"n": 1}}
        seen = self.run_task(RESOURCE, parameters, value)
        self.assertEqual(seen["status"], "SUCCEEDED", seen)
        result = json.loads(seen["output"])
        self.assertEqual((result["StatusCode"], result["StatusText"]), (200, "OK"))
        self.assertEqual(result["Headers"]["content-type"], ["application/json"])
        asked = result["ResponseBody"]
        headers = {name.lower(): value for name, value in asked["headers"].items()}
        self.assertEqual(asked["path"], "/orders?q=a%20b&tenant=hidden")
        self.assertEqual(json.loads(asked["body"]), {"n": 1})
        self.assertEqual(headers["user-agent"], f"Amazon|StepFunctions|HttpInvoke|{REGION}")
        self.assertEqual(headers["range"], "bytes=0-262144")
        self.assertEqual(headers["authorization"], "Basic bWU6czNjcmV0")
        self.assertEqual((headers["x-mine"], headers["content-type"]), ("1", "application/json"))
        scheduled = self.event(seen["executionArn"], "TaskScheduled")["taskScheduledEventDetails"]
        self.assertEqual((scheduled["resourceType"], scheduled["resource"], scheduled["region"]), ("http", "invoke", REGION))
        self.assertNotIn("hidden", scheduled["parameters"])

    def test_a_status_is_an_error_that_can_be_caught(self):
        parameters = {"ApiEndpoint": f"{self.url}/404", "Method": "GET"}
        seen = self.run_task(RESOURCE, parameters)
        self.assertEqual((seen["status"], seen["error"]), ("FAILED", "States.Http.StatusCode.404"))
        self.assertEqual(json.loads(seen["cause"])["path"], "/404")
        absent = {**parameters, "Authentication": {"ConnectionArn": CONNECTION.replace("partner", "nobody")}}
        self.assertEqual(self.run_task(RESOURCE, absent)["error"], "Events.ConnectionResource.ResourceNotFound")

    def test_what_is_private_is_not_called(self):
        for host in ("localhost.localdomain", "[::1]", "169.254.169.254", "10.0.0.1"):
            with self.subTest(host):
                parameters = {"ApiEndpoint": f"http://{host}/", "Method": "GET"}
                seen = self.run_task(RESOURCE, parameters)
                self.assertIn(seen["error"], ("States.Permissions", "States.Http.Socket"), seen)
                if host[0] in "[1":
                    self.assertEqual(seen["error"], "States.Permissions", seen)

    def test_a_test_shows_the_request_and_the_answer(self):
        state = {"Type": "Task", "Resource": RESOURCE, "End": True, "Parameters": {
            "ApiEndpoint": f"{self.url}/orders", "Method": "PUT", "RequestBody": "text",
            "InvocationConfig": {"ConnectionArn": CONNECTION}}}
        arguments = {"definition": json.dumps(state), "roleArn": ROLE, "inspectionLevel": "TRACE"}
        seen = self.sfn.test_state(**arguments)
        data = seen["inspectionData"]
        self.assertEqual(seen["status"], "SUCCEEDED", seen)
        self.assertEqual((data["request"]["method"], data["request"]["body"]), ("PUT", "text"))
        self.assertEqual(data["request"]["url"], f"{self.url}/orders")
        self.assertNotIn("authorization", data["request"]["headers"])
        self.assertEqual((data["response"]["statusCode"], data["response"]["statusMessage"]), ("200", "OK"))
        self.assertIn("content-type: application/json", data["response"]["headers"])
        self.assertEqual(json.loads(data["response"]["body"])["path"], "/orders?tenant=hidden")
        revealed = self.sfn.test_state(**arguments, revealSecrets=True)["inspectionData"]["request"]
        self.assertEqual(revealed["url"], f"{self.url}/orders?tenant=hidden")
        self.assertIn("authorization: Basic bWU6czNjcmV0", revealed["headers"])
        mocked = self.sfn.test_state(**arguments, mock={"result": '{"StatusCode": 200}'})
        self.assertEqual(json.loads(mocked["output"]), {"StatusCode": 200})
        self.assertNotIn("request", mocked["inspectionData"])

    def test_a_function_is_an_endpoint_or_an_activity(self):
        seen = self.run_task("arn:aws:states:::lambda:invoke", {"FunctionName": "remote", "Payload.$": "$"}, {"a": 1})
        result = json.loads(seen["output"])
        self.assertEqual((result["StatusCode"], result["ExecutedVersion"]), (200, "$LATEST"))
        self.assertEqual(json.loads(result["Payload"]["body"]), {"a": 1})
        activity = self.sfn.create_activity(name="worker")["activityArn"]
        execution = self.start(self.machine(task_state(FUNCTION + "worker")), {"a": 2})
        task = self.sfn.get_activity_task(activityArn=activity)
        self.assertEqual(json.loads(task["input"]), {"a": 2})
        self.sfn.send_task_success(taskToken=task["taskToken"], output="3")
        self.assertEqual(self.ended(execution)["output"], "3")

    def test_a_functions_arn_has_its_own_events(self):
        seen = self.ended(self.start(self.machine(task_state(FUNCTION + "remote", TimeoutSeconds=9)), {"a": 1}))
        kinds = [event["type"] for event in self.history(seen["executionArn"])]
        self.assertEqual(kinds, [
            "ExecutionStarted", "TaskStateEntered", "LambdaFunctionScheduled", "LambdaFunctionStarted",
            "LambdaFunctionSucceeded", "TaskStateExited", "ExecutionSucceeded"])
        scheduled = self.event(seen["executionArn"], "LambdaFunctionScheduled")["lambdaFunctionScheduledEventDetails"]
        self.assertEqual((scheduled["resource"], scheduled["timeoutInSeconds"]), (FUNCTION + "remote", 9))
        self.assertEqual(json.loads(scheduled["input"]), {"a": 1})
