"""Signals as Docker's clients write them: ``KILL``, ``SIGKILL``, ``9``, ``RTMIN+3``.

Pure.
"""

import signal

from engine.errors import InvalidParameter

DEFAULT_STOP_SIGNAL = "SIGTERM"
_DIGITS = 9  # no signal has so many; the interpreter refuses to read thousands


def parse_signal(text: str) -> int:
    """Return the number of a signal. Raises InvalidParameter for one that does not exist."""
    name = text.strip().upper().removeprefix("SIG")
    number = int(name[:_DIGITS]) if name.isascii() and name.isdigit() else _number_of(name)
    if not 0 < number <= signal.SIGRTMAX:
        raise InvalidParameter(
            f"invalid signal {text[:40]!r}: use a name such as SIGTERM or a number from 1 to {int(signal.SIGRTMAX)}"
        )
    return number


def _number_of(name: str) -> int:
    for base, sign in (("RTMIN+", 1), ("RTMAX-", -1)):
        offset = name.removeprefix(base)
        if offset != name and offset.isascii() and offset.isdigit():
            return int(signal.SIGRTMIN if sign == 1 else signal.SIGRTMAX) + sign * int(offset[:_DIGITS])
    known = signal.Signals.__members__.get("SIG" + name)
    return int(known) if known is not None else 0
