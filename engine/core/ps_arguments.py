"""Arguments for the host's ``ps`` as a client may give them: columns and order, never a choice of processes.

Owns the grammar of ps(1) of procps as far as it is allowed: Unix options (``-ef``), BSD ones (``aux``) and a few long ones. Which
processes are shown is the engine's affair, so options that mean "all of them" are dropped, and narrower ones refused. Pure.
"""

import re
import shlex

from engine.errors import InvalidParameter

_MOST_CHARACTERS = 1000
_MOST_ARGUMENTS = 50
_ALL_UNIX, _ALL_BSD = frozenset("eAad"), frozenset("axgr")
_UNIX, _BSD = frozenset("fFljyLMHTmwZc"), frozenset("luvjsXfmwScnhZHe")
_VALUED_UNIX, _VALUED_BSD = frozenset("oO"), frozenset("oOk")
_LONG = frozenset({"--forest", "--cumulative", "--context"})
_VALUED_LONG = frozenset({"--format", "--sort"})
_VALUE = re.compile(r"[A-Za-z0-9_%+,:=. -]{1,400}")


def parse_ps_arguments(text: str) -> list[str]:
    """Return the arguments, each one option and its value joined. Raises InvalidParameter."""
    if len(text) > _MOST_CHARACTERS:
        raise InvalidParameter(f"too many arguments for ps: use at most {_MOST_CHARACTERS} characters")
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InvalidParameter(f"invalid arguments for ps {text[:60]!r}: {str(error).lower()}") from None
    if len(words) > _MOST_ARGUMENTS:
        raise InvalidParameter(f"too many arguments for ps: use at most {_MOST_ARGUMENTS}")
    arguments: list[str] = []
    words.reverse()
    while words:
        arguments += _argument(words.pop(), words)
    return arguments


def is_default(arguments: list[str], text: str) -> bool:
    """Whether the form of ``ps -ef`` is wanted, which the engine writes itself."""
    return arguments == ["-f"] or not text.strip()


def _argument(word: str, rest: list[str]) -> list[str]:
    if word.startswith("--"):
        return [_long(word, rest)]
    if word.startswith("-"):
        return _cluster(word[1:], rest, dash="-", plain=_UNIX, dropped=_ALL_UNIX, valued=_VALUED_UNIX)
    return _cluster(word, rest, dash="", plain=_BSD, dropped=_ALL_BSD, valued=_VALUED_BSD)


def _long(word: str, rest: list[str]) -> str:
    name, equals, value = word.partition("=")
    if word in _LONG:
        return word
    if name in _VALUED_LONG:
        return f"{name}={_checked(value if equals else _next(word, rest))}"
    raise _refused(word)


def _cluster(
    letters: str, rest: list[str], *, dash: str, plain: frozenset[str], dropped: frozenset[str], valued: frozenset[str]
) -> list[str]:
    """Letters of one word; one that takes a value takes what follows it in the word, or else the next word."""
    arguments: list[str] = []
    for at, letter in enumerate(letters):
        if letter in valued:
            value = letters[at + 1 :] or _next(f"{dash}{letter}", rest)
            return [*arguments, f"{dash}{letter}{_checked(value)}"]
        if letter in plain:
            arguments.append(f"{dash}{letter}")
        elif letter not in dropped:
            raise _refused(f"{dash}{letters}")
    return arguments


def _next(option: str, rest: list[str]) -> str:
    if not rest:
        raise InvalidParameter(f"invalid arguments for ps: {option} needs a value")
    return rest.pop()


def _checked(value: str) -> str:
    if _VALUE.fullmatch(value) is None:
        raise InvalidParameter(f"invalid arguments for ps: unusable value {value[:60]!r}")
    return value


def _refused(option: str) -> InvalidParameter:
    return InvalidParameter(
        f"invalid arguments for ps: {option[:40]!r} is not allowed, use columns and order only, such as -ef, aux or -o pid,args"
    )
