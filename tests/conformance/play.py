#!/usr/bin/env python3
"""Plays cases that AWS recorded (tests/fixtures/aws-recorded) against a coordinator and compares answers and histories.

usage: play.py [--only TEXT] [--verbose] [--update]    (STEPFLEET_BIN names the program; tests/run does all of it)

`passes.txt` lists the cases that pass, `waiting.txt` all others and what they wait for. Exit status 1 when a listed pass
fails, a waiting case passes, or a case stands in no list. `--update` writes what passes.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "clients"))

import execution  # noqa: E402
import lists  # noqa: E402
import steps  # noqa: E402
from harness import client, until  # noqa: E402

CASES = os.path.join(HERE, "..", "fixtures", "aws-recorded", "cases.jsonl")
AT_ONCE = 8
# Lists of aliases begin with the newest by whole seconds. The recording made two within one second, so its player begins
# with one.
WITHIN_A_SECOND = "api TestSfnApiAliasing::test_idempotent_create_alias"


def outcome(sfn, case):
    """None when the case passes, else why not."""
    player = execution if case["kind"] == "exec" else steps
    if name(case) == WITHIN_A_SECOND:
        until("a second begins", lambda: time.time() % 1 < 0.1)
    try:
        return player.play(sfn, case)
    except Exception as error:  # a refusal is an answer that differs
        return f"{type(error).__name__}: {str(error)[:300]}"


def name(case):
    return case["kind"] + " " + case["id"].split("::", 1)[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose kind and id have this text")
    parser.add_argument("--verbose", action="store_true", help="say why each failing case fails")
    parser.add_argument("--update", action="store_true", help="write passes.txt, and waiting.txt without them")
    options = parser.parse_args()
    with open(CASES, encoding="utf-8") as lines:
        cases = [json.loads(line) for line in lines]
    played = play([case for case in cases if options.only in name(case)])
    report(cases, played, options)
    if options.update:
        lists.update(played)
    wrong = lists.judge({name(case) for case in cases}, played)
    print("".join(f"{line}\n" for line in wrong), end="")
    print(f"test result: {sum(why is None for why in played.values())} passed; {len(wrong)} failed")
    return 1 if wrong else 0


def play(cases):
    """By name of case: why it fails, None when it passes."""
    sfn = client(parameter_validation=False, max_pool_connections=2 * AT_ONCE)
    alone = [case for case in cases if steps.lists_machines(sfn, case)]
    played = {name(case): outcome(sfn, case) for case in alone}
    # The longest first, so that none is left over at the end.
    others = sorted((c for c in cases if name(c) not in played), key=lambda case: -len(case["steps"]))
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        results = pool.map(lambda case: outcome(sfn, case), others)
        played.update(zip(map(name, others), results))
    return played


def report(cases, played, options):
    totals = collections.defaultdict(lambda: [0, 0])
    for case in (case for case in cases if name(case) in played):
        why = played[name(case)]
        for key in ((case["kind"], case["category"]), (case["kind"], "in all")):
            totals[key][0] += why is None
            totals[key][1] += 1
        if why is not None and options.verbose:
            print(f"fails  {name(case)}\n       {why}")
    for (kind, category), (passed, total) in sorted(totals.items()):
        print(f"{kind:10} {category:26} {passed:3} of {total}")
    print(f"conformance: {sum(why is None for why in played.values())} of {len(played)} recorded cases pass")


if __name__ == "__main__":
    sys.exit(main())
