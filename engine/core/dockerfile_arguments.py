"""What instructions have in common: lists in JSON, commands, pairs of names and values.

Raises InvalidParameter without a line; who knows the line adds it. Grammar: Dockerfile reference.
"""

import json
from collections.abc import Sequence
from typing import NoReturn

from engine.core.build_words import split_words
from engine.core.dockerfile_errors import cut, quoted
from engine.core.dockerfile_instructions import Command, ExecForm, Heredoc, Pairs, ShellForm
from engine.core.dockerfile_lines import split_word
from engine.errors import InvalidParameter


def json_list(text: str) -> tuple[str, ...] | None:
    """Read a list of strings in JSON; None for what is no JSON list and so is meant for the shell.

    Raises InvalidParameter for a list of anything but strings.
    """
    if not text.startswith("["):
        return None
    try:
        items = json.loads(text, parse_int=len, parse_float=len, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(item, str) for item in items):
        raise InvalidParameter('when using JSON array syntax, arrays must be comprised of strings only: write ["a", "b"]')
    for item in items:
        check_text(item)
    return tuple(items)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def check_text(text: str) -> None:
    """JSON can write what the kernel cannot be told, and what no file can hold."""
    try:
        is_sound = b"\0" not in text.encode()
    except UnicodeEncodeError:
        is_sound = False
    if not is_sound:
        raise InvalidParameter("a text holds a null byte or half a character: leave it out")


def command(text: str, heredocs: Sequence[Heredoc] = ()) -> Command:
    """Read the JSON form, else take the text for the image's shell."""
    items = None if heredocs else json_list(text)
    return ShellForm(text, tuple(heredocs)) if items is None else ExecForm(items)


def pairs(text: str, instruction: str, escape: str) -> Pairs:
    """Read ``a=b c="d e"``, or the old form ``a b c`` that sets one name to the rest of the line."""
    words = split_words(text, escape)
    if "=" not in words[0]:
        name, rest = split_word(text)
        if not rest:
            shown = cut(name)
            raise InvalidParameter(f"{instruction} must have two arguments: {shown!r} names no value, write {shown}=value")
        return ((name, rest),)
    return tuple(_pair(word, instruction) for word in words)


def _pair(word: str, instruction: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals:
        raise InvalidParameter(f"syntax error - can't find = in {quoted(word)}, {cut(word)!r} is not name=value")
    if not name:
        raise InvalidParameter(f"{instruction} names can not be blank: {quoted(word)} is not name=value")
    return name, value


def defaults(text: str, escape: str) -> tuple[tuple[str, str | None], ...]:
    """Read ``name other=default``."""
    found = []
    for word in split_words(text, escape):
        name, equals, value = word.partition("=")
        if not name:
            raise InvalidParameter(f"ARG names can not be blank: {quoted(word)} is not name or name=default")
        found.append((name, value if equals else None))
    return tuple(found)
