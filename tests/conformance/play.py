#!/usr/bin/env python3
"""Plays executions that AWS recorded (tests/fixtures/aws-recorded) against a coordinator and compares whole histories.

usage: play.py [--only TEXT] [--verbose] [--update]    (STEPFLEET_BIN names the program; tests/run does all of it)

`passes.txt` lists the cases that pass. One of them that does not pass any more is a regression: exit status 1. A case
that passes and is not listed fails as well, so that the list is kept: `--update` writes it.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import sys
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "clients"))

from compare import difference, fill, has_free_order, loosen_parallel, unfold  # noqa: E402
from harness import ACCOUNT, REGION, client, until  # noqa: E402

CASES = os.path.join(HERE, "..", "fixtures", "aws-recorded", "cases.jsonl")
PASSES = os.path.join(HERE, "passes.txt")
ROLE = f"arn:aws:iam::{ACCOUNT}:role/conformance"
SECONDS = 30


def play(sfn, case):
    """None when the case passes, else why not."""
    if case["kind"] == "validate":
        return play_validate(sfn, case)
    machine, execution = "m" + uuid.uuid4().hex[:20], "x" + uuid.uuid4().hex[:20]
    definition = case["definition"]
    text = definition if isinstance(definition, str) else json.dumps(definition)
    made = sfn.create_state_machine(name=machine, definition=text, roleArn=ROLE, type=case.get("type", "STANDARD"))
    arn = sfn.start_execution(stateMachineArn=made["stateMachineArn"], name=execution, input=case["input"])["executionArn"]
    until("it ends", lambda: sfn.describe_execution(executionArn=arn)["status"] != "RUNNING", SECONDS)
    pages = sfn.get_paginator("get_execution_history").paginate(executionArn=arn)
    events = [event for page in pages for event in page["events"]]
    names = {"<ArnPart_0idx>": machine, "<ExecArnPart_0idx>": execution, "111111111111": ACCOUNT,
             "<region>": REGION, "<partition>": "aws"}
    want = fill(unfold(case["expect"]["get_execution_history"]["events"]), names)
    got = unfold(json.loads(json.dumps(events, default=str)))
    if has_free_order(want):
        want, got = loosen_parallel(want), loosen_parallel(got)
    return difference(want, got)


def play_validate(sfn, case):
    for call, want in zip(case["steps"], case["expect"].values()):
        got = sfn.validate_state_machine_definition(**call["params"])
        found = difference(unfold(want), unfold(json.loads(json.dumps(got))), "answer")
        if found:
            return found
    return None


def outcome(sfn, case):
    try:
        return play(sfn, case)
    except Exception as error:  # a refusal is an answer that differs
        return f"{type(error).__name__}: {str(error)[:300]}"


def short(case):
    return case["kind"] + " " + case["id"].split("::", 1)[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose id has this text")
    parser.add_argument("--verbose", action="store_true", help="say why each failing case fails")
    parser.add_argument("--update", action="store_true", help="write passes.txt")
    options = parser.parse_args()
    with open(CASES, encoding="utf-8") as lines:
        cases = [json.loads(line) for line in lines]
    cases = [c for c in cases if c["kind"] in ("exec", "validate") and options.only in c["id"]]
    sfn = client(parameter_validation=False, max_pool_connections=16)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = list(zip(cases, pool.map(lambda case: outcome(sfn, case), cases)))
    return report(results, options)


def report(results, options):
    totals = collections.defaultdict(lambda: [0, 0])
    for case, why in results:
        total = totals[(case["kind"], case["category"])]
        total[0] += why is None
        total[1] += 1
        if why is not None and options.verbose:
            print(f"fails  {short(case)}\n       {why}")
    for (kind, category), (passed, total) in sorted(totals.items()):
        print(f"{kind:9} {category:26} {passed:3} of {total}")
    passed = {short(case) for case, why in results if why is None}
    print(f"conformance: {len(passed)} of {len(results)} recorded cases pass")
    if options.update:
        with open(PASSES, "w", encoding="utf-8") as file:
            file.write("".join(f"{name}\n" for name in sorted(passed)))
        return 0
    with open(PASSES, encoding="utf-8") as file:
        listed = {line.strip() for line in file if line.strip()}
    played = {short(case): why for case, why in results}
    lost = sorted((listed & played.keys()) - passed)
    found = sorted(passed - listed)
    for name in lost:
        print(f"REGRESSION {name}\n           {played[name]}")
    for name in found:
        print(f"NEW PASS   {name}: add it with tests/conformance/play.py --update")
    print(f"test result: {len(passed & listed)} passed; {len(lost) + len(found)} failed")
    return 1 if lost or found else 0


if __name__ == "__main__":
    sys.exit(main())
