"""Reading of queries and JSON bodies into typed values.

Owns the error texts for values of the wrong type; knows no route.
"""

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from engine.api.bodies import read_body
from engine.core.json_parts import check_parts
from engine.errors import InvalidParameter

MAX_BODY_BYTES = 8 * 2**20
MOST_LABEL_CHARACTERS = 256 * 2**10
MOST_ENTRIES = 100_000  # of a list or an object; all ports that there are, as a client that exposes them writes each
MOST_TEXT_CHARACTERS = 64 * 2**10  # of a single one; lists hold longer ones
MOST_OBJECTS = 1000  # of a list of objects, or names of an object that is one: each is looked at on its own
_INTEGERS = 2**63  # what the kernel and Docker's clients can hold
_FALSE = ("", "0", "no", "false", "none")


class Document:
    """A JSON object with typed access; a null counts as absent. ``path`` names it in errors.

    Names are found in any case, the exact one first: dockerd's JSON reader does so, and some clients rely on it.
    """

    def __init__(self, values: Mapping[str, Any], path: str = "") -> None:
        self._names = tuple(values)
        self._values = {name.lower(): value for name, value in values.items()} | dict(values)
        self.path = path

    def get(self, name: str) -> Any:
        """Return a value as it came."""
        return self._values[name] if name in self._values else self._values.get(name.lower())

    def text(self, name: str) -> str:
        value = str(self._typed(name, str, "a text") or "")
        if "\0" in value:
            raise self._wrong(name, "a text without null bytes")
        if len(value) > MOST_TEXT_CHARACTERS:
            raise InvalidParameter(f"{self.path}{name} is too long: {len(value)} characters, use at most {MOST_TEXT_CHARACTERS}")
        return value

    def boolean(self, name: str) -> bool:
        return bool(self._typed(name, bool, "true or false"))

    def optional_boolean(self, name: str) -> bool | None:
        value = self._typed(name, bool, "true or false")
        return None if value is None else bool(value)

    def integer(self, name: str) -> int:
        return self.optional_integer(name) or 0

    def optional_integer(self, name: str) -> int | None:
        value = self.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise self._wrong(name, "a whole number")
        if value is not None and not -_INTEGERS <= value < _INTEGERS:
            raise self._wrong(name, "a number of 64 bits")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        return self.optional_texts(name) or ()

    def optional_texts(self, name: str) -> tuple[str, ...] | None:
        value = self._typed(name, list, "a list of texts")
        if value is None:
            return None
        if not all(isinstance(item, str) and "\0" not in item for item in value):
            raise self._wrong(name, "a list of texts")  # null bytes end a text for the kernel
        return tuple(value)

    def optional_command(self, name: str) -> tuple[str, ...] | None:
        """A list of texts; here a single text stands for a list of one."""
        return (self.text(name),) if isinstance(self.get(name), str) else self.optional_texts(name)

    def mapping(self, name: str) -> dict[str, str]:
        """An object of texts."""
        value = self._typed(name, dict, "an object of texts") or {}
        if not all(isinstance(item, str) for item in value.values()):
            raise self._wrong(name, "an object of texts")
        return dict(value)

    def labels(self, name: str = "Labels") -> dict[str, str]:
        """An object of texts that is told again with each event and list, so it cannot be large."""
        labels = self.mapping(name)
        if sum(map(len, labels)) + sum(map(len, labels.values())) > MOST_LABEL_CHARACTERS:
            raise InvalidParameter(f"{self.path}{name} are too long: use at most {MOST_LABEL_CHARACTERS} characters in all")
        return labels

    def keys(self, name: str) -> tuple[str, ...]:
        """The names in an object whose values do not matter, as ExposedPorts."""
        return tuple(sorted(self._typed(name, dict, "an object") or {}))

    def document(self, name: str) -> "Document":
        return Document(self._typed(name, dict, "an object", most=MOST_OBJECTS) or {}, f"{self.path}{name}.")

    def keys_of(self) -> tuple[str, ...]:
        """The names that were given, as they came."""
        return self._names

    def documents(self, name: str) -> list["Document"]:
        items = self._typed(name, list, "a list of objects", most=MOST_OBJECTS) or []
        if not all(isinstance(item, dict) for item in items):
            raise self._wrong(name, "a list of objects")
        return [Document(item, f"{self.path}{name}.") for item in items]

    def is_set(self, name: str) -> bool:
        """Whether a field carries anything but its type's empty value."""
        return bool(self.get(name))

    def _typed(self, name: str, kind: type, wanted: str, *, most: int = MOST_ENTRIES) -> Any:
        value = self.get(name)
        if value is not None and not isinstance(value, kind):
            raise self._wrong(name, wanted)
        if isinstance(value, list | dict) and len(value) > most:
            raise InvalidParameter(f"too many entries in {self.path}{name}: {len(value)}, use at most {most}")
        return value

    def _wrong(self, name: str, wanted: str) -> InvalidParameter:
        return InvalidParameter(f"invalid value for {self.path}{name}: {str(self.get(name))[:80]!r} is not {wanted}")


async def read_document(request: web.Request, *, may_be_missing: bool = False) -> Document:
    """Read the body as a JSON object. An empty one is refused, as it may be a request that lost its body on the way.

    ``may_be_missing``: it stands for an empty object. Raises InvalidParameter.
    """
    body = await read_body(request)
    if not body.strip():
        if not may_be_missing:
            raise InvalidParameter("invalid JSON: got EOF while reading request body: send a JSON object, such as {}")
        return Document({})
    if request.content_type != "application/json":
        raise InvalidParameter(f"invalid Content-Type {request.content_type[:60]!r}: use application/json")
    check_parts(body, "the body")
    try:
        values = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidParameter(f"invalid JSON: {error}") from None
    if values is None:
        return Document({})
    if not isinstance(values, dict):
        raise InvalidParameter("invalid JSON: an object is expected")
    if len(values) > MOST_OBJECTS:
        raise InvalidParameter(f"too many fields in the body: {len(values)}, use at most {MOST_OBJECTS}")
    return Document(values)


def query_bool(request: web.Request, name: str, *, default: bool = False) -> bool:
    """Read a flag of the query as Docker does: anything but a few words for false is true."""
    value = request.query.get(name)
    return default if value is None else value.strip().lower() not in _FALSE


def query_int(request: web.Request, name: str) -> int | None:
    """Read a number of the query; None when absent or empty. Raises InvalidParameter."""
    value = request.query.get(name, "")
    if not value:
        return None
    try:
        return int(value)
    except ValueError:
        raise InvalidParameter(f"invalid {name} {value[:40]!r}: use a whole number") from None


def query_text(request: web.Request, name: str) -> str:
    """Read a text of the query; empty when absent."""
    return str(request.query.get(name, ""))


def console_size(document: Document) -> tuple[int, int]:
    """Return ConsoleSize as rows and columns; anything unusable counts as absent, as with dockerd."""
    match document.get("ConsoleSize"):
        case [int(rows), int(columns)] if 0 <= rows < 65_536 and 0 <= columns < 65_536:
            return rows, columns
        case _:
            return 0, 0
