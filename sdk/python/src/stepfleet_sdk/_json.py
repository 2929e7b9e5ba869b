"""Values of the program as JSON texts and back. Dataclasses are objects."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from .errors import DecodeError, EncodeError

T = TypeVar("T")

#: An empty object: what an execution is given unless the caller says otherwise. `None` is JSON's `null`.
EMPTY: Mapping[str, Any] = types.MappingProxyType({})


def encode(value: object) -> str:
    """A value as JSON text.

    Raises:
        EncodeError: It is no JSON: NaN, an infinity, or an object that is no dataclass.
    """
    try:
        return json.dumps(value, default=_plain, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise EncodeError(f"cannot encode as JSON: {error}") from error


def document(value: str | Mapping[str, Any] | None) -> str:
    """A document that the caller has as JSON text or as a value; empty without one."""
    if value is None:
        return ""
    return value if isinstance(value, str) else encode(value)


def decode(text: str) -> Any:
    """The value of a JSON text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"cannot decode JSON: {error}") from error


def decoder(shape: Callable[[Any], T]) -> Callable[[Any], T]:
    """How a JSON value becomes a `shape`: a dataclass from an object with its fields, anything else by a call."""
    if isinstance(shape, type) and dataclasses.is_dataclass(shape):
        return lambda value: typing.cast(T, _fit(shape, value, "$"))
    return shape


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # Not `asdict`, which copies deeply: nested dataclasses come back here.
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


def _fit(shape: Any, value: Any, path: str) -> Any:
    """A JSON value in the shape of a type annotation; annotations that say nothing about JSON take anything."""
    origin, arguments = typing.get_origin(shape), typing.get_args(shape)
    if isinstance(shape, type) and dataclasses.is_dataclass(shape):
        return _fit_dataclass(shape, value, path)
    if origin in (typing.Union, types.UnionType):
        return _fit_union(arguments, value, path)
    if origin is list or shape is list or origin is Sequence:
        _expect(isinstance(value, list), "an array", value, path)
        inner = arguments[0] if arguments else Any
        return [_fit(inner, item, f"{path}[{index}]") for index, item in enumerate(value)]
    if origin is dict or shape is dict or origin is Mapping:
        _expect(isinstance(value, dict), "an object", value, path)
        inner = arguments[1] if arguments else Any
        return {key: _fit(inner, item, f"{path}.{key}") for key, item in value.items()}
    if shape is float:
        _expect(isinstance(value, (int, float)) and not isinstance(value, bool), "a number", value, path)
    elif shape is int:
        _expect(isinstance(value, int) and not isinstance(value, bool), "an integer", value, path)
    elif shape is str:
        _expect(isinstance(value, str), "a string", value, path)
    elif shape is bool:
        _expect(isinstance(value, bool), "a boolean", value, path)
    elif shape is type(None):
        _expect(value is None, "null", value, path)
    return value


def _fit_dataclass(shape: Any, value: Any, path: str) -> Any:
    _expect(isinstance(value, dict), "an object", value, path)
    hints = typing.get_type_hints(shape)
    known = {}
    for field in dataclasses.fields(shape):
        if not field.init:
            continue
        if field.name in value:
            known[field.name] = _fit(hints[field.name], value[field.name], f"{path}.{field.name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise DecodeError(f"{path} has no member `{field.name}`")
    return shape(**known)


def _fit_union(shapes: tuple[Any, ...], value: Any, path: str) -> Any:
    errors = []
    for shape in shapes:
        try:
            return _fit(shape, value, path)
        except DecodeError as error:
            errors.append(str(error))
    raise DecodeError(errors[0])


def _expect(holds: bool, what: str, value: Any, path: str) -> None:
    if not holds:
        raise DecodeError(f"{path} is {_kind(value)}, not {what}")


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    kinds = {
        bool: "a boolean",
        int: "an integer",
        float: "a number",
        str: "a string",
        list: "an array",
        dict: "an object",
    }
    return kinds.get(type(value), "something else")
