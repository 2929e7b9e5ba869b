"""Answers of single calls: which call a recorded answer belongs to, and whether an answer is the recorded one."""

import json
import re

from botocore.exceptions import ClientError

from compare import BOUND, difference, fill, matches, unfold
from harness import ACCOUNT, REGION

# What the recordings write in the place of values, as placeholders of the usual form.
WORDS = {"ssm_nonexistent_arn": "<other>", "activity_arn": "<activity>", "state_machine_alias_name": "<alias>"}
CONSTANTS = {"111111111111": ACCOUNT, "<region>": REGION, "<partition>": "aws"}
# Their refusal was not recorded: they only tidy up, or look around.
TIDYING = re.compile(r"Delete|List|StopExecution")


def refusal(answer):
    """The text of a recorded exception, None for other answers."""
    if isinstance(answer, str):
        return answer
    return answer.get("exception_value") if isinstance(answer, dict) else None


def fits(model, step, answer):
    """Whether a call can have had this recorded answer, by its form. `model` describes the API (botocore)."""
    operation, params = step["op"], step["params"]
    text = refusal(answer)
    if text is not None and "when calling the" in text:
        if "'Invalid token'" in text and "nextToken" not in params:
            return False
        return f"when calling the {operation} operation" in text
    if text is not None:  # the client refused, before it called: an empty parameter
        return any(value == "" and f"parameter {key}," in text for key, value in params.items())
    if isinstance(answer, list):  # the items of all pages
        return operation == "ListStateMachines" and "maxResults" in params
    if "Error" in answer:
        return not operation.startswith("Delete")
    shape = model.operation_model(operation).output_shape
    members = answer.keys() - {"ResponseMetadata"}
    if not members:
        return not shape.members
    return set(shape.required_members) <= members <= set(shape.members)


def align(model, steps, answers):
    """Pairs of a step and its recorded answer (name, value), None where none was recorded. Answers stand in the order
    of their calls. Calls that were repeated as they were stand once in the steps."""
    pairs, position, before = [], 0, None
    left = list(answers.items())
    while left:
        name, answer = left[0]
        later = [n for n in range(position, len(steps)) if fits(model, steps[n], answer)]
        if later and answer == before:
            operation = steps[later[0]]["op"]
            calls = sum(step["op"] == operation for step in steps[position:])
            wanted = sum(fits(model, steps[later[0]], other) for _, other in left)
            later = later if calls >= wanted else []
        if later:
            pairs += [(step, None) for step in steps[position : later[0]]]
            position = later[0] + 1
            pairs.append((steps[position - 1], (name, answer)))
        elif position and answer == before:
            pairs.append((steps[position - 1], (name, answer)))
        else:
            raise AssertionError(f"no call can have given the recorded answer {name}")
        before = answer
        left.pop(0)
    return pairs + [(step, None) for step in steps[position:]]


def differs(want, got, names, place):
    """Why an answer, or a refusal (ClientError), is not the recorded one; None when it is."""
    want = recorded(want, names)
    if refusal(want) is not None or "Error" in want:
        return refusal_differs(want, got, names, place)
    if isinstance(got, ClientError):
        return f"{place}: refused: {got}"
    return difference(want, unfold(plain(got)), place, names)


def said(error):
    """A refusal's text. Some releases of the client add to it how often it tried."""
    return re.sub(r" \(reached max retries: \d+\)", "", str(error))


def refusal_differs(want, got, names, place):
    if not isinstance(got, ClientError):
        return f"{place}: not refused, want {json.dumps(want)[:200]}"
    code, text = got.response["Error"]["Code"], refusal(want)
    if text is None:
        return difference(want, unfold(plain(got.response)), place, names)
    if isinstance(want, dict) and want["exception_typename"] == "ParamValidationError":
        # The recorder's client refused by itself. Ours sends the call, so the coordinator has to refuse.
        return None if code == "ValidationException" else f"{place}: want ValidationException got {got}"
    if isinstance(want, dict) and want["exception_typename"] not in (code, type(got).__name__):
        return f"{place}: want {want['exception_typename']} got {code}"
    return None if matches(text, said(got), names) else f"{place}: want {text!r} got {said(got)!r}"


def recorded(value, names):
    """A recorded value with what its placeholders stand for, as far as that is known."""
    known = {placeholder: text for placeholder, text in names.items() if BOUND.fullmatch(placeholder)}
    return fill(fill(unfold(value), WORDS), {**CONSTANTS, **known})


def plain(value):
    """As JSON has it."""
    return json.loads(json.dumps(value, default=str))
