"""How each kind of notice is put into words. The words are made when somebody reads, in the active language."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _


@dataclass(frozen=True, slots=True)
class Words:
    """``title`` is one line; ``body`` may be empty."""

    title: str
    body: str = ""


Writer = Callable[[Mapping[str, Any]], Words]
_writers: dict[str, Writer] = {}


def register_kind(kind: str, writer: Writer) -> None:
    """Have ``writer(parameters)`` called for the words of notices of ``kind``."""
    _writers[kind] = writer


def words_of(kind: str, parameters: Mapping[str, Any]) -> Words:
    """Return the words in the active language; of a kind that no app knows any more, or with values missing, plain ones."""
    writer = _writers.get(kind)
    try:
        return writer(parameters) if writer else Words(_("Notice"))
    except (KeyError, TypeError, ValueError):
        return Words(_("Notice"))
