"""Dataclasses to JSON and back, for records on disk.

Owns the mapping of texts, numbers, tuples, mappings, optional values, enums and nested dataclasses. Pure: no files here.
"""

import dataclasses
import enum
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar, cast

import orjson

T = TypeVar("T")


def dump_record(record: object) -> bytes:
    """Return the JSON text of a dataclass."""
    return orjson.dumps(record, option=orjson.OPT_INDENT_2)


def parse_record(kind: type[T], text: bytes) -> T:
    """Rebuild a dataclass from its JSON text. Fields that are absent take their default; unknown ones are ignored.

    Raises ValueError when the text does not fit.
    """
    try:
        return cast(T, _value(kind, orjson.loads(text)))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"record does not fit {kind.__name__}: {error}") from error


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _value(kind: Any, value: Any) -> Any:
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        inner = [option for option in typing.get_args(kind) if option is not type(None)]
        return None if value is None else _value(inner[0], value)
    if origin is tuple:
        return tuple(_value(typing.get_args(kind)[0], item) for item in value)
    if origin in (dict, Mapping):
        return {key: _value(typing.get_args(kind)[1], item) for key, item in value.items()}
    if dataclasses.is_dataclass(kind):
        hints = _hints(cast(type, kind))
        known = {name: _value(hint, value[name]) for name, hint in hints.items() if name in value}
        return cast(type, kind)(**known)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind(value)
    if not isinstance(value, kind if kind is not float else (int, float)):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value
