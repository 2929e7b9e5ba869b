"""Cases of several calls. They are made in order, with what the coordinator answered in the place of ids and tokens of
the recording; each answer that was recorded is compared. Recorded answers tell no ids: a placeholder stands for what
its first answer here has in that place."""

import json

from botocore import xform_name
from botocore.exceptions import ClientError

import consumer
from answers import TIDYING, align, differs, plain, recorded
from compare import BOUND, difference, unfold
from execution import ended, events, events_differ
from harness import PREFIX, until

POLL_SECONDS = 5
PAGE = 5


def play(sfn, case):
    """None when the case passes, else why not."""
    answers = case["expect"]
    table = answers.get("cases")  # of executions: input and output
    pairs = align(sfn.meta.service_model, case["steps"], {} if table else answers)
    replay = Replay(sfn, case["steps"])
    for step, answer in pairs:
        found = replay.step(step, answer)
        if found:
            return found
    return difference(unfold(table), replay.outcomes, "cases") if table else None


def lists_machines(sfn, case):
    """Whether a recorded answer lists all machines there are: no other case may be played at that time."""
    if "cases" in case["expect"] or not any(step["op"] == "ListStateMachines" for step in case["steps"]):
        return False
    pairs = align(sfn.meta.service_model, case["steps"], case["expect"])
    return any(answer and step["op"] == "ListStateMachines" for step, answer in pairs)


class Replay:
    """The calls of one case so far."""

    def __init__(self, sfn, steps):
        self.sfn = sfn
        self.steps = steps
        self.names = {}  # what placeholders stand for
        self.started = {}  # by machine name: ARNs of executions that no recorded ARN stands for yet
        self.arns = {}  # ARNs of executions: recorded, and here
        self.tokens = {}  # by operation: the last page's token, None after the last page
        self.outcomes = []
        self.consumers = {}  # definitions of machines that `consumer` acts, by ARN

    def step(self, step, answer):
        """Makes a call. Gives why its answer is not the recorded one (name, value), if there is one."""
        operation, params = step["op"], self.filled(step, answer)
        if params.get("nextToken", "") is None:
            return None  # the list had more pages when it was recorded
        if operation == "GetExecutionHistory":
            return self.history(step, params["executionArn"], answer)
        if operation == "StartExecution" and params["stateMachineArn"] in self.consumers:
            return consumer.start(self.sfn, self.consumers[params["stateMachineArn"]], params["input"])
        if operation == "CreateStateMachine" and consumer.is_consumer(params["definition"]):
            self.consumers[f"{PREFIX}:stateMachine:{params['name']}"] = params["definition"]
            return None
        got = self.call(operation, params)
        if not answer:
            refused = isinstance(got, ClientError) and not TIDYING.match(operation)
            return f"{operation}: refused: {got}" if refused else None
        name, want = answer
        if isinstance(want, list):
            return self.gathered(got, want, name)
        if step.get("poll"):
            got = self.polled(operation, params, want)
        return differs(want, got, self.names, name)

    def call(self, operation, params):
        """The answer, or the refusal."""
        try:
            got = getattr(self.sfn, xform_name(operation))(**params)
        except ClientError as error:
            return error
        self.tokens[operation] = got.get("nextToken")
        if operation == "StartExecution":
            machine = got["executionArn"].split(":")[6]
            self.started.setdefault(machine, []).append(got["executionArn"])
        return got

    def polled(self, operation, params, want):
        """The answer as soon as it is the recorded one, the last one otherwise."""
        got = None

        def look():
            nonlocal got
            got = self.call(operation, params)
            return differs(want, got, dict(self.names), "") is None

        try:
            until("the recorded answer", look, POLL_SECONDS)
        except AssertionError:
            pass
        return got

    def history(self, step, arn, answer):
        """Waits for the end, or for a state if the execution is stopped next."""
        follows = self.steps[self.steps.index(step) + 1 :][:1]
        if follows and follows[0]["op"] == "StopExecution" and not answer:
            until("a state is entered", lambda: [e for e in events(self.sfn, arn) if e["type"].endswith("Entered")])
            return None
        got = ended(self.sfn, arn)
        details = [(e.get("executionStartedEventDetails"), e.get("executionSucceededEventDetails")) for e in got]
        self.outcomes.append(unfold({"input": details[0][0]["input"], "output": (details[-1][1] or {}).get("output")}))
        if not answer:
            return None
        return events_differ(recorded(answer[1], self.names)["events"], got, self.names)

    def gathered(self, got, want, name):
        """Items that were recorded without their pages: as many pages are read as it takes."""
        items = []
        while not isinstance(got, ClientError):
            items += plain(got["stateMachines"])
            if len(items) >= len(want) or "nextToken" not in got:
                return difference(recorded(want, self.names), items, name, self.names)
            got = self.call("ListStateMachines", {"maxResults": PAGE, "nextToken": got["nextToken"]})
        return f"{name}: refused: {got}"

    def filled(self, step, answer):
        """The parameters of a call, as this coordinator knows them."""
        params = dict(step["params"])
        if "executionArn" in params:
            params["executionArn"] = self.execution(params["executionArn"])
        token = params.get("nextToken")
        # Tokens that no answer gave are there to be refused.
        if token and step["op"] in self.tokens and token != "InvalidToken" and len(set(token)) > 1:
            params["nextToken"] = self.tokens[step["op"]]
        if "revisionId" in params and answer:
            named = BOUND.search(json.dumps(answer[1]))
            params["revisionId"] = self.names.get(named.group(), params["revisionId"]) if named else params["revisionId"]
        return params

    def execution(self, arn):
        """The ARN here of a recorded one. They stand for each other in the order of their first use."""
        if arn not in self.arns:
            waiting = self.started.get(arn.split(":")[6], [])
            if not waiting:
                return arn
            self.arns[arn] = waiting.pop(waiting.index(arn) if arn in waiting else 0)
        return self.arns[arn]
