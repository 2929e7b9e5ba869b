"""Cases of one machine and one execution: the whole history is compared."""

import json
import uuid

from answers import CONSTANTS, plain
from compare import difference, fill, has_free_order, loosen_parallel, unfold
from harness import ACCOUNT, until

ROLE = f"arn:aws:iam::{ACCOUNT}:role/conformance"
SECONDS = 30


def play(sfn, case):
    """None when the case passes, else why not."""
    machine, execution = "m" + uuid.uuid4().hex[:20], "x" + uuid.uuid4().hex[:20]
    definition = case["definition"]
    text = definition if isinstance(definition, str) else json.dumps(definition)
    made = sfn.create_state_machine(name=machine, definition=text, roleArn=ROLE, type=case.get("type", "STANDARD"))
    arn = sfn.start_execution(stateMachineArn=made["stateMachineArn"], name=execution, input=case["input"])["executionArn"]
    names = {"<ArnPart_0idx>": machine, "<ExecArnPart_0idx>": execution, **CONSTANTS}
    want = fill(unfold(case["expect"]["get_execution_history"]["events"]), names)
    return events_differ(want, ended(sfn, arn))


def ended(sfn, arn):
    """The events of an execution, once it has ended."""
    until("it ends", lambda: sfn.describe_execution(executionArn=arn)["status"] != "RUNNING", SECONDS)
    return events(sfn, arn)


def events(sfn, arn):
    pages = sfn.get_paginator("get_execution_history").paginate(executionArn=arn)
    return [event for page in pages for event in page["events"]]


def events_differ(want, got, names=None):
    got = unfold(plain(got))
    if has_free_order(want):
        want, got = loosen_parallel(want), loosen_parallel(got)
    return difference(want, got, names=names)
