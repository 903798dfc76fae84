"""File name patterns as Go's ``filepath.Match`` takes them: ``*`` and ``?`` within one name, ``[a-z]``, ``[^a-z]``, backslash.

Pure; time is bounded by the lengths of pattern and name multiplied.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from engine.core.dockerfile_errors import cut
from engine.errors import InvalidParameter

MAX_PATTERN = 4096


class Wild(Enum):
    """The signs that stand for what is not said."""

    STAR = "*"
    ONE = "?"


@dataclass(frozen=True, slots=True)
class CharacterClass:
    """One character out of some ranges, or out of none of them."""

    is_negated: bool
    ranges: tuple[tuple[str, str], ...]

    def holds(self, character: str) -> bool:
        return any(low <= character <= high for low, high in self.ranges) != self.is_negated


Token = str | Wild | CharacterClass


def has_meta(pattern: str) -> bool:
    """Whether a text is more than a plain name."""
    return any(character in "*?[\\" for character in pattern)


def match(pattern: str, name: str) -> bool:
    """Whether the whole name fits; raises InvalidParameter for a pattern that is none."""
    return _matches(parse_pattern(pattern), name)


def parse_pattern(pattern: str) -> tuple[Token, ...]:
    """Take a pattern apart; raises InvalidParameter for an open bracket, an empty range or a lone backslash."""
    if len(pattern) > MAX_PATTERN:
        raise InvalidParameter(f"a pattern is longer than {MAX_PATTERN} characters: {cut(pattern)!r}")
    return tuple(_Parser(pattern).tokens())


class _Parser:
    def __init__(self, pattern: str) -> None:
        self._pattern, self._position = pattern, 0

    def tokens(self) -> Iterator[Token]:
        while self._position < len(self._pattern):
            character = self._next()
            if character in "*?":
                yield Wild(character)
            elif character == "[":
                yield self._class()
            elif character == "\\":
                yield self._next()
            else:
                yield character

    def _next(self) -> str:
        if self._position >= len(self._pattern):
            raise InvalidParameter(f"syntax error in pattern {cut(self._pattern)!r}: write [a-z], and \\ before what it keeps")
        self._position += 1
        return self._pattern[self._position - 1]

    def _peek(self) -> str:
        return self._pattern[self._position : self._position + 1]

    def _class(self) -> CharacterClass:
        is_negated = self._peek() == "^"
        self._position += is_negated
        ranges: list[tuple[str, str]] = []
        while self._peek() != "]" or not ranges:
            low = high = self._end_of_range()
            if self._peek() == "-":
                self._position += 1
                high = self._end_of_range()
            ranges.append((low, high))
        self._position += 1
        return CharacterClass(is_negated, tuple(ranges))

    def _end_of_range(self) -> str:
        if self._peek() in ("-", "]"):
            self._position = len(self._pattern)
        character = self._next()
        return self._next() if character == "\\" else character


def _matches(tokens: tuple[Token, ...], name: str) -> bool:
    """Each star takes as little as it can; only the last one seen is ever tried again."""
    token, position = 0, 0
    star, resume = -1, 0
    while position < len(name) or token < len(tokens):
        if token < len(tokens) and tokens[token] is Wild.STAR:
            star, resume = token, position
            token += 1
        elif token < len(tokens) and position < len(name) and fits(tokens[token], name[position]):
            token, position = token + 1, position + 1
        elif star >= 0 and resume < len(name) and name[resume] != "/":
            resume += 1
            token, position = star + 1, resume
        else:
            return False
    return True


def fits(token: Token, character: str) -> bool:
    """Whether a token other than a star stands for the character."""
    if token is Wild.ONE:
        return character != "/"
    if isinstance(token, CharacterClass):
        return token.holds(character)
    return token == character
