"""Policies by boto3: what a principal may do, what it is told otherwise, and that its stream of tasks is no way round."""

import json

import boto3
from botocore.config import Config
from harness import REGION, ROLE, Case, Coordinator, pass_state, unique

ACCOUNT = "000000000000"
SECRET = "a secret of forty characters, or about so"
PREFIX = f"arn:aws:states:{REGION}:{ACCOUNT}"
DOCUMENT = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["states:StartExecution", "states:DescribeExecution"], "Resource": "*"},
        {"Effect": "Deny", "Action": "states:*", "Resource": f"{PREFIX}:stateMachine:secret-*"},
        {"Effect": "Allow", "Action": "states:GetActivityTask", "Resource": f"{PREFIX}:activity:mine-*"},
    ],
}
CONFIG = f"[[auth.policies]]\nname = \"own\"\ndocument = '''{json.dumps(DOCUMENT)}'''\n" + "".join(
    f'[[auth.access_keys]]\nid = "{key}"\nname = "{name}"\nsecret = "{SECRET}"\npolicies = ["{policy}"]\n'
    for key, name, policy in [("AKIAADMIN", "admin", "administrator"), ("AKIAOWN", "shop", "own"), ("AKIAREAD", "eye", "read-only")]
)


class Policies(Case):
    @classmethod
    def setUpClass(cls):
        cls.coordinator = Coordinator(CONFIG)

    @classmethod
    def tearDownClass(cls):
        cls.coordinator.stop()

    def client(self, key):
        return boto3.client(
            "stepfunctions",
            endpoint_url=self.coordinator.url,
            region_name=REGION,
            aws_access_key_id=key,
            aws_secret_access_key=SECRET,
            config=Config(inject_host_prefix=False, retries={"total_max_attempts": 1}),
        )

    def denied(self, principal, action, resource, why, call, **arguments):
        message = f"User: {principal} is not authorized to perform: {action} on resource: {resource} {why}"
        self.refused("AccessDeniedException", message, call, **arguments)

    def test_what_no_policy_allows_is_denied_in_aws_words(self):
        admin, shop = self.client("AKIAADMIN"), self.client("AKIAOWN")
        made = admin.create_state_machine(name=unique("open"), definition=json.dumps(pass_state()), roleArn=ROLE)
        machine = made["stateMachineArn"]
        execution = shop.start_execution(stateMachineArn=machine)["executionArn"]
        shop.describe_execution(executionArn=execution)
        why = "because no identity-based policy allows the {} action"
        for action, resource, call, arguments in [
            ("states:StopExecution", execution, shop.stop_execution, {"executionArn": execution}),
            ("states:ListStateMachines", f"{PREFIX}:stateMachine:*", shop.list_state_machines, {}),
            ("states:DeleteStateMachine", machine, shop.delete_state_machine, {"stateMachineArn": machine}),
        ]:
            self.denied("shop", action, resource, why.format(action), call, **arguments)
        eye = self.client("AKIAREAD")
        eye.list_state_machines()
        self.denied(
            "eye", "states:StartExecution", machine, why.format("states:StartExecution"),
            eye.start_execution, stateMachineArn=machine,
        )  # fmt: skip

    def test_a_denial_wins_by_whatever_arn(self):
        admin, shop = self.client("AKIAADMIN"), self.client("AKIAOWN")
        made = admin.create_state_machine(name=unique("secret"), definition=json.dumps(pass_state()), roleArn=ROLE)
        machine = made["stateMachineArn"]
        why = "with an explicit deny in an identity-based policy"
        self.denied("shop", "states:StartExecution", machine, why, shop.start_execution, stateMachineArn=machine)
        # The same state machine, by the ARN of another region.
        other = machine.replace(REGION, "eu-west-1")
        self.denied("shop", "states:StartExecution", machine, why, shop.start_execution, stateMachineArn=other)

    def test_whoever_may_poll_may_not_complete(self):
        admin, shop = self.client("AKIAADMIN"), self.client("AKIAOWN")
        activity = admin.create_activity(name=unique("mine"))["activityArn"]
        task = {"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": activity, "End": True}}}
        made = admin.create_state_machine(name=unique("work"), definition=json.dumps(task), roleArn=ROLE)
        execution = admin.start_execution(stateMachineArn=made["stateMachineArn"])["executionArn"]
        token = shop.get_activity_task(activityArn=activity)["taskToken"]
        for action, call, arguments in [
            ("SendTaskSuccess", shop.send_task_success, {"output": "{}"}),
            ("SendTaskFailure", shop.send_task_failure, {}),
            ("SendTaskHeartbeat", shop.send_task_heartbeat, {}),
        ]:
            self.refused("AccessDeniedException", f"states:{action} on resource", call, taskToken=token, **arguments)
        admin.send_task_success(taskToken=token, output='"done"')
        self.assertEqual(admin.describe_execution(executionArn=execution)["status"], "SUCCEEDED")
        other = admin.create_activity(name=unique("other"))["activityArn"]
        self.refused("AccessDeniedException", other, shop.get_activity_task, activityArn=other)
