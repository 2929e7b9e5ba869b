"""Every bound that botocore's model sets to a member of a request: at it nothing is said, past it AWS's own words."""

import json

from harness import Case
from test_model import refusal

# Members that are documents: how large they may be is told in words of their own, which other tests hold.
DOCUMENTS = {"context", "definition", "input", "mapItemReaderData", "output", "result", "variables"}


def filled(shape):
    """A value with what is required, at least."""
    if shape.type_name == "structure":
        return {name: filled(shape.members[name]) for name in shape.required_members}
    if shape.type_name == "list":
        return [filled(shape.member)]
    if shape.type_name == "string":
        return shape.metadata.get("enum", ["a"])[0]
    return {"boolean": True, "timestamp": 0}.get(shape.type_name, shape.metadata.get("min", 0))


def places(shape, wrap=lambda value: value, path=""):
    """Each member of a request, its elements included: its path, its shape, and a request with a given value there."""
    for name, member in shape.members.items():
        def inner(value, name=name, shape=shape, wrap=wrap):
            return wrap({**filled(shape), name: value})

        yield f"{path}.{name}", member, inner
        if member.type_name == "list":
            member, name, inner = member.member, f"{name}[]", lambda value, inner=inner: inner([value])
            yield f"{path}.{name}", member, inner
        if member.type_name == "structure":
            yield from places(member, inner, f"{path}.{name}")


def bounds(shape):
    """Values at a bound, and values past it with the constraint that they break."""
    limits, kind = shape.metadata, shape.type_name
    if "enum" in limits:
        for value in limits["enum"]:
            yield value, None
        yield limits["enum"][0].lower(), "Member must satisfy enum value set: ["
    if "pattern" in limits:
        yield "\u00e9 b", "Member must satisfy regular expression pattern: "
    of, value = {"string": ("length", lambda n: "a" * n), "list": ("length", lambda n: [filled(shape.member)] * n)}.get(
        kind, ("value", lambda n: n))
    if limits.get("min", 0) > 0 or (of == "value" and "min" in limits):
        yield value(limits["min"]), None
        yield value(limits["min"] - 1), f"Member must have {of} greater than or equal to {limits['min']}"
    if "max" in limits:
        yield value(limits["max"]), None
        yield value(limits["max"] + 1), f"Member must have {of} less than or equal to {limits['max']}"


class Limits(Case):
    def test_every_bound_of_the_model(self):
        model, wrong, tried = self.sfn.meta.service_model, [], 0
        for operation in model.operation_names:
            for path, shape, request in places(model.operation_model(operation).input_shape):
                name = path.rsplit(".", 1)[-1].removesuffix("[]")
                if name in DOCUMENTS:
                    continue
                for value, broken in bounds(shape):
                    tried += 1
                    code, message = refusal(operation, request(value)) or (None, "")
                    ours = [part for part in message.split("; ") if f"{name}" in part and "failed to satisfy constraint" in part]
                    if broken is None and ours:
                        wrong.append(f"{operation}{path}: {json.dumps(value)[:40]} is refused: {message[:200]}")
                    if broken is not None and not (code == "ValidationException" and any(broken in part for part in ours)):
                        wrong.append(f"{operation}{path}: {json.dumps(value)[:40]} is not refused by '{broken}': {code} {message[:200]}")
        self.assertEqual(wrong, [])
        self.assertGreater(tried, 250)
