"""The log of the host, which tenants can make the engine write to: of lines that are alike it takes few.

Owns what counts as alike, and telling how many were left out. Knows no line's meaning.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

_AT_ONCE = 20
_LATER_SECONDS = 60.0  # then one more
_MOST_CHARACTERS = 4096  # of a message, which may hold what a client has sent
Place = tuple[str, int]
Kind = tuple[str, Place, Place]


@dataclass(slots=True)
class _Share:
    """What one kind of line may still have. There are no more kinds than places in the code."""

    at: float
    left: float = field(default=_AT_ONCE)
    omitted: int = 0


class Sparing(logging.Filter):
    """Passes as many lines of each kind as somebody may still want to read. Kinds are told apart by where they come from."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        self._lock = threading.Lock()
        self._shares: dict[Kind, _Share] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written. Lines for whoever looks for a mistake always are."""
        if record.levelno < logging.INFO:
            return True
        with self._lock:
            share = self._share(_kind(record))
            if share.left < 1:
                share.omitted += 1
                return False
            share.left -= 1
            omitted, share.omitted = share.omitted, 0
        record.msg, record.args = _shortened(record.getMessage(), omitted), None
        return True

    def _share(self, kind: Kind) -> _Share:
        now = self._now()
        share = self._shares.setdefault(kind, _Share(now))
        share.left = min(_AT_ONCE, share.left + (now - share.at) / _LATER_SECONDS)
        share.at = now
        return share


def _shortened(message: str, omitted: int) -> str:
    shown = message if len(message) <= _MOST_CHARACTERS else f"{message[:_MOST_CHARACTERS]}…"
    return f"{shown} ({omitted} lines of this kind were left out before)" if omitted else shown


def _kind(record: logging.LogRecord) -> Kind:
    """Where a line is written, and where what failed was raised: a failure that can be had at will hides no other."""
    error = record.exc_info[1] if record.exc_info else None
    return type(error).__name__, (record.pathname, record.lineno), _raised_at(error.__traceback__ if error else None)


def _raised_at(trace: TracebackType | None) -> Place:
    if trace is None:
        return "", 0
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_filename, trace.tb_lineno
